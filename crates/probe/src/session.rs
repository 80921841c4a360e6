//! One run: sends, waits where it is told to, judges, and remembers.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io,
    time::{Duration, Instant},
};

use contract::Reason;
use uuid::Uuid;

use crate::{
    Progress, Settings,
    answer::Answer,
    ask::Ask,
    document::{Document, Operation},
    report::{Break, Check, Outcome, Report},
    rules,
    secrets::Secrets,
    wire::Connection,
};

/// Breaks found in one answer.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    breaks: Vec<Break>,
    skip: Option<String>,
}

impl Verdict {
    /// Notes a break unless `holds`.
    pub(crate) fn want(&mut self, rule: &'static str, holds: bool, expected: &str, got: &str) {
        if !holds {
            self.breaks.push(Break {
                rule,
                expected: expected.to_owned(),
                got: got.to_owned(),
            });
        }
    }

    /// The status alone.
    pub(crate) fn status(&mut self, answer: &Answer, status: u16) {
        let rule = "the status is the one the rules say";
        self.want(rule, answer.status == status, &status.to_string(), &answer.line());
    }

    /// One of these pairs of code and reason.
    pub(crate) fn pair(&mut self, answer: &Answer, pairs: &[&str]) {
        if self.lacks_rights(answer, pairs) {
            return;
        }
        let pair = answer.pair();
        let rule = "the right code and reason answer";
        self.want(
            rule,
            pairs.contains(&pair.as_str()),
            &pairs.join(" or "),
            &answer.line(),
        );
    }

    /// This status, or else one of these pairs.
    pub(crate) fn pair_or(&mut self, answer: &Answer, status: u16, pairs: &[&str]) {
        if answer.status != status && !pairs.contains(&answer.pair().as_str()) {
            self.status(answer, status);
        }
    }

    /// A field fault of this reason at this pointer, whatever else there is.
    pub(crate) fn fault(&mut self, answer: &Answer, pointer: &str, reasons: &[&str]) {
        let found = answer.faults();
        let holds = found
            .iter()
            .any(|(at, reason)| at == pointer && (reasons.is_empty() || reasons.contains(&reason.as_str())));
        let wanted = if reasons.is_empty() {
            "any reason".to_owned()
        } else {
            reasons.join(" or ")
        };
        let rule = "all faults of a request are told at once, each with its pointer";
        self.want(
            rule,
            holds,
            &format!("{pointer}: {wanted}"),
            &format!("{} {found:?}", answer.status),
        );
    }

    /// A good answer.
    pub(crate) fn good(&mut self, answer: &Answer) {
        if !self.lacks_rights(answer, &[]) {
            let is_good = (200..300).contains(&answer.status);
            self.want("what is right is answered", is_good, "2xx", &answer.line());
        }
    }

    /// A key that may not do this tells nothing about what comes after.
    fn lacks_rights(&mut self, answer: &Answer, wanted: &[&str]) -> bool {
        let pair = answer.pair();
        let lacks = matches!(
            pair.as_str(),
            "forbidden.insufficient_scope" | "forbidden.insufficient_role"
        ) && !wanted.contains(&pair.as_str());
        if lacks {
            self.skip = Some("the key may not do this".to_owned());
        }
        lacks
    }

    pub(crate) fn skip(&mut self, why: &str) {
        self.skip = Some(why.to_owned());
    }
}

pub(crate) struct Session {
    pub(crate) settings: Settings,
    pub(crate) document: Document,
    /// Whether it has answered yet.
    pub(crate) is_reachable: bool,
    /// What came in place of the last answer that did not come.
    pub(crate) lost: Option<String>,
    /// Why nothing can be asked: the address or the key is not right.
    pub(crate) refused: Option<String>,
    /// A list to ask for where any will do: one that the key may read, if there is one.
    pub(crate) example: Option<Operation>,
    /// Whether the key may read it.
    pub(crate) can_look: bool,
    progress: Progress,
    connection: Option<Connection>,
    checks: Vec<Check>,
    notes: Vec<String>,
    /// What kept us from asking everything.
    cut_short: Vec<String>,
    requests: usize,
    waited: Duration,
    /// Time spent waiting to remove what was made.
    cleared_for: Duration,
    began: Instant,
    /// Ids of answers so far.
    seen_ids: HashSet<String>,
    /// Stands in the name of everything that this run makes.
    mark: String,
    /// Paths of what was made and not yet removed.
    pub(crate) made: Vec<String>,
    /// What must not get into the report.
    pub(crate) secrets: Secrets,
    /// Pairs of code and reason that came, for their pages.
    pub(crate) pairs: BTreeSet<String>,
    /// Every pair that the deployment's catalogue has.
    pub(crate) catalogue: BTreeSet<String>,
    /// Facts that errors of a reason always have.
    pub(crate) facts: BTreeMap<String, Vec<String>>,
}

/// How often a request that must arrive is sent.
const TRIES_MAX: u32 = 8;

/// Why no answer is there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("--max-requests are used up")]
    Requests,
    #[error("limits would have made us wait longer than --max-wait-seconds")]
    Waits,
    #[error("limits left no room for it")]
    Room,
    #[error("it was stopped")]
    Stopped,
    #[error("{0}")]
    Lost(io::Error),
}

impl Session {
    pub(crate) fn new(settings: Settings, progress: Progress) -> Self {
        let pair = |reason: &Reason| format!("{}.{}", reason.code().name(), reason.name());
        let mut secrets = Secrets::default();
        secrets.hide(&settings.key, "$KEY");
        // Its last part is chance.
        let id = Uuid::now_v7().simple().to_string();
        Self {
            mark: format!("contract-check {}", &id[20..]),
            made: Vec::new(),
            secrets,
            settings,
            progress,
            document: Document::default(),
            is_reachable: false,
            lost: None,
            refused: None,
            example: None,
            can_look: false,
            connection: None,
            checks: Vec::new(),
            notes: Vec::new(),
            cut_short: Vec::new(),
            requests: 0,
            waited: Duration::ZERO,
            cleared_for: Duration::ZERO,
            began: Instant::now(),
            seen_ids: HashSet::new(),
            pairs: BTreeSet::new(),
            catalogue: Reason::ALL.iter().map(pair).collect(),
            facts: Reason::ALL
                .iter()
                .map(|reason| (pair(reason), rules::facts(*reason)))
                .collect(),
        }
    }

    pub(crate) fn know(&mut self, document: Document) {
        self.document = document;
    }

    pub(crate) fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    /// A name for something that this run makes; no other run's begins like it.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("{}, {what}", self.mark)
    }

    /// Whether this run gave something its name.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        name.starts_with(&self.mark)
    }

    /// Remembers that not everything could be asked.
    pub(crate) fn cut(&mut self, why: &str) {
        if !self.cut_short.iter().any(|known| known == why) {
            self.cut_short.push(why.to_owned());
        }
    }

    /// Skips what limits kept from being asked, however often it was tried.
    pub(crate) fn skip_for_limits(&mut self, group: &'static str, name: &str) {
        let why = NoAnswer::Room.to_string();
        self.cut(&why);
        self.skip(group, name, &why);
    }

    /// Whether a group is to be asked.
    pub(crate) fn wants(&self, group: &str) -> bool {
        self.settings.only.is_empty() || self.settings.only.iter().any(|only| only == group)
    }

    /// Tells that a group begins.
    pub(crate) fn begin(&mut self, group: &str) {
        let text = format!("{group} … ({} checks so far)", self.checks.len());
        (self.progress)(&text);
    }

    /// Sends a request and judges its answer: first by what holds for every answer, then by `judge`. Gives the answer
    /// where there is one.
    pub(crate) async fn check(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        ask: Ask,
        judge: impl FnOnce(&Answer, &mut Verdict),
    ) -> Option<Answer> {
        let answer = self.send(&ask).await;
        let mut verdict = Verdict::default();
        let answer = match answer {
            Ok(answer) => Some(answer),
            Err(NoAnswer::Lost(error)) => {
                verdict.want("every request is answered", false, "an answer", &error.to_string());
                None
            }
            Err(other) => {
                verdict.skip(&other.to_string());
                None
            }
        };
        if let Some(answer) = &answer {
            rules::every_answer(self, &ask, answer, &mut verdict);
            judge(answer, &mut verdict);
        }
        let request_id = answer.as_ref().and_then(Answer::request_id);
        let sent = self.shown(&ask);
        self.record(group, name, verdict, sent, request_id);
        answer
    }

    /// Judges what did not come from one request. Nothing of a credential is kept, wherever it stands.
    pub(crate) fn record(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        verdict: Verdict,
        sent: String,
        request_id: Option<String>,
    ) {
        // What has to be asked first is not judged where another group is wanted.
        if !self.wants(group) && group != "limits" {
            return;
        }
        let redact = |text: &String| self.secrets.redact(text);
        let breaks = verdict.breaks.iter().map(|one| Break {
            rule: one.rule,
            expected: redact(&one.expected),
            got: redact(&one.got),
        });
        let outcome = match &verdict.skip {
            _ if !verdict.breaks.is_empty() => Outcome::Broken {
                breaks: breaks.collect(),
            },
            Some(why) => Outcome::Skipped { why: redact(why) },
            None => Outcome::Passed,
        };
        self.checks.push(Check {
            group,
            name: redact(&name.into()),
            outcome,
            sent: redact(&sent),
            request_id: request_id.as_ref().map(redact),
        });
    }

    /// A request as a command.
    pub(crate) fn shown(&self, ask: &Ask) -> String {
        ask.curl(&self.settings.target)
    }

    pub(crate) fn skip(&mut self, group: &'static str, name: &str, why: &str) {
        let mut verdict = Verdict::default();
        verdict.skip(why);
        self.record(group, name, verdict, String::new(), None);
    }

    /// Sends until the answer is no wait: limits are obeyed, and what they say is judged.
    pub(crate) async fn send(&mut self, ask: &Ask) -> Result<Answer, NoAnswer> {
        loop {
            self.spend(1)?;
            let answer = match self.exchange(ask).await {
                Ok(answer) => answer,
                Err(error) => {
                    self.lost = Some(error.to_string());
                    return Err(NoAnswer::Lost(error));
                }
            };
            self.is_reachable = true;
            if answer.status != 429 {
                return Ok(answer);
            }
            self.obey(ask, &answer).await?;
        }
    }

    async fn obey(&mut self, ask: &Ask, answer: &Answer) -> Result<(), NoAnswer> {
        let mut verdict = Verdict::default();
        rules::every_answer(self, ask, answer, &mut verdict);
        let sent = self.shown(ask);
        self.wait(answer, verdict, sent).await
    }

    /// Waits as long as an answer to requests sent on other ways asks for.
    pub(crate) async fn obey_over_a_socket(&mut self, answer: &Answer) -> Result<(), NoAnswer> {
        let mut verdict = Verdict::default();
        rules::any(self, answer, false, &mut verdict);
        self.wait(answer, verdict, "over a socket".to_owned()).await
    }

    async fn wait(&mut self, answer: &Answer, verdict: Verdict, sent: String) -> Result<(), NoAnswer> {
        let id = answer.request_id();
        self.record("limits", "a limit says how long to wait", verdict, sent, id);
        let wait = answer.retry_after();
        // A deployment may ask for more time than there is.
        let waited = self.waited.saturating_add(wait);
        if waited > self.settings.wait_max {
            self.cut(&NoAnswer::Waits.to_string());
            return Err(NoAnswer::Waits);
        }
        let policy = self
            .secrets
            .redact(answer.details()["policy"].as_str().unwrap_or("a limit"));
        (self.progress)(&format!("waiting {} s, as {policy} asks for", wait.as_secs()));
        self.waited = waited;
        self.connection = None;
        let stop = self.settings.stop.clone();
        // Whoever stops the run in a wait is told so by the next request.
        let _ = stop.run_until_cancelled(tokio::time::sleep(wait)).await;
        Ok(())
    }

    /// Sends whatever was used up, and waits for limits and through failures: for removing what was made.
    pub(crate) async fn insist(&mut self, ask: &Ask) -> Result<Answer, NoAnswer> {
        let mut tries = 0;
        loop {
            tries += 1;
            self.requests += 1;
            let came = self.exchange(ask).await.map_err(NoAnswer::Lost);
            let wait = match &came {
                Ok(answer) if answer.status == 429 => answer.retry_after(),
                Ok(answer) if answer.status < 500 => return came,
                _ => Duration::from_secs(1),
            };
            self.cleared_for = self.cleared_for.saturating_add(wait);
            if tries >= TRIES_MAX || self.cleared_for > self.settings.clean_up_wait_max {
                return came;
            }
            (self.progress)(&format!("waiting {} s to remove what was made", wait.as_secs()));
            self.connection = None;
            tokio::time::sleep(wait).await;
        }
    }

    async fn exchange(&mut self, ask: &Ask) -> io::Result<Answer> {
        let bytes = ask.bytes(&self.settings.target, &self.settings.key);
        let (is_head, patience) = (ask.method == "HEAD", self.settings.patience);
        if let Some(mut connection) = self.connection.take() {
            // A server may close an idle connection at any time; then a fresh one decides.
            if connection.send(&bytes, patience).await.is_ok()
                && let Ok(answer) = connection.answer(is_head, patience).await
            {
                self.keep(connection, &answer);
                return Ok(answer);
            }
        }
        let mut connection = self.settings.target.connect(patience).await?;
        // The server may answer and close before it has read everything.
        let _ = connection.send(&bytes, patience).await;
        let answer = connection.answer(is_head, patience).await?;
        self.keep(connection, &answer);
        Ok(answer)
    }

    fn keep(&mut self, connection: Connection, answer: &Answer) {
        let closes = answer
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let is_framed = answer.header("content-length").is_some()
            || answer.header("transfer-encoding").is_some()
            || matches!(answer.status, 204 | 304);
        self.connection = (!closes && is_framed).then_some(connection);
    }

    /// Counts requests before they are sent.
    pub(crate) fn spend(&mut self, requests: usize) -> Result<(), NoAnswer> {
        let refusal = if self.settings.stop.is_cancelled() {
            NoAnswer::Stopped
        } else if self.requests >= self.settings.requests_max {
            NoAnswer::Requests
        } else {
            self.requests += requests;
            return Ok(());
        };
        self.cut(&refusal.to_string());
        Err(refusal)
    }

    /// Whether an id has not been seen before.
    pub(crate) fn is_fresh(&mut self, id: &str) -> bool {
        self.seen_ids.insert(id.to_owned())
    }

    pub(crate) fn into_report(self) -> Report {
        Report {
            base_url: self.settings.target.base(),
            allow_writes: self.settings.allow_writes,
            requests: self.requests,
            took: self.began.elapsed(),
            is_reachable: self.is_reachable,
            refused: self.refused,
            cut_short: self.cut_short,
            notes: self.notes,
            checks: self.checks,
        }
    }
}
