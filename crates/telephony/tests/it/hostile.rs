//! Bytes nobody should send. Afterwards the endpoint must still answer.

use std::time::Duration;

use telephony::sip::SipTransport;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use crate::{
    requests::request,
    support::{Party, soon},
};

async fn still_answers(party: &Party) {
    let other = Party::new().await;
    for transport in [SipTransport::Udp, SipTransport::Tcp] {
        assert_eq!(
            soon(other.endpoint.options(&party.target(transport))).await.unwrap(),
            200,
            "{transport:?}"
        );
    }
}

/// In the manner of RFC 4475 and worse.
fn torture() -> Vec<Vec<u8>> {
    let valid = request("INVITE", "", "").replace("{me}", "127.0.0.1:9");
    let mut messages: Vec<Vec<u8>> = [
        // Values that overflow, are negative, or are no numbers.
        valid.replace("CSeq: 1 INVITE", "CSeq: 36893488147419103232 INVITE"),
        valid.replace("CSeq: 1 INVITE", "CSeq: -1 INVITE"),
        valid.replace("CSeq: 1 INVITE", "CSeq: 1 OPTIONS"),
        valid.replace("CSeq: 1 INVITE", "CSeq:"),
        valid.replace("Content-Length: 0", "Content-Length: -999"),
        valid.replace("Content-Length: 0", "Content-Length: 18446744073709551615"),
        valid.replace("Max-Forwards: 70", "Max-Forwards: 99999999999999"),
        valid.replace("127.0.0.1:9", "127.0.0.1:99999999"),
        // Structure.
        valid.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"),
        valid.replace("INVITE sip:", "INVITE  sip:"),
        valid.replace("sip:+14155550100@callwright", "<sip:x@y>"),
        valid.replace("sip:+14155550100@callwright", "sip:"),
        valid.replace("sip:+14155550100@callwright", "nobody-knows:x"),
        valid.replace("sip:+14155550100@callwright", "sip:%00%zz%@[::1"),
        valid.replace("sip:+14155550100@callwright", "sip:\u{fe0f}\u{2028}@\u{202e}"),
        valid.replace("branch=", "branch=\u{1f600}"),
        valid.replace("Via: SIP/2.0/UDP", "Via: SIP  / 2.0\r\n /UDP"),
        valid.replace("Via: SIP/2.0/UDP", "Via: ;;;,,,"),
        valid.replace("Via: ", "X: "),
        valid.replace("From: ", "From: \"\\\"\\\\ <sip:;;;>;;;tag=;"),
        valid.replace("From: <", "From: \"unterminated <"),
        valid.replace("To: <", "To: <<<<"),
        valid.replace("Call-ID: ", "Call-ID: \u{0}"),
        valid.replace("Contact: <", "Contact: *;expires=x <"),
        valid.replace("\r\n", "\n"),
        valid.replace("\r\n", "\r"),
        format!("{valid}{valid}"),
        format!("SIP/2.0 200 OK\r\n{}", valid.split_once("\r\n").unwrap().1),
        "SIP/2.0 99999999 OK\r\n\r\n".to_owned(),
        "SIP/2.0\r\n\r\n".to_owned(),
        "INVITE\r\n\r\n".to_owned(),
        " \r\n\r\n".to_owned(),
        ":\r\n:\r\n\r\n".to_owned(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    // A header field too many, a value too long, every truncation.
    messages.push(
        valid
            .replace(
                "Max-Forwards",
                &format!("{}Max-Forwards", "Via: SIP/2.0/UDP x\r\n".repeat(500)),
            )
            .into_bytes(),
    );
    messages.push(
        valid
            .replace(
                "Max-Forwards",
                &format!("Subject: {}\r\nMax-Forwards", "x".repeat(50_000)),
            )
            .into_bytes(),
    );
    messages.push(
        valid
            .replace(
                "Max-Forwards",
                &format!("Authorization: Digest {}\r\nMax-Forwards", "a=\"".repeat(2_000)),
            )
            .into_bytes(),
    );
    messages.extend((0..valid.len()).step_by(7).map(|at| valid.as_bytes()[..at].to_vec()));
    messages
}

/// Reproducible noise.
fn noise(count: usize) -> Vec<Vec<u8>> {
    let mut state = 0x1234_5678_9abc_def0_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let valid = request("INVITE", "", "").replace("{me}", "127.0.0.1:9").into_bytes();
    (0..count)
        .map(|at| {
            if at % 2 == 0 {
                return (0..next() % 600).map(|_| next().to_le_bytes()[0]).collect();
            }
            let mut message = valid.clone();
            for _ in 0..=next() % 8 {
                let position = usize::try_from(next()).unwrap() % message.len();
                message[position] = next().to_le_bytes()[0];
            }
            message
        })
        .collect()
}

#[tokio::test]
async fn hostile_datagrams_do_not_silence_the_endpoint() {
    let mut party = Party::new().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for message in torture().into_iter().chain(noise(2_000)) {
        socket.send_to(&message, party.address()).await.unwrap();
        // Calls that got through are declined, or they would ring on.
        while let Ok(call) = party.calls.try_recv() {
            call.reject(603).await;
        }
    }
    still_answers(&party).await;
    while let Ok(call) = party.calls.try_recv() {
        call.reject(603).await;
    }
    party.is_empty().await;
}

#[tokio::test]
async fn hostile_streams_do_not_silence_the_endpoint() {
    let mut party = Party::new().await;
    for message in torture() {
        let mut stream = TcpStream::connect(party.address()).await.unwrap();
        // The endpoint may close on us in the middle.
        stream.write_all(&message).await.ok();
        stream.shutdown().await.ok();
        while let Ok(call) = party.calls.try_recv() {
            call.reject(603).await;
        }
    }
    still_answers(&party).await;
}

#[tokio::test]
async fn one_address_gets_a_bounded_number_of_connections() {
    let party = Party::new().await;
    let mut streams = Vec::new();
    for _ in 0..33 {
        streams.push(TcpStream::connect(party.address()).await.unwrap());
    }
    let last = streams.last_mut().unwrap();
    let mut buffer = [0; 1];
    assert_eq!(soon(last.read(&mut buffer)).await.unwrap_or(0), 0);
    drop(streams);
    still_answers(&party).await;
}

#[tokio::test]
async fn a_stream_that_never_reads_does_not_silence_the_endpoint() {
    let party = Party::new().await;
    let mut stream = TcpStream::connect(party.address()).await.unwrap();
    // Each is answered at once, as it cancels nothing. Some megabytes of answers, more than any buffer takes.
    let flood = request("CANCEL", "", &format!("Subject: {}\r\n", "a".repeat(400))).replace("{me}", "127.0.0.1:9");
    let flood = flood.repeat(100);
    let flooding = async {
        for _ in 0..300 {
            if stream.write_all(flood.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    // A connection that is not closed is at least not read for ever.
    tokio::time::timeout(Duration::from_secs(20), flooding).await.ok();
    still_answers(&party).await;
    drop(stream);
}

#[tokio::test]
async fn an_endpoint_that_is_shut_down_says_that_it_serves_no_more() {
    let party = Party::new().await;
    assert!(party.endpoint.is_serving());
    soon(party.endpoint.shutdown()).await;
    assert!(!party.endpoint.is_serving());
}

#[tokio::test]
async fn an_endless_header_closes_the_stream() {
    let party = Party::new().await;
    let mut stream = TcpStream::connect(party.address()).await.unwrap();
    let flood = async { while stream.write_all(&[b'a'; 8192]).await.is_ok() {} };
    soon(flood).await;
    still_answers(&party).await;
}
