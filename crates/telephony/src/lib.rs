//! The I/O round media: SIP, RTP and the call session.
//!
//! `sip` speaks the protocol, `rtp_socket` moves datagrams, `switchboard` admits and places calls, and each
//! answered call is held by one `session`. Decisions about speech, turns and codecs live in `media`, rules about
//! who may call whom in `domain`.

pub mod rtp_socket;
mod session;
pub mod sip;
pub mod softphone;
pub mod switchboard;
