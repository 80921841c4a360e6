//! The demo's organisation: made through the API, as anyone would, and found again on the next start.

use std::{
    fs::OpenOptions,
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use callwright_client::{AgentListQuery, CallListQuery, Client, NumberListQuery, TrunkListQuery, VoiceListQuery};
use contract::{
    Agent, Call, Credits, CreditsGrant, Number, Standing, SubscriptionStart, TranscriptTurn, Trunk, TrunkCreate, Voice,
};
use domain::{Actor, Change, billing::Billing, clock::SystemClock, records::Scope};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    commands::line,
    config::Config,
    platform::{self, Platform},
};

/// The number that is rung: reserved for fiction.
pub(super) const NUMBER: &str = "+14155550100";
/// Credits with which nobody is cut off soon.
const ENOUGH: i32 = 10;
/// What an operator gives where there are fewer.
const GIFT: f64 = 100.0;
const AGENT: &str = include_str!("../../../demo/agent.json");

/// Kept between starts, since a key is shown only once.
#[derive(Serialize, Deserialize)]
struct Kept {
    api_key: String,
}

pub(super) struct Office {
    client: Client,
    key: String,
    agent: Agent,
}

impl Office {
    /// Makes or finds the organisation, the trunk, the agent and its number.
    pub(super) async fn open(platform: &Platform, config: &Config) -> Result<Self> {
        let base = format!("http://{}", platform.api_addr);
        let file = config.data.join("demo.json");
        let (key, client) = key(&base, &file, config).await?;
        pay(&client, config).await?;
        let voices = client.voice_list(&VoiceListQuery::default()).stream();
        let voices: Vec<Voice> = voices.try_collect().await?;
        let voice = voices.iter().find(|voice| voice.provider == "local");
        let agent = agent(&client, voice.context("there is no local voice")?).await?;
        let trunk = trunk(&client).await?;
        number(&client, &trunk, &agent).await?;
        Ok(Self { client, key, agent })
    }

    /// The newest call of the agent, once it is over.
    pub(super) async fn last_call(&self, patience: Duration) -> Result<Call> {
        let newest = CallListQuery {
            limit: Some(1),
            agent_id: Some(self.agent.id.to_string()),
            ..CallListQuery::default()
        };
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let calls = self.client.call_list(&newest).await?;
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
        Ok(self.client.call_transcript(call.id).await?.into_inner().turns)
    }

    /// What a call cost, and what is left.
    pub(super) async fn account(&self, call: &Call) -> Result<String> {
        let billing = self.client.billing_fetch().await?.into_inner();
        let cost = call.cost_credits.context("the call has no cost")?;
        Ok(format!(
            "It cost {cost:.3} credits at {} a minute, billed by the second; {} are left ({}).\n",
            billing.prices.inbound_per_minute,
            billing.balance,
            billing.standing.name().replace('_', " ")
        ))
    }

    /// What to try next.
    pub(super) fn invite(&self, sip: SocketAddr) {
        let (base, key) = (format!("{}/api/public/v1", self.client.base_url()), &self.key);
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

/// The key of the last start if it still works, else one of a new organisation; and a client with it.
async fn key(base: &str, file: &Path, config: &Config) -> Result<(String, Client)> {
    if let Some(kept) = std::fs::read(file)
        .ok()
        .and_then(|text| serde_json::from_slice::<Kept>(&text).ok())
    {
        let client = client(base, &kept.api_key)?;
        if client.voice_list(&VoiceListQuery::default()).await.is_ok() {
            return Ok((kept.api_key, client));
        }
    }
    let store = platform::open_store(config).await?;
    let (_, api_key) = platform::keys(&store).organization_create("Demo").await?;
    store.close().await;
    let client = client(base, &api_key)?;
    let kept = Kept { api_key };
    keep(file, &kept)?;
    Ok((kept.api_key, client))
}

/// Lets the organisation spend: by its trial at first, and by an operator's gift once that is over or used up.
async fn pay(client: &Client, config: &Config) -> Result<()> {
    let known = client.billing_fetch().await?.into_inner();
    let may_spend = match known.standing {
        Standing::TrialNotStarted => {
            client.trial_begin().await?;
            return Ok(());
        }
        Standing::Trialing | Standing::Active | Standing::PastDue => true,
        Standing::TrialExpired | Standing::Inactive => false,
    };
    if may_spend && known.balance >= Credits::whole(ENOUGH) {
        return Ok(());
    }
    let organization = client.own_organization_fetch().await?.into_inner().id;
    let store = platform::open_store(config).await?;
    let billing = Billing::new(store.clone(), Arc::new(SystemClock), config.billing.rules()?);
    let change = Change::by(Scope { organization }, Actor::command_line());
    if !may_spend {
        let plan = Some("demo".to_owned());
        billing.subscription_start(&change, SubscriptionStart { plan }).await?;
    }
    let grant = CreditsGrant {
        credits: GIFT,
        note: Some("Demo".to_owned()),
    };
    billing.credits_grant(&change, grant, None).await?;
    store.close().await;
    Ok(())
}

fn client(base: &str, key: &str) -> Result<Client> {
    let user_agent = concat!("callwright-demo/", env!("CARGO_PKG_VERSION"));
    Ok(Client::builder(base).key(key).user_agent(user_agent).build()?)
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

async fn agent(client: &Client, voice: &Voice) -> Result<Agent> {
    let mut wanted: Value = serde_json::from_str(AGENT)?;
    wanted["voice_id"] = json!(voice.id);
    let agents: Vec<Agent> = client
        .agent_list(&AgentListQuery::default())
        .stream()
        .try_collect()
        .await?;
    let known = agents.into_iter().find(|agent| wanted["name"] == agent.settings.name);
    let made = match known {
        // As shipped, whatever was tried with it since.
        Some(agent) => client.agent_update(agent.id, &serde_json::from_value(wanted)?).await?,
        None => client.agent_create(&serde_json::from_value(wanted)?).await?,
    };
    Ok(made.into_inner())
}

async fn trunk(client: &Client) -> Result<Trunk> {
    let wanted: TrunkCreate = serde_json::from_value(json!({
        "name": "This machine",
        "host": "127.0.0.1",
        "source_addresses": ["127.0.0.0/8", "::1"],
        "allow_sip_uri": true,
    }))?;
    let trunks: Vec<Trunk> = client
        .trunk_list(&TrunkListQuery::default())
        .stream()
        .try_collect()
        .await?;
    if let Some(known) = trunks.into_iter().find(|trunk| wanted.name == trunk.name) {
        return Ok(known);
    }
    Ok(client.trunk_create(&wanted).await?.into_inner())
}

async fn number(client: &Client, trunk: &Trunk, agent: &Agent) -> Result<()> {
    let numbers: Vec<Number> = client
        .number_list(&NumberListQuery::default())
        .stream()
        .try_collect()
        .await?;
    let number = if let Some(known) = numbers.into_iter().find(|number| number.phone_number == NUMBER) {
        known
    } else {
        let wanted = json!({ "phone_number": NUMBER, "trunk_id": trunk.id, "label": "Demo" });
        client
            .number_import(&serde_json::from_value(wanted)?)
            .await?
            .into_inner()
    };
    if number.inbound_agent_id == Some(agent.id) {
        return Ok(());
    }
    let wanted = json!({ "number_id": number.id, "agent_id": agent.id });
    client.number_assign(&serde_json::from_value(wanted)?).await?;
    Ok(())
}
