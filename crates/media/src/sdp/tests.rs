#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use proptest::prelude::*;

const BOTH: &[Codec] = &[Codec::Pcmu, Codec::Pcma];
const LOCAL: &str = "198.51.100.7:40000";

const PHONE: &str = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.1\r\ns=Talk\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 7078 RTP/AVP 96 8 0 18 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:30\r\na=sendrecv\r\n";

fn local() -> SocketAddr {
    LOCAL.parse().unwrap()
}

/// An offer of one PCMU stream with some lines changed.
fn with(connection: &str, media: &str, attributes: &str) -> String {
    format!("v=0\no=- 1 1 IN IP4 192.0.2.1\n{connection}\nt=0 0\n{media}\n{attributes}\n")
}

#[test]
fn the_offerers_first_codec_that_we_know_wins() {
    let negotiated = negotiate(PHONE, BOTH).unwrap();
    assert_eq!(
        negotiated,
        Negotiated {
            remote: "192.0.2.1:7078".parse().unwrap(),
            codec: Codec::Pcma,
            payload_type: 8,
            dtmf_payload_type: Some(101),
            sends: true,
            receives: true,
            ptime_ms: 30,
        }
    );
    let only = negotiate(PHONE, &[Codec::Pcmu]).unwrap();
    assert_eq!((only.codec, only.payload_type), (Codec::Pcmu, 0));
}

#[test]
fn the_answer_is_written_in_full() {
    let negotiated = negotiate(PHONE, BOTH).unwrap();
    assert_eq!(
        answer(PHONE, local(), Origin::new(42), &negotiated).unwrap(),
        "v=0\r\no=- 42 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn streams_that_we_do_not_take_are_answered_with_port_zero() {
    let text = with(
        "c=IN IP4 192.0.2.1",
        "m=video 5000 RTP/AVP 31 34\nm=audio 5002 RTP/SAVP 0\nm=audio 5004 RTP/AVP 0\nm=audio 5006 RTP/AVP 0",
        "",
    );
    let negotiated = negotiate(&text, BOTH).unwrap();
    assert_eq!(negotiated.remote.port(), 5004);
    let answer = answer(&text, local(), Origin::new(1), &negotiated).unwrap();
    let media: Vec<_> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        media,
        [
            "m=video 0 RTP/AVP 31 34",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 40000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 0",
        ]
    );
}

#[test]
fn our_offer_and_our_answer_understand_each_other() {
    for address in [LOCAL, "[2001:db8::7]:40000"] {
        let local: SocketAddr = address.parse().unwrap();
        let offered = offer(local, Origin::new(7), BOTH);
        let negotiated = negotiate(&offered, &[Codec::Pcma]).unwrap();
        assert_eq!((negotiated.remote, negotiated.codec), (local, Codec::Pcma));
        assert_eq!(
            (negotiated.dtmf_payload_type, negotiated.ptime_ms),
            (Some(DTMF_PAYLOAD_TYPE), 20)
        );
        let answered = answer(&offered, local, Origin::new(8), &negotiated).unwrap();
        assert_eq!(accept_answer(&answered, BOTH).unwrap(), negotiated);
    }
}

#[test]
fn hold_shows_in_who_may_send() {
    for (connection, attribute, sends, receives, answered) in [
        ("c=IN IP4 192.0.2.1", "", true, true, "sendrecv"),
        ("c=IN IP4 192.0.2.1", "a=sendonly", false, true, "recvonly"),
        ("c=IN IP4 192.0.2.1", "a=sendonly\na=ptime:20", false, true, "recvonly"),
        ("c=IN IP4 192.0.2.1", "a=recvonly", true, false, "sendonly"),
        ("c=IN IP4 192.0.2.1", "a=inactive", false, false, "inactive"),
        ("c=IN IP4 192.0.2.1\na=inactive", "", false, false, "inactive"),
        ("c=IN IP4 192.0.2.1\na=inactive", "a=sendrecv", true, true, "sendrecv"),
        ("c=IN IP4 0.0.0.0", "", false, true, "recvonly"),
        ("c=IN IP6 ::", "a=inactive", false, false, "inactive"),
    ] {
        let text = with(connection, "m=audio 9 RTP/AVP 0", attribute);
        let negotiated = negotiate(&text, BOTH).unwrap();
        assert_eq!((negotiated.sends, negotiated.receives), (sends, receives), "{text}");
        let answer = answer(&text, local(), Origin::new(1), &negotiated).unwrap();
        assert!(answer.ends_with(&format!("a={answered}\r\n")), "{answer}");
    }
}

#[test]
fn sloppy_descriptions_are_understood() {
    for (text, remote) in [
        ("c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0", "192.0.2.1:4000"),
        (
            "v=0\n\n\n garbage \nx=what\no=- 99999999999999999999999999 1 IN IP4 x\nm=audio 4000/2 RTP/AVP 0 x 300\nc=IN IP4 192.0.2.9/127",
            "192.0.2.9:4000",
        ),
        (
            "v=0\rc=IN IP4 192.0.2.1\rm=audio 4000 RTP/AVP 97\ra=rtpmap:97 pcmu/8000/1",
            "192.0.2.1:4000",
        ),
        ("c=IN IP6 2001:db8::1\nm=audio 4000  RTP/AVP  0 ", "[2001:db8::1]:4000"),
    ] {
        assert_eq!(negotiate(text, BOTH).unwrap().remote, remote.parse().unwrap(), "{text}");
    }
}

#[test]
fn what_leads_to_no_call_says_why() {
    let connection = "c=IN IP4 192.0.2.1";
    let many = "m=audio 4000 RTP/AVP 0\n".repeat(33);
    for (text, error) in [
        (String::new(), SdpError::Malformed("no lines")),
        ("hello".to_owned(), SdpError::Malformed("no lines")),
        ("x=".repeat(40_000), SdpError::Malformed("larger than 64 KiB")),
        (many, SdpError::Malformed("more than 32 m= lines")),
        (
            with(connection, "m=audio", ""),
            SdpError::Malformed("incomplete m= line"),
        ),
        (
            with(connection, "m=audio x RTP/AVP 0", ""),
            SdpError::Malformed("port of an m= line"),
        ),
        (
            with(connection, "m=audio 70000 RTP/AVP 0", ""),
            SdpError::Malformed("port of an m= line"),
        ),
        (
            with(connection, "m=audio 1 RTP/AVP", ""),
            SdpError::Malformed("m= line with no formats or too many"),
        ),
        (with(connection, "", ""), SdpError::NoAudio),
        (with(connection, "m=video 4000 RTP/AVP 0", ""), SdpError::NoAudio),
        (with(connection, "m=audio 0 RTP/AVP 0", ""), SdpError::NoAudio),
        (with(connection, "m=audio 4000 TCP/MSRP *", ""), SdpError::NoAudio),
        (with(connection, "m=audio 4000 RTP/SAVP 0", ""), SdpError::Encrypted),
        (
            with(connection, "m=audio 4000 UDP/TLS/RTP/SAVPF 0", ""),
            SdpError::Encrypted,
        ),
        (
            with(connection, "m=audio 4000 RTP/AVP 18 96", "a=rtpmap:96 opus/48000/2"),
            SdpError::NoCommonCodec,
        ),
        (
            with(connection, "m=audio 4000 RTP/AVP 0", "a=rtpmap:0 PCMU/16000"),
            SdpError::NoCommonCodec,
        ),
        (
            with(connection, "m=audio 1 RTP/AVP 18\nm=audio 1 RTP/SAVP 0", ""),
            SdpError::NoCommonCodec,
        ),
        (with("", "m=audio 4000 RTP/AVP 0", ""), SdpError::NoAddress),
        (
            with("c=IN IP4 phone.example.com", "m=audio 4000 RTP/AVP 0", ""),
            SdpError::NoAddress,
        ),
        (
            with("c=IN IP4 224.2.1.1/127", "m=audio 4000 RTP/AVP 0", ""),
            SdpError::NoAddress,
        ),
    ] {
        assert_eq!(
            negotiate(&text, BOTH),
            Err(error),
            "{error}: {}",
            &text[..text.len().min(200)]
        );
    }
}

#[test]
fn an_answer_may_turn_us_down_or_choose_its_own_numbers() {
    let rejected = with("c=IN IP4 192.0.2.1", "m=audio 0 RTP/AVP 0", "");
    assert_eq!(accept_answer(&rejected, BOTH), Err(SdpError::Rejected));
    let text = with(
        "c=IN IP4 192.0.2.1",
        "m=audio 4000 RTP/AVP 8 96",
        "a=rtpmap:96 telephone-event/8000\na=sendonly",
    );
    let negotiated = accept_answer(&text, BOTH).unwrap();
    assert_eq!(
        (negotiated.codec, negotiated.dtmf_payload_type),
        (Codec::Pcma, Some(96))
    );
    assert_eq!((negotiated.sends, negotiated.receives), (false, true));
    assert_eq!(accept_answer(&text, &[Codec::Pcmu]), Err(SdpError::NoCommonCodec));
}

#[test]
fn packet_times_stay_within_what_is_usual() {
    for (attribute, ptime_ms) in [
        ("a=ptime:1", 10),
        ("a=ptime:500", 60),
        ("a=ptime:x", 20),
        ("a=ptime: 40", 40),
    ] {
        let text = with("c=IN IP4 192.0.2.1", "m=audio 4000 RTP/AVP 0", attribute);
        assert_eq!(negotiate(&text, BOTH).unwrap().ptime_ms, ptime_ms, "{attribute}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,400}") {
        let _ = negotiate(&text, BOTH);
    }

    /// Lines that look right make it deeper; what is answered never gains lines from the offer.
    #[test]
    fn no_lines_make_the_parser_panic(
        lines in proptest::collection::vec("(v=0|c=IN IP[46] [0-9a-f.:/]{0,12}|m=(audio|video) [0-9]{1,6} RTP/AVP( [0-9]{1,3}){0,4}[\\r ]?|a=(rtpmap:[0-9]{1,3} (PCMU|pcma)/8000|ptime:[0-9]{0,12}|sendonly|:))", 0..20)
    ) {
        let mut text = lines.join("\n");
        let _ = negotiate(&text, BOTH);
        text.push_str("\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.1");
        if let Ok(negotiated) = negotiate(&text, BOTH) {
            let answered = answer(&text, local(), Origin::new(1), &negotiated).unwrap();
            prop_assert_eq!(answered.matches("\r\n").count(), answered.matches('\n').count());
            let count = |text: &str| text.split(['\r', '\n']).filter(|line| line.trim().starts_with("m=")).count();
            prop_assert_eq!(count(&answered), count(&text));
        }
    }
}
