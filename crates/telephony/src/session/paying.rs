//! Paying for the call while it goes on, and ending it in order when nobody pays any more.

use std::time::Duration;

use contract::{LaterFailure, Reason};
use domain::{
    Error,
    billing::{Extended, Meter},
};
use serde_json::Map;

use super::{Pending, Session, fallback::Words};

/// How long before what is paid runs out more is asked for. The farewell and the hanging up fit in.
const AHEAD: Duration = Duration::from_secs(8);
/// Between two tries to pay when the store does not answer.
const AGAIN: Duration = Duration::from_secs(1);

/// What pays for the call, where somebody has to.
#[derive(Default)]
pub(super) struct Paying {
    meter: Option<Meter>,
    pub(super) extension: Pending<Result<Extended, Error>>,
    not_before: Duration,
}

impl Paying {
    pub(super) fn by(meter: Option<Meter>) -> Self {
        Self {
            meter,
            ..Self::default()
        }
    }

    /// Gives up an extension that is under way.
    pub(super) fn stop(&mut self) {
        self.extension = None;
    }

    /// Whether the call may end because nobody pays.
    pub(super) fn is_metered(&self) -> bool {
        self.meter.is_some()
    }
}

impl Session {
    /// Asks for more once what is paid runs out soon.
    pub(super) fn pay(&mut self, now: Duration) {
        let Paying {
            meter: Some(meter),
            extension: None,
            not_before,
        } = &self.paying
        else {
            return;
        };
        if now >= *not_before && now + AHEAD >= meter.lasts() {
            self.paying.extension = Some(Box::pin(meter.clone().extend()));
        }
    }

    pub(super) fn paid(&mut self, outcome: Result<Extended, Error>) {
        match outcome {
            Ok(Extended::Paid(meter)) => self.paying.meter = Some(meter),
            Ok(Extended::Unpaid(unpaid)) => {
                self.paying.meter = None;
                tracing::info!(call_id = %self.plan.call.id, "the credits for a call ran out");
                let error = unpaid.later(self.wall(self.now()));
                self.end_with(error, Words::Farewell, false);
            }
            Ok(Extended::Over) => {
                // Another node took this one for dead. Nobody would ever pay for what follows.
                self.paying.meter = None;
                tracing::warn!(call_id = %self.plan.call.id, "the record of a call was closed elsewhere; the call ends");
                let message = "The record of this call was closed elsewhere.";
                let error = LaterFailure::new(Reason::Internal, message, Map::new(), self.wall(self.now()));
                self.end_with(error, Words::Farewell, false);
            }
            Err(error) => {
                // A store that is down is no reason to cut people off; what is not held is paid at the end.
                tracing::warn!(call_id = %self.plan.call.id, %error, "a call could not be paid further; trying again");
                self.paying.not_before = self.now() + AGAIN;
            }
        }
    }
}
