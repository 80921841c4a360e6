//! The contract's order, on every operation of the description and for every two faults that a request to it can have
//! at once.
//!
//! What an operation can get wrong follows from what it says that it answers: each reason that it declares needs a
//! fault here that causes it, alone and before every later one. So an operation without a fixture fails, and so does
//! one that declares what it never answers.

mod faults;
mod fixtures;
mod stripe;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use contract::{KeyScope, MemberRole, Reason};
use reqwest::Method;
use serde_json::Value;

use self::{
    faults::Fault,
    world::{Ask, By, Worlds},
};

/// What a request is judged by, in the contract's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Route,
    Credentials,
    Address,
    Rate,
    Rights,
    Readable,
    Schema,
    Resources,
    Rules,
    Standing,
    Provider,
}

/// An operation under one of its base paths, as the description has it.
pub(super) struct Operation {
    id: String,
    method: Method,
    /// With `{id}` for the one id that a path has.
    path: String,
    /// Methods that its path knows.
    methods: BTreeSet<String>,
    has_body: bool,
    parameters: BTreeSet<String>,
    scope: KeyScope,
    role: Option<MemberRole>,
    declared: BTreeSet<Reason>,
}

/// Under which base path operations are asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Public,
    /// The public ones again, where a key needs to hold more.
    PublicForAdministrators,
    Administration,
    Operator,
}

impl Base {
    fn path(self) -> &'static str {
        match self {
            Self::Public => "/api/public/v1",
            Self::PublicForAdministrators | Self::Administration => "/api/v1",
            Self::Operator => "/api/operator/v1",
        }
    }

    /// Where its operations stand in the description.
    fn described(self) -> &'static str {
        if self == Self::PublicForAdministrators {
            Self::Public.path()
        } else {
            self.path()
        }
    }
}

fn operations(base: Base) -> Vec<Operation> {
    let document = api::openapi();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(rest) = path.strip_prefix(&format!("{}/", base.described())) else {
            continue;
        };
        let methods = methods.as_object().unwrap();
        for (method, described) in methods {
            let mut operation = Operation::read(method, &format!("{}/{rest}", base.path()), described);
            operation.methods = methods.keys().map(|method| method.to_uppercase()).collect();
            if base == Base::PublicForAdministrators {
                operation.scope = KeyScope::Admin;
                operation.declared.insert(Reason::InsufficientScope);
            }
            operations.push(operation);
        }
    }
    operations
}

impl Operation {
    fn read(method: &str, path: &str, described: &Value) -> Self {
        let parameters = described["parameters"].as_array().into_iter().flatten();
        let in_query = parameters.filter(|parameter| parameter["in"] == "query");
        let named = |name: &str| described[name].as_str().unwrap_or_default().to_owned();
        let mut declared = BTreeSet::new();
        for response in described["responses"].as_object().unwrap().values() {
            let reasons = response["x-reasons"].as_array().into_iter().flatten();
            declared.extend(reasons.map(|name| reason(&response["x-code"], name)));
        }
        Self {
            id: named("operationId"),
            method: method.to_uppercase().parse().unwrap(),
            path: path.to_owned(),
            methods: BTreeSet::new(),
            has_body: described["requestBody"].is_object(),
            parameters: in_query
                .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                .collect(),
            scope: SCOPES
                .into_iter()
                .find(|scope| scope.name() == named("x-required-scope"))
                .expect("a scope"),
            role: MemberRole::ALL
                .into_iter()
                .find(|role| role.name() == named("x-required-role")),
            declared,
        }
    }

    fn answers(&self, reason: Reason) -> bool {
        self.declared.contains(&reason)
    }

    /// A request with which nothing is wrong, by a key that may do this and nothing more.
    fn good(&self, world: &world::World) -> Ask {
        let fixture = fixtures::of(&self.id, &world.ids);
        Ask {
            method: self.method.clone(),
            path: self.path.clone(),
            suffix: "",
            id: fixture.id,
            query: Vec::new(),
            headers: BTreeMap::new(),
            body: self.has_body.then_some(fixture.body),
            text: None,
            by: By::Key(self.scope),
            troubles: BTreeSet::new(),
            fails: None,
        }
    }
}

const SCOPES: [KeyScope; 4] = [KeyScope::Read, KeyScope::Write, KeyScope::Admin, KeyScope::Operator];

fn reason(code: &Value, name: &Value) -> Reason {
    let known = Reason::ALL
        .iter()
        .find(|known| known.code().name() == code && known.name() == name);
    *known.unwrap_or_else(|| panic!("{code} {name} is not in the catalogue"))
}

/// What any operation can answer, and no request by itself brings about: it comes of what the server is going
/// through, or of another request. Tests of their own show each of them.
const OF_THE_SERVER: [Reason; 10] = [
    Reason::Overload,
    Reason::Internal,
    Reason::Timeout,
    Reason::IdempotencyInProgress,
    // Of the issuer of tokens.
    Reason::ProviderUnreachable,
    Reason::ProviderTimeout,
    Reason::ProviderRejected,
    Reason::ProviderRateLimited,
    Reason::ProviderBadResponse,
    Reason::ProviderCredentials,
];

/// Asks every operation of a base with every two faults, and returns how many requests that were.
async fn walk(base: Base) -> usize {
    let (mut worlds, mut asked, mut failures) = (Worlds::new(base.path()), 0, Vec::new());
    for operation in operations(base) {
        let faults = faults::of(&operation);
        let caused: BTreeSet<_> = faults.iter().map(|fault| fault.reason).collect();
        for reason in operation.declared.difference(&caused) {
            if !OF_THE_SERVER.contains(reason) {
                failures.push(format!(
                    "{} declares {reason:?}, which no fault here causes",
                    operation.id
                ));
            }
        }
        let before = asked;
        for (first, second) in pairs(&faults) {
            asked += 1;
            failures.extend(ask(&mut worlds, &operation, first, second).await);
        }
        // A fault of each of ten kinds at least: one for every stage before the resource.
        assert!(asked - before > 20, "{}: {}", operation.id, asked - before);
        failures.extend(role_suffices(&mut worlds, &operation).await);
    }
    assert!(
        failures.is_empty(),
        "{} of {asked}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    asked
}

/// Each fault alone, and each with every later one. Two of one stage may be told in either order.
fn pairs(faults: &[Fault]) -> Vec<(&Fault, &Fault)> {
    let mut pairs: Vec<_> = faults.iter().map(|fault| (fault, fault)).collect();
    for first in faults.iter().filter(|fault| !fault.is_alone) {
        let later = faults
            .iter()
            .filter(|later| !later.is_alone && later.stage > first.stage);
        pairs.extend(later.map(|later| (first, later)));
    }
    pairs
}

/// What went otherwise than the contract says.
async fn ask(worlds: &mut Worlds, operation: &Operation, first: &Fault, second: &Fault) -> Option<String> {
    let world = worlds.get(first.standing.or(second.standing)).await;
    let mut ask = operation.good(world);
    for fault in [second, first] {
        (fault.spoil)(&mut ask, &world.ids);
    }
    if ask.headers.get("idempotency-key").map(String::as_str) == Some(faults::USED_KEY) {
        world.use_key(&operation.good(world)).await;
    }
    let answer = world.send(&ask).await;
    let expected = format!("{}.{}", first.reason.code().name(), first.reason.name());
    let answered = answer.unwrap_or_else(|broken| broken);
    (answered != expected).then(|| {
        format!(
            "{} {}: {} and {} answered {answered}, not {expected}",
            operation.method, operation.path, first.what, second.what
        )
    })
}

/// Whoever has the role that the description asks for is not refused for it.
async fn role_suffices(worlds: &mut Worlds, operation: &Operation) -> Option<String> {
    let world = worlds.get(None).await;
    let mut ask = operation.good(world);
    ask.by = By::Person(operation.role?);
    ask.query.push("unheard_of=1");
    let answered = world.send(&ask).await.unwrap_or_else(|broken| broken);
    (answered != "validation_error.invalid_fields").then(|| format!("{}: its role got {answered}", operation.id))
}

#[tokio::test]
async fn of_every_two_faults_the_earlier_answers_on_every_public_operation() {
    let asked = walk(Base::Public).await;
    assert!(asked > 2_000, "{asked}");
}

#[tokio::test]
async fn of_every_two_faults_the_earlier_answers_where_administrators_ask() {
    let asked = walk(Base::PublicForAdministrators).await;
    assert!(asked > 2_000, "{asked}");
}

#[tokio::test]
async fn of_every_two_faults_the_earlier_answers_on_every_operation_of_administrators() {
    let asked = walk(Base::Administration).await;
    assert!(asked > 1_500, "{asked}");
}

#[tokio::test]
async fn of_every_two_faults_the_earlier_answers_on_every_operation_of_operators() {
    let asked = walk(Base::Operator).await;
    assert!(asked > 1_000, "{asked}");
}

#[test]
fn every_operation_is_asked() {
    let asked = [Base::Public, Base::Administration, Base::Operator].map(|base| operations(base).len());
    let document = api::openapi();
    let paths = document["paths"].as_object().unwrap().values();
    let all: usize = paths.map(|methods| methods.as_object().unwrap().len()).sum();
    // The one that is signed has a test of its own.
    assert_eq!(asked.iter().sum::<usize>() + 1, all);
}
