#!/usr/bin/env bash
# The language model's server dies in the middle of a call: the caller hears a fallback, the record says why.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

exec {mock}< <(exec python3 "$ROOT/bench/mock_openai.py" --answer "The answer comes from the model.")
model=$!
PIDS+=("$model")
read -r port <&"$mock"
cat >"$WORK/callwright.toml" <<CONFIG
[providers.mock]
kind = "openai"
base_url = "http://127.0.0.1:$port/v1"
api_key = "unused"
CONFIG

start_server --config "$WORK/callwright.toml"
create_org
create_agent '{"model": "mock/mock", "script": null}'
create_trunk
create_number

ring --no-words "$PROMPTS/conf-onlyperson.wav" "$PROMPTS/transfer.wav" >"$WORK/caller.log" 2>&1 &
caller=$!
PIDS+=("$caller")

answered() {
    local call
    call="$(newest_call)"
    api GET "$V1/calls/$call/transcript"
    jq -e '[.data.turns[]? | select(.speaker == "agent" and (.text | test("from the model")))] | length > 0' "$WORK/body"
}
until_ok 40 answered || fail "the model's answer was not heard: $(cat "$WORK/body")"
pass "the model answered while it lived"
kill -9 "$model"

wait "$caller" || fail "the caller: $(tail -n 5 "$WORK/caller.log")"
call="$(newest_call)"
until_ok 20 call_over "$call" || fail "the call did not end"
call_is "$call" '.data.context.last_error | .code == "provider_error" and .details.kind == "llm"
    and .details.provider == "mock"' || fail "the record does not say why: $(cat "$WORK/body")"
pass "the record says that the language model failed"

api_ok 200 GET "$V1/calls/$call/transcript"
waited="$(jq -er '
    def seconds: sub("\\.\\d+Z$"; "Z") as $whole | ($whole | fromdate) + (capture("(?<part>\\.\\d+)Z$").part | tonumber);
    .data.turns as $turns
    | ([$turns | to_entries[] | select(.value.speaker == "user")] | last) as $question
    | ([$turns[$question.key + 1:][] | select(.speaker == "agent" and .text != "")] | first) as $fallback
    | ($fallback.started_at | seconds) - ($question.value.ended_at | seconds)
' "$WORK/body")" || fail "no fallback was heard: $(cat "$WORK/body")"
awk -v waited="$waited" 'BEGIN {exit !(waited <= 3)}' || fail "the fallback came after $waited s"
pass "the caller heard the fallback after $waited s"
