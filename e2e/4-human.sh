#!/usr/bin/env bash
# Human speech at telephone bandwidth through the whole path: codec, network, jitter buffer, turns, recognition.
# Once over a good network, once over one that loses 5 % of the packets and delays the others by up to 60 ms.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

said=() plays=()
while IFS=$'\t' read -r prompt words; do
    [[ "$prompt" == \#* ]] && continue
    plays+=("$PROMPTS/$prompt.wav")
    said+=("$words")
done <"$E2E/human-prompts.tsv"

# understood MAX_PERCENT [OPTION...]: a call in which all of it is said; at most so many words may be misheard.
understood() {
    local max="$1" call heard
    shift
    ring --max-seconds 280 --json "$@" "${plays[@]}" >"$WORK/caller.json" 2>"$WORK/caller.log" ||
        fail "the caller: $(tail -n 5 "$WORK/caller.log")"
    call="$(newest_call)"
    end_of_call "$call"
    call_is "$call" '.data.status == "completed"' || fail "the call failed: $(cat "$WORK/body")"
    api_ok 200 GET "$V1/calls/$call/transcript"
    heard="$(body '[.data.turns[] | select(.speaker == "user") | .text] | join(" ")')"
    printf '%s\t%s\n' "${said[*]}" "$heard" | python3 "$E2E/wer.py" --max "$max" || fail "too many words were misheard"
}

ready_agent '{"interruption": {"enabled": false}}'
understood 10
pass "${#said[@]} human recordings were understood"
understood 25 --loss 5 --jitter 60
pass "${#said[@]} human recordings were understood with 5 % loss and 60 ms jitter"
jq -c '.[0].packets' "$WORK/caller.json"
