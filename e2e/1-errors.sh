#!/usr/bin/env bash
# Every kind of refusal, through curl, against the error contract.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

# Checks the envelope of the last answer: shape, ids, headers, and that the log knows the request.
expect() {
    local status="$1" code="$2" reason="$3" what="$4" id
    [ "$STATUS" = "$status" ] || fail "$what: $STATUS, not $status: $(cat "$WORK/body")"
    jq -e --arg code "$code" --arg reason "$reason" '
        (keys == ["error", "meta"])
        and (.error | keys - ["code", "details", "message"] == [] and .code == $code and (.message | length > 0))
        and .error.details.reason == $reason
        and (.meta | keys == ["request_id", "ts"])
        and (.meta.ts | test("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$"))
    ' "$WORK/body" >/dev/null || fail "$what: not the envelope: $(cat "$WORK/body")"
    id="$(body .meta.request_id)"
    [ "$(header x-request-id)" = "$id" ] || fail "$what: X-Request-Id is not meta.request_id"
    [ "$(header content-type | cut -d';' -f1)" = application/json ] || fail "$what: content type $(header content-type)"
    [[ "$(header link)" == *"</docs/errors/$code>; rel=\"help\""* ]] || fail "$what: Link is $(header link)"
    until_ok 5 grep -q "$id" "$LOG" || fail "$what: request $id is not in the log"
    pass "$status $code $reason: $what"
}

also() { jq -e "$1" "$WORK/body" >/dev/null || fail "not so: $1: $(cat "$WORK/body")"; }

start_server
api GET "$V1/agents"
expect 401 unauthorized missing_credentials "no key"
KEY=cw_wrongwrong
api GET "$V1/agents"
[ "$STATUS" = 401 ] || fail "a wrong key: $STATUS"
pass "401 with a wrong key"
create_org

api GET "$V1/nothing-here"
expect 404 not_found route_not_found "unknown route"
api PUT "$V1/agents"
expect 404 not_found method_not_allowed "wrong method"
[ -n "$(header allow)" ] || fail "wrong method: no Allow header"
api GET "$V1/agents/019a3b5e-7c00-7000-8000-00000000dead"
expect 404 not_found resource_not_found "unknown id"
api GET "$V1/agents/no-uuid"
expect 404 not_found resource_not_found "an id that is no UUID"

api POST "$V1/agents" '{"name":'
expect 400 bad_request malformed_json "half a body"
CONTENT_TYPE=text/plain api POST "$V1/agents" '{}'
expect 400 bad_request unsupported_media_type "a body that is not JSON"

api POST "$V1/agents" '{"name": "", "voice_id": "x", "system_prompt": "p", "temperature": 7}'
expect 422 validation_error invalid_fields "two faults at once"
also '[.error.details.fields[].pointer] | (contains(["/name"]) and contains(["/temperature"]))'
api POST "$V1/agents" '{"nam": "x", "voice_id": "x", "system_prompt": "p"}'
expect 422 validation_error invalid_fields "unknown field"
also '.error.details.fields[] | select(.pointer == "/nam") | .reason == "unknown_field" and .params.did_you_mean == "name"'

create_agent
api POST "$V1/calls" "{\"agent_id\": \"$AGENT\", \"phone_number\": \"+14155550123\"}"
expect 422 validation_error no_outbound_number "a call by an agent without a number"

exec {peer}< <(exec python3 "$E2E/refusing_peer.py" 403 60)
PIDS+=($!)
read -r port <&"$peer"
create_trunk "{\"port\": $port}"
create_number
api POST "$V1/calls" "{\"agent_id\": \"$AGENT\", \"phone_number\": \"+14155550123\"}"
expect 502 provider_error rejected "a trunk that refuses"
also '.error.details | .kind == "telephony" and .provider_status == 403 and (.retryable | type == "boolean")'
call="$(newest_call)"
call_is "$call" '.data.status == "failed" and .data.context.last_error.details.reason == "rejected"' ||
    fail "the record does not say why: $(cat "$WORK/body")"
pass "the record of the refused call says why"

printf '%s checks\n' "$CHECKS"
