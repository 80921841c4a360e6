//! Where a request ends. Two programs that disagree about it can be made to serve one client's bytes to another.

use super::{HIDDEN, LAST, Reply, Target, says};

const MALFORMED: &str = "bad_request.malformed_header";
const JSON: &str = "bad_request.malformed_json";

#[tokio::test]
async fn a_request_hidden_in_a_body_is_not_served() {
    let target = Target::start().await;
    let length = HIDDEN.len();
    let cases = [
        // A handler that reads the body, and all that answer without reading it.
        target.post(&format!("Content-Length: {length}\r\n"), HIDDEN),
        format!("POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{HIDDEN}").into_bytes(),
        format!("POST /api/public/v1/agents HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{HIDDEN}")
            .into_bytes(),
        format!("PUT /api/public/v1/agents HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{HIDDEN}")
            .into_bytes(),
        format!("GET /health/live HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{HIDDEN}").into_bytes(),
        format!("POST /nope HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{HIDDEN}").into_bytes(),
        format!("POST /nope HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: {length}\r\n\r\n{HIDDEN}")
            .into_bytes(),
    ];
    for request in cases {
        let replies = target.talk(&[&request[..], LAST.as_bytes()].concat()).await;
        let shown = String::from_utf8_lossy(&request);
        assert!((1..=2).contains(&replies.len()), "{replies:?} to {shown}");
        let _ = says(&replies);
        assert_eq!(target.hidden_served(), 0, "{shown}");
    }
}

#[tokio::test]
async fn lengths_that_differ_or_are_none_are_refused() {
    let target = Target::start().await;
    for lengths in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 3\r\n",
        "Content-Length: 2,2\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: 2 2\r\n",
        "Content-Length: 2.0\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: \u{661}\r\n",
    ] {
        let request = target.post(lengths, &format!("{{}}{HIDDEN}"));
        assert_eq!(says(&target.talk(&request).await), [MALFORMED], "{lengths:?}");
    }
    assert_eq!(target.hidden_served(), 0);
}

#[tokio::test]
async fn a_length_given_twice_alike_is_one_length() {
    let target = Target::start().await;
    let request = target.post("Content-Length: 1\r\nContent-Length: 1\r\n", &format!("{{{LAST}"));
    assert_eq!(says(&target.talk(&request).await), [JSON, "200"]);
}

#[tokio::test]
async fn chunks_win_over_a_length_and_end_the_connection() {
    let target = Target::start().await;
    let body = format!("1\r\n{{\r\n0\r\n\r\n{HIDDEN}");
    for both in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 500\r\nTransfer-Encoding: CHUNKED\r\n",
    ] {
        let replies = target.talk(&target.post(both, &body)).await;
        assert_eq!(says(&replies), [JSON], "{both:?}");
        assert!(replies[0].has("connection: close"), "{:?}", replies[0]);
    }
    assert_eq!(target.hidden_served(), 0);
}

#[tokio::test]
async fn no_transfer_encoding_but_chunked_is_read() {
    let target = Target::start().await;
    for encoding in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding\r\n: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\0\r\n",
    ] {
        let replies = target.talk(&target.post(encoding, &format!("0\r\n\r\n{HIDDEN}"))).await;
        assert_eq!(says(&replies), [MALFORMED], "{encoding:?}");
    }
    assert_eq!(target.hidden_served(), 0);
}

#[tokio::test]
async fn chunks_in_http_1_0_are_refused() {
    let target = Target::start().await;
    let request = format!("POST /nope HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}");
    assert_eq!(says(&target.talk(request.as_bytes()).await), [MALFORMED]);
    assert_eq!(target.hidden_served(), 0);
}

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    let target = Target::start().await;
    let long_extension = format!("1;{}\r\n{{\r\n0\r\n\r\n", "x".repeat(100_000));
    let many_trailers = format!("1\r\n{{\r\n0\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    for body in [
        "x\r\n{\r\n0\r\n\r\n",
        "-1\r\n{\r\n0\r\n\r\n",
        "+1\r\n{\r\n0\r\n\r\n",
        "0x1\r\n{\r\n0\r\n\r\n",
        "1_\r\n{\r\n0\r\n\r\n",
        "\r\n{\r\n0\r\n\r\n",
        "ffffffffffffffff1\r\n{\r\n0\r\n\r\n",
        "10000000000000000\r\n{\r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "1\r\n{X0\r\n\r\n",
        "1\n{\n0\n\n",
        &long_extension,
        &many_trailers,
    ] {
        let request = target.post("Transfer-Encoding: chunked\r\n", &format!("{body}{HIDDEN}"));
        let said = says(&target.talk(&request).await);
        assert_eq!(said, [MALFORMED], "{:?}", &body[..body.len().min(40)]);
    }
    assert_eq!(target.hidden_served(), 0);
}

#[tokio::test]
async fn extensions_and_trailers_of_chunks_are_read_over() {
    let target = Target::start().await;
    for body in [
        "1;name=value\r\n{\r\n0\r\n\r\n",
        "1;name=\"quoted\"\r\n{\r\n0\r\n\r\n",
        "01\r\n{\r\n00\r\n\r\n",
        "1\r\n{\r\n0\r\nX: y\r\nContent-Length: 5\r\n\r\n",
    ] {
        let replies = target.talk(&target.post("Transfer-Encoding: chunked\r\n", body)).await;
        assert_eq!(says(&replies), [JSON], "{body:?}");
    }
}

#[tokio::test]
async fn a_trailer_is_no_header() {
    let target = Target::start().await;
    let key = &target.app.key;
    let request = format!(
        "GET /api/public/v1/agents HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n\
         0\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    let replies = target.talk(request.as_bytes()).await;
    assert_eq!(says(&replies), ["unauthorized.missing_credentials"]);
}

#[tokio::test]
async fn answers_come_in_the_order_of_their_requests() {
    let target = Target::start().await;
    let key = &target.app.key;
    let bad = String::from_utf8(target.post("Content-Length: 1\r\n", "{")).unwrap();
    let agents = format!("GET /api/public/v1/agents HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n");
    let nope = "GET /nope HTTP/1.1\r\nHost: a\r\n\r\n";
    let pipeline = [
        HIDDEN,
        &bad,
        &agents,
        nope,
        &bad,
        "\r\n",
        HIDDEN,
        &agents,
        "GET /health/live HTTP/1.1\r\n\r\n",
        LAST,
    ];
    let replies = target.talk(pipeline.concat().as_bytes()).await;
    assert_eq!(
        says(&replies),
        [
            "200",
            JSON,
            "200",
            "not_found.route_not_found",
            JSON,
            "200",
            "200",
            MALFORMED,
            "200"
        ]
    );
    assert_eq!(target.hidden_served(), 2);
}

#[tokio::test]
async fn what_follows_a_request_that_cannot_be_read_is_not_served() {
    let target = Target::start().await;
    for broken in [
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "noise\r\n\r\n",
    ] {
        let replies = target.talk(format!("{broken}{HIDDEN}{LAST}").as_bytes()).await;
        assert_eq!(says(&replies), [MALFORMED], "{broken:?}");
    }
    assert_eq!(target.hidden_served(), 0);
}

#[tokio::test]
async fn half_a_body_and_silence_is_a_timeout_and_the_end() {
    let target = Target::start().await;
    for (framing, body) in [
        ("Content-Length: 100\r\n", "{"),
        ("Content-Length: 1\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "5\r\n{"),
        ("Transfer-Encoding: chunked\r\n", "5"),
        ("Transfer-Encoding: chunked\r\n", "1\r\n{\r\n"),
        ("Transfer-Encoding: chunked\r\n", "1\r\n{\r\n0\r\nX: y"),
    ] {
        let replies = target.talk(&target.post(framing, body)).await;
        assert_eq!(says(&replies), ["bad_request.request_timeout"], "{framing:?} {body:?}");
    }
}

#[tokio::test]
async fn who_says_that_nothing_more_comes_still_gets_an_answer() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let target = Target::start().await;
    let read = format!(
        "GET /api/public/v1/agents HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        target.app.key
    );
    let stranger = "GET /nope HTTP/1.1\r\nHost: a\r\n\r\n";
    for (request, says) in [(read.as_str(), "HTTP/1.1 200 "), (stranger, "HTTP/1.1 404 ")] {
        let clients = (0..50).map(|_| async {
            let mut stream = tokio::net::TcpStream::connect(target.app.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            String::from_utf8(answer).unwrap()
        });
        for answer in futures_util::future::join_all(clients).await {
            assert!(answer.starts_with(says), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_a_timeout() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let target = Target::start().await;
    let mut stream = tokio::net::TcpStream::connect(target.app.address).await.unwrap();
    stream
        .write_all(&target.post("Content-Length: 100\r\n", "{"))
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let replies = Reply::all(&answer);
    assert!(
        replies.is_empty() || says(&replies) == ["bad_request.request_timeout"],
        "{replies:?}"
    );
}
