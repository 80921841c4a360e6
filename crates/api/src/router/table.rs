//! Which operation a request is for.
//!
//! axum's router takes a request through several services, each in boxes of its own, and tells what it found by way of
//! the request. Of an operation there is little to find, and nearly every request is for one.

use std::sync::Arc;

use axum::{extract::Request, response::Response};
use hyper::{
    Method, StatusCode,
    header::{ALLOW, HeaderValue},
};
use matchit::Router;

use crate::gate::Gated;

/// Operations behind gates, by path and method.
#[derive(Default)]
pub(super) struct Table {
    places: Vec<Place>,
    by_path: Router<usize>,
}

/// What answers at one path.
pub(super) struct Place {
    pub(super) route: Arc<str>,
    operations: Vec<(Method, Gated)>,
}

impl Table {
    /// Adds an operation at `route`, with its gate before it.
    pub(super) fn add(&mut self, route: &str, method: Method, operation: Gated) {
        let index = self.index_of(route);
        let operations = &mut self.places[index].operations;
        if operations.iter().any(|(known, _)| *known == method) {
            unreachable!("{method} {route} stands twice");
        }
        operations.push((method, operation));
    }

    fn index_of(&mut self, route: &str) -> usize {
        if let Some(index) = self.places.iter().position(|place| *place.route == *route) {
            return index;
        }
        let index = self.places.len();
        // Routes stand in our own code, and every server and test puts them together.
        let added = self.by_path.insert(route, index);
        added.unwrap_or_else(|error| unreachable!("the route {route}: {error}"));
        self.places.push(Place {
            route: route.into(),
            operations: Vec::new(),
        });
        index
    }

    /// What answers at the path of `request`, if anything does.
    pub(super) fn find(&self, request: &Request) -> Option<&Place> {
        let found = self.by_path.at(request.uri().path()).ok()?;
        self.places.get(*found.value)
    }
}

impl Place {
    /// The operation that a method asks for; `HEAD` asks for what `GET` would answer.
    pub(super) fn operation(&self, method: &Method) -> Option<&Gated> {
        let of = |wanted: &Method| self.operations.iter().find(|(method, _)| method == wanted);
        let found = of(method).or_else(|| of(&Method::GET).filter(|_| *method == Method::HEAD));
        found.map(|(_, operation)| operation)
    }

    /// An answer to a method that is not known here, with those that are.
    pub(super) fn other_methods(&self) -> Response {
        let mut allowed = Vec::new();
        for (method, _) in &self.operations {
            allowed.push(method.as_str());
            if *method == Method::GET {
                allowed.push(Method::HEAD.as_str());
            }
        }
        let mut response = Response::default();
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        if let Ok(allowed) = HeaderValue::try_from(allowed.join(",")) {
            response.headers_mut().insert(ALLOW, allowed);
        }
        response
    }
}
