//! Agents: what their owners may set.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use contract::{
    AgentCreate, AgentId, AgentStatus, AgentUpdate, FieldFault, FieldReason, InactivityMessage, Script, VoiceId,
};

use serde_json::json;

use crate::{
    Change, Error,
    change::{SWAPS_MAX, deleted_before},
    guide::Warmer,
    ports::{Clock, SentenceEmbedder, Services, Store},
    records::{AgentRecord, Listing, Page, Scope, Versioned},
    rules,
    snapshot::Snapshot,
};

/// The name of the embedded brain.
pub const GUIDE: &str = "builtin/guide";
/// Longest example of a script, in characters.
const EXAMPLE_CHARS_MAX: usize = 500;
/// Examples of a script in all: each is embedded when a call starts.
const EXAMPLES_MAX: usize = 2_000;
/// All words of a script together, in bytes.
const SCRIPT_BYTES_MAX: usize = 500_000;

/// What models agents may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelNames {
    /// Whether `builtin/guide` is available.
    pub guide: bool,
    /// Providers of language models: `<provider>/<any model>` is taken.
    pub language_providers: BTreeSet<String>,
    /// Recognisers, `<provider>/<model>`.
    pub speech_models: BTreeSet<String>,
}

impl ModelNames {
    /// What these services offer.
    pub fn of(services: &Services) -> Self {
        Self {
            guide: services.embedder.is_some(),
            language_providers: services.language_models.keys().cloned().collect(),
            speech_models: services.speech_to_text.keys().cloned().collect(),
        }
    }

    fn has_brain(&self, model: &str) -> bool {
        let named = |(provider, name): (&str, &str)| !name.is_empty() && self.language_providers.contains(provider);
        (self.guide && model == GUIDE) || model.split_once('/').is_some_and(named)
    }

    fn brains(&self) -> Vec<String> {
        let guide = self.guide.then(|| GUIDE.to_owned());
        guide
            .into_iter()
            .chain(
                self.language_providers
                    .iter()
                    .map(|provider| [provider, "/<model>"].concat()),
            )
            .collect()
    }
}

/// Use cases of agents.
#[derive(Clone)]
pub struct Agents {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    models: Arc<ModelNames>,
    warmer: Option<Warmer>,
}

impl Agents {
    /// Use cases on this store, for agents that name these models.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, models: ModelNames) -> Self {
        Self {
            store,
            clock,
            models: Arc::new(models),
            warmer: None,
        }
    }

    /// Embeds the scripts of `builtin/guide` agents as they are saved, so that the first call need not wait for it.
    /// The embedder must be the one that calls use.
    #[must_use]
    pub fn with_embedder(mut self, embedder: Arc<dyn SentenceEmbedder>) -> Self {
        self.warmer = Some(Warmer::new(embedder));
        self
    }

    fn warm(&self, settings: &AgentCreate) {
        if let (Some(warmer), Some(script), GUIDE) = (&self.warmer, &settings.script, settings.model.as_str()) {
            warmer.start(script.clone());
        }
    }

    /// Makes an agent.
    pub async fn agent_create(&self, change: &Change, create: AgentCreate) -> Result<AgentRecord, Error> {
        let scope = change.scope;
        rules::checked(self.create_faults(&create))?;
        let settings = self.voiced(scope, create).await?;
        let now = self.clock.now();
        let agent = AgentRecord {
            id: AgentId::new(),
            settings,
            last_error: None,
            created_at: now,
            updated_at: now,
        };
        let with = change.note(now, "agent.created", "agent", agent.id)?;
        let with = change.answered(with, &agent)?;
        self.store.agent_create(scope, &agent, &with).await?;
        change.stored(with);
        self.warm(&agent.settings);
        Ok(agent)
    }

    /// One agent.
    pub async fn agent_fetch(&self, scope: Scope, id: &str) -> Result<Arc<Snapshot<AgentRecord>>, Error> {
        let agent = rules::id_in_path("agent", id)?;
        self.store
            .agent_snapshot(scope, agent)
            .await?
            .ok_or_else(|| Error::not_found("agent", id))
    }

    /// A page of agents.
    pub async fn agent_list(&self, scope: Scope, page: Page) -> Result<Listing<AgentRecord>, Error> {
        Ok(self.store.agent_list(scope, page).await?)
    }

    /// All that breaks the rules of a new agent and a schema can't state.
    pub fn create_faults(&self, create: &AgentCreate) -> Vec<FieldFault> {
        faults(create, &self.models)
    }

    /// All that breaks the rules of an agent in the fields that a change names, whatever the agent.
    pub fn update_faults(&self, update: &AgentUpdate) -> Result<Vec<FieldFault>, Error> {
        // Each rule is about one field and what lies in it, so what an agent's other fields hold is of no matter.
        let broken = |error| Error::internal("read a change", error);
        let any = json!({ "name": "", "voice_id": "", "system_prompt": "" });
        let any: AgentCreate = serde_json::from_value(any).map_err(broken)?;
        let changed = rules::overlay(&any, update)?;
        let named = rules::object(update).map_err(broken)?;
        let is_named = |fault: &FieldFault| named.contains_key(fault.pointer.split('/').nth(1).unwrap_or_default());
        Ok(self.create_faults(&changed).into_iter().filter(is_named).collect())
    }

    /// Changes what `update` names; what it does not name is not checked again.
    pub async fn agent_update(&self, change: &Change, id: &str, update: AgentUpdate) -> Result<AgentRecord, Error> {
        rules::checked(self.update_faults(&update)?)?;
        for _ in 0..SWAPS_MAX {
            let Versioned { record, version } = self.versioned(change, id).await?;
            let merged = rules::overlay(&record.settings, &update)?;
            let settings = if update.voice_id.is_some() {
                self.voiced(change.scope, merged).await?
            } else {
                merged
            };
            change.holds_for("agent", record.id, &record)?;
            let agent = AgentRecord {
                settings,
                updated_at: self.clock.now(),
                ..record
            };
            let with = change.note(agent.updated_at, "agent.updated", "agent", agent.id)?;
            let with = change.answered(with.fields(&update)?, &agent)?;
            if self.store.agent_update(change.scope, &agent, version, &with).await? {
                change.stored(with);
                self.warm(&agent.settings);
                return Ok(agent);
            }
        }
        Err(Error::contended("change an agent"))
    }

    /// Deletes an agent and takes it off its numbers. Its calls stay.
    pub async fn agent_delete(&self, change: &Change, id: &str) -> Result<(), Error> {
        for _ in 0..SWAPS_MAX {
            let present =
                deleted_before(&*self.store, change, "agent.deleted", self.versioned(change, id).await).await?;
            let Some(Versioned { record, version }) = present else {
                return Ok(());
            };
            change.holds_for("agent", record.id, &record)?;
            let with = change.note(self.clock.now(), "agent.deleted", "agent", record.id)?;
            if self.store.agent_delete(change.scope, record.id, version, &with).await? {
                return Ok(());
            }
        }
        Err(Error::contended("delete an agent"))
    }

    async fn versioned(&self, change: &Change, id: &str) -> Result<Versioned<AgentRecord>, Error> {
        let agent = rules::id_in_path("agent", id)?;
        let found = self.store.agent_versioned(change.scope, agent).await?;
        found.ok_or_else(|| Error::not_found("agent", id))
    }

    /// Settings whose voice exists, its id in its canonical form.
    async fn voiced(&self, scope: Scope, mut settings: AgentCreate) -> Result<AgentCreate, Error> {
        let voice: VoiceId = rules::id_in_body("voice", &settings.voice_id, "/voice_id")?;
        if self.store.voice_fetch(scope, voice).await?.is_none() {
            return Err(Error::not_found_in("voice", settings.voice_id, "/voice_id"));
        }
        settings.voice_id = voice.to_string();
        Ok(settings)
    }
}

/// All that breaks the rules of an agent's settings and a schema can't state.
pub fn faults(settings: &AgentCreate, models: &ModelNames) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    if !matches!(settings.status, AgentStatus::Draft | AgentStatus::Active) {
        faults.push(not_allowed(
            "/status",
            "Only draft and active can be set.",
            &["active", "draft"],
        ));
    }
    if !models.has_brain(&settings.model) {
        faults.push(not_allowed("/model", "No such model is configured.", &models.brains()));
    }
    if settings
        .transcription_model
        .as_ref()
        .is_some_and(|model| !models.speech_models.contains(model))
    {
        let allowed: Vec<&String> = models.speech_models.iter().collect();
        faults.push(not_allowed(
            "/transcription_model",
            "No such model is configured.",
            &allowed,
        ));
    }
    if settings
        .language_hint
        .as_deref()
        .is_some_and(|language| !rules::bcp47(language))
    {
        let message = "Must be a BCP 47 language tag such as en-US.";
        faults.push(FieldFault::in_body(
            "/language_hint",
            FieldReason::InvalidFormat,
            message,
        ));
    }
    faults.extend(duration_faults(settings));
    if let Some(greeting) = &settings.greeting {
        faults.extend(rules::greeting("/greeting", greeting));
    }
    let texts = texts(settings);
    faults.extend(
        texts
            .iter()
            .filter_map(|(pointer, text)| rules::template(pointer, text)),
    );
    if let Some(script) = &settings.script {
        faults.extend(script_faults(script));
    }
    faults
}

/// The variables an agent's texts need a value for when a call is created: all of its templates' but the slots of
/// its script, which the caller fills.
pub fn variables_needed(settings: &AgentCreate) -> BTreeSet<String> {
    let greeting = settings
        .greeting
        .iter()
        .flat_map(|greeting| [&greeting.text, &greeting.prompt])
        .flatten();
    let texts = texts(settings)
        .into_iter()
        .map(|(_, text)| text)
        .chain(greeting.map(String::as_str));
    let mut names: BTreeSet<String> = texts
        .filter_map(|text| rules::template_variables(text).ok())
        .flatten()
        .collect();
    for slot in settings.script.iter().flat_map(|script| &script.slots) {
        names.remove(&slot.name);
    }
    names
}

fn duration_faults(settings: &AgentCreate) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    faults.extend(rules::duration_in("/max_duration", settings.max_duration));
    faults.extend(rules::duration_in("/join_timeout", settings.join_timeout));
    for (index, InactivityMessage { after, .. }) in settings.inactivity_messages.iter().enumerate() {
        faults.extend(rules::duration_in(
            &format!("/inactivity_messages/{index}/after"),
            *after,
        ));
    }
    let longest = Duration::from_secs(5);
    let speech = settings.interruption.min_speech;
    faults.extend(rules::duration_within(
        "/interruption/min_speech",
        speech,
        Duration::ZERO,
        longest,
    ));
    faults
}

/// Every text that takes `{{variables}}`, with its pointer; the greeting's are with the greeting's own rules.
fn texts(settings: &AgentCreate) -> Vec<(String, &str)> {
    let mut texts = vec![("/system_prompt".to_owned(), settings.system_prompt.as_str())];
    for (index, message) in settings.inactivity_messages.iter().enumerate() {
        texts.push((format!("/inactivity_messages/{index}/message"), &message.message));
    }
    let Some(script) = &settings.script else { return texts };
    for (index, answer) in script.answers.iter().enumerate() {
        texts.push((format!("/script/answers/{index}/answer"), &answer.answer));
    }
    for (index, slot) in script.slots.iter().enumerate() {
        texts.push((format!("/script/slots/{index}/prompt"), &slot.prompt));
        for (name, text) in [("reprompt", &slot.reprompt), ("confirmation", &slot.confirmation)] {
            texts.extend(
                text.as_deref()
                    .map(|text| (format!("/script/slots/{index}/{name}"), text)),
            );
        }
    }
    for (index, action) in script.actions.iter().enumerate() {
        texts.extend(
            action
                .say
                .as_deref()
                .map(|text| (format!("/script/actions/{index}/say"), text)),
        );
    }
    texts.push(("/script/fallback/message".to_owned(), &script.fallback.message));
    texts.push(("/script/fallback/goodbye".to_owned(), &script.fallback.goodbye));
    texts
}

fn script_faults(script: &Script) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    let mut known = HashSet::new();
    for (index, slot) in script.slots.iter().enumerate() {
        if !known.insert(slot.name.as_str()) {
            let pointer = format!("/script/slots/{index}/name");
            faults.push(FieldFault::in_body(
                &pointer,
                FieldReason::Duplicate,
                "Another slot has this name.",
            ));
        }
    }
    let mut allowed: Vec<&str> = known.into_iter().collect();
    allowed.sort_unstable();
    for (index, answer) in script.answers.iter().enumerate() {
        let pointer = format!("/script/answers/{index}");
        faults.extend(example_faults(&pointer, &answer.examples));
        faults.extend(slot_faults(&pointer, &answer.slots, &allowed));
    }
    for (index, action) in script.actions.iter().enumerate() {
        let pointer = format!("/script/actions/{index}");
        faults.extend(example_faults(&pointer, &action.examples));
        faults.extend(slot_faults(&pointer, &action.slots, &allowed));
    }
    faults.extend(size_faults(script));
    faults
}

fn example_faults(parent: &str, examples: &[String]) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    if examples.is_empty() {
        let pointer = format!("{parent}/examples");
        faults.push(FieldFault::in_body(
            &pointer,
            FieldReason::TooShort,
            "Give at least one example.",
        ));
    }
    for (index, example) in examples.iter().enumerate() {
        let pointer = format!("{parent}/examples/{index}");
        if example.trim().is_empty() {
            faults.push(FieldFault::in_body(
                &pointer,
                FieldReason::TooShort,
                "Must not be empty.",
            ));
        } else if example.chars().count() > EXAMPLE_CHARS_MAX {
            faults.push(too_long(&pointer, "characters", EXAMPLE_CHARS_MAX));
        }
    }
    faults
}

fn slot_faults(parent: &str, slots: &[String], allowed: &[&str]) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    for (index, slot) in slots.iter().enumerate() {
        let pointer = format!("{parent}/slots/{index}");
        if !allowed.contains(&slot.as_str()) {
            faults.push(not_allowed(&pointer, "The script has no slot of this name.", allowed));
        } else if slots[..index].contains(slot) {
            faults.push(FieldFault::in_body(
                &pointer,
                FieldReason::Duplicate,
                "This slot stands here already.",
            ));
        }
    }
    faults
}

/// Bounds of the whole, which the bounds of the parts multiply beyond.
fn size_faults(script: &Script) -> Vec<FieldFault> {
    let answers = script
        .answers
        .iter()
        .map(|answer| (&answer.examples, answer.answer.len()));
    let actions = script
        .actions
        .iter()
        .map(|action| (&action.examples, action.say.as_ref().map_or(0, String::len)));
    let (mut examples, mut bytes) = (0, 0);
    for (of_one, text) in answers.chain(actions) {
        examples += of_one.len();
        bytes += text + of_one.iter().map(String::len).sum::<usize>();
    }
    let mut faults = Vec::new();
    if examples > EXAMPLES_MAX {
        faults.push(too_long("/script", "examples in all", EXAMPLES_MAX));
    }
    if bytes > SCRIPT_BYTES_MAX {
        faults.push(too_long("/script", "bytes of text in all", SCRIPT_BYTES_MAX));
    }
    faults
}

fn too_long(pointer: &str, of_what: &str, max: usize) -> FieldFault {
    FieldFault::in_body(
        pointer,
        FieldReason::TooLong,
        format!("Must have at most {max} {of_what}."),
    )
    .with("max", max)
}

fn not_allowed<T: AsRef<str>>(pointer: &str, message: &'static str, allowed: &[T]) -> FieldFault {
    let allowed: Vec<&str> = allowed.iter().map(AsRef::as_ref).collect();
    FieldFault::in_body(pointer, FieldReason::NotAllowedValue, message).with("allowed", allowed)
}
