//! SIP messages as the engine reads them, and writing what was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsipstack::sip::{HeadersExt as _, SipMessage};

fuzz_target!(|data: &[u8]| {
    let Ok(message) = SipMessage::try_from(data) else { return };
    let _ = (message.from_header(), message.to_header(), message.call_id_header(), message.cseq_header());
    let _ = (message.via_header(), message.contact_header());
    let _ = message.to_string();
});
