#!/usr/bin/env bash
# What an operator types: refusals that say what to do, and commands that look, list, mend.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

printf '[calls]\nmaxx = 3\n' >"$WORK/typo.toml"
refused "an unknown key" maxx -- "$CALLWRIGHT" config --config "$WORK/typo.toml"
refused "an unknown variable" CALLWRIGHT_RATE_LIMT_ENABLED CALLWRIGHT_RATE_LIMIT_ENABLED -- \
    env CALLWRIGHT_RATE_LIMT_ENABLED=false "$CALLWRIGHT" serve --data "$DATA"
refused "a variable that is no truth" "true or false" -- env CALLWRIGHT_RATE_LIMIT_ENABLED=maybe "$CALLWRIGHT" config
refused "a configuration that is not there" nowhere.toml -- "$CALLWRIGHT" serve --config "$WORK/nowhere.toml"
CALLWRIGHT_CALLS_MAX=7 "$CALLWRIGHT" config >"$WORK/effective.toml"
grep -qx 'max = 7' "$WORK/effective.toml" || fail "config does not show a variable's value"
"$CALLWRIGHT" config --config "$WORK/effective.toml" >/dev/null || fail "config can't read what it printed"
pass "the effective configuration is printed, and can be read again"

"$CALLWRIGHT" migrate --data "$DATA" | grep -q "up to date" || fail "migrate"
"$CALLWRIGHT" migrate --data "$DATA" | grep -q "^0 applied" || fail "migrate is not idempotent"
pass "migrate brings a database up to date, once"

"$CALLWRIGHT" models list >"$WORK/models" || fail "models list"
[ "$(grep -c installed "$WORK/models")" -ge 4 ] || fail "models list: $(cat "$WORK/models")"
"$CALLWRIGHT" models verify >"$WORK/verified" || fail "models verify: $(cat "$WORK/verified")"
cp -rs "$(realpath "${CALLWRIGHT_MODELS_DIR:-$HOME/.cache/callwright/models}")" "$WORK/models-copy"
changed="$(find "$WORK/models-copy/embeddings-tokenizer" -name '*.json' -print -quit)"
rm "$changed"
echo '{}' >"$changed"
refused "a model that was changed" "models pull" -- "$CALLWRIGHT" models verify --dir "$WORK/models-copy"

# Rate limits are on unless they are switched off. 70 requests over one connection:
answers() {
    local url="http://$HTTP$V1/voices"
    # shellcheck disable=SC2046
    curl -sS -m 60 -H "Authorization: Bearer $KEY" -w '\n%{http_code}\n' $(printf "$url %.0s" {1..70}) | grep -cx "$1" || true
}
start_server
create_org
[ "$(answers 200)" = 70 ] || fail "CALLWRIGHT_RATE_LIMIT_ENABLED=false: not all of 70 requests were answered"
pass "with CALLWRIGHT_RATE_LIMIT_ENABLED=false 70 requests in a row are answered"

refused "a port of the API that is in use" "$HTTP" -- "$CALLWRIGHT" serve --data "$WORK/other" --listen "$HTTP" --sip 127.0.0.1:0
refused "a port of SIP that is in use" "$SIP" -- "$CALLWRIGHT" serve --data "$WORK/other" --listen 127.0.0.1:0 --sip "$SIP"
CALLWRIGHT_LISTEN="$HTTP" CALLWRIGHT_SIP_LISTEN="$SIP" "$CALLWRIGHT" doctor --data "$WORK/other" >"$WORK/doctor" &&
    fail "doctor finds nothing wrong with ports that are in use"
grep -q "WRONG.*$HTTP" "$WORK/doctor" && grep -q "WRONG.*UDP $SIP" "$WORK/doctor" || fail "doctor: $(cat "$WORK/doctor")"
pass "doctor says which ports are in use"

kill "$SERVER"
wait "$SERVER" || fail "the server did not end in order"
pass "the server ends in order when it is told to"
CALLWRIGHT_LISTEN="$HTTP" CALLWRIGHT_SIP_LISTEN="$SIP" "$CALLWRIGHT" doctor --data "$DATA" >"$WORK/doctor" ||
    fail "doctor: $(cat "$WORK/doctor")"
grep -q "spoken and heard again" "$WORK/doctor" || fail "doctor: $(cat "$WORK/doctor")"
pass "doctor finds everything in order"
CALLWRIGHT_RATE_LIMIT_ENABLED=true start_server
[ "$(answers 429)" -ge 1 ] || fail "no limit after 70 requests"
api GET "$V1/voices"
expect 429 rate_limit_exceeded requests "limits are on when they are not switched off"
[ "$(header retry-after)" = "$(body .error.details.retry_after)" ] || fail "Retry-After is $(header retry-after)"
