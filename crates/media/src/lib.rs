//! Sans-IO media: codecs, jitter buffer, DTMF, mixing, turn-taking, barge-in
