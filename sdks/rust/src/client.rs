//! The client: where the server is, who asks, and how patient we are.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::{Url, header::HeaderValue, redirect::Policy};

use crate::{
    Error, RetryPolicy, SystemTimer, Timer,
    error::{Context, ErrorKind, InvalidRequest},
};

/// Asks one server with one key. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    /// Without a slash at its end.
    pub(crate) base: String,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) settings: Settings,
    pub(crate) timer: Arc<dyn Timer>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) retry: RetryPolicy,
    pub(crate) attempt_timeout: Duration,
    pub(crate) deadline: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) answer_bytes_max: usize,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = self.authorization.as_ref().map(|_| "…");
        f.debug_struct("Client")
            .field("base", &self.base)
            .field("credentials", &credentials)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client with the usual settings. `base_url` is where the server is, `https://voice.example`, without the
    /// path of the API; `key` is an API key or a user's token.
    pub fn new(base_url: &str, key: &str) -> Result<Self, Error> {
        Self::builder(base_url).key(key).build()
    }

    /// To change settings first.
    pub fn builder(base_url: &str) -> ClientBuilder {
        ClientBuilder {
            base_url: base_url.to_owned(),
            key: None,
            user_agent: None,
            settings: Settings {
                retry: RetryPolicy::default(),
                attempt_timeout: Duration::from_secs(40),
                deadline: Duration::from_mins(2),
                idle_timeout: Duration::from_mins(1),
                answer_bytes_max: 32 * 1024 * 1024,
            },
            timer: Arc::new(SystemTimer),
            use_proxy: None,
        }
    }

    /// Where the server is.
    pub fn base_url(&self) -> &str {
        &self.0.base
    }
}

/// Settings of a [`Client`].
#[derive(Clone)]
pub struct ClientBuilder {
    base_url: String,
    key: Option<String>,
    user_agent: Option<String>,
    settings: Settings,
    timer: Arc<dyn Timer>,
    use_proxy: Option<bool>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.as_ref().map(|_| "…");
        f.debug_struct("ClientBuilder")
            .field("base_url", &self.base_url)
            .field("key", &key)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// An API key or a user's token; without one only what anybody may read is answered.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Names the program that asks, before this library's own name.
    #[must_use]
    pub fn user_agent(mut self, program: &str) -> Self {
        self.user_agent = Some(program.to_owned());
        self
    }

    /// How often a request is tried.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// Longest wait for one attempt's answer, 40 s unless told. The server's own deadline is shorter by default.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.settings.attempt_timeout = timeout;
        self
    }

    /// Longest time for a request with all its attempts and the waits between, 2 min unless told.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Longest silence within a stream or a download, 60 s unless told. The server sends signs of life every 15 s.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle_timeout = timeout;
        self
    }

    /// Most bytes of an answer that is held in memory, 32 MiB unless told.
    #[must_use]
    pub fn answer_bytes_max(mut self, max: usize) -> Self {
        self.settings.answer_bytes_max = max;
        self
    }

    /// Another clock, for tests.
    #[must_use]
    pub fn timer(mut self, timer: Arc<dyn Timer>) -> Self {
        self.timer = timer;
        self
    }

    /// Whether the proxies of the environment are used. Unless told they are, but not to this machine itself.
    #[must_use]
    pub fn use_proxy(mut self, use_proxy: bool) -> Self {
        self.use_proxy = Some(use_proxy);
        self
    }

    /// The client. Nothing is connected to yet.
    pub fn build(self) -> Result<Client, Error> {
        self.try_build().map_err(|what| {
            let context = Context {
                operation: "client",
                ..Context::default()
            };
            Error::new(ErrorKind::Invalid(InvalidRequest(what)), context)
        })
    }

    fn try_build(self) -> Result<Client, String> {
        let url: Url = self
            .base_url
            .parse()
            .map_err(|error| format!("the base URL can't be read: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("the base URL must begin with https:// or http:// and name a host".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err("the base URL must be free of credentials, query and fragment".to_owned());
        }
        let authorization = self.key.as_deref().map(authorization).transpose()?;
        let http = self.http(&url).map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Client(Arc::new(Inner {
            http,
            base: url.as_str().trim_end_matches('/').to_owned(),
            authorization,
            settings: self.settings,
            timer: self.timer,
        })))
    }

    fn http(&self, url: &Url) -> reqwest::Result<reqwest::Client> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Somebody else may install theirs in the same moment, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let own = concat!("callwright-client-rust/", env!("CARGO_PKG_VERSION"));
        let user_agent = match &self.user_agent {
            Some(program) => format!("{program} {own}"),
            None => own.to_owned(),
        };
        let builder = reqwest::Client::builder()
            .user_agent(user_agent)
            .connect_timeout(self.settings.attempt_timeout.min(Duration::from_secs(10)))
            // A redirect would take the key along, and an API of one base URL has none.
            .redirect(Policy::none());
        let use_proxy = self.use_proxy.unwrap_or_else(|| !is_this_machine(url));
        let builder = if use_proxy { builder } else { builder.no_proxy() };
        builder.build()
    }
}

fn authorization(key: &str) -> Result<HeaderValue, String> {
    // The key itself must not get into the message.
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.trim()))
        .map_err(|_| "the key holds characters that no key has")?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
