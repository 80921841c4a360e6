//! What time costs. Whole millionths of credits, whole seconds: nothing here is a floating-point number.

use std::time::Duration;

use contract::{Credits, Timestamp};

const SECONDS_PER_MINUTE: i128 = 60;

/// What a call costs, and how its beginning is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// A minute. Kept with the call, so that a price that changes meanwhile does not change it.
    pub per_minute: Credits,
    /// How its beginning is paid.
    pub payment: Payment,
}

/// How the beginning of something that costs is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// Nobody pays: it is metered only.
    Metered,
    /// So many credits are held, in the same transaction.
    Reserve(Credits),
    /// The organisation may not spend: nothing is to begin.
    Refused,
}

/// Seconds that are paid of a time: each that began.
pub fn billed_seconds(answered_at: Option<Timestamp>, ended_at: Timestamp) -> i64 {
    let millis = answered_at.map_or(0, |answered| ended_at.millis() - answered.millis());
    (millis.max(0) + 999) / 1000
}

/// What so many seconds cost, rounded up to a millionth.
pub fn cost(per_minute: Credits, seconds: i64) -> Credits {
    let sixtieths = i128::from(per_minute.micros()) * i128::from(seconds.max(0));
    let micros = (sixtieths + SECONDS_PER_MINUTE - 1) / SECONDS_PER_MINUTE;
    Credits::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// Whole seconds that an amount pays for.
pub fn seconds_for(per_minute: Credits, amount: Credits) -> i64 {
    if !per_minute.is_positive() {
        return i64::MAX;
    }
    let seconds = i128::from(amount.micros()) * SECONDS_PER_MINUTE / i128::from(per_minute.micros());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// As [`seconds_for`], as a duration.
pub(super) fn lasts(per_minute: Credits, amount: Credits) -> Duration {
    Duration::from_secs(u64::try_from(seconds_for(per_minute, amount)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_that_began_is_paid_and_nothing_before_the_answer() {
        let at = Timestamp::from_millis;
        for (answered, ended, seconds) in [
            (None, 60_000, 0),
            (Some(0), 0, 0),
            (Some(0), 1, 1),
            (Some(0), 1000, 1),
            (Some(0), 1001, 2),
            (Some(5000), 1000, 0),
        ] {
            assert_eq!(billed_seconds(answered.map(at), at(ended)), seconds);
        }
    }

    #[test]
    fn costs_round_up_and_what_is_held_never_pays_for_more_than_itself() {
        assert_eq!(cost(Credits::whole(1), 60), Credits::whole(1));
        assert_eq!(cost(Credits::whole(1), 1), Credits::from_micros(16_667));
        assert_eq!(cost(Credits::whole(1), 0), Credits::ZERO);
        for price in [1, 7, 59, 60, 61, 999_999, 1_000_000, 12_345_678] {
            let price = Credits::from_micros(price);
            for held in [0, 1, 16_667, 500_000, 1_000_000, 123_456_789] {
                let held = Credits::from_micros(held);
                let seconds = seconds_for(price, held);
                assert!(cost(price, seconds) <= held, "{price} {held}");
                assert!(cost(price, seconds + 1) > held, "{price} {held}");
            }
        }
    }
}
