#!/usr/bin/env bash
# The API's own description, turned against it: Schemathesis makes requests that fit it and requests that do not, with
# all of its checks and the error contract as one more. The seed is fixed; SCHEMATHESIS_SEED takes another.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

st="$("$ROOT/scripts/schemathesis.sh")"
mock_config
# Money is on, so that 402 is among the answers. Limits stay off: an operation of operators sets them, and whoever sets
# them to one request a minute for itself is refused all the rest.
export CALLWRIGHT_BILLING_ENABLED=true CALLWRIGHT_BILLING_STRIPE_WEBHOOK_SECRET=whsec_e2e
start_server --config "$WORK/callwright.toml"
create_org

# Something to find: Schemathesis takes ids out of answers.
create_mock_agent
create_trunk
create_number

OPERATOR_KEY="$("$CALLWRIGHT" admin create-operator-key --data "$DATA" --name e2e --json | jq -er .api_key)"
api_ok 200 GET /api/v1/api-keys
OWN_KEYS="$(body '[.data[].id] | join(" ")')"
export API_KEY="$KEY" OWN_KEYS OPERATOR_KEY BASE_URL="http://$HTTP" PYTHONPATH="$E2E/schemathesis" NO_COLOR=1
export SCHEMATHESIS_HOOKS=hooks
# The contract folds 405 into 404 `method_not_allowed` with `Allow`, so `unsupported_method` is left to the check
# `contract` in hooks.py, which demands exactly that. One worker, and no limit of time: either would let a busy machine
# choose the cases, which the seed chooses.
if ! "$st" --config-file "$E2E/schemathesis/schemathesis.toml" run "http://$HTTP$V1/openapi.json" \
    --url "http://$HTTP" --seed "${SCHEMATHESIS_SEED:-20260204}" --max-examples "${SCHEMATHESIS_EXAMPLES:-40}" \
    --checks all --exclude-checks unsupported_method --workers 1 \
    --report ndjson --report-ndjson-path "$WORK/events.ndjson" >"$WORK/schemathesis.log" 2>&1; then
    cat "$WORK/schemathesis.log" >&2
    fail "Schemathesis found something"
fi
sed -n '/Test cases/,$p' "$WORK/schemathesis.log"
kill -0 "$SERVER" || fail "the server is gone"
cases="$(sed -n 's/^ *\([0-9]*\) generated.*/\1/p' "$WORK/schemathesis.log")"
[ "${cases:-0}" -ge "${SCHEMATHESIS_CASES_MIN:-2000}" ] || fail "Schemathesis made only ${cases:-no} cases"
pass "Schemathesis made $cases cases and found nothing"
