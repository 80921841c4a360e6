//! Where requests go: an organisation that has one of everything, and servers of it that are in trouble of their own.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use contract::{ApiKeyCreate, ApiKeyUpdate, Credits, KeyScope, MemberRole, Reason, SubscriptionStart, TrialStart};
use domain::{
    Change, ProviderFault,
    keys::PLATFORM,
    ports::Clock as _,
    records::{Page, Scope},
};
use futures_util::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Client, Issuer, Outcome, Signer, TestApp, TestAppBuilder};

use super::{SCOPES, faults::USED_KEY};

/// Where no key may be used.
pub(super) const ELSEWHERE: &str = "203.0.113.9";

const PHONE_NUMBER: &str = "+14155550100";

/// A request that is being spoiled.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    /// Stands after the path.
    pub(super) suffix: &'static str,
    pub(super) id: String,
    pub(super) query: Vec<&'static str>,
    pub(super) headers: BTreeMap<&'static str, String>,
    pub(super) body: Option<Value>,
    /// Sent in place of the body.
    pub(super) text: Option<String>,
    pub(super) by: By,
    pub(super) troubles: BTreeSet<Trouble>,
    /// How the carrier fails, if it does.
    pub(super) fails: Option<ProviderFault>,
}

impl Ask {
    pub(super) fn set(&mut self, field: &str, value: Value) {
        self.body.as_mut().expect("a body")[field] = value;
    }

    pub(super) fn remove(&mut self, field: &str) {
        let body = self.body.as_mut().and_then(Value::as_object_mut);
        body.expect("a body").remove(field);
    }

    pub(super) fn header(&mut self, name: &'static str, value: &str) {
        self.headers.insert(name, value.to_owned());
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) {
        self.troubles.insert(trouble);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.text = Some(text.to_owned());
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A key with this scope, good on loopback alone.
    Key(KeyScope),
    Person(MemberRole),
    /// With credentials that are refused so.
    Nobody(Reason),
}

/// What a server is going through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Trouble {
    /// The organisation has no requests left.
    Limited,
    /// It has no room for a call.
    Full,
    /// Too many bad keys came to it.
    Flooded,
    /// It waits for no body, and none comes.
    Hasty,
}

/// What there is, by its id.
pub(super) struct Ids {
    /// Has a number to call from.
    pub(super) agent: String,
    /// Has none.
    pub(super) idle_agent: String,
    pub(super) draft_agent: String,
    pub(super) agent_body: Value,
    pub(super) voice: String,
    /// Without numbers.
    pub(super) trunk: String,
    pub(super) trunk_in_use: String,
    pub(super) number: String,
    pub(super) phone_number: &'static str,
    /// Under way.
    pub(super) call: String,
    /// With a recording.
    pub(super) call_over: String,
    pub(super) member: String,
    /// The only one.
    pub(super) owner: String,
    pub(super) key: String,
    pub(super) revoked_key: String,
    /// One that failed.
    pub(super) request: String,
    pub(super) organization: String,
}

/// An organisation in a standing, and the servers it is asked through.
pub(super) struct World {
    pub(super) ids: Ids,
    app: TestApp,
    standing: Option<Reason>,
    issuer: Issuer,
    signer: Signer,
    keys: HashMap<KeyScope, String>,
    revoked: String,
    expired: String,
    servers: HashMap<BTreeSet<Trouble>, (TestApp, Client)>,
    used: HashSet<String>,
}

/// Those of one base path, made when they are needed.
pub(super) struct Worlds {
    base: &'static str,
    worlds: HashMap<Option<Reason>, World>,
}

impl Worlds {
    pub(super) fn new(base: &'static str) -> Self {
        Self {
            base,
            worlds: HashMap::new(),
        }
    }

    pub(super) async fn get(&mut self, standing: Option<Reason>) -> &mut World {
        if !self.worlds.contains_key(&standing) {
            let world = World::start(standing, self.base).await;
            self.worlds.insert(standing, world);
        }
        self.worlds.get_mut(&standing).expect("a world")
    }
}

fn builder(issuer: &Issuer, standing: Option<Reason>) -> TestAppBuilder {
    let builder = TestApp::builder()
        .tokens_of(issuer, |_| {})
        .concurrent_calls(100)
        .config(|config| {
            config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
            config.body_bytes_max = 10_000;
        });
    match standing {
        Some(_) => builder.billing(|rules| rules.trial_credits = Credits::ZERO),
        None => builder,
    }
}

impl World {
    async fn start(standing: Option<Reason>, base: &'static str) -> Self {
        let signer = Signer::rs256("key");
        let issuer = Issuer::publishing(&[&signer]).await;
        let app = builder(&issuer, standing).start().await;
        for role in MemberRole::ALL {
            app.member(role.name(), role).await;
        }
        let mut keys = HashMap::new();
        for scope in SCOPES {
            keys.insert(scope, key(&app, scope).await);
        }
        let (revoked, expired) = (revoked(&app).await, expired(&app).await);
        let ids = ids(&app, revoked.1, standing.is_none()).await;
        stand(&app, standing).await;
        let mut world = Self {
            ids,
            app,
            standing,
            issuer,
            signer,
            keys,
            revoked: revoked.0,
            expired,
            servers: HashMap::new(),
            used: HashSet::new(),
        };
        world.ids.request = world.failed(base).await;
        world
    }

    /// What was answered, as `code.reason`; `Err` when the answer broke the contract.
    pub(super) async fn send(&mut self, ask: &Ask) -> Result<String, String> {
        let token = self.token(ask.by);
        if !self.servers.contains_key(&ask.troubles) {
            let server = self.server(&ask.troubles).await;
            self.servers.insert(ask.troubles.clone(), server);
        }
        let (app, client) = &self.servers[&ask.troubles];
        app.carrier.set(ask.fails.map_or(Outcome::Answered, Outcome::Fails));
        let query = ask.query.join("&");
        let joint = if query.is_empty() { "" } else { "?" };
        let path = ask.path.replace("{id}", &ask.id);
        let mut request = client.request(ask.method.clone(), &format!("{path}{}{joint}{query}", ask.suffix));
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        if ask.body.is_some() && !ask.headers.contains_key("content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let body = ask.text.clone().or_else(|| ask.body.as_ref().map(Value::to_string));
        if ask.troubles.contains(&Trouble::Hasty) && body.is_some() {
            let nothing = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
            request = request.body(reqwest::Body::wrap_stream(nothing));
        } else if let Some(body) = body {
            request = request.body(body);
        }
        let answer = std::panic::AssertUnwindSafe(client.send(request)).catch_unwind().await;
        answer
            .map(|answer| {
                if answer.status.is_success() {
                    answer.status.to_string()
                } else {
                    answer.pair()
                }
            })
            .map_err(|panic| format!("what breaks the contract: {:?}", panic.downcast_ref::<String>()))
    }

    /// Sees that another request came under the key for which `good` will be sent.
    pub(super) async fn use_key(&mut self, good: &Ask) {
        if !self.used.insert(format!("{} {}", good.method, good.path)) {
            return;
        }
        let mut first = good.clone();
        first.header("idempotency-key", USED_KEY);
        first.text("{");
        let answered = self.send(&first).await;
        assert_eq!(answered.as_deref(), Ok("bad_request.malformed_json"), "{}", good.path);
    }

    fn token(&self, by: By) -> Option<String> {
        let now = self.app.clock.now().millis() / 1000;
        let signed = |subject: &str, change: &Value| self.signer.token(&self.app.claims(subject, change));
        let token = match by {
            By::Key(scope) => self.keys[&scope].clone(),
            By::Person(role) => signed(role.name(), &json!({})),
            By::Nobody(Reason::MissingCredentials) => return None,
            By::Nobody(Reason::MalformedCredentials) => "two words".to_owned(),
            By::Nobody(Reason::RevokedApiKey) => self.revoked.clone(),
            By::Nobody(Reason::ExpiredApiKey) => self.expired.clone(),
            By::Nobody(Reason::InvalidToken) => signed("owner", &json!({ "aud": "others" })),
            By::Nobody(Reason::ExpiredToken) => signed("owner", &json!({ "exp": now - 3600 })),
            By::Nobody(_) => format!("cw_{}", "a".repeat(40)),
        };
        Some(format!("Bearer {token}"))
    }

    /// Another process beside the first one, in trouble.
    async fn server(&self, troubles: &BTreeSet<Trouble>) -> (TestApp, Client) {
        let [is_limited, is_full, is_flooded, is_hasty] =
            [Trouble::Limited, Trouble::Full, Trouble::Flooded, Trouble::Hasty]
                .map(|trouble| troubles.contains(&trouble));
        let builder = builder(&self.issuer, self.standing).beside(&self.app);
        let builder = builder.recordings(Arc::clone(&self.app.recordings)).config(|config| {
            config.rate_limit.enabled = is_limited || is_flooded;
            config.rate_limit.minute = u32::from(is_limited);
            config.rate_limit.hour = 0;
            config.rate_limit.day = 0;
            config.rate_limit.authentication_failures_per_minute = u32::from(is_flooded);
            if is_hasty {
                config.body_timeout_ms = 50;
            }
        });
        let builder = builder.concurrent_calls(if is_full { 0 } else { 100 });
        let app = builder.start().await;
        let client = app.client_with(None);
        if is_limited {
            for (scope, path) in [
                (KeyScope::Admin, "/agents"),
                (KeyScope::Operator, "/api/operator/v1/organizations"),
            ] {
                app.client_with(Some(&self.keys[&scope])).get(path).await.ok();
            }
        }
        if is_flooded {
            let stranger = app.client_with(Some("cw_wrong"));
            for address in ["127.0.0.1", ELSEWHERE] {
                let request = stranger.request(Method::GET, "/agents");
                let request = request.header("x-forwarded-for", address);
                assert_eq!(stranger.send(request).await.status, 401);
            }
        }
        (app, client)
    }

    /// The id of a request that failed, of whoever asks below `base`.
    async fn failed(&self, base: &str) -> String {
        let scope = if base.contains("operator") {
            KeyScope::Operator
        } else {
            KeyScope::Admin
        };
        let client = self.app.client_with(Some(&self.keys[&scope]));
        let answer = client.get(&format!("{base}/requests/none")).await;
        assert!(self.app.failed_requests_write().await);
        answer.header("x-request-id").to_owned()
    }
}

/// A key with this scope, held to loopback.
async fn key(app: &TestApp, scope: KeyScope) -> String {
    let ip_allowlist = vec!["127.0.0.0/8".to_owned()];
    if scope == KeyScope::Operator {
        return operator_key(app, ip_allowlist).await;
    }
    let create = ApiKeyCreate {
        ip_allowlist,
        ..ApiKeyCreate::named(scope.name(), vec![scope])
    };
    app.key_of(create).await.key
}

/// A key that runs the platform, of which there is one.
async fn operator_key(app: &TestApp, ip_allowlist: Vec<String>) -> String {
    let key = app.operator().await.key().to_owned();
    let platform = Scope { organization: PLATFORM };
    let page = Page {
        limit: 1,
        offset: 0,
        before: None,
    };
    let known = app.keys.key_list(platform, page).await.unwrap();
    let update = ApiKeyUpdate {
        ip_allowlist: Some(Some(ip_allowlist)),
        ..serde_json::from_value(json!({})).unwrap()
    };
    let (change, id) = (Change::by_system(platform), known.items[0].id.to_string());
    app.keys.key_update(&change, &id, update).await.unwrap();
    key
}

/// A key that was revoked, and the id of its record.
async fn revoked(app: &TestApp) -> (String, String) {
    let created = app.key_with(&[KeyScope::Admin], None).await;
    let id = created.record.id.to_string();
    let change = Change::by_system(app.scope);
    app.keys.key_revoke(&change, &id).await.unwrap();
    (created.key, id)
}

/// A key whose time is over.
async fn expired(app: &TestApp) -> String {
    let end = contract::Timestamp::from_millis(app.clock.now().millis() + 1000);
    let created = app.key_with(&[KeyScope::Admin], Some(end)).await;
    app.clock.advance(Duration::from_secs(2));
    created.key
}

/// Makes one of everything; calls only where they are free.
async fn ids(app: &TestApp, revoked_key: String, with_calls: bool) -> Ids {
    let (agent, trunk_in_use) = (app.agent().await, app.trunk().await);
    let import = json!({ "phone_number": PHONE_NUMBER, "trunk_id": trunk_in_use });
    let number = app.client().post("/telephony/numbers/import", &import).await.created();
    let assign = json!({ "number_id": number, "agent_id": agent });
    app.client().post("/telephony/numbers/assign", &assign).await.ok();
    let (call, call_over) = if with_calls {
        (call(app, &agent).await, call_over(app, &agent).await)
    } else {
        (String::new(), String::new())
    };
    let members = app.client().get("/api/v1/members?limit=100").await.data();
    let member = |role: &str| {
        let mut all = members.as_array().unwrap().iter();
        let found = all.find(|member| member["subject"] == role).expect("a member");
        found["id"].as_str().unwrap().to_owned()
    };
    Ids {
        idle_agent: app.agent().await,
        draft_agent: app.agent_with(&json!({ "status": "draft" })).await,
        agent_body: app.agent_body(&json!({})),
        voice: app.voice.id.to_string(),
        trunk: app.trunk().await,
        member: member("member"),
        owner: member("owner"),
        key: app.key_with(&[KeyScope::Read], None).await.record.id.to_string(),
        organization: app.scope.organization.to_string(),
        phone_number: PHONE_NUMBER,
        request: String::new(),
        agent,
        trunk_in_use,
        number,
        call,
        call_over,
        revoked_key,
    }
}

async fn call(app: &TestApp, agent: &str) -> String {
    let body = json!({ "agent_id": agent, "phone_number": "+14155550123" });
    app.client().post("/calls", &body).await.created()
}

async fn call_over(app: &TestApp, agent: &str) -> String {
    let call = call(app, agent).await;
    let id = call.parse().unwrap();
    let mut writer = app.recordings.recording_create(app.scope, id, 8000).await.unwrap();
    writer.write(&[7; 2000]);
    writer.finish().await.unwrap();
    app.client().post(&format!("/calls/{call}/end"), &json!({})).await.ok();
    call
}

/// Brings the organisation to where it is answered 402 for this reason.
async fn stand(app: &TestApp, standing: Option<Reason>) {
    let change = Change::by_system(app.scope);
    let start = SubscriptionStart { plan: None };
    match standing {
        Some(Reason::TrialExpired) => {
            let trial = TrialStart { days: Some(1) };
            app.billing.trial_start(&change, trial).await.unwrap();
            app.clock.advance(Duration::from_hours(25));
        }
        Some(Reason::SubscriptionInactive) => {
            app.billing.subscription_start(&change, start).await.unwrap();
            app.billing.subscription_stop(&change).await.unwrap();
        }
        Some(Reason::InsufficientCredits) => {
            app.billing
                .trial_start(&change, TrialStart { days: None })
                .await
                .unwrap();
            app.billing.subscription_start(&change, start).await.unwrap();
        }
        _ => {}
    }
}
