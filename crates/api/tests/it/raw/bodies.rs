//! Bodies that are almost JSON, and bodies that nobody reads.

use serde_json::json;

use super::{Target, says};

const JSON: &str = "bad_request.malformed_json";
const INVALID: &str = "validation_error.invalid_fields";

#[tokio::test]
async fn what_is_not_json_is_refused_with_its_place() {
    let target = Target::start().await;
    let deep = |open: &str| open.repeat(100_000).into_bytes();
    let cases: [Vec<u8>; 32] = [
        b"".to_vec(),
        b" ".to_vec(),
        b"{".to_vec(),
        b"}".to_vec(),
        b"{}{}".to_vec(),
        b"{} x".to_vec(),
        b"{},".to_vec(),
        b"{\"name\": \"a\",}".to_vec(),
        b"{name: \"a\"}".to_vec(),
        b"{'name': 'a'}".to_vec(),
        b"{\"name\": \"a\" // comment\n}".to_vec(),
        b"{\"temperature\": NaN}".to_vec(),
        b"{\"temperature\": Infinity}".to_vec(),
        b"{\"temperature\": -Infinity}".to_vec(),
        b"{\"temperature\": 1e400}".to_vec(),
        b"{\"temperature\": -1e999999999999999999}".to_vec(),
        b"{\"temperature\": 01}".to_vec(),
        b"{\"temperature\": +1}".to_vec(),
        b"{\"temperature\": .5}".to_vec(),
        b"{\"temperature\": 1.}".to_vec(),
        b"{\"temperature\": 0x1}".to_vec(),
        b"{\"name\": \"\\ud800\"}".to_vec(),
        b"{\"name\": \"\\udc00\\ud800\"}".to_vec(),
        b"{\"name\": \"\\x41\"}".to_vec(),
        b"{\"name\": \"a\nb\"}".to_vec(),
        b"{\"name\": \"a\0b\"}".to_vec(),
        b"{\"name\": \"\xff\"}".to_vec(),
        b"{\"name\": \"\xed\xa0\x80\"}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        "{}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        deep("["),
        deep("{\"a\":"),
    ];
    for body in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(says(&target.talk(&target.post_whole(&body)).await), [JSON], "{shown:?}");
    }
}

#[tokio::test]
async fn json_that_is_no_agent_is_invalid() {
    let target = Target::start().await;
    let long = format!("{{\"name\": \"{}\"}}", "x".repeat(900_000));
    let digits = format!("{{\"temperature\": {}}}", "9".repeat(300));
    let fraction = format!("{{\"temperature\": 0.{}1}}", "0".repeat(10_000));
    let keys: Vec<_> = (0..50_000).map(|key| format!("\"k{key}\": 0")).collect();
    let keys = format!("{{{}, \"name\": \"a\"}}", keys.join(","));
    for body in [
        "null",
        "true",
        "0",
        "\"text\"",
        "[]",
        "[{}]",
        "{}",
        r#"{"name": "a", "name": "b"}"#,
        r#"{"name": "a", "n\u0061me": "b"}"#,
        r#"{"name": "\u0000"}"#,
        r#"{"name": 1e308}"#,
        r#"{"temperature": 1e308}"#,
        r#"{"temperature": -0.0000001}"#,
        r#"{"temperature": 123456789012345678901234567890}"#,
        r#"{"voice_id": {"$ne": null}}"#,
        r#"{"__proto__": {"name": "a"}}"#,
        r#"{"": ""}"#,
        &long,
        &digits,
        &fraction,
        &keys,
    ] {
        let replies = target.talk(&target.post_whole(body.as_bytes())).await;
        let shown = &body[..body.len().min(60)];
        assert_eq!(says(&replies), [INVALID], "{shown:?}");
        assert!(
            replies[0].raw.len() < 100_000,
            "{shown:?} was answered with {} bytes",
            replies[0].raw.len()
        );
    }
}

#[tokio::test]
async fn text_at_the_edge_of_unicode_is_kept_as_it_is() {
    let target = Target::start().await;
    let app = &target.app;
    for name in [
        "\u{1f3f4}\u{200d}\u{2620}\u{fe0f}",
        "\u{feff}x",
        "\u{ffff}",
        "e\u{301}",
        "\u{202e}abc",
        "a\u{7f}b",
    ] {
        let id = app.agent_with(&json!({ "name": name })).await;
        let agent = app.client().get(&format!("/agents/{id}")).await.data();
        assert_eq!(agent["name"], name);
    }
}

/// The answer must not be lost to the reset of a connection that is closed while its client still writes.
#[tokio::test]
async fn a_refusal_arrives_though_the_client_is_still_sending() {
    let target = Target::start().await;
    let length = 8 * 1024 * 1024;
    let filler = "x".repeat(length);
    for (head, expected) in [
        (
            "POST /api/public/v1/agents HTTP/1.1\r\nHost: a\r\n",
            "unauthorized.missing_credentials",
        ),
        ("POST /nope HTTP/1.1\r\nHost: a\r\n", "not_found.route_not_found"),
        (
            "PUT /api/public/v1/agents HTTP/1.1\r\nHost: a\r\n",
            "not_found.method_not_allowed",
        ),
        ("POST /nope HTTP/1.1\r\n", "bad_request.malformed_header"),
        (
            "POST /nope HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n",
            "bad_request.malformed_header",
        ),
    ] {
        let request = format!("{head}Content-Length: {length}\r\n\r\n{filler}");
        assert_eq!(says(&target.talk(request.as_bytes()).await), [expected], "{head}");
    }
}
