#!/usr/bin/env bash
# SIPp, somebody else's SIP stack, against ours: calls in number, cancelled, refused, and calls to it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

GUARDED="+14155550101"

# dial SCENARIO NUMBER CALLS [OPTION...]: SIPp ends with 0 only if every call went as the scenario says.
dial() {
    local scenario="$1" number="$2" calls="$3"
    shift 3
    (cd "$WORK" && timeout 120 sipp "$SIP" -sf "$E2E/sipp/$scenario.xml" -s "$number" -m "$calls" -i 127.0.0.1 \
        -p "$(free_port)" -l 20 -timeout 100s -timeout_error -nostdin -trace_err "$@") >"$WORK/sipp.log" 2>&1 ||
        fail "$scenario: $(cat "$WORK"/*_errors.log 2>/dev/null | tail -n 5) $(grep -E 'Failed call' "$WORK/sipp.log" | tail -n 1)"
}

# called SCENARIO: a SIPp that is called, and a trunk and a number that lead to it.
called() {
    local port
    port="$(free_port)"
    (cd "$WORK" && exec timeout 60 sipp -sf "$E2E/sipp/$1.xml" -i 127.0.0.1 -p "$port" -m 1 -nostdin) >"$WORK/$1.log" 2>&1 &
    PIDS+=($!)
    create_trunk "{\"port\": $port}"
    create_number "$2"
    api POST "$V1/calls" "$(jq -n --arg agent "$AGENT" --arg from "$2" \
        '{agent_id: $agent, from_number: $from, phone_number: "+14155550123"}')"
}

total() {
    api_ok 200 GET "$V1/calls?limit=1${1:-}"
    body .pagination.total
}

all_over() { [ "$(total "&status=in_progress")" = 0 ] && [ "$(total "&status=ringing")" = 0 ]; }

ready_agent '{"first_speaker": "user", "recording_enabled": false}'
dial uac "$NUMBER" 200 -r 20
pass "200 calls over UDP, none failed; a trunk's address is enough"
until_ok 20 all_over || fail "calls are left: $(cat "$WORK/body")"
pass "no call is left behind"
dial uac "$NUMBER" 20 -r 10 -t t1
pass "20 calls over TCP, none failed"
before="$(total)"
# An answer may cross the CANCEL: what SIPp did not expect at that moment is no failure, an unfinished call is.
dial uac_cancel "$NUMBER" 20 -r 10 -default_behaviors all,-abortunexp
until_ok 20 all_over || fail "cancelled calls are left: $(cat "$WORK/body")"
[ "$(total)" = $((before + 20)) ] || fail "a cancelled call has no record"
pass "20 calls are cancelled right after 100 Trying, $(total "&status=cancelled") of them before they were answered"
dial uac_g729 "$NUMBER" 5 -r 5
pass "an offer without a codec of ours is refused"

create_trunk '{"source_addresses": [], "username": "trunk", "password": "right-and-long"}'
create_number "$GUARDED"
dial uac_wrong_credentials "$GUARDED" 5 -r 5 -au trunk -ap wrong
pass "wrong credentials are refused"
NUMBER="$GUARDED" ring --username trunk --password wrong >"$WORK/wrong.log" && fail "a wrong password was welcome"
NUMBER="$GUARDED" ring --username trunk --password right-and-long --max-seconds 4 >"$WORK/right.log" ||
    fail "right credentials: $(cat "$WORK/right.log")"
pass "right credentials are welcome"

called uas_busy +14155550102
[ "$STATUS" = 201 ] || fail "a call to a busy line: $STATUS $(cat "$WORK/body")"
call="$(body .data.id)"
end_of_call "$call"
call_is "$call" '.data.end_reason == "busy"' || fail "a busy line: $(cat "$WORK/body")"
pass "a busy line is told as busy"

called uas_unavailable +14155550103
[ "$STATUS" = 502 ] || fail "a peer that refuses: $STATUS $(cat "$WORK/body")"
pass "a peer that refuses is a 502"
