//! The body, as JSON that was checked against the schema of its type.

use std::{io::ErrorKind, pin::pin, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use contract::Reason;
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
    http::request::Parts,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    App, Problem,
    conditions::QueryFaults,
    form::Form,
    json,
    lazily::{Late, within},
    schema::{self, Faults, Place},
};

/// Most of a refused body that is read and thrown away, so that the client gets to read the refusal.
const DISCARDED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Longest time spent on that.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

/// A request body of type `T`.
pub(crate) struct ApiJson<T>(pub(crate) T);

/// As [`ApiJson`], where no body at all is as good as an empty object.
pub(crate) struct ApiMaybeJson<T>(pub(crate) T);

impl<T: Form> FromRequest<App> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        content_type(&parts.headers)?;
        let bytes = collect(body, app).await?;
        read(&parts, &bytes, app).map(Self)
    }
}

impl<T: Form> FromRequest<App> for ApiMaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = collect(body, app).await?;
        if bytes.is_empty() {
            return read(&parts, b"{}", app).map(Self);
        }
        content_type(&parts.headers)?;
        read(&parts, &bytes, app).map(Self)
    }
}

/// Faults of the query come with those of the body.
fn read<T: Form>(parts: &Parts, bytes: &[u8], app: &App) -> Result<T, Problem> {
    let (value, faults) = json::read(bytes).map_err(|malformed| {
        Problem::new(Reason::MalformedJson, malformed.message)
            .with("line", malformed.line)
            .with("column", malformed.column)
            .for_good()
    })?;
    let form = schema::read(value, faults, Place::Body, |form: &T| form.faults(app));
    let of_query = parts.extensions.get::<QueryFaults>();
    let of_query = of_query.map(|faults| faults.0.clone()).unwrap_or_default();
    let mut faults = match form {
        Ok(form) if of_query.is_empty() => return Ok(form),
        Ok(_) => Faults {
            all: Vec::new(),
            of_schema_alone: true,
        },
        Err(faults) => faults,
    };
    faults.all.extend(of_query);
    let problem = Problem::invalid(faults.all);
    Err(if faults.of_schema_alone {
        problem.for_good()
    } else {
        problem
    })
}

fn content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refusal = |message: &'static str, expected: &str| {
        Err(Problem::new(Reason::UnsupportedMediaType, message).with("expected", expected))
    };
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return refusal(
            "The body must not be compressed (Content-Encoding: identity).",
            "identity",
        );
    }
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if given == "application/json" {
        return Ok(());
    }
    let given = given.to_ascii_lowercase();
    let mut parts = given.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let is_json =
        media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    let charset = parts.find_map(|parameter| parameter.strip_prefix("charset="));
    if !is_json || charset.is_some_and(|charset| charset.trim_matches('"') != "utf-8") {
        return refusal(
            "The body must be JSON in UTF-8 (Content-Type: application/json).",
            "application/json",
        );
    }
    Ok(())
}

/// The whole body, at most as large and as late as configured.
pub(crate) async fn collect(mut body: Body, app: &App) -> Result<Vec<u8>, Problem> {
    let (max, patience) = (
        app.config().body_bytes_max,
        Duration::from_millis(app.config().body_timeout_ms),
    );
    let gathered = {
        let gathering = pin!(gather(&mut body, max));
        within(patience, gathering).await
    };
    match gathered {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => {
            // Kept apart, so that bodies of the usual size do not carry its room.
            Box::pin(discard(body)).await;
            Err(too_large(max))
        }
        Ok(Err(error)) => Err(broken(error)),
        Err(Late) => Err(too_slow(patience)),
    }
}

/// The whole body, or `None` if it is larger than `max`.
async fn gather(body: &mut Body, max: usize) -> Result<Option<Vec<u8>>, axum::Error> {
    let announced = hyper::body::Body::size_hint(body).lower();
    if announced > max as u64 {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(announced as usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > max {
            return Ok(None);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Some(bytes))
}

/// A body that ended early, or whose chunks are none.
fn broken(error: axum::Error) -> Problem {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        let kind = error.downcast_ref().map(std::io::Error::kind);
        if kind.is_some_and(|kind| matches!(kind, ErrorKind::InvalidInput | ErrorKind::InvalidData)) {
            return Problem::new(Reason::MalformedHeader, "The chunks of the body can't be read.")
                .with("header", "Transfer-Encoding");
        }
        cause = error.source();
    }
    Problem::new(Reason::RequestTimeout, "The body ended before it was complete.").because(error)
}

fn too_slow(patience: Duration) -> Problem {
    let seconds = patience.as_secs_f64();
    Problem::new(
        Reason::RequestTimeout,
        format!("The body did not arrive within {seconds} s."),
    )
    .with("timeout_seconds", seconds)
}

fn too_large(max: usize) -> Problem {
    Problem::new(Reason::BodyTooLarge, format!("The body is larger than {max} bytes.")).with("max_bytes", max)
}

/// Reads on for a while: a connection closed with unread data is reset, and a reset may overtake the answer.
async fn discard(mut body: Body) {
    let deadline = Instant::now() + DISCARD_TIME_MAX;
    let mut left = DISCARDED_BYTES_MAX;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let read = frame.data_ref().map_or(0, bytes::Bytes::len);
        match left.checked_sub(read) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
