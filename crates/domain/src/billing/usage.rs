//! What was used, by day.

use chrono::{DateTime, Days, NaiveDate};
use contract::{FieldFault, FieldReason, Usage, UsageDay, UsageFigures};

use super::{Billing, UsedDay};
use crate::{Error, records::Scope, rules};

/// Days shown when no beginning is given.
const DAYS_SHOWN: u64 = 30;
/// Most days of one answer.
const DAYS_MAX: i64 = 366;

impl Billing {
    /// What was used from one day to another, both included; the last thirty days when nothing is said.
    pub async fn usage_fetch(&self, scope: Scope, from: Option<&str>, to: Option<&str>) -> Result<Usage, Error> {
        let (from, to) = self.days(from, to)?;
        let used = self.store.usage_list(scope, number_of(from), number_of(to)).await?;
        let mut total = UsageFigures::default();
        for day in &used {
            total.calls += day.figures.calls;
            total.seconds += day.figures.seconds;
            total.credits = total.credits.plus(day.figures.credits);
        }
        Ok(Usage {
            from: from.to_string(),
            to: to.to_string(),
            total,
            days: used.into_iter().map(shown).collect(),
        })
    }

    fn days(&self, from: Option<&str>, to: Option<&str>) -> Result<(NaiveDate, NaiveDate), Error> {
        let read = |name: &str, text: Option<&str>| match text.map(str::parse::<NaiveDate>) {
            None => Ok(None),
            Some(Ok(date)) if number_of(date) >= 0 => Ok(Some(date)),
            Some(_) => {
                let message = "Must be a day such as 2026-02-04.";
                Err(FieldFault::in_query(name, FieldReason::InvalidFormat, message))
            }
        };
        let (from, to) = match (read("from", from), read("to", to)) {
            (Ok(from), Ok(to)) => (from, to),
            (from, to) => return Err(Error::Invalid([from.err(), to.err()].into_iter().flatten().collect())),
        };
        let to = to.unwrap_or_else(|| self.clock.now().utc().date_naive());
        let from = from.unwrap_or_else(|| to.checked_sub_days(Days::new(DAYS_SHOWN - 1)).unwrap_or(to));
        let length = number_of(to) - number_of(from) + 1;
        let mut faults = Vec::new();
        if length < 1 {
            let message = "Must not be later than the last day.";
            faults.push(FieldFault::in_query("from", FieldReason::OutOfRange, message).with("max", to.to_string()));
        } else if length > DAYS_MAX {
            let message = format!("Must be at most {DAYS_MAX} days before the last day.");
            faults.push(FieldFault::in_query("from", FieldReason::OutOfRange, message).with("max_days", DAYS_MAX));
        }
        rules::checked(faults)?;
        Ok((from, to))
    }
}

/// Days since the Unix epoch.
fn number_of(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

fn shown(used: UsedDay) -> UsageDay {
    let date = DateTime::from_timestamp(used.day * 86_400, 0)
        .unwrap_or_default()
        .date_naive();
    UsageDay {
        date: date.to_string(),
        figures: used.figures,
    }
}
