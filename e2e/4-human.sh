#!/usr/bin/env bash
# Human speech at telephone bandwidth through the whole path: codec, network, jitter buffer, turns, recognition.
# Two callers at once: one over a good network, one over one that loses 5 % of the packets and delays the others by
# up to 60 ms.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

LOSSY="+14155550197"
said=() plays=()
while IFS=$'\t' read -r prompt words; do
    [[ "$prompt" == \#* ]] && continue
    plays+=("$PROMPTS/$prompt.wav")
    said+=("$words")
done <"$E2E/human-prompts.tsv"

# understood FROM HOW_MANY MAX_PERCENT: what the caller FROM said first; at most so many words may be misheard.
understood() {
    local call heard
    api_ok 200 GET "$V1/calls"
    call="$(body "[.data[] | select(.from_number == \"$1\")][0].id")"
    end_of_call "$call"
    call_is "$call" '.data.status == "completed"' || fail "the call failed: $(cat "$WORK/body")"
    api_ok 200 GET "$V1/calls/$call/transcript"
    heard="$(body '[.data.turns[] | select(.speaker == "user") | .text] | join(" ")')"
    printf '%s\t%s\n' "${said[*]:0:$2}" "$heard" | python3 "$E2E/wer.py" --max "$3" || fail "too many words were misheard"
    echo "  $(grep "call over .*$call" "$LOG" | grep -o 'packets=.*')"
}

ready_agent '{"interruption": {"enabled": false}}'
ring --from "$LOSSY" --loss 5 --jitter 60 --max-seconds 280 "${plays[@]:0:5}" >"$WORK/lossy.log" 2>&1 &
lossy=$!
PIDS+=("$lossy")
ring --max-seconds 280 "${plays[@]}" >"$WORK/caller.log" 2>&1 || fail "the caller: $(tail -n 5 "$WORK/caller.log")"
wait "$lossy" || fail "the caller on a bad network: $(tail -n 5 "$WORK/lossy.log")"

understood +14155550199 "${#said[@]}" 10
pass "${#said[@]} human recordings were understood"
understood "$LOSSY" 5 25
pass "5 human recordings were understood with 5 % loss and 60 ms jitter"
