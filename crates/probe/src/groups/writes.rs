//! What changes things: only when it is allowed, and everything that was made goes again.

use serde_json::{Value, json};

use crate::{
    Settings,
    answer::Answer,
    ask::Ask,
    document::PUBLIC,
    groups::{nobody, remains, writes_keys},
    session::{NoAnswer, Session, Verdict},
};

const GROUP: &str = "writes";

/// Requests with the same key at the same moment.
const TWINS: usize = 10;

/// How often limits may come in between.
const TRIES_MAX: usize = 3;

const RACE: &str = "ten changes of one version at once";
const SAME_KEY: &str = "ten requests with one key at once";

pub(crate) async fn run(session: &mut Session) {
    if !session.settings.allow_writes {
        return session.skip(GROUP, "creating, changing, deleting", "only with --allow-writes");
    }
    let trunks = format!("{PUBLIC}/telephony/trunks");
    if session.document.find("POST", &trunks).is_none() {
        return session.skip(
            GROUP,
            "creating, changing, deleting",
            "there are no trunks to try it with",
        );
    }
    life(session, &trunks).await;
    twins(session, &trunks).await;
    names_nothing(session).await;
    writes_keys::run(session).await;
    remains::remove(session, &trunks).await;
}

/// A trunk that leads nowhere: its address is reserved for documentation.
fn trunk(name: &str) -> Value {
    json!({ "name": name, "host": "192.0.2.4", "username": "nobody", "password": "nothing" })
}

async fn life(session: &mut Session, trunks: &str) {
    let (body, key) = (trunk(&session.name("one")), nobody());
    let create = Ask::new("POST", trunks).json(&body).header("Idempotency-Key", &key);
    let first = session
        .check(GROUP, "create", create.clone(), |answer, verdict| {
            verdict.status(answer, 201);
            let rule = "what was made is shown as it was asked for";
            verdict.want(
                rule,
                answer.data()["name"] == body["name"],
                &body.to_string(),
                &answer.line(),
            );
        })
        .await;
    let Some(first) = first.filter(|first| first.status == 201) else {
        return;
    };
    let path = format!("{trunks}/{}", first.data()["id"].as_str().unwrap_or_default());
    session.made.push(path.clone());
    location(session, &first, &path).await;
    replay(session, trunks, &create, &first, &body).await;
    changes(session, &path).await;
    end(session, &path).await;
}

async fn location(session: &mut Session, first: &Answer, path: &str) {
    let location = first.header("location").unwrap_or_default().to_owned();
    let location = location
        .strip_prefix(session.settings.target.prefix())
        .unwrap_or(&location)
        .to_owned();
    let mut verdict = Verdict::default();
    verdict.want("Location is where the new thing is", location == path, path, &location);
    session.record(
        GROUP,
        "Location",
        verdict,
        "the answer to create".to_owned(),
        first.request_id(),
    );
    let id = first.data()["id"].clone();
    session
        .check(GROUP, "what was made is there", Ask::get(path), |answer, verdict| {
            verdict.status(answer, 200);
            verdict.want(
                "what was asked for is what comes",
                answer.data()["id"] == id,
                &id.to_string(),
                &answer.line(),
            );
        })
        .await;
}

/// The same key again: the same answer, and nothing new.
async fn replay(session: &mut Session, trunks: &str, create: &Ask, first: &Answer, body: &Value) {
    let same = |answer: &Answer, verdict: &mut Verdict| {
        verdict.status(answer, 201);
        let rule = "a replay is the first answer, byte for byte";
        verdict.want(rule, answer.body == first.body, &first.line(), &answer.line());
        let mark = answer.header("idempotent-replayed").unwrap_or("none");
        verdict.want(
            "a replay says that it is one",
            mark == "true",
            "Idempotent-Replayed: true",
            mark,
        );
    };
    // Its meta is the first one's, so the rules about fresh ids don't hold for the body.
    replayed(session, "the same again", create, same).await;
    let mut other_name = create.clone();
    for (name, _) in &mut other_name.headers {
        if name == "Idempotency-Key" {
            "X-Idempotency-Key".clone_into(name);
        }
    }
    replayed(session, "the same again, by the other header", &other_name, same).await;
    let key = create
        .headers
        .iter()
        .find(|(name, _)| name == "Idempotency-Key")
        .map(|(_, key)| key.clone());
    let other = Ask::new("POST", trunks)
        .json(&trunk(&session.name("another")))
        .header("Idempotency-Key", &key.unwrap_or_default());
    session
        .check(GROUP, "the same key for something else", other, |answer, verdict| {
            verdict.pair(answer, &["validation_error.idempotency_key_reused"]);
        })
        .await;
    let list = session.send(&Ask::get(format!("{trunks}?limit=100"))).await;
    if let Ok(list) = list {
        let mut verdict = Verdict::default();
        let count = count(&list, &body["name"]);
        verdict.want("a replay makes nothing", count == 1, "one", &count.to_string());
        session.record(
            GROUP,
            "nothing new came of it",
            verdict,
            format!("GET {trunks}"),
            list.request_id(),
        );
    }
}

async fn replayed(session: &mut Session, name: &str, ask: &Ask, judge: impl Fn(&Answer, &mut Verdict)) {
    let mut verdict = Verdict::default();
    let id = match session.send(ask).await {
        Ok(answer) => {
            judge(&answer, &mut verdict);
            answer.request_id()
        }
        Err(error) => {
            verdict.skip(&error.to_string());
            None
        }
    };
    let sent = session.shown(ask);
    session.record(GROUP, name, verdict, sent, id);
}

fn count(list: &Answer, name: &Value) -> usize {
    let data = list.data();
    data.as_array()
        .into_iter()
        .flatten()
        .filter(|thing| thing["name"] == *name)
        .count()
}

/// Changes that must not overwrite each other, and changes that must not happen.
async fn changes(session: &mut Session, path: &str) {
    let tag = session
        .send(&Ask::get(path))
        .await
        .ok()
        .and_then(|answer| answer.header("etag").map(ToOwned::to_owned));
    let patch = |body: Value| Ask::new("PATCH", path).json(&body);
    let stale = patch(json!({ "name": session.name("stale") })).header("If-Match", "\"zzz\"");
    session
        .check(
            GROUP,
            "a change of a version that is not there",
            stale,
            |answer, verdict| {
                verdict.pair(answer, &["validation_error.stale_version"]);
            },
        )
        .await;
    if let Some(tag) = tag {
        let mine = patch(json!({ "name": session.name("changed") })).header("If-Match", &tag);
        let new = session
            .check(
                GROUP,
                "a change of the version that is there",
                mine.clone(),
                |answer, verdict| {
                    verdict.status(answer, 200);
                    let new = answer.header("etag").unwrap_or_default();
                    verdict.want(
                        "a change has a new ETag",
                        new != tag && !new.is_empty(),
                        "another ETag",
                        new,
                    );
                },
            )
            .await;
        session
            .check(GROUP, "the same change of the old version", mine, |answer, verdict| {
                verdict.pair(answer, &["validation_error.stale_version"]);
            })
            .await;
        let new = new
            .and_then(|answer| answer.header("etag").map(ToOwned::to_owned))
            .unwrap_or_default();
        race(session, path, &new).await;
    }
    let clear = patch(json!({ "username": null, "password": null }));
    session
        .check(GROUP, "null clears", clear, |answer, verdict| {
            verdict.status(answer, 200);
            verdict.want(
                "null clears what can be absent",
                answer.data()["username"].is_null(),
                "username: null",
                &answer.line(),
            );
        })
        .await;
    let nothing = patch(json!({}));
    session
        .check(GROUP, "a change of nothing", nothing, |answer, verdict| {
            verdict.status(answer, 200);
        })
        .await;
    let before = session
        .send(&Ask::get(path))
        .await
        .map(|answer| answer.data())
        .unwrap_or_default();
    let half = patch(json!({ "name": session.name("half"), "zzz_unknown": 1 }));
    session
        .check(GROUP, "a change that is half right", half, |answer, verdict| {
            verdict.pair(answer, &["validation_error.invalid_fields"]);
        })
        .await;
    session
        .check(
            GROUP,
            "a refused change changes nothing",
            Ask::get(path),
            |answer, verdict| {
                verdict.want(
                    "what is refused leaves no trace",
                    answer.data() == before,
                    &before.to_string(),
                    &answer.line(),
                );
            },
        )
        .await;
}

/// Several changes of one version at once: one of them wins.
async fn race(session: &mut Session, path: &str, tag: &str) {
    let asks = (0..TWINS).map(|number| {
        Ask::new("PATCH", path)
            .json(&json!({ "name": session.name(&format!("racer {number}")) }))
            .header("If-Match", tag)
    });
    let sent = format!("PATCH {path}, {TWINS} times at once");
    let asks = asks.collect();
    let answers = match at_once(session, asks, 200).await {
        Ok(answers) => answers,
        Err(error) => return session.skip(GROUP, RACE, &error.to_string()),
    };
    let mut verdict = Verdict::default();
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let rule = "of changes to one version, one wins";
    verdict.want(rule, won == 1, "one 200", &format!("{statuses:?}"));
    let others = answers.iter().filter(|answer| answer.status != 200);
    let are_told = others
        .clone()
        .all(|answer| answer.pair() == "validation_error.stale_version" || answer.status == 429);
    verdict.want(rule, are_told, "stale_version for the others", &format!("{statuses:?}"));
    all_answered(&answers, &mut verdict);
    session.record(GROUP, RACE, verdict, sent, None);
}

/// Ten requests with one key at once: one thing, ten equal answers.
async fn twins(session: &mut Session, trunks: &str) {
    let (body, key) = (trunk(&session.name("twins")), nobody());
    let ask = Ask::new("POST", trunks).json(&body).header("Idempotency-Key", &key);
    let answers = match at_once(session, vec![ask.clone(); TWINS], 201).await {
        Ok(answers) => answers,
        Err(error) => return session.skip(GROUP, SAME_KEY, &error.to_string()),
    };
    let mut verdict = Verdict::default();
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let rule = "twins have one effect, and equal answers or a wait";
    let are_waits = answers
        .iter()
        .all(|answer| answer.status == 201 || answer.status == 429);
    verdict.want(
        rule,
        are_waits && !good.is_empty(),
        "201 or 429",
        &format!("{statuses:?}"),
    );
    let are_equal = good.windows(2).all(|pair| pair[0].body == pair[1].body);
    verdict.want(
        rule,
        are_equal,
        "equal answers",
        &good.iter().map(|answer| answer.line()).collect::<Vec<_>>().join(" | "),
    );
    if let Ok(list) = session.send(&Ask::get(format!("{trunks}?limit=100"))).await {
        let count = count(&list, &body["name"]);
        verdict.want(rule, count == 1, "one thing", &count.to_string());
    }
    all_answered(&answers, &mut verdict);
    let sent = format!("{TWINS} times at once: {}", session.shown(&ask));
    session.record(GROUP, SAME_KEY, verdict, sent, None);
}

/// Each on a connection of its own; all of them again where limits kept every one from the answer that is wanted.
async fn at_once(session: &mut Session, asks: Vec<Ask>, wanted: u16) -> Result<Vec<Answer>, NoAnswer> {
    for _ in 0..TRIES_MAX {
        session.spend(asks.len())?;
        let answers = together(&session.settings, &asks).await;
        let is_served = answers.iter().any(|answer| answer.status == wanted);
        let limits = answers.iter().filter(|answer| answer.status == 429);
        let limit = limits.max_by_key(|answer| answer.retry_after()).cloned();
        match limit {
            Some(limit) if !is_served => session.obey_over_a_socket(&limit).await?,
            _ => return Ok(answers),
        }
    }
    session.cut(&NoAnswer::Room.to_string());
    Err(NoAnswer::Room)
}

fn all_answered(answers: &[Answer], verdict: &mut Verdict) {
    let rule = "every request is answered";
    let expected = format!("{TWINS} answers");
    verdict.want(rule, answers.len() == TWINS, &expected, &answers.len().to_string());
}

async fn together(settings: &Settings, asks: &[Ask]) -> Vec<Answer> {
    let all = asks.iter().map(|ask| async move {
        let mut connection = settings.target.connect(settings.patience).await.ok()?;
        let bytes = ask.bytes(&settings.target, &settings.key);
        connection.send(&bytes, settings.patience).await.ok()?;
        connection.answer(false, settings.patience).await.ok()
    });
    futures_util::future::join_all(all)
        .await
        .into_iter()
        .flatten()
        .collect()
}

/// Deleting: once, twice, and what is left.
async fn end(session: &mut Session, path: &str) {
    let stale = Ask::new("DELETE", path).header("If-Match", "\"zzz\"");
    session
        .check(
            GROUP,
            "deleting a version that is not there",
            stale,
            |answer, verdict| {
                verdict.pair(answer, &["validation_error.stale_version"]);
            },
        )
        .await;
    let delete = Ask::new("DELETE", path);
    session
        .check(GROUP, "delete", delete.clone(), |answer, verdict| {
            verdict.status(answer, 204);
        })
        .await;
    session
        .check(GROUP, "deleting it again", delete, |answer, verdict| {
            verdict.status(answer, 204);
        })
        .await;
    let change = json!({ "name": session.name("gone") });
    for ask in [Ask::get(path), Ask::new("PATCH", path).json(&change)] {
        let name = format!("{} of what is gone", ask.method);
        session
            .check(GROUP, name, ask, |answer, verdict| {
                verdict.pair(answer, &["not_found.resource_not_found"]);
            })
            .await;
    }
}

/// An id in a body that names nothing.
async fn names_nothing(session: &mut Session) {
    let import = format!("{PUBLIC}/telephony/numbers/import");
    if session.document.find("POST", &import).is_none() {
        return;
    }
    for id in [nobody(), "x".to_owned()] {
        let body = json!({ "phone_number": "+14155550100", "trunk_id": id });
        let answer = session
            .check(
                GROUP,
                "an id in the body that names nothing",
                Ask::new("POST", &import).json(&body),
                |answer, verdict| {
                    verdict.pair(answer, &["not_found.resource_not_found"]);
                    let field = &answer.details()["field"];
                    let rule = "an id in the body that names nothing is told with its field";
                    verdict.want(rule, field == "trunk_id", "field: trunk_id", &field.to_string());
                },
            )
            .await;
        if let Some(made) = answer.filter(|answer| answer.status == 201) {
            let id = made.data()["id"].as_str().unwrap_or_default().to_owned();
            session.made.push(format!("{PUBLIC}/telephony/numbers/{id}"));
        }
    }
}
