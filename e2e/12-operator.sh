#!/usr/bin/env bash
# What runs a platform with several organisations: keys and members from the command line, limits, money, failed
# requests by their id, and the same over HTTP with an operator's key.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

OP=/api/operator/v1
admin() { "$CALLWRIGHT" admin "$@" --data "$DATA"; }
org() { admin "$@" --organization "$ORG"; }
says() {
    local words="$1"
    shift
    "$@" >"$WORK/out" 2>&1 || fail "$*: $(cat "$WORK/out")"
    grep -qF -- "$words" "$WORK/out" || fail "$*: no \"$words\" in: $(cat "$WORK/out")"
}
as() { KEY="$1" "${@:2}"; }

# Limits are high, so that only those that are set below refuse. Money is on.
export CALLWRIGHT_RATE_LIMIT_ENABLED=true CALLWRIGHT_RATE_LIMIT_MINUTE=100000 CALLWRIGHT_RATE_LIMIT_HOUR=1000000 \
    CALLWRIGHT_RATE_LIMIT_DAY=10000000 CALLWRIGHT_BILLING_ENABLED=true CALLWRIGHT_BILLING_TRIAL_CREDITS=100
mock_config
start_server --config "$WORK/callwright.toml"

made="$(admin create-org --name Acme --owner auth0\|ada --json)"
ORG="$(jq -er .organization_id <<<"$made")"
FIRST="$(jq -er .api_key <<<"$made")"
says "owner   auth0|ada" org list-members
says "$ORG" admin list-orgs
refused "a folder without a database" "there is no database" -- "$CALLWRIGHT" admin ledger-verify --data "$WORK/typo"
[ ! -e "$WORK/typo" ] || fail "a command that asks made an installation"
says "(auth0|grace) is admin now" org add-member --subject 'auth0|grace' --role admin --name Grace
refused "a member who is one already" "with this subject" -- "$CALLWRIGHT" admin add-member --data "$DATA" --organization "$ORG" \
    --subject 'auth0|grace' --role viewer
refused "a role that is none" "viewer, member, admin, owner" -- "$CALLWRIGHT" admin add-member --data "$DATA" \
    --organization "$ORG" --subject x --role boss
refused "an organisation that is none" "there is no organization" -- "$CALLWRIGHT" admin list-keys --data "$DATA" \
    --organization 019a3b5e-7c00-7000-8000-00000000dead
[ "$(org list-members | wc -l)" = 2 ] || fail "members: $(org list-members)"
pass "organisations have owners and members"

# Keys: a scope, a network, an end.
made="$(org create-key --name reader --scope read --json)"
READER="$(jq -er .api_key <<<"$made")" READER_ID="$(jq -er .id <<<"$made")"
as "$READER" api_ok 200 GET "$V1/agents"
as "$READER" api POST "$V1/agents" '{}'
expect 403 forbidden insufficient_scope "a key that may only read"
ELSEWHERE="$(org create-key --name elsewhere --allow 192.0.2.0/24 --json | jq -er .api_key)"
as "$ELSEWHERE" api GET "$V1/agents"
expect 403 forbidden ip_not_allowed "a key of another network"
refused "a network that is none" ip_allowlist -- "$CALLWRIGHT" admin create-key --data "$DATA" --organization "$ORG" \
    --name x --allow 192.0.2.0/240
refused "a key that ended before it began" expires_at -- "$CALLWRIGHT" admin create-key --data "$DATA" \
    --organization "$ORG" --name x --expires-at 2020-01-01T00:00:00Z
ADMIN="$(org create-key --name admin --scope admin --json | jq -er .api_key)"
org list-keys >"$WORK/keys"
grep -q "$READER_ID.*active.*read  reader" "$WORK/keys" || fail "list-keys: $(cat "$WORK/keys")"
for key in "$FIRST" "$READER" "$ADMIN"; do
    if grep -qF "${key: -20}" "$WORK/keys"; then fail "list-keys shows a secret: $(cat "$WORK/keys")"; fi
done
says "no longer works" org revoke-key "$READER_ID"
as "$READER" api GET "$V1/agents"
expect 401 unauthorized revoked_api_key "a revoked key"
says revoked org list-keys
pass "keys are made, listed and revoked beside a running server"

# Limits of one organisation; a running server knows them within ten seconds.
policy_has() { as "$FIRST" api GET "$V1/agents" && header ratelimit-policy | grep -q "$1"; }
is_refused() { as "$FIRST" api GET "$V1/agents" && [ "$STATUS" = 429 ]; }
says '"minute": 7' org set-limits --minute 7 --concurrent-calls 2
until_ok 15 policy_has 'q=7;' || fail "RateLimit-Policy is $(header ratelimit-policy)"
until_ok 15 is_refused || fail "no request is refused: $STATUS $(header ratelimit-policy)"
expect 429 rate_limit_exceeded requests "an eighth request of seven"
also '.error.details | .policy == "minute" and .limit == 7 and .subject != null'
says '"concurrent_calls": null' org set-limits
free_again() { as "$FIRST" api GET "$V1/agents" && [ "$STATUS" = 200 ] && header ratelimit-policy | grep -q 'q=100000;'; }
until_ok 75 free_again || fail "the limit that was taken back still holds: $STATUS $(header ratelimit-policy)"
pass "limits are granted and taken back while the server runs"

# Money, from nothing to nothing.
KEY="$FIRST"
create_mock_agent
exec {peer}< <(exec python3 "$E2E/refusing_peer.py" 403 300)
PIDS+=($!)
read -r port <&"$peer"
create_trunk "{\"port\": $port}"
create_number
call() { api POST "$V1/calls" "{\"agent_id\": \"$AGENT\", \"phone_number\": \"+14155550123\"}"; }
call
expect 402 payment_required trial_not_started "a call before the trial"
says "trialing; 100 credits" org trial start --days 3
says "12.5 credits given; there are 112.5 now" org credits grant --credits 12.5 --note welcome --operation gift-1
says "none now" org credits grant --credits 12.5 --note welcome --operation gift-1
says "2 of 2 entries" org credits list
pass "the same gift is given once"
call
expect 502 provider_error rejected "a call that is paid for, to a peer that refuses"
refusal="$(body .meta.request_id)"
says trial_expired org trial stop
call
expect 402 payment_required trial_expired "a call after the trial"
says active org subscription start --plan pro
says past_due org subscription past-due
call
expect 502 provider_error rejected "a call in the days of grace"
says inactive org subscription stop
call
expect 402 payment_required subscription_inactive "a call after the subscription"
refused "less than nothing" credits -- "$CALLWRIGHT" admin credits grant --data "$DATA" --organization "$ORG" --credits=-5
says "every balance follows from its entries" admin ledger-verify
pass "the ledger adds up, refused calls included"

# The check of the ledger finds what was changed behind its back.
mkdir "$WORK/forged"
cp "$DATA/secret.key" "$WORK/forged/"
python3 - "$DATA/callwright.db" "$WORK/forged/callwright.db" <<'PY'
import sqlite3, sys
source, copy = (sqlite3.connect(path) for path in sys.argv[1:])
source.backup(copy)
(table,) = copy.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%balance_reserved%'").fetchone()
try:
    copy.execute(f"UPDATE {table} SET balance = balance + 1")
    sys.exit("an entry of the ledger could be changed")
except sqlite3.DatabaseError:
    pass
for (trigger,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)).fetchall():
    copy.execute(f"DROP TRIGGER {trigger}")
copy.execute(f"UPDATE {table} SET balance = balance + 1 WHERE id = (SELECT max(id) FROM {table})")
copy.commit()
PY
if "$CALLWRIGHT" admin ledger-verify --data "$WORK/forged" >"$WORK/out"; then fail "a forged ledger adds up: $(cat "$WORK/out")"; fi
grep -q WRONG "$WORK/out" || fail "a forged ledger: $(cat "$WORK/out")"
pass "an entry can't be changed, and a forged one is found"

# A failed request by the id that a client quotes.
until_ok 10 admin request "$refusal" || fail "the failed request is not kept"
admin request "$refusal" --json >"$WORK/report.json"
jq -e --arg org "$ORG" '.method == "POST" and .route == "/api/public/v1/calls" and .status == 502 and .reason == "rejected"
    and .organization_id == $org and .address == "127.0.0.1" and (.cause | length > 0)
    and (.lines | length > 0) and (.lines | all(.text | length > 0))' "$WORK/report.json" >/dev/null ||
    fail "the report: $(cat "$WORK/report.json")"
if grep -q 4155550123 "$WORK/report.json"; then fail "a phone number is kept: $(cat "$WORK/report.json")"; fi
admin request "$refusal" >"$WORK/table"
grep -q '^cause  *[^–]' "$WORK/table" && grep -qF "$(jq -r '.lines[0].text' "$WORK/report.json")" "$WORK/table" ||
    fail "the report for people: $(cat "$WORK/table")"
pass "admin request: cause, organisation and $(jq '.lines | length' "$WORK/report.json") lines of the log"
refused "a request that did not fail" "nothing is known" -- "$CALLWRIGHT" admin request --data "$DATA" \
    019a3b5e-7c00-7000-8000-00000000dead
as "$ADMIN" api_ok 200 GET "/api/v1/requests/$refusal"
also '.data | .reason == "rejected" and (has("cause") or has("lines") | not)'
pass "the organisation sees its failure without the cause"

# The same over HTTP.
OPERATOR="$(admin create-operator-key --name e2e --json | jq -er .api_key)"
as "$ADMIN" api GET "$OP/organizations"
expect 403 forbidden insufficient_scope "an organisation's key at the operator's door"
KEY="$OPERATOR"
api GET "$V1/agents/$AGENT"
[ "$STATUS" = 403 ] || [ "$STATUS" = 404 ] || fail "an operator's key opens an agent: $STATUS $(cat "$WORK/body")"
pass "an operator's key opens no organisation's agent"
api_ok 200 GET "$OP/requests/$refusal"
[ "$(body '.data.cause')" = "$(jq -r .cause "$WORK/report.json")" ] || fail "another cause over HTTP: $(cat "$WORK/body")"
api_ok 200 GET "$OP/requests?organization_id=$ORG&status=402"
also '.pagination.total == 3 and (.data | all(.status == 402))'
pass "failed requests are found by organisation and status"

api_ok 201 POST "$OP/organizations" '{"name": "Second"}'
SECOND="$(body '.data.organization.id // .data.id')"
api_ok 200 GET "$OP/organizations"
also ".data | map(.id) | contains([\"$ORG\", \"$SECOND\"])"
api_ok 200 GET "$OP/organizations/$SECOND"
api_ok 200 PUT "$OP/organizations/$SECOND/limits" '{"rate_limits": {"minute": 11}}'
api_ok 200 GET "$OP/organizations/$SECOND/limits"
also '.data.rate_limits.minute == 11'
# gift KEY CREDITS
gift() {
    STATUS="$(curl -sS -m 30 -X POST -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \
        -H "Idempotency-Key: $1" --data-binary "{\"credits\": $2}" -D "$WORK/headers" -o "$WORK/body" -w '%{http_code}' \
        "http://$HTTP$OP/organizations/$SECOND/credits/grant")"
}
for _ in 1 2 3; do
    gift once 5
    [[ "$STATUS" == 20? ]] || fail "a gift: $STATUS $(cat "$WORK/body")"
done
gift once 6
expect 422 validation_error idempotency_key_reused "another gift under the key of the first"
api_ok 200 GET "$OP/organizations/$SECOND/billing"
also '(.data.balance | tonumber) == 5 and .data.standing == "trial_not_started"'
pass "three equal requests under one Idempotency-Key are one gift"
for step in trial/start:trialing trial/stop:trial_expired subscription/start:active subscription/past-due:past_due \
    subscription/stop:inactive; do
    api_ok 200 POST "$OP/organizations/$SECOND/${step%:*}"
    also ".data.standing == \"${step#*:}\""
done
api_ok 200 GET "$OP/organizations/$SECOND/credits"
also '.pagination.total == 2'
pass "an operator's key starts and stops trials and subscriptions"

# Everything above stands in the organisation's audit log, with who did it.
as "$ADMIN" api_ok 200 GET "/api/v1/audit-log?limit=100"
for action in member.added api_key.created api_key.revoked; do
    also ".data | any(.action == \"$action\" and .request_id == null)"
done
also '[.data[].action] | any(startswith("trial.")) and any(startswith("subscription.")) and any(startswith("credits."))'
pass "the audit log has what the command line did"
says "every balance follows from its entries" admin ledger-verify
for key in "$FIRST" "$READER" "$ADMIN" "$OPERATOR"; do
    if grep -qF "${key: -20}" "$LOG"; then fail "a key is in the log"; fi
done
pass "no key is in the log"

printf '%s checks\n' "$CHECKS"
