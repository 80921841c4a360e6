//! What must not happen: a key that leaks, a request that goes elsewhere, memory without a bound.

use callwright_client::{Client, ErrorKind, TransportError};

use crate::{
    KEY, builder, client,
    server::{Server, Step, good, json, with},
};

#[tokio::test]
async fn the_key_is_in_no_debug_output_and_in_no_message() {
    let server = Server::start(vec![json(500, "x")]).await;
    let (client, _) = client(&server);
    let request = client.voice_fetch("v");
    let shown = format!("{:?} {:?} {request:?}", builder(&server), client);
    let error = request.await.unwrap_err();
    for text in [shown, format!("{error:?} {error}")] {
        assert!(!text.contains(KEY) && !text.contains("secret"), "{text}");
    }
    let fault = Client::new("http://localhost", "cw_\u{7f}secret").unwrap_err();
    assert!(!format!("{fault:?} {fault}").contains("secret"), "{fault:?}");
    assert_eq!(
        server.seen()[0].header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
}

#[tokio::test]
async fn an_error_and_its_causes_say_each_thing_once() {
    let server = Server::start(vec![json(500, "x")]).await;
    let (client, _) = client(&server);
    let error = client.voice_fetch("v").await.unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(cause, None, "{error} has said it");
}

#[tokio::test]
async fn what_a_request_holds_is_in_no_debug_output_and_in_no_message() {
    let server = Server::start(vec![]).await;
    let (client, _) = client(&server);
    let trunk = r#"{"name":"A","host":"192.0.2.4","username":"u","password":"secret"}"#;
    let named = "x-token".parse().unwrap();
    let request = client
        .trunk_create(&serde_json::from_str(trunk).unwrap())
        .header(named, "secret\n");
    let shown = format!("{request:?}");
    let error = request.await.unwrap_err();
    for text in [shown, format!("{error:?} {error}")] {
        assert!(!text.contains("secret"), "{text}");
    }
    let error = client.call_end("c").idempotency_key("secret\n").await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(vec![good("null")]).await;
    let server = Server::start(vec![with(302, &[("location", &elsewhere.base())], "")]).await;
    let (client, _) = client(&server);
    let error = client.voice_fetch("v").await.unwrap_err();
    assert_eq!((error.status(), elsewhere.seen().len()), (Some(302), 0));
}

#[tokio::test]
async fn an_id_that_would_name_another_thing_is_not_sent() {
    let server = Server::start(vec![]).await;
    let (client, _) = client(&server);
    for id in ["", ".", ".."] {
        let error = client.agent_delete(id).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error:?}");
    }
    let error = client.call_end("c").idempotency_key("line\nbreak").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error:?}");
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_refused() {
    for status in [200, 500] {
        let server = Server::start(vec![json(status, &" ".repeat(10_000))]).await;
        let client = builder(&server).answer_bytes_max(1000).build().unwrap();
        let error = client.voice_fetch("v").await.unwrap_err();
        let kind = error.kind();
        assert!(
            matches!(
                kind,
                ErrorKind::Transport(TransportError::TooLarge { max_bytes: 1000, .. })
            ),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn requests_share_a_connection_and_name_the_library() {
    let server = Server::start(vec![
        Step::Answer(204, vec![], String::new()),
        Step::Answer(204, vec![], String::new()),
    ])
    .await;
    let client = builder(&server).user_agent("shop/2").build().unwrap();
    client.agent_delete("a").await.unwrap();
    client.clone().agent_delete("b").await.unwrap();
    let seen = server.seen();
    assert_eq!((seen[0].connection, seen[1].connection), (0, 0));
    let own = concat!("shop/2 callwright-client-rust/", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen[0].header("user-agent"), Some(own));
    assert_eq!((seen[0].method.as_str(), seen[0].body.as_str()), ("DELETE", ""));
}

#[tokio::test]
async fn a_base_url_that_is_none_is_refused_and_a_path_in_it_is_kept() {
    for bad in [
        "",
        "voice.example",
        "ftp://voice.example",
        "https://user:password@voice.example",
        "https://a/?b",
    ] {
        assert!(Client::new(bad, KEY).is_err(), "{bad}");
    }
    let server = Server::start(vec![Step::Answer(204, vec![], String::new())]).await;
    let client = Client::new(&format!("{}/behind/", server.base()), KEY).unwrap();
    client.agent_delete("a").await.unwrap();
    assert_eq!(server.seen()[0].target, "/behind/api/public/v1/agents/a");
}
