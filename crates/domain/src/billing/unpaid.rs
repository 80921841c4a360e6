//! Why an organisation may not spend.

use contract::{Credits, LaterFailure, Reason, Standing, Timestamp};
use serde_json::{Map, Value, json};

/// Where a person is sent to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentPages {
    /// Where a trial is started.
    pub trial: String,
    /// Where one subscribes and buys credits.
    pub billing: String,
}

impl Default for PaymentPages {
    fn default() -> Self {
        Self {
            trial: "/onboarding/trial".to_owned(),
            billing: "/settings/billing".to_owned(),
        }
    }
}

/// Why an organisation may not spend, and where a person can mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shortfall}")]
pub struct Unpaid {
    /// Why.
    pub shortfall: Shortfall,
    /// Where.
    pub redirect_url: String,
}

/// What an organisation lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortfall {
    /// Neither trial nor subscription yet.
    #[error("the trial was not started")]
    TrialNotStarted,
    /// The trial is over.
    #[error("the trial is over")]
    TrialExpired,
    /// The subscription ended, or its payment failed too long ago.
    #[error("the subscription is not active")]
    SubscriptionInactive,
    /// There are too few credits.
    #[error("{balance} credits of {required}")]
    InsufficientCredits {
        /// What there is.
        balance: Credits,
        /// What is needed.
        required: Credits,
    },
}

impl Shortfall {
    /// Whether a standing lets an organisation spend.
    pub const fn by_standing(standing: Standing) -> Option<Self> {
        match standing {
            Standing::Trialing | Standing::Active | Standing::PastDue => None,
            Standing::TrialNotStarted => Some(Self::TrialNotStarted),
            Standing::TrialExpired => Some(Self::TrialExpired),
            Standing::Inactive => Some(Self::SubscriptionInactive),
        }
    }

    /// With the page on which it is mended.
    pub fn on(self, pages: &PaymentPages) -> Unpaid {
        let page = match self {
            Self::TrialNotStarted => &pages.trial,
            Self::TrialExpired | Self::SubscriptionInactive | Self::InsufficientCredits { .. } => &pages.billing,
        };
        Unpaid {
            shortfall: self,
            redirect_url: page.clone(),
        }
    }
}

impl Unpaid {
    /// Its reason in the catalogue.
    pub const fn reason(&self) -> Reason {
        match self.shortfall {
            Shortfall::TrialNotStarted => Reason::TrialNotStarted,
            Shortfall::TrialExpired => Reason::TrialExpired,
            Shortfall::SubscriptionInactive => Reason::SubscriptionInactive,
            Shortfall::InsufficientCredits { .. } => Reason::InsufficientCredits,
        }
    }

    /// For people.
    pub fn message(&self) -> String {
        match self.shortfall {
            Shortfall::TrialNotStarted => "The trial has not been started.".to_owned(),
            Shortfall::TrialExpired => "The trial is over.".to_owned(),
            Shortfall::SubscriptionInactive => "The subscription is not active.".to_owned(),
            Shortfall::InsufficientCredits { balance, required } => {
                format!("The operation needs {required} credits, and there are {balance}.")
            }
        }
    }

    /// What `details` holds besides the reason.
    pub fn details(&self) -> Map<String, Value> {
        let mut details = Map::from_iter([("redirect_url".to_owned(), json!(self.redirect_url))]);
        if let Shortfall::InsufficientCredits { balance, required } = self.shortfall {
            details.insert("balance".to_owned(), json!(balance));
            details.insert("required".to_owned(), json!(required));
        }
        details
    }

    /// As it stands in the record of what it ended.
    pub fn later(&self, at: Timestamp) -> LaterFailure {
        LaterFailure::new(self.reason(), self.message(), self.details(), at)
    }
}
