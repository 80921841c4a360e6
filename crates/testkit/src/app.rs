//! The whole application, on a socket and a database of its own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use api::{ApiConfig, App, AppParts};
use axum::Router;
use contract::{ApiKeyCreate, KeyScope, MemberCreate, MemberRole, OrganizationLimits, Timestamp, Voice};
use domain::{
    Alongside, Change,
    agents::{Agents, ModelNames},
    audit::Audit,
    billing::{Billing, BillingEvents, BillingRules},
    calls::{Calls, CallsSetup},
    clock::ManualClock,
    idempotency::Idempotency,
    keys::Keys,
    limits::{GrantedLimits, LimitCounters, MemoryCounters},
    organizations::Organizations,
    ports::{Clock, LimitStore as _, RecordingStore, StageDeadlines},
    records::Scope,
    requests::{RequestBounds, Requests},
    telephony::Telephony,
    tokens::TokenVerifier,
    voices::{SystemVoice, Voices},
};
use providers::{JwtConfig, JwtVerifier};
use serde_json::{Value, json};
use store::{
    FileRecordings, SqlStore,
    testing::{Engine, TestDatabase, fill_disk},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{Client, FakeCarrier, FakeServices, Issuer, Signer, TcpProxy, client::Documented, fakes::Shared};

/// What can be set before a [`TestApp`] starts.
pub struct TestAppBuilder {
    config: ApiConfig,
    routes: Router,
    recordings: Option<Arc<dyn RecordingStore>>,
    concurrent_calls: u32,
    tokens: Option<MakesVerifier>,
    counters: Option<Arc<dyn LimitCounters>>,
    billing: BillingRules,
    billing_events: Option<Arc<dyn BillingEvents>>,
    bounds: RequestBounds,
    engine: Engine,
    beside: Option<Beside>,
    patience: Option<Duration>,
    behind_proxy: bool,
}

/// What a second application shares with the first.
struct Beside {
    database: Arc<TestDatabase>,
    clock: Arc<ManualClock>,
    scope: Scope,
    key: String,
}

type MakesVerifier = Box<dyn FnOnce(Arc<dyn Clock>) -> Arc<dyn TokenVerifier> + Send>;

impl Default for TestAppBuilder {
    fn default() -> Self {
        let mut config = ApiConfig::default();
        config.rate_limit.enabled = false;
        // A machine that runs many tests at once is late often enough.
        config.lag_max_ms = 0;
        Self {
            config,
            routes: Router::new(),
            recordings: None,
            concurrent_calls: 10,
            tokens: None,
            counters: None,
            billing: BillingRules::default(),
            billing_events: None,
            bounds: RequestBounds::default(),
            engine: Engine::from_environment(),
            beside: None,
            patience: None,
            behind_proxy: false,
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

    /// Other counters of requests than those of a process.
    #[must_use]
    pub fn counters(self, counters: Arc<dyn LimitCounters>) -> Self {
        Self {
            counters: Some(counters),
            ..self
        }
    }

    /// Who pays for what; nobody until it says otherwise.
    #[must_use]
    pub fn billing(mut self, change: impl FnOnce(&mut BillingRules)) -> Self {
        self.billing.enabled = true;
        change(&mut self.billing);
        self
    }

    /// What reads a payment provider's events.
    #[must_use]
    pub fn billing_events(self, events: Arc<dyn BillingEvents>) -> Self {
        Self {
            billing_events: Some(events),
            ..self
        }
    }

    /// How much is kept of failed requests.
    #[must_use]
    pub fn bounds(self, bounds: RequestBounds) -> Self {
        Self { bounds, ..self }
    }

    /// Lets people in by tokens of this issuer, which are for `callwright`.
    #[must_use]
    pub fn tokens_of(self, issuer: &Issuer, change: impl FnOnce(&mut JwtConfig) + Send + 'static) -> Self {
        let mut config = JwtConfig::new(&issuer.jwks_url, Issuer::NAME, "callwright");
        change(&mut config);
        let tokens: MakesVerifier =
            Box::new(move |clock| Arc::new(JwtVerifier::new(config, clock).expect("settings that make sense")));
        Self {
            tokens: Some(tokens),
            ..self
        }
    }

    /// On this database engine, whatever the environment says.
    #[must_use]
    pub fn engine(self, engine: Engine) -> Self {
        Self { engine, ..self }
    }

    /// As a second node beside `app`: on its database, with its clock, organisation and key, and a data folder of its
    /// own.
    #[must_use]
    pub fn beside(self, app: &TestApp) -> Self {
        let beside = Beside {
            database: Arc::clone(&app.database),
            clock: Arc::clone(&app.clock),
            scope: app.scope,
            key: app.key.clone(),
        };
        Self {
            beside: Some(beside),
            ..self
        }
    }

    /// How long the store waits for a lock, when not as long as it does in earnest.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self {
            patience: Some(patience),
            ..self
        }
    }

    /// On PostgreSQL, with a way to it that the test can cut.
    #[must_use]
    pub fn behind_proxy(self) -> Self {
        Self {
            engine: Engine::Postgres,
            behind_proxy: true,
            ..self
        }
    }

    /// Starts it.
    pub async fn start(self) -> TestApp {
        // On the heap, or else every test holds all of it on its stack.
        Box::pin(self.start_whole()).await
    }

    async fn start_whole(self) -> TestApp {
        // Another test of the same process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().expect("a directory");
        let database = match &self.beside {
            Some(beside) => Arc::clone(&beside.database),
            None => Arc::new(TestDatabase::new(self.engine, directory.path()).await),
        };
        let proxy = match database.server().await {
            Some(server) if self.behind_proxy => Some(TcpProxy::start(server).await),
            _ => None,
        };
        let address = proxy.as_ref().map(|proxy| database.address_by(proxy.address()));
        let address = address.unwrap_or_else(|| database.address().clone());
        let store = Arc::new(match (self.patience, &self.beside) {
            (Some(patience), _) => database.open_impatient(&address, patience).await,
            (None, Some(_)) => Box::pin(database.open_beside(directory.path())).await,
            (None, None) => Box::pin(database.open_by(&address)).await,
        });
        let clock = match &self.beside {
            Some(beside) => Arc::clone(&beside.clock),
            None => Arc::new(ManualClock::at(Timestamp::from_millis(1_770_206_400_000))),
        };
        let recordings = self.recordings;
        let recordings = recordings.unwrap_or_else(|| Arc::new(FileRecordings::new(directory.path())));
        let services = FakeServices::services();
        let (agents, dyn_clock) = (ModelNames::of(&services), Arc::clone(&clock) as Arc<dyn Clock>);
        let billing = Billing::new(store.clone(), Arc::clone(&dyn_clock), self.billing);
        let granted = GrantedLimits::new(store.clone(), Arc::clone(&dyn_clock));
        let calls = Calls::new(CallsSetup {
            granted: granted.clone(),
            billing: billing.clone(),
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
        let keys = match self.tokens {
            Some(tokens) => keys.with_tokens(tokens(Arc::clone(&dyn_clock))),
            None => keys,
        };
        let organizations = Organizations::new(store.clone(), Arc::clone(&dyn_clock));
        let voices = Voices::new(store.clone(), Arc::clone(&dyn_clock));
        let idempotency = Idempotency::new(store.clone(), Arc::clone(&dyn_clock));
        let parts = AppParts {
            granted,
            config: self.config,
            counters: self
                .counters
                .unwrap_or_else(|| Arc::new(MemoryCounters::new(Arc::clone(&dyn_clock)))),
            keys: keys.clone(),
            organizations: organizations.clone(),
            agents: Agents::new(store.clone(), Arc::clone(&dyn_clock), agents),
            voices: voices.clone(),
            telephony: Telephony::new(store.clone(), Arc::clone(&dyn_clock)),
            calls: calls.clone(),
            billing: billing.clone(),
            billing_events: self.billing_events,
            requests: Requests::new(store.clone(), Arc::clone(&dyn_clock), self.bounds),
            audit: Audit::new(store.clone()),
            idempotency: idempotency.clone(),
            clock: dyn_clock,
            ready: ready_probe(Arc::clone(&store)),
            metrics: Arc::new(|| "# no metrics\n".to_owned()),
        };
        let voice = register(&voices).await;
        let (scope, key) = match self.beside {
            Some(beside) => (beside.scope, beside.key),
            None => first_organization(&keys).await,
        };
        let app = App::new(parts);
        let (address, shutdown, server) = listen(app.clone(), self.routes).await;
        TestApp {
            clock,
            carrier,
            calls,
            billing,
            idempotency,
            keys,
            organizations,
            store,
            recordings,
            scope,
            voice,
            address,
            key,
            app,
            shutdown,
            server: Some(server),
            documented: Arc::new(Documented::read(&api::openapi())),
            database,
            proxy,
            _directory: directory,
        }
    }
}

/// As in earnest.
fn ready_probe(store: Arc<SqlStore>) -> api::ReadyProbe {
    Arc::new(move || {
        let store = Arc::clone(&store);
        Box::pin(async move { store.ping().await.map_err(|error| error.to_string()) })
    })
}

async fn first_organization(keys: &Keys) -> (Scope, String) {
    let (organization, key) = keys.organization_create("Test").await.expect("an organisation");
    let scope = Scope {
        organization: organization.id,
    };
    (scope, key)
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
    /// Money, to do what an operator does.
    pub billing: Billing,
    /// Keyed requests, to purge them.
    pub idempotency: Idempotency,
    /// Keys, to make further organisations and keys.
    pub keys: Keys,
    /// Organisations and members, to make members without HTTP.
    pub organizations: Organizations,
    /// The database.
    pub store: Arc<SqlStore>,
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
    app: App,
    server: Option<JoinHandle<()>>,
    documented: Arc<Documented>,
    /// Where the database is, to reach it past the application.
    pub database: Arc<TestDatabase>,
    /// The way to the database, if the test asked for one that can be cut.
    pub proxy: Option<TcpProxy>,
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

    /// A client with a key that runs the platform.
    pub async fn operator(&self) -> Client {
        let create = ApiKeyCreate::named("Operator", vec![KeyScope::Operator]);
        let created = self.keys.operator_key_create(create).await.expect("a key");
        self.client_with(Some(&created.key))
    }

    /// A key of the first organisation with these scopes.
    pub async fn key_with(&self, scopes: &[KeyScope], expires_at: Option<Timestamp>) -> contract::ApiKeyCreated {
        let create = ApiKeyCreate {
            expires_at,
            ..ApiKeyCreate::named("Another", scopes.to_vec())
        };
        self.key_of(create).await
    }

    /// A key of the first organisation.
    pub async fn key_of(&self, create: ApiKeyCreate) -> contract::ApiKeyCreated {
        let change = Change::by_system(self.scope);
        self.keys.key_create(&change, create).await.expect("a key")
    }

    /// A member of the first organisation; their record's id.
    pub async fn member(&self, subject: &str, role: MemberRole) -> String {
        let create = MemberCreate {
            subject: subject.to_owned(),
            name: None,
            role,
        };
        let change = Change::by_system(self.scope);
        let member = self.organizations.member_create(&change, MemberRole::Owner, create);
        member.await.expect("a member").id.to_string()
    }

    /// Claims of a token for the first organisation, good for five minutes, with some changed.
    pub fn claims(&self, subject: &str, change: &Value) -> Value {
        let now = self.clock.now().millis() / 1000;
        let mut claims = json!({
            "iss": Issuer::NAME,
            "aud": "callwright",
            "sub": subject,
            "organization_id": self.scope.organization,
            "exp": now + 300,
        });
        for (name, value) in change.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        claims
    }

    /// A client of a person.
    pub fn person(&self, signer: &Signer, subject: &str) -> Client {
        self.client_with(Some(&signer.token(&self.claims(subject, &json!({})))))
    }

    /// Grants the first organisation limits as another node would: behind this application's back.
    pub async fn grant_elsewhere(&self, limits: &OrganizationLimits) {
        let present = self.store.limits_fetch(self.scope).await.expect("a store");
        let present = present.expect("the organisation");
        let nothing = Alongside::nothing();
        let done = self.store.limits_set(self.scope, &present, limits, &nothing).await;
        assert!(done.expect("a store"), "nobody else grants anything");
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

    /// The way to the database, for who asked for one.
    pub fn way(&self) -> &TcpProxy {
        self.proxy.as_ref().expect("a database behind a proxy")
    }

    /// Lets the database write so many pages more and then find its disk full; in `SQLite`.
    pub async fn fill_disk(&self, pages_left: i64) {
        fill_disk(&self.store, pages_left).await;
    }

    /// What `/health/ready` answers.
    pub async fn is_ready(&self) -> bool {
        let answer = reqwest::get(format!("http://{}/health/ready", self.address)).await;
        answer.expect("an answer").status().is_success()
    }

    /// Has failed requests written, which otherwise happens a moment later; `false` when the store failed.
    pub async fn failed_requests_write(&self) -> bool {
        self.app.failed_requests_write().await
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
