//! The I/O round media: SIP, RTP and the call session

pub mod sip;
