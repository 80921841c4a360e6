# What the end-to-end scripts share: a server of their own, its API, a caller. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail

E2E="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
ROOT="$(dirname "$E2E")"
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/callwright/target}"
CALLWRIGHT="${CALLWRIGHT:-$CARGO_TARGET_DIR/debug/callwright}"
SOUNDS="${SOUNDS:-$HOME/.cache/callwright/asterisk-sounds}"
PROMPTS="$SOUNDS/usr/share/asterisk/sounds/en_US_f_Allison"
NUMBER="+14155550100"

# The tests' own limits would answer 429 long before a test is done.
export CALLWRIGHT_RATE_LIMIT_ENABLED="${CALLWRIGHT_RATE_LIMIT_ENABLED:-false}"
# A busy machine recognises slowly, which is not what is tested here.
export CALLWRIGHT_CALLS_TRANSCRIBE_TIMEOUT_MS="${CALLWRIGHT_CALLS_TRANSCRIBE_TIMEOUT_MS:-30000}"

WORK="$(mktemp -d)"
DATA="$WORK/data"
LOG="$WORK/server.log"
PIDS=()
AT_END=()
CHECKS=0

# Ends what was started. A test is only good if the server's log has neither panics nor errors in it; a provider's
# refusal (502) is an error to the operator, but not ours.
finish() {
    local status=$? pid command
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for command in "${AT_END[@]}"; do eval "$command" >/dev/null 2>&1 || true; done
    if [ "$status" = 0 ] && grep -E '^[^ ]+ +ERROR |panicked' "$LOG" 2>/dev/null | grep -v ' status=502 '; then
        printf 'FAIL: the server logged the errors above\n' >&2
        status=1
    fi
    if [ "$status" = 0 ]; then
        rm -rf "$WORK"
    elif [ -s "$LOG" ]; then
        printf -- '--- end of the server log (all of it: %s)\n' "$LOG" >&2
        grep -v 'envelope: request .* status=2' "$LOG" | tail -n 30 >&2 || true
    fi
    exit "$status"
}
trap finish EXIT

fail() {
    printf 'FAIL: %s\n' "$*" >&2
    exit 1
}

pass() {
    CHECKS=$((CHECKS + 1))
    printf '  ok  %s\n' "$*"
}

# refused WHAT WORD... -- COMMAND...: the command fails with one clear sentence that has the words in it, and soon.
refused() {
    local what="$1" word words=()
    shift
    while [ "$1" != -- ]; do words+=("$1") && shift; done
    shift
    if timeout 60 "$@" >"$WORK/out" 2>"$WORK/err"; then fail "$what was accepted"; fi
    for word in "${words[@]}"; do
        grep -qF -- "$word" "$WORK/err" || fail "$what: no \"$word\" in: $(cat "$WORK/err")"
    done
    if grep -q panicked "$WORK/err"; then fail "$what: $(cat "$WORK/err")"; fi
    pass "$what: $(tail -n 1 "$WORK/err")"
}

# A port that is free now, of both kinds.
free_port() {
    python3 - <<'PY'
import socket
while True:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            continue
        print(tcp.getsockname()[1])
        break
PY
}

# Waits up to $1 seconds for the rest of the arguments to succeed.
until_ok() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

# Starts the server on $DATA; more arguments go to `serve`. Sets SERVER, HTTP, SIP.
start_server() {
    : "${HTTP:=127.0.0.1:$(free_port)}"
    : "${SIP:=127.0.0.1:$(free_port)}"
    "$CALLWRIGHT" serve --data "$DATA" --listen "$HTTP" --sip "$SIP" "$@" >>"$LOG" 2>&1 &
    SERVER=$!
    PIDS+=("$SERVER")
    until_ok 60 ready_or_gone || fail "the server did not become ready"
    kill -0 "$SERVER" 2>/dev/null || fail "the server ended"
}

ready_or_gone() { ! kill -0 "$SERVER" || curl -fsS "http://$HTTP/health/ready"; }

# Creates an organisation and remembers its key.
create_org() {
    KEY="$("$CALLWRIGHT" admin create-org --data "$DATA" --name e2e --json | jq -er .api_key)"
}

# api METHOD PATH [BODY]: sets STATUS; the body is in $WORK/body, the headers in $WORK/headers.
api() {
    local more=()
    [ $# -lt 3 ] || more=(-H "Content-Type: ${CONTENT_TYPE:-application/json}" --data-binary "$3")
    [ -z "${KEY:-}" ] || more+=(-H "Authorization: Bearer $KEY")
    STATUS="$(curl -sS -m 30 -X "$1" -D "$WORK/headers" -o "$WORK/body" -w '%{http_code}' "${more[@]}" \
        "http://$HTTP$2")"
}

# Checks the last answer against the error contract: shape, ids, headers, and that the log knows the request.
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

# Whether a jq filter holds of the last answer.
also() { jq -e "$1" "$WORK/body" >/dev/null || fail "not so: $1: $(cat "$WORK/body")"; }

body() { jq -er "$1" "$WORK/body"; }
header() { tr -d '\r' <"$WORK/headers" | sed -n "s/^$1: //Ip" | head -n1; }

# Like api, and insists on a status.
api_ok() {
    local want="$1"
    shift
    api "$@"
    [ "$STATUS" = "$want" ] || fail "$1 $2 answered $STATUS, not $want: $(cat "$WORK/body")"
}

V1=/api/public/v1

# An agent that listens for anything and says little. $1: JSON with more settings.
create_agent() {
    local voice settings="${1:-}"
    [ -n "$settings" ] || settings='{}'
    api_ok 200 GET "$V1/voices"
    voice="$(body '[.data[] | select(.provider == "local")][0].id')"
    api_ok 201 POST "$V1/agents" "$(jq -n --arg voice "$voice" --argjson more "$settings" '{
        name: "Reception", voice_id: $voice, system_prompt: "You answer the phone.",
        greeting: {text: "Hello."},
        script: {
            answers: [{examples: ["What are your opening hours?", "When are you open?"],
                       answer: "We are open from nine to five."}],
            fallback: {message: "I see.", attempts: 10}
        }
    } + $more | with_entries(select(.value != null))')"
    AGENT="$(body .data.id)"
}

# A trunk that takes calls from this machine without a challenge. $1: JSON with more settings.
create_trunk() {
    local settings="${1:-}"
    [ -n "$settings" ] || settings='{}'
    api_ok 201 POST "$V1/telephony/trunks" "$(jq -n --argjson more "$settings" '{
        name: "loopback", host: "127.0.0.1", source_addresses: ["127.0.0.1/32"]
    } + $more')"
    TRUNK="$(body .data.id)"
}

create_number() {
    api_ok 201 POST "$V1/telephony/numbers/import" \
        "$(jq -n --arg number "${1:-$NUMBER}" --arg trunk "$TRUNK" '{phone_number: $number, trunk_id: $trunk}')"
    NUMBER_ID="$(body .data.id)"
    api "POST" "$V1/telephony/numbers/assign" \
        "$(jq -n --arg number "$NUMBER_ID" --arg agent "$AGENT" '{number_id: $number, agent_id: $agent}')"
    [ "$STATUS" = 200 ] || [ "$STATUS" = 204 ] || fail "assigning the number answered $STATUS: $(cat "$WORK/body")"
}

# A server with an agent that answers $NUMBER.
ready_agent() {
    start_server
    create_org
    create_agent "${1:-}"
    create_trunk
    create_number
}

# Rings the agent and says the WAV files one after the other; more options go to `call`.
ring() {
    "$CALLWRIGHT" call "sip:$NUMBER@$SIP" --no-words --patience-seconds 30 "$@"
}

# mock OPTION...: an OpenAI-compatible server. Sets MOCK and MOCK_PORT.
mock() {
    exec {mock_port}< <(exec python3 "$ROOT/bench/mock_openai.py" "$@")
    MOCK=$!
    PIDS+=("$MOCK")
    read -r MOCK_PORT <&"$mock_port" || fail "the mock did not start"
    exec {mock_port}<&-
}

# A configuration whose models are all the mock, for tests that need no real speech: $WORK/callwright.toml.
mock_config() {
    mock "$@"
    cat >"$WORK/callwright.toml" <<CONFIG
[models]
local = false
speech_to_text = "mock/mock"

[providers.mock]
kind = "openai"
base_url = "http://127.0.0.1:$MOCK_PORT/v1"
stt_models = ["mock"]
tts_model = "mock"
voices = ["mock"]
CONFIG
}

# An agent on the mock. $1: JSON with more settings.
create_mock_agent() {
    local settings="${1:-}"
    [ -n "$settings" ] || settings='{}'
    api_ok 200 GET "$V1/voices"
    api_ok 201 POST "$V1/agents" "$(jq -n --arg voice "$(body '.data[0].id')" --argjson more "$settings" '{
        name: "Reception", voice_id: $voice, system_prompt: "You answer the phone.", model: "mock/mock"
    } + $more')"
    AGENT="$(body .data.id)"
}

# Loudness of a WAV file, as a part of full scale; silence in G.711 stays under 0.001. More arguments are effects.
loudness() {
    local file="$1"
    shift
    sox "$file" -n "$@" stat 2>&1 | awk '/RMS.*amplitude/ {print $3}'
}

is_loud() { awk -v loud="$1" 'BEGIN {exit !(loud > 0.005)}'; }

# The newest call's id, once there is one.
newest_call() {
    api_ok 200 GET "$V1/calls?limit=1"
    body '.data[0].id'
}

# call_is ID FILTER: whether a call fits a jq filter.
call_is() {
    api_ok 200 GET "$V1/calls/$1"
    jq -e "$2" "$WORK/body" >/dev/null
}

# Waits for a call to be over.
end_of_call() { until_ok "${2:-20}" call_over "$1" || fail "the call did not end: $(cat "$WORK/body")"; }

call_over() { call_is "$1" '.data.status | IN("completed", "failed", "cancelled")'; }
