//! Trunks and numbers: how the telephone network reaches agents, and they it.

use std::sync::Arc;

use contract::{
    AgentId, FieldFault, FieldReason, Number, NumberAssign, NumberDirection, NumberId, NumberImport, NumberUnassign,
    Reason, Timestamp, Trunk, TrunkCreate, TrunkId, TrunkUpdate,
};

use crate::{
    Error,
    ports::{Clock, Store},
    records::{Listing, Page, Scope, TrunkRecord},
    rules::{self, Cidr},
};

/// The only provider numbers can come from.
const SIP: &str = "sip";
/// Tries against others who assign the same number at the same moment.
const ASSIGN_ATTEMPTS: usize = 3;

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
    pub async fn trunk_create(&self, scope: Scope, create: TrunkCreate) -> Result<Trunk, Error> {
        let now = self.clock.now();
        let record = trunk_record(TrunkId::new(), create, now, now)?;
        self.store.trunk_create(scope, &record).await?;
        Ok(record.trunk)
    }

    /// One trunk, without its password.
    pub async fn trunk_fetch(&self, scope: Scope, id: &str) -> Result<Trunk, Error> {
        self.trunk_record_fetch(scope, id).await.map(|record| record.trunk)
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
    pub async fn trunk_update(&self, scope: Scope, id: &str, update: TrunkUpdate) -> Result<Trunk, Error> {
        let present = self.trunk_record_fetch(scope, id).await?;
        let (key, created_at) = (present.trunk.id, present.trunk.created_at);
        let merged = rules::overlay(&settings_of(present), &update)?;
        let record = trunk_record(key, merged, created_at, self.clock.now())?;
        let known = self.store.trunk_update(scope, &record).await?;
        if known {
            Ok(record.trunk)
        } else {
            Err(Error::not_found("trunk", id))
        }
    }

    /// Deletes a trunk on which no number lives.
    pub async fn trunk_delete(&self, scope: Scope, id: &str) -> Result<(), Error> {
        let trunk: TrunkId = rules::id_in_path("trunk", id)?;
        match self.store.trunk_delete(scope, trunk).await? {
            None => Err(Error::not_found("trunk", id)),
            Some(0) => Ok(()),
            Some(numbers) => Err(Error::rule(
                Reason::TrunkInUse,
                format!("{numbers} number(s) live on this trunk. Release them first."),
                [("trunk_id", trunk.to_string().into()), ("numbers", numbers.into())],
            )),
        }
    }

    /// Makes a number on a trunk known.
    pub async fn number_import(&self, scope: Scope, import: NumberImport) -> Result<Number, Error> {
        let phone = rules::phone(&import.phone_number).ok_or_else(|| {
            let message = "Must be an E.164 phone number such as +14155550100.";
            Error::Invalid(vec![FieldFault::in_body(
                "/phone_number",
                FieldReason::InvalidFormat,
                message,
            )])
        })?;
        let trunk_id: TrunkId = rules::id_in_body("trunk", &import.trunk_id, "/trunk_id")?;
        if self.store.trunk_fetch(scope, trunk_id).await?.is_none() {
            return Err(Error::not_found_in("trunk", import.trunk_id, "/trunk_id"));
        }
        if import.provider != SIP {
            let message = format!("Numbers of {} can't be imported; sip is supported.", import.provider);
            let details = [("provider", import.provider.into()), ("supported", vec![SIP].into())];
            return Err(Error::rule(Reason::UnsupportedProvider, message, details));
        }
        let number = Number {
            id: NumberId::new(),
            phone_number: phone.number,
            provider: import.provider,
            trunk_id,
            label: import.label,
            country: phone.country,
            inbound_agent_id: None,
            outbound_agent_id: None,
            created_at: self.clock.now(),
        };
        if self.store.number_create(scope, &number).await? {
            return Ok(number);
        }
        let message = format!("{} was imported already.", number.phone_number);
        Err(Error::rule(
            Reason::NumberInUse,
            message,
            [("phone_number", number.phone_number.into())],
        ))
    }

    /// A page of numbers.
    pub async fn number_list(&self, scope: Scope, page: Page) -> Result<Listing<Number>, Error> {
        Ok(self.store.number_list(scope, None, page).await?)
    }

    /// A page of the numbers an agent serves, in either direction.
    pub async fn agent_numbers(&self, scope: Scope, agent: &str, page: Page) -> Result<Listing<Number>, Error> {
        let id: AgentId = rules::id_in_path("agent", agent)?;
        if self.store.agent_fetch(scope, id).await?.is_none() {
            return Err(Error::not_found("agent", agent));
        }
        Ok(self.store.number_list(scope, Some(id), page).await?)
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
    pub async fn number_assign(&self, scope: Scope, assign: NumberAssign) -> Result<Number, Error> {
        self.number_named(scope, &assign.number_id).await?;
        let agent: AgentId = rules::id_in_body("agent", &assign.agent_id, "/agent_id")?;
        if self.store.agent_fetch(scope, agent).await?.is_none() {
            return Err(Error::not_found_in("agent", assign.agent_id, "/agent_id"));
        }
        for _ in 0..ASSIGN_ATTEMPTS {
            let number = self.number_named(scope, &assign.number_id).await?;
            served_by_another(&number, agent, assign.direction)?;
            // `false` here means that somebody else assigned it since the line above.
            if self
                .store
                .number_assign(scope, number.id, Some(agent), assign.direction)
                .await?
            {
                return self.number_named(scope, &assign.number_id).await;
            }
        }
        Err(Error::internal("assign a number", "it changed hands at every attempt"))
    }

    /// Takes a number from whoever serves it; fine when nobody does.
    pub async fn number_unassign(&self, scope: Scope, unassign: NumberUnassign) -> Result<Number, Error> {
        let number = self.number_named(scope, &unassign.number_id).await?;
        self.store
            .number_assign(scope, number.id, None, unassign.direction)
            .await?;
        self.number_named(scope, &unassign.number_id).await
    }

    /// Forgets a number.
    pub async fn number_release(&self, scope: Scope, id: &str) -> Result<(), Error> {
        let number = rules::id_in_path("number", id)?;
        let known = self.store.number_delete(scope, number).await?;
        if known {
            Ok(())
        } else {
            Err(Error::not_found("number", id))
        }
    }

    async fn trunk_record_fetch(&self, scope: Scope, id: &str) -> Result<TrunkRecord, Error> {
        let trunk = rules::id_in_path("trunk", id)?;
        self.store
            .trunk_fetch(scope, trunk)
            .await?
            .ok_or_else(|| Error::not_found("trunk", id))
    }

    /// The number a body names in `number_id`.
    async fn number_named(&self, scope: Scope, id: &str) -> Result<Number, Error> {
        let number = rules::id_in_body("number", id, "/number_id")?;
        let found = self.store.number_fetch(scope, number).await?;
        found.ok_or_else(|| Error::not_found_in("number", id, "/number_id"))
    }
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
    if rules::host(&create.host).is_none() {
        let message = "Must be a host name or an address, without a port.";
        faults.push(FieldFault::in_body("/host", FieldReason::InvalidFormat, message));
    }
    networks(&create.source_addresses, &mut faults);
    faults
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
    let source_addresses = networks(&create.source_addresses, &mut Vec::new());
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

fn networks(written: &[String], faults: &mut Vec<FieldFault>) -> Vec<String> {
    let mut networks: Vec<String> = Vec::with_capacity(written.len());
    for (index, text) in written.iter().enumerate() {
        let pointer = format!("/source_addresses/{index}");
        match text.parse::<Cidr>().map(|network| network.to_string()) {
            Ok(network) if networks.contains(&network) => {
                let message = "This network stands here already.";
                faults.push(FieldFault::in_body(&pointer, FieldReason::Duplicate, message));
            }
            Ok(network) => networks.push(network),
            Err(_) => {
                let message = "Must be an address or a network such as 192.0.2.0/24.";
                faults.push(FieldFault::in_body(&pointer, FieldReason::InvalidFormat, message));
            }
        }
    }
    networks
}
