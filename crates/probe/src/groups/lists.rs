//! Pages: what they say of themselves, and that walking them finds everything once.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    answer::Answer,
    ask::Ask,
    document::Operation,
    session::{NoAnswer, Session, Verdict},
};

const GROUP: &str = "lists";

/// Pages walked of each list.
const PAGES_MAX: usize = 3;

/// Walks of a list that changes meanwhile.
const WALKS_MAX: usize = 3;

pub(crate) async fn run(session: &mut Session) {
    for list in session.document.lists() {
        for limit in [1, 2, 100] {
            let ask = Ask::get(format!("{}?limit={limit}", list.path("")));
            let name = format!("{}: a page of {limit}", list.shown());
            session
                .check(GROUP, name, ask, |answer, verdict| page(answer, limit, 0, verdict))
                .await;
        }
        let ask = Ask::get(list.path(""));
        session
            .check(
                GROUP,
                format!("{}: a page of the usual size", list.shown()),
                ask,
                |answer, verdict| page(answer, 50, 0, verdict),
            )
            .await;
        let far = 9_000_000_000_000_u64;
        let ask = Ask::get(format!("{}?limit=1&offset={far}", list.path("")));
        let name = format!("{}: a page past the end", list.shown());
        session
            .check(GROUP, name, ask, |answer, verdict| {
                page(answer, 1, far, verdict);
                let is_empty = answer.status == 403 || answer.data() == Value::Array(Vec::new());
                verdict.want(
                    "past the end there is nothing",
                    is_empty,
                    "an empty page",
                    &answer.line(),
                );
            })
            .await;
        walk(session, &list).await;
    }
}

fn page(answer: &Answer, limit: u64, offset: u64, verdict: &mut Verdict) {
    verdict.good(answer);
    if answer.status != 200 {
        return;
    }
    let json = answer.json();
    let (pagination, count) = (&json["pagination"], json["data"].as_array().map_or(0, Vec::len) as u64);
    let said = |name: &str| pagination[name].as_u64();
    let rule = "pagination is {total, limit, offset, has_more} and says what is so";
    let is_so = said("limit") == Some(limit) && said("offset") == Some(offset) && count <= limit;
    verdict.want(
        rule,
        is_so,
        &format!("limit {limit}, offset {offset}, at most {limit} things"),
        &format!("{count} things, {pagination}"),
    );
    let total = said("total").unwrap_or_default();
    let has_more = offset.saturating_add(count) < total;
    let holds = said("total").is_some() && pagination["has_more"].as_bool() == Some(has_more);
    verdict.want(rule, holds, &format!("has_more: {has_more}"), &pagination.to_string());
}

/// By cursor and in one page: the same things in the same order, none of them twice. A deployment at work may make or
/// lose things meanwhile; only a walk that nothing came into tells anything.
async fn walk(session: &mut Session, list: &Operation) {
    let name = format!("{}: a walk", list.shown());
    let sent = format!("GET {}?limit=1&cursor=… up to {PAGES_MAX} times", list.template);
    let mut verdict = Verdict::default();
    let at_once = Ask::get(format!("{}?limit={PAGES_MAX}", list.path("")));
    for _ in 0..WALKS_MAX {
        let Ok(before) = session.send(&at_once).await else {
            return;
        };
        let Ok(found) = by_cursor(session, list).await else {
            return;
        };
        let Ok(after) = session.send(&at_once).await else {
            return;
        };
        if ids(&before) != ids(&after) {
            continue;
        }
        if found.len() < 2 && ids(&after).len() < 2 {
            verdict.skip("a list has fewer than two things");
        } else {
            compare(&found, &ids(&after), &mut verdict);
        }
        return session.record(GROUP, name, verdict, sent, None);
    }
    session.skip(GROUP, &name, "a list changes faster than it can be walked");
}

/// What the first pages hold, one thing each.
async fn by_cursor(session: &mut Session, list: &Operation) -> Result<Vec<String>, NoAnswer> {
    let (mut found, mut more) = (Vec::new(), String::new());
    for _ in 0..PAGES_MAX {
        let ask = Ask::get(format!("{}?limit=1{more}", list.path("")));
        let answer = session.send(&ask).await?;
        found.extend(ids(&answer));
        match answer.json()["pagination"]["next_cursor"].as_str() {
            Some(cursor) => more = format!("&cursor={cursor}"),
            None => break,
        }
    }
    Ok(found)
}

fn compare(found: &[String], at_once: &[String], verdict: &mut Verdict) {
    let (by_walk, by_page) = (format!("{found:?}"), format!("{at_once:?}"));
    let unique: BTreeSet<_> = found.iter().collect();
    let rule = "a walk finds nothing twice";
    verdict.want(rule, unique.len() == found.len(), "each thing once", &by_walk);
    let rule = "a walk finds what one large page has, in its order";
    verdict.want(rule, found == at_once, &by_page, &by_walk);
}

fn ids(answer: &Answer) -> Vec<String> {
    let data = answer.data();
    let things = data.as_array().into_iter().flatten();
    things
        .map(|thing| thing["id"].as_str().unwrap_or_default().to_owned())
        .collect()
}
