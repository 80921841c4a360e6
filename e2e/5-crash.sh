#!/usr/bin/env bash
# The server is killed in the middle of a call and comes back: nothing is lost but the call itself.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

ready_agent
ring "$PROMPTS/conf-onlyperson.wav" "$PROMPTS/demo-congrats.wav" >"$WORK/caller.log" 2>&1 &
caller=$!
PIDS+=("$caller")

# In a shell of its own, which is all that a refusal ends.
has_call() { (newest_call); }
until_ok 20 has_call || fail "no call came"
call="$(newest_call)"
heard_something() {
    api GET "$V1/calls/$call/transcript"
    jq -e '[.data.turns[]? | select(.speaker == "user")] | length > 0' "$WORK/body"
}
until_ok 40 heard_something || fail "no turn was kept while the call went on: $(cat "$WORK/body")"
turns="$(body '.data.turns | length')"
pass "$turns turns were kept while the call went on"

kill -9 "$SERVER"
wait "$SERVER" 2>/dev/null || true
start_server
pass "the server came back on its data"

call_is "$call" '.data.status == "failed" and .data.end_reason == "error" and .data.ended_at != null
    and .data.context.last_error.code == "internal_error"' || fail "the record: $(cat "$WORK/body")"
pass "the call is failed and says why"
api_ok 200 GET "$V1/calls/$call/transcript"
[ "$(body '.data.turns | length')" -ge "$turns" ] || fail "turns were lost: $(cat "$WORK/body")"
pass "no turn was lost"
curl -fsS -H "Authorization: Bearer $KEY" -o "$WORK/recording.wav" "http://$HTTP$V1/calls/$call/recording"
seconds="$(soxi -D "$WORK/recording.wav")"
awk -v seconds="$seconds" 'BEGIN {exit !(seconds > 3)}' || fail "the recording has $seconds s"
pass "the recording has the $seconds s up to the crash"

kill "$caller" 2>/dev/null || true
ring "$PROMPTS/conf-onlyperson.wav" >"$WORK/again.log" 2>&1 || fail "the next call: $(tail -n 5 "$WORK/again.log")"
call="$(newest_call)"
end_of_call "$call"
call_is "$call" '.data.status == "completed"' || fail "the next call: $(cat "$WORK/body")"
pass "the next call works"
