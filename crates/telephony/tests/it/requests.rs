//! Requests outside and inside a call, written by hand as foreign peers send them.

use std::time::Duration;

use telephony::sip::{LegEvent, RegistrationPlan, RegistrationState, SipTransport};
use tokio::net::UdpSocket;

use crate::support::{ANSWER, OFFER, Party, outcome, place, soon};

/// Sends one request and returns the first answer that is not 100.
pub(crate) async fn exchange(party: &Party, request: &str) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let request = request.replace("{me}", &socket.local_addr().unwrap().to_string());
    socket.send_to(request.as_bytes(), party.address()).await.unwrap();
    next_answer(&socket).await
}

pub(crate) async fn next_answer(socket: &UdpSocket) -> String {
    let mut buffer = [0; 4096];
    loop {
        let length = soon(socket.recv(&mut buffer)).await.unwrap();
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !answer.starts_with("SIP/2.0 100 ") {
            return answer;
        }
    }
}

pub(crate) fn request(method: &str, to_tag: &str, extra: &str) -> String {
    let branch: u64 = rand::random();
    format!(
        "{method} sip:+14155550100@callwright SIP/2.0\r\nVia: SIP/2.0/UDP {{me}};branch=z9hG4bK{branch:x};rport\r\n\
         From: <sip:a@{{me}}>;tag=f{branch:x}\r\nTo: <sip:b@callwright>{to_tag}\r\nCall-ID: {branch:x}@test\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:a@{{me}}>\r\nMax-Forwards: 70\r\n{extra}Content-Length: 0\r\n\r\n"
    )
}

#[tokio::test]
async fn requests_without_a_call_get_fitting_answers() {
    let party = Party::new().await;
    for (method, to_tag, status) in [
        ("OPTIONS", "", "200"),
        ("REGISTER", "", "405"),
        ("SUBSCRIBE", "", "405"),
        ("MESSAGE", "", "405"),
        ("INFO", "", "405"),
        ("BYE", ";tag=x", "481"),
        ("INVITE", ";tag=x", "481"),
        ("INFO", ";tag=x", "481"),
        ("UPDATE", "", "481"),
        ("CANCEL", "", "481"),
        ("FROBNICATE", "", "501"),
    ] {
        let answer = exchange(&party, &request(method, to_tag, "")).await;
        assert!(
            answer.starts_with(&format!("SIP/2.0 {status} ")),
            "{method}{to_tag}: {answer}"
        );
        if method == "OPTIONS" {
            assert!(answer.contains("Allow: INVITE, ACK, BYE"), "{answer}");
            assert!(answer.contains("Accept: application/sdp"), "{answer}");
        }
    }
    party.is_empty().await;
}

#[tokio::test]
async fn an_unknown_required_extension_is_named() {
    let party = Party::new().await;
    let answer = exchange(&party, &request("INVITE", "", "Require: 100rel, timer\r\n")).await;
    assert!(answer.starts_with("SIP/2.0 420 "), "{answer}");
    assert!(answer.contains("Unsupported: 100rel\r\n"), "{answer}");
}

#[tokio::test]
async fn a_ping_is_answered_over_both_transports() {
    let (ours, theirs) = (Party::new().await, Party::new().await);
    for transport in [SipTransport::Udp, SipTransport::Tcp] {
        assert_eq!(
            soon(ours.endpoint.options(&theirs.target(transport))).await.unwrap(),
            200
        );
    }
}

#[tokio::test]
async fn a_silent_peer_times_out() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let party = Party::new().await;
    let target = telephony::sip::SipTarget {
        uri: format!("sip:{}", silent.local_addr().unwrap()),
        transport: SipTransport::Udp,
    };
    assert!(matches!(
        soon(party.endpoint.options(&target)).await,
        Err(telephony::sip::SipError::Timeout)
    ));
}

#[tokio::test]
async fn a_session_timer_of_the_caller_is_accepted() {
    let mut party = Party::new().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let extra = "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n";
    let invite = request("INVITE", "", extra).replace("{me}", &socket.local_addr().unwrap().to_string());
    socket.send_to(invite.as_bytes(), party.address()).await.unwrap();
    let call = party.call().await;
    assert_eq!(call.offer, None);
    let accepted = tokio::spawn(call.accept(ANSWER.to_owned()));
    let answer = next_answer(&socket).await;
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    assert!(answer.contains("Session-Expires: 1800;refresher=uac\r\n"), "{answer}");
    accepted.abort();
}

/// Has one end of an established call send a request, and returns the answer.
async fn within_a_call(method: &str, body: &str, reply: Option<Result<String, u16>>) -> String {
    let mut party = Party::new().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let me = socket.local_addr().unwrap().to_string();
    let invite = request("INVITE", "", "").replace("{me}", &me);
    socket.send_to(invite.as_bytes(), party.address()).await.unwrap();
    let accepted = tokio::spawn(party.call().await.accept(ANSWER.to_owned()));
    let ok = next_answer(&socket).await;
    let to = ok.lines().find(|line| line.starts_with("To:")).unwrap().to_owned();
    let in_dialog = |method: &str, cseq: u32, body: &str| {
        let branch: u64 = rand::random();
        let lines: Vec<String> = invite
            .lines()
            .take_while(|line| !line.is_empty())
            .map(|line| match line {
                line if line.starts_with("INVITE ") => line.replacen("INVITE", method, 1),
                line if line.starts_with("Via:") => format!("Via: SIP/2.0/UDP {me};branch=z9hG4bK{branch:x};rport"),
                line if line.starts_with("To:") => to.clone(),
                line if line.starts_with("CSeq:") => format!("CSeq: {cseq} {method}"),
                line if line.starts_with("Content-Length:") => format!("Content-Length: {}", body.len()),
                line => line.to_owned(),
            })
            .collect();
        format!("{}\r\n\r\n{body}", lines.join("\r\n"))
    };
    socket
        .send_to(in_dialog("ACK", 1, "").as_bytes(), party.address())
        .await
        .unwrap();
    let mut leg = soon(accepted).await.unwrap().unwrap();
    socket
        .send_to(in_dialog(method, 2, body).as_bytes(), party.address())
        .await
        .unwrap();
    if let Some(reply_with) = reply {
        match soon(leg.events.recv()).await.unwrap() {
            LegEvent::Reoffered { sdp, reply } => {
                assert_eq!(sdp, body);
                reply.send(reply_with).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    let answer = next_answer(&socket).await;
    if method == "INVITE" {
        socket
            .send_to(in_dialog("ACK", 2, "").as_bytes(), party.address())
            .await
            .unwrap();
    }
    socket
        .send_to(in_dialog("BYE", 3, "").as_bytes(), party.address())
        .await
        .unwrap();
    while !matches!(soon(leg.events.recv()).await, None | Some(LegEvent::HungUp)) {}
    party.is_empty().await;
    answer
}

#[tokio::test]
async fn requests_within_a_call_are_answered() {
    for (method, body, reply, status) in [
        ("OPTIONS", "", None, "200"),
        ("INFO", "Signal=5\r\nDuration=100\r\n", None, "200"),
        ("UPDATE", "", None, "200"),
        ("REFER", "", None, "403"),
        ("MESSAGE", "", None, "405"),
        ("INVITE", OFFER, Some(Ok(ANSWER.to_owned())), "200"),
        ("UPDATE", OFFER, Some(Err(488)), "488"),
    ] {
        let answer = within_a_call(method, body, reply).await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{method}: {answer}");
    }
}

#[tokio::test]
async fn a_reinvite_without_an_offer_gets_ours() {
    let answer = within_a_call("INVITE", "", None).await;
    assert!(
        answer.starts_with("SIP/2.0 200 ") && answer.ends_with(ANSWER),
        "{answer}"
    );
}

#[tokio::test]
async fn a_retransmitted_invite_is_one_call() {
    let mut party = Party::new().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let invite = request("INVITE", "", "").replace("{me}", &socket.local_addr().unwrap().to_string());
    for _ in 0..3 {
        socket.send_to(invite.as_bytes(), party.address()).await.unwrap();
    }
    let call = party.call().await;
    assert!(
        tokio::time::timeout(Duration::from_millis(200), party.calls.recv())
            .await
            .is_err()
    );
    call.reject(486).await;
    assert!(next_answer(&socket).await.starts_with("SIP/2.0 486 "));
}

#[tokio::test]
async fn a_registrar_that_refuses_is_reported() {
    // An endpoint of ours is no registrar and says so.
    let (ours, theirs) = (Party::new().await, Party::new().await);
    let plan = RegistrationPlan {
        registrar: theirs.target(SipTransport::Udp),
        credentials: telephony::sip::Credentials {
            username: "a".to_owned(),
            password: "b".to_owned(),
        },
        expires: Duration::from_mins(1),
    };
    let registration = ours.endpoint.register(plan).unwrap();
    let mut state = registration.state();
    soon(state.wait_for(|state| *state == RegistrationState::Rejected(405)))
        .await
        .unwrap();
    soon(registration.end()).await;
}

#[tokio::test]
async fn a_registrar_that_challenges_gets_an_answer_and_a_farewell() {
    let registrar = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let ours = Party::new().await;
    let plan = RegistrationPlan {
        registrar: telephony::sip::SipTarget {
            uri: format!("sip:{}", registrar.local_addr().unwrap()),
            transport: SipTransport::Udp,
        },
        credentials: telephony::sip::Credentials {
            username: "a".to_owned(),
            password: "b".to_owned(),
        },
        expires: Duration::from_mins(1),
    };
    let registration = ours.endpoint.register(plan).unwrap();
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth,auth-int\"\r\n";
    let first = serve_register(&registrar, "401 Unauthorized", challenge).await;
    assert!(!first.contains("Authorization:"), "{first}");
    let second = serve_register(&registrar, "200 OK", "Expires: 60\r\n").await;
    assert!(second.contains("algorithm=SHA-256"), "{second}");
    let mut state = registration.state();
    soon(state.wait_for(|state| *state == RegistrationState::Registered))
        .await
        .unwrap();
    let ending = tokio::spawn(registration.end());
    let farewell = serve_register(&registrar, "200 OK", "").await;
    assert!(farewell.contains("Expires: 0\r\n"), "{farewell}");
    soon(ending).await.unwrap();
}

async fn serve_register(registrar: &UdpSocket, status: &str, extra: &str) -> String {
    let mut buffer = [0; 4096];
    let (length, peer) = soon(registrar.recv_from(&mut buffer)).await.unwrap();
    let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(request.starts_with("REGISTER "), "{request}");
    let mut answer = format!("SIP/2.0 {status}\r\n");
    for line in request.lines() {
        if line.starts_with("To:") {
            answer = answer + line + ";tag=r\r\n";
        } else if ["Via:", "From:", "Call-ID:", "CSeq:", "Contact:"]
            .iter()
            .any(|name| line.starts_with(name))
        {
            answer = answer + line + "\r\n";
        }
    }
    answer = answer + extra + "Content-Length: 0\r\n\r\n";
    registrar.send_to(answer.as_bytes(), peer).await.unwrap();
    request
}

#[tokio::test]
async fn a_call_works_right_after_a_ping() {
    // Pings and calls share one socket; a call must work right after a ping.
    let (ours, mut theirs) = (Party::new().await, Party::new().await);
    assert_eq!(
        soon(ours.endpoint.options(&theirs.target(SipTransport::Udp)))
            .await
            .unwrap(),
        200
    );
    let mut leg = place(&ours, &theirs, SipTransport::Udp, None).await;
    theirs.call().await.reject(404).await;
    assert!(matches!(outcome(&mut leg).await, LegEvent::Refused { status: 404, .. }));
}
