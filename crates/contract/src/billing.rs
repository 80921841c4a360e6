//! Credits, standing, the ledger and usage.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{CallDirection, CallId, LedgerEntryId, Timestamp};

/// Millionths in a credit.
const SCALE: i64 = 1_000_000;

/// The text is no amount of credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of credits: at most 1000000000, with at most six decimals")]
pub struct NotCredits;

/// An exact amount of credits, kept as whole millionths; in JSON a number with at most six decimals.
///
/// Amounts end at a thousand million, so that every one of them has at most fifteen digits: those come through the
/// floating-point numbers that most JSON parsers use without a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = f64, example = 12.5)]
pub struct Credits(i64);

impl Credits {
    /// None.
    pub const ZERO: Self = Self(0);
    /// The greatest amount.
    pub const MAX: Self = Self(1_000_000_000 * SCALE);

    /// From millionths.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// As millionths.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole credits.
    pub const fn whole(credits: i32) -> Self {
        Self(credits as i64 * SCALE)
    }

    /// As JSON shows it.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / SCALE as f64
    }

    /// Whether it is more than nothing.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// The sum; ends at the greatest numbers there are.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; may be below zero.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Many times the amount.
    #[must_use]
    pub const fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (
            self.0.unsigned_abs() / SCALE as u64,
            self.0.unsigned_abs() % SCALE as u64,
        );
        let sign = if self.0 < 0 { "-" } else { "" };
        let decimals = format!("{rest:06}");
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            decimals => write!(f, "{sign}{whole}.{decimals}"),
        }
    }
}

/// From a plain decimal, `0.25`; neither a sign nor an exponent.
impl FromStr for Credits {
    type Err = NotCredits;

    fn from_str(text: &str) -> Result<Self, NotCredits> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(decimals) || whole.len() > 10 || decimals.len() > 6 {
            return Err(NotCredits);
        }
        let whole: i64 = whole.parse().map_err(|_| NotCredits)?;
        let decimals: i64 = format!("{decimals:0<6}").parse().map_err(|_| NotCredits)?;
        let credits = Self(whole * SCALE + decimals);
        if credits > Self::MAX {
            Err(NotCredits)
        } else {
            Ok(credits)
        }
    }
}

impl TryFrom<f64> for Credits {
    type Error = NotCredits;

    fn try_from(number: f64) -> Result<Self, NotCredits> {
        if number.is_nan() || number.abs() > Self::MAX.as_f64() {
            return Err(NotCredits);
        }
        let credits = Self((number * SCALE as f64).round() as i64);
        // What JSON wrote with more decimals than we keep is no amount of ours.
        #[expect(
            clippy::float_cmp,
            reason = "a number of at most fifteen digits comes back as itself"
        )]
        let is_exact = credits.as_f64() == number;
        if is_exact { Ok(credits) } else { Err(NotCredits) }
    }
}

impl Serialize for Credits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % SCALE == 0 {
            serializer.serialize_i64(self.0 / SCALE)
        } else {
            serializer.serialize_f64(self.as_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Credits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Self::try_from(number).map_err(serde::de::Error::custom)
    }
}

/// Whether an organisation may spend, and why (not). Follows from dates alone, so it changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Neither trial nor subscription yet; may not spend.
    TrialNotStarted,
    /// In its trial; may spend.
    Trialing,
    /// The trial is over; may not spend.
    TrialExpired,
    /// Subscribed; may spend.
    Active,
    /// A payment failed; may spend until the days of grace are over.
    PastDue,
    /// The subscription ended, or so did the days of grace; may not spend.
    Inactive,
}

impl Standing {
    /// As it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TrialNotStarted => "trial_not_started",
            Self::Trialing => "trialing",
            Self::TrialExpired => "trial_expired",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Inactive => "inactive",
        }
    }
}

/// What an organisation may spend, and what things cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Billing {
    /// Whether this server asks for payment at all. Where it doesn't, calls are metered and nothing is ever refused.
    pub enabled: bool,
    /// Whether the organisation may spend.
    pub standing: Standing,
    /// Credits there are to spend.
    pub balance: Credits,
    /// Credits held for what is going on now; what is left over comes back to `balance`.
    pub reserved: Credits,
    /// The trial, once it was started.
    pub trial: Option<Trial>,
    /// The subscription, once there was one.
    pub subscription: Option<Subscription>,
    /// What things cost.
    pub prices: Prices,
}

/// The trial of an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Trial {
    /// When it was started.
    pub started_at: Timestamp,
    /// When it is over.
    pub ends_at: Timestamp,
}

/// The subscription of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Subscription {
    /// Name of the plan, where one is known.
    pub plan: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// Since when a payment is missing.
    pub past_due_since: Option<Timestamp>,
    /// When the days of grace are over, while a payment is missing.
    pub grace_ends_at: Option<Timestamp>,
    /// When it ends or ended, if it does.
    pub ends_at: Option<Timestamp>,
}

/// What things cost, in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Prices {
    /// A minute of a call that came in.
    pub inbound_per_minute: Credits,
    /// A minute of a call that was placed.
    pub outbound_per_minute: Credits,
    /// A minute of a call from a browser.
    pub webrtc_per_minute: Credits,
    /// Seconds that must be affordable for a call to begin. Only what is used is paid.
    pub call_minimum_seconds: u32,
}

impl Prices {
    /// Of a minute in a direction.
    pub const fn per_minute(&self, direction: CallDirection) -> Credits {
        match direction {
            CallDirection::Inbound => self.inbound_per_minute,
            CallDirection::Outbound => self.outbound_per_minute,
            CallDirection::Webrtc => self.webrtc_per_minute,
        }
    }
}

/// What an entry of the ledger is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LedgerKind {
    /// Credits given: by the operator, or with the trial.
    Grant,
    /// Credits bought.
    Purchase,
    /// Bought credits taken back, as their price was given back.
    Refund,
    /// Credits held for something that begins.
    Reserve,
    /// More credits held for something that goes on.
    Extend,
    /// What was used is paid from what was held; the rest is free again.
    Settle,
    /// What was held is free again.
    Release,
}

/// A change of an organisation's credits. Entries are only ever added; the four changes of one add up to zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LedgerEntry {
    /// Of the entry.
    pub id: LedgerEntryId,
    /// What it is about.
    pub kind: LedgerKind,
    /// Change of the credits there are to spend.
    pub available: Credits,
    /// Change of the credits held.
    pub reserved: Credits,
    /// Change of what was spent for good.
    pub spent: Credits,
    /// Change of what was put in, seen from its source: given and bought credits come out of it.
    pub source: Credits,
    /// Credits there were to spend afterwards.
    pub balance: Credits,
    /// Credits that were held afterwards.
    pub balance_reserved: Credits,
    /// The call it is about, if it is about one.
    pub call_id: Option<CallId>,
    /// For people.
    pub note: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

/// What was used in a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Usage {
    /// First day, UTC.
    #[schema(format = "date", example = "2026-02-01")]
    pub from: String,
    /// Last day, UTC.
    #[schema(format = "date", example = "2026-02-28")]
    pub to: String,
    /// All days together.
    pub total: UsageFigures,
    /// Days on which anything was used, oldest first.
    pub days: Vec<UsageDay>,
}

/// What was used on a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UsageDay {
    /// The day, UTC. A call counts on the day on which it ended.
    #[schema(format = "date", example = "2026-02-04")]
    pub date: String,
    /// What was used.
    #[serde(flatten)]
    pub figures: UsageFigures,
}

/// How much was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UsageFigures {
    /// Calls that ended, answered or not.
    pub calls: u64,
    /// Seconds of answered calls, each call rounded up to a whole one.
    pub seconds: u64,
    /// What they cost. Where billing is off, what they would have cost.
    pub credits: Credits,
}

/// Credits that an operator gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "credits": 100, "note": "Invoice 2026-014" }))]
pub struct CreditsGrant {
    /// How many; at most six decimals.
    #[schema(minimum = 0.000_001, maximum = 1_000_000_000.0)]
    pub credits: f64,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub note: Option<String>,
}

/// A trial that an operator starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "days": 30 }))]
pub struct TrialStart {
    /// How long; as configured when left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3650)]
    pub days: Option<u32>,
}

/// A subscription that an operator starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "plan": "pro" }))]
pub struct SubscriptionStart {
    /// Name of the plan.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    pub plan: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        for (text, micros) in [
            ("0", 0),
            ("1", 1_000_000),
            ("0.25", 250_000),
            ("0.000001", 1),
            ("1000000000", 1_000_000_000_000_000),
            ("999999999.999999", 999_999_999_999_999),
        ] {
            let credits: Credits = text.parse().unwrap_or_default();
            assert_eq!((credits.micros(), credits.to_string()), (micros, text.to_owned()));
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "0.0000001",
            "1000000000.000001",
            "1,5",
            "٣",
            "99999999999",
        ] {
            assert_eq!(bad.parse::<Credits>(), Err(NotCredits), "{bad}");
        }
    }

    #[test]
    fn numbers_in_json_keep_every_digit() {
        for micros in [0, 1, 999_999, 1_000_000, 12_345_678, 999_999_999_999_999, -250_000] {
            let credits = Credits::from_micros(micros);
            let json = serde_json::to_string(&credits).unwrap_or_default();
            assert_eq!(
                json,
                if json.contains('e') {
                    json.clone()
                } else {
                    credits.to_string()
                }
            );
            assert_eq!(serde_json::from_str::<Credits>(&json).ok(), Some(credits), "{json}");
        }
        assert!(serde_json::from_str::<Credits>("0.0000001").is_err());
        assert!(serde_json::from_str::<Credits>("1e18").is_err());
    }
}
