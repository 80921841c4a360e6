//! Session descriptions, as an offer and as an answer.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use media::{Codec, sdp};

const CODECS: &[Codec] = &[Codec::Pcmu, Codec::Pcma];

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = sdp::accept_answer(&text, CODECS);
    if let Ok(negotiated) = sdp::negotiate(&text, CODECS) {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000));
        let answer = sdp::answer(&text, local, sdp::Origin::new(1), &negotiated).expect("what can be negotiated can be answered");
        assert!(answer.starts_with("v=0\r\n"), "{answer:?}");
    }
});
