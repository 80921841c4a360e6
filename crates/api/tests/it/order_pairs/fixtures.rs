//! For each operation a request with which nothing is wrong, and what only requests to it can get wrong.

use contract::{MemberRole, Reason};
use domain::ProviderFault;
use serde_json::{Value, json};

use super::{
    Stage,
    faults::Fault,
    world::{By, Ids},
};

/// What a good request needs besides its route.
pub(super) struct Fixture {
    /// For the path; empty where it has none.
    pub(super) id: String,
    /// Ignored where the operation takes none.
    pub(super) body: Value,
}

/// Of an operation. One that is missing here is told by its name: say what a good request to it is.
pub(super) fn of(operation: &str, ids: &Ids) -> Fixture {
    let (id, body) = match operation {
        "agent_list"
        | "voice_list"
        | "trunk_list"
        | "number_list"
        | "call_list"
        | "member_list"
        | "key_list"
        | "ledger_list"
        | "request_list"
        | "audit_list"
        | "organization_list"
        | "request_report_list"
        | "own_organization_fetch"
        | "billing_fetch"
        | "usage_fetch"
        | "trial_begin" => ("", json!({})),
        "agent_create" => ("", ids.agent_body.clone()),
        "agent_fetch" | "agent_numbers" | "agent_delete" => (ids.agent.as_str(), json!({})),
        "agent_update" => (&*ids.agent, json!({ "name": "Eve" })),
        "voice_fetch" => (&*ids.voice, json!({})),
        "trunk_create" => ("", json!({ "name": "Second", "host": "192.0.2.5" })),
        "trunk_fetch" | "trunk_delete" => (&*ids.trunk, json!({})),
        "trunk_update" => (&*ids.trunk, json!({ "name": "Third" })),
        "number_import" => ("", json!({ "phone_number": "+14155550199", "trunk_id": ids.trunk })),
        "number_assign" => ("", json!({ "number_id": ids.number, "agent_id": ids.agent })),
        "number_unassign" => ("", json!({ "number_id": ids.number })),
        "number_fetch" | "number_release" => (&*ids.number, json!({})),
        "call_create" => ("", json!({ "agent_id": ids.agent, "phone_number": "+14155550123" })),
        "call_end" => (&*ids.call, json!({})),
        "call_fetch" | "call_events" | "call_transcript" | "call_recording" | "call_delete" => {
            (&*ids.call_over, json!({}))
        }
        "own_organization_update" => ("", json!({ "name": "Other" })),
        "member_create" => ("", json!({ "subject": "zoe", "role": "member" })),
        "member_fetch" | "member_remove" => (&*ids.member, json!({})),
        "member_update" => (&*ids.member, json!({ "name": "Zoe" })),
        "key_create" => ("", json!({ "name": "New", "scopes": ["read"] })),
        "key_fetch" | "key_revoke" => (&*ids.key, json!({})),
        "key_update" => (&*ids.key, json!({ "name": "Old" })),
        "request_fetch" | "request_report_fetch" => (&*ids.request, json!({})),
        "organization_create" => ("", json!({ "name": "Second" })),
        "credits_grant" => (&*ids.organization, json!({ "credits": 1 })),
        "organization_fetch"
        | "organization_billing_fetch"
        | "organization_ledger_list"
        | "organization_limits_fetch"
        | "organization_limits_set"
        | "organization_trial_start"
        | "organization_trial_stop"
        | "organization_subscription_start"
        | "organization_subscription_past_due"
        | "organization_subscription_stop" => (&*ids.organization, json!({})),
        unknown => panic!("{unknown} has no fixture: what is a good request to it?"),
    };
    Fixture {
        id: id.to_owned(),
        body,
    }
}

/// How an organisation stands with which a good request would be carried out, where that matters.
pub(super) fn standing(operation: &str) -> Option<Reason> {
    match operation {
        "trial_begin" => Some(Reason::TrialNotStarted),
        "organization_trial_stop" | "organization_subscription_past_due" | "organization_subscription_stop" => {
            Some(Reason::InsufficientCredits)
        }
        _ => None,
    }
}

/// What only requests to this operation can get wrong.
pub(super) fn faults(operation: &str) -> Vec<Fault> {
    match operation {
        "agent_create" | "agent_update" => vec![
            Fault::field("max_duration", json!("25h")),
            Fault::unknown_in_body("voice_id"),
        ],
        "trunk_create" | "trunk_update" => vec![Fault::field("host", json!("no host"))],
        "trunk_delete" => vec![Fault::rule(Reason::TrunkInUse, "a trunk with numbers", |ask, ids| {
            ask.id.clone_from(&ids.trunk_in_use);
        })],
        "number_import" => vec![
            Fault::field("phone_number", json!("0")),
            Fault::unknown_in_body("trunk_id"),
            Fault::rule(Reason::NumberInUse, "a known number", |ask, ids| {
                ask.set("phone_number", json!(ids.phone_number));
            }),
            Fault::rule(Reason::UnsupportedProvider, "another provider", |ask, _| {
                ask.set("provider", json!("acme"));
            }),
        ],
        "number_assign" => vec![
            Fault::unknown_in_body("number_id"),
            Fault::unknown_in_body("agent_id"),
            Fault::rule(Reason::NumberInUse, "a number that another serves", |ask, ids| {
                ask.set("agent_id", json!(ids.idle_agent));
            }),
        ],
        "number_unassign" => vec![Fault::unknown_in_body("number_id")],
        "call_create" => of_a_call(),
        "call_delete" => vec![Fault::rule(Reason::InvalidState, "a call under way", |ask, ids| {
            ask.id.clone_from(&ids.call);
        })],
        "call_end" => vec![Fault::rule(Reason::InvalidState, "a call that is over", |ask, ids| {
            ask.id.clone_from(&ids.call_over);
        })],
        "call_recording" => vec![Fault::rule(
            Reason::RangeNotSatisfiable,
            "a range past the end",
            |ask, _| {
                ask.header("range", "bytes=1000000-");
            },
        )],
        "member_create" => vec![Fault::field("subject", json!("a\u{1}b"))],
        "member_update" => vec![Fault::rule(Reason::LastOwner, "the last owner", |ask, ids| {
            ask.id.clone_from(&ids.owner);
            ask.set("role", json!("admin"));
            ask.by = By::Person(MemberRole::Owner);
        })],
        "member_remove" => vec![Fault::rule(Reason::LastOwner, "the last owner", |ask, ids| {
            ask.id.clone_from(&ids.owner);
            ask.by = By::Person(MemberRole::Owner);
        })],
        "key_create" => vec![Fault::field("ip_allowlist", json!(["home"]))],
        "key_revoke" => vec![Fault::rule(
            Reason::InvalidState,
            "a key that another revoked",
            |ask, ids| ask.id.clone_from(&ids.revoked_key),
        )],
        "key_update" => vec![
            Fault::field("ip_allowlist", json!(["home"])),
            Fault::rule(Reason::InvalidState, "a revoked key", |ask, ids| {
                ask.id.clone_from(&ids.revoked_key);
            }),
        ],
        "credits_grant" => vec![Fault::field("credits", json!(1.123_456_7))],
        // Where nobody pays, there is nothing to begin; and of what never began, nothing to stop.
        "trial_begin"
        | "organization_trial_stop"
        | "organization_subscription_past_due"
        | "organization_subscription_stop" => {
            vec![Fault::rule(Reason::InvalidState, "nothing there", |_, _| {})]
        }
        _ => Vec::new(),
    }
}

fn of_a_call() -> Vec<Fault> {
    let mut faults = vec![
        Fault::field("phone_number", json!("0")),
        Fault::unknown_in_body("agent_id"),
        Fault::rule(Reason::AgentNotActive, "a draft", |ask, ids| {
            ask.set("agent_id", json!(ids.draft_agent));
        }),
        Fault::rule(Reason::NoOutboundNumber, "an agent without a number", |ask, ids| {
            ask.set("agent_id", json!(ids.idle_agent));
        }),
        Fault::rule(Reason::SipUriNotAllowed, "a SIP URI", |ask, _| {
            ask.remove("phone_number");
            ask.set("sip_uri", json!("sip:alice@192.0.2.4"));
        }),
    ];
    let standings = [
        Reason::TrialNotStarted,
        Reason::TrialExpired,
        Reason::SubscriptionInactive,
        Reason::InsufficientCredits,
    ];
    faults.extend(standings.map(|reason| {
        let mut fault = Fault::new(Stage::Standing, reason, "who can't pay", |_, _| {});
        fault.standing = Some(reason);
        fault
    }));
    let failures = [
        (ProviderFault::Unreachable, Reason::ProviderUnreachable),
        (ProviderFault::Timeout, Reason::ProviderTimeout),
        (ProviderFault::Rejected, Reason::ProviderRejected),
        (ProviderFault::RateLimited, Reason::ProviderRateLimited),
        (ProviderFault::BadResponse, Reason::ProviderBadResponse),
        (ProviderFault::Credentials, Reason::ProviderCredentials),
    ];
    faults.extend(failures.map(|(failure, reason)| {
        Fault::new(Stage::Provider, reason, "a carrier that fails", move |ask, _| {
            ask.fails = Some(failure);
        })
    }));
    faults
}
