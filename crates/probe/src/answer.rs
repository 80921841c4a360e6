//! An answer as it came.

use std::time::Duration;

use serde_json::Value;

/// Status, headers and body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By names in lower case, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// From a status line and headers, the empty line included.
    pub(crate) fn from_head(head: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.split("\r\n");
        let status_line = lines.next()?;
        let status = status_line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        Some(Self {
            status,
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: Vec::new(),
        })
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// Every header of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// How long it asks us to wait; never nothing.
    pub(crate) fn retry_after(&self) -> Duration {
        let seconds = self.header("retry-after").and_then(|seconds| seconds.parse().ok());
        Duration::from_secs(seconds.unwrap_or(1).max(1))
    }

    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `code.reason`; empty parts where there are none.
    pub(crate) fn pair(&self) -> String {
        let json = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!(
            "{}.{}",
            text(&json["error"]["code"]),
            text(&json["error"]["details"]["reason"])
        )
    }

    pub(crate) fn details(&self) -> Value {
        self.json()["error"]["details"].clone()
    }

    pub(crate) fn data(&self) -> Value {
        self.json()["data"].clone()
    }

    /// Pointers and reasons of `invalid_fields`.
    pub(crate) fn faults(&self) -> Vec<(String, String)> {
        let details = self.details();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let faults = details["fields"].as_array().into_iter().flatten();
        faults
            .map(|fault| (text(&fault["pointer"]), text(&fault["reason"])))
            .collect()
    }

    /// Whether it is JSON by its own word.
    pub(crate) fn is_json(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
        kind == "application/json" || kind.replace(' ', "") == "application/json;charset=utf-8"
    }

    /// One line for a report.
    pub(crate) fn line(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let body: String = body.chars().take(300).collect::<String>().replace(['\r', '\n'], " ");
        format!("{} {body}", self.status)
    }

    pub(crate) fn request_id(&self) -> Option<String> {
        self.header("x-request-id").map(ToOwned::to_owned)
    }
}
