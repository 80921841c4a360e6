//! One place binds a route, its part of the API document, the scope it needs and the errors it can answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contract::{Code, KeyScope, Reason};
use hyper::Method;
use serde_json::{Map, Value, json};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::App;

/// What any operation can answer: whoever asks may be unknown, too fast, or unlucky.
const ALWAYS: &[Reason] = &[
    Reason::MalformedHeader,
    Reason::MissingCredentials,
    Reason::MalformedCredentials,
    Reason::InvalidApiKey,
    Reason::RevokedApiKey,
    Reason::ExpiredApiKey,
    Reason::InvalidToken,
    Reason::InsufficientScope,
    Reason::Requests,
    Reason::AuthenticationAttempts,
    Reason::Overload,
    Reason::Internal,
    Reason::Timeout,
];

const WITH_BODY: &[Reason] = &[
    Reason::MalformedJson,
    Reason::UnsupportedMediaType,
    Reason::BodyTooLarge,
    Reason::RequestTimeout,
    Reason::InvalidFields,
];

const WITH_QUERY: &[Reason] = &[Reason::MalformedQuery, Reason::InvalidFields];

/// One endpoint: route, document, scope, errors.
pub(crate) struct Operation {
    route: UtoipaMethodRouter<App>,
    scope: KeyScope,
    is_billable: bool,
    errors: &'static [Reason],
}

impl Operation {
    /// An endpoint that needs `scope` and can answer `errors` besides those implied by its form.
    pub(crate) fn new(scope: KeyScope, route: UtoipaMethodRouter<App>, errors: &'static [Reason]) -> Self {
        Self {
            route,
            scope,
            is_billable: false,
            errors,
        }
    }

    /// It costs credits where billing is on.
    pub(crate) fn billable(self) -> Self {
        Self {
            is_billable: true,
            ..self
        }
    }
}

/// The endpoints of one base path, and what the gate and the document need to know of each.
#[derive(Default)]
pub(crate) struct Operations {
    scopes: HashMap<(Method, String), KeyScope>,
    facts: BTreeMap<(String, String), Facts>,
}

struct Facts {
    scope: KeyScope,
    is_billable: bool,
    errors: &'static [Reason],
}

impl Operations {
    /// Mounts endpoints and remembers them.
    pub(crate) fn mount(&mut self, operations: Vec<Operation>) -> OpenApiRouter<App> {
        operations
            .into_iter()
            .fold(OpenApiRouter::default(), |router, operation| {
                for (path, item) in &operation.route.1.paths {
                    let item = serde_json::to_value(item).unwrap_or_default();
                    for method in item.as_object().into_iter().flat_map(Map::keys) {
                        self.remember(path, method, &operation);
                    }
                }
                router.routes(operation.route)
            })
    }

    fn remember(&mut self, path: &str, method: &str, operation: &Operation) {
        let Operation {
            scope,
            is_billable,
            errors,
            ..
        } = *operation;
        if let Ok(known) = Method::from_bytes(method.to_ascii_uppercase().as_bytes()) {
            self.scopes.insert((known, path.to_owned()), scope);
        }
        self.facts.insert(
            (path.to_owned(), method.to_owned()),
            Facts {
                scope,
                is_billable,
                errors,
            },
        );
    }

    /// What an operation needs; `None` when there is none.
    pub(crate) fn scope_of(&self, method: &Method, path: &str) -> Option<KeyScope> {
        self.scopes.get(&(method.clone(), path.to_owned())).copied()
    }

    /// Writes scopes, billing and errors into the paths of a document.
    pub(crate) fn annotate(&self, paths: &mut Map<String, Value>) {
        for ((path, method), facts) in &self.facts {
            if let Some(operation) = paths.get_mut(path).and_then(|item| item.get_mut(method)) {
                facts.annotate(path, operation);
            }
        }
    }
}

impl Facts {
    fn annotate(&self, path: &str, operation: &mut Value) {
        operation["x-required-scope"] = self.scope.name().into();
        operation["x-billable"] = self.is_billable.into();
        operation["security"] = json!([{ "bearer": [] }]);
        let mut by_code = BTreeMap::<Code, BTreeSet<Reason>>::new();
        for reason in self.reasons(path, operation) {
            by_code.entry(reason.code()).or_default().insert(reason);
        }
        for (code, reasons) in by_code {
            operation["responses"][code.status().to_string()] = response(code, &reasons);
        }
    }

    fn reasons(&self, path: &str, operation: &Value) -> BTreeSet<Reason> {
        let parameters = operation["parameters"].as_array();
        let has_query = parameters.is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query"));
        let mut reasons: BTreeSet<_> = ALWAYS.iter().chain(self.errors).copied().collect();
        if operation["requestBody"].is_object() {
            reasons.extend(WITH_BODY);
        }
        if has_query {
            reasons.extend(WITH_QUERY);
        }
        if path.contains('{') {
            reasons.insert(Reason::ResourceNotFound);
        }
        reasons
    }
}

fn response(code: Code, reasons: &BTreeSet<Reason>) -> Value {
    let names: Vec<_> = reasons.iter().map(|reason| reason.name()).collect();
    let shown: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    json!({
        "description": format!("`{}`, because of {}. See /docs/errors/{}.", code.name(), shown.join(", "), code.name()),
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/ErrorEnvelope" } } },
        "x-code": code.name(),
        "x-reasons": names,
    })
}
