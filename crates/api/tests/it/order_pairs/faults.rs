//! What can be wrong with a request.

use contract::{KeyScope, MemberRole, Reason};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Operation, Stage, fixtures,
    world::{Ask, By, ELSEWHERE, Ids, Trouble},
};

/// A key under which another request came before.
pub(super) const USED_KEY: &str = "used";

/// One thing wrong with a request.
pub(super) struct Fault {
    pub(super) reason: Reason,
    /// For people.
    pub(super) what: &'static str,
    pub(super) stage: Stage,
    /// Another of the same stage stands for it among others.
    pub(super) is_alone: bool,
    /// It takes an organisation that stands so.
    pub(super) standing: Option<Reason>,
    pub(super) spoil: Spoil,
}

type Spoil = Box<dyn Fn(&mut Ask, &Ids) + Send + Sync>;

impl Fault {
    pub(super) fn new(
        stage: Stage,
        reason: Reason,
        what: &'static str,
        spoil: impl Fn(&mut Ask, &Ids) + Send + Sync + 'static,
    ) -> Self {
        Self {
            reason,
            what,
            stage,
            is_alone: false,
            standing: None,
            spoil: Box::new(spoil),
        }
    }

    fn alone(self) -> Self {
        Self { is_alone: true, ..self }
    }

    /// An id in the body that names nothing.
    pub(super) fn unknown_in_body(field: &'static str) -> Self {
        Self::new(Stage::Resources, Reason::ResourceNotFound, field, move |ask, _| {
            ask.set(field, json!("none"));
        })
    }

    /// A field that only a rule of use knows to be wrong.
    pub(super) fn field(field: &'static str, value: Value) -> Self {
        Self::new(Stage::Schema, Reason::InvalidFields, field, move |ask, _| {
            ask.set(field, value.clone());
        })
    }

    pub(super) fn rule(reason: Reason, what: &'static str, spoil: fn(&mut Ask, &Ids)) -> Self {
        Self::new(Stage::Rules, reason, what, spoil)
    }
}

/// All faults that a request to an operation can have, as its description and its fixture tell.
pub(super) fn of(operation: &Operation) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(of_route(operation));
    faults.extend(of_credentials());
    faults.extend(of_place_and_rate(operation));
    faults.extend(of_rights(operation));
    faults.extend(of_reading(operation));
    faults.extend(of_schema(operation));
    faults.extend(of_conditions(operation));
    faults.extend(fixtures::faults(&operation.id));
    faults
}

fn of_route(operation: &Operation) -> Vec<Fault> {
    let unknown = ["PUT", "PATCH", "DELETE", "POST"]
        .into_iter()
        .find(|method| !operation.methods.contains(*method));
    let unknown: Method = unknown.expect("a method that the path does not know").parse().unwrap();
    vec![
        Fault::new(
            Stage::Route,
            Reason::MethodNotAllowed,
            "another method",
            move |ask, _| {
                ask.method = unknown.clone();
            },
        ),
        Fault::new(Stage::Route, Reason::RouteNotFound, "another path", |ask, _| {
            ask.suffix = "/nowhere/at/all";
        })
        .alone(),
    ]
}

fn of_credentials() -> Vec<Fault> {
    let bad = |reason: Reason| {
        Fault::new(
            Stage::Credentials,
            reason,
            "credentials",
            move |ask: &mut Ask, _: &Ids| {
                ask.by = By::Nobody(reason);
            },
        )
    };
    let flood = |ask: &mut Ask, _: &Ids| {
        ask.by = By::Nobody(Reason::InvalidApiKey);
        ask.trouble(Trouble::Flooded);
    };
    vec![
        bad(Reason::MissingCredentials),
        bad(Reason::InvalidApiKey),
        bad(Reason::RevokedApiKey),
        bad(Reason::MalformedCredentials).alone(),
        bad(Reason::ExpiredApiKey).alone(),
        bad(Reason::InvalidToken).alone(),
        bad(Reason::ExpiredToken).alone(),
        Fault::new(
            Stage::Credentials,
            Reason::AuthenticationAttempts,
            "too many bad keys",
            flood,
        ),
    ]
}

fn of_place_and_rate(operation: &Operation) -> Vec<Fault> {
    let scope = operation.scope;
    let from_elsewhere = move |ask: &mut Ask, _: &Ids| {
        ask.header("x-forwarded-for", ELSEWHERE);
        // People come from everywhere.
        if matches!(ask.by, By::Person(_)) {
            ask.by = By::Key(scope);
        }
    };
    let mut faults = vec![
        Fault::new(Stage::Address, Reason::IpNotAllowed, "another address", from_elsewhere),
        Fault::new(Stage::Address, Reason::MalformedHeader, "no address", |ask, _| {
            ask.header("x-forwarded-for", "nowhere");
        })
        .alone(),
        Fault::new(Stage::Rate, Reason::Requests, "too many requests", |ask, _| {
            ask.trouble(Trouble::Limited);
        }),
    ];
    if operation.answers(Reason::ConcurrentCalls) {
        faults.push(Fault::new(
            Stage::Rate,
            Reason::ConcurrentCalls,
            "too many calls",
            |ask, _| ask.trouble(Trouble::Full),
        ));
    }
    faults
}

fn of_rights(operation: &Operation) -> Vec<Fault> {
    let other = match operation.scope {
        // An operator's key opens nothing of a tenant's.
        KeyScope::Read => KeyScope::Operator,
        KeyScope::Write => KeyScope::Read,
        KeyScope::Admin => KeyScope::Write,
        KeyScope::Operator => KeyScope::Admin,
    };
    let scope = operation.answers(Reason::InsufficientScope).then(|| {
        Fault::new(
            Stage::Rights,
            Reason::InsufficientScope,
            "a scope that does not suffice",
            move |ask, _| {
                ask.by = By::Key(other);
            },
        )
    });
    let role = operation.answers(Reason::InsufficientRole).then(|| {
        Fault::new(Stage::Rights, Reason::InsufficientRole, "too low a role", |ask, _| {
            ask.by = By::Person(MemberRole::Viewer);
        })
    });
    scope.into_iter().chain(role).collect()
}

fn of_reading(operation: &Operation) -> Vec<Fault> {
    let of = |reason: Reason, what: &'static str, spoil: fn(&mut Ask, &Ids)| {
        Fault::new(Stage::Readable, reason, what, spoil)
    };
    let mut faults = vec![of(Reason::MalformedQuery, "a broken query", |ask, _| {
        ask.query.push("x=%zz");
    })];
    match operation.method {
        Method::POST => faults.push(of(Reason::MalformedHeader, "a broken key", |ask, _| {
            ask.header("idempotency-key", "two words");
        })),
        Method::PATCH | Method::PUT | Method::DELETE => {
            faults.push(of(Reason::MalformedHeader, "a broken tag", |ask, _| {
                ask.header("if-match", "no tag");
            }));
        }
        _ => {}
    }
    if operation.has_body {
        faults.extend([
            of(Reason::MalformedJson, "broken JSON", |ask, _| ask.text("{")),
            of(Reason::UnsupportedMediaType, "plain text", |ask, _| {
                ask.header("content-type", "text/plain");
            }),
            of(Reason::BodyTooLarge, "a large body", |ask, _| {
                ask.text(&format!("{{\"large\":\"{}\"}}", "x".repeat(20_000)));
            }),
            of(Reason::RequestTimeout, "a slow body", |ask, _| {
                ask.trouble(Trouble::Hasty);
            })
            .alone(),
        ]);
    }
    faults
}

fn of_schema(operation: &Operation) -> Vec<Fault> {
    let of =
        |what: &'static str, spoil: fn(&mut Ask, &Ids)| Fault::new(Stage::Schema, Reason::InvalidFields, what, spoil);
    let mut faults = vec![of("an unknown parameter", |ask, _| ask.query.push("unheard_of=1"))];
    if operation.parameters.contains("limit") {
        faults.push(of("a parameter out of range", |ask, _| ask.query.push("limit=0")));
    }
    if operation.parameters.contains("cursor") {
        faults.push(of("a broken cursor", |ask, _| ask.query.push("cursor=bad")));
    }
    if operation.has_body {
        faults.push(of("an unknown field", |ask, _| ask.set("unheard_of", json!(1))));
    }
    faults
}

fn of_conditions(operation: &Operation) -> Vec<Fault> {
    let mut faults = Vec::new();
    if operation.answers(Reason::IdempotencyKeyReused) {
        let mut fault = Fault::rule(Reason::IdempotencyKeyReused, "a used key", |ask, _| {
            ask.header("idempotency-key", USED_KEY);
        });
        fault.standing = fixtures::standing(&operation.id);
        faults.push(fault);
    }
    if operation.path.contains('{') {
        faults.push(Fault::new(
            Stage::Resources,
            Reason::ResourceNotFound,
            "an unknown id",
            |ask, _| "none".clone_into(&mut ask.id),
        ));
    }
    if operation.answers(Reason::StaleVersion) {
        faults.push(Fault::rule(Reason::StaleVersion, "an old tag", |ask, _| {
            ask.header("if-match", "\"of another time\"");
        }));
    }
    faults
}
