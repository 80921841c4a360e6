#!/usr/bin/env bash
# The language model's server dies in the middle of a call: the caller hears a fallback, the record says why.
# The recogniser is a mock too, in a process that lives on: how fast this machine recognises is not the question.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

mock --heard "How can you help me?"
ears="$MOCK_PORT"
mock --answer "The answer comes from the model."
cat >"$WORK/callwright.toml" <<CONFIG
[models]
speech_to_text = "ears/mock"

[providers.ears]
kind = "openai"
base_url = "http://127.0.0.1:$ears/v1"
stt_models = ["mock"]
llm = false

[providers.brain]
kind = "openai"
base_url = "http://127.0.0.1:$MOCK_PORT/v1"
api_key = "unused"
CONFIG

start_server --config "$WORK/callwright.toml"
create_org
create_agent '{"model": "brain/mock", "script": null}'
create_trunk
create_number

ring --json --record "$WORK/call.wav" "$PROMPTS/transfer.wav" "$PROMPTS/transfer.wav" >"$WORK/caller.json" 2>"$WORK/caller.log" &
caller=$!
PIDS+=("$caller")

answered() {
    api GET "$V1/calls/$(newest_call)/transcript"
    jq -e 'any(.data.turns[]?; .speaker == "agent" and (.text | test("from the model")))' "$WORK/body"
}
until_ok 40 answered || fail "the model's answer was not heard: $(cat "$WORK/body")"
kill -9 "$MOCK"
pass "the model answered while it lived"

wait "$caller" || fail "the caller: $(tail -n 5 "$WORK/caller.log")"
waited="$(jq -er '.[0].turns[1].latency_ms' "$WORK/caller.json")" ||
    fail "the caller heard no fallback: $(cat "$WORK/caller.json")"
[ "$waited" -le 3000 ] || fail "the caller heard the fallback after $waited ms"
pass "the caller heard the fallback $waited ms after the last word"

call="$(newest_call)"
end_of_call "$call"
call_is "$call" '.data.status == "failed" and .data.end_reason == "error"
    and (.data.context.last_error | .code == "provider_error" and .details.kind == "llm" and .details.provider == "brain"
        and .details.reason == "unreachable" and (.details.retryable | type == "boolean") and .at != null)' ||
    fail "the record does not say why: $(cat "$WORK/body")"
pass "the record says that the language model could not be reached"
api_ok 200 GET "$V1/calls/$call/transcript"
also '.data.turns[-1] | .speaker == "agent" and .text != ""'
pass "the transcript ends with the fallback"
