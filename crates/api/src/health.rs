//! For machines that watch the server. Not part of the API: these keep their own conventions.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};

use crate::{App, envelope::OutsideContract};

/// `/health/live`, `/health/ready`, `/metrics`.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
}

async fn live() -> &'static str {
    "live\n"
}

async fn ready(State(app): State<App>) -> Response {
    let probe = Arc::clone(&app.parts().ready);
    let unready = if app.is_stopping() {
        Err("the server is stopping".to_owned())
    } else {
        probe().await
    };
    let mut response = match unready {
        Ok(()) => "ready\n".into_response(),
        Err(missing) => {
            tracing::warn!(missing, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
        }
    };
    response.extensions_mut().insert(OutsideContract);
    response
}

async fn metrics(State(app): State<App>) -> Response {
    let mut response = (app.parts().metrics)().into_response();
    let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
