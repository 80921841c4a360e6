use std::time::Duration;

use domain::{
    ProviderFailure, ProviderFault,
    ports::{SpeechToText, Utterance},
};
use providers::{OpenAiConfig, OpenAiProvider, Timeouts};
use tokio::net::TcpListener;

use crate::server::{Piece, Script, Server, config, provider};

async fn transcribe(provider: &OpenAiProvider) -> ProviderFailure {
    provider
        .transcribe(Utterance {
            samples: vec![0; 160].into(),
            language: None,
        })
        .await
        .unwrap_err()
}

#[tokio::test]
async fn statuses_become_faults() {
    use ProviderFault::{BadResponse, Credentials, RateLimited, Rejected, Timeout};
    for (status, fault, retryable) in [
        (401, Credentials, false),
        (403, Credentials, false),
        (404, Rejected, false),
        (408, Timeout, true),
        (429, RateLimited, true),
        (500, Rejected, true),
        (503, Rejected, true),
        (504, Timeout, true),
        (307, BadResponse, false),
        (204, BadResponse, false),
    ] {
        let server = Server::start(Script::status(status, "")).await;
        let failure = transcribe(&server.provider()).await;
        assert_eq!(
            (failure.fault, failure.retryable, failure.status),
            (fault, retryable, Some(status)),
            "{status}"
        );
    }
}

#[tokio::test]
async fn what_the_provider_says_about_its_refusal_is_kept_but_no_words_of_it() {
    let body = r#"{"error": {"code": "invalid_api_key", "message": "Incorrect API key provided: sk-very-secret"}}"#;
    let server = Server::start(Script::status(429, body).header("retry-after", "7")).await;
    let failure = transcribe(&server.provider()).await;
    assert_eq!(failure.code.as_deref(), Some("invalid_api_key"));
    assert_eq!(failure.retry_after_seconds, Some(7));
    assert_eq!(failure.details()["provider_request_id"], "req_42");
    let everything = format!("{failure:?} {failure} {:?} {:?}", failure.details(), server.provider());
    assert!(!everything.contains("sk-very-secret"), "{everything}");
}

#[tokio::test]
async fn a_code_that_is_no_token_is_made_one() {
    let body = r#"{"error": {"code": "bad <b>thing</b>", "type": "x"}}"#;
    let server = Server::start(Script::status(400, body)).await;
    assert_eq!(transcribe(&server.provider()).await.code.as_deref(), Some("badbthingb"));
}

#[tokio::test]
async fn an_error_body_that_stalls_or_never_ends_does_not_hold_the_failure_up() {
    let stalled = Script {
        status: 500,
        headers: vec![],
        pieces: vec![Piece::Bytes(b"{".to_vec()), Piece::Stall],
    };
    let endless = Script {
        status: 500,
        headers: vec![],
        pieces: vec![Piece::Bytes(vec![b'x'; 100_000])],
    };
    for script in [stalled, endless] {
        let server = Server::start(script).await;
        let failure = tokio::time::timeout(Duration::from_secs(2), transcribe(&server.provider()))
            .await
            .unwrap();
        assert_eq!((failure.fault, failure.code), (ProviderFault::Rejected, None));
    }
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let failure = transcribe(&provider(&base_url)).await;
    assert_eq!(
        (failure.fault, failure.retryable),
        (ProviderFault::Unreachable, true),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let timeouts = Timeouts {
        first_byte: Duration::from_millis(100),
        ..config("").timeouts
    };
    let provider = OpenAiProvider::new(OpenAiConfig {
        timeouts,
        ..config(&base_url)
    })
    .unwrap();
    assert_eq!(transcribe(&provider).await.fault, ProviderFault::Timeout);
    drop(listener);
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_at_once() {
    for url in ["", "example.com/v1", "ftp://example.com"] {
        assert!(OpenAiProvider::new(OpenAiConfig::new("mock", url)).is_err(), "{url}");
    }
}
