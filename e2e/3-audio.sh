#!/usr/bin/env bash
# A real telephone program, baresip, calls the agent: speech in both directions over RTP.
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

PHONE="$WORK/phone"
mkdir -p "$PHONE/heard"

# The caller waits for the greeting, says one sentence, and listens.
sox -n -r 8000 -b 16 -c 1 "$WORK/quiet.wav" trim 0 4
sox -n -r 8000 -b 16 -c 1 "$WORK/listen.wav" trim 0 30
sox "$WORK/quiet.wav" "$PROMPTS/conf-onlyperson.wav" "$WORK/listen.wav" -r 8000 -b 16 -c 1 "$WORK/caller.wav"

modules="$(dirname "$(find /usr/lib -path '*baresip/modules/g711.so' -print -quit)")"
cat >"$PHONE/config" <<CONFIG
sip_listen 127.0.0.1:0
net_interface 127.0.0.1
module_path $modules
module g711.so
module aufile.so
module sndfile.so
snd_path $PHONE/heard
module_tmp account.so
module_app menu.so
audio_source aufile,$WORK/caller.wav
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
CONFIG
echo '<sip:+14155550199@127.0.0.1;transport=udp>;regint=0;audio_codecs=PCMU/8000/1' >"$PHONE/accounts"

ready_agent
timeout 60 baresip -f "$PHONE" -e "/dial sip:$NUMBER@$SIP" -t 16 </dev/null >"$WORK/phone.log" 2>&1 ||
    fail "baresip: $(tail -n 5 "$WORK/phone.log")"

call="$(newest_call)"
end_of_call "$call"
call_is "$call" '.data.status == "completed" and .data.end_reason == "caller_hangup"' ||
    fail "the call ended otherwise: $(cat "$WORK/body")"
pass "baresip was answered and hung up"

api_ok 200 GET "$V1/calls/$call/transcript"
body '[.data.turns[] | select(.speaker == "user") | .text] | join(" ")' >"$WORK/words"
printf 'you are currently the only person in this conference\t%s\n' "$(cat "$WORK/words")" |
    python3 "$E2E/wer.py" --max 25 || fail "the agent did not understand the caller"
pass "the agent understood the caller"

loud="$(loudness "$(find "$PHONE/heard" -name '*-dec.wav')")"
is_loud "$loud" || fail "the caller heard nothing (RMS $loud)"
pass "the caller heard the agent (RMS $loud)"

curl -fsS -H "Authorization: Bearer $KEY" -o "$WORK/recording.wav" "http://$HTTP$V1/calls/$call/recording"
[ "$(soxi -c "$WORK/recording.wav")" = 2 ] || fail "the recording is not stereo"
for side in 1 2; do
    loud="$(loudness "$WORK/recording.wav" remix "$side")"
    is_loud "$loud" || fail "channel $side of the recording is silent"
done
pass "the recording holds both sides, $(soxi -D "$WORK/recording.wav") s"
STATUS="$(curl -sS -H "Authorization: Bearer $KEY" -H 'Range: bytes=0-43' -o "$WORK/part" -w '%{http_code}' \
    "http://$HTTP$V1/calls/$call/recording")"
[ "$STATUS $(stat -c %s "$WORK/part")" = "206 44" ] || fail "a range of the recording: $STATUS"
pass "a range of the recording is served"
