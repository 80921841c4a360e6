//! What operators of the platform do; only under `/api/operator/v1`.

mod billing_fetch;
mod credits_grant;
mod ledger_list;
mod organization_create;
mod organization_fetch;
mod organization_limits_fetch;
mod organization_limits_set;
mod organization_list;
mod request_fetch;
mod request_list;
mod subscription_past_due;
mod subscription_start;
mod subscription_stop;
mod trial_start;
mod trial_stop;

use domain::{Change, records::Scope};

use crate::{gate::Caller, operation::Operation};

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        organization_create::operation(),
        request_list::operation(),
        request_fetch::operation(),
        billing_fetch::operation(),
        ledger_list::operation(),
        credits_grant::operation(),
        trial_start::operation(),
        trial_stop::operation(),
        subscription_start::operation(),
        subscription_past_due::operation(),
        subscription_stop::operation(),
        organization_list::operation(),
        organization_fetch::operation(),
        organization_limits_fetch::operation(),
        organization_limits_set::operation(),
    ]
}

/// A change of an organisation's by an operator. The operator's `Idempotency-Key` is the platform's and not the
/// organisation's; its ticket knows that.
fn operator_change(caller: &Caller, scope: Scope) -> Change {
    Change {
        scope,
        ..caller.change()
    }
}
