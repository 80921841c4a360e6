//! A store in a directory of its own, and things to put into it.

use std::sync::Arc;

use contract::{
    AgentCreate, AgentId, Call, CallContext, CallDirection, CallId, CallMetrics, CallStatus, Credits, EndReason,
    FieldReason, Number, NumberId, OrganizationId, SipTransport, Speaker, Timestamp, TranscriptTurn, Trunk, TrunkId,
    VoiceId, VoiceStatus, VoiceType,
};
use domain::{
    Actor, Alongside, Change, Error,
    agents::{Agents, GUIDE, ModelNames},
    billing::{Payment, Tariff},
    clock::ManualClock,
    keys::Keys,
    ports::{Admission, AgentStore, CallStore, StoreError, TelephonyStore, VoiceStore},
    records::{AgentRecord, CallEnding, NumberCreated, Organization, Page, Scope, TrunkRecord, VoiceRecord},
    telephony::Telephony,
    voices::Voices,
};
use store::SqlStore;
pub(crate) use store::testing::{Engine, TestDatabase};
use tempfile::TempDir;

pub(crate) const ALL: Page = Page {
    limit: 100,
    offset: 0,
    before: None,
};

/// Runs each test on both engines.
#[macro_export]
macro_rules! on_both_engines {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {$(
            #[tokio::test]
            async fn $test() {
                super::$test($crate::support::Engine::Sqlite).await;
            }
        )+}

        mod postgres {$(
            #[tokio::test]
            async fn $test() {
                super::$test($crate::support::Engine::Postgres).await;
            }
        )+}
    };
}

/// A store, its directory, and all use cases on it.
pub(crate) struct World {
    pub(crate) store: SqlStore,
    pub(crate) database: TestDatabase,
    pub(crate) directory: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keys: Keys,
    pub(crate) voices: Voices,
    pub(crate) agents: Agents,
    pub(crate) telephony: Telephony,
}

impl World {
    pub(crate) async fn new(engine: Engine) -> Self {
        let directory = TempDir::new().unwrap();
        let database = TestDatabase::new(engine, directory.path()).await;
        let store = database.open().await;
        let clock = Arc::new(ManualClock::default());
        let models = ModelNames {
            guide: true,
            language_providers: ["openai".to_owned()].into(),
            speech_models: ["local/whisper".to_owned()].into(),
        };
        let shared = Arc::new(store.clone());
        Self {
            store,
            database,
            directory,
            keys: Keys::new(shared.clone(), clock.clone()),
            voices: Voices::new(shared.clone(), clock.clone()),
            agents: Agents::new(shared.clone(), clock.clone(), models),
            telephony: Telephony::new(shared, clock.clone()),
            clock,
        }
    }

    /// A fresh tenant.
    pub(crate) async fn tenant(&self) -> Scope {
        let (organization, _) = self.keys.organization_create("Tenant").await.unwrap();
        Scope {
            organization: organization.id,
        }
    }

    pub(crate) async fn voice(&self) -> VoiceRecord {
        let mut voice = voice("local", "amy");
        voice.id = self.store.voice_register_system(&voice).await.unwrap();
        voice
    }

    pub(crate) async fn agent(&self, scope: Scope) -> AgentRecord {
        let agent = agent();
        self.store
            .agent_create(scope, &agent, &Alongside::nothing())
            .await
            .unwrap();
        agent
    }

    pub(crate) async fn trunk(&self, scope: Scope) -> TrunkRecord {
        let trunk = trunk();
        self.store
            .trunk_create(scope, &trunk, &Alongside::nothing())
            .await
            .unwrap();
        trunk
    }

    pub(crate) async fn number(&self, scope: Scope, phone: &str) -> Number {
        let number = number(&self.trunk(scope).await, phone);
        let added = self.store.number_create(scope, &number, &Alongside::nothing()).await;
        assert_eq!(added.unwrap(), NumberCreated::Added);
        number
    }
}

/// A change by somebody who has changed nothing yet.
pub(crate) fn by_another(scope: Scope) -> Change {
    Change::by(scope, Actor::User("another".to_owned()))
}

/// Adds a call that nobody pays for; whether there was a place for it.
pub(crate) async fn call_put(store: &SqlStore, scope: Scope, call: &Call, limit: u32) -> Result<bool, StoreError> {
    let tariff = Tariff {
        per_minute: Credits::whole(1),
        payment: Payment::Metered,
    };
    let admission = store
        .call_create(scope, call, limit, &tariff, &Alongside::nothing())
        .await?;
    Ok(admission == Admission::Created)
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + millis)
}

pub(crate) fn organization() -> Organization {
    Organization {
        id: OrganizationId::new(),
        name: "Tenant".to_owned(),
        created_at: at(0),
    }
}

/// Settings of an agent as the API would read them.
pub(crate) fn settings(json: serde_json::Value) -> AgentCreate {
    serde_json::from_value(json).unwrap()
}

pub(crate) fn agent() -> AgentRecord {
    let settings = settings(serde_json::json!({
        "name": "Ada", "voice_id": VoiceId::new(), "system_prompt": "Be kind to {{name}}.", "model": GUIDE,
        "temperature": 0.7, "max_duration": "90s", "greeting": { "text": "Hello" },
        "script": { "answers": [{ "examples": ["Hi?"], "answer": "Yes." }] },
    }));
    AgentRecord {
        id: AgentId::new(),
        settings,
        last_error: None,
        created_at: at(0),
        updated_at: at(0),
    }
}

pub(crate) fn voice(provider: &str, name: &str) -> VoiceRecord {
    VoiceRecord {
        id: VoiceId::new(),
        name: name.to_owned(),
        voice_type: VoiceType::System,
        status: VoiceStatus::Active,
        provider: provider.to_owned(),
        provider_voice_id: name.to_owned(),
        language: "en-US".to_owned(),
        last_error: None,
        created_at: at(0),
    }
}

pub(crate) fn trunk() -> TrunkRecord {
    let trunk = Trunk {
        id: TrunkId::new(),
        name: "PBX".to_owned(),
        provider: "sip".to_owned(),
        host: "pbx.example.com".to_owned(),
        port: 65535,
        transport: SipTransport::Tcp,
        username: Some("callwright".to_owned()),
        has_password: true,
        register: true,
        source_addresses: vec!["192.0.2.0/24".to_owned()],
        allow_sip_uri: true,
        created_at: at(0),
        updated_at: at(1),
    };
    TrunkRecord {
        trunk,
        password: Some("correct horse battery staple".to_owned()),
    }
}

pub(crate) fn number(trunk: &TrunkRecord, phone: &str) -> Number {
    Number {
        id: NumberId::new(),
        phone_number: phone.to_owned(),
        provider: "sip".to_owned(),
        trunk_id: trunk.trunk.id,
        label: Some("Front desk".to_owned()),
        country: Some("US".to_owned()),
        inbound_agent_id: None,
        outbound_agent_id: None,
        created_at: at(0),
    }
}

pub(crate) fn call(agent: AgentId) -> Call {
    Call {
        id: CallId::new(),
        status: CallStatus::Queued,
        direction: CallDirection::Outbound,
        from_number: Some("+14155550100".to_owned()),
        to_number: Some("sip:alice@example.com".to_owned()),
        agent_id: agent,
        started_at: at(0),
        answered_at: None,
        ended_at: None,
        duration_seconds: None,
        end_reason: None,
        cost_credits: None,
        summary: None,
        recording_url: None,
        transcript_url: None,
        metrics: CallMetrics::default(),
        variables: [("name".to_owned(), "Ada".to_owned())].into(),
        metadata: serde_json::from_str(r#"{"order": [1, null, "é"]}"#).unwrap(),
        context: CallContext::default(),
    }
}

pub(crate) fn turn(text: &str) -> TranscriptTurn {
    TranscriptTurn {
        speaker: Speaker::Agent,
        text: text.to_owned(),
        started_at: at(100),
        ended_at: at(200),
        interrupted: true,
    }
}

pub(crate) fn ending(status: CallStatus, end_reason: EndReason) -> CallEnding {
    CallEnding {
        status,
        end_reason,
        answered_at: Some(at(1_000)),
        ended_at: at(3_500),
        turns: vec![turn("Hello"), turn("Goodbye")],
        metrics: CallMetrics {
            turns: vec![contract::TurnMetrics {
                stt_ms: Some(12.5),
                ..Default::default()
            }],
        },
        dtmf: "12#".to_owned(),
        last_error: None,
        recorded: true,
    }
}

/// Pointer and reason of each fault.
pub(crate) fn faults<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Vec<(String, FieldReason)> {
    match outcome.unwrap_err() {
        Error::Invalid(faults) => faults.into_iter().map(|fault| (fault.pointer, fault.reason)).collect(),
        other => panic!("not a refusal of fields: {other:?}"),
    }
}

/// What was not found, and where its id stood.
pub(crate) fn missing<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (&'static str, Option<&'static str>) {
    match outcome.unwrap_err() {
        Error::NotFound { resource, field, .. } => (resource, field),
        other => panic!("not a missing thing: {other:?}"),
    }
}

/// Reason and details of a broken rule.
pub(crate) fn broken_rule<T: std::fmt::Debug>(
    outcome: Result<T, Error>,
) -> (contract::Reason, serde_json::Map<String, serde_json::Value>) {
    match outcome.unwrap_err() {
        Error::Rule { reason, details, .. } => (reason, details),
        other => panic!("not a broken rule: {other:?}"),
    }
}
