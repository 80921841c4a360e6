#!/usr/bin/env bash
# The program on PostgreSQL and Redis: what was in SQLite arrives, calls are answered, a restart and a crash lose
# nothing, and two nodes share one organisation's limits, keys and effects, and leave each other's calls alone.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

SERVER_URL="${TEST_POSTGRES_URL:-postgres://postgres@127.0.0.1:5432/postgres}"
REDIS_URL="${TEST_REDIS_URL:-redis://127.0.0.1:6379}"
DATABASE_NAME="e2e_$(date +%s)_$$"
DATABASE="${SERVER_URL%/*}/$DATABASE_NAME"

sql() { psql -qwAt -v ON_ERROR_STOP=1 "$DATABASE" -c "$1"; }
admin() { "$CALLWRIGHT" admin "$@" --data "$DATA" --database "$DATABASE"; }

# What a client sees of everything that was made.
seen() {
    local path
    for path in agents telephony/trunks telephony/numbers calls "calls/$CALL" "calls/$CALL/transcript" "agents/$AGENT"; do
        api_ok 200 GET "$V1/$path"
        body '.data | tojson'
    done
}

# A call of some seconds; the agent is heard, and so is the caller.
a_call() {
    ring --max-seconds 20 "$PROMPTS/conf-onlyperson.wav" >"$WORK/caller.log" 2>&1 || fail "a call: $(tail -n 5 "$WORK/caller.log")"
    CALL="$(newest_call)"
    end_of_call "$CALL"
    call_is "$CALL" '.data.status == "completed"' || fail "a call: $(cat "$WORK/body")"
    api_ok 200 GET "$V1/calls/$CALL/transcript"
    also '[.data.turns[].speaker] | contains(["user"]) and contains(["agent"])'
}

stop_server() {
    kill "$SERVER"
    wait "$SERVER" || fail "the server did not end in order"
}

# A call that goes on; sets CALL and CALLER.
live_call() {
    "$CALLWRIGHT" call "sip:$NUMBER@$SIP" --no-words --max-seconds 120 --stay "$PROMPTS/conf-onlyperson.wav" \
        "$PROMPTS/demo-congrats.wav" >"$WORK/live.log" 2>&1 &
    CALLER=$!
    PIDS+=("$CALLER")
    until_ok 20 is_live || fail "no call came: $(cat "$WORK/live.log")"
}
is_live() { api_ok 200 GET "$V1/calls?limit=1&status=in_progress" && CALL="$(body '.data[0].id')"; }

psql -qw -v ON_ERROR_STOP=1 "$SERVER_URL" -c "CREATE DATABASE $DATABASE_NAME" || fail "no PostgreSQL at $SERVER_URL"
AT_END+=("psql -qw '$SERVER_URL' -c 'DROP DATABASE $DATABASE_NAME WITH (FORCE)'")
mock_config --heard "I am the only person here."

# Everything begins in one file.
start_server --config "$WORK/callwright.toml"
create_org
create_mock_agent '{"greeting": {"text": "Hello."}}'
create_trunk
create_number
a_call
before="$(seen)"
stop_server

"$CALLWRIGHT" migrate --data "$DATA" --database "$DATABASE" >"$WORK/migrated" || fail "migrate: $(cat "$WORK/migrated")"
grep -q "up to date" "$WORK/migrated" || fail "migrate: $(cat "$WORK/migrated")"
"$CALLWRIGHT" migrate --data "$DATA" --database "$DATABASE" | grep -q "^0 applied" || fail "migrate is not idempotent"
pass "migrate makes the schema in PostgreSQL, once"

COPY=("$CALLWRIGHT" admin copy-database --from "$DATA/callwright.db" --to "$DATABASE")
copy() { "${COPY[@]}" --data "$DATA" "$@"; }
copy >"$WORK/copied" || fail "the copy: $(cat "$WORK/copied")"
grep -q "^all [0-9]* tables are equal" "$WORK/copied" || fail "the copy: $(cat "$WORK/copied")"
[ "$(sql "SELECT count(*) FROM calls")" = 1 ] && [ "$(sql "SELECT count(*) FROM agents")" = 1 ] || fail "rows are missing"
pass "copy-database: $(grep "^all" "$WORK/copied")"
copy --compare >/dev/null || fail "--compare finds a difference where there is none"
sql "UPDATE organizations SET name = name || '.'"
if copy --compare >"$WORK/compared"; then fail "--compare overlooks a changed name"; fi
grep -q "^organizations .*DIFFERS" "$WORK/compared" || fail "--compare: $(cat "$WORK/compared")"
sql "UPDATE organizations SET name = left(name, -1)"
copy --compare >/dev/null || fail "--compare finds a difference where there is none any more"
pass "--compare sees a single letter that differs"
refused "a copy into a database that is not empty" empty -- "${COPY[@]}" --data "$DATA"
refused "a copy without the key of the source" secret.key -- "${COPY[@]}" --data "$WORK/nowhere"

mv "$DATA/callwright.db" "$WORK/old.db"
rm -f "$DATA"/callwright.db-*
# A busy machine may keep Redis waiting, and a node that gave up counts alone, which is not what is tested here.
export CALLWRIGHT_REDIS_URL="$REDIS_URL" CALLWRIGHT_REDIS_PREFIX="$DATABASE_NAME:" CALLWRIGHT_REDIS_TIMEOUT_MS=5000
on_postgres() { start_server --config "$WORK/callwright.toml" --database "$DATABASE" "$@"; }
on_postgres
[ "$(seen)" = "$before" ] || fail "PostgreSQL has something else than SQLite had"
curl -fsS -H "Authorization: Bearer $KEY" -o "$WORK/recording.wav" "http://$HTTP$V1/calls/$CALL/recording"
pass "the same key sees the same agent, number, call, transcript and recording"
a_call
pass "a call is answered, heard and written"
[ ! -e "$DATA/callwright.db" ] || fail "an SQLite file was made beside PostgreSQL"
api GET "$V1/agents/019a3b5e-7c00-7000-8000-00000000dead"
expect 404 not_found resource_not_found "an unknown agent"
failed="$(body .meta.request_id)"
until_ok 10 admin request "$failed" || fail "the failed request is not kept"
admin request "$failed" | grep -q "^reason *resource_not_found" || fail "$(admin request "$failed")"
admin ledger-verify | grep -q "every balance follows" || fail "ledger-verify: $(admin ledger-verify)"
pass "admin request and ledger-verify read PostgreSQL"
"$CALLWRIGHT" doctor --data "$DATA" --database "$DATABASE" --config "$WORK/callwright.toml" >"$WORK/doctor" || true
grep -qi "database" "$WORK/doctor" || fail "doctor: $(cat "$WORK/doctor")"

before="$(seen)"
stop_server
on_postgres
[ "$(seen)" = "$before" ] || fail "a restart changed something"
pass "a restart changes nothing"

live_call
lost="$CALL"
kill -9 "$SERVER"
wait "$SERVER" 2>/dev/null || true
kill "$CALLER" 2>/dev/null || true
on_postgres
closed() { call_is "$lost" '.data.status == "failed" and .data.end_reason == "error" and .data.ended_at != null'; }
until_ok 90 closed || fail "the call that a crash cut off: $(cat "$WORK/body")"
pass "the call that a crash cut off is failed after the restart"
a_call
pass "the next call works"

# Another node: its own folder with the same key, the same database, the same Redis. Now everybody counts.
A="$HTTP" A_SIP="$SIP" A_SERVER="$SERVER" A_DATA="$DATA"
live_call
held="$CALL"
mkdir "$WORK/b"
cp "$DATA/secret.key" "$WORK/b/secret.key"
HTTP="" SIP="" DATA="$WORK/b"
on_postgres
B="$HTTP" B_SERVER="$SERVER"
# Twice the time in which a node that starts would have closed it.
sleep 6
call_is "$held" '.data.status == "in_progress"' || fail "another node's start ended a call: $(cat "$WORK/body")"
pass "another node starts, and the first one's call goes on"
api_ok 200 POST "$V1/calls/$held/end"
wait "$CALLER" 2>/dev/null || true
end_of_call "$held"
call_is "$held" '.data.status == "completed"' || fail "a call that another node was asked to end: $(cat "$WORK/body")"
pass "a call ends in order when another node is asked to end it"

HTTP="$A" SIP="$A_SIP"
live_call
lost="$CALL"
kill -9 "$A_SERVER"
wait "$A_SERVER" 2>/dev/null || true
kill "$CALLER" 2>/dev/null || true
HTTP="$B"
until_ok 120 closed || fail "the call of a node that died: $(cat "$WORK/body")"
pass "the calls of a node that died are closed by another"
kill "$B_SERVER"
wait "$B_SERVER" || fail "the second node did not end in order"

# Limits are exact across nodes.
DATA="$A_DATA" HTTP="$A" SIP="$A_SIP"
export CALLWRIGHT_RATE_LIMIT_ENABLED=true CALLWRIGHT_RATE_LIMIT_MINUTE=50 CALLWRIGHT_RATE_LIMIT_HOUR=100000 \
    CALLWRIGHT_RATE_LIMIT_DAY=1000000
on_postgres
HTTP="" SIP="" DATA="$WORK/b"
on_postgres
B="$HTTP"
DATA="$A_DATA"

# ask_both KEY: 40 requests to each node, at once; prints the statuses. A minute has not ended meanwhile.
ask_both() {
    local node pids=()
    for node in "$A" "$B"; do
        seq 40 | xargs -P 8 -I{} curl -sS -m 60 -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $1" \
            "http://$node$V1/voices" >"$WORK/statuses.$node" &
        pids+=($!)
    done
    wait "${pids[@]}"
    cat "$WORK/statuses.$A" "$WORK/statuses.$B"
}
shared() {
    local minute key
    key="$(admin create-org --name shared --json | jq -er .api_key)"
    [ "$(date +%-S)" -lt 35 ] || sleep $((61 - $(date +%-S)))
    minute="$(date +%H:%M)"
    ask_both "$key" >"$WORK/statuses"
    [ "$(date +%H:%M)" = "$minute" ]
}
shared || shared || shared || fail "80 requests took a whole minute, three times"
[ "$(grep -cx 200 "$WORK/statuses")" = 50 ] && [ "$(grep -cx 429 "$WORK/statuses")" = 30 ] ||
    fail "of 80 requests to two nodes: $(sort "$WORK/statuses" | uniq -c | tr '\n' ' ')"
pass "of 80 requests to two nodes exactly 50 are answered and 30 refused"

# One effect of one Idempotency-Key, whichever node it comes to; and what one node revokes is void on the other.
made="$(admin create-org --name twins --json)"
KEY="$(jq -er .api_key <<<"$made")"
HTTP="$A" api_ok 200 GET "$V1/voices"
agent="$(jq -n --arg voice "$(body '.data[0].id')" '{name: "Once", voice_id: $voice, system_prompt: "p", model: "mock/mock"}')"
twice=()
for round in 1 2 3 4 5; do
    for node in "$A" "$B"; do
        curl -sS -m 60 --retry 8 --retry-all-errors --retry-delay 1 -f -X POST -H "Authorization: Bearer $KEY" \
            -H "Content-Type: application/json" -H "Idempotency-Key: twins" --data-binary "$agent" \
            "http://$node$V1/agents" >"$WORK/twin.$round.$node" 2>>"$WORK/twins.log" &
        twice+=($!)
    done
done
for pid in "${twice[@]}"; do wait "$pid" || fail "a twin: $(cat "$WORK/twins.log")"; done
[ "$(cat "$WORK"/twin.* | jq -r .data.id | sort -u | wc -l)" = 1 ] || fail "several answers: $(cat "$WORK"/twin.*)"
HTTP="$B" api_ok 200 GET "$V1/agents"
also '.pagination.total == 1'
pass "ten requests with one Idempotency-Key to two nodes make one agent and get one answer"

organization="$(jq -er .organization_id <<<"$made")"
spare="$(admin create-key --organization "$organization" --name spare --json)"
KEY="$(jq -er .api_key <<<"$spare")"
HTTP="$B" api_ok 200 GET "$V1/agents"
admin revoke-key --organization "$organization" "$(jq -er .id <<<"$spare")" >/dev/null
HTTP="$B" api GET "$V1/agents"
expect 401 unauthorized revoked_api_key "a key that the command line revoked"

printf '%s checks\n' "$CHECKS"
