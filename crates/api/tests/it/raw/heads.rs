//! The first line and the headers.

use super::{LAST, Target, says};

const MALFORMED: &str = "bad_request.malformed_header";

#[tokio::test]
async fn a_request_has_one_host_that_can_be_one() {
    let target = Target::start().await;
    for hosts in [
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: user@a\r\n",
        "Host: a\\b\r\n",
        "Host: <script>\r\n",
        "Host: \u{e9}\r\n",
    ] {
        let request = format!("GET /health/live HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        assert_eq!(says(&target.talk(request.as_bytes()).await), [MALFORMED], "{hosts:?}");
    }
    for host in ["a", "a:80", "127.0.0.1:1", "[::1]:443", "ex-ample.com."] {
        let request = format!("GET /health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(says(&target.talk(request.as_bytes()).await), ["200"], "{host:?}");
    }
}

#[tokio::test]
async fn a_head_that_is_none_is_refused() {
    let target = Target::start().await;
    let request = |head: &[u8]| [head, b"Connection: close\r\n\r\n"].concat();
    for head in [
        &b"GET / HTTP/1.1\r\nHost: a\r\nName : x\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: a\r\nNa me: x\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tfolded\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\xc3\xa9: a\r\n",
        b"GET / HTTP/1.1\rHost: a\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.1 \r\nHost: a\r\n",
        b"GET / HTTP/1.1 x\r\nHost: a\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n",
        b"GET\t/ HTTP/1.1\r\nHost: a\r\n",
        b" GET / HTTP/1.1\r\nHost: a\r\n",
        b"\x00GET / HTTP/1.1\r\nHost: a\r\n",
        b"G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n",
        b"GET(1) / HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.2\r\nHost: a\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n",
        b"GET / HTTP/1\r\nHost: a\r\n",
        b"GET / http/1.1\r\nHost: a\r\n",
        b"GET / FTP/1.1\r\nHost: a\r\n",
        b"GET /\r\n",
        b"GET\r\n",
        b"/ HTTP/1.1\r\n",
        b"HTTP/1.1 200 OK\r\nHost: a\r\n",
        b"{\"json\": true}\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let shown = String::from_utf8_lossy(head).into_owned();
        assert_eq!(says(&target.talk(&request(head)).await), [MALFORMED], "{shown:?}");
    }
}

#[tokio::test]
async fn what_http_leaves_open_is_served() {
    let target = Target::start().await;
    for request in [
        // A lone LF may end a line (RFC 9112, section 2.2), and empty lines may come before the first.
        "GET /health/live HTTP/1.1\nHost: a\nConnection: close\n\n",
        "\r\n\r\nGET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHost: a\r\nEmpty:\r\nConnection: close\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHOST:a\r\ncOnNeCtIoN:\tclose\t\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\nConnection: close\r\n\r\n",
        "GET /health/live HTTP/1.0\r\n\r\n",
        "GET /health/live HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: close\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nVia: 1.1 x\r\nConnection: close\r\n\r\n",
    ] {
        assert_eq!(says(&target.talk(request.as_bytes()).await), ["200"], "{request:?}");
    }
}

#[tokio::test]
async fn too_much_of_a_head_is_refused() {
    let target = Target::start().await;
    let filler = "x".repeat(1024 * 1024);
    for request in [
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {filler}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{filler}: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {filler}\r\n\r\n"),
        format!("GET /{filler} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /?{filler} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("{filler} / HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(10_000)),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100)),
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n",
            "a=b; ".repeat(20_000)
        ),
        filler,
    ] {
        let shown = request[..request.len().min(40)].to_owned();
        assert_eq!(says(&target.talk(request.as_bytes()).await), [MALFORMED], "{shown:?}");
    }
    let most = format!(
        "GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n",
        "X: y\r\n".repeat(90)
    );
    assert_eq!(says(&target.talk(most.as_bytes()).await), ["200"]);
}

#[tokio::test]
async fn half_a_head_and_silence_ends_the_connection() {
    let target = Target::start().await;
    for half in [
        "G",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y",
        "\r\n\r\n",
        "",
    ] {
        let replies = target.talk(half.as_bytes()).await;
        assert!(replies.is_empty(), "{half:?} {replies:?}");
    }
}

#[tokio::test]
async fn a_head_that_trickles_does_not_hold_its_place() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let target = Target::start().await;
    let mut stream = tokio::net::TcpStream::connect(target.app.address).await.unwrap();
    let trickle = async {
        loop {
            let mut byte = [0];
            tokio::select! {
                read = stream.read(&mut byte) => return read.unwrap_or_default(),
                () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {
                    let _ = stream.write_all(b"x").await;
                }
            }
        }
    };
    let read = tokio::time::timeout(super::HANG, trickle).await;
    assert_eq!(read, Ok(0), "a byte now and then must not move the deadline");
}

#[tokio::test]
async fn http_2_gets_no_answer_outside_of_the_contract() {
    let target = Target::start().await;
    for preface in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
        b"PRI * HTTP/2.0\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    ] {
        let replies = target.talk(preface).await;
        assert!(replies.is_empty() || says(&replies) == [MALFORMED], "{replies:?}");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_leave_gets_it_or_an_answer() {
    let target = Target::start().await;
    let expecting = target.post(
        "Expect: 100-continue\r\nContent-Length: 1\r\nConnection: close\r\n",
        "{",
    );
    let answer = target.exchange(&expecting).await;
    assert!(
        answer.starts_with(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    // Refused before anything was read: no leave is given.
    let refused =
        "POST /api/public/v1/agents HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n";
    let answer = target.exchange(refused.as_bytes()).await;
    assert!(
        answer.starts_with(b"HTTP/1.1 401 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    for unknown in ["Expect: 200-ok\r\n", "Expect: \r\n", "Expect: 100-continue, other\r\n"] {
        let request = target.post(&format!("{unknown}Content-Length: 1\r\nConnection: close\r\n"), "{");
        assert_eq!(
            says(&target.talk(&request).await),
            ["bad_request.malformed_json"],
            "{unknown:?}"
        );
    }
}

#[tokio::test]
async fn credentials_that_are_no_text_are_refused_as_such() {
    let target = Target::start().await;
    for value in [
        &b"Bearer \xff\xfe"[..],
        b"Bearer \xc3\xa9",
        b"Bearer",
        b"Bearer ",
        b"bearer  a b",
        b"Basic dTpw",
        b"\xff",
        b"",
    ] {
        let head = b"GET /api/public/v1/agents HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: ";
        let request = [&head[..], value, b"\r\n\r\n"].concat();
        let said = says(&target.talk(&request).await);
        assert_eq!(said, ["unauthorized.malformed_credentials"], "{value:?}");
    }
    let key = &target.app.key;
    let twice = format!(
        "GET /api/public/v1/agents HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nAuthorization: Bearer {key}\r\n\
         Connection: close\r\n\r\n"
    );
    assert_eq!(
        says(&target.talk(twice.as_bytes()).await),
        ["unauthorized.malformed_credentials"]
    );
}

#[tokio::test]
async fn an_answer_never_carries_what_a_request_wrote_into_its_head() {
    let target = Target::start().await;
    for request in [
        "GET /api/public/v1/agents/%0d%0aInjected:%20yes HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\tInjected\r\n\r\n",
        "GET /%0d%0aInjected:%20yes?%0d%0aInjected:%20yes HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answer = target.exchange(format!("{request}{LAST}").as_bytes()).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.to_ascii_lowercase().contains("\r\ninjected"), "{text}");
    }
}
