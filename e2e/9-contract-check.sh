#!/usr/bin/env bash
# The contract check against the live program: read-only it changes nothing, with writes it leaves nothing behind, and
# it says when the address or the key is what is wrong.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

# Limits are on, so that their headers are checked, and high, so that nobody waits.
export CALLWRIGHT_RATE_LIMIT_ENABLED=true CALLWRIGHT_RATE_LIMIT_MINUTE=100000 CALLWRIGHT_RATE_LIMIT_HOUR=1000000 \
    CALLWRIGHT_RATE_LIMIT_DAY=10000000 CALLWRIGHT_RATE_LIMIT_AUTHENTICATION_FAILURES_PER_MINUTE=10000

# check OPTION...: the report is in $WORK/report.json; gives the command's status.
check() {
    printf '%s' "$KEY" | "$CALLWRIGHT" contract check --base-url "http://$HTTP" --key - --quiet --json "$@" >"$WORK/report.json"
}

broken() { jq -r '.checks[] | select(.outcome == "broken") | "\(.group) / \(.name): \(.breaks[0].rule): \(.breaks[0].got)"' "$WORK/report.json"; }
count() { jq "[.checks[] | select(.outcome == \"$1\")] | length" "$WORK/report.json"; }
things() {
    local path
    for path in agents telephony/trunks telephony/numbers calls; do
        api_ok 200 GET "$V1/$path?limit=100"
        body '[.data[] | {id, updated_at}]'
    done
}

ready_agent '{"recording_enabled": false}'
before="$(things)"
check || fail "read-only: $(broken | head -n 20)"
[ "$(jq .requests "$WORK/report.json")" -gt 300 ] || fail "only $(jq .requests "$WORK/report.json") requests"
[ "$(things)" = "$before" ] || fail "the read-only check changed something"
pass "read-only: $(count passed) checks passed, $(jq .requests "$WORK/report.json") requests in $(jq .took "$WORK/report.json") s, nothing changed"

check --allow-writes --only writes || fail "with writes: $(broken | head -n 20)"
[ "$(things)" = "$before" ] || fail "the check left something behind"
pass "with writes: $(count passed) checks passed, nothing left behind"

grep -q "$KEY" "$WORK/report.json" && fail "the key is in the report"
pass "the key is in no report"

# ends_with_2 WORDS OPTION...: the command ends with 2 and says these words.
ends_with_2() {
    local words="$1" status=0
    shift
    "$CALLWRIGHT" contract check --quiet --only routes "$@" >"$WORK/text" 2>&1 || status=$?
    [ "$status" = 2 ] || fail "$words: ended with $status: $(cat "$WORK/text")"
    grep -qF "$words" "$WORK/text" || fail "$words: $(cat "$WORK/text")"
}

port="$(free_port)"
(cd "$WORK" && exec python3 -m http.server --bind 127.0.0.1 "$port") >/dev/null 2>&1 &
PIDS+=("$!")
until_ok 10 curl -fsS "http://127.0.0.1:$port/"
ends_with_2 "answers as no such API" --base-url "http://127.0.0.1:$port" --key "$KEY"
ends_with_2 "name the base without it" --base-url "http://$HTTP/api/public/v1" --key "$KEY"
ends_with_2 "name the base without the path, http://$HTTP" --base-url "http://$HTTP/below" --key "$KEY"
pass "another address is found to be one"

ends_with_2 "the key " --base-url "http://$HTTP" --key "cw_nobodysnobodysnobodys"
pass "a key that is no good is blamed"

status=0
"$CALLWRIGHT" contract check --base-url http://127.0.0.1:1 --key "$KEY" --quiet >/dev/null || status=$?
[ "$status" = 2 ] || fail "nobody there: ended with $status"
pass "nobody there: ends with 2"
