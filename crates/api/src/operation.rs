//! One place binds a route, its part of the API document, the scope it needs and the errors it can answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use axum::routing::{MethodRouter, Route};
use contract::{Code, KeyScope, MemberRole, Reason};
use hyper::Method;
use serde_json::{Map, Value, json};
use tower::layer::layer_fn;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::{
    App,
    document::{describe_headers, response},
};

/// What any operation behind a gate can answer: whoever asks may be unknown, too fast, or unlucky.
const ALWAYS: &[Reason] = &[
    Reason::MalformedHeader,
    Reason::MalformedQuery,
    Reason::InvalidFields,
    Reason::MissingCredentials,
    Reason::MalformedCredentials,
    Reason::InvalidApiKey,
    Reason::RevokedApiKey,
    Reason::ExpiredApiKey,
    Reason::InvalidToken,
    Reason::ExpiredToken,
    Reason::IpNotAllowed,
    Reason::Requests,
    Reason::AuthenticationAttempts,
    Reason::Overload,
    Reason::Internal,
    Reason::Timeout,
    // Of the issuer of tokens, whose keys may be out of reach.
    Reason::ProviderUnreachable,
    Reason::ProviderTimeout,
    Reason::ProviderRejected,
    Reason::ProviderRateLimited,
    Reason::ProviderBadResponse,
    Reason::ProviderCredentials,
];

/// What an operation can answer that stands before no gate.
const ALWAYS_WITHOUT_GATE: &[Reason] = &[
    Reason::MalformedHeader,
    Reason::Overload,
    Reason::Internal,
    Reason::Timeout,
];

/// What an operation can answer that costs something.
const BILLABLE: &[Reason] = &[
    Reason::TrialNotStarted,
    Reason::TrialExpired,
    Reason::SubscriptionInactive,
    Reason::InsufficientCredits,
];

const WITH_BODY: &[Reason] = &[
    Reason::MalformedJson,
    Reason::UnsupportedMediaType,
    Reason::BodyTooLarge,
    Reason::RequestTimeout,
    Reason::InvalidFields,
];

/// Those of a request with an `Idempotency-Key`, whose body is read even where none is expected.
const WITH_KEY: &[Reason] = &[
    Reason::BodyTooLarge,
    Reason::RequestTimeout,
    Reason::IdempotencyKeyReused,
    Reason::IdempotencyInProgress,
];

/// What an operation can be asked for with. `HEAD` comes with `GET`.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What requests to an operation may hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestShape {
    pub(crate) has_body: bool,
    pub(crate) has_query: bool,
    /// What it makes is answered with more than what can be got later, such as a secret. So that answer is no version
    /// of anything.
    pub(crate) shows_more: bool,
}

/// One endpoint: route, document, scope, errors.
pub(crate) struct Operation {
    route: UtoipaMethodRouter<App>,
    scope: KeyScope,
    is_billable: bool,
    is_gated: bool,
    errors: &'static [Reason],
}

impl Operation {
    /// An endpoint that needs `scope` and can answer `errors` besides those implied by its form.
    pub(crate) fn new(scope: KeyScope, route: UtoipaMethodRouter<App>, errors: &'static [Reason]) -> Self {
        Self {
            route,
            scope,
            is_billable: false,
            is_gated: true,
            errors,
        }
    }

    /// An endpoint before which no gate stands, as its requests are signed; `errors` are all but the general ones.
    pub(crate) fn signed(route: UtoipaMethodRouter<App>, errors: &'static [Reason]) -> Self {
        Self {
            is_gated: false,
            ..Self::new(KeyScope::Read, route, errors)
        }
    }

    /// What the gate makes sure of before it.
    pub(crate) fn needs(&self) -> Needs {
        let described = self.described();
        Needs {
            scope: self.scope,
            room_for_a_call: self.errors.contains(&Reason::ConcurrentCalls),
            shape: described.map_or_else(RequestShape::default, |(_, _, described)| RequestShape::of(&described)),
        }
    }

    /// Its path below the base, and what answers there.
    pub(crate) fn into_route(self) -> (String, MethodRouter<App>) {
        let path = self.described().map(|(path, ..)| path).unwrap_or_default();
        (path, self.route.2)
    }

    /// Its path below the base, its method, and what answers.
    pub(crate) fn into_handler(self, app: &App) -> (String, Method, Route) {
        let described = self.described().and_then(|(path, method, _)| {
            let method = method.to_ascii_uppercase();
            let method = METHODS.iter().find(|known| known.as_str() == method)?;
            Some((path, method.clone()))
        });
        // Operations stand in our own code, and every server and test puts them together.
        let (path, method) = described.unwrap_or_else(|| unreachable!("an operation without an endpoint"));
        let handler = handler_of(self.route.2, app);
        (path, method, handler)
    }

    /// Path, method and description of the one endpoint that it is.
    fn described(&self) -> Option<(String, String, Value)> {
        let (path, item) = self.route.1.paths.iter().next()?;
        let item = serde_json::to_value(item).ok()?;
        let (method, described) = item.as_object()?.iter().next()?;
        Some((path.clone(), method.clone(), described.clone()))
    }

    /// It costs credits where billing is on, and answers 402 to who can't pay.
    pub(crate) fn billable(self) -> Self {
        Self {
            is_billable: true,
            ..self
        }
    }
}

/// The one handler of a method router, which gives it to nobody but a layer.
fn handler_of(route: MethodRouter<App>, app: &App) -> Route {
    let given = Arc::new(OnceLock::new());
    let taker = Arc::clone(&given);
    let layered = route.route_layer(layer_fn(move |handler: Route| {
        let _ = taker.set(handler.clone());
        handler
    }));
    // A handler is made once its state is known.
    drop(layered.with_state::<()>(app.clone()));
    given
        .get()
        .cloned()
        .unwrap_or_else(|| unreachable!("a method router without a handler"))
}

/// What the gate has to make sure of before an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// What a key must hold.
    pub(crate) scope: KeyScope,
    /// It places a call, as its errors tell.
    pub(crate) room_for_a_call: bool,
    /// What its requests may hold.
    pub(crate) shape: RequestShape,
}

/// The endpoints of one base path, and what the document needs to know of each.
pub(crate) struct Operations {
    floor: KeyScope,
    facts: BTreeMap<(String, String), Facts>,
}

struct Facts {
    /// What a key must hold: what the operation needs, and at least what its base path asks for.
    scope: KeyScope,
    /// What a person must be; `None` where no person gets in.
    role: Option<MemberRole>,
    is_billable: bool,
    is_gated: bool,
    errors: &'static [Reason],
}

impl Operations {
    /// Those of a base path that lets no key in below `floor`.
    pub(crate) fn above(floor: KeyScope) -> Self {
        Self {
            floor,
            facts: BTreeMap::new(),
        }
    }

    /// Mounts endpoints and remembers them.
    pub(crate) fn mount(&mut self, operations: Vec<Operation>) -> OpenApiRouter<App> {
        operations
            .into_iter()
            .fold(OpenApiRouter::default(), |router, operation| {
                if let Some((path, method, _)) = operation.described() {
                    self.remember(path, method, &operation);
                }
                router.routes(operation.route)
            })
    }

    fn remember(&mut self, path: String, method: String, operation: &Operation) {
        let Operation {
            scope,
            is_billable,
            is_gated,
            errors,
            ..
        } = *operation;
        self.facts.insert(
            (path, method),
            Facts {
                scope: scope.max(self.floor),
                role: MemberRole::with_scope(scope),
                is_billable,
                is_gated,
                errors,
            },
        );
    }

    /// Writes scopes, billing and errors into the paths of a document.
    pub(crate) fn annotate(&self, paths: &mut Map<String, Value>) {
        for ((path, method), facts) in &self.facts {
            if let Some(operation) = paths.get_mut(path).and_then(|item| item.get_mut(method)) {
                facts.annotate(path, method, operation);
            }
        }
    }
}

/// Whether an answer holds one of our `…Created`.
pub(crate) fn shows_more(answer: &Value) -> bool {
    let schema = answer["content"]["application/json"]["schema"]["$ref"].as_str();
    schema.is_some_and(|name| name.ends_with("Created"))
}

impl RequestShape {
    fn of(operation: &Value) -> Self {
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        Self {
            has_body: operation["requestBody"].is_object(),
            has_query: parameters.any(|parameter| parameter["in"] == "query"),
            shows_more: shows_more(&operation["responses"]["201"]),
        }
    }
}

impl Facts {
    fn annotate(&self, path: &str, method: &str, operation: &mut Value) {
        let shape = RequestShape::of(operation);
        body_is_never_null(operation);
        if self.is_gated {
            operation["x-required-scope"] = self.scope.name().into();
            if let Some(role) = self.role {
                operation["x-required-role"] = role.name().into();
            }
        }
        operation["x-billable"] = self.is_billable.into();
        operation["security"] = if self.is_gated {
            json!([{ "bearer": [] }])
        } else {
            json!([])
        };
        let mut by_code = BTreeMap::<Code, BTreeSet<Reason>>::new();
        for reason in self.reasons(path, method, shape) {
            by_code.entry(reason.code()).or_default().insert(reason);
        }
        for (code, reasons) in by_code {
            operation["responses"][code.status().to_string()] = response(code, &reasons);
        }
        if self.is_gated {
            describe_headers(method, operation);
        }
    }

    fn reasons(&self, path: &str, method: &str, shape: RequestShape) -> BTreeSet<Reason> {
        if !self.is_gated {
            return ALWAYS_WITHOUT_GATE.iter().chain(self.errors).copied().collect();
        }
        let mut reasons: BTreeSet<_> = ALWAYS.iter().chain(self.errors).copied().collect();
        reasons.extend(self.refusals());
        if shape.has_body {
            reasons.extend(WITH_BODY);
        }
        if self.is_billable {
            reasons.extend(BILLABLE);
        }
        match method {
            "post" => reasons.extend(WITH_KEY),
            "patch" | "put" | "delete" => reasons.extend([Reason::StaleVersion]),
            _ => {}
        }
        if path.contains('{') {
            reasons.insert(Reason::ResourceNotFound);
        }
        reasons
    }
}

impl Facts {
    /// What those are told whose rights do not suffice. Every member may read; of keys, an operator's may not.
    fn refusals(&self) -> impl Iterator<Item = Reason> {
        let role = self.role.filter(|role| *role > MemberRole::Viewer);
        [Reason::InsufficientScope]
            .into_iter()
            .chain(role.map(|_| Reason::InsufficientRole))
    }
}

/// A body that may be left out is described as one that may be `null` too. It may not.
fn body_is_never_null(operation: &mut Value) {
    let Some(schema) = operation.pointer_mut("/requestBody/content/application~1json/schema") else {
        return;
    };
    let mut options = schema["oneOf"].as_array().into_iter().flatten();
    let object = options.find(|option| option["type"] != "null").cloned();
    if let Some(object) = object {
        *schema = object;
    }
}
