//! `callwright admin request`: what is known of a failed request.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::Result;
use callwright_client::{Client, Reason};
use contract::FailedRequestReport;
use domain::Error;

use crate::{
    commands::{contract as contract_check, show},
    config::Config,
    platform, telemetry,
};

pub(super) async fn run(config: &Config, id: &str, as_json: bool) -> Result<ExitCode> {
    let store = platform::open_present_store(config).await?;
    let found = platform::requests(&store, config).report_fetch(id.trim()).await;
    store.close().await;
    let age = format!("is older than {} days", config.support.keep_days);
    match found {
        Ok(report) => tell(Some(&report), id, &age, as_json),
        Err(Error::NotFound { .. }) => tell(None, id, &age, as_json),
        Err(error) => Err(error.into()),
    }
}

/// The same from a server that is running, over its API.
pub(super) async fn run_at(base_url: &str, key: &str, id: &str, as_json: bool) -> Result<ExitCode> {
    let user_agent = concat!("callwright-admin/", env!("CARGO_PKG_VERSION"));
    let key = contract_check::key(key)?;
    let client = Client::builder(base_url).key(&key).user_agent(user_agent).build()?;
    let report = fetch(&client, id).await?;
    tell(report.as_ref(), id, "is too old", as_json)
}

async fn fetch(client: &Client, id: &str) -> Result<Option<FailedRequestReport>, callwright_client::Error> {
    match client.request_report_fetch(id.trim()).await {
        Ok(report) => Ok(Some(report.into_inner())),
        Err(error) if error.reason() == Some(&Reason::ResourceNotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn tell(report: Option<&FailedRequestReport>, id: &str, age: &str, as_json: bool) -> Result<ExitCode> {
    match report {
        Some(report) if as_json => show(&serde_json::to_string_pretty(report)?),
        Some(report) => show(&table(report)),
        None => {
            telemetry::say_error(&format!(
                "nothing is known of the request {id}: it did not fail, {age}, had no place among so many or \
                 made room for newer ones, or was answered by a server on another database"
            ));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// For people: what happened, then what the server logged.
fn table(report: &FailedRequestReport) -> String {
    let request = &report.request;
    let unknown = || "–".to_owned();
    let said = |text: &Option<String>| text.clone().unwrap_or_else(unknown);
    let rows = [
        ("request", request.id.to_string()),
        ("at", request.at.to_string()),
        ("method", said(&request.method)),
        ("route", said(&request.route)),
        ("status", request.status.to_string()),
        ("code", request.code.clone()),
        ("reason", request.reason.clone()),
        ("page", format!("/docs/errors/{}/{}", request.code, request.reason)),
        (
            "organisation",
            report.organization_id.map_or_else(unknown, |id| id.to_string()),
        ),
        ("address", said(&request.address)),
        ("client's id", said(&request.client_request_id)),
        ("took", format!("{} ms", request.duration_ms)),
        ("cause", said(&report.cause)),
    ];
    let mut out = String::new();
    for (name, value) in rows {
        // A String takes whatever is written.
        let _ = writeln!(out, "{name:<13}{value}");
    }
    if report.lines_omitted > 0 {
        let _ = writeln!(out, "\n{} earlier lines were left out", report.lines_omitted);
    } else if !report.lines.is_empty() {
        out.push('\n');
    }
    for line in &report.lines {
        let _ = writeln!(out, "{}  {:<5} {}: {}", line.at, line.level, line.target, line.text);
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use axum::{
        Router,
        http::{HeaderMap, StatusCode, Uri},
    };
    use contract::{FailedRequest, LogLine, RequestId, Timestamp};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    /// A server that knows one request, and one key.
    async fn server(known: FailedRequestReport) -> String {
        let path = format!("/api/operator/v1/requests/{}", known.request.id);
        let answer = move |uri: Uri, headers: HeaderMap| async move {
            let meta = json!({ "request_id": RequestId::new(), "ts": Timestamp::from_millis(0) });
            let refusal = |code: &str, reason: &str| {
                let error = json!({ "code": code, "message": "No.", "details": { "reason": reason } });
                json!({ "error": error, "meta": meta }).to_string()
            };
            if headers
                .get("authorization")
                .is_none_or(|key| key != "Bearer cw_operator")
            {
                (StatusCode::FORBIDDEN, refusal("forbidden", "insufficient_scope"))
            } else if uri.path() == path {
                (StatusCode::OK, json!({ "data": known, "meta": meta }).to_string())
            } else {
                (StatusCode::NOT_FOUND, refusal("not_found", "resource_not_found"))
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        base
    }

    #[tokio::test]
    async fn a_server_elsewhere_is_asked_over_its_api() {
        let known = report();
        let base = server(known.clone()).await;
        let client = Client::new(&base, "cw_operator").unwrap();
        let found = fetch(&client, &format!(" {} ", known.request.id)).await.unwrap();
        assert_eq!(found.as_ref(), Some(&known));
        let nothing = fetch(&client, &RequestId::new().to_string()).await.unwrap();
        assert_eq!(nothing, None);
        let stranger = Client::new(&base, "cw_another").unwrap();
        let refused = fetch(&stranger, "x").await.unwrap_err();
        assert_eq!(refused.reason(), Some(&Reason::InsufficientScope));
    }

    fn report() -> FailedRequestReport {
        let at = Timestamp::from_millis(1_770_206_400_000);
        FailedRequestReport {
            request: FailedRequest {
                id: RequestId::new(),
                at,
                method: Some("GET".to_owned()),
                route: None,
                status: 500,
                code: "internal_error".to_owned(),
                reason: "internal".to_owned(),
                duration_ms: 7,
                client_request_id: None,
                address: Some("192.0.2.7".to_owned()),
            },
            organization_id: None,
            cause: Some("store: agent_fetch: disk I/O error".to_owned()),
            lines: vec![LogLine {
                at,
                level: "WARN".to_owned(),
                target: "store".to_owned(),
                text: "slow".to_owned(),
            }],
            lines_omitted: 2,
        }
    }

    #[test]
    fn the_table_says_all_that_is_known() {
        let table = table(&report());
        for part in [
            "cause        store: agent_fetch: disk I/O error",
            "route        –",
            "/docs/errors/internal_error/internal",
            "2 earlier lines were left out",
            "2026-02-04T12:00:00.000Z  WARN  store: slow",
        ] {
            assert!(table.contains(part), "{part}: {table}");
        }
    }
}
