//! Pages of lists.

use serde_json::{Value, json};
use testkit::TestApp;

fn ids(page: &Value) -> Vec<String> {
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn pages_follow_each_other_by_offset_and_by_cursor() {
    let app = TestApp::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(app.agent().await);
    }
    made.reverse();
    let client = app.client();
    let first = client.get("/agents?limit=2").await.json();
    assert_eq!(ids(&first), made[..2]);
    let pagination = json!({ "total": 5, "limit": 2, "offset": 0, "has_more": true, "next_cursor": made[1] });
    assert_eq!(first["pagination"], pagination);
    let second = client.get("/agents?limit=2&offset=2").await.json();
    assert_eq!(ids(&second), made[2..4]);
    let third = client.get(&format!("/agents?limit=2&cursor={}", made[3])).await.json();
    assert_eq!(ids(&third), made[4..]);
    assert_eq!(
        (&third["pagination"]["has_more"], &third["pagination"]["next_cursor"]),
        (&json!(false), &Value::Null)
    );
    let beyond = client.get("/agents?offset=18446744073709551615").await;
    assert_eq!(beyond.status, 422);
    assert_eq!(
        ids(&client.get("/agents?offset=9223372036854775807").await.json()),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn calls_are_filtered_exactly() {
    let app = TestApp::start().await;
    let call = app.call().await;
    let client = app.client();
    let agent = client.get(&format!("/calls/{call}")).await.data()["agent_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (query, count) in [
        (format!("agent_id={agent}&status=in_progress&direction=outbound"), 1),
        ("direction=inbound".to_owned(), 0),
        ("status=failed".to_owned(), 0),
        ("agent_id=nobody".to_owned(), 0),
    ] {
        assert_eq!(
            client.get(&format!("/calls?{query}")).await.json()["pagination"]["total"],
            count,
            "{query}"
        );
    }
}

#[tokio::test]
async fn numbers_are_filtered_exactly() {
    let app = TestApp::start().await;
    let (agent, another) = (app.agent().await, app.agent().await);
    let mut numbers = Vec::new();
    for (phone_number, direction) in [
        ("+14155550100", "inbound"),
        ("+14155550101", "outbound"),
        ("+14155550102", "inbound"),
    ] {
        let number = app.number(phone_number).await;
        let owner = if phone_number.ends_with('2') { &another } else { &agent };
        let assign = json!({ "number_id": number, "agent_id": owner, "direction": direction });
        app.client().post("/telephony/numbers/assign", &assign).await.ok();
        numbers.push(number);
    }
    numbers.reverse();
    for (query, found) in [
        (String::new(), &numbers[..]),
        (format!("agent_id={agent}"), &numbers[1..]),
        (format!("agent_id={another}"), &numbers[..1]),
        ("agent_id=nobody".to_owned(), &[]),
        ("phone_number=%2B14155550101".to_owned(), &numbers[1..2]),
        ("phone_number=%2B1415555010".to_owned(), &[]),
        (format!("phone_number=%2B14155550102&agent_id={agent}"), &[]),
        (format!("agent_id={agent}&limit=1&offset=1"), &numbers[2..]),
    ] {
        let page = app.client().get(&format!("/telephony/numbers?{query}")).await.json();
        assert_eq!(ids(&page), found, "{query}");
    }
    let refused = app.client().get("/telephony/numbers?direction=inbound").await;
    assert_eq!(
        refused.faults(),
        [("?direction".to_owned(), "unknown_field".to_owned())]
    );
}
