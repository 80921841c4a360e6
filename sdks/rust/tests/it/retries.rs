//! When the library tries again, how long it waits, and when it stops.

use std::time::Duration;

use callwright_client::{
    Code, Error, ErrorKind, Reason, RetryPolicy, TransportError,
    contract::{CallCreate, NumberUnassign},
};

use crate::{
    builder, client,
    server::{ID, Server, Step, good, json, refusal, with},
};

const VOICE: &str = r#"{"id":"019a3b5e-7c00-7000-8000-00000000000f","name":"Ada","type":"system","status":"active","provider":"local","provider_voice_id":"ada","language":"en","last_error":null,"created_at":"2026-02-04T12:00:00.000Z"}"#;

fn busy() -> Step {
    refusal(500, "internal_error", r#"{"reason":"internal"}"#, &[])
}

fn limited(seconds: u64) -> Step {
    let details = format!(r#"{{"reason":"requests","retry_after":{seconds}}}"#);
    refusal(
        429,
        "rate_limit_exceeded",
        &details,
        &[("retry-after", &seconds.to_string())],
    )
}

fn unassign() -> NumberUnassign {
    serde_json::from_str(r#"{"number_id":"n"}"#).unwrap()
}

fn code(error: &Error) -> &Code {
    error.code().unwrap()
}

#[tokio::test]
async fn a_failure_that_passes_is_not_seen() {
    let server = Server::start(vec![busy(), json(503, ""), good(VOICE)]).await;
    let (client, timer) = client(&server);
    let voice = client.voice_fetch("v").await.unwrap();
    assert_eq!((voice.name.as_str(), voice.attempts), ("Ada", 3));
    assert_eq!(timer.slept(), [125, 250]);
}

#[tokio::test]
async fn retry_after_is_obeyed_to_the_second() {
    let server = Server::start(vec![limited(19), good(VOICE)]).await;
    let (client, timer) = client(&server);
    client.voice_fetch("v").await.unwrap();
    assert_eq!(timer.slept(), [19_000]);
}

#[tokio::test]
async fn jitter_only_adds_to_what_the_server_asked_for() {
    let server = Server::start(vec![limited(19), good(VOICE)]).await;
    let timer = crate::VirtualTimer::new(1.0);
    let client = builder(&server).timer(timer.clone()).build().unwrap();
    client.voice_fetch("v").await.unwrap();
    assert_eq!(timer.slept(), [19_250]);
}

#[tokio::test]
async fn attempts_end() {
    let server = Server::start(vec![busy(), busy(), busy(), busy(), good(VOICE)]).await;
    let (client, _) = client(&server);
    let error = client.voice_fetch("v").await.unwrap_err();
    assert_eq!((code(&error), error.attempts()), (&Code::InternalError, 4));
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_wait_that_would_end_after_the_deadline_is_not_begun() {
    let server = Server::start(vec![limited(19), good(VOICE)]).await;
    let (client, timer) = client(&server);
    let error = client
        .voice_fetch("v")
        .deadline(Duration::from_secs(19))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::Requests));
    assert_eq!((timer.slept(), server.seen().len()), (vec![], 1));
}

#[tokio::test]
async fn what_is_refused_for_good_is_asked_once() {
    let server = Server::start(vec![refusal(
        404,
        "not_found",
        r#"{"reason":"resource_not_found"}"#,
        &[],
    )])
    .await;
    let (client, _) = client(&server);
    let error = client.voice_fetch("v").await.unwrap_err();
    assert_eq!((error.attempts(), error.is_retryable()), (1, false));
}

#[tokio::test]
async fn a_provider_that_will_not_change_its_mind_is_asked_once() {
    for (retryable, asked) in [("false", 1), ("true", 2)] {
        let details = format!(r#"{{"reason":"rejected","retryable":{retryable}}}"#);
        let server = Server::start(vec![refusal(502, "provider_error", &details, &[]), good(VOICE)]).await;
        let (client, _) = client(&server);
        let _ = client.voice_fetch("v").await;
        assert_eq!(server.seen().len(), asked, "{retryable}");
    }
}

#[tokio::test]
async fn a_change_without_a_key_whose_fate_is_unknown_is_not_repeated() {
    for step in [busy(), Step::Hangup, Step::Cut(200, "{".to_owned())] {
        let server = Server::start(vec![step.clone(), good("null")]).await;
        let (client, _) = client(&server);
        let error = client
            .agent_update("a", &serde_json::from_str("{}").unwrap())
            .await
            .unwrap_err();
        assert_eq!((error.attempts(), error.is_retryable()), (1, true), "{step:?}");
    }
}

#[tokio::test]
async fn a_change_that_was_refused_for_rate_is_repeated() {
    let server = Server::start(vec![limited(3), refusal(404, "not_found", "{}", &[])]).await;
    let (client, timer) = client(&server);
    let error = client
        .agent_update("a", &serde_json::from_str("{}").unwrap())
        .await
        .unwrap_err();
    assert_eq!((code(&error), error.attempts()), (&Code::NotFound, 2));
    assert_eq!(timer.slept(), [3000]);
}

#[tokio::test]
async fn a_change_with_a_key_is_repeated_with_the_same_key() {
    let in_progress = r#"{"reason":"idempotency_in_progress","retry_after":1}"#;
    let server = Server::start(vec![
        Step::Hangup,
        busy(),
        refusal(429, "rate_limit_exceeded", in_progress, &[("retry-after", "1")]),
        refusal(422, "validation_error", r#"{"reason":"number_in_use"}"#, &[]),
    ])
    .await;
    let (client, _) = client(&server);
    let error = client
        .number_unassign(&unassign())
        .idempotency_key("order-7")
        .await
        .unwrap_err();
    assert_eq!((error.attempts(), error.idempotency_key()), (4, Some("order-7")));
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    for request in &seen {
        assert_eq!(request.header("idempotency-key"), Some("order-7"));
        assert_eq!(request.body, seen[0].body);
        assert_eq!(request.header("x-request-id"), seen[0].header("x-request-id"));
    }
    assert_eq!(error.client_request_id(), seen[0].header("x-request-id"));
}

fn no_number() -> Step {
    refusal(422, "validation_error", r#"{"reason":"no_outbound_number"}"#, &[])
}

fn call() -> CallCreate {
    serde_json::from_str(r#"{"agent_id":"a","phone_number":"+14155550123"}"#).unwrap()
}

#[tokio::test]
async fn a_key_is_made_for_each_request_and_kept_over_its_attempts() {
    let server = Server::start(vec![Step::Hangup, busy(), no_number(), no_number()]).await;
    let (client, _) = client(&server);
    let first = client.call_create(&call()).await.unwrap_err();
    let second = client.call_create(&call()).await.unwrap_err();
    assert_eq!((first.attempts(), second.attempts()), (3, 1));
    let seen = server.seen();
    let keys: Vec<_> = seen.iter().map(|seen| seen.header("idempotency-key")).collect();
    assert_eq!(keys[..3], [first.idempotency_key(); 3]);
    assert_eq!(keys[3], second.idempotency_key());
    assert!(
        keys[0].is_some_and(|key| key.len() == 36) && keys[0] != keys[3],
        "{keys:?}"
    );
}

#[tokio::test]
async fn a_key_in_a_header_of_the_callers_own_is_the_key() {
    let server = Server::start(vec![Step::Hangup, no_number()]).await;
    let (client, _) = client(&server);
    let named = "idempotency-key".parse().unwrap();
    let error = client.call_create(&call()).header(named, "order-7").await.unwrap_err();
    assert_eq!((error.attempts(), error.idempotency_key()), (2, Some("order-7")));
    let seen = server.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.header("idempotency-key") == Some("order-7"))
    );
}

#[tokio::test]
async fn an_id_of_the_callers_own_is_sent_and_known_to_the_error() {
    let server = Server::start(vec![no_number()]).await;
    let (client, _) = client(&server);
    let named = "x-request-id".parse().unwrap();
    let error = client.call_create(&call()).header(named, "order-7").await.unwrap_err();
    assert_eq!(error.client_request_id(), Some("order-7"));
    assert_eq!(server.seen()[0].header("x-request-id"), Some("order-7"));
}

#[tokio::test]
async fn a_key_does_not_make_repeatable_what_takes_none() {
    let server = Server::start(vec![Step::Hangup, good("null")]).await;
    let (client, _) = client(&server);
    let change = serde_json::from_str("{}").unwrap();
    let error = client
        .agent_update("a", &change)
        .idempotency_key("x")
        .await
        .unwrap_err();
    assert_eq!((error.attempts(), server.seen().len()), (1, 1));
}

#[tokio::test]
async fn what_a_provider_may_have_done_is_not_done_again() {
    let details = r#"{"reason":"timeout","retryable":true,"call_id":"c"}"#;
    let server = Server::start(vec![refusal(502, "provider_error", details, &[]), no_number()]).await;
    let (client, _) = client(&server);
    let error = client.call_create(&call()).await.unwrap_err();
    assert_eq!((error.attempts(), error.is_retryable()), (1, true));
    // A proxy that lost the server says 502 too; the server knows the key.
    let server = Server::start(vec![with(502, &[], "<html>"), no_number()]).await;
    let (client, _) = crate::client(&server);
    assert_eq!(client.call_create(&call()).await.unwrap_err().attempts(), 2);
}

#[tokio::test]
async fn an_answer_cut_in_the_middle_is_asked_for_again() {
    let server = Server::start(vec![Step::Cut(200, "{\"data\":".to_owned()), good(VOICE)]).await;
    let (client, _) = client(&server);
    assert_eq!(client.voice_fetch("v").await.unwrap().attempts, 2);
}

#[tokio::test]
async fn a_lost_answer_still_tells_its_request_id() {
    let server = Server::start(vec![Step::Cut(200, "{\"data\":".to_owned())]).await;
    let (client, _) = client(&server);
    let error = client.voice_fetch("v").retry(RetryPolicy::never()).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Transport(TransportError::Broken { .. })),
        "{error:?}"
    );
    assert_eq!(error.request_id(), Some(ID));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_after_the_attempts_time() {
    let server = Server::start(vec![Step::Silence, good(VOICE)]).await;
    let timer = crate::VirtualTimer::new(0.0);
    let patience = Duration::from_secs(2);
    let client = builder(&server).timer(timer).attempt_timeout(patience).build().unwrap();
    assert_eq!(client.voice_fetch("v").await.unwrap().attempts, 2);
}

#[tokio::test]
async fn what_has_no_time_at_all_is_not_sent() {
    let server = Server::start(vec![good(VOICE)]).await;
    let (client, _) = client(&server);
    let error = client.voice_fetch("v").deadline(Duration::ZERO).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Transport(TransportError::Timeout { .. })),
        "{error:?}"
    );
    assert_eq!((error.attempts(), server.seen().len()), (0, 0));
}

#[tokio::test]
async fn a_wait_past_all_bounds_is_an_error_like_any_other() {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    let endless = u64::MAX.to_string();
    let details = format!(r#"{{"reason":"requests","retry_after":{endless}}}"#);
    for step in [
        limited(u64::MAX),
        refusal(429, "rate_limit_exceeded", &details, &[]),
        refusal(404, "not_found", "{}", &[("retry-after", &endless)]),
        with(503, &[("retry-after", &endless)], ""),
    ] {
        let server = Server::start(vec![step.clone()]).await;
        let (client, timer) = client(&server);
        let error = client.voice_fetch("v").await.unwrap_err();
        assert_eq!((error.attempts(), error.retry_after()), (1, Some(YEAR)), "{step:?}");
        assert_eq!(timer.slept(), []);
    }
}

#[tokio::test]
async fn a_deadline_may_be_as_far_away_as_can_be_written() {
    let server = Server::start(vec![busy(), good(VOICE)]).await;
    let (client, _) = client(&server);
    let voice = client.voice_fetch("v").deadline(Duration::MAX).await.unwrap();
    assert_eq!(voice.attempts, 2);
}

#[tokio::test]
async fn nobody_there_is_an_error_with_the_id_that_would_have_been_logged() {
    let server = Server::start(vec![]).await;
    let base = server.base().replace("http://127.0.0.1:", "http://127.0.0.2:");
    let timer = crate::VirtualTimer::new(0.0);
    let client = callwright_client::Client::builder(&base)
        .timer(timer.clone())
        .build()
        .unwrap();
    let error = client.call_end("c").await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Transport(TransportError::Connect(_))),
        "{error:?}"
    );
    assert_eq!((error.attempts(), error.request_id()), (4, None));
    assert_eq!(error.client_request_id().map(str::len), Some(36));
    assert_eq!(timer.slept(), [125, 250, 500]);
}
