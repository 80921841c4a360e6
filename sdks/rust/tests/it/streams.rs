//! Live events and downloads.

use std::time::Duration;

use callwright_client::{
    ErrorKind, Reason, TransportError, WatchEvent,
    contract::{CallEvent, CallStatus},
};
use futures_util::StreamExt as _;

use crate::{
    builder, client,
    server::{ID, Server, Step, refusal},
};

fn events(chunks: &[&str], end: &str) -> Step {
    let chunks: Vec<_> = chunks
        .iter()
        .map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()))
        .collect();
    let chunks = chunks.concat();
    Step::Raw(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: {ID}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}{end}"
    ))
}

const RINGING: &str = "event: status\ndata: {\"type\":\"status\",\"status\":\"ringing\",\"end_reason\":null,\"at\":\"2026-02-04T12:00:00.000Z\"}\n\n";

#[tokio::test]
async fn events_have_their_types_and_those_of_tomorrow_their_names() {
    let server = Server::start(vec![events(
        &[
            &RINGING[..20],
            &RINGING[20..],
            ": alive\n\n",
            "event: invented\ndata: {\"type\":\"invented\"}\n\n",
        ],
        "0\r\n\r\n",
    )])
    .await;
    let (client, _) = client(&server);
    let mut stream = client.call_events("c").await.unwrap();
    assert_eq!(stream.request_id(), Some(ID));
    let first = stream.next().await.unwrap().unwrap();
    let is_ringing = matches!(
        first,
        WatchEvent::Known(CallEvent::Status {
            status: CallStatus::Ringing,
            ..
        })
    );
    assert!(is_ringing, "{first:?}");
    let second = stream.next().await.unwrap().unwrap();
    assert!(
        matches!(&second, WatchEvent::Unknown { name, .. } if name == "invented"),
        "{second:?}"
    );
    assert!(stream.next().await.is_none());
    assert_eq!(server.seen()[0].header("accept"), Some("text/event-stream"));
}

#[tokio::test]
async fn an_error_event_is_the_servers_error_and_the_last_item() {
    let error = "event: error\ndata: {\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"Stopping.\",\"details\":{\"reason\":\"overload\",\"retry_after\":5}},\"meta\":{\"request_id\":\"r\"}}\n\n";
    let server = Server::start(vec![events(&[error, RINGING], "0\r\n\r\n")]).await;
    let (client, _) = client(&server);
    let mut stream = client.call_events("c").await.unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!((error.reason(), error.status()), (Some(&Reason::Overload), Some(429)));
    assert_eq!(
        (error.request_id(), error.retry_after()),
        (Some("r"), Some(Duration::from_secs(5)))
    );
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn an_error_event_without_an_id_has_the_streams() {
    for data in [r#"{"error":{"code":"internal_error","message":"No."}}"#, "no JSON"] {
        let event = format!("event: error\ndata: {data}\n\n");
        let server = Server::start(vec![events(&[&event], "0\r\n\r\n")]).await;
        let (client, _) = client(&server);
        let mut stream = client.call_events("c").await.unwrap();
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.request_id(), Some(ID), "{data}");
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_says_so() {
    let server = Server::start(vec![events(&[RINGING], "")]).await;
    let (client, _) = client(&server);
    let items: Vec<_> = client.call_events("c").await.unwrap().collect().await;
    assert_eq!(items.len(), 2);
    let error = items[1].as_ref().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Transport(TransportError::Broken { .. })),
        "{error:?}"
    );
    assert_eq!(error.request_id(), Some(ID));
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_left() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\ncontent-length: 10\r\n\r\nRIFF";
    let server = Server::start(vec![Step::Raw(head.to_owned()), Step::Silence]).await;
    let client = builder(&server)
        .idle_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let recording = client.call_recording("c").await.unwrap();
    let error = recording.bytes().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Transport(_)), "{error:?}");
}

#[tokio::test]
async fn a_watch_that_is_refused_is_an_error_like_any_other() {
    let server = Server::start(vec![refusal(
        404,
        "not_found",
        r#"{"reason":"resource_not_found"}"#,
        &[],
    )])
    .await;
    let (client, _) = client(&server);
    let error = client.call_events("c").await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::ResourceNotFound));
}

#[tokio::test]
async fn a_range_is_asked_for_as_http_writes_it() {
    let part = "HTTP/1.1 206 Partial Content\r\ncontent-type: audio/wav\r\ncontent-range: bytes 2-3/10\r\ncontent-length: 2\r\n\r\nFF";
    for (range, header) in [((2..4), "bytes=2-3"), ((0..1), "bytes=0-0")] {
        let server = Server::start(vec![Step::Raw(part.to_owned())]).await;
        let (client, _) = client(&server);
        let recording = client.call_recording("c").range(range).await.unwrap();
        assert_eq!((recording.is_partial, recording.length), (true, Some(2)));
        assert_eq!(recording.content_range.as_deref(), Some("bytes 2-3/10"));
        assert_eq!(&recording.bytes().await.unwrap()[..], b"FF");
        assert_eq!(server.seen()[0].header("range"), Some(header));
    }
    let server = Server::start(vec![]).await;
    let (client, _) = client(&server);
    assert!(client.call_recording("c").range(..0).await.is_err());
}
