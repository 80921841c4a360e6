//! Trunks and numbers: how the telephone network reaches agents, and they it.

use std::sync::Arc;

use contract::{
    AgentId, FieldFault, FieldReason, Number, NumberAssign, NumberDirection, NumberId, NumberImport, NumberUnassign,
    Reason, Timestamp, Trunk, TrunkCreate, TrunkId, TrunkUpdate,
};

use crate::{
    Change, Error,
    change::{SWAPS_MAX, deleted_before},
    ports::{Clock, Store},
    records::{Listing, NumberCreated, NumberFilter, Page, Scope, TrunkRecord, Version, Versioned},
    rules,
};

/// The only provider numbers can come from.
const SIP: &str = "sip";

/// Use cases of trunks and numbers.
#[derive(Clone)]
pub struct Telephony {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Telephony {
    /// Use cases on this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Makes a trunk.
    pub async fn trunk_create(&self, change: &Change, create: TrunkCreate) -> Result<Trunk, Error> {
        let now = self.clock.now();
        let record = trunk_record(TrunkId::new(), create, now, now)?;
        let with = change.note(now, "trunk.created", "trunk", record.trunk.id)?;
        let with = change.answered(with, &record.trunk)?;
        self.store.trunk_create(change.scope, &record, &with).await?;
        change.stored(with);
        Ok(record.trunk)
    }

    /// One trunk, without its password.
    pub async fn trunk_fetch(&self, scope: Scope, id: &str) -> Result<Trunk, Error> {
        let found = self.trunk_versioned(scope, id).await?;
        Ok(found.record.trunk)
    }

    /// A page of trunks, without their passwords.
    pub async fn trunk_list(&self, scope: Scope, page: Page) -> Result<Listing<Trunk>, Error> {
        let Listing { items, total } = self.store.trunk_list(scope, page).await?;
        Ok(Listing {
            items: items.into_iter().map(|record| record.trunk).collect(),
            total,
        })
    }

    /// Changes what `update` names; the whole must keep the rules of a new trunk.
    pub async fn trunk_update(&self, change: &Change, id: &str, update: TrunkUpdate) -> Result<Trunk, Error> {
        rules::checked(trunk_update_faults(&update))?;
        for _ in 0..SWAPS_MAX {
            let Versioned { record, version } = self.trunk_versioned(change.scope, id).await?;
            let Trunk {
                id: key, created_at, ..
            } = record.trunk;
            let present = record.trunk.clone();
            let merged = rules::overlay(&settings_of(record), &update)?;
            let record = trunk_record(key, merged, created_at, self.clock.now())?;
            change.holds_for("trunk", key, &present)?;
            let with = change.note(record.trunk.updated_at, "trunk.updated", "trunk", key)?;
            let with = change.answered(with.fields(&update)?, &record.trunk)?;
            if self.store.trunk_update(change.scope, &record, version, &with).await? {
                change.stored(with);
                return Ok(record.trunk);
            }
        }
        Err(Error::contended("change a trunk"))
    }

    /// Deletes a trunk on which no number lives.
    pub async fn trunk_delete(&self, change: &Change, id: &str) -> Result<(), Error> {
        for _ in 0..SWAPS_MAX {
            let found = self.trunk_versioned(change.scope, id).await;
            let present = deleted_before(&*self.store, change, "trunk.deleted", found).await?;
            let Some(Versioned { record, version }) = present else {
                return Ok(());
            };
            let trunk = record.trunk.id;
            change.holds_for("trunk", trunk, &record.trunk)?;
            let with = change.note(self.clock.now(), "trunk.deleted", "trunk", trunk)?;
            match self.store.trunk_delete(change.scope, trunk, version, &with).await? {
                None => {}
                Some(0) => return Ok(()),
                Some(numbers) => {
                    return Err(Error::rule(
                        Reason::TrunkInUse,
                        format!("{numbers} number(s) live on this trunk. Release them first."),
                        [("trunk_id", trunk.to_string().into()), ("numbers", numbers.into())],
                    ));
                }
            }
        }
        Err(Error::contended("delete a trunk"))
    }

    /// Makes a number on a trunk known.
    pub async fn number_import(&self, change: &Change, import: NumberImport) -> Result<Number, Error> {
        rules::checked(import_faults(&import))?;
        let no_trunk = || Error::not_found_in("trunk", &import.trunk_id, "/trunk_id");
        let trunk_id: TrunkId = rules::id_in_body("trunk", &import.trunk_id, "/trunk_id")?;
        if self.store.trunk_fetch(change.scope, trunk_id).await?.is_none() {
            return Err(no_trunk());
        }
        if import.provider != SIP {
            let message = format!("Numbers of {} can't be imported; sip is supported.", import.provider);
            let details = [("provider", import.provider.into()), ("supported", vec![SIP].into())];
            return Err(Error::rule(Reason::UnsupportedProvider, message, details));
        }
        let phone = rules::phone(&import.phone_number);
        let number = Number {
            id: NumberId::new(),
            country: phone.as_ref().and_then(|phone| phone.country.clone()),
            phone_number: phone.map(|phone| phone.number).unwrap_or_default(),
            provider: import.provider.clone(),
            trunk_id,
            label: import.label.clone(),
            inbound_agent_id: None,
            outbound_agent_id: None,
            created_at: self.clock.now(),
        };
        let with = change.note(number.created_at, "number.imported", "number", number.id)?;
        let with = change.answered(with, &number)?;
        match self.store.number_create(change.scope, &number, &with).await? {
            NumberCreated::Added => {
                change.stored(with);
                Ok(number)
            }
            NumberCreated::NoTrunk => Err(no_trunk()),
            NumberCreated::Known => Err(Error::rule(
                Reason::NumberInUse,
                format!("{} was imported already.", number.phone_number),
                [("phone_number", number.phone_number.into())],
            )),
        }
    }

    /// A page of numbers.
    pub async fn number_list(&self, scope: Scope, filter: NumberFilter, page: Page) -> Result<Listing<Number>, Error> {
        Ok(self.store.number_list(scope, filter, page).await?)
    }

    /// A page of the numbers an agent serves, in either direction.
    pub async fn agent_numbers(&self, scope: Scope, agent: &str, page: Page) -> Result<Listing<Number>, Error> {
        let id: AgentId = rules::id_in_path("agent", agent)?;
        if self.store.agent_fetch(scope, id).await?.is_none() {
            return Err(Error::not_found("agent", agent));
        }
        Ok(self.store.number_list(scope, NumberFilter::of_agent(id), page).await?)
    }

    /// One number.
    pub async fn number_fetch(&self, scope: Scope, id: &str) -> Result<Number, Error> {
        let number = rules::id_in_path("number", id)?;
        self.store
            .number_fetch(scope, number)
            .await?
            .ok_or_else(|| Error::not_found("number", id))
    }

    /// Gives a number to an agent. A direction that another agent serves must be taken from it first.
    pub async fn number_assign(&self, change: &Change, assign: NumberAssign) -> Result<Number, Error> {
        for _ in 0..SWAPS_MAX {
            let Versioned { mut record, version } = self.number_named(change.scope, &assign.number_id).await?;
            let agent: AgentId = rules::id_in_body("agent", &assign.agent_id, "/agent_id")?;
            if self.store.agent_fetch(change.scope, agent).await?.is_none() {
                return Err(Error::not_found_in("agent", assign.agent_id, "/agent_id"));
            }
            served_by_another(&record, agent, assign.direction)?;
            serve(&mut record, assign.direction, Some(agent));
            if self.number_put(change, "number.assigned", &record, version).await? {
                return Ok(record);
            }
        }
        Err(Error::contended("assign a number"))
    }

    /// Takes a number from whoever serves it; fine when nobody does.
    pub async fn number_unassign(&self, change: &Change, unassign: NumberUnassign) -> Result<Number, Error> {
        for _ in 0..SWAPS_MAX {
            let Versioned { mut record, version } = self.number_named(change.scope, &unassign.number_id).await?;
            serve(&mut record, unassign.direction, None);
            if self.number_put(change, "number.unassigned", &record, version).await? {
                return Ok(record);
            }
        }
        Err(Error::contended("unassign a number"))
    }

    /// Stores the agents of a number; `false` when they were others meanwhile.
    async fn number_put(
        &self,
        change: &Change,
        action: &'static str,
        number: &Number,
        version: Version,
    ) -> Result<bool, Error> {
        let with = change.note(self.clock.now(), action, "number", number.id)?;
        let with = change.answered(with, number)?;
        let done = self.store.number_assign(change.scope, number, version, &with).await?;
        if done {
            change.stored(with);
        }
        Ok(done)
    }

    /// Forgets a number.
    pub async fn number_release(&self, change: &Change, id: &str) -> Result<(), Error> {
        for _ in 0..SWAPS_MAX {
            let found = self.number_versioned(change.scope, id).await;
            let present = deleted_before(&*self.store, change, "number.released", found).await?;
            let Some(Versioned { record, version }) = present else {
                return Ok(());
            };
            change.holds_for("number", record.id, &record)?;
            let with = change.note(self.clock.now(), "number.released", "number", record.id)?;
            if self
                .store
                .number_delete(change.scope, record.id, version, &with)
                .await?
            {
                return Ok(());
            }
        }
        Err(Error::contended("release a number"))
    }

    async fn trunk_versioned(&self, scope: Scope, id: &str) -> Result<Versioned<TrunkRecord>, Error> {
        let trunk = rules::id_in_path("trunk", id)?;
        let found = self.store.trunk_versioned(scope, trunk).await?;
        found.ok_or_else(|| Error::not_found("trunk", id))
    }

    async fn number_versioned(&self, scope: Scope, id: &str) -> Result<Versioned<Number>, Error> {
        let number = rules::id_in_path("number", id)?;
        let found = self.store.number_versioned(scope, number).await?;
        found.ok_or_else(|| Error::not_found("number", id))
    }

    /// The number a body names in `number_id`.
    async fn number_named(&self, scope: Scope, id: &str) -> Result<Versioned<Number>, Error> {
        let number = rules::id_in_body("number", id, "/number_id")?;
        let found = self.store.number_versioned(scope, number).await?;
        found.ok_or_else(|| Error::not_found_in("number", id, "/number_id"))
    }
}

/// Gives directions of a number to an agent, or to nobody.
fn serve(number: &mut Number, direction: NumberDirection, agent: Option<AgentId>) {
    if direction != NumberDirection::Outbound {
        number.inbound_agent_id = agent;
    }
    if direction != NumberDirection::Inbound {
        number.outbound_agent_id = agent;
    }
}

/// All that breaks the rules of a new number and a schema can't state.
pub fn import_faults(import: &NumberImport) -> Vec<FieldFault> {
    let message = "Must be an E.164 phone number such as +14155550100.";
    let fault = || FieldFault::in_body("/phone_number", FieldReason::InvalidFormat, message);
    rules::phone(&import.phone_number)
        .is_none()
        .then(fault)
        .into_iter()
        .collect()
}

/// Refuses to take a number from an agent that isn't `agent`.
fn served_by_another(number: &Number, agent: AgentId, direction: NumberDirection) -> Result<(), Error> {
    let (inbound, outbound) = match direction {
        NumberDirection::Inbound => (number.inbound_agent_id, None),
        NumberDirection::Outbound => (None, number.outbound_agent_id),
        NumberDirection::Both => (number.inbound_agent_id, number.outbound_agent_id),
    };
    let other = |held: Option<AgentId>| held.filter(|held| *held != agent);
    let (name, holder) = match (other(inbound), other(outbound)) {
        (Some(holder), _) => ("inbound", holder),
        (None, Some(holder)) => ("outbound", holder),
        (None, None) => return Ok(()),
    };
    Err(Error::rule(
        Reason::NumberInUse,
        format!("Agent {holder} serves the {name} calls of this number. Unassign it first."),
        [
            ("number_id", number.id.to_string().into()),
            ("agent_id", holder.to_string().into()),
            ("direction", name.into()),
        ],
    ))
}

/// What the owner of a trunk set, password included.
fn settings_of(record: TrunkRecord) -> TrunkCreate {
    let TrunkRecord { trunk, password } = record;
    TrunkCreate {
        name: trunk.name,
        host: trunk.host,
        port: trunk.port,
        transport: trunk.transport,
        username: trunk.username,
        password,
        register: trunk.register,
        source_addresses: trunk.source_addresses,
        allow_sip_uri: trunk.allow_sip_uri,
    }
}

/// All that breaks the rules of a trunk's settings and a schema can't state.
pub fn trunk_faults(create: &TrunkCreate) -> Vec<FieldFault> {
    let mut faults = credential_faults(create);
    faults.extend(host_fault(&create.host));
    faults.extend(sip_text_faults(create.username.as_deref(), create.password.as_deref()));
    rules::networks("source_addresses", &create.source_addresses, &mut faults);
    faults
}

/// All that breaks the rules of a trunk in the fields that a change names, whatever the trunk.
pub fn trunk_update_faults(update: &TrunkUpdate) -> Vec<FieldFault> {
    let mut faults: Vec<_> = update.host.iter().filter_map(|host| host_fault(host)).collect();
    let (username, password) = (update.username.clone().flatten(), update.password.clone().flatten());
    faults.extend(sip_text_faults(username.as_deref(), password.as_deref()));
    rules::networks(
        "source_addresses",
        update.source_addresses.as_deref().unwrap_or_default(),
        &mut faults,
    );
    faults
}

fn host_fault(host: &str) -> Option<FieldFault> {
    let message = "Must be a host name or an address, without a port.";
    let fault = || FieldFault::in_body("/host", FieldReason::InvalidFormat, message);
    rules::host(host).is_none().then(fault)
}

/// What goes into SIP headers must not be able to end one.
fn sip_text_faults(username: Option<&str>, password: Option<&str>) -> Vec<FieldFault> {
    let message = "Must not hold control characters.";
    [("/username", username), ("/password", password)]
        .into_iter()
        .filter(|(_, text)| text.as_ref().is_some_and(|text| text.chars().any(char::is_control)))
        .map(|(pointer, _)| FieldFault::in_body(pointer, FieldReason::InvalidFormat, message))
        .collect()
}

/// A trunk that keeps all rules, host and networks in their canonical form.
fn trunk_record(
    id: TrunkId,
    create: TrunkCreate,
    created_at: Timestamp,
    updated_at: Timestamp,
) -> Result<TrunkRecord, Error> {
    rules::checked(trunk_faults(&create))?;
    let host = rules::host(&create.host).unwrap_or_default();
    let source_addresses = rules::networks("source_addresses", &create.source_addresses, &mut Vec::new());
    let trunk = Trunk {
        id,
        name: create.name,
        provider: SIP.to_owned(),
        host,
        port: create.port,
        transport: create.transport,
        username: create.username,
        has_password: create.password.is_some(),
        register: create.register,
        source_addresses,
        allow_sip_uri: create.allow_sip_uri,
        created_at,
        updated_at,
    };
    Ok(TrunkRecord {
        trunk,
        password: create.password,
    })
}

fn credential_faults(create: &TrunkCreate) -> Vec<FieldFault> {
    let message = match (create.username.is_some() || create.password.is_some(), create.register) {
        (_, true) => "Registering needs a username and a password.",
        (true, false) => "Username and password go together.",
        (false, false) => return Vec::new(),
    };
    [
        ("/username", create.username.is_none()),
        ("/password", create.password.is_none()),
    ]
    .into_iter()
    .filter(|(_, missing)| *missing)
    .map(|(pointer, _)| FieldFault::in_body(pointer, FieldReason::Required, message))
    .collect()
}
