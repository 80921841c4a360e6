//! Removing what was made, however the run went: whatever was used up, stopped or lost on the way.

use serde_json::Value;

use crate::{
    ask::Ask,
    groups::writes_keys::KEYS,
    session::{Session, Verdict},
};

const GROUP: &str = "writes";

/// Pages looked through for things whose making was never confirmed.
const PAGES_MAX: usize = 50;

/// Removes it, and says what could not be.
pub(crate) async fn remove(session: &mut Session, trunks: &str) {
    for list in [trunks, KEYS] {
        if session.document.find("GET", list).is_some() {
            find(session, list).await;
        }
    }
    let mut left = Vec::new();
    for path in std::mem::take(&mut session.made) {
        let answer = session.insist(&Ask::new("DELETE", &path)).await;
        if !answer.is_ok_and(|answer| matches!(answer.status, 200..=299 | 404)) {
            session.note(&format!("{path} was made and could not be removed"));
            left.push(path);
        }
    }
    let mut verdict = Verdict::default();
    let rule = "what was made can be removed";
    verdict.want(rule, left.is_empty(), "nothing left", &left.join(" "));
    let sent = "DELETE of everything that was made".to_owned();
    session.record(GROUP, "nothing is left", verdict, sent, None);
}

/// What bears this run's mark, also where no answer told that it was made.
async fn find(session: &mut Session, list: &str) {
    let mut more = String::new();
    for _ in 0..PAGES_MAX {
        let Ok(page) = session.insist(&Ask::get(format!("{list}?limit=100{more}"))).await else {
            return;
        };
        for thing in page.data().as_array().into_iter().flatten() {
            let is_ours = thing["name"].as_str().is_some_and(|name| session.is_ours(name));
            // The record of a key stays when the key is gone.
            let path = format!("{list}/{}", thing["id"].as_str().unwrap_or_default());
            if is_ours && thing["revoked_at"].is_null() && !session.made.contains(&path) {
                session.made.push(path);
            }
        }
        match &page.json()["pagination"]["next_cursor"] {
            Value::String(cursor) => more = format!("&cursor={cursor}"),
            _ => return,
        }
    }
}
