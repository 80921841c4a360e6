//! A change as one asks for it, and what is written together with it: who changed what, and the answer that a
//! repetition of the request gets.
//!
//! A use case that changes something takes a [`Change`]. It gives the store, beside the record, an [`Alongside`] made
//! by [`Change::note`]; the store writes both in one transaction. So nothing changes without an entry in the audit
//! log, and no effect stands without the answer of its `Idempotency-Key`.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use contract::{ApiKeyId, Reason, RequestId, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Error, ports::Store, records::Scope, rules};

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// An API key, by its record.
    Key(ApiKeyId),
    /// A person, by the subject of their token.
    User(String),
    /// Who runs the platform: an operator's key, or `command line`.
    Operator(String),
    /// A provider of payments, by its name.
    Provider(String),
    /// The platform itself.
    System,
}

impl Actor {
    /// The operator at the command line.
    pub fn command_line() -> Self {
        Self::Operator("command line".to_owned())
    }

    /// What it is, as it stands in records.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::User(_) => "user",
            Self::Operator(_) => "operator",
            // Records know four kinds, and tell a provider from the platform by its name.
            Self::Provider(_) | Self::System => "system",
        }
    }

    /// Which one of its kind; empty for the platform.
    pub fn id(&self) -> String {
        match self {
            Self::Key(id) => id.to_string(),
            Self::User(id) | Self::Operator(id) | Self::Provider(id) => id.clone(),
            Self::System => String::new(),
        }
    }
}

/// What a client believes to be the present version of what it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// It says nothing.
    #[default]
    None,
    /// Any version, if only there is one.
    Any,
    /// One of these, as [`etag`] writes them.
    OneOf(Vec<String>),
}

/// An answer that was written in the effect's own transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of the answer.
    pub status: u16,
    /// Where the new thing is.
    pub location: Option<String>,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Writes the answer to a change before the change is stored. Knows what use cases don't: shapes and addresses.
pub trait AnswerWriter: Send + Sync {
    /// The answer about the thing named `id`, whose representation is the JSON text `data`.
    fn answer(&self, id: &str, data: &[u8]) -> Answer;
}

/// The right to have the effect of one `Idempotency-Key`. Of several requests with the same key one holds it.
#[derive(Debug)]
pub struct Ticket {
    scope: Scope,
    claim: Uuid,
    noted: Option<String>,
    written: OnceLock<Answer>,
}

impl Ticket {
    /// The right that `claim` names, of who asks: an operator's is the platform's, whoever is changed. `noted` is the
    /// id of what an earlier attempt made before it was cut off.
    pub fn new(scope: Scope, claim: Uuid, noted: Option<String>) -> Self {
        Self {
            scope,
            claim,
            noted,
            written: OnceLock::new(),
        }
    }

    /// Whose right it is.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Names the right in the store.
    pub fn claim(&self) -> Uuid {
        self.claim
    }

    /// The answer that went into the effect's transaction, if one did.
    pub fn written(&self) -> Option<&Answer> {
        self.written.get()
    }
}

/// Who asks for a change, from where, and on what conditions.
#[derive(Clone)]
pub struct Change {
    /// Whose data.
    pub scope: Scope,
    /// Who asks.
    pub actor: Actor,
    /// From where, if over a network.
    pub address: Option<IpAddr>,
    /// In which request, if in one.
    pub request: Option<RequestId>,
    /// What must still hold.
    pub precondition: Precondition,
    /// Present when the request has an `Idempotency-Key`.
    pub ticket: Option<Arc<Ticket>>,
    /// The `Idempotency-Key` of the request, when it means another request: then nothing may change.
    pub reused: Option<String>,
    /// Present together with `ticket`.
    pub writer: Option<Arc<dyn AnswerWriter>>,
}

impl Change {
    /// By `actor`, outside any request.
    pub fn by(scope: Scope, actor: Actor) -> Self {
        Self {
            scope,
            actor,
            address: None,
            request: None,
            precondition: Precondition::None,
            ticket: None,
            reused: None,
            writer: None,
        }
    }

    /// By the platform itself.
    pub fn by_system(scope: Scope) -> Self {
        Self::by(scope, Actor::System)
    }

    /// Refuses what comes with the idempotency key of another request.
    pub(crate) fn key_check(&self) -> Result<(), Error> {
        let Some(key) = &self.reused else { return Ok(()) };
        Err(Error::rule(
            Reason::IdempotencyKeyReused,
            "The idempotency key was used for another request.",
            [("idempotency_key", key.clone().into())],
        ))
    }

    /// What the store writes with a change: `action` is `RESOURCE.what_happened`, such as `agent.created`.
    ///
    /// Nothing can be changed without, so here, after all other checks of a use case, a request is refused whose
    /// `Idempotency-Key` means another one.
    pub fn note(
        &self,
        at: Timestamp,
        action: &'static str,
        resource: &'static str,
        id: impl ToString,
    ) -> Result<Alongside, Error> {
        self.key_check()?;
        let resource_id = id.to_string();
        let effect = self.ticket.as_ref().map(|ticket| Effect {
            scope: ticket.scope,
            claim: ticket.claim,
            resource_id: resource_id.clone(),
            answer: None,
        });
        let audit = AuditEntry {
            id: Uuid::now_v7(),
            at,
            actor: self.actor.clone(),
            address: self.address,
            request: self.request,
            action: action.to_owned(),
            resource: resource.to_owned(),
            resource_id,
            fields: Vec::new(),
        };
        Ok(Alongside {
            audit: Some(audit),
            effect,
        })
    }

    /// As [`Change::note`], with the answer in it: `data` is what the client is shown of the thing as it is then.
    pub fn answered(&self, mut alongside: Alongside, data: &impl Serialize) -> Result<Alongside, Error> {
        let (Some(effect), Some(writer)) = (&mut alongside.effect, &self.writer) else {
            return Ok(alongside);
        };
        let data = serde_json::to_vec(data).map_err(|error| Error::internal("write an answer", error))?;
        effect.answer = Some(writer.answer(&effect.resource_id, &data));
        Ok(alongside)
    }

    /// Tells the ticket that `alongside` was stored, so that the client gets the very bytes. Separate from
    /// [`Change::answered`] since a use case that lost a race writes another answer.
    pub fn stored(&self, alongside: Alongside) {
        let answer = alongside.effect.and_then(|effect| effect.answer);
        if let (Some(ticket), Some(answer)) = (&self.ticket, answer) {
            // The first one stands: one request has one effect.
            let _ = ticket.written.set(answer);
        }
    }

    /// What an earlier attempt with the same key made before it was cut off: it must not be made again.
    pub fn made_before(&self) -> Option<&str> {
        self.ticket.as_ref()?.noted.as_deref()
    }

    /// Refuses the change when `If-Match` names another version than `present`, the thing as clients see it.
    pub fn holds_for(&self, resource: &'static str, id: impl ToString, present: &impl Serialize) -> Result<(), Error> {
        let Precondition::OneOf(wanted) = &self.precondition else {
            return Ok(());
        };
        let present = etag(present)?;
        if wanted.contains(&present) {
            return Ok(());
        }
        Err(Error::rule(
            Reason::StaleVersion,
            "The resource has changed since that version.",
            [
                ("resource", resource.into()),
                ("id", id.to_string().into()),
                ("etag", present.into()),
            ],
        ))
    }
}

/// What is written in the same transaction as a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alongside {
    /// For the audit log.
    pub audit: Option<AuditEntry>,
    /// For the `Idempotency-Key` of the request.
    pub effect: Option<Effect>,
}

impl Alongside {
    /// Nothing: for what the platform notes by itself, such as the progress of a call.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Names what a repetition of the request is to look for, where that is not what the log names.
    #[must_use]
    pub fn made(mut self, id: &str) -> Self {
        if let Some(effect) = &mut self.effect {
            id.clone_into(&mut effect.resource_id);
        }
        self
    }

    /// The same for what turned out to change nothing: it stands in no log, and the request is answered all the same.
    #[must_use]
    pub fn without_audit(&self) -> Self {
        Self {
            audit: None,
            effect: self.effect.clone(),
        }
    }

    /// Names the fields that a change names. Never their values, which may be secret or personal.
    pub fn fields(mut self, change: &impl Serialize) -> Result<Self, Error> {
        let named = rules::object(change).map_err(|error| Error::internal("name the changed fields", error))?;
        if let Some(audit) = &mut self.audit {
            audit.fields = named.into_iter().map(|(name, _)| name).collect();
        }
        Ok(self)
    }
}

/// That a claimed `Idempotency-Key` had its effect. A store that finds the claim gone must write nothing at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whose claim; an operator's claim stands apart from the organisation that is changed.
    pub scope: Scope,
    /// Which claim.
    pub claim: Uuid,
    /// What was made or changed.
    pub resource_id: String,
    /// The answer, where it is known already.
    pub answer: Option<Answer>,
}

/// That somebody changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Ordered by time.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// From where.
    pub address: Option<IpAddr>,
    /// In which request.
    pub request: Option<RequestId>,
    /// What happened, such as `agent.created`.
    pub action: String,
    /// To what kind of thing.
    pub resource: String,
    /// To which one.
    pub resource_id: String,
    /// The fields that were changed, by name.
    pub fields: Vec<String>,
}

/// The version of a thing as clients see it: a strong entity tag, quotes included.
pub fn etag(data: &impl Serialize) -> Result<String, Error> {
    serde_json::to_vec(data)
        .map(|text| etag_of_text(&text))
        .map_err(|error| Error::internal("make an entity tag", error))
}

/// As [`etag`], of JSON text that was written already.
pub fn etag_of_text(data: &[u8]) -> String {
    let hash = Sha256::digest(data);
    let half = Uuid::from_bytes(std::array::from_fn(|index| hash[index]));
    let digits = &mut Uuid::encode_buffer();
    ["\"", half.simple().encode_lower(digits), "\""].concat()
}

/// Tries of a change against others who change the same thing at the same moment. At each try one of them gets
/// through, so only a bug comes this far.
pub(crate) const SWAPS_MAX: usize = 256;

/// What is to be deleted; `None` when this very actor deleted it before, which is as good as now. To anybody else
/// what is gone does not exist.
pub(crate) async fn deleted_before<T>(
    store: &dyn Store,
    change: &Change,
    action: &'static str,
    found: Result<T, Error>,
) -> Result<Option<T>, Error> {
    match found {
        Err(Error::NotFound { resource, id, field }) => {
            // Canonical, as the log has it.
            let known = match id.parse::<Uuid>() {
                Ok(id) => {
                    store
                        .audit_knows(change.scope, &change.actor, action, &id.to_string())
                        .await?
                }
                Err(_) => false,
            };
            if known {
                Ok(None)
            } else {
                Err(Error::NotFound { resource, id, field })
            }
        }
        found => found.map(Some),
    }
}
