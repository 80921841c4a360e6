//! Speech, voice-activity, embedding and synthesis on local models.

mod mel;
pub mod models;
pub mod whisper_file;
