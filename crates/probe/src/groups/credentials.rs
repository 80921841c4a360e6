//! Who asks: nobody, somebody unknown, somebody who writes it wrong.

use crate::{
    ask::{As, Ask},
    groups::nobody,
    session::Session,
};

const GROUP: &str = "credentials";

pub(crate) async fn run(session: &mut Session) {
    for operation in session.document.operations.clone() {
        if operation.is_open {
            continue;
        }
        let ask = operation.ask(&nobody()).by_nobody();
        session
            .check(
                GROUP,
                format!("{} by nobody", operation.shown()),
                ask,
                |answer, verdict| {
                    verdict.pair(answer, &["unauthorized.missing_credentials"]);
                },
            )
            .await;
    }
    let Some(list) = session.example.clone() else {
        return;
    };
    let ask = Ask::get(list.path(""));
    session
        .check(GROUP, "the key is good", ask.clone(), |answer, verdict| {
            verdict.good(answer);
        })
        .await;
    wrong(session, &ask).await;
    right(session, &ask).await;
}

/// Few of them, as refused credentials are counted by address.
async fn wrong(session: &mut Session, ask: &Ask) {
    let key = session.settings.key.clone();
    let half: String = key.chars().take(key.chars().count() / 2).collect();
    // The last character carries bits of a checksum or none at all; one in the middle always counts.
    let mut other: Vec<char> = key.chars().collect();
    let middle = other.len() * 3 / 4;
    if let Some(char) = other.get_mut(middle) {
        *char = if *char == 'x' { 'y' } else { 'x' };
    }
    let other: String = other.into_iter().collect();
    session.secrets.hide(&half, "$HALF_OF_KEY");
    session.secrets.hide(&other, "$KEY_WITH_ONE_CHARACTER_CHANGED");
    let any = [
        "unauthorized.malformed_credentials",
        "unauthorized.invalid_api_key",
        "unauthorized.invalid_token",
    ];
    // A token of an issuer has two dots, and is refused as such.
    let changed = if key.matches('.').count() == 2 {
        &any[2..]
    } else {
        &any[1..2]
    };
    for (name, value, wanted) in [
        ("another scheme", "Basic dXNlcjpwYXNz".to_owned(), &any[..1]),
        ("no token", "Bearer".to_owned(), &any[..1]),
        ("an empty token", "Bearer ".to_owned(), &any[..1]),
        ("two tokens", format!("Bearer {key} {key}"), &any[..1]),
        ("a key without its scheme", key.clone(), &any[..1]),
        ("half a key", format!("Bearer {half}"), &any[..]),
        ("a key with one character changed", format!("Bearer {other}"), changed),
        (
            "an unsigned token",
            "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.".to_owned(),
            &any[2..],
        ),
        (
            "a token signed by nobody",
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.AAAA".to_owned(),
            &any[2..],
        ),
        ("a token that is no token", "Bearer a.b.c".to_owned(), &any[2..]),
        ("a very long token", format!("Bearer {}", "a".repeat(8000)), &any[..2]),
    ] {
        let ask = ask.clone().by(As::Other(value));
        session
            .check(GROUP, name, ask, |answer, verdict| verdict.pair(answer, wanted))
            .await;
    }
    let ask = ask.clone().header("Authorization", &format!("Bearer {key}"));
    session
        .check(GROUP, "two headers with keys", ask, |answer, verdict| {
            verdict.pair(
                answer,
                &["unauthorized.malformed_credentials", "bad_request.malformed_header"],
            );
        })
        .await;
}

async fn right(session: &mut Session, ask: &Ask) {
    let key = session.settings.key.clone();
    let ask_as = |value: String| ask.clone().by(As::Other(value));
    session
        .check(
            GROUP,
            "the scheme in lower case",
            ask_as(format!("bearer {key}")),
            |answer, verdict| verdict.good(answer),
        )
        .await;
    let path = format!("{}?api_key={key}", ask.path);
    session
        .check(
            GROUP,
            "a key in the query is no credential",
            Ask::get(path).by_nobody(),
            |answer, verdict| {
                verdict.pair(answer, &["unauthorized.missing_credentials"]);
            },
        )
        .await;
    let ask = ask.clone().by_nobody().header("Cookie", &format!("key={key}"));
    session
        .check(GROUP, "a key in a cookie is no credential", ask, |answer, verdict| {
            verdict.pair(answer, &["unauthorized.missing_credentials"]);
        })
        .await;
}
