//! The whole application, on a socket and a database of its own.

use std::{net::SocketAddr, sync::Arc};

use api::{ApiConfig, App, AppParts};
use axum::Router;
use contract::{ApiKeyCreate, KeyScope, Timestamp, Voice};
use domain::{
    agents::{Agents, ModelNames},
    calls::{Calls, CallsSetup},
    clock::ManualClock,
    keys::Keys,
    ports::{Clock, RecordingStore, StageDeadlines},
    records::Scope,
    telephony::Telephony,
    voices::{SystemVoice, Voices},
};
use serde_json::{Value, json};
use store::{FileRecordings, SqliteStore};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{Client, FakeCarrier, FakeServices, client::Documented, fakes::Shared};

/// What can be set before a [`TestApp`] starts.
pub struct TestAppBuilder {
    config: ApiConfig,
    routes: Router,
    recordings: Option<Arc<dyn RecordingStore>>,
    concurrent_calls: u32,
}

impl Default for TestAppBuilder {
    fn default() -> Self {
        let mut config = ApiConfig::default();
        config.rate_limit.enabled = false;
        Self {
            config,
            routes: Router::new(),
            recordings: None,
            concurrent_calls: 10,
        }
    }
}

impl TestAppBuilder {
    /// Changes the configuration; rate limits are off until it says otherwise.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(&mut ApiConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Routes of the test's own, inside the envelope and before no gate.
    #[must_use]
    pub fn routes(self, routes: Router) -> Self {
        Self { routes, ..self }
    }

    /// Another recording store than files.
    #[must_use]
    pub fn recordings(self, recordings: Arc<dyn RecordingStore>) -> Self {
        Self {
            recordings: Some(recordings),
            ..self
        }
    }

    /// Calls an organisation may hold at once.
    #[must_use]
    pub fn concurrent_calls(self, concurrent_calls: u32) -> Self {
        Self {
            concurrent_calls,
            ..self
        }
    }

    /// Starts it.
    pub async fn start(self) -> TestApp {
        // Another test of the same process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(directory.path().join("callwright.db"))
            .await
            .expect("a store");
        let store = Arc::new(store);
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_770_206_400_000)));
        let recordings = self
            .recordings
            .unwrap_or_else(|| Arc::new(FileRecordings::new(directory.path())));
        let services = FakeServices::services();
        let (agents, dyn_clock) = (ModelNames::of(&services), Arc::clone(&clock) as Arc<dyn Clock>);
        let calls = Calls::new(CallsSetup {
            store: store.clone(),
            recordings: Arc::clone(&recordings),
            clock: Arc::clone(&dyn_clock),
            services,
            concurrent_calls: self.concurrent_calls,
            deadlines: StageDeadlines::default(),
        });
        let carrier = Arc::new(FakeCarrier::new(calls.clone()));
        calls.carrier_set(Arc::new(Shared(Arc::clone(&carrier))));
        let keys = Keys::new(store.clone(), Arc::clone(&dyn_clock));
        let voices = Voices::new(store.clone(), Arc::clone(&dyn_clock));
        let parts = AppParts {
            config: self.config,
            keys: keys.clone(),
            agents: Agents::new(store.clone(), Arc::clone(&dyn_clock), agents),
            voices: voices.clone(),
            telephony: Telephony::new(store.clone(), Arc::clone(&dyn_clock)),
            calls: calls.clone(),
            clock: dyn_clock,
            ready: Arc::new(|| Box::pin(async { Ok(()) })),
            metrics: Arc::new(|| "# no metrics\n".to_owned()),
        };
        let voice = register(&voices).await;
        let (organization, key) = keys.organization_create("Test").await.expect("an organisation");
        let (address, shutdown, server) = listen(App::new(parts), self.routes).await;
        TestApp {
            clock,
            carrier,
            calls,
            keys,
            store,
            recordings,
            scope: Scope {
                organization: organization.id,
            },
            voice,
            address,
            key,
            shutdown,
            server: Some(server),
            documented: Arc::new(Documented::read(&api::openapi())),
            _directory: directory,
        }
    }
}

async fn register(voices: &Voices) -> Voice {
    let voice = SystemVoice {
        name: "Fake".to_owned(),
        provider: "fake".to_owned(),
        provider_voice_id: "fake".to_owned(),
        language: "en".to_owned(),
    };
    voices.register_system(vec![voice]).await.expect("a voice").remove(0)
}

async fn listen(app: App, routes: Router) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    let router = api::router_with(app.clone(), routes);
    let server = tokio::spawn(api::serve_router(listener, app, router, shutdown.clone()));
    (address, shutdown, server)
}

/// A running application; it ends with the value.
pub struct TestApp {
    /// Stands still until told to move.
    pub clock: Arc<ManualClock>,
    /// What calls are carried by.
    pub carrier: Arc<FakeCarrier>,
    /// Calls, to make records without HTTP.
    pub calls: Calls,
    /// Keys, to make further organisations and keys.
    pub keys: Keys,
    /// The database.
    pub store: Arc<SqliteStore>,
    /// Where recordings lie.
    pub recordings: Arc<dyn RecordingStore>,
    /// The first organisation.
    pub scope: Scope,
    /// A voice that agents can have.
    pub voice: Voice,
    /// Where the server listens.
    pub address: SocketAddr,
    /// A key of the first organisation that may do everything.
    pub key: String,
    /// Cancel it to stop the server.
    pub shutdown: CancellationToken,
    server: Option<JoinHandle<()>>,
    documented: Arc<Documented>,
    _directory: TempDir,
}

impl TestApp {
    /// One with the usual settings.
    pub async fn start() -> Self {
        TestAppBuilder::default().start().await
    }

    /// To change settings first.
    pub fn builder() -> TestAppBuilder {
        TestAppBuilder::default()
    }

    /// A client with the key that may do everything.
    pub fn client(&self) -> Client {
        self.client_with(Some(&self.key))
    }

    /// A client with another key, or none.
    pub fn client_with(&self, key: Option<&str>) -> Client {
        Client::new(self.address, key, Arc::clone(&self.documented))
    }

    /// A key of the first organisation with these scopes.
    pub async fn key_with(&self, scopes: &[KeyScope], expires_at: Option<Timestamp>) -> contract::ApiKeyCreated {
        let create = ApiKeyCreate {
            name: "Another".to_owned(),
            scopes: scopes.to_vec(),
            expires_at,
        };
        self.keys.key_create(self.scope, create).await.expect("a key")
    }

    /// A body that makes an agent, with some fields changed.
    pub fn agent_body(&self, change: &Value) -> Value {
        let mut body = json!({
            "name": "Ada",
            "voice_id": self.voice.id,
            "system_prompt": "Be kind.",
            "model": "fake/model",
        });
        for (name, value) in change.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        body
    }

    /// An agent; its id.
    pub async fn agent(&self) -> String {
        self.agent_with(&json!({})).await
    }

    /// An agent with some fields changed; its id.
    pub async fn agent_with(&self, change: &Value) -> String {
        self.client().post("/agents", &self.agent_body(change)).await.created()
    }

    /// A trunk; its id.
    pub async fn trunk(&self) -> String {
        let body = json!({ "name": "Trunk", "host": "192.0.2.4" });
        self.client().post("/telephony/trunks", &body).await.created()
    }

    /// A number on a new trunk; its id.
    pub async fn number(&self, phone_number: &str) -> String {
        let body = json!({ "phone_number": phone_number, "trunk_id": self.trunk().await });
        self.client().post("/telephony/numbers/import", &body).await.created()
    }

    /// An agent with a number for outbound calls; the agent's id.
    pub async fn agent_that_calls(&self) -> String {
        let (agent, number) = (self.agent().await, self.number("+14155550100").await);
        let body = json!({ "number_id": number, "agent_id": agent });
        self.client().post("/telephony/numbers/assign", &body).await.ok();
        agent
    }

    /// A live call; its id.
    pub async fn call(&self) -> String {
        let body = json!({ "agent_id": self.agent_that_calls().await, "phone_number": "+14155550123" });
        self.client().post("/calls", &body).await.created()
    }

    /// Stops the server and waits until it has stopped.
    pub async fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(server) = self.server.take() {
            server.await.expect("the server ends in order");
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }
}
