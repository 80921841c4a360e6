//! The demo's organisation: made through the API, as anyone would, and found again on the next start.

use std::{
    fs::OpenOptions,
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use contract::{Agent, Call, Envelope, ListEnvelope, Number, Transcript, TranscriptTurn, Trunk, Voice};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    commands::line,
    config::Config,
    platform::{self, Platform},
};

/// The number that is rung: reserved for fiction.
pub(super) const NUMBER: &str = "+14155550100";
const AGENT: &str = include_str!("../../../demo/agent.json");

/// Kept between starts, since a key is shown only once.
#[derive(Serialize, Deserialize)]
struct Kept {
    api_key: String,
}

pub(super) struct Office {
    http: reqwest::Client,
    base: String,
    key: String,
    agent: Agent,
}

impl Office {
    /// Makes or finds the organisation, the trunk, the agent and its number.
    pub(super) async fn open(platform: &Platform, config: &Config) -> Result<Self> {
        let base = format!("http://{}/api/public/v1", platform.api_addr);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?;
        let file = config.data.join("demo.json");
        let key = key(&http, &base, &file, config).await?;
        let api = Api {
            http: &http,
            base: &base,
            key: &key,
        };
        let voices: ListEnvelope<Voice> = api.get("/voices?limit=100").await?;
        let voice = voices
            .data
            .iter()
            .find(|voice| voice.provider == "local")
            .context("there is no local voice")?;
        let agent = agent(&api, voice).await?;
        let trunk = trunk(&api).await?;
        number(&api, &trunk, &agent).await?;
        Ok(Self { http, base, key, agent })
    }

    fn api(&self) -> Api<'_> {
        Api {
            http: &self.http,
            base: &self.base,
            key: &self.key,
        }
    }

    /// The newest call of the agent, once it is over.
    pub(super) async fn last_call(&self, patience: Duration) -> Result<Call> {
        let path = format!("/calls?limit=1&agent_id={}", self.agent.id);
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let calls: ListEnvelope<Call> = self.api().get(&path).await?;
            if let Some(call) = calls.data.into_iter().next()
                && call.status.is_final()
            {
                return Ok(call);
            }
            if tokio::time::Instant::now() >= deadline {
                bail!("the record of the call was not closed");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) async fn transcript(&self, call: &Call) -> Result<Vec<TranscriptTurn>> {
        let transcript: Envelope<Transcript> = self.api().get(&format!("/calls/{}/transcript", call.id)).await?;
        Ok(transcript.data.turns)
    }

    /// What to try next.
    pub(super) fn invite(&self, sip: SocketAddr) {
        let Self { base, key, .. } = self;
        line(&format!(
            "The platform stays up; Ctrl-C ends it. Ring sip:{NUMBER}@{sip} with any SIP phone on this machine, or try:"
        ));
        line(&format!("\n  export KEY={key}"));
        line(&format!("  curl -H \"Authorization: Bearer $KEY\" {base}/agents"));
        line(&format!(
            "  curl -H \"Authorization: Bearer $KEY\" \"{base}/calls?limit=1\""
        ));
        line(&format!(
            "  curl -H \"Authorization: Bearer $KEY\" -d '{{\"name\": 7}}' -H 'Content-Type: application/json' {base}/agents\n"
        ));
    }
}

/// The key of the last start if it still works, else one of a new organisation.
async fn key(http: &reqwest::Client, base: &str, file: &Path, config: &Config) -> Result<String> {
    if let Some(kept) = std::fs::read(file)
        .ok()
        .and_then(|text| serde_json::from_slice::<Kept>(&text).ok())
    {
        let api = Api {
            http,
            base,
            key: &kept.api_key,
        };
        if api.send(Method::GET, "/agents?limit=1", None).await?.0 == StatusCode::OK {
            return Ok(kept.api_key);
        }
    }
    let store = platform::open_store(config).await?;
    let (_, api_key) = platform::keys(&store).organization_create("Demo").await?;
    store.close().await;
    keep(
        file,
        &Kept {
            api_key: api_key.clone(),
        },
    )?;
    Ok(api_key)
}

/// Readable by the owner alone.
fn keep(file: &Path, kept: &Kept) -> Result<()> {
    let path: PathBuf = file.to_owned();
    let open = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file);
    let mut file = open.with_context(|| format!("{} can't be written", path.display()))?;
    Ok(file.write_all(&serde_json::to_vec_pretty(kept)?)?)
}

async fn agent(api: &Api<'_>, voice: &Voice) -> Result<Agent> {
    let mut wanted: Value = serde_json::from_str(AGENT)?;
    wanted["voice_id"] = json!(voice.id);
    let agents: ListEnvelope<Agent> = api.get("/agents?limit=100").await?;
    let known = agents
        .data
        .into_iter()
        .find(|agent| wanted["name"] == agent.settings.name);
    let made: Envelope<Agent> = match known {
        // As shipped, whatever was tried with it since.
        Some(agent) => {
            api.call(Method::PATCH, &format!("/agents/{}", agent.id), &wanted)
                .await?
        }
        None => api.call(Method::POST, "/agents", &wanted).await?,
    };
    Ok(made.data)
}

async fn trunk(api: &Api<'_>) -> Result<Trunk> {
    let wanted = json!({
        "name": "This machine",
        "host": "127.0.0.1",
        "source_addresses": ["127.0.0.0/8", "::1"],
        "allow_sip_uri": true,
    });
    let trunks: ListEnvelope<Trunk> = api.get("/telephony/trunks?limit=100").await?;
    if let Some(known) = trunks.data.into_iter().find(|trunk| wanted["name"] == trunk.name) {
        return Ok(known);
    }
    let made: Envelope<Trunk> = api.call(Method::POST, "/telephony/trunks", &wanted).await?;
    Ok(made.data)
}

async fn number(api: &Api<'_>, trunk: &Trunk, agent: &Agent) -> Result<()> {
    let numbers: ListEnvelope<Number> = api.get("/telephony/numbers?limit=100").await?;
    let number = if let Some(known) = numbers.data.into_iter().find(|number| number.phone_number == NUMBER) {
        known
    } else {
        let wanted = json!({ "phone_number": NUMBER, "trunk_id": trunk.id, "label": "Demo" });
        let made: Envelope<Number> = api.call(Method::POST, "/telephony/numbers/import", &wanted).await?;
        made.data
    };
    if number.inbound_agent_id == Some(agent.id) {
        return Ok(());
    }
    let wanted = json!({ "number_id": number.id, "agent_id": agent.id });
    api.call::<Value>(Method::POST, "/telephony/numbers/assign", &wanted)
        .await?;
    Ok(())
}

/// The API as a client sees it.
struct Api<'a> {
    http: &'a reqwest::Client,
    base: &'a str,
    key: &'a str,
}

impl Api<'_> {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let (status, body) = self.send(Method::GET, path, None).await?;
        read(path, status, &body)
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: &Value) -> Result<T> {
        let (status, body) = self.send(method, path, Some(body)).await?;
        read(path, status, &body)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Vec<u8>)> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("{path} could not be asked for"))?;
        Ok((response.status(), response.bytes().await?.to_vec()))
    }
}

fn read<T: DeserializeOwned>(path: &str, status: StatusCode, body: &[u8]) -> Result<T> {
    if !status.is_success() {
        bail!("{path} answered {status}: {}", String::from_utf8_lossy(body));
    }
    serde_json::from_slice(body).with_context(|| format!("{path} answered something unexpected"))
}
