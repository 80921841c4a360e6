//! What pays for a call while it goes on: a little ahead of time, and only as long as there are credits.

use std::time::Duration;

use contract::{CallId, Credits};

use super::{Billing, Extension, Held, Shortfall, Unpaid, tariff};
use crate::{Error, records::Scope};

/// What became of a wish to pay for more of a call.
pub enum Extended {
    /// It is paid, by this meter.
    Paid(Meter),
    /// It is not.
    Unpaid(Unpaid),
    /// There is nothing to pay for: somebody else closed the call's record.
    Over,
}

/// Pays for one call. The session that holds the call asks it for more before what is paid runs out.
#[derive(Clone)]
pub struct Meter {
    billing: Billing,
    scope: Scope,
    call: CallId,
    per_minute: Credits,
    held: Credits,
    steps: u32,
}

impl Meter {
    pub(super) fn new(billing: Billing, scope: Scope, call: CallId, per_minute: Credits, held: Credits) -> Self {
        Self {
            billing,
            scope,
            call,
            per_minute,
            held,
            steps: 0,
        }
    }

    /// How long after the answer what is held lasts.
    pub fn lasts(&self) -> Duration {
        tariff::lasts(self.per_minute, self.held)
    }

    /// Holds credits for the next stretch of the call, fewer where there are fewer. A step that got lost is asked for
    /// again by the same number, and so paid once.
    pub async fn extend(mut self) -> Result<Extended, Error> {
        let step = tariff::cost(self.per_minute, i64::from(self.billing.rules.extend_seconds.max(1)));
        let least = tariff::cost(self.per_minute, 1);
        let extension = Extension {
            reservation: self.call.0,
            step: self.steps + 1,
            wanted: step,
            least,
            at: self.billing.clock.now(),
        };
        Ok(
            match self.billing.store.reservation_extend(self.scope, &extension).await? {
                Held::All(held) => {
                    self.held = held;
                    self.steps += 1;
                    Extended::Paid(self)
                }
                Held::Short(balance) => Extended::Unpaid(self.billing.unpaid(Shortfall::InsufficientCredits {
                    balance,
                    required: least,
                })),
                Held::Over => Extended::Over,
            },
        )
    }
}
