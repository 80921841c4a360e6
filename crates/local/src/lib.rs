//! Speech, voice-activity, embedding and synthesis on local models
