//! Asks a running deployment whether it keeps the contract: sends hundreds of good, bad and hostile requests, and
//! says which rule each wrong answer broke.
//!
//! It speaks HTTP/1.1 by itself, over a socket of its own, since much of what it sends no HTTP library would. It
//! changes nothing unless it is told that it may, and then removes what it made.

mod answer;
mod ask;
mod document;
mod first;
mod groups;
mod leaks;
mod report;
mod rules;
mod secrets;
mod session;
mod wire;

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use groups::NAMES as GROUPS;
pub use report::{Break, Check, Conclusion, Outcome, Report};
pub use wire::{BadUrl, Target};

use crate::{document::Document, session::Session};

/// What to ask, and how much of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the deployment is.
    pub target: Target,
    /// A key of it.
    pub key: String,
    /// Whether things may be made, changed and deleted.
    pub allow_writes: bool,
    /// Most requests.
    pub requests_max: usize,
    /// Longest time spent waiting because of limits, in all.
    pub wait_max: Duration,
    /// Longest time spent waiting until what was made can be removed, beyond everything else.
    pub clean_up_wait_max: Duration,
    /// Ends the run early: nothing more is asked, and what was made is removed.
    pub stop: CancellationToken,
    /// Longest wait for an answer.
    pub patience: Duration,
    /// Longest time that a silent client may be let be.
    pub hang: Duration,
    /// Groups to ask; all of them when none is named.
    pub only: Vec<String>,
    /// Used where the deployment serves no API document of its own.
    pub document: Value,
}

/// Tells how far it has come: a line for people.
pub type Progress = Box<dyn FnMut(&str) + Send>;

/// Asks everything there is to ask.
pub async fn run(settings: Settings, progress: Progress) -> Report {
    let mut session = Session::new(settings, progress);
    let document = Document::load(&mut session).await;
    session.know(document);
    if !session.is_reachable {
        session.refused = Some(first::nobody(&session));
        return session.into_report();
    }
    if let Some(why) = first::look(&mut session).await {
        session.refused = Some(why);
        return session.into_report();
    }
    let slow = if session.wants(groups::patience::GROUP) {
        groups::patience::begin(&mut session)
    } else {
        Vec::new()
    };
    groups::all(&mut session).await;
    groups::patience::end(&mut session, slow).await;
    session.into_report()
}
