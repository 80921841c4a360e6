#!/usr/bin/env bash
# Every kind of refusal, through curl, against the error contract.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

start_server
api GET "$V1/agents"
expect 401 unauthorized missing_credentials "no key"
KEY=nonsense
api GET "$V1/agents"
expect 401 unauthorized malformed_credentials "nonsense for a key"
create_org
GOOD="$KEY" KEY="${KEY:0:-4}AAAA"
api GET "$V1/agents"
expect 401 unauthorized invalid_api_key "a key of the right shape that nobody has"
KEY="$GOOD"

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

api GET "$V1/agents?limit=many"
expect 422 validation_error invalid_fields "a query that is no number"
also '.error.details.fields[0].pointer == "?limit"'
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
