//! Clients of speech, model and voice services
