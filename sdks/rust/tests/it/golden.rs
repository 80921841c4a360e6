//! The whole golden corpus, decoded as it comes over a wire.

use std::{fs, path::PathBuf, time::Duration};

use callwright_client::{
    ApiError, Client, Code, Error, ErrorKind, FieldReason, Reason, RetryPolicy,
    contract::{self, ProviderKind},
};
use serde_json::Value;

use crate::server::{Server, with};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../golden")
}

/// Path and content of every golden file.
fn corpus() -> Vec<(String, Value)> {
    let files = contract::golden::files().into_iter();
    files
        .map(|(path, content)| {
            let present = fs::read_to_string(folder().join(&path)).unwrap_or_default();
            assert!(present == content, "{path} is stale; run `cargo xtask gen`");
            (path, serde_json::from_str(&content).unwrap())
        })
        .collect()
}

/// What the library makes of a golden answer.
async fn decoded(golden: &Value) -> Error {
    let response = &golden["response"];
    let headers = response["headers"].as_object().unwrap();
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let status = response["status"].as_u64().unwrap() as u16;
    let server = Server::start(vec![with(status, &headers, response["body"].as_str().unwrap())]).await;
    let client = Client::builder(&server.base())
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    client.agent_fetch("x").await.unwrap_err()
}

fn text(value: Option<&str>) -> Value {
    value.map_or(Value::Null, Into::into)
}

#[tokio::test]
async fn every_golden_answer_is_understood_as_its_file_says() {
    for (path, golden) in corpus() {
        let (error, expected) = (decoded(&golden).await, &golden["expected"]);
        assert_eq!(text(error.request_id()), expected["request_id"], "{path}: request id");
        assert_eq!(error.is_retryable(), expected["is_retryable"], "{path}: retryable");
        let retry_after = error.retry_after().map_or(Value::Null, |wait| wait.as_secs().into());
        assert_eq!(retry_after, expected["retry_after"], "{path}: retry after");
        match error.kind() {
            ErrorKind::Api(api) => check_error(&path, api, expected),
            ErrorKind::Unexpected(_) => assert_eq!(expected["kind"], "unexpected", "{path}"),
            other => panic!("{path}: {other:?}"),
        }
        assert!(error.to_string().starts_with("agent_fetch: "), "{path}: {error}");
    }
}

fn check_error(path: &str, api: &ApiError, expected: &Value) {
    assert_eq!(expected["kind"], "error", "{path}");
    assert_eq!(api.code.name(), expected["code"], "{path}: code");
    assert_eq!(
        !matches!(api.code, Code::Unknown(_)),
        expected["is_known_code"],
        "{path}: known code"
    );
    assert_eq!(
        text(api.reason.as_ref().map(Reason::name)),
        expected["reason"],
        "{path}: reason"
    );
    let is_known = api
        .reason
        .as_ref()
        .is_some_and(|reason| !matches!(reason, Reason::Unknown(_)));
    assert_eq!(is_known, expected["is_known_reason"], "{path}: known reason");
    assert_eq!(api.message, expected["message"], "{path}: message");
    assert_eq!(
        Value::Object(api.details.clone()),
        expected["details"],
        "{path}: details"
    );
}

#[tokio::test]
async fn every_reason_of_the_server_has_a_variant_of_its_own() {
    let all: Vec<_> = contract::Reason::ALL
        .iter()
        .map(|reason| Reason::named(reason.code().name(), reason.name()))
        .collect();
    for (index, reason) in all.iter().enumerate() {
        assert!(!matches!(reason, Reason::Unknown(_)), "{reason:?}");
        assert!(!all[..index].contains(reason), "{reason:?} stands for two");
    }
}

async fn golden(path: &str) -> Error {
    let (_, golden) = corpus().into_iter().find(|(known, _)| known == path).unwrap();
    decoded(&golden).await
}

#[tokio::test]
async fn facts_have_their_types() {
    let error = golden("errors/payment_required/insufficient_credits.json").await;
    let payment = error.api().unwrap().payment().unwrap();
    assert_eq!((payment.balance, payment.required), (Some(1.5), Some(5.0)));
    assert_eq!(payment.redirect_url.as_deref(), Some("/settings/billing"));

    let error = golden("errors/rate_limit_exceeded/requests.json").await;
    let limited = error.api().unwrap().limited().unwrap();
    assert_eq!((limited.limit, limited.remaining), (Some(60), Some(0)));
    assert_eq!(limited.window, Some(Duration::from_mins(1)));
    assert_eq!(limited.reset_at.unwrap().to_string(), "2026-02-04T12:01:00.000Z");

    let error = golden("errors/provider_error/rate_limited.json").await;
    let provider = error.api().unwrap().provider().unwrap();
    assert_eq!(
        (provider.kind, provider.status),
        (Some(ProviderKind::Telephony), Some(503))
    );

    let error = golden("errors/not_found/resource_not_found.json").await;
    let missing = error.api().unwrap().missing().unwrap();
    assert_eq!(missing.resource.as_deref(), Some("agent"));
    assert_eq!(error.api().unwrap().payment(), None);
    assert_eq!(error.api().unwrap().help.as_deref(), Some("/docs/errors/not_found"));

    let error = golden("errors/validation_error/invalid_fields.json").await;
    let faults = error.api().unwrap().fields();
    assert_eq!(faults[1].reason, FieldReason::UnknownField);
    assert_eq!(faults[1].params["did_you_mean"], "language_hint");
}

#[tokio::test]
async fn facts_of_other_types_are_none_and_never_a_panic() {
    let error = golden("odd/details_of_other_types.json").await;
    let limited = error.api().unwrap().limited().unwrap();
    assert_eq!((limited.limit, limited.retry_after), (None, None));
    assert_eq!(error.api().unwrap().fields(), []);
    let error = golden("odd/a_field_reason_of_tomorrow.json").await;
    let faults = error.api().unwrap().fields();
    assert_eq!(faults[0].reason, FieldReason::Unknown("rhymes_badly".to_owned()));
    assert_eq!(faults[1].pointer, "?limit");
}
