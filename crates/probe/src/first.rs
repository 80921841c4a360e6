//! The first look: whether the API is there and takes the key. Who asks in the wrong place, or with a key that is no
//! good, is told so at once: every further answer would only say it again, and refused keys are counted.

use crate::{
    answer::Answer,
    ask::Ask,
    session::{NoAnswer, Session},
    wire::Target,
};

/// Most characters of what somebody else wrote in a sentence of ours.
const REMOTE_CHARS_MAX: usize = 200;

/// What the first answer to a list says of those to all others.
enum Look {
    /// The key may read it.
    Open,
    /// Another list may answer otherwise.
    Closed(String),
    /// No other list will.
    Refused(String),
    /// Nothing about the key or the address.
    Unclear,
}

/// Finds a list that the key may read: by one that it may not, nothing could be told. Gives why nothing can be asked
/// at all, if so.
pub(crate) async fn look(session: &mut Session) -> Option<String> {
    let lists = session.document.examples();
    session.example = lists.first().cloned();
    let (mut closed, mut is_clear) = (None, true);
    for list in lists {
        let path = list.path("");
        let answer = session.send(&Ask::get(format!("{path}?limit=1"))).await;
        match look_at(session, &path, answer) {
            Look::Open => {
                session.example = Some(list);
                session.can_look = true;
                return None;
            }
            Look::Closed(why) => closed = closed.or(Some(why)),
            Look::Refused(why) => return Some(why),
            Look::Unclear => is_clear = false,
        }
    }
    session.cut("no list could be read");
    // One that may not be read says nothing of those that could not.
    closed.filter(|_| is_clear)
}

/// A sentence for where no answer came at all.
pub(crate) fn nobody(session: &Session) -> String {
    let base = session.settings.target.base();
    let why = after(": ", session.lost.as_deref().unwrap_or_default());
    format!("nobody answers at {base} as HTTP would{why}")
}

fn look_at(session: &Session, path: &str, answer: Result<Answer, NoAnswer>) -> Look {
    // What fails, or stands before what fails, says nothing of the key or the address.
    let Some(answer) = answer.ok().filter(|answer| answer.status < 500) else {
        return Look::Unclear;
    };
    // A deployment that describes itself is one, whatever it answers.
    if !session.document.is_its_own {
        if is_of_something_else(&answer) {
            return Look::Refused(no_api(session, path, &answer));
        }
        if answer.pair() == "not_found.route_not_found" {
            return Look::Closed(no_api(session, path, &answer));
        }
    }
    match answer.status {
        200 => Look::Open,
        // Those of a scope or a role may be others for another list.
        403 if answer.pair().starts_with("forbidden.insufficient_") => Look::Closed(no_key(session, &answer)),
        401 | 403 => Look::Refused(no_key(session, &answer)),
        _ => Look::Unclear,
    }
}

fn is_of_something_else(answer: &Answer) -> bool {
    let json = answer.json();
    is_redirect(answer) || (!json["data"].is_array() && !json["error"]["code"].is_string())
}

fn is_redirect(answer: &Answer) -> bool {
    matches!(answer.status, 301 | 302 | 303 | 307 | 308)
}

/// A sentence that blames the key.
fn no_key(session: &Session, answer: &Answer) -> String {
    let pair = answer.pair();
    let what = match pair.as_str() {
        "unauthorized.invalid_api_key" => "the key is not known there; was it made for another deployment?",
        "unauthorized.revoked_api_key" => "the key was revoked",
        "unauthorized.expired_api_key" => "the key has expired",
        "unauthorized.malformed_credentials" => "the key is not written like one of theirs",
        "unauthorized.expired_token" => "the token has expired",
        "unauthorized.invalid_token" => "the token is not valid there",
        "forbidden.ip_not_allowed" => "the key may not be used from this address",
        "forbidden.insufficient_scope" | "forbidden.insufficient_role" => "the key may read no list there",
        _ => "the key is refused there",
    };
    let pair = after(" ", pair.trim_matches('.'));
    let id = after(", request ", answer.header("x-request-id").unwrap_or_default());
    session.secrets.redact(&format!("{what} ({}{pair}{id})", answer.status))
}

/// A sentence that blames the address, and says which one may be right.
fn no_api(session: &Session, path: &str, answer: &Answer) -> String {
    let target = &session.settings.target;
    let said = format!(
        "{} answers as no such API ({} to GET {path}); {}",
        target.base(),
        answer.status,
        hint(target, path, answer)
    );
    session.secrets.redact(&said)
}

fn hint(target: &Target, path: &str, answer: &Answer) -> String {
    if let Some(location) = answer.header("location").filter(|_| is_redirect(answer)) {
        return match elsewhere(target, path, location) {
            Some(found) => format!("it sends to {}, so name that deployment", shown(&found.base())),
            None => format!("it sends to {}; is it the address of a deployment?", shown(location)),
        };
    }
    if target.prefix().is_empty() {
        "is it the address of a deployment?".to_owned()
    } else {
        format!("name the base without the path, {}", target.origin())
    }
}

/// The base that a redirect leads to: what stands before the path that was asked for. `None` where that is no other.
fn elsewhere(target: &Target, path: &str, location: &str) -> Option<Target> {
    let (before, _) = location.split_once(path)?;
    let is_here = before.is_empty() || (before.starts_with('/') && !before.starts_with("//"));
    let base = if is_here {
        format!("{}{before}", target.origin())
    } else {
        before.to_owned()
    };
    base.parse::<Target>().ok().filter(|found| found != target)
}

/// What somebody else wrote, after `words`; nothing at all where there is nothing.
fn after(words: &str, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{words}{}", shown(text))
    }
}

/// What somebody else wrote, short, and harmless to a terminal.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == REMOTE_CHARS_MAX {
            shown.push('…');
            break;
        }
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_somebody_else_wrote_is_short_and_harmless() {
        for (text, harmless) in [
            ("forbidden.ip_not_allowed", "forbidden.ip_not_allowed"),
            ("ключ 'x' \\", "ключ 'x' \\"),
            ("\u{1b}[2J\r\n\u{9b}", r"\u{1b}[2J\r\n\u{9b}"),
        ] {
            assert_eq!(shown(text), harmless);
        }
        assert_eq!(shown(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(shown(&"ä".repeat(201)), "ä".repeat(200) + "…");
        assert_eq!((after(", ", "").as_str(), after(", ", "x").as_str()), ("", ", x"));
    }

    #[test]
    fn a_redirect_gives_a_base_that_can_be_named() {
        let here: Target = "http://here.example/below".parse().unwrap();
        for (location, base) in [
            ("https://voice.example/a/list?limit=1", Some("https://voice.example")),
            ("https://voice.example/b/a/list", Some("https://voice.example/b")),
            ("/a/list", Some("http://here.example")),
            ("/b/a/list", Some("http://here.example/b")),
            ("/below/a/list/", None),
            ("/login", None),
            ("//voice.example/a/list", None),
            ("below/a/list", None),
            ("https://login.example/?next=/a/list", None),
            ("https://login.example?next=/a/list", None),
            ("", None),
        ] {
            let found = elsewhere(&here, "/a/list", location).map(|found| found.base());
            assert_eq!(found.as_deref(), base, "{location}");
        }
    }
}
