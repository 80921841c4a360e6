use domain::{
    ProviderFailure, ProviderFault,
    ports::{BrainEvent, ChatMessage, ChatRequest, ChatRole, LanguageModel},
};
use futures_util::StreamExt;
use providers::OpenAiProvider;
use serde_json::{Value, json};

use crate::server::{Piece, Script, Server};

fn request() -> ChatRequest {
    let message = |role, text: &str| ChatMessage {
        role,
        text: text.to_owned(),
    };
    ChatRequest {
        model: "small".to_owned(),
        messages: vec![message(ChatRole::System, "Be kind."), message(ChatRole::User, "Hello")],
        temperature: 0.5,
        may_end_call: true,
    }
}

/// Text and `[end]` until the end or a failure.
async fn answer(provider: &OpenAiProvider) -> (String, Option<ProviderFailure>) {
    let mut told = String::new();
    let mut stream = match provider.chat(request()).await {
        Ok(stream) => stream,
        Err(failure) => return (told, Some(failure)),
    };
    while let Some(event) = stream.next().await {
        match event {
            Ok(BrainEvent::Text(text)) => told.push_str(&text),
            Ok(BrainEvent::EndCall) => told.push_str("[end]"),
            Err(failure) => return (told, Some(failure)),
        }
    }
    (told, None)
}

fn delta(text: &str) -> String {
    format!("data: {}\n\n", json!({ "choices": [{ "delta": { "content": text } }] }))
}

fn events(pieces: &[&str]) -> Script {
    Script::ok(
        "text/event-stream",
        pieces.iter().map(|piece| piece.as_bytes().to_vec()),
    )
}

#[tokio::test]
async fn an_answer_comes_whole_however_its_bytes_are_cut() {
    let whole = format!(": hi\r\n\r\n{}{}data: [DONE]\n\n", delta("Grüß "), delta("Gott 😀"));
    for size in [1, 3, 7, 1000] {
        let server = Server::start(Script::ok(
            "text/event-stream",
            whole.as_bytes().chunks(size).map(<[u8]>::to_vec),
        ))
        .await;
        let (told, failure) = answer(&server.provider()).await;
        assert_eq!(
            (told.as_str(), failure.is_none()),
            ("Grüß Gott 😀", true),
            "in pieces of {size}"
        );
    }
}

#[tokio::test]
async fn what_a_model_thinks_aloud_is_not_part_of_the_answer() {
    let whole = "<think>The caller greets me. 1 < 2, so </thin I greet back.</think>\n\nHello, 1 <2 <th";
    for size in [1, 2, 5, 1000] {
        let pieces: Vec<String> = whole
            .as_bytes()
            .chunks(size)
            .map(|piece| delta(std::str::from_utf8(piece).unwrap()))
            .collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).chain(["data: [DONE]\n\n"]).collect();
        let server = Server::start(events(&pieces)).await;
        let (told, failure) = answer(&server.provider()).await;
        assert!(failure.is_none(), "{failure:?}");
        assert_eq!(told, "\n\nHello, 1 <2 <th", "in pieces of {size}");
    }
}

#[tokio::test]
async fn the_request_is_what_the_api_documents() {
    let server = Server::start(events(&["data: [DONE]\n\n"])).await;
    answer(&server.provider()).await;
    let asked = server.asked();
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(asked.path, "/v1/chat/completions");
    assert_eq!(asked.headers["authorization"], "Bearer sk-very-secret");
    assert_eq!(
        (&body["model"], &body["stream"], &body["temperature"]),
        (&json!("small"), &json!(true), &json!(0.5))
    );
    assert_eq!(
        body["messages"],
        json!([{ "role": "system", "content": "Be kind." }, { "role": "user", "content": "Hello" }])
    );
    assert_eq!(body["tools"][0]["function"]["name"], "end_call");
}

#[tokio::test]
async fn the_tool_ends_the_call_after_the_words() {
    let call = json!({ "choices": [{ "delta": { "tool_calls": [{ "index": 0, "function": { "name": "end_call", "arguments": "" } }] } }] });
    let last = json!({ "choices": [{ "delta": {}, "finish_reason": "tool_calls" }] });
    let server = Server::start(events(&[
        &format!("data: {call}\n\n"),
        &delta("Bye."),
        &format!("data: {last}\n\n"),
    ]))
    .await;
    assert_eq!(answer(&server.provider()).await.0, "Bye.[end]");
}

#[tokio::test]
async fn a_server_that_ignores_streaming_is_understood() {
    let body = json!({ "choices": [{ "message": { "content": "Hello.", "tool_calls": [{ "function": { "name": "end_call" } }] }, "finish_reason": "stop" }] });
    let server = Server::start(Script::ok("application/json", [format!(" {body}")])).await;
    let (told, failure) = answer(&server.provider()).await;
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(told, "Hello.[end]");
}

#[tokio::test]
async fn a_stream_that_goes_wrong_is_a_failure_after_what_was_said() {
    let error = format!(
        "data: {}\n\n",
        json!({ "error": { "code": "overloaded", "message": "secret words" } })
    );
    let cases = [
        (
            events(&[&delta("Well"), &error]),
            ProviderFault::Rejected,
            Some("overloaded"),
        ),
        (
            events(&[&delta("Well"), "data: {\"choi\n\n"]),
            ProviderFault::BadResponse,
            None,
        ),
        (events(&[&delta("Well")]), ProviderFault::BadResponse, None),
        (
            events(&[&delta("Well")]).then(Piece::Cut),
            ProviderFault::Unreachable,
            None,
        ),
        (
            events(&[&delta("Well")]).then(Piece::Stall),
            ProviderFault::Timeout,
            None,
        ),
    ];
    for (at, (script, fault, code)) in cases.into_iter().enumerate() {
        let server = Server::start(script).await;
        let (told, failure) = answer(&server.provider()).await;
        let failure = failure.unwrap_or_else(|| panic!("case {at} succeeded"));
        assert_eq!(
            (told.as_str(), failure.fault, failure.code.as_deref()),
            ("Well", fault, code),
            "case {at}: {failure:?}"
        );
        assert!(!format!("{failure:?}").contains("secret words"), "{failure:?}");
    }
}

#[tokio::test]
async fn garbage_instead_of_an_answer_is_a_bad_response() {
    for body in ["", "<html>hello</html>", "{\"choices\": 7}", "{}", "data: nonsense\n\n"] {
        let server = Server::start(Script::ok("text/plain", [body])).await;
        let (_, failure) = answer(&server.provider()).await;
        assert_eq!(
            failure.map(|failure| failure.fault),
            Some(ProviderFault::BadResponse),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_answer_without_end_is_bounded() {
    let piece = format!("data: {}\n\n", json!({ "choices": [], "padding": "x".repeat(500_000) }));
    let server = Server::start(Script::ok("text/event-stream", (0..20).map(|_| piece.clone()))).await;
    let (_, failure) = answer(&server.provider()).await;
    assert_eq!(failure.map(|failure| failure.fault), Some(ProviderFault::BadResponse));
}
