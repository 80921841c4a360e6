//! Headers of requests that should change little, and headers of answers that should always be there.

use crate::{ask::Ask, groups::nobody, session::Session};

const GROUP: &str = "headers";

pub(crate) async fn run(session: &mut Session) {
    let Some(list) = session.example.clone() else {
        return;
    };
    let ask = Ask::get(format!("{}?limit=1", list.path("")));
    own_id(session, &ask).await;
    for (name, header, value) in [
        ("a wish for XML", "Accept", "application/xml"),
        ("a wish for nothing in particular", "Accept", "*/*"),
        ("a wish that is none", "Accept", ";;;"),
        ("another language", "Accept-Language", "tlh, *;q=0"),
        ("another encoding", "Accept-Encoding", "gzip, br, zstd"),
        ("a range of a list", "Range", "bytes=0-1"),
        ("another method in a header", "X-HTTP-Method-Override", "DELETE"),
        ("another host in a header", "X-Forwarded-Host", "elsewhere.example"),
        ("another path in a header", "X-Original-URL", "/admin"),
        ("an origin", "Origin", "https://elsewhere.example"),
        ("a header of 8 000 bytes", "X-Large", &"a".repeat(8000)),
        ("an empty header", "X-Empty", ""),
    ] {
        let ask = ask.clone().header(header, value);
        session
            .check(GROUP, name, ask, |answer, verdict| {
                let refuses = answer.pair() == "bad_request.unsupported_media_type" && header == "Accept";
                if !refuses {
                    verdict.good(answer);
                }
                let origin = answer.header("access-control-allow-origin").unwrap_or_default();
                let rule = "no foreign origin gets to read with credentials";
                verdict.want(rule, origin != "https://elsewhere.example", "not this origin", origin);
            })
            .await;
    }
    head(session, &ask).await;
    json_of_errors(session).await;
}

async fn own_id(session: &mut Session, ask: &Ask) {
    let own = "019a3b5e-7c00-7000-8000-0000000000ff";
    for value in [own, "order-42", "a b{}\"", &"x".repeat(4000)] {
        let ask = ask.clone().header("X-Request-Id", value);
        session
            .check(
                GROUP,
                format!("an id of the client's own: {value:.40}"),
                ask,
                |answer, verdict| {
                    let id = answer.header("x-request-id").unwrap_or_default();
                    verdict.want(
                        "a client's own id never replaces the server's",
                        id != value,
                        "the server's id",
                        id,
                    );
                },
            )
            .await;
    }
}

async fn head(session: &mut Session, ask: &Ask) {
    let mut ask = ask.clone();
    "HEAD".clone_into(&mut ask.method);
    let can_look = session.can_look;
    session
        .check(GROUP, "HEAD where there is GET", ask.clone(), |answer, verdict| {
            // Without a body it does not say which right is lacking.
            if can_look {
                verdict.good(answer);
            } else {
                verdict.skip("the key may not do this");
            }
            verdict.want("HEAD has no body", answer.body.is_empty(), "no body", &answer.line());
        })
        .await;
    session
        .check(GROUP, "HEAD by nobody", ask.by_nobody(), |answer, verdict| {
            verdict.status(answer, 401);
        })
        .await;
    let options = Ask::new("OPTIONS", "/api/public/v1/zzz").by_nobody();
    session
        .check(GROUP, "OPTIONS where there is nothing", options, |answer, verdict| {
            let holds = matches!(answer.status, 200..=299 | 404);
            verdict.want(
                "the status is the one the rules say",
                holds,
                "2xx or 404",
                &answer.line(),
            );
        })
        .await;
}

/// An error stays JSON, whatever was wished for.
async fn json_of_errors(session: &mut Session) {
    let Some(operation) = session
        .document
        .with_id()
        .into_iter()
        .find(|operation| operation.method == "GET")
    else {
        return;
    };
    for wish in ["text/html", "application/xml", "image/png"] {
        let ask = operation.ask(&nobody()).header("Accept", wish);
        session
            .check(
                GROUP,
                format!("an error for one who wants {wish}"),
                ask,
                |answer, verdict| {
                    verdict.pair(
                        answer,
                        &["not_found.resource_not_found", "bad_request.unsupported_media_type"],
                    );
                },
            )
            .await;
    }
}
