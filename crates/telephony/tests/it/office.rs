//! A switchboard with an agent behind it, on a store of its own, and a softphone to call it.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use contract::{
    Agent, AgentCreate, AgentId, Call, CallCreate, CallEvent, CallId, CallStatus, Number, NumberId, OrganizationId,
    SipTransport as TrunkTransport, Speaker, Trunk, TrunkId, Voice, VoiceId, VoiceStatus, VoiceType,
};
use domain::{
    Alongside,
    billing::{Billing, BillingRules},
    calls::{Calls, CallsSetup, SpokenVoice},
    clock::SystemClock,
    keys::Keys,
    limits::GrantedLimits,
    ports::{
        AgentStore, Clock, RecordingStore, Services, SpeechToText, StageDeadlines, TelephonyStore, TextToSpeech,
        VoiceStore,
    },
    records::{CallFilter, NumberCreated, Page, Scope, TrunkRecord},
};
use serde_json::json;
use telephony::{
    rtp_socket::PortRange,
    softphone::{SoftphonePlan, SoftphoneReport},
    switchboard::{Switchboard, SwitchboardConfig},
};
use tempfile::TempDir;
use testkit::{Engine, FileRecordings, Outsider, SqlStore, TestDatabase};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    people::{Ears, Loudness, Mind, Mouth},
    support::{Party, config, soon},
};

/// The agent's number.
pub(crate) const NUMBER: &str = "+14155550100";

/// What can be chosen before an office opens.
pub(crate) struct Setup {
    pub(crate) agent: AgentCreate,
    pub(crate) trunk: TrunkRecord,
    pub(crate) number: Number,
    pub(crate) billing: BillingRules,
    pub(crate) concurrent_calls: u32,
    pub(crate) calls_max: usize,
    pub(crate) deadlines: StageDeadlines,
    pub(crate) millis_per_character: usize,
    pub(crate) has_understudy: bool,
    pub(crate) rtp_external: Option<IpAddr>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recordings: Arc<dyn RecordingStore>,
}

/// A switchboard with one agent, and who works there.
pub(crate) struct Office {
    pub(crate) calls: Calls,
    pub(crate) board: Switchboard,
    pub(crate) scope: Scope,
    pub(crate) agent: AgentId,
    pub(crate) ears: Arc<Ears>,
    pub(crate) mouth: Arc<Mouth>,
    pub(crate) understudy: Arc<Mouth>,
    pub(crate) mind: Arc<Mind>,
    pub(crate) caller: Party,
    clock: Arc<dyn Clock>,
    rules: BillingRules,
    staff: Services,
    store: Arc<SqlStore>,
    database: TestDatabase,
    directory: TempDir,
}

impl Office {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// An office as `adjust` wants it. Without adjustment: the agent greets with "Hello.", asks a language
    /// model, and takes every call from this machine.
    pub(crate) async fn with(adjust: impl FnOnce(&mut Setup)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let caller = Party::new().await;
        let database = TestDatabase::new(Engine::from_environment(), directory.path()).await;
        let store = Arc::new(database.open().await);
        let keys = Keys::new(store.clone(), Arc::new(SystemClock));
        let (organization, _) = keys.organization_create("Office").await.unwrap();
        let (mut setup, scope) = settle(&store, organization.id, (caller.address(), directory.path())).await;
        adjust(&mut setup);
        let agent = hire(&store, scope, &setup).await;
        let (ears, mind) = (Arc::<Ears>::default(), Arc::<Mind>::default());
        let mouth = Arc::new(Mouth::new(setup.millis_per_character));
        let understudy = Arc::new(Mouth::new(setup.millis_per_character));
        let services = Services {
            voice_activity: Arc::new(|| Box::new(Loudness::default())),
            end_of_turn: None,
            embedder: None,
            speech_to_text: HashMap::from([("fake/ears".to_owned(), ears.clone() as Arc<dyn SpeechToText>)]),
            default_speech_to_text: "fake/ears".to_owned(),
            text_to_speech: HashMap::from([("fake".to_owned(), mouth.clone() as Arc<dyn TextToSpeech>)]),
            understudy: setup.has_understudy.then(|| SpokenVoice {
                provider: "local".to_owned(),
                text_to_speech: understudy.clone(),
                voice: "understudy".to_owned(),
            }),
            language_models: HashMap::from([("fake".to_owned(), mind.clone() as _)]),
        };
        let calls = calls_on(&store, services.clone(), &setup);
        let board = Switchboard::start(switchboard(&setup), calls.clone()).await.unwrap();
        calls.carrier_set(Arc::new(board.clone()));
        Self {
            calls,
            board,
            scope,
            agent,
            ears,
            mouth,
            understudy,
            mind,
            caller,
            clock: setup.clock,
            rules: setup.billing,
            staff: services,
            store,
            database,
            directory,
        }
    }

    /// Money, by the rules of the office.
    pub(crate) fn billing(&self) -> Billing {
        Billing::new(self.store.clone(), self.clock.clone(), self.rules.clone())
    }

    /// Somebody else at the database.
    pub(crate) async fn outsider(&self) -> Outsider {
        self.database.outsider().await
    }

    /// Another instance of the program on the same store, as after a restart.
    pub(crate) fn successor(&self) -> Calls {
        let rules = BillingRules::default();
        let setup = CallsSetup {
            billing: Billing::new(self.store.clone(), Arc::new(SystemClock), rules),
            store: self.store.clone(),
            recordings: Arc::new(FileRecordings::new(self.directory.path())),
            clock: Arc::new(SystemClock),
            services: self.staff.clone(),
            concurrent_calls: 10,
            granted: GrantedLimits::new(self.store.clone(), Arc::new(SystemClock)),
            deadlines: StageDeadlines::default(),
        };
        Calls::new(setup)
    }

    /// A caller who waits for the greeting, says the clips and hangs up after the last answer.
    pub(crate) fn plan(&self, clips: Vec<Vec<i16>>) -> SoftphonePlan {
        SoftphonePlan {
            clips,
            from_user: "+14155550199".to_owned(),
            quiet_after: Duration::from_millis(400),
            agent_timeout: Duration::from_secs(4),
            max_duration: Duration::from_secs(12),
            ..SoftphonePlan::new(format!("sip:{NUMBER}@{}", self.board.local_addr()))
        }
    }

    /// Calls, and lets the call run its course. What the caller noticed, and the record.
    pub(crate) async fn ring(&self, plan: SoftphonePlan) -> (SoftphoneReport, Call) {
        let report = self.dial(plan).await;
        (report, self.last_call_over().await)
    }

    pub(crate) async fn dial(&self, plan: SoftphonePlan) -> SoftphoneReport {
        let call = Box::pin(telephony::softphone::call(&self.caller.endpoint, plan));
        tokio::time::timeout(Duration::from_secs(30), call)
            .await
            .unwrap()
            .unwrap()
    }

    /// All calls, newest first.
    pub(crate) async fn records(&self) -> Vec<Call> {
        let page = Page {
            limit: 100,
            offset: 0,
            before: None,
        };
        let list = self.calls.call_list(self.scope, CallFilter::default(), page);
        list.await.unwrap().items
    }

    /// The newest call, once it is in this state.
    pub(crate) async fn call_in(&self, status: CallStatus) -> Call {
        let found = async {
            loop {
                let newest = self.records().await.into_iter().next();
                if let Some(call) = newest.filter(|call| call.status == status) {
                    return call;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(found).await
    }

    /// The newest call, once it is over and nothing of it is left.
    pub(crate) async fn last_call_over(&self) -> Call {
        let id = self.records().await[0].id;
        self.call_over(id).await
    }

    pub(crate) async fn call_over(&self, id: CallId) -> Call {
        let (_, events) = self.calls.call_watch(self.scope, &id.to_string()).await.unwrap();
        if let Some(mut events) = events {
            let closed = async { while !matches!(events.recv().await, Err(RecvError::Closed)) {} };
            soon(closed).await;
        }
        let call = self.calls.call_fetch(self.scope, &id.to_string()).await.unwrap();
        assert!(call.status.is_final(), "{call:?}");
        call
    }

    /// Waits for an event of a live call.
    pub(crate) async fn event<T>(&self, id: CallId, wanted: impl Fn(&CallEvent) -> Option<T> + Send + Sync) -> T {
        let (_, events) = self.calls.call_watch(self.scope, &id.to_string()).await.unwrap();
        let mut events = events.unwrap();
        let found = async {
            loop {
                if let Some(found) = wanted(&events.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        soon(found).await
    }

    /// Who said what, a line each; `…` behind what was cut off.
    pub(crate) async fn transcript(&self, call: &Call) -> Vec<String> {
        let id = call.id.to_string();
        let turns = self.calls.call_transcript(self.scope, &id).await.unwrap().turns;
        for pair in turns.windows(2) {
            assert!(pair[0].started_at <= pair[1].started_at, "{turns:?}");
        }
        turns
            .iter()
            .map(|turn| {
                let who = match turn.speaker {
                    Speaker::Agent => "agent",
                    Speaker::User => "user",
                };
                format!("{who}: {}{}", turn.text, if turn.interrupted { "…" } else { "" })
            })
            .collect()
    }

    pub(crate) fn outbound_to(&self, phone: &str) -> CallCreate {
        CallCreate {
            agent_id: self.agent.to_string(),
            phone_number: Some(phone.to_owned()),
            sip_uri: None,
            from_number: None,
            variables: contract::Variables::new(),
            call_settings: None,
            metadata: serde_json::Map::new(),
        }
    }

    /// Ends the test: nothing of any call may be left.
    pub(crate) async fn close(self) {
        let empty = async {
            while self.board.live_calls() > 0 || self.board.endpoint().dialog_count() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(empty).await;
        self.caller.is_empty().await;
        soon(self.board.shutdown(Duration::from_secs(3))).await;
    }
}

fn calls_on(store: &Arc<SqlStore>, services: Services, setup: &Setup) -> Calls {
    Calls::new(CallsSetup {
        billing: Billing::new(store.clone(), setup.clock.clone(), setup.billing.clone()),
        store: store.clone(),
        recordings: setup.recordings.clone(),
        clock: setup.clock.clone(),
        services,
        concurrent_calls: setup.concurrent_calls,
        granted: GrantedLimits::new(store.clone(), setup.clock.clone()),
        deadlines: setup.deadlines,
    })
}

fn switchboard(setup: &Setup) -> SwitchboardConfig {
    SwitchboardConfig {
        sip: config(),
        rtp_ip: "127.0.0.1".parse().unwrap(),
        rtp_external: setup.rtp_external,
        rtp_ports: PortRange {
            first: 20_000,
            last: 39_998,
        },
        calls_max: setup.calls_max,
    }
}

/// The usual voice, and an agent, a trunk and a number that are not kept yet.
async fn settle(store: &SqlStore, organization: OrganizationId, (peer, folder): (SocketAddr, &Path)) -> (Setup, Scope) {
    let now = SystemClock.now();
    let voice = Voice {
        id: VoiceId::new(),
        name: "Noise".to_owned(),
        voice_type: VoiceType::System,
        status: VoiceStatus::Active,
        provider: "fake".to_owned(),
        provider_voice_id: "noise".to_owned(),
        language: "en".to_owned(),
        last_error: None,
        created_at: now,
    };
    let voice = store.voice_register_system(&voice).await.unwrap();
    let agent = json!({
        "name": "Ada",
        "voice_id": voice.to_string(),
        "system_prompt": "You answer the phone.",
        "model": "fake/model",
        "greeting": { "text": "Hello." },
    });
    let trunk = Trunk {
        id: TrunkId::new(),
        name: "Line".to_owned(),
        provider: "sip".to_owned(),
        host: peer.ip().to_string(),
        port: peer.port(),
        transport: TrunkTransport::Udp,
        username: None,
        has_password: false,
        register: false,
        source_addresses: vec!["127.0.0.0/8".to_owned()],
        allow_sip_uri: true,
        created_at: now,
        updated_at: now,
    };
    let number = Number {
        id: NumberId::new(),
        phone_number: NUMBER.to_owned(),
        provider: "sip".to_owned(),
        trunk_id: trunk.id,
        label: None,
        country: None,
        inbound_agent_id: None,
        outbound_agent_id: None,
        created_at: now,
    };
    let setup = Setup {
        agent: serde_json::from_value(agent).unwrap(),
        trunk: TrunkRecord { trunk, password: None },
        number,
        billing: BillingRules::default(),
        concurrent_calls: 10,
        calls_max: 20,
        deadlines: StageDeadlines::default(),
        millis_per_character: 60,
        has_understudy: true,
        rtp_external: None,
        clock: Arc::new(SystemClock),
        recordings: Arc::new(FileRecordings::new(folder)),
    };
    (setup, Scope { organization })
}

/// Keeps the agent, the trunk and the number, and gives the number to the agent.
async fn hire(store: &SqlStore, scope: Scope, setup: &Setup) -> AgentId {
    let now = SystemClock.now();
    let agent = Agent {
        id: AgentId::new(),
        settings: setup.agent.clone(),
        last_error: None,
        created_at: now,
        updated_at: now,
    };
    store.agent_create(scope, &agent, &Alongside::nothing()).await.unwrap();
    store
        .trunk_create(scope, &setup.trunk, &Alongside::nothing())
        .await
        .unwrap();
    let number = Number {
        inbound_agent_id: Some(agent.id),
        outbound_agent_id: Some(agent.id),
        ..setup.number.clone()
    };
    let added = store.number_create(scope, &number, &Alongside::nothing()).await;
    assert_eq!(added.unwrap(), NumberCreated::Added);
    agent.id
}
