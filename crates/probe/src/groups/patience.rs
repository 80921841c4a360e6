//! Clients that are slow or silent: nothing may hang for ever. These run beside everything else, as they take their
//! time.

use std::time::Duration;

use tokio::{task::JoinHandle, time::Instant};

use crate::{
    document::PUBLIC,
    session::{NoAnswer, Session, Verdict},
    wire::{Exchange, Target},
};

pub(crate) const GROUP: &str = "patience";

/// How often limits may come in between.
const TRIES_MAX: usize = 3;

/// One connection that is slow in its own way.
pub(crate) struct Slow {
    name: &'static str,
    /// Whether an answer must come, and not only an end.
    is_owed: bool,
    bytes: String,
    task: JoinHandle<Option<(Exchange, Duration)>>,
}

/// Starts them all.
pub(crate) fn begin(session: &mut Session) -> Vec<Slow> {
    let (target, key) = (session.settings.target.clone(), session.settings.key.clone());
    let hang = session.settings.hang;
    let (host, prefix) = (target.authority(), target.prefix().to_owned());
    let post = format!(
        "POST {prefix}{PUBLIC}/agents HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    );
    let all = [
        ("a connection that says nothing", String::new(), false),
        (
            "half a head and then silence",
            format!("GET {prefix}{PUBLIC}/agents HTTP/1.1\r\nHo"),
            false,
        ),
        (
            "half a body and then silence",
            format!("{post}Content-Length: 100\r\n\r\n{{\"zzz_unknown\":"),
            true,
        ),
        (
            "half a chunk and then silence",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n20\r\n{{\"zzz"),
            true,
        ),
    ];
    if session.spend(all.len()).is_err() {
        return Vec::new();
    }
    let slow = all.map(|(name, bytes, is_owed)| Slow {
        name,
        is_owed,
        task: tokio::spawn(say_and_wait(target.clone(), bytes.clone(), hang)),
        bytes,
    });
    slow.into()
}

/// How long it took until the server closed, and what it said before.
async fn say_and_wait(target: Target, bytes: String, hang: Duration) -> Option<(Exchange, Duration)> {
    let began = Instant::now();
    let mut connection = target.connect(Duration::from_secs(10)).await.ok()?;
    connection.send(bytes.as_bytes(), hang).await.ok()?;
    let exchange = connection.everything(1, hang).await;
    Some((exchange, began.elapsed()))
}

/// Says it again for as long as a limit answers, which tells nothing about silence.
async fn past_limits(
    session: &mut Session,
    bytes: &str,
    mut came: Option<(Exchange, Duration)>,
) -> Option<(Exchange, Duration)> {
    for _ in 0..TRIES_MAX {
        let limit = came.as_ref().and_then(|(exchange, _)| exchange.limit().cloned());
        let Some(limit) = limit else { break };
        if session.obey_over_a_socket(&limit).await.is_err() || session.spend(1).is_err() {
            break;
        }
        let (target, hang) = (session.settings.target.clone(), session.settings.hang);
        came = say_and_wait(target, bytes.to_owned(), hang).await;
    }
    came
}

/// Waits for them all.
pub(crate) async fn end(session: &mut Session, all: Vec<Slow>) {
    if !session.is_reachable || all.is_empty() {
        return;
    }
    session.begin(GROUP);
    for slow in all {
        let sent = format!("{}, over a socket", slow.name);
        let stop = session.settings.stop.clone();
        let Some(came) = stop.run_until_cancelled(slow.task).await else {
            session.cut(&NoAnswer::Stopped.to_string());
            session.skip(GROUP, slow.name, &NoAnswer::Stopped.to_string());
            continue;
        };
        let came = came.ok().flatten();
        let Some((exchange, took)) = past_limits(session, &slow.bytes, came).await else {
            session.skip(GROUP, slow.name, "no connection");
            continue;
        };
        if exchange.limit().is_some() {
            session.skip_for_limits(GROUP, slow.name);
            continue;
        }
        let mut verdict = Verdict::default();
        let has_ended = exchange.is_closed || !exchange.answers.is_empty();
        let rule = "no client can keep a connection by silence";
        verdict.want(
            rule,
            has_ended,
            &format!("an end within {:?}", session.settings.hang),
            &format!("still open after {took:?}"),
        );
        let answer = exchange.answers.first();
        if slow.is_owed {
            let pair = answer.map(crate::answer::Answer::pair).unwrap_or_default();
            let wanted = [
                "bad_request.request_timeout",
                "unauthorized.invalid_api_key",
                "forbidden.insufficient_scope",
            ];
            let rule = "a body that does not come is told so";
            verdict.want(
                rule,
                wanted.contains(&pair.as_str()),
                wanted[0],
                &answer.map(crate::answer::Answer::line).unwrap_or_default(),
            );
        }
        let id = answer.and_then(crate::answer::Answer::request_id);
        if let Some(answer) = answer {
            crate::rules::any(session, answer, false, &mut verdict);
        }
        session.record(GROUP, slow.name, verdict, sent, id);
    }
}
