//! What stands between method and version, and the method itself.

use super::{Target, says};

const MALFORMED: &str = "bad_request.malformed_header";
const NO_ROUTE: &str = "not_found.route_not_found";
const NO_METHOD: &str = "not_found.method_not_allowed";
const NO_OBJECT: &str = "not_found.resource_not_found";

impl Target {
    /// What the server says to a request line with a valid key.
    async fn line(&self, line: &[u8]) -> Vec<String> {
        let key = &self.app.key;
        let rest = format!(" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n");
        says(&self.talk(&[line, rest.as_bytes()].concat()).await)
    }
}

#[tokio::test]
async fn every_form_of_a_target_has_its_answer() {
    let target = Target::start().await;
    for (line, expected) in [
        ("GET http://a/api/public/v1/agents", "200"),
        ("GET http://other:1/api/public/v1/agents", "200"),
        ("GET http://a", "302"),
        ("GET *", NO_ROUTE),
        ("OPTIONS *", NO_ROUTE),
        ("CONNECT a:443", NO_ROUTE),
        ("CONNECT /api/public/v1/agents", NO_METHOD),
        ("GET a:443", NO_ROUTE),
        ("GET api/public/v1/agents", MALFORMED),
        ("GET ?limit=1", MALFORMED),
        ("GET #fragment", MALFORMED),
        ("GET /api/public/v1/agents#fragment", "200"),
        ("GET http://", MALFORMED),
        ("GET http://[::1", MALFORMED),
        ("GET /a\\b", NO_ROUTE),
        ("GET //api/public/v1/agents", NO_ROUTE),
        ("GET /api/public/v1//agents", NO_ROUTE),
        ("GET /api/public/v1/agents/", NO_ROUTE),
        ("GET /API/public/v1/agents", NO_ROUTE),
        ("GET /api/public/v1/agents;x=y", NO_ROUTE),
        ("GET /api/public/v1/agents?", "200"),
        ("GET /api/public/v1/agents?&&&", "200"),
    ] {
        let said = target.line(line.as_bytes()).await;
        assert_eq!(said, [expected], "{line}");
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_know_is_not_allowed() {
    let target = Target::start().await;
    for method in [
        "TRACE", "get", "Get", "PUT", "FOO", "PROPFIND", "M-SEARCH", "POSTX", "PRI",
    ] {
        let said = target.line(format!("{method} /api/public/v1/agents").as_bytes()).await;
        assert_eq!(said, [NO_METHOD], "{method}");
    }
    let long = "A".repeat(10_000);
    assert_eq!(
        target.line(format!("{long} /api/public/v1/agents").as_bytes()).await,
        [NO_METHOD]
    );
}

#[tokio::test]
async fn a_path_is_never_read_twice_or_climbed() {
    let target = Target::start().await;
    for (path, expected) in [
        ("/api/public/v1/../v1/agents", NO_ROUTE),
        ("/api/public/v1/agents/..", NO_OBJECT),
        ("/api/public/v1/agents/%2e%2e", NO_OBJECT),
        ("/api/public/v1/agents/%2E%2E%2Fcalls", NO_OBJECT),
        ("/api/public/v1/agents/%252e%252e", NO_OBJECT),
        ("/api/public/v1/agents/..%5c..", NO_OBJECT),
        ("/api/public/v1/%61gents", NO_ROUTE),
        ("/api/public/v1/agents%2fx", NO_ROUTE),
        ("/%2e%2e/%2e%2e/etc/passwd", NO_ROUTE),
        ("/docs/errors/..%2f..%2f..%2fetc%2fpasswd", NO_ROUTE),
        ("/docs/errors/%2e%2e/%2e%2e", NO_ROUTE),
        ("/docs/errors/not_found/..%00", NO_ROUTE),
        ("/api/public/v1/agents/%00", NO_OBJECT),
        ("/api/public/v1/agents/%", NO_OBJECT),
        ("/api/public/v1/agents/%zz", NO_OBJECT),
        ("/api/public/v1/agents/%c0%af", NO_OBJECT),
        ("/api/public/v1/agents/%e0%80%af", NO_OBJECT),
        ("/api/public/v1/agents/%ed%a0%80", NO_OBJECT),
        ("/api/public/v1/agents/%ff%fe", NO_OBJECT),
        ("/api/public/v1/agents/%0d%0a", NO_OBJECT),
        ("/api/public/v1/agents/%F0%9F%8E%89", NO_OBJECT),
        ("/api/public/v1/agents/\u{1f389}", NO_OBJECT),
        ("/api/public/v1/agents/'%20OR%201=1--", NO_OBJECT),
        ("/api/public/v1/agents?limit=%31", "200"),
        ("/api/public/v1/agents?limit=%2531", "validation_error.invalid_fields"),
        ("/api/public/v1/agents?limit=%", "bad_request.malformed_query"),
        ("/api/public/v1/agents?limit=%ff", "bad_request.malformed_query"),
        ("/api/public/v1/agents?%c0%af=1", "bad_request.malformed_query"),
        ("/api/public/v1/agents?%00=1", "validation_error.invalid_fields"),
        (
            "/api/public/v1/agents?limit=1&limit=2",
            "validation_error.invalid_fields",
        ),
        (
            "/api/public/v1/agents?limit=1;offset=2",
            "validation_error.invalid_fields",
        ),
        ("/api/public/v1/agents?limit=1e1", "validation_error.invalid_fields"),
        ("/api/public/v1/agents?limit=0x10", "validation_error.invalid_fields"),
        (
            "/api/public/v1/agents?limit=99999999999999999999",
            "validation_error.invalid_fields",
        ),
        ("/api/public/v1/agents?offset=-1", "validation_error.invalid_fields"),
        ("/api/public/v1/agents?cursor=%00", "validation_error.invalid_fields"),
    ] {
        let said = target.line(format!("GET {path}").as_bytes()).await;
        assert_eq!(said, [expected], "{path}");
    }
}

#[tokio::test]
async fn a_target_that_is_no_utf_8_is_refused() {
    let target = Target::start().await;
    for path in [&b"/\xff\xfe"[..], b"/api/public/v1/agents/\xc0\xaf", b"/?\xff"] {
        assert_eq!(target.line(&[b"GET ", path].concat()).await, [MALFORMED], "{path:?}");
    }
}
