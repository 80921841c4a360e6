//! What an operator can set: defaults, then a TOML file, then `CALLWRIGHT_…` variables, then flags.
//!
//! Every setting has one path (`rate_limit.enabled`) and one variable (`CALLWRIGHT_RATE_LIMIT_ENABLED`).
//! Unknown keys and variables are refused: a typing error must not pass for a setting.

mod auth;
mod billing;
mod environment;
mod reference;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use api::{ApiConfig, RateLimitConfig};
pub(crate) use auth::AuthSection;
pub(crate) use billing::BillingSection;
use domain::{ports::StageDeadlines, requests::RequestBounds};
pub(crate) use reference::markdown;
use serde::{Deserialize, Serialize};
use store::DatabaseAddress;
use toml::{Table, Value};

/// All settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Folder of the database, the recordings and the key that seals secrets.
    #[schema(value_type = String)]
    pub(crate) data: PathBuf,
    /// The database: the path of an `SQLite` file, or `postgres://user:password@host:port/database`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
    /// Where the API listens.
    #[schema(value_type = String)]
    pub(crate) listen: SocketAddr,
    /// Limits and deadlines of the API.
    pub(crate) api: ApiConfig,
    /// How much a client may ask in a time.
    pub(crate) rate_limit: RateLimitConfig,
    /// What several nodes share.
    pub(crate) redis: RedisSection,
    /// Who vouches for people.
    pub(crate) auth: AuthSection,
    /// SIP.
    pub(crate) sip: SipSection,
    /// Media.
    pub(crate) rtp: RtpSection,
    /// Calls.
    pub(crate) calls: CallsSection,
    /// Who pays for what.
    pub(crate) billing: BillingSection,
    /// Local models.
    pub(crate) models: ModelsSection,
    /// OpenAI-compatible services, by the name that agents use.
    pub(crate) providers: BTreeMap<String, ProviderSection>,
    /// Logs.
    pub(crate) log: LogSection,
    /// What is kept of requests that failed.
    pub(crate) support: SupportSection,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("callwright-data"),
            database: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            api: ApiConfig::default(),
            rate_limit: RateLimitConfig::default(),
            redis: RedisSection::default(),
            auth: AuthSection::default(),
            sip: SipSection::default(),
            rtp: RtpSection::default(),
            calls: CallsSection::default(),
            billing: BillingSection::default(),
            models: ModelsSection::default(),
            providers: BTreeMap::new(),
            log: LogSection::default(),
            support: SupportSection::default(),
        }
    }
}

/// Redis, or anything that speaks as it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RedisSection {
    /// `redis://[user:password@]host:port[/number]`, `rediss://` with TLS; when left out, this process counts alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// What every key begins with; nodes that share counters have the same.
    pub(crate) prefix: String,
    /// Longest wait for an answer, in milliseconds.
    pub(crate) timeout_ms: u64,
}

impl Default for RedisSection {
    fn default() -> Self {
        Self {
            url: None,
            prefix: "callwright:".to_owned(),
            timeout_ms: 100,
        }
    }
}

/// Where and as whom SIP is spoken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SipSection {
    /// UDP and TCP.
    #[schema(value_type = String)]
    pub(crate) listen: SocketAddr,
    /// What peers are told, behind NAT.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) external: Option<SocketAddr>,
    /// Realm of our digest challenges.
    pub(crate) realm: String,
}

impl Default for SipSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5060)),
            external: None,
            realm: "callwright".to_owned(),
        }
    }
}

/// Where media flows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RtpSection {
    /// Where media sockets are bound; that of `sip.listen` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) ip: Option<IpAddr>,
    /// What peers are told, behind NAT; that of `sip.external` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) external_ip: Option<IpAddr>,
    /// First port.
    pub(crate) port_first: u16,
    /// Last port.
    pub(crate) port_last: u16,
}

impl Default for RtpSection {
    fn default() -> Self {
        Self {
            ip: None,
            external_ip: None,
            port_first: 20_000,
            port_last: 29_999,
        }
    }
}

/// Calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CallsSection {
    /// Calls this process holds at once.
    pub(crate) max: usize,
    /// Calls one organisation holds at once.
    pub(crate) max_per_organization: u32,
    /// To the text of a turn, in milliseconds.
    pub(crate) transcribe_timeout_ms: u64,
    /// To the first words of an answer and between words, in milliseconds.
    pub(crate) reply_timeout_ms: u64,
    /// To the first audio of a sentence and between pieces, in milliseconds.
    pub(crate) speak_timeout_ms: u64,
}

impl Default for CallsSection {
    fn default() -> Self {
        let deadlines = StageDeadlines::default();
        let millis = |duration: Duration| duration.as_millis() as u64;
        Self {
            max: 200,
            max_per_organization: 50,
            transcribe_timeout_ms: millis(deadlines.transcribe),
            reply_timeout_ms: millis(deadlines.reply),
            speak_timeout_ms: millis(deadlines.speak),
        }
    }
}

impl CallsSection {
    pub(crate) fn deadlines(&self) -> StageDeadlines {
        StageDeadlines {
            transcribe: Duration::from_millis(self.transcribe_timeout_ms),
            reply: Duration::from_millis(self.reply_timeout_ms),
            speak: Duration::from_millis(self.speak_timeout_ms),
        }
    }
}

/// Local models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ModelsSection {
    /// Whether to load the local models at all.
    pub(crate) local: bool,
    /// Where they lie.
    #[schema(value_type = String)]
    pub(crate) dir: PathBuf,
    /// Threads of one recognition.
    pub(crate) stt_threads: usize,
    /// Recognitions at once.
    pub(crate) stt_parallel: usize,
    /// The recogniser of agents that name none, `<provider>/<model>`; the local one when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) speech_to_text: Option<String>,
}

impl Default for ModelsSection {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            local: true,
            dir: models_dir(),
            stt_threads: cores.min(2),
            stt_parallel: cores.max(2),
            speech_to_text: None,
        }
    }
}

/// `~/.cache/callwright/models`, or under the working folder where there is no home.
fn models_dir() -> PathBuf {
    let cache = environment::home().map_or_else(|| PathBuf::from(".cache"), |home| home.join(".cache"));
    cache.join("callwright").join("models")
}

/// What kind of service a provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProviderSort {
    /// Speaks the API of `OpenAI`, whoever runs it.
    Openai,
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderSection {
    /// What kind of service.
    pub(crate) kind: ProviderSort,
    /// For example `http://127.0.0.1:8000/v1`.
    pub(crate) base_url: String,
    /// Sent as a bearer token; none is sent when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key: Option<String>,
    /// Recognisers it has; agents name them `<provider>/<model>`.
    #[serde(default)]
    pub(crate) stt_models: Vec<String>,
    /// Its synthesizer, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tts_model: Option<String>,
    /// Voices of the synthesizer; each becomes a system voice.
    #[serde(default)]
    pub(crate) voices: Vec<String>,
    /// BCP 47 of the voices.
    #[serde(default = "english")]
    pub(crate) language: String,
    /// Whether it has language models; agents name them `<provider>/<model>`.
    #[serde(default = "yes")]
    pub(crate) llm: bool,
}

fn english() -> String {
    "en-US".to_owned()
}

fn yes() -> bool {
    true
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogSection {
    /// A filter such as `info` or `info,telephony=debug`.
    pub(crate) filter: String,
    /// How lines look.
    pub(crate) format: LogFormat,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// What is kept of requests that failed, for those who are asked about one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SupportSection {
    /// For how many days; `0` keeps nothing.
    pub(crate) keep_days: u32,
    /// Most requests that failed by our own fault or a provider's.
    pub(crate) failures_max: u32,
    /// Most refused requests of organisations.
    pub(crate) refusals_max: u32,
    /// Most failures of our own and of providers of one organisation.
    pub(crate) failures_per_organization_max: u32,
    /// Most refused requests of one organisation.
    pub(crate) refusals_per_organization_max: u32,
    /// Most refused requests without valid credentials.
    pub(crate) strangers_max: u32,
}

impl Default for SupportSection {
    fn default() -> Self {
        let bounds = RequestBounds::default();
        Self {
            keep_days: (bounds.keep.as_secs() / SECONDS_OF_A_DAY) as u32,
            failures_max: bounds.broken_max,
            failures_per_organization_max: bounds.broken_of_one_max,
            refusals_max: bounds.refused_max,
            refusals_per_organization_max: bounds.refused_of_one_max,
            strangers_max: bounds.stranger_max,
        }
    }
}

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

impl SupportSection {
    pub(crate) fn bounds(&self) -> RequestBounds {
        RequestBounds {
            keep: Duration::from_secs(u64::from(self.keep_days) * SECONDS_OF_A_DAY),
            broken_max: self.failures_max,
            broken_of_one_max: self.failures_per_organization_max,
            refused_max: self.refusals_max,
            refused_of_one_max: self.refusals_per_organization_max,
            stranger_max: self.strangers_max,
        }
    }
}

impl Config {
    /// Reads all layers; `flags` are paths with values, the strongest layer.
    pub(crate) fn load(file: Option<&Path>, flags: Vec<(&str, Value)>) -> Result<Self> {
        Self::from_layers(file, environment::variables(), flags)
    }

    fn from_layers(file: Option<&Path>, variables: Vec<(String, String)>, flags: Vec<(&str, Value)>) -> Result<Self> {
        let mut settings = match file {
            Some(path) => read(path)?,
            None => Table::new(),
        };
        environment::overlay(&mut settings, variables)?;
        for (path, value) in flags {
            set(&mut settings, path, value)?;
        }
        let config: Self = Value::Table(settings).try_into().map_err(|error: toml::de::Error| {
            anyhow::anyhow!("the configuration can't be used: {}", error.message())
        })?;
        config.check()?;
        Ok(config)
    }

    /// Where the database is: a file in the data folder unless it was said.
    pub(crate) fn database(&self) -> Result<DatabaseAddress> {
        match &self.database {
            Some(address) => address.parse().context("the setting `database` can't be used"),
            None => Ok(DatabaseAddress::Sqlite(self.data.join("callwright.db"))),
        }
    }

    fn check(&self) -> Result<()> {
        self.auth.jwt.check()?;
        self.database()?;
        if self.rtp.port_last <= self.rtp.port_first {
            bail!("rtp.port_last must be above rtp.port_first");
        }
        if self.calls.max == 0 || self.models.stt_threads == 0 || self.models.stt_parallel == 0 {
            bail!("calls.max, models.stt_threads and models.stt_parallel must be at least 1");
        }
        if self.redis.timeout_ms == 0 {
            bail!("redis.timeout_ms must be above 0");
        }
        if self.api.requests_max == 0 || self.api.requests_per_organization_max == 0 {
            bail!("api.requests_max and api.requests_per_organization_max must be at least 1");
        }
        let calls = &self.calls;
        if [
            calls.transcribe_timeout_ms,
            calls.reply_timeout_ms,
            calls.speak_timeout_ms,
        ]
        .contains(&0)
        {
            bail!("the deadlines calls.*_timeout_ms must be above 0");
        }
        for (name, provider) in &self.providers {
            if provider.tts_model.is_some() == provider.voices.is_empty() {
                bail!("providers.{name} needs both tts_model and voices, or neither");
            }
            if matches!(name.as_str(), "local" | "builtin") || name.contains('/') {
                bail!("a provider can't be named {name:?}: that name is taken");
            }
            if !provider.base_url.starts_with("http://") && !provider.base_url.starts_with("https://") {
                bail!("providers.{name}.base_url must begin with http:// or https://");
            }
        }
        self.billing.rules()?;
        self.billing.stripe()?;
        Ok(())
    }

    /// As TOML, secrets hidden.
    pub(crate) fn shown(&self) -> Result<String> {
        let mut shown = self.clone();
        for provider in shown.providers.values_mut() {
            provider.api_key = provider.api_key.as_ref().map(|_| "(hidden)".to_owned());
        }
        if let (Some(_), Ok(address @ DatabaseAddress::Postgres(_))) = (&self.database, self.database()) {
            shown.database = Some(address.to_string());
        }
        shown.redis.url = shown.redis.url.as_deref().map(without_password);
        let secret = &mut shown.billing.stripe.webhook_secret;
        *secret = secret.as_ref().map(|_| "(hidden)".to_owned());
        toml::to_string(&shown).context("the configuration can't be shown")
    }

    /// What the API is built with.
    pub(crate) fn api(&self) -> ApiConfig {
        ApiConfig {
            rate_limit: self.rate_limit.clone(),
            ..self.api.clone()
        }
    }
}

/// An address with what stands between the scheme and the host hidden.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://(hidden)@{host}"),
        _ => url.to_owned(),
    }
}

fn read(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration file {} can't be read", path.display()))?;
    text.parse::<Table>()
        .with_context(|| format!("the configuration file {} is not TOML", path.display()))
}

/// Sets `a.b.c` in nested tables.
fn set(settings: &mut Table, path: &str, value: Value) -> Result<()> {
    let (parents, last) = path
        .rsplit_once('.')
        .map_or((None, path), |(parents, last)| (Some(parents), last));
    let mut table = settings;
    for name in parents.into_iter().flat_map(|parents| parents.split('.')) {
        let entry = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
        table = entry
            .as_table_mut()
            .with_context(|| format!("{name} is a section, not a value"))?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn load(file: &str, variables: &[(&str, &str)], flags: Vec<(&str, Value)>) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("callwright.toml");
        std::fs::write(&path, file).unwrap();
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Config::from_layers(Some(&path), variables, flags)
    }

    #[test]
    fn flags_win_over_variables_and_variables_over_the_file() {
        let file = "listen = \"127.0.0.1:1\"\ndata = \"/file\"\n[calls]\nmax = 3\n";
        let variables = [("CALLWRIGHT_LISTEN", "127.0.0.1:2"), ("CALLWRIGHT_DATA", "/variable")];
        let config = load(file, &variables, vec![("listen", "127.0.0.1:3".into())]).unwrap();
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.data, Path::new("/variable"));
        assert_eq!(config.calls.max, 3);
    }

    #[test]
    fn a_variable_reaches_every_kind_of_value() {
        let variables = [
            ("CALLWRIGHT_RATE_LIMIT_ENABLED", "false"),
            ("CALLWRIGHT_CALLS_MAX_PER_ORGANIZATION", "7"),
            ("CALLWRIGHT_SIP_EXTERNAL", "192.0.2.1:5060"),
            ("CALLWRIGHT_MODELS_DIR", "/m"),
            ("CALLWRIGHT_API_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/32"),
            ("CALLWRIGHT_PROVIDERS_MY_BOX_API_KEY", "secret"),
        ];
        let file = "[providers.my_box]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n";
        let config = load(file, &variables, Vec::new()).unwrap();
        assert!(!config.rate_limit.enabled);
        assert_eq!(config.calls.max_per_organization, 7);
        assert_eq!(config.sip.external, Some("192.0.2.1:5060".parse().unwrap()));
        assert_eq!(config.models.dir, Path::new("/m"));
        let proxies: Vec<_> = config.api.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "2001:db8::/32"]);
        assert_eq!(config.providers["my_box"].api_key.as_deref(), Some("secret"));
    }

    #[test]
    fn tokens_need_an_issuer_and_an_audience() {
        let url = "[auth.jwt]\njwks_url = \"https://issuer.test/keys\"\n";
        for (rest, is_fine) in [
            (
                "issuer = \"https://issuer.test/\"\naudiences = [\"callwright\"]\n",
                true,
            ),
            ("issuer = \"https://issuer.test/\"\n", false),
            ("audiences = [\"callwright\"]\n", false),
        ] {
            assert_eq!(
                load(&format!("{url}{rest}"), &[], Vec::new()).is_ok(),
                is_fine,
                "{rest}"
            );
        }
        assert!(load("[auth.jwt]\nissuer = \"https://issuer.test/\"\n", &[], Vec::new()).is_err());
        let variables = [
            ("CALLWRIGHT_AUTH_JWT_JWKS_URL", "https://issuer.test/keys"),
            ("CALLWRIGHT_AUTH_JWT_ISSUER", "https://issuer.test/"),
            ("CALLWRIGHT_AUTH_JWT_AUDIENCES", "callwright,other"),
            ("CALLWRIGHT_AUTH_JWT_ROLE_CLAIM", "/realm/role"),
        ];
        let config = load("", &variables, Vec::new()).unwrap();
        assert_eq!(config.auth.jwt.audiences, ["callwright", "other"]);
        assert!(config.auth.jwt.verifier().is_some());
    }

    #[test]
    fn unknown_keys_and_variables_are_refused_by_name() {
        let file = load("[calls]\nmaxx = 3\n", &[], Vec::new()).unwrap_err().to_string();
        assert!(file.contains("maxx"), "{file}");
        let variable = load("", &[("CALLWRIGHT_RATE_LIMT_ENABLED", "false")], Vec::new())
            .unwrap_err()
            .to_string();
        assert!(variable.contains("CALLWRIGHT_RATE_LIMT_ENABLED"), "{variable}");
        assert!(
            variable.contains("CALLWRIGHT_RATE_LIMIT_ENABLED"),
            "suggests the near one: {variable}"
        );
    }

    #[test]
    fn what_is_shown_hides_secrets_and_can_be_read_back() {
        let file = "[redis]\nurl = \"redis://u:sesame@h:1/2\"\n\
                    [providers.a]\nkind = \"openai\"\nbase_url = \"http://h/v1\"\napi_key = \"sesame\"\n";
        let config = load(file, &[], Vec::new()).unwrap();
        let shown = config.shown().unwrap();
        assert!(!shown.contains("sesame"));
        let again: Config = toml::from_str(&shown).unwrap();
        assert_eq!(again.listen, config.listen);
        assert_eq!(again.redis.url.as_deref(), Some("redis://(hidden)@h:1/2"));
    }
}
