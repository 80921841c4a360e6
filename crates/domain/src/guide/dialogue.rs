//! The course of one call: what is being asked, what is known, what is said next. No I/O, no clock.

use std::{
    collections::{BTreeMap, HashSet},
    mem,
    sync::Arc,
};

use chrono::NaiveDate;
use contract::{ActionKind, AfterFallback, Script, ScriptSlot, Variables};

use super::{
    corrections::{is_correction, without_marker},
    index::{Goal, Match, VERBATIM},
    talk::{Talk, talk},
    values::{Value, extract, extract_in_passing, yes_no},
    words::{content, plain, words},
};
use crate::rules::fill;

/// Answers to one question that are not understood before it is given up.
const TRIES_MAX: u8 = 3;
/// Likeness at which words in answer to a question are taken for a question of their own.
const OWN_QUESTION: f32 = 0.75;

const GREETING: &str = "Hello. How can I help you?";
const ANYTHING_ELSE: &str = "Is there anything else I can help you with?";
const GOODBYE: &str = "Thank you for calling. Goodbye.";

/// What the guide says, and whether it then ends the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    pub text: String,
    pub end_call: bool,
}

impl Reply {
    fn say(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            end_call: false,
        }
    }

    fn last(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            end_call: true,
        }
    }

    fn then(mut self, next: Self) -> Self {
        if !self.text.is_empty() && !next.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(&next.text);
        self.end_call |= next.end_call;
        self
    }
}

/// What the caller's next words answer.
#[derive(Clone, Default)]
enum Pending {
    #[default]
    Nothing,
    /// "Do you mean …?" One or two options.
    Choice { options: Vec<Goal>, tries: u8 },
    /// A slot's prompt or its confirmation.
    Slot(Filling),
}

/// A slot being filled on the way to a goal.
#[derive(Clone)]
struct Filling {
    goal: Goal,
    slot: usize,
    /// What is to be confirmed.
    heard: Option<Value>,
    tries: u8,
}

/// What was just said.
struct Said<'a> {
    words: &'a str,
    found: &'a Match,
    talk: Option<Talk>,
}

/// Memory of one call. A clone is as large as what was said so far, however large the script.
#[derive(Clone)]
pub(super) struct Dialogue {
    script: Arc<Script>,
    variables: Arc<Variables>,
    today: NaiveDate,
    pending: Pending,
    values: BTreeMap<String, Value>,
    /// Goals that were reached; asked again, they ask for their slots again.
    reached: HashSet<Goal>,
    /// The slot that was filled last, and for what: it can still be corrected.
    filled_last: Option<(Goal, usize)>,
    misses: u8,
    last_said: String,
    /// `last_said` is ours and nobody told yet what of it was heard.
    unheard: bool,
    /// `last_said` is not ours.
    told: bool,
}

impl Dialogue {
    pub(super) fn new(script: Script, variables: Variables, today: NaiveDate) -> Self {
        Self {
            script: Arc::new(script),
            variables: Arc::new(variables),
            today,
            pending: Pending::Nothing,
            values: BTreeMap::new(),
            reached: HashSet::new(),
            filled_last: None,
            misses: 0,
            last_said: String::new(),
            unheard: false,
            told: false,
        }
    }

    pub(super) fn greet(&mut self) -> Reply {
        self.saying(Reply::say(GREETING))
    }

    pub(super) fn answer(&mut self, words: &str, found: &Match) -> Reply {
        let said = Said {
            words,
            found,
            talk: talk(words).filter(|_| !is_verbatim(found)),
        };
        let reply = match mem::take(&mut self.pending) {
            Pending::Nothing => self.open(&said),
            Pending::Choice { options, tries } => self.choose(options, tries, &said),
            Pending::Slot(filling) => self.fill_slot(filling, &said),
        };
        self.saying(reply)
    }

    /// What was cut off was still said: a caller who asks for it again wants all of it.
    pub(super) fn heard(&mut self, text: &str, interrupted: bool) {
        let ours = mem::take(&mut self.unheard);
        if !(text.trim().is_empty() || ours && interrupted) {
            text.trim().clone_into(&mut self.last_said);
        }
    }

    /// What the caller heard without us is what "repeat that" means.
    pub(super) fn said(&mut self, text: &str) {
        if !text.trim().is_empty() {
            text.trim().clone_into(&mut self.last_said);
            self.unheard = false;
            self.told = true;
        }
    }

    fn saying(&mut self, reply: Reply) -> Reply {
        reply.text.clone_into(&mut self.last_said);
        self.unheard = true;
        self.told = false;
        reply
    }

    // ------------------------------------------------------------ nothing pending

    fn open(&mut self, said: &Said<'_>) -> Reply {
        if let Some(talk) = said.talk {
            return self.small_talk(talk);
        }
        match said.found {
            Match::Clear { goals, .. } => self.start(goals, said.words),
            found => match self.correct(said) {
                Some(reply) => reply,
                None => match found {
                    Match::Close(options) => self.ask_back(options.clone(), 0),
                    Match::Clear { .. } | Match::Nothing => self.miss(),
                },
            },
        }
    }

    fn small_talk(&mut self, talk: Talk) -> Reply {
        let asked = self.last_said.ends_with('?');
        let asked_else = asked && self.last_said.contains(" else");
        match talk {
            Talk::Greeting => Reply::say(GREETING),
            Talk::Thanks => Reply::say(format!("You're welcome. {ANYTHING_ELSE}")),
            Talk::Repeat if self.last_said.is_empty() => Reply::say(GREETING),
            Talk::Repeat => Reply::say(self.last_said.clone()),
            Talk::Goodbye => Reply::last(GOODBYE),
            Talk::Cancel => Reply::say("All right. What else can I do for you?"),
            Talk::No if asked_else => Reply::last(GOODBYE),
            // "Are you still there?" is an owner's question that no example answers.
            Talk::Yes if asked_else || asked && self.told => Reply::say("Please go ahead."),
            Talk::Yes | Talk::No => self.miss(),
        }
    }

    /// "Fallbacks in a row before `then` happens": that many messages are said, the next miss does `then`.
    fn miss(&mut self) -> Reply {
        let fallback = &self.script.fallback;
        if self.misses >= fallback.attempts && fallback.then == AfterFallback::EndCall {
            return Reply::last(self.filled(&fallback.goodbye, None));
        }
        self.misses = self.misses.saturating_add(1);
        Reply::say(self.filled(&self.script.fallback.message, None))
    }

    // ------------------------------------------------------------ "Do you mean …?"

    fn ask_back(&mut self, options: Vec<Goal>, tries: u8) -> Reply {
        let titles: Vec<String> = options.iter().map(|goal| self.title(*goal)).collect();
        let question = format!("Do you mean: {}?", titles.join(", or: "));
        self.pending = Pending::Choice { options, tries };
        Reply::say(question)
    }

    fn title(&self, goal: Goal) -> String {
        let (title, examples) = match goal {
            Goal::Answer(at) => (&self.script.answers[at].title, &self.script.answers[at].examples),
            Goal::Action(at) => (&self.script.actions[at].title, &self.script.actions[at].examples),
        };
        let text = title
            .as_ref()
            .or(examples.first())
            .map(String::as_str)
            .unwrap_or_default();
        self.filled(text.trim().trim_end_matches(['.', '?', '!']), None)
    }

    fn choose(&mut self, options: Vec<Goal>, tries: u8, said: &Said<'_>) -> Reply {
        match said.talk {
            Some(Talk::Goodbye) => return Reply::last(GOODBYE),
            Some(Talk::Repeat) => return self.ask_back(options, tries),
            Some(Talk::Cancel) => return self.small_talk(Talk::Cancel),
            _ => {}
        }
        if let Match::Clear { goals, .. } = said.found {
            return self.start(goals, said.words);
        }
        if let Some(goal) = picked(&options, said.words).or_else(|| self.restated(&options, said)) {
            return self.start(&[goal], said.words);
        }
        match yes_no(&words(said.words)) {
            Some(true) if options.len() == 1 => self.start(&options, said.words),
            Some(true) if tries == 0 => self.ask_back(options, 1),
            Some(false) => Reply::say("All right. Please tell me in other words what you would like to know."),
            _ => self.open(said),
        }
    }

    /// The one option that the caller's words say again, by meaning or by words that only its title has.
    fn restated(&self, options: &[Goal], said: &Said<'_>) -> Option<Goal> {
        if let Match::Close(close) = said.found
            && let [only] = close.as_slice()
            && options.contains(only)
        {
            return Some(*only);
        }
        let said = content(said.words);
        let hits = |goal: &Goal| {
            let title = plain(&self.title(*goal));
            said.split(' ')
                .filter(|word| word.len() > 3 && title.split(' ').any(|known| known == *word))
                .count()
        };
        match options {
            [first, second] if hits(first) > hits(second) => Some(*first),
            [first, second] if hits(second) > hits(first) => Some(*second),
            _ => None,
        }
    }

    // ------------------------------------------------------------ goals

    /// Begins with what was asked. Plain answers of several questions are said together; a goal with slots, or
    /// one that ends the call, comes last.
    fn start(&mut self, goals: &[Goal], words: &str) -> Reply {
        self.misses = 0;
        let (plain, involved): (Vec<Goal>, Vec<Goal>) = goals.iter().partition(|goal| self.is_plain(**goal));
        let mut reply = Reply::default();
        for goal in plain {
            reply = reply.then(self.reach(goal));
        }
        match involved.first() {
            Some(goal) => reply.then(self.begin(*goal, words)),
            None => reply,
        }
    }

    fn is_plain(&self, goal: Goal) -> bool {
        matches!(goal, Goal::Answer(_)) && self.slots(goal).is_empty()
    }

    /// Indexes of the goal's slots; names that the script doesn't define are skipped.
    fn slots(&self, goal: Goal) -> Vec<usize> {
        let names = match goal {
            Goal::Answer(at) => &self.script.answers[at].slots,
            Goal::Action(at) => &self.script.actions[at].slots,
        };
        names
            .iter()
            .filter_map(|name| self.script.slots.iter().position(|slot| slot.name == *name))
            .collect()
    }

    fn begin(&mut self, goal: Goal, words: &str) -> Reply {
        let slots = self.slots(goal);
        if self.reached.remove(&goal) {
            for slot in &slots {
                self.values.remove(&self.script.slots[*slot].name);
            }
        }
        let first = slots
            .iter()
            .copied()
            .find(|slot| !self.values.contains_key(&self.script.slots[*slot].name));
        if let Some(slot) = first
            && let Some(value) = extract_in_passing(self.script.slots[slot].slot_type, words, self.today)
        {
            return self.take(
                Filling {
                    goal,
                    slot,
                    heard: None,
                    tries: 0,
                },
                value,
            );
        }
        self.advance(goal)
    }

    /// Asks for the next slot, or does what the slots were for.
    fn advance(&mut self, goal: Goal) -> Reply {
        let next = self
            .slots(goal)
            .into_iter()
            .find(|slot| !self.values.contains_key(&self.script.slots[*slot].name));
        match next {
            Some(slot) => self.ask(Filling {
                goal,
                slot,
                heard: None,
                tries: 0,
            }),
            None => self.reach(goal),
        }
    }

    fn reach(&mut self, goal: Goal) -> Reply {
        self.reached.insert(goal);
        match goal {
            Goal::Answer(at) => Reply::say(self.filled(&self.script.answers[at].answer, None)),
            Goal::Action(at) => {
                let action = &self.script.actions[at];
                let say = action
                    .say
                    .as_deref()
                    .map(|say| self.filled(say, None))
                    .unwrap_or_default();
                match action.action {
                    ActionKind::EndCall => Reply::last(say),
                }
            }
        }
    }

    // ------------------------------------------------------------ slots

    fn slot(&self, filling: &Filling) -> &ScriptSlot {
        &self.script.slots[filling.slot]
    }

    /// Puts the slot's question: its confirmation, prompt or reprompt.
    fn ask(&mut self, filling: Filling) -> Reply {
        let slot = self.slot(&filling);
        let text = match (&filling.heard, &slot.confirmation) {
            (Some(value), Some(confirmation)) => self.filled(confirmation, Some((&slot.name, value))),
            _ if filling.tries > 0 => self.filled(slot.reprompt.as_ref().unwrap_or(&slot.prompt), None),
            _ => self.filled(&slot.prompt, None),
        };
        self.pending = Pending::Slot(filling);
        Reply::say(text)
    }

    fn fill_slot(&mut self, filling: Filling, said: &Said<'_>) -> Reply {
        match said.talk {
            Some(Talk::Goodbye) => return Reply::last(GOODBYE),
            Some(Talk::Cancel) => return self.small_talk(Talk::Cancel),
            Some(Talk::Repeat) => {
                self.pending = Pending::Slot(filling);
                return Reply::say(self.last_said.clone());
            }
            _ => {}
        }
        if filling.heard.is_some() {
            self.confirm(filling, said)
        } else {
            self.hear(filling, said)
        }
    }

    /// The words answer a slot's prompt.
    fn hear(&mut self, filling: Filling, said: &Said<'_>) -> Reply {
        let value = extract(self.slot(&filling).slot_type, said.words, self.today);
        if let Some(goal) = other_question(&filling, said, value.is_some()) {
            return self.digress(filling, goal, said);
        }
        if let Some(reply) = self.correct_before(&filling, said, value.is_some()) {
            return reply;
        }
        match value {
            Some(value) => self.take(filling, value),
            None => self.again(filling),
        }
    }

    /// The words answer a slot's confirmation: yes, no, or at once the right value.
    fn confirm(&mut self, filling: Filling, said: &Said<'_>) -> Reply {
        let slot_type = self.slot(&filling).slot_type;
        let agreed = yes_no(&words(said.words));
        let corrected = extract_in_passing(slot_type, &without_marker(said.words), self.today)
            .filter(|value| filling.heard.as_ref() != Some(value));
        match (agreed, corrected) {
            (_, Some(value)) if filling.tries < TRIES_MAX => self.take(
                Filling {
                    tries: filling.tries + 1,
                    ..filling
                },
                value,
            ),
            (Some(true), _) => self.store(filling),
            (Some(false), _) => self.again(Filling { heard: None, ..filling }),
            _ => match other_question(&filling, said, false) {
                Some(goal) => self.digress(filling, goal, said),
                None => self.again(filling),
            },
        }
    }

    /// Answers a question that came instead of a value, then asks for the value again.
    fn digress(&mut self, filling: Filling, goal: Goal, said: &Said<'_>) -> Reply {
        let reply = self.start(&[goal], said.words);
        if self.is_plain(goal) {
            reply.then(self.ask(filling))
        } else {
            reply
        }
    }

    fn take(&mut self, filling: Filling, value: Value) -> Reply {
        let confirmed = self.slot(&filling).confirmation.is_none();
        let filling = Filling {
            heard: Some(value),
            ..filling
        };
        if confirmed {
            self.store(filling)
        } else {
            self.ask(filling)
        }
    }

    fn store(&mut self, filling: Filling) -> Reply {
        let name = self.slot(&filling).name.clone();
        if let Some(value) = filling.heard {
            self.values.insert(name, value);
        }
        self.misses = 0;
        self.filled_last = Some((filling.goal, filling.slot));
        self.advance(filling.goal)
    }

    fn again(&mut self, filling: Filling) -> Reply {
        let tries = filling.tries + 1;
        if tries >= TRIES_MAX {
            self.miss()
        } else {
            self.ask(Filling { tries, ..filling })
        }
    }

    /// "No, it's 4 5 6" after the goal was reached: does it once more with the right value.
    fn correct(&mut self, said: &Said<'_>) -> Option<Reply> {
        let (goal, slot) = self.filled_last.filter(|_| is_correction(said.words))?;
        let value = extract_in_passing(
            self.script.slots[slot].slot_type,
            &without_marker(said.words),
            self.today,
        )?;
        self.misses = 0;
        Some(self.take(
            Filling {
                goal,
                slot,
                heard: None,
                tries: 0,
            },
            value,
        ))
    }

    /// "No, wait, it's 4 5 6" while the next slot is being asked for: mends the one before.
    fn correct_before(&mut self, filling: &Filling, said: &Said<'_>, fits_this: bool) -> Option<Reply> {
        let (goal, slot) = self
            .filled_last
            .filter(|(goal, slot)| *goal == filling.goal && *slot != filling.slot)?;
        let same_type = self.script.slots[slot].slot_type == self.slot(filling).slot_type;
        if !is_correction(said.words) || (fits_this && same_type) {
            return None;
        }
        let value = extract_in_passing(
            self.script.slots[slot].slot_type,
            &without_marker(said.words),
            self.today,
        )?;
        self.values.remove(&self.script.slots[slot].name);
        Some(self.take(
            Filling {
                goal,
                slot,
                heard: None,
                tries: 0,
            },
            value,
        ))
    }

    // ------------------------------------------------------------ texts

    /// Fills in slots (one not stored yet first), then variables. What has no value is left out.
    fn filled(&self, text: &str, candidate: Option<(&str, &Value)>) -> String {
        let mut values = Variables::clone(&self.variables);
        values.extend(
            self.values
                .iter()
                .map(|(name, value)| (name.clone(), value.spoken.clone())),
        );
        values.extend(candidate.map(|(name, value)| (name.to_owned(), value.spoken.clone())));
        let text = fill(text, &values);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn is_verbatim(found: &Match) -> bool {
    matches!(found, Match::Clear { likeness, .. } if *likeness >= VERBATIM)
}

/// The goal of words that are a question of their own rather than the value asked for.
fn other_question(filling: &Filling, said: &Said<'_>, holds_value: bool) -> Option<Goal> {
    let Match::Clear { goals, likeness } = said.found else {
        return None;
    };
    let other = goals.iter().copied().find(|goal| *goal != filling.goal)?;
    (!holds_value || *likeness >= OWN_QUESTION).then_some(other)
}

/// "The first one", "the latter".
fn picked(options: &[Goal], said: &str) -> Option<Goal> {
    let said = plain(said);
    let has = |wanted: &[&str]| said.split(' ').any(|word| wanted.contains(&word));
    match options {
        [_, second] if has(&["second", "latter", "last", "two"]) => Some(*second),
        [first, _] if has(&["first", "former", "one"]) => Some(*first),
        _ => None,
    }
}
