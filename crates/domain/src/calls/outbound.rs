//! Placing a call: what must hold before the carrier is asked.

use std::{borrow::Cow, sync::Arc};

use contract::{
    AgentCreate, AgentId, AgentStatus, Call, CallCreate, CallDirection, CallSettings, CallStatus, FieldFault,
    FieldReason, Reason, Variables,
};
use serde_json::{Map, json};
use tracing::Instrument as _;

use super::{Calls, Carrier, Destination, OutboundCall, sessions::new_call};
use crate::{
    Alongside, Change, Error, agents,
    billing::{Shortfall, Tariff},
    ports::Admission,
    records::{Scope, TrunkRecord},
    rules,
};

/// What a call is placed with, once every rule held.
struct Request {
    scope: Scope,
    with: Alongside,
    call: Call,
    settings: AgentCreate,
    tariff: Tariff,
    trunk: TrunkRecord,
    from: String,
    to: Destination,
}

/// Bounds of what is kept with a call: it stands in every list, and variables are spoken.
const VARIABLES_MAX: usize = 100;
const VARIABLE_CHARS_MAX: usize = 4_000;
const METADATA_KEYS_MAX: usize = 50;
const METADATA_BYTES_MAX: usize = 16 * 1024;

impl Calls {
    /// Places a call. Comes back once the peer rings, answers or is on its way; a peer that refuses at once
    /// is a provider failure, and the record says why.
    pub async fn call_create(&self, change: &Change, create: CallCreate) -> Result<Call, Error> {
        let scope = change.scope;
        if let Some(made) = change.made_before() {
            // The attempt that made it was cut off before it could answer. A second call must not follow.
            return self.call_fetch(scope, made).await;
        }
        rules::checked(call_faults(&create))?;
        let agent_id: AgentId = rules::id_in_body("agent", &create.agent_id, "/agent_id")?;
        let agent = (self.setup.store.agent_snapshot(scope, agent_id).await?)
            .ok_or_else(|| Error::not_found_in("agent", &create.agent_id, "/agent_id"))?;
        let settings = overridden(&agent.record().settings, create.call_settings.as_ref());
        variables_check(&settings, &create.variables)?;
        if settings.status != AgentStatus::Active {
            return Err(Error::rule(
                Reason::AgentNotActive,
                "The agent is not active, so it places no calls.",
                [("agent_id", json!(agent_id)), ("status", json!(settings.status))],
            ));
        }
        let (from, trunk) = self
            .outbound_number(scope, agent_id, create.from_number.as_deref())
            .await?;
        let to = destination(&create, &trunk)?;
        change.key_check()?;
        let carrier = Arc::clone(self.carrier()?);
        let (tariff, unpaid) = self.setup.billing.call_tariff(scope, CallDirection::Outbound).await?;
        if let Some(unpaid) = unpaid {
            // A limit comes first. To be told so nobody has to wait for the store's writer.
            self.room_check(scope).await?;
            return Err(unpaid.into());
        }
        let call = Call {
            direction: CallDirection::Outbound,
            status: CallStatus::Queued,
            from_number: Some(from.clone()),
            to_number: Some(match &to {
                Destination::Phone(number) => number.clone(),
                Destination::SipUri(uri) => uri.clone(),
            }),
            variables: create.variables,
            metadata: create.metadata,
            ..new_call(agent_id, self.now())
        };
        let id = call.id;
        let request = Request {
            scope,
            // The answer comes later, when the carrier has spoken.
            with: change.note(call.started_at, "call.created", "call", id)?,
            call,
            settings: settings.into_owned(),
            tariff,
            trunk,
            from,
            to,
        };
        // Kept apart, so that what is refused before does not carry its room.
        Box::pin(self.place_apart(carrier, request)).await?;
        self.fetch(scope, id, &id.to_string()).await
    }

    /// Places a call in a task of its own: a client that goes away must not leave a row whose call was never placed.
    async fn place_apart(&self, carrier: Arc<dyn Carrier>, request: Request) -> Result<(), Error> {
        let (scope, id) = (request.scope, request.call.id);
        // In a box, as its ten thousand bytes would else be moved a dozen times on their way into the task and out of it.
        let calls = self.clone();
        let placing = Box::pin(async move { calls.place(&*carrier, request).await });
        match tokio::spawn(placing.in_current_span()).await {
            Ok(placed) => placed,
            Err(error) => {
                self.call_broke(scope, id, &Error::internal("place a call", "its task died"))
                    .await;
                match error.try_into_panic() {
                    // A bug shows as one, with its own words in the log.
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(error) => Err(Error::internal("place a call", error)),
                }
            }
        }
    }

    /// Writes the row, limits first, opens what the call needs and hands it to the carrier.
    async fn place(&self, carrier: &dyn Carrier, request: Request) -> Result<(), Error> {
        let Request {
            scope,
            with,
            call,
            settings,
            tariff,
            trunk,
            from,
            to,
        } = request;
        let id = call.id;
        let events = self.events.open(scope.organization, id);
        let limit = self.calls_max(scope).await?;
        match self
            .setup
            .store
            .call_create(scope, &call, limit, &tariff, &with)
            .await?
        {
            Admission::Created => {}
            Admission::Full => return Err(Error::ConcurrentCalls { limit }),
            Admission::Unpaid { balance, required } => {
                let shortfall = Shortfall::InsufficientCredits { balance, required };
                return Err(self.setup.billing.unpaid(shortfall).into());
            }
        }
        let join_timeout = settings.join_timeout.duration();
        let plan = match self.plan(scope, call, settings, events, tariff).await {
            Ok(plan) => plan,
            Err(error) => {
                self.call_broke(scope, id, &error).await;
                return Err(about(error, id));
            }
        };
        let outbound = OutboundCall {
            plan,
            trunk,
            from,
            to,
            join_timeout,
        };
        let placed = carrier.place(outbound).await;
        placed.map_err(|failure| failure.about("call_id", id))?;
        Ok(())
    }

    async fn outbound_number(
        &self,
        scope: Scope,
        agent: AgentId,
        wanted: Option<&str>,
    ) -> Result<(String, TrunkRecord), Error> {
        let wanted = wanted.and_then(rules::e164);
        let found = self
            .setup
            .store
            .number_for_outbound(scope, agent, wanted.clone())
            .await?;
        let number = found.ok_or_else(|| {
            let mut details = Map::from_iter([("agent_id".to_owned(), json!(agent))]);
            let mut message = "The agent has no number to call from. Assign it one for outbound calls.";
            if let Some(wanted) = wanted {
                details.insert("from_number".to_owned(), json!(wanted));
                message = "The agent does not serve from_number for outbound calls. Assign it to the agent.";
            }
            Error::Rule {
                reason: Reason::NoOutboundNumber,
                message: message.to_owned(),
                details,
            }
        })?;
        let trunk = self
            .setup
            .store
            .trunk_fetch(scope, number.trunk_id)
            .await?
            .ok_or_else(|| {
                Error::internal(
                    "find the trunk of a number",
                    format!("number {} has no trunk", number.id),
                )
            })?;
        Ok((number.phone_number, trunk))
    }
}

/// Faults of form that need nothing but the request.
pub fn call_faults(create: &CallCreate) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    match (&create.phone_number, &create.sip_uri) {
        (None, None) => {
            let message = "Say whom to call: a phone number, or a SIP URI where the trunk allows it.";
            faults.push(FieldFault::in_body("/phone_number", FieldReason::Required, message));
        }
        (Some(_), Some(_)) => faults.push(
            FieldFault::in_body(
                "/sip_uri",
                FieldReason::ConflictsWith,
                "Give a phone number or a SIP URI, not both.",
            )
            .with("field", "phone_number"),
        ),
        (Some(_), None) | (None, Some(_)) => {}
    }
    for (pointer, number) in [
        ("/phone_number", &create.phone_number),
        ("/from_number", &create.from_number),
    ] {
        if number.as_ref().is_some_and(|number| rules::e164(number).is_none()) {
            let message = "Not a phone number in E.164 form, such as +14155550100.";
            faults.push(FieldFault::in_body(pointer, FieldReason::InvalidFormat, message));
        }
    }
    if create.sip_uri.as_ref().is_some_and(|uri| !rules::sip_uri(uri)) {
        let message = "Not a SIP URI, such as sip:alice@192.0.2.4.";
        faults.push(FieldFault::in_body("/sip_uri", FieldReason::InvalidFormat, message));
    }
    faults.extend(bounds_faults(create));
    faults.extend(create.call_settings.iter().flat_map(settings_faults));
    faults
}

fn bounds_faults(create: &CallCreate) -> Vec<FieldFault> {
    let too_long = |pointer: &str, message: &'static str, max: usize| {
        FieldFault::in_body(pointer, FieldReason::TooLong, message).with("max", max)
    };
    let mut faults = Vec::new();
    if create.variables.len() > VARIABLES_MAX {
        faults.push(too_long("/variables", "At most 100 variables.", VARIABLES_MAX));
    }
    for (name, _) in create
        .variables
        .iter()
        .filter(|(_, value)| value.chars().count() > VARIABLE_CHARS_MAX)
        .take(10)
    {
        let message = "At most 4,000 characters.";
        faults.push(too_long(&format!("/variables/{name}"), message, VARIABLE_CHARS_MAX));
    }
    if create.metadata.len() > METADATA_KEYS_MAX {
        faults.push(too_long("/metadata", "At most 50 keys.", METADATA_KEYS_MAX));
    }
    let bytes = serde_json::to_vec(&create.metadata).map_or(0, |text| text.len());
    if bytes > METADATA_BYTES_MAX {
        faults.push(too_long("/metadata", "At most 16 KiB in all.", METADATA_BYTES_MAX));
    }
    faults
}

/// Names the call in a failure of a provider, since its record tells more.
fn about(error: Error, id: contract::CallId) -> Error {
    match error {
        Error::Provider(failure) => (*failure).about("call_id", id).into(),
        other @ (Error::NotFound { .. }
        | Error::Invalid(_)
        | Error::Rule { .. }
        | Error::Role { .. }
        | Error::ConcurrentCalls { .. }
        | Error::PaymentRequired(_)
        | Error::Internal { .. }) => other,
    }
}

fn settings_faults(settings: &CallSettings) -> Vec<FieldFault> {
    let spans = [
        ("/call_settings/max_duration", settings.max_duration),
        ("/call_settings/join_timeout", settings.join_timeout),
    ];
    let mut faults: Vec<_> = spans
        .into_iter()
        .filter_map(|(pointer, span)| rules::duration_in(pointer, span?))
        .collect();
    if let Some(greeting) = &settings.greeting {
        faults.extend(rules::greeting("/call_settings/greeting", greeting));
    }
    faults
}

fn overridden<'a>(agent: &'a AgentCreate, settings: Option<&CallSettings>) -> Cow<'a, AgentCreate> {
    let Some(settings) = settings else {
        return Cow::Borrowed(agent);
    };
    let mut agent = agent.clone();
    agent.recording_enabled = settings.recording_enabled.unwrap_or(agent.recording_enabled);
    agent.transcription_enabled = settings.transcription_enabled.unwrap_or(agent.transcription_enabled);
    agent.max_duration = settings.max_duration.unwrap_or(agent.max_duration);
    agent.join_timeout = settings.join_timeout.unwrap_or(agent.join_timeout);
    agent.greeting = settings.greeting.clone().or(agent.greeting);
    Cow::Owned(agent)
}

/// Every `{{variable}}` of the agent needs a value before its call is placed.
fn variables_check(agent: &AgentCreate, given: &Variables) -> Result<(), Error> {
    let missing = agents::variables_needed(agent)
        .into_iter()
        .filter(|name| !given.contains_key(name));
    let fault = |name: String| {
        let message = format!("The agent's texts use {{{{{name}}}}}, so it needs a value.");
        FieldFault::in_body(format!("/variables/{name}"), FieldReason::Required, message)
    };
    rules::checked(missing.map(fault).collect())
}

fn destination(create: &CallCreate, trunk: &TrunkRecord) -> Result<Destination, Error> {
    if let Some(number) = create.phone_number.as_deref().and_then(rules::e164) {
        return Ok(Destination::Phone(number));
    }
    if !trunk.trunk.allow_sip_uri {
        return Err(Error::rule(
            Reason::SipUriNotAllowed,
            "The trunk of the agent's number does not allow calls to SIP URIs.",
            [("trunk_id", json!(trunk.trunk.id))],
        ));
    }
    Ok(Destination::SipUri(create.sip_uri.clone().unwrap_or_default()))
}
