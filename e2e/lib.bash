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

WORK="$(mktemp -d)"
DATA="$WORK/data"
LOG="$WORK/server.log"
PIDS=()
CHECKS=0

finish() {
    local status=$? pid
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [ "$status" != 0 ] && [ -s "$LOG" ]; then
        printf -- '--- end of the server log (%s)\n' "$LOG" >&2
        tail -n 30 "$LOG" >&2
    else
        rm -rf "$WORK"
    fi
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
    until_ok 60 curl -fsS "http://$HTTP/health/ready" || fail "the server did not become ready"
}

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
    "$CALLWRIGHT" call "sip:$NUMBER@$SIP" "$@"
}

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

call_over() { call_is "$1" '.data.status | IN("completed", "failed", "cancelled")'; }
