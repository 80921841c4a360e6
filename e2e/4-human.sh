#!/usr/bin/env bash
# Human speech at telephone bandwidth through the whole path: codec, network, jitter buffer, turns, recognition.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

ready_agent '{"interruption": {"enabled": false}}'

said=() plays=()
while IFS=$'\t' read -r prompt words; do
    [[ "$prompt" == \#* ]] && continue
    plays+=("$PROMPTS/$prompt.wav")
    said+=("$words")
done <"$E2E/human-prompts.tsv"

ring --max-seconds 240 --no-words --json "${plays[@]}" >"$WORK/caller.json" 2>"$WORK/caller.log" ||
    fail "the caller: $(tail -n 5 "$WORK/caller.log")"

call="$(newest_call)"
until_ok 15 call_over "$call" || fail "the call did not end: $(cat "$WORK/body")"
call_is "$call" '.data.status == "completed"' || fail "the call failed: $(cat "$WORK/body")"
api_ok 200 GET "$V1/calls/$call/transcript"
heard="$(body '[.data.turns[] | select(.speaker == "user") | .text] | join(" ")')"
printf '%s\t%s\n' "${said[*]}" "$heard" | python3 "$E2E/wer.py" --max 15 || fail "too many words were misheard"
pass "${#said[@]} human recordings were understood"
