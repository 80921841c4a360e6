//! Every operation of the API, as a method of [`Client`], and the filters of its lists.

// Written by `cargo xtask gen`. Changes belong into the generator, xtask/src/sdk.rs.

use std::fmt::Display;

use reqwest::Method;

use crate::{
    Client, Download, ListRequest, Request, Watch, contract,
    request::{Repeat, Spec},
};

/// Name, method and path of every operation.
#[rustfmt::skip]
pub const OPERATIONS: &[(&str, &str, &str)] = &[
    ("agent_create", "POST", "/api/public/v1/agents"),
    ("agent_delete", "DELETE", "/api/public/v1/agents/{id}"),
    ("agent_fetch", "GET", "/api/public/v1/agents/{id}"),
    ("agent_list", "GET", "/api/public/v1/agents"),
    ("agent_numbers", "GET", "/api/public/v1/agents/{id}/numbers"),
    ("agent_update", "PATCH", "/api/public/v1/agents/{id}"),
    ("audit_list", "GET", "/api/v1/audit-log"),
    ("billing_fetch", "GET", "/api/v1/billing"),
    ("call_create", "POST", "/api/public/v1/calls"),
    ("call_delete", "DELETE", "/api/public/v1/calls/{id}"),
    ("call_end", "POST", "/api/public/v1/calls/{id}/end"),
    ("call_events", "GET", "/api/public/v1/calls/{id}/events"),
    ("call_fetch", "GET", "/api/public/v1/calls/{id}"),
    ("call_list", "GET", "/api/public/v1/calls"),
    ("call_recording", "GET", "/api/public/v1/calls/{id}/recording"),
    ("call_transcript", "GET", "/api/public/v1/calls/{id}/transcript"),
    ("credits_grant", "POST", "/api/operator/v1/organizations/{id}/credits/grant"),
    ("key_create", "POST", "/api/v1/api-keys"),
    ("key_fetch", "GET", "/api/v1/api-keys/{id}"),
    ("key_list", "GET", "/api/v1/api-keys"),
    ("key_revoke", "DELETE", "/api/v1/api-keys/{id}"),
    ("key_update", "PATCH", "/api/v1/api-keys/{id}"),
    ("ledger_list", "GET", "/api/v1/billing/ledger"),
    ("member_create", "POST", "/api/v1/members"),
    ("member_fetch", "GET", "/api/v1/members/{id}"),
    ("member_list", "GET", "/api/v1/members"),
    ("member_remove", "DELETE", "/api/v1/members/{id}"),
    ("member_update", "PATCH", "/api/v1/members/{id}"),
    ("number_assign", "POST", "/api/public/v1/telephony/numbers/assign"),
    ("number_fetch", "GET", "/api/public/v1/telephony/numbers/{id}"),
    ("number_import", "POST", "/api/public/v1/telephony/numbers/import"),
    ("number_list", "GET", "/api/public/v1/telephony/numbers"),
    ("number_release", "DELETE", "/api/public/v1/telephony/numbers/{id}"),
    ("number_unassign", "POST", "/api/public/v1/telephony/numbers/unassign"),
    ("organization_billing_fetch", "GET", "/api/operator/v1/organizations/{id}/billing"),
    ("organization_create", "POST", "/api/operator/v1/organizations"),
    ("organization_fetch", "GET", "/api/operator/v1/organizations/{id}"),
    ("organization_ledger_list", "GET", "/api/operator/v1/organizations/{id}/credits"),
    ("organization_limits_fetch", "GET", "/api/operator/v1/organizations/{id}/limits"),
    ("organization_limits_set", "PUT", "/api/operator/v1/organizations/{id}/limits"),
    ("organization_list", "GET", "/api/operator/v1/organizations"),
    ("organization_subscription_past_due", "POST", "/api/operator/v1/organizations/{id}/subscription/past-due"),
    ("organization_subscription_start", "POST", "/api/operator/v1/organizations/{id}/subscription/start"),
    ("organization_subscription_stop", "POST", "/api/operator/v1/organizations/{id}/subscription/stop"),
    ("organization_trial_start", "POST", "/api/operator/v1/organizations/{id}/trial/start"),
    ("organization_trial_stop", "POST", "/api/operator/v1/organizations/{id}/trial/stop"),
    ("own_organization_fetch", "GET", "/api/v1/organization"),
    ("own_organization_update", "PATCH", "/api/v1/organization"),
    ("request_fetch", "GET", "/api/v1/requests/{id}"),
    ("request_list", "GET", "/api/v1/requests"),
    ("request_report_fetch", "GET", "/api/operator/v1/requests/{id}"),
    ("request_report_list", "GET", "/api/operator/v1/requests"),
    ("stripe_webhook", "POST", "/api/billing/stripe/webhook"),
    ("trial_begin", "POST", "/api/v1/billing/trial"),
    ("trunk_create", "POST", "/api/public/v1/telephony/trunks"),
    ("trunk_delete", "DELETE", "/api/public/v1/telephony/trunks/{id}"),
    ("trunk_fetch", "GET", "/api/public/v1/telephony/trunks/{id}"),
    ("trunk_list", "GET", "/api/public/v1/telephony/trunks"),
    ("trunk_update", "PATCH", "/api/public/v1/telephony/trunks/{id}"),
    ("usage_fetch", "GET", "/api/v1/usage"),
    ("voice_fetch", "GET", "/api/public/v1/voices/{id}"),
    ("voice_list", "GET", "/api/public/v1/voices"),
];

/// Filters of [`Client::agent_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct AgentListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Filters of [`Client::agent_numbers`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct AgentNumbersQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Filters of [`Client::audit_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct AuditListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// By this key or person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// Such as `agent.created`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Of this thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// At that time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<contract::Timestamp>,
    /// Before that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<contract::Timestamp>,
}

/// Filters of [`Client::call_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct CallListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Of this agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// In this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<contract::CallStatus>,
    /// Of this direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<contract::CallDirection>,
}

/// Filters of [`Client::key_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct KeyListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Filters of [`Client::ledger_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct LedgerListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Filters of [`Client::member_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct MemberListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Filters of [`Client::number_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct NumberListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// E.164.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// That this agent serves, in either direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

/// Filters of [`Client::organization_ledger_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct OrganizationLedgerListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Filters of [`Client::organization_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct OrganizationListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Filters of [`Client::request_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct RequestListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Answered with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u64>,
    /// Answered with this code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<contract::Code>,
    /// Answered because of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Answered at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<contract::Timestamp>,
}

/// Filters of [`Client::request_report_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct RequestReportListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Of this organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// Answered with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u64>,
    /// Answered with this code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<contract::Code>,
    /// Answered because of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Answered at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<contract::Timestamp>,
}

/// Filters of [`Client::trunk_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct TrunkListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Filters of [`Client::usage_fetch`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct UsageFetchQuery {
    /// First day; thirty days are shown when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last day; today when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Filters of [`Client::voice_list`]; what is left out does not count.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct VoiceListQuery {
    /// Most things on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Things to skip. Not with `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Client {
    /// Create an agent
    ///
    /// It takes and places calls at once, unless `status` is `draft`.
    ///
    /// `POST /api/public/v1/agents`, needs the scope `write`.
    pub fn agent_create(&self, body: &contract::AgentCreate) -> Request<contract::Agent> {
        let spec = Spec::new(
            "agent_create",
            Method::POST,
            "/api/public/v1/agents",
            &[],
            Repeat::WithKey,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Delete an agent
    ///
    /// Its numbers stay, without an agent; its calls stay too.
    ///
    /// `DELETE /api/public/v1/agents/{id}`, needs the scope `write`.
    pub fn agent_delete(&self, id: impl Display) -> Request<()> {
        let spec = Spec::new(
            "agent_delete",
            Method::DELETE,
            "/api/public/v1/agents/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// Get an agent
    ///
    /// All that its owner set.
    ///
    /// `GET /api/public/v1/agents/{id}`, needs the scope `read`.
    pub fn agent_fetch(&self, id: impl Display) -> Request<contract::Agent> {
        let spec = Spec::new(
            "agent_fetch",
            Method::GET,
            "/api/public/v1/agents/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// List agents
    ///
    /// Newest first.
    ///
    /// `GET /api/public/v1/agents`, needs the scope `read`.
    pub fn agent_list(&self, query: &AgentListQuery) -> ListRequest<contract::Agent> {
        let spec = Spec::new("agent_list", Method::GET, "/api/public/v1/agents", &[], Repeat::Always).query(query);
        ListRequest::new(self, spec)
    }

    /// List an agent's numbers
    ///
    /// Those it answers and those it calls from, newest first.
    ///
    /// `GET /api/public/v1/agents/{id}/numbers`, needs the scope `read`.
    pub fn agent_numbers(&self, id: impl Display, query: &AgentNumbersQuery) -> ListRequest<contract::Number> {
        let spec = Spec::new(
            "agent_numbers",
            Method::GET,
            "/api/public/v1/agents/{id}/numbers",
            &[&id],
            Repeat::Always,
        )
        .query(query);
        ListRequest::new(self, spec)
    }

    /// Change an agent
    ///
    /// What is present changes, `null` clears. Calls under way keep the settings they began with.
    ///
    /// `PATCH /api/public/v1/agents/{id}`, needs the scope `write`.
    pub fn agent_update(&self, id: impl Display, body: &contract::AgentUpdate) -> Request<contract::Agent> {
        let spec = Spec::new(
            "agent_update",
            Method::PATCH,
            "/api/public/v1/agents/{id}",
            &[&id],
            Repeat::OnlyIfUntouched,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// List changes
    ///
    /// Who changed what, newest first. Written together with each change, and never changed.
    ///
    /// `GET /api/v1/audit-log`, needs the scope `admin`.
    pub fn audit_list(&self, query: &AuditListQuery) -> ListRequest<contract::AuditLogEntry> {
        let spec = Spec::new("audit_list", Method::GET, "/api/v1/audit-log", &[], Repeat::Always).query(query);
        ListRequest::new(self, spec)
    }

    /// Get standing, credits and prices
    ///
    /// What the organisation may spend now, and what things cost.
    ///
    /// `GET /api/v1/billing`, needs the scope `admin`.
    pub fn billing_fetch(&self) -> Request<contract::Billing> {
        let spec = Spec::new("billing_fetch", Method::GET, "/api/v1/billing", &[], Repeat::Always);
        Request::new(self, spec)
    }

    /// Place a call
    ///
    /// Answers once the other side rings, answers or is on its way. A carrier that refuses at once is a `provider_error`, and the call's record says why.
    ///
    /// `POST /api/public/v1/calls`, needs the scope `write`, billable.
    pub fn call_create(&self, body: &contract::CallCreate) -> Request<contract::Call> {
        let spec = Spec::new(
            "call_create",
            Method::POST,
            "/api/public/v1/calls",
            &[],
            Repeat::WithKey,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Delete a call
    ///
    /// With its transcript and recording; only once it is over.
    ///
    /// `DELETE /api/public/v1/calls/{id}`, needs the scope `write`.
    pub fn call_delete(&self, id: impl Display) -> Request<()> {
        let spec = Spec::new(
            "call_delete",
            Method::DELETE,
            "/api/public/v1/calls/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// End a call
    ///
    /// Hangs up in order. A call that is over already is `invalid_state`.
    ///
    /// `POST /api/public/v1/calls/{id}/end`, needs the scope `write`.
    pub fn call_end(&self, id: impl Display) -> Request<contract::Call> {
        let spec = Spec::new(
            "call_end",
            Method::POST,
            "/api/public/v1/calls/{id}/end",
            &[&id],
            Repeat::WithKey,
        );
        Request::new(self, spec)
    }

    /// Watch a call
    ///
    /// Server-sent events: first the present state, then what happens, live, until the call is over. A reader that is
    /// too slow loses the oldest events. There is no replay, so `Last-Event-ID` is accepted and changes nothing: each
    /// new stream begins with the state at that moment. What breaks comes as `event: error` with the whole error
    /// envelope (`ErrorEnvelope`); all other events are named as `type` in their data.
    ///
    /// `GET /api/public/v1/calls/{id}/events`, needs the scope `read`.
    pub fn call_events(&self, id: impl Display) -> Watch<contract::CallEvent> {
        let spec = Spec::new(
            "call_events",
            Method::GET,
            "/api/public/v1/calls/{id}/events",
            &[&id],
            Repeat::Always,
        );
        Watch::new(self, spec)
    }

    /// Get a call
    ///
    /// With its state, times, measurements and what broke, if anything did.
    ///
    /// `GET /api/public/v1/calls/{id}`, needs the scope `read`.
    pub fn call_fetch(&self, id: impl Display) -> Request<contract::Call> {
        let spec = Spec::new(
            "call_fetch",
            Method::GET,
            "/api/public/v1/calls/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// List calls
    ///
    /// Newest first, filtered exactly.
    ///
    /// `GET /api/public/v1/calls`, needs the scope `read`.
    pub fn call_list(&self, query: &CallListQuery) -> ListRequest<contract::Call> {
        let spec = Spec::new("call_list", Method::GET, "/api/public/v1/calls", &[], Repeat::Always).query(query);
        ListRequest::new(self, spec)
    }

    /// Get a recording
    ///
    /// WAV, 16-bit, caller left and agent right, once the call is over. One range of bytes may be asked for; a
    /// `Range` header that can't be read, or names several, is ignored as RFC 9110 wants it.
    ///
    /// `GET /api/public/v1/calls/{id}/recording`, needs the scope `read`.
    pub fn call_recording(&self, id: impl Display) -> Download {
        let spec = Spec::new(
            "call_recording",
            Method::GET,
            "/api/public/v1/calls/{id}/recording",
            &[&id],
            Repeat::Always,
        );
        Download::new(self, spec)
    }

    /// Get a transcript
    ///
    /// What was said so far; of the agent's words only those really heard.
    ///
    /// `GET /api/public/v1/calls/{id}/transcript`, needs the scope `read`.
    pub fn call_transcript(&self, id: impl Display) -> Request<contract::Transcript> {
        let spec = Spec::new(
            "call_transcript",
            Method::GET,
            "/api/public/v1/calls/{id}/transcript",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// Grant credits
    ///
    /// They are there at once. With an `Idempotency-Key` they are given once.
    ///
    /// `POST /api/operator/v1/organizations/{id}/credits/grant`, needs the scope `operator`.
    pub fn credits_grant(&self, id: impl Display, body: &contract::CreditsGrant) -> Request<contract::LedgerEntry> {
        let spec = Spec::new(
            "credits_grant",
            Method::POST,
            "/api/operator/v1/organizations/{id}/credits/grant",
            &[&id],
            Repeat::WithKey,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Create an API key
    ///
    /// The key itself is shown this once.
    ///
    /// `POST /api/v1/api-keys`, needs the scope `admin`.
    pub fn key_create(&self, body: &contract::ApiKeyCreate) -> Request<contract::ApiKeyCreated> {
        let spec = Spec::new("key_create", Method::POST, "/api/v1/api-keys", &[], Repeat::WithKey).body(body);
        Request::new(self, spec)
    }

    /// Get an API key
    ///
    /// Its record; never the key itself. That of a revoked key stays.
    ///
    /// `GET /api/v1/api-keys/{id}`, needs the scope `admin`.
    pub fn key_fetch(&self, id: impl Display) -> Request<contract::ApiKey> {
        let spec = Spec::new(
            "key_fetch",
            Method::GET,
            "/api/v1/api-keys/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// List API keys
    ///
    /// Their records, newest first; never the keys themselves.
    ///
    /// `GET /api/v1/api-keys`, needs the scope `admin`.
    pub fn key_list(&self, query: &KeyListQuery) -> ListRequest<contract::ApiKey> {
        let spec = Spec::new("key_list", Method::GET, "/api/v1/api-keys", &[], Repeat::Always).query(query);
        ListRequest::new(self, spec)
    }

    /// Revoke an API key
    ///
    /// It stops working at once; its record stays. Only who revoked it may do so again.
    ///
    /// `DELETE /api/v1/api-keys/{id}`, needs the scope `admin`.
    pub fn key_revoke(&self, id: impl Display) -> Request<()> {
        let spec = Spec::new(
            "key_revoke",
            Method::DELETE,
            "/api/v1/api-keys/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// Change an API key
    ///
    /// What is present changes, `null` clears; scopes stay as they were made. It counts from the next request on. A
    /// revoked key can't be changed.
    ///
    /// `PATCH /api/v1/api-keys/{id}`, needs the scope `admin`.
    pub fn key_update(&self, id: impl Display, body: &contract::ApiKeyUpdate) -> Request<contract::ApiKey> {
        let spec = Spec::new(
            "key_update",
            Method::PATCH,
            "/api/v1/api-keys/{id}",
            &[&id],
            Repeat::OnlyIfUntouched,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// List the ledger
    ///
    /// Every change of the organisation's credits, newest first. Entries are only ever added.
    ///
    /// `GET /api/v1/billing/ledger`, needs the scope `admin`.
    pub fn ledger_list(&self, query: &LedgerListQuery) -> ListRequest<contract::LedgerEntry> {
        let spec = Spec::new(
            "ledger_list",
            Method::GET,
            "/api/v1/billing/ledger",
            &[],
            Repeat::Always,
        )
        .query(query);
        ListRequest::new(self, spec)
    }

    /// Add a member
    ///
    /// Whoever brings a token with this subject may act in the organisation from now on. Only owners make owners.
    ///
    /// `POST /api/v1/members`, needs the scope `admin`.
    pub fn member_create(&self, body: &contract::MemberCreate) -> Request<contract::Member> {
        let spec = Spec::new("member_create", Method::POST, "/api/v1/members", &[], Repeat::WithKey).body(body);
        Request::new(self, spec)
    }

    /// Get a member
    ///
    /// Who it is, and what they may do.
    ///
    /// `GET /api/v1/members/{id}`, needs the scope `admin`.
    pub fn member_fetch(&self, id: impl Display) -> Request<contract::Member> {
        let spec = Spec::new(
            "member_fetch",
            Method::GET,
            "/api/v1/members/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// List members
    ///
    /// Newest first.
    ///
    /// `GET /api/v1/members`, needs the scope `admin`.
    pub fn member_list(&self, query: &MemberListQuery) -> ListRequest<contract::Member> {
        let spec = Spec::new("member_list", Method::GET, "/api/v1/members", &[], Repeat::Always).query(query);
        ListRequest::new(self, spec)
    }

    /// Remove a member
    ///
    /// Their tokens open nothing here from the next request on; keys that they made stay. Only owners remove owners, and
    /// the last one stays.
    ///
    /// `DELETE /api/v1/members/{id}`, needs the scope `admin`.
    pub fn member_remove(&self, id: impl Display) -> Request<()> {
        let spec = Spec::new(
            "member_remove",
            Method::DELETE,
            "/api/v1/members/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// Change a member
    ///
    /// What is present changes, `null` clears. A new role counts from the next request on. Only owners make owners, and
    /// only they take that role from one; the last owner keeps it.
    ///
    /// `PATCH /api/v1/members/{id}`, needs the scope `admin`.
    pub fn member_update(&self, id: impl Display, body: &contract::MemberUpdate) -> Request<contract::Member> {
        let spec = Spec::new(
            "member_update",
            Method::PATCH,
            "/api/v1/members/{id}",
            &[&id],
            Repeat::OnlyIfUntouched,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Assign a number
    ///
    /// Gives a number to an agent, for calls to it, from it, or both.
    ///
    /// `POST /api/public/v1/telephony/numbers/assign`, needs the scope `write`.
    pub fn number_assign(&self, body: &contract::NumberAssign) -> Request<contract::Number> {
        let spec = Spec::new(
            "number_assign",
            Method::POST,
            "/api/public/v1/telephony/numbers/assign",
            &[],
            Repeat::WithKey,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Get a number
    ///
    /// With the trunk it lives on and the agents that serve it.
    ///
    /// `GET /api/public/v1/telephony/numbers/{id}`, needs the scope `read`.
    pub fn number_fetch(&self, id: impl Display) -> Request<contract::Number> {
        let spec = Spec::new(
            "number_fetch",
            Method::GET,
            "/api/public/v1/telephony/numbers/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// Import a number
    ///
    /// Makes a number known that a trunk brings.
    ///
    /// `POST /api/public/v1/telephony/numbers/import`, needs the scope `write`.
    pub fn number_import(&self, body: &contract::NumberImport) -> Request<contract::Number> {
        let spec = Spec::new(
            "number_import",
            Method::POST,
            "/api/public/v1/telephony/numbers/import",
            &[],
            Repeat::WithKey,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// List numbers
    ///
    /// Newest first.
    ///
    /// `GET /api/public/v1/telephony/numbers`, needs the scope `read`.
    pub fn number_list(&self, query: &NumberListQuery) -> ListRequest<contract::Number> {
        let spec = Spec::new(
            "number_list",
            Method::GET,
            "/api/public/v1/telephony/numbers",
            &[],
            Repeat::Always,
        )
        .query(query);
        ListRequest::new(self, spec)
    }

    /// Release a number
    ///
    /// It is no longer known here and may be imported again.
    ///
    /// `DELETE /api/public/v1/telephony/numbers/{id}`, needs the scope `write`.
    pub fn number_release(&self, id: impl Display) -> Request<()> {
        let spec = Spec::new(
            "number_release",
            Method::DELETE,
            "/api/public/v1/telephony/numbers/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// Unassign a number
    ///
    /// Takes a number from its agents, for calls to it, from it, or both.
    ///
    /// `POST /api/public/v1/telephony/numbers/unassign`, needs the scope `write`.
    pub fn number_unassign(&self, body: &contract::NumberUnassign) -> Request<contract::Number> {
        let spec = Spec::new(
            "number_unassign",
            Method::POST,
            "/api/public/v1/telephony/numbers/unassign",
            &[],
            Repeat::WithKey,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Get an organisation's standing and credits
    ///
    /// As the organisation itself sees it under `/billing`.
    ///
    /// `GET /api/operator/v1/organizations/{id}/billing`, needs the scope `operator`.
    pub fn organization_billing_fetch(&self, id: impl Display) -> Request<contract::Billing> {
        let spec = Spec::new(
            "organization_billing_fetch",
            Method::GET,
            "/api/operator/v1/organizations/{id}/billing",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// Create an organisation
    ///
    /// With its first API key, which may do everything in it and is shown this once.
    ///
    /// `POST /api/operator/v1/organizations`, needs the scope `operator`.
    pub fn organization_create(&self, body: &contract::OrganizationCreate) -> Request<contract::OrganizationCreated> {
        let spec = Spec::new(
            "organization_create",
            Method::POST,
            "/api/operator/v1/organizations",
            &[],
            Repeat::WithKey,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Get an organisation
    ///
    /// Any tenant of the platform.
    ///
    /// `GET /api/operator/v1/organizations/{id}`, needs the scope `operator`.
    pub fn organization_fetch(&self, id: impl Display) -> Request<contract::Organization> {
        let spec = Spec::new(
            "organization_fetch",
            Method::GET,
            "/api/operator/v1/organizations/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// List an organisation's ledger
    ///
    /// Every change of its credits, newest first.
    ///
    /// `GET /api/operator/v1/organizations/{id}/credits`, needs the scope `operator`.
    pub fn organization_ledger_list(
        &self,
        id: impl Display,
        query: &OrganizationLedgerListQuery,
    ) -> ListRequest<contract::LedgerEntry> {
        let spec = Spec::new(
            "organization_ledger_list",
            Method::GET,
            "/api/operator/v1/organizations/{id}/credits",
            &[&id],
            Repeat::Always,
        )
        .query(query);
        ListRequest::new(self, spec)
    }

    /// Fetch the limits of an organisation
    ///
    /// What it was granted. Parts that are `null` are as the server's configuration says.
    ///
    /// `GET /api/operator/v1/organizations/{id}/limits`, needs the scope `operator`.
    pub fn organization_limits_fetch(&self, id: impl Display) -> Request<contract::OrganizationLimits> {
        let spec = Spec::new(
            "organization_limits_fetch",
            Method::GET,
            "/api/operator/v1/organizations/{id}/limits",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// Set the limits of an organisation
    ///
    /// All of them at once: parts that are absent or `null` become as the server's configuration says, and `0` takes a
    /// window's limit away. They hold at once on the node that is asked, and within ten seconds on all others.
    ///
    /// `PUT /api/operator/v1/organizations/{id}/limits`, needs the scope `operator`.
    pub fn organization_limits_set(
        &self,
        id: impl Display,
        body: &contract::OrganizationLimits,
    ) -> Request<contract::OrganizationLimits> {
        let spec = Spec::new(
            "organization_limits_set",
            Method::PUT,
            "/api/operator/v1/organizations/{id}/limits",
            &[&id],
            Repeat::OnlyIfUntouched,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// List organisations
    ///
    /// All tenants of the platform, newest first.
    ///
    /// `GET /api/operator/v1/organizations`, needs the scope `operator`.
    pub fn organization_list(&self, query: &OrganizationListQuery) -> ListRequest<contract::Organization> {
        let spec = Spec::new(
            "organization_list",
            Method::GET,
            "/api/operator/v1/organizations",
            &[],
            Repeat::Always,
        )
        .query(query);
        ListRequest::new(self, spec)
    }

    /// Note a missing payment
    ///
    /// The days of grace begin, unless they have begun before.
    ///
    /// `POST /api/operator/v1/organizations/{id}/subscription/past-due`, needs the scope `operator`.
    pub fn organization_subscription_past_due(&self, id: impl Display) -> Request<contract::Billing> {
        let spec = Spec::new(
            "organization_subscription_past_due",
            Method::POST,
            "/api/operator/v1/organizations/{id}/subscription/past-due",
            &[&id],
            Repeat::WithKey,
        );
        Request::new(self, spec)
    }

    /// Start a subscription
    ///
    /// Or mend one whose payment is missing. Events of a payment provider may replace it.
    ///
    /// `POST /api/operator/v1/organizations/{id}/subscription/start`, needs the scope `operator`.
    pub fn organization_subscription_start(
        &self,
        id: impl Display,
        body: &contract::SubscriptionStart,
    ) -> Request<contract::Billing> {
        let spec = Spec::new(
            "organization_subscription_start",
            Method::POST,
            "/api/operator/v1/organizations/{id}/subscription/start",
            &[&id],
            Repeat::WithKey,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Stop a subscription
    ///
    /// It is over at once, for good.
    ///
    /// `POST /api/operator/v1/organizations/{id}/subscription/stop`, needs the scope `operator`.
    pub fn organization_subscription_stop(&self, id: impl Display) -> Request<contract::Billing> {
        let spec = Spec::new(
            "organization_subscription_stop",
            Method::POST,
            "/api/operator/v1/organizations/{id}/subscription/stop",
            &[&id],
            Repeat::WithKey,
        );
        Request::new(self, spec)
    }

    /// Start a trial
    ///
    /// Even a second one. The credits that come with a trial come once.
    ///
    /// `POST /api/operator/v1/organizations/{id}/trial/start`, needs the scope `operator`.
    pub fn organization_trial_start(
        &self,
        id: impl Display,
        body: &contract::TrialStart,
    ) -> Request<contract::Billing> {
        let spec = Spec::new(
            "organization_trial_start",
            Method::POST,
            "/api/operator/v1/organizations/{id}/trial/start",
            &[&id],
            Repeat::WithKey,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Stop a trial
    ///
    /// It is over at once.
    ///
    /// `POST /api/operator/v1/organizations/{id}/trial/stop`, needs the scope `operator`.
    pub fn organization_trial_stop(&self, id: impl Display) -> Request<contract::Billing> {
        let spec = Spec::new(
            "organization_trial_stop",
            Method::POST,
            "/api/operator/v1/organizations/{id}/trial/stop",
            &[&id],
            Repeat::WithKey,
        );
        Request::new(self, spec)
    }

    /// Get the organisation
    ///
    /// The one that the credentials belong to.
    ///
    /// `GET /api/v1/organization`, needs the scope `admin`.
    pub fn own_organization_fetch(&self) -> Request<contract::Organization> {
        let spec = Spec::new(
            "own_organization_fetch",
            Method::GET,
            "/api/v1/organization",
            &[],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// Change the organisation
    ///
    /// What is present changes.
    ///
    /// `PATCH /api/v1/organization`, needs the scope `admin`.
    pub fn own_organization_update(&self, body: &contract::OrganizationUpdate) -> Request<contract::Organization> {
        let spec = Spec::new(
            "own_organization_update",
            Method::PATCH,
            "/api/v1/organization",
            &[],
            Repeat::OnlyIfUntouched,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Get a failed request
    ///
    /// By the `request_id` of its answer.
    ///
    /// `GET /api/v1/requests/{id}`, needs the scope `admin`.
    pub fn request_fetch(&self, id: impl Display) -> Request<contract::FailedRequest> {
        let spec = Spec::new(
            "request_fetch",
            Method::GET,
            "/api/v1/requests/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// List failed requests
    ///
    /// The organisation's requests that were answered with 400 or above, newest first. They are kept for some days (7 by default), as far as
    /// there is room, and appear a moment after their answer. Requests whose credentials were refused belong to nobody and
    /// are not among them.
    ///
    /// `GET /api/v1/requests`, needs the scope `admin`.
    pub fn request_list(&self, query: &RequestListQuery) -> ListRequest<contract::FailedRequest> {
        let spec = Spec::new("request_list", Method::GET, "/api/v1/requests", &[], Repeat::Always).query(query);
        ListRequest::new(self, spec)
    }

    /// Get anybody's failed request
    ///
    /// By the `request_id` of its answer, with the causes behind it and what the server logged meanwhile.
    ///
    /// `GET /api/operator/v1/requests/{id}`, needs the scope `operator`.
    pub fn request_report_fetch(&self, id: impl Display) -> Request<contract::FailedRequestReport> {
        let spec = Spec::new(
            "request_report_fetch",
            Method::GET,
            "/api/operator/v1/requests/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// List everybody's failed requests
    ///
    /// Newest first, with the causes behind them and what the server logged meanwhile; those of strangers too.
    ///
    /// `GET /api/operator/v1/requests`, needs the scope `operator`.
    pub fn request_report_list(&self, query: &RequestReportListQuery) -> ListRequest<contract::FailedRequestReport> {
        let spec = Spec::new(
            "request_report_list",
            Method::GET,
            "/api/operator/v1/requests",
            &[],
            Repeat::Always,
        )
        .query(query);
        ListRequest::new(self, spec)
    }

    /// Take an event from Stripe
    ///
    /// For Stripe alone, which signs what it sends (`Stripe-Signature`). Every event is taken once, in whatever order events come.
    ///
    /// `POST /api/billing/stripe/webhook`.
    pub fn stripe_webhook(&self, body: &serde_json::Value) -> Request<serde_json::Value> {
        let spec = Spec::new(
            "stripe_webhook",
            Method::POST,
            "/api/billing/stripe/webhook",
            &[],
            Repeat::OnlyIfUntouched,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Start the trial
    ///
    /// Once for each organisation, and before any subscription. The credits that come with it are there at once.
    ///
    /// `POST /api/v1/billing/trial`, needs the scope `admin`.
    pub fn trial_begin(&self) -> Request<contract::Billing> {
        let spec = Spec::new(
            "trial_begin",
            Method::POST,
            "/api/v1/billing/trial",
            &[],
            Repeat::WithKey,
        );
        Request::new(self, spec)
    }

    /// Create a trunk
    ///
    /// A SIP peer that brings calls and takes them. The password is never shown again.
    ///
    /// `POST /api/public/v1/telephony/trunks`, needs the scope `write`.
    pub fn trunk_create(&self, body: &contract::TrunkCreate) -> Request<contract::Trunk> {
        let spec = Spec::new(
            "trunk_create",
            Method::POST,
            "/api/public/v1/telephony/trunks",
            &[],
            Repeat::WithKey,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Delete a trunk
    ///
    /// Only once no number lives on it.
    ///
    /// `DELETE /api/public/v1/telephony/trunks/{id}`, needs the scope `write`.
    pub fn trunk_delete(&self, id: impl Display) -> Request<()> {
        let spec = Spec::new(
            "trunk_delete",
            Method::DELETE,
            "/api/public/v1/telephony/trunks/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// Get a trunk
    ///
    /// Without its password.
    ///
    /// `GET /api/public/v1/telephony/trunks/{id}`, needs the scope `read`.
    pub fn trunk_fetch(&self, id: impl Display) -> Request<contract::Trunk> {
        let spec = Spec::new(
            "trunk_fetch",
            Method::GET,
            "/api/public/v1/telephony/trunks/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// List trunks
    ///
    /// Newest first.
    ///
    /// `GET /api/public/v1/telephony/trunks`, needs the scope `read`.
    pub fn trunk_list(&self, query: &TrunkListQuery) -> ListRequest<contract::Trunk> {
        let spec = Spec::new(
            "trunk_list",
            Method::GET,
            "/api/public/v1/telephony/trunks",
            &[],
            Repeat::Always,
        )
        .query(query);
        ListRequest::new(self, spec)
    }

    /// Change a trunk
    ///
    /// What is present changes, `null` clears.
    ///
    /// `PATCH /api/public/v1/telephony/trunks/{id}`, needs the scope `write`.
    pub fn trunk_update(&self, id: impl Display, body: &contract::TrunkUpdate) -> Request<contract::Trunk> {
        let spec = Spec::new(
            "trunk_update",
            Method::PATCH,
            "/api/public/v1/telephony/trunks/{id}",
            &[&id],
            Repeat::OnlyIfUntouched,
        )
        .body(body);
        Request::new(self, spec)
    }

    /// Get usage by day
    ///
    /// Calls, seconds and credits. A call counts on the day on which it ended, and stays counted when it is deleted. At
    /// most 366 days.
    ///
    /// `GET /api/v1/usage`, needs the scope `admin`.
    pub fn usage_fetch(&self, query: &UsageFetchQuery) -> Request<contract::Usage> {
        let spec = Spec::new("usage_fetch", Method::GET, "/api/v1/usage", &[], Repeat::Always).query(query);
        Request::new(self, spec)
    }

    /// Get a voice
    ///
    /// Its provider, language and state.
    ///
    /// `GET /api/public/v1/voices/{id}`, needs the scope `read`.
    pub fn voice_fetch(&self, id: impl Display) -> Request<contract::Voice> {
        let spec = Spec::new(
            "voice_fetch",
            Method::GET,
            "/api/public/v1/voices/{id}",
            &[&id],
            Repeat::Always,
        );
        Request::new(self, spec)
    }

    /// List voices
    ///
    /// The system's and the organisation's, newest first.
    ///
    /// `GET /api/public/v1/voices`, needs the scope `read`.
    pub fn voice_list(&self, query: &VoiceListQuery) -> ListRequest<contract::Voice> {
        let spec = Spec::new("voice_list", Method::GET, "/api/public/v1/voices", &[], Repeat::Always).query(query);
        ListRequest::new(self, spec)
    }
}
