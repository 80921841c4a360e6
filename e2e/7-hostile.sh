#!/usr/bin/env bash
# What must not be able to hurt: huge and deep bodies, huge headers, files that are no sound, noise on every port.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

memory_mb() { awk '/^VmRSS/ {print int($2 / 1024)}' "/proc/$SERVER/status"; }

# send FILE [OPTION...]: posts a file to the agents, as api does.
send() {
    local file="$1"
    shift
    STATUS="$(curl -sS -m 60 -X POST -D "$WORK/headers" -o "$WORK/body" -w '%{http_code}' -H "Authorization: Bearer $KEY" \
        -H "Content-Type: application/json" --data-binary "@$file" "$@" "http://$HTTP$V1/agents" 2>"$WORK/curl.log")" ||
        [ "$STATUS" != 000 ] || fail "no answer: $(cat "$WORK/curl.log")"
}

ready_agent '{"recording_enabled": false}'
ring --max-seconds 5 >/dev/null || fail "the first call failed"
before="$(memory_mb)"

head -c 104857600 /dev/zero | tr '\0' ' ' >"$WORK/huge"
send "$WORK/huge"
expect 400 bad_request body_too_large "a body of 100 MB"
send "$WORK/huge" -H "Transfer-Encoding: chunked" -H "Expect:"
expect 400 bad_request body_too_large "a body of 100 MB that does not say its length"
rm "$WORK/huge"
{ printf '{"name":'; head -c 200000 /dev/zero | tr '\0' '['; } >"$WORK/deep"
send "$WORK/deep"
expect 400 bad_request malformed_json "a body 200 000 arrays deep"
printf '{"name":"a","name":"b"}' >"$WORK/twice"
send "$WORK/twice"
[ "$STATUS" = 422 ] || [ "$STATUS" = 400 ] || fail "a key that comes twice: $STATUS $(cat "$WORK/body")"
pass "$STATUS $(body .error.code): a key that comes twice"
printf '{"name":"\xff\xfe"}' >"$WORK/bytes"
send "$WORK/bytes"
expect 400 bad_request malformed_json "a body that is not UTF-8"

# A little less than the 1 MiB that curl is willing to send.
printf 'X-Large: %s\n' "$(head -c 1000000 /dev/zero | tr '\0' a)" >"$WORK/large"
STATUS="$(curl -sS -m 20 -H "@$WORK/large" -D "$WORK/headers" -o "$WORK/body" -w '%{http_code}' "http://$HTTP$V1/agents")" ||
    fail "a header of 1 MB: curl ended with $?"
expect 400 bad_request malformed_header "a header of 1 MB"

head -c 100000 /dev/urandom >"$WORK/noise.wav"
if ring "$WORK/noise.wav" 2>"$WORK/wav.log"; then fail "a WAV that is none was played"; fi
grep -q "noise.wav" "$WORK/wav.log" || fail "a WAV that is none: $(cat "$WORK/wav.log")"
pass "a WAV that is none: $(cat "$WORK/wav.log")"

python3 "$E2E/noise.py" udp "$SIP" 400
python3 "$E2E/noise.py" tcp "$SIP" 50
kill -0 "$SERVER" || fail "the server is gone"

# While a call goes on, noise on its media ports; the caller's own packets win.
ring --json "$PROMPTS/conf-onlyperson.wav" >"$WORK/caller.json" 2>"$WORK/caller.log" &
caller=$!
PIDS+=("$caller")
live() { api_ok 200 GET "$V1/calls?limit=1&status=in_progress" && body '.data[0].id'; }
until_ok 20 live || fail "no call came"
call="$(body '.data[0].id')"
ports="$(ss -Hnulp | awk -v pid="pid=$SERVER," 'index($0, pid) {print $4}' | sed 's/.*://' | grep -v "^${SIP##*:}$" || true)"
[ -n "$ports" ] || fail "no media port is open during a call"
for port in $ports; do python3 "$E2E/noise.py" udp "127.0.0.1:$port" 300; done
wait "$caller" || fail "the caller: $(tail -n 5 "$WORK/caller.log")"
end_of_call "$call"
call_is "$call" '.data.status == "completed"' || fail "the call under noise: $(cat "$WORK/body")"
api_ok 200 GET "$V1/calls/$call/transcript"
printf 'you are currently the only person in this conference\t%s\n' \
    "$(body '[.data.turns[] | select(.speaker == "user") | .text] | join(" ")')" | python3 "$E2E/wer.py" --max 25 ||
    fail "the noise got into the call"
pass "a call was held while noise came to its ports"

after="$(memory_mb)"
[ $((after - before)) -lt 150 ] || fail "memory grew from $before MB to $after MB"
pass "memory: $before MB before, $after MB after all of it"
