//! A request to be sent.

use serde_json::Value;

use crate::wire::Target;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// The key that was given to us.
    Key,
    /// Nobody.
    Nobody,
    /// An `Authorization` header of this content.
    Other(String),
}

/// One well-formed request, whatever it asks for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: String,
    /// Path and query, after the target's prefix.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) who: As,
}

impl Ask {
    pub(crate) fn new(method: &str, path: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            path: path.into(),
            headers: Vec::new(),
            body: None,
            who: As::Key,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string().into_bytes())
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        if !content_type.is_empty() {
            self = self.header("Content-Type", content_type);
        }
        self.body = Some(body.into());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn by(mut self, who: As) -> Self {
        self.who = who;
        self
    }

    pub(crate) fn by_nobody(self) -> Self {
        self.by(As::Nobody)
    }

    pub(crate) fn by_token(self, token: &str) -> Self {
        self.by(As::Other(format!("Bearer {token}")))
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&self, target: &Target, key: &str) -> Vec<u8> {
        let mut lines = vec![
            format!("{} {}{} HTTP/1.1", self.method, target.prefix(), self.path),
            format!("Host: {}", target.authority()),
            format!("User-Agent: callwright-contract-check/{}", env!("CARGO_PKG_VERSION")),
        ];
        if !self.headers.iter().any(|(name, _)| name == "Accept") {
            lines.push("Accept: application/json".to_owned());
        }
        match &self.who {
            As::Key => lines.push(format!("Authorization: Bearer {key}")),
            As::Other(value) => lines.push(format!("Authorization: {value}")),
            As::Nobody => {}
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if let Some(body) = &self.body {
            lines.push(format!("Content-Length: {}", body.len()));
        }
        let head = lines.join("\r\n") + "\r\n\r\n";
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }

    /// For people to send it again. The key stays out of it.
    pub(crate) fn curl(&self, target: &Target) -> String {
        let mut words = vec!["curl -i".to_owned()];
        match self.method.as_str() {
            "GET" => {}
            "HEAD" => words.push("-I".to_owned()),
            method => words.push(format!("-X {method}")),
        }
        match &self.who {
            As::Key => words.push("-H \"Authorization: Bearer $KEY\"".to_owned()),
            As::Other(value) => words.push(format!("-H {}", quoted(&format!("Authorization: {value}")))),
            As::Nobody => {}
        }
        words.extend(
            self.headers
                .iter()
                .map(|(name, value)| format!("-H {}", quoted(&format!("{name}: {value}")))),
        );
        if let Some(body) = &self.body {
            words.push(format!("--data-binary {}", quoted(&String::from_utf8_lossy(body))));
        }
        words.push(quoted(&format!("{}{}", target.base(), self.path)));
        words.join(" ")
    }
}

/// For a shell; enough of it to know it by.
fn quoted(text: &str) -> String {
    let text = match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    };
    format!("'{}'", text.replace('\'', "'\\''"))
}
