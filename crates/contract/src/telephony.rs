//! Trunks and numbers.

use serde::{Deserialize, Serialize};

use crate::{AgentId, NumberId, Timestamp, TrunkId};

/// How SIP messages travel (RFC 3261 section 18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SipTransport {
    /// Datagrams.
    #[default]
    Udp,
    /// A stream.
    Tcp,
}

/// A SIP trunk: a peer that brings us calls and takes ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Trunk {
    /// Its id.
    pub id: TrunkId,
    /// For people.
    pub name: String,
    /// Always `sip`.
    pub provider: String,
    /// Host name or address of the peer.
    pub host: String,
    /// Port of the peer.
    pub port: u16,
    /// How messages travel.
    pub transport: SipTransport,
    /// For digest authentication, both ways.
    pub username: Option<String>,
    /// Whether a password is stored. The password itself is never shown.
    pub has_password: bool,
    /// Whether we register with the peer (RFC 3261 section 10).
    pub register: bool,
    /// Networks from which calls are taken without a challenge (CIDR).
    pub source_addresses: Vec<String>,
    /// Whether calls may name a SIP URI instead of a phone number.
    pub allow_sip_uri: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A new trunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrunkCreate {
    /// For people.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// Host name or address of the peer.
    #[schema(min_length = 1, max_length = 255)]
    pub host: String,
    /// Port of the peer.
    #[serde(default = "sip_port")]
    #[schema(minimum = 1, maximum = 65535)]
    pub port: u16,
    /// How messages travel.
    #[serde(default)]
    pub transport: SipTransport,
    /// For digest authentication, both ways.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    pub username: Option<String>,
    /// For digest authentication; sealed at rest, never shown.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    pub password: Option<String>,
    /// Whether we register with the peer.
    #[serde(default)]
    pub register: bool,
    /// Networks from which calls are taken without a challenge (CIDR or address).
    #[serde(default)]
    #[schema(max_items = 64)]
    pub source_addresses: Vec<String>,
    /// Whether calls may name a SIP URI instead of a phone number.
    #[serde(default)]
    pub allow_sip_uri: bool,
}

fn sip_port() -> u16 {
    5060
}

/// A change to a trunk: what is present changes, `null` clears.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of TrunkCreate")]
pub struct TrunkUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535, nullable = false)]
    pub port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub transport: Option<SipTransport>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub username: Option<Option<String>>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub password: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub register: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 64, nullable = false)]
    pub source_addresses: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub allow_sip_uri: Option<bool>,
}

/// A phone number of the organisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Number {
    /// Its id.
    pub id: NumberId,
    /// E.164.
    pub phone_number: String,
    /// Always `sip` for imported numbers.
    pub provider: String,
    /// The trunk it lives on.
    pub trunk_id: TrunkId,
    /// For people.
    pub label: Option<String>,
    /// ISO 3166-1 alpha-2, where the number tells.
    pub country: Option<String>,
    /// The agent that answers calls to it.
    pub inbound_agent_id: Option<AgentId>,
    /// The agent that places calls from it.
    pub outbound_agent_id: Option<AgentId>,
    /// When it was imported.
    pub created_at: Timestamp,
}

/// Makes a number on a trunk known.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberImport {
    /// E.164.
    #[schema(format = "e164", example = "+14155550100")]
    pub phone_number: String,
    /// `sip`.
    #[serde(default = "sip_provider")]
    #[schema(min_length = 1, max_length = 32)]
    pub provider: String,
    /// The trunk it lives on.
    pub trunk_id: TrunkIdText,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub label: Option<String>,
}

fn sip_provider() -> String {
    "sip".to_owned()
}

/// An id as a client wrote it: one that isn't a UUID names nothing, which is 404 and not a fault of form.
pub type TrunkIdText = String;

/// Which calls of a number an agent serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberDirection {
    /// Calls to it.
    Inbound,
    /// Calls from it.
    Outbound,
    /// Both.
    #[default]
    Both,
}

/// Gives a number to an agent.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberAssign {
    /// Which number.
    pub number_id: String,
    /// To which agent.
    pub agent_id: String,
    /// Which calls.
    #[serde(default)]
    pub direction: NumberDirection,
}

/// Takes a number from its agents.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberUnassign {
    /// Which number.
    pub number_id: String,
    /// Which calls.
    #[serde(default)]
    pub direction: NumberDirection,
}
