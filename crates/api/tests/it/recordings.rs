//! Recordings, whole and in parts.

use reqwest::Method;
use serde_json::json;
use testkit::{Answer, TestApp};

/// A call that is over, with a recording.
async fn recorded(app: &TestApp) -> String {
    let call = app.call().await;
    let mut writer = app
        .recordings
        .recording_create(app.scope, call.parse().unwrap(), 8000)
        .await
        .unwrap();
    writer.write(&[7; 2000]);
    writer.finish().await.unwrap();
    app.client().post(&format!("/calls/{call}/end"), &json!({})).await.ok();
    format!("/calls/{call}/recording")
}

async fn part(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let client = app.client();
    let request = headers
        .iter()
        .fold(client.request(Method::GET, path), |request, (name, value)| {
            request.header(*name, *value)
        });
    client.send(request).await
}

#[tokio::test]
async fn a_recording_is_read_whole_and_in_parts() {
    let app = TestApp::start().await;
    let path = recorded(&app).await;
    let whole = part(&app, &path, &[]).await;
    assert_eq!((whole.status.as_u16(), whole.header("accept-ranges")), (200, "bytes"));
    assert!(whole.body.starts_with(b"RIFF"));
    let size = whole.body.len();
    let tag = whole.header("etag").to_owned();
    let middle = part(&app, &path, &[("range", "bytes=4-9"), ("if-range", &tag)]).await;
    assert_eq!(
        (middle.status.as_u16(), middle.header("content-range")),
        (206, format!("bytes 4-9/{size}").as_str())
    );
    assert_eq!(middle.body, whole.body[4..10]);
    assert_eq!(
        part(&app, &path, &[("range", "bytes=-8")]).await.body,
        whole.body[size - 8..]
    );
    assert_eq!(
        part(&app, &path, &[("range", "bytes=4-9"), ("if-range", "\"old\"")])
            .await
            .body,
        whole.body
    );
    let client = app.client();
    let head = client.send(client.request(Method::HEAD, &path)).await;
    assert_eq!(
        (head.header("content-length"), head.body.len()),
        (size.to_string().as_str(), 0)
    );
}

#[tokio::test]
async fn a_range_outside_of_the_recording_is_a_broken_rule() {
    let app = TestApp::start().await;
    let path = recorded(&app).await;
    let size = part(&app, &path, &[]).await.body.len();
    let answer = part(&app, &path, &[("range", "bytes=999999999-")]).await;
    assert_eq!(
        answer.details(),
        json!({ "reason": "range_not_satisfiable", "size": size })
    );
    assert_eq!(answer.header("content-range"), format!("bytes */{size}"));
}

#[tokio::test]
async fn a_call_that_is_not_over_has_no_recording_yet() {
    let app = TestApp::start().await;
    let call = app.call().await;
    let answer = app.client().get(&format!("/calls/{call}/recording")).await;
    assert_eq!(answer.details()["resource"], "recording");
}
