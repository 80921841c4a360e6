//! `callwright admin request`: what is known of a failed request.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::{Result, anyhow};
use callwright_client::{Client, ErrorKind, Reason, TransportError};
use contract::{FailedRequestReport, OrganizationId, RequestId};
use domain::{Error, keys::PLATFORM};

use crate::{
    commands::{contract as contract_check, show},
    config::Config,
    platform, telemetry,
};

/// The id, as it may have been copied.
fn id_of(given: &str) -> Result<RequestId> {
    let given = given.trim();
    given.parse().map_err(|_| {
        anyhow!(
            "{given:?} is no request id; give the meta.request_id of an answer, or its header X-Request-Id, such as \
             019a3b5e-7c00-7000-8000-000000000001"
        )
    })
}

pub(super) async fn run(config: &Config, id: &str, as_json: bool) -> Result<ExitCode> {
    let id = id_of(id)?;
    let store = platform::open_present_store(config).await?;
    let found = platform::requests(&store, config).report_fetch(&id.to_string()).await;
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
    let id = id_of(id)?;
    let key = contract_check::key(key)?;
    let client = Client::builder(base_url).key(&key).user_agent(user_agent).build()?;
    let report = fetch(&client, id).await?;
    tell(report.as_ref(), id, "is too old", as_json)
}

async fn fetch(client: &Client, id: RequestId) -> Result<Option<FailedRequestReport>> {
    match client.request_report_fetch(id.to_string()).await {
        Ok(report) => Ok(Some(report.into_inner())),
        Err(error) if error.reason() == Some(&Reason::ResourceNotFound) => Ok(None),
        Err(error) => Err(blamed_on_the_address(error, client.base_url())),
    }
}

/// In the words of who gave `--base-url`, where that is what is wrong.
fn blamed_on_the_address(error: callwright_client::Error, base: &str) -> anyhow::Error {
    const RIGHT: &str = "--base-url is the address of the server's API without a path, such as http://127.0.0.1:8080";
    match error.kind() {
        // Its causes say the same in each other's words; the last one says what happened.
        ErrorKind::Transport(TransportError::Connect(_)) => {
            let why = anyhow::Error::new(error);
            anyhow!("nobody can be reached at {base}: {}; {RIGHT}", why.root_cause())
        }
        ErrorKind::Unexpected(answer) => {
            let kind = answer.content_type.as_deref().unwrap_or("no type");
            anyhow!(
                "what answers at {base} is no Callwright server: status {}, {kind}; {RIGHT}",
                answer.status
            )
        }
        ErrorKind::Api(answer) if answer.reason == Some(Reason::RouteNotFound) => {
            anyhow!("the server at {base} has no such path; {RIGHT}")
        }
        _ => error.into(),
    }
}

fn tell(report: Option<&FailedRequestReport>, id: RequestId, age: &str, as_json: bool) -> Result<ExitCode> {
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
        ("organisation", report.organization_id.map_or_else(unknown, owner)),
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

/// Whose request it was. What operators ask belongs to no organisation that anybody could look up.
fn owner(organization: OrganizationId) -> String {
    if organization == PLATFORM {
        "none: asked with an operator's key".to_owned()
    } else {
        organization.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use axum::{
        Router,
        http::{HeaderMap, StatusCode, Uri},
        response::Html,
    };
    use callwright_client::RetryPolicy;
    use contract::{FailedRequest, LogLine, Timestamp};
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
        let found = fetch(&client, known.request.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&known));
        let nothing = fetch(&client, RequestId::new()).await.unwrap();
        assert_eq!(nothing, None);
        let stranger = Client::new(&base, "cw_another").unwrap();
        let refused = fetch(&stranger, known.request.id).await.unwrap_err();
        assert!(refused.to_string().contains("insufficient_scope"), "{refused}");
    }

    #[test]
    fn what_is_no_request_id_is_not_looked_for() {
        let id = RequestId::new();
        assert_eq!(id_of(&format!(" {id}\n")).unwrap(), id);
        let said = id_of("hello").unwrap_err().to_string();
        assert!(said.starts_with("\"hello\" is no request id; give the"), "{said}");
    }

    async fn complaint_about(base: &str) -> String {
        let client = Client::builder(base).key("cw_operator").retry(RetryPolicy::never());
        let error = fetch(&client.build().unwrap(), RequestId::new()).await.unwrap_err();
        error.to_string()
    }

    #[tokio::test]
    async fn an_address_that_is_not_right_is_what_is_complained_about() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let website = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(async || Html("<h1>Welcome</h1>"));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let said = complaint_about(&website).await;
        assert!(
            said.starts_with(&format!(
                "what answers at {website} is no Callwright server: status 200, text/html"
            )),
            "{said}"
        );
        serving.abort();
        let _ = serving.await;
        let nobody = complaint_about(&website).await;
        let refused = format!("nobody can be reached at {website}: Connection refused");
        assert!(nobody.starts_with(&refused), "{nobody}");
        for said in [said, nobody] {
            assert!(said.contains("--base-url is the address"), "{said}");
        }
    }

    #[test]
    fn what_an_operator_asked_is_told_as_that() {
        let asked = |by| {
            table(&FailedRequestReport {
                organization_id: Some(by),
                ..report()
            })
        };
        let operators = asked(PLATFORM);
        assert!(
            operators.contains("organisation none: asked with an operator's key"),
            "{operators}"
        );
        assert!(!operators.contains(&PLATFORM.to_string()), "{operators}");
        let tenant = OrganizationId::new();
        assert!(asked(tenant).contains(&format!("organisation {tenant}")));
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
