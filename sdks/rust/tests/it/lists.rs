//! Pages and streams of lists.

use callwright_client::{AgentListQuery, CallListQuery, ErrorKind, contract::CallStatus};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::{
    client,
    server::{ID, Server, Step, json, refusal},
};

fn voice(name: &str) -> String {
    format!(
        r#"{{"id":"{ID}","name":"{name}","type":"system","status":"active","provider":"local","provider_voice_id":"x","language":"en","last_error":null,"created_at":"2026-02-04T12:00:00.000Z","invented":1}}"#
    )
}

fn page(names: &[&str], next: Option<&str>, has_more: bool) -> Step {
    let voices: Vec<_> = names.iter().map(|name| voice(name)).collect();
    let next = next
        .map(|next| format!(r#","next_cursor":"{next}""#))
        .unwrap_or_default();
    json(
        200,
        &format!(
            r#"{{"data":[{}],"pagination":{{"total":3,"limit":2,"offset":0,"has_more":{has_more}{next}}},"meta":{{"request_id":"{ID}","ts":"2026-02-04T12:00:00.000Z"}}}}"#,
            voices.join(",")
        ),
    )
}

#[tokio::test]
async fn a_page_tells_where_it_stands() {
    let server = Server::start(vec![page(&["a", "b"], Some("n"), true)]).await;
    let (client, _) = client(&server);
    let page = client
        .voice_list(&callwright_client::VoiceListQuery::default())
        .await
        .unwrap();
    assert_eq!((page.len(), page.pagination.total), (2, 3));
    assert_eq!(page.pagination.next_cursor.as_deref(), Some("n"));
    assert_eq!(server.seen()[0].target, "/api/public/v1/voices");
}

#[tokio::test]
async fn a_stream_walks_the_cursors_and_forgets_the_offset() {
    let server = Server::start(vec![page(&["a", "b"], Some("n1"), true), page(&["c"], None, false)]).await;
    let (client, _) = client(&server);
    let query = callwright_client::VoiceListQuery {
        limit: Some(2),
        offset: Some(1),
        ..Default::default()
    };
    let names: Vec<_> = client
        .voice_list(&query)
        .stream()
        .map_ok(|voice| voice.name)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(names, ["a", "b", "c"]);
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(
        targets,
        [
            "/api/public/v1/voices?limit=2&offset=1",
            "/api/public/v1/voices?limit=2&cursor=n1"
        ]
    );
}

#[tokio::test]
async fn where_there_is_no_cursor_the_offset_walks() {
    let server = Server::start(vec![page(&["a", "b"], None, true), page(&["c"], None, false)]).await;
    let (client, _) = client(&server);
    let stream = client
        .voice_list(&callwright_client::VoiceListQuery::default())
        .stream();
    assert_eq!(stream.count().await, 3);
    assert_eq!(server.seen()[1].target, "/api/public/v1/voices?offset=2");
}

#[tokio::test]
async fn an_error_in_the_middle_comes_after_what_was_there_and_ends_the_stream() {
    let refused = refusal(404, "not_found", r#"{"reason":"route_not_found"}"#, &[]);
    let server = Server::start(vec![page(&["a"], Some("n"), true), refused]).await;
    let (client, _) = client(&server);
    let stream = client
        .voice_list(&callwright_client::VoiceListQuery::default())
        .stream();
    let items: Vec<_> = stream.map(|item| item.is_ok()).collect().await;
    assert_eq!(items, [true, false]);
}

#[tokio::test]
async fn a_server_that_leads_in_a_circle_is_left() {
    let server = Server::start(vec![page(&["a"], Some("n"), true), page(&["b"], Some("n"), true)]).await;
    let (client, _) = client(&server);
    let stream = client
        .voice_list(&callwright_client::VoiceListQuery::default())
        .stream();
    let items: Vec<_> = stream.take(10).collect().await;
    assert_eq!(items.iter().filter(|item| item.is_ok()).count(), 2, "{items:?}");
    let last = items.last().unwrap().as_ref().unwrap_err();
    assert!(matches!(last.kind(), ErrorKind::Unexpected(_)), "{last:?}");
    assert_eq!((last.attempts(), last.client_request_id().map(str::len)), (1, Some(36)));
}

#[tokio::test]
async fn a_wider_circle_is_left_too() {
    let pages = ["n1", "n2", "n1", "n2", "n1"].map(|next| page(&["a"], Some(next), true));
    let server = Server::start(pages.into()).await;
    let (client, _) = client(&server);
    let stream = client
        .voice_list(&callwright_client::VoiceListQuery::default())
        .stream();
    let items: Vec<_> = stream.take(10).map(|item| item.is_ok()).collect().await;
    assert_eq!(items, [true, true, true, false]);
}

#[tokio::test]
async fn filters_stand_in_the_query_as_the_api_writes_them() {
    let server = Server::start(vec![page(&[], None, false), page(&[], None, false)]).await;
    let (client, _) = client(&server);
    let query = CallListQuery {
        status: Some(CallStatus::InProgress),
        agent_id: Some("a&b".to_owned()),
        ..CallListQuery::default()
    };
    client.call_list(&query).await.unwrap();
    client.agent_list(&AgentListQuery::default()).await.unwrap();
    assert_eq!(
        server.seen()[0].target,
        "/api/public/v1/calls?agent_id=a%26b&status=in_progress"
    );
}
