//! A client that fails the test on any answer that breaks the contract, and notes which errors it saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use contract::{Code, Reason, RequestId, challenge, golden};
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::Value;
use store::testing::Engine;

/// Longest wait for any answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What operations say that they can answer.
#[derive(Debug)]
pub(crate) struct Documented {
    /// Path template, then method, then `code.reason`.
    operations: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Documented {
    pub(crate) fn read(document: &Value) -> Self {
        let mut operations = BTreeMap::<_, BTreeMap<_, _>>::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("a path") {
                let errors = errors_of(operation);
                operations
                    .entry(path.clone())
                    .or_default()
                    .insert(method.to_ascii_uppercase(), errors);
            }
        }
        Self { operations }
    }

    /// `None` when no operation has this method and path.
    fn errors(&self, method: &str, path: &str) -> Option<&BTreeSet<String>> {
        let method = if method == "HEAD" { "GET" } else { method };
        let public = path
            .strip_prefix("/api/v1/")
            .map(|rest| format!("/api/public/v1/{rest}"));
        let candidates = [Some(path.to_owned()), public];
        let found = candidates.iter().flatten().find_map(|path| {
            self.operations
                .iter()
                .find(|(template, _)| matches(template, path))
                .map(|(_, methods)| methods)
        });
        found?.get(method)
    }
}

fn errors_of(operation: &Value) -> BTreeSet<String> {
    let responses = operation["responses"].as_object().expect("responses");
    let pairs = responses.values().flat_map(|response| {
        let code = response["x-code"].as_str().unwrap_or_default();
        let reasons = response["x-reasons"].as_array().into_iter().flatten();
        reasons.map(move |reason| format!("{code}.{}", reason.as_str().unwrap_or_default()))
    });
    pairs.collect()
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template
            .iter()
            .zip(&path)
            .all(|(expected, given)| expected.starts_with('{') || expected == given)
}

/// Asks one [`crate::TestApp`]. Paths that begin with `/api`, `/docs`, `/errors.json`, `/health`, `/metrics` or
/// `/test` are taken as they stand, all others are below `/api/public/v1`.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    key: Option<String>,
    documented: Arc<Documented>,
}

/// What tells how a caller stands; never one without the others.
const LIMIT_HEADERS: [&str; 5] = [
    "ratelimit-policy",
    "ratelimit",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];

const WHOLE_PATHS: [&str; 6] = ["/api", "/docs", "/errors.json", "/health", "/metrics", "/test"];

impl Client {
    pub(crate) fn new(address: SocketAddr, key: Option<&str>, documented: Arc<Documented>) -> Self {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            http,
            address,
            key: key.map(ToOwned::to_owned),
            documented,
        }
    }

    /// The key that it asks with; empty when it has none.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }

    /// A request to change before it is sent by `send`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let whole = WHOLE_PATHS.iter().any(|prefix| path.starts_with(prefix));
        let base = if whole { "" } else { "/api/public/v1" };
        let request = self
            .http
            .request(method, format!("http://{}{base}{path}", self.address));
        self.key.iter().fold(request, reqwest::RequestBuilder::bearer_auth)
    }

    /// Sends, checks the answer against the contract, and gives it.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let response = self.http.execute(request).await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.expect("a whole answer").to_vec();
        let answer = Answer {
            method,
            path,
            status,
            headers,
            body,
        };
        self.check(&answer);
        answer
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST` with a body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// `PATCH` with a body.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// `POST` with bytes as they are.
    pub async fn post_text(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.send(
            self.request(Method::POST, path)
                .header("content-type", content_type)
                .body(body),
        )
        .await
    }

    fn check(&self, answer: &Answer) {
        let is_outside = answer.path.starts_with("/health") || answer.path == "/metrics";
        answer.check_request_id();
        answer.check_limit_headers();
        if answer.status.as_u16() >= 400 && !is_outside {
            answer.check_error();
            if answer.method != "HEAD" {
                self.check_documented(answer);
                note_seen(&answer.path, &answer.pair());
            }
        } else if answer.path.starts_with("/api/") && !answer.path.ends_with("openapi.json") {
            answer.check_good();
        }
    }

    fn check_documented(&self, answer: &Answer) {
        let everywhere = [
            "not_found.route_not_found",
            "not_found.method_not_allowed",
            "bad_request.malformed_header",
        ];
        let pair = answer.pair();
        if everywhere.contains(&pair.as_str()) || !answer.path.starts_with("/api/") {
            return;
        }
        let documented = self.documented.errors(&answer.method, &answer.path);
        // What the description says of a public operation holds for both of its base paths, but for this.
        let is_of_base = answer.path.starts_with("/api/v1/") && pair == "forbidden.insufficient_scope";
        let is_documented = documented.is_some_and(|errors| errors.contains(&pair) || is_of_base);
        assert!(
            is_documented,
            "{} {} answered {pair}, which it does not document",
            answer.method, answer.path
        );
    }
}

/// An answer that was checked.
#[derive(Clone, Debug)]
pub struct Answer {
    method: String,
    path: String,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Checks bytes that came over a socket by other means, for instance after a broken request.
    ///
    /// `raw` is a whole HTTP/1.1 answer; the request is taken to be none that a client of the API could make.
    pub fn from_raw(raw: &[u8]) -> Self {
        let text = String::from_utf8(raw.to_vec()).expect("text");
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("a whole head: {text:?}"));
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|status| status.parse().ok());
        let fields = lines.filter_map(|line| line.split_once(": "));
        let headers = fields.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        let answer = Self {
            method: "RAW".to_owned(),
            path: String::new(),
            status: StatusCode::from_u16(status.expect("a status")).expect("a status"),
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
        };
        answer.check_error();
        note_seen(&answer.path, &answer.pair());
        answer
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{self}: {error}"))
    }

    /// `data` of a good answer.
    pub fn data(&self) -> Value {
        self.ok();
        self.json()["data"].clone()
    }

    /// Fails the test unless the answer is good.
    pub fn ok(&self) {
        assert!(self.status.is_success(), "{self}");
    }

    /// The id of what was created.
    pub fn created(&self) -> String {
        assert_eq!(self.status, StatusCode::CREATED, "{self}");
        let id = self.data()["id"].as_str().expect("an id").to_owned();
        assert!(self.header("location").ends_with(&format!("/{id}")), "{self}");
        id
    }

    /// `error.details` of an error.
    pub fn details(&self) -> Value {
        self.json()["error"]["details"].clone()
    }

    /// `code.reason` of an error.
    pub fn pair(&self) -> String {
        let json = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!(
            "{}.{}",
            text(&json["error"]["code"]),
            text(&json["error"]["details"]["reason"])
        )
    }

    /// Field faults as (pointer, reason).
    pub fn faults(&self) -> Vec<(String, String)> {
        let details = self.details();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let fields = details["fields"].as_array().unwrap_or_else(|| panic!("{self}"));
        fields
            .iter()
            .map(|fault| (text(&fault["pointer"]), text(&fault["reason"])))
            .collect()
    }

    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    fn check_request_id(&self) {
        let id: Option<RequestId> = self.header("x-request-id").parse().ok();
        let version = id.map(|id| id.0.get_version_num());
        assert_eq!(version, Some(7), "X-Request-Id is a UUIDv7: {self}");
    }

    fn check_meta(&self, json: &Value) {
        let meta = json["meta"].as_object().unwrap_or_else(|| panic!("meta: {self}"));
        assert_eq!(meta.keys().collect::<Vec<_>>(), ["request_id", "ts"], "{self}");
        assert_eq!(meta["request_id"], self.header("x-request-id"), "{self}");
        let ts = meta["ts"].as_str().unwrap_or_default();
        let read: DateTime<Utc> = ts.parse().unwrap_or_else(|_| panic!("ts: {self}"));
        assert_eq!(read.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(), ts, "{self}");
    }

    fn check_good(&self) {
        if self.header("content-type") != "application/json" || self.method == "HEAD" {
            return;
        }
        let json = self.json();
        let object = json.as_object().unwrap_or_else(|| panic!("an object: {self}"));
        let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
        keys.retain(|key| *key != "pagination");
        assert_eq!(keys, ["data", "meta"], "{self}");
        assert_eq!(json["data"].is_array(), object.contains_key("pagination"), "{self}");
        self.check_meta(&json);
    }

    /// The exact envelope, and headers that agree with it.
    fn check_error(&self) {
        self.check_request_id();
        assert_eq!(self.header("content-type"), "application/json", "{self}");
        let status = self.status.as_u16();
        let code = Code::ALL.iter().find(|code| code.status() == status);
        let code = code.unwrap_or_else(|| panic!("not one of the nine: {self}"));
        assert_eq!(
            self.header("link"),
            format!("</docs/errors/{}>; rel=\"help\"", code.name()),
            "{self}"
        );
        assert_eq!(self.headers.contains_key("www-authenticate"), status == 401, "{self}");
        if self.method == "HEAD" {
            return;
        }
        let json = self.json();
        let keys = |value: &Value| -> Vec<String> {
            value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key.clone())
                .collect()
        };
        assert_eq!(keys(&json), ["error", "meta"], "{self}");
        assert_eq!(keys(&json["error"]), ["code", "details", "message"], "{self}");
        assert_eq!(json["error"]["code"], code.name(), "{self}");
        assert!(
            json["error"]["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{self}"
        );
        self.check_meta(&json);
        let pair = self.pair();
        let known = Reason::ALL
            .iter()
            .find(|reason| pair == format!("{}.{}", reason.code().name(), reason.name()));
        let known = *known.unwrap_or_else(|| panic!("not in the catalogue: {self}"));
        self.check_golden(known);
        let details = self.details().as_object().cloned().unwrap_or_default();
        let faults = contract::facts::faults(known, &details);
        assert!(faults.is_empty(), "its page says otherwise: {faults:?}: {self}");
        if status == 429 {
            let wait: u64 = self.header("retry-after").parse().unwrap_or_default();
            assert!(wait >= 1 && self.details()["retry_after"] == wait, "{self}");
        }
        if known == Reason::Requests {
            self.check_limit_told();
        }
    }

    /// All five headers of limits are there, or none.
    fn check_limit_headers(&self) {
        let there = LIMIT_HEADERS.iter().filter(|name| self.headers.contains_key(**name));
        let count = there.count();
        assert!(count == 0 || count == LIMIT_HEADERS.len(), "{self}");
    }

    /// The headers of a request too many say what its body says, to the second.
    fn check_limit_told(&self) {
        let details = self.details();
        let (policy, limit) = (details["policy"].as_str().unwrap_or_default(), &details["limit"]);
        let (remaining, wait) = (&details["remaining"], &details["retry_after"]);
        let window = &details["window_seconds"];
        assert_eq!(
            self.header("ratelimit"),
            format!("\"{policy}\";r={remaining};t={wait}"),
            "{self}"
        );
        let policies = self.header("ratelimit-policy");
        let in_force = format!("\"{policy}\";q={limit};w={window}");
        assert!(policies.split(", ").any(|policy| policy == in_force), "{self}");
        assert_eq!(self.header("x-ratelimit-limit"), limit.to_string(), "{self}");
        assert_eq!(self.header("x-ratelimit-remaining"), remaining.to_string(), "{self}");
        let ends: DateTime<Utc> = details["reset_at"]
            .as_str()
            .and_then(|at| at.parse().ok())
            .unwrap_or_else(|| panic!("reset_at: {self}"));
        assert_eq!(self.header("x-ratelimit-reset"), ends.timestamp().to_string(), "{self}");
    }
}

impl Answer {
    /// The golden corpus shows the headers that real answers of this reason have.
    fn check_golden(&self, reason: Reason) {
        // Made up by a test, which knows no more than a status.
        if self.path.starts_with("/test") {
            return;
        }
        for (name, value) in golden::headers(reason, &golden::example(reason)) {
            let present = self.header(name);
            let is_there = self.headers.contains_key(name);
            // The others depend on the request.
            let is_same = match name {
                "content-type" | "link" => present == value,
                // Who comes with another scheme is only told how to ask.
                "www-authenticate" => present == value || present == challenge::UNKNOWN,
                _ => true,
            };
            assert!(
                is_there && is_same,
                "answers of {} have the header {name}: {value}, this one has not: {self}",
                reason.name()
            );
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(
            f,
            "{} {} answered {} {:?} {body}",
            self.method, self.path, self.status, self.headers
        )
    }
}

/// Keeps that a pair was provoked, for `cargo xtask contract`, in a run whose environment says where.
///
/// Answers of routes that a test made up don't count: they show that a status is folded into the contract, and not that
/// the API ever answers so.
fn note_seen(path: &str, pair: &str) {
    let Some(folder) = std::env::var_os("CONTRACT_SEEN").map(PathBuf::from) else {
        return;
    };
    if path.starts_with("/test") {
        return;
    }
    let folder = folder.join(match Engine::from_environment() {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    });
    fs::create_dir_all(&folder).expect("a folder for what was seen");
    let file = folder.join(format!("{}.txt", std::process::id()));
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .expect("a file for what was seen");
    file.write_all(format!("{pair}\n").as_bytes()).expect("what was seen");
}
