//! The subscriptions of an organisation: the one that an operator gave it, and those that payment providers tell of.
//!
//! News of a provider come late, twice and in any order. So the last of them are kept for each of its subscriptions, in
//! the order in which they happened, and how it stands is told from them again when another comes: the order of
//! arrival makes no difference. Whichever subscription lets the organisation do most is the one that counts, so the
//! end of one is no end of another.

use std::time::Duration;

use contract::{Standing, Timestamp};
use serde::{Deserialize, Serialize};

use super::{SubscriptionRecord, SubscriptionState};

/// News kept of a subscription; providers try for days, not months, to deliver.
const NEWS_MAX: usize = 24;
/// Subscriptions of providers that are remembered.
const TOLD_MAX: usize = 64;

/// All subscriptions that are known of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscriptions {
    given: Option<SubscriptionRecord>,
    told: Vec<Told>,
    counted: Option<SubscriptionRecord>,
}

/// What a provider told of one subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    id: String,
    /// As it stood before the news that are kept.
    before: Option<SubscriptionRecord>,
    /// In the order in which they happened.
    news: Vec<Fact>,
}

/// One thing that happened to a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fact {
    pub(super) at: Timestamp,
    #[serde(flatten)]
    pub(super) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(super) enum What {
    /// So it stands.
    Stands {
        state: SubscriptionState,
        plan: Option<String>,
        started_at: Timestamp,
        ends_at: Option<Timestamp>,
    },
    /// A payment came.
    Paid { invoice: Option<String> },
    /// A payment failed.
    Unpaid { invoice: Option<String> },
}

impl Subscriptions {
    /// As they are kept, and the one that stands beside them. An older program knows of that one alone: where it
    /// changed it, its word is the last.
    pub fn kept(kept: Option<Self>, counted: Option<SubscriptionRecord>) -> Self {
        let mut all = kept.unwrap_or_default();
        if let Some(record) = &counted
            && all.counted != counted
        {
            all.adopt(record.clone());
        }
        all.counted = counted;
        all
    }

    /// The one that counted when this was written; for older programs.
    pub fn counted(&self) -> Option<&SubscriptionRecord> {
        self.counted.as_ref()
    }

    /// Notes which one counts, before all is written.
    pub(super) fn count(&mut self, now: Timestamp, grace: Duration) {
        self.counted = self.counting(now, grace);
    }

    /// The one that lets the organisation do most; of several the newest.
    pub(super) fn counting(&self, now: Timestamp, grace: Duration) -> Option<SubscriptionRecord> {
        let told = self.told.iter().filter_map(Told::record);
        let all = self.given.clone().into_iter().chain(told);
        all.max_by_key(|record| {
            let rank = match record.standing(now, grace) {
                Standing::Active => 2,
                Standing::PastDue => 1,
                Standing::TrialNotStarted | Standing::Trialing | Standing::TrialExpired | Standing::Inactive => 0,
            };
            (rank, record.as_of)
        })
    }

    /// Takes what a provider tells of a subscription; whether that changes how things stand.
    pub(super) fn tell(&mut self, id: &str, fact: Fact) -> bool {
        // What an operator gave lasts until a provider's subscription takes its place.
        let is_active = matches!(&fact.what, What::Stands { state, .. } if *state == SubscriptionState::Active);
        let ends_given = is_active && self.given.as_ref().is_some_and(|given| fact.at >= given.as_of);
        if ends_given {
            self.given = None;
        }
        let told = self.told_of(id);
        let before = told.shown();
        told.learn(fact);
        let is_news = told.shown() != before;
        self.forget_old();
        is_news || ends_given
    }

    /// An operator gives one.
    pub(super) fn give(&mut self, plan: Option<String>, now: Timestamp) {
        self.given = Some(SubscriptionRecord::starting(plan, now));
    }

    /// An operator says that the payment of what goes on is missing; `false` when nothing goes on.
    pub(super) fn past_due(&mut self, now: Timestamp) -> bool {
        let given = self.given.as_mut().filter(|given| !given.is_closed);
        let goes_on = given.is_some();
        if let Some(given) = given {
            given.past_due_since.get_or_insert(now);
            given.as_of = now;
        }
        self.each_open(|told, _| {
            let what = What::Unpaid { invoice: None };
            told.learn(Fact { at: now, what });
        }) || goes_on
    }

    /// An operator ends all that goes on; `false` when nothing does.
    pub(super) fn stop(&mut self, now: Timestamp) -> bool {
        let given = self.given.as_mut().filter(|given| !given.is_closed);
        let goes_on = given.is_some();
        if let Some(given) = given {
            given.close(now, now);
        }
        self.each_open(|told, record| {
            let what = What::Stands {
                state: SubscriptionState::Closed,
                plan: record.plan,
                started_at: record.started_at,
                ends_at: Some(now),
            };
            told.learn(Fact { at: now, what });
        }) || goes_on
    }

    fn each_open(&mut self, change: impl Fn(&mut Told, SubscriptionRecord)) -> bool {
        let mut found = false;
        for told in &mut self.told {
            if let Some(record) = told.record().filter(|record| !record.is_closed) {
                change(told, record);
                found = true;
            }
        }
        found
    }

    fn told_of(&mut self, id: &str) -> &mut Told {
        let index = self.told.iter().position(|told| told.id == id).unwrap_or_else(|| {
            self.told.push(Told {
                id: id.to_owned(),
                before: None,
                news: Vec::new(),
            });
            self.told.len() - 1
        });
        &mut self.told[index]
    }

    fn adopt(&mut self, record: SubscriptionRecord) {
        let Some(id) = record.provider_id.clone() else {
            self.given = Some(record);
            return;
        };
        let told = self.told_of(&id);
        told.news.retain(|fact| fact.at > record.as_of);
        told.before = Some(record);
    }

    /// Those that ended long ago go first.
    fn forget_old(&mut self) {
        if self.told.len() <= TOLD_MAX {
            return;
        }
        let oldest = self.told.iter().enumerate().min_by_key(|(_, told)| {
            let record = told.record();
            let goes_on = record.as_ref().is_some_and(|record| !record.is_closed);
            (goes_on, record.map(|record| record.as_of))
        });
        if let Some(index) = oldest.map(|(index, _)| index) {
            self.told.remove(index);
        }
    }
}

impl Told {
    /// How it stands; `None` as long as only payments are known of it.
    fn record(&self) -> Option<SubscriptionRecord> {
        let before = self.before.clone();
        self.news
            .iter()
            .fold(before, |record, fact| fact.after(&self.id, record))
    }

    /// What people are shown of how it stands.
    fn shown(&self) -> Option<SubscriptionRecord> {
        self.record().map(|record| SubscriptionRecord {
            as_of: record.started_at,
            unpaid: Vec::new(),
            ..record
        })
    }

    /// Puts a fact where it belongs. What is older than all that is kept no longer matters, but for the end.
    fn learn(&mut self, fact: Fact) {
        let is_late = self.before.as_ref().is_some_and(|before| fact.at < before.as_of);
        if self.news.contains(&fact) || (is_late && !fact.closes()) {
            return;
        }
        // Providers tell whole seconds; of the same one, a payment is the later news.
        let key = |fact: &Fact| (fact.at, matches!(fact.what, What::Paid { .. }));
        let place = self.news.partition_point(|known| key(known) <= key(&fact));
        self.news.insert(place, fact);
        if self.news.len() > NEWS_MAX {
            let oldest = self.news.remove(0);
            self.before = oldest.after(&self.id, self.before.take());
        }
    }
}

impl Fact {
    fn closes(&self) -> bool {
        matches!(&self.what, What::Stands { state, .. } if *state == SubscriptionState::Closed)
    }

    /// What is known once this happened too.
    fn after(&self, id: &str, known: Option<SubscriptionRecord>) -> Option<SubscriptionRecord> {
        match &self.what {
            What::Stands {
                state,
                plan,
                started_at,
                ends_at,
            } => self.stands(id, known, *state, plan.as_ref(), (*started_at, *ends_at)),
            What::Paid { invoice } => known.map(|record| record.paid(invoice.as_deref(), self.at)),
            What::Unpaid { invoice } => known.map(|record| record.unpaid(invoice.as_deref(), self.at)),
        }
    }

    fn stands(
        &self,
        id: &str,
        known: Option<SubscriptionRecord>,
        state: SubscriptionState,
        plan: Option<&String>,
        (started_at, ends_at): (Timestamp, Option<Timestamp>),
    ) -> Option<SubscriptionRecord> {
        let is_over = matches!(state, SubscriptionState::Closed | SubscriptionState::Suspended);
        let over_at = ends_at.unwrap_or(self.at).min(self.at);
        // Never back: what is closed stays so.
        if known.as_ref().is_some_and(|known| known.is_closed) {
            return known.map(|mut known| {
                if state == SubscriptionState::Closed {
                    known.close(over_at, self.at);
                }
                known
            });
        }
        if state == SubscriptionState::Pending {
            return known;
        }
        let mut record = SubscriptionRecord {
            plan: plan.cloned(),
            started_at,
            past_due_since: None,
            ends_at: if is_over { Some(over_at) } else { ends_at },
            is_closed: state == SubscriptionState::Closed,
            provider_id: Some(id.to_owned()),
            as_of: self.at,
            unpaid: Vec::new(),
        };
        if state == SubscriptionState::PastDue {
            let since = known.as_ref().and_then(|known| known.past_due_since);
            record.past_due_since = Some(since.unwrap_or(self.at));
            record.unpaid = known.map(|known| known.unpaid).unwrap_or_default();
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_hours(24);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    fn stands(second: i64, state: SubscriptionState, plan: &str) -> Fact {
        let what = What::Stands {
            state,
            plan: Some(plan.to_owned()),
            started_at: at(1),
            ends_at: None,
        };
        Fact { at: at(second), what }
    }

    fn paid(second: i64, invoice: &str) -> Fact {
        let invoice = Some(invoice.to_owned());
        Fact {
            at: at(second),
            what: What::Paid { invoice },
        }
    }

    fn unpaid(second: i64, invoice: &str) -> Fact {
        let invoice = Some(invoice.to_owned());
        Fact {
            at: at(second),
            what: What::Unpaid { invoice },
        }
    }

    /// All orders of so many things.
    fn orders(count: usize) -> Vec<Vec<usize>> {
        let mut orders = vec![Vec::new()];
        for index in 0..count {
            orders = orders
                .into_iter()
                .flat_map(|order: Vec<usize>| {
                    (0..=order.len()).map(move |at| {
                        let mut order = order.clone();
                        order.insert(at, index);
                        order
                    })
                })
                .collect();
        }
        orders
    }

    /// The same for every order in which a story is told: what it comes to in the end.
    fn outcome(story: &[(&str, Fact)]) -> Subscriptions {
        let told = |order: &[usize]| {
            let mut all = Subscriptions::default();
            for index in order {
                let (id, fact) = &story[*index];
                all.tell(id, fact.clone());
            }
            all.told.sort_by(|one, other| one.id.cmp(&other.id));
            all
        };
        let orders = orders(story.len());
        let outcome = told(&orders[0]);
        for order in &orders {
            assert_eq!(told(order), outcome, "{order:?}");
        }
        outcome
    }

    fn standing(all: &Subscriptions, second: i64) -> Option<Standing> {
        all.counting(at(second), GRACE)
            .map(|record| record.standing(at(second), GRACE))
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        use SubscriptionState::{Active, Closed, PastDue, Pending};
        let ended = outcome(&[
            ("sub_1", stands(1, Pending, "a")),
            ("sub_1", stands(2, Active, "a")),
            ("sub_1", unpaid(3, "in_1")),
            ("sub_1", stands(4, PastDue, "a")),
            ("sub_1", stands(5, Closed, "a")),
        ]);
        assert_eq!(standing(&ended, 9), Some(Standing::Inactive));
        let changed = outcome(&[
            ("sub_1", stands(1, Active, "a")),
            ("sub_1", stands(2, Active, "b")),
            ("sub_1", paid(3, "in_1")),
        ]);
        assert_eq!(standing(&changed, 9), Some(Standing::Active));
        let plan = changed.counting(at(9), GRACE).and_then(|record| record.plan);
        assert_eq!(plan.as_deref(), Some("b"), "news that a later payment overtook");
        let missing = outcome(&[
            ("sub_1", stands(2, Active, "a")),
            ("sub_1", unpaid(3, "in_1")),
            ("sub_1", unpaid(4, "in_1")),
            ("sub_1", paid(5, "in_2")),
        ]);
        let record = missing.counting(at(9), GRACE);
        assert_eq!(record.and_then(|record| record.past_due_since), Some(at(3)));
        let mended = outcome(&[
            ("sub_1", stands(2, Active, "a")),
            ("sub_1", unpaid(3, "in_1")),
            ("sub_1", stands(4, PastDue, "a")),
            ("sub_1", paid(5, "in_1")),
        ]);
        assert_eq!(standing(&mended, 9), Some(Standing::Active));
    }

    #[test]
    fn the_end_of_one_is_no_end_of_another_and_stays_an_end() {
        use SubscriptionState::{Active, Closed, Suspended};
        let upgraded = outcome(&[
            ("sub_1", stands(1, Active, "small")),
            ("sub_2", stands(2, Active, "large")),
            ("sub_1", unpaid(3, "in_1")),
            ("sub_1", stands(4, Suspended, "small")),
        ]);
        let counting = upgraded.counting(at(9), GRACE);
        assert_eq!(counting.and_then(|record| record.plan).as_deref(), Some("large"));
        assert_eq!(standing(&upgraded, 9), Some(Standing::Active));
        let cancelled = outcome(&[
            ("sub_1", stands(1, Closed, "small")),
            ("sub_2", stands(2, Active, "large")),
            ("sub_2", stands(3, Closed, "large")),
        ]);
        assert_eq!(standing(&cancelled, 9), Some(Standing::Inactive));
    }

    #[test]
    fn of_several_that_which_lets_most_counts_at_each_time() {
        let mut all = Subscriptions::default();
        all.tell("sub_1", stands(1, SubscriptionState::Active, "a"));
        let ending = What::Stands {
            state: SubscriptionState::Active,
            plan: None,
            started_at: at(2),
            ends_at: Some(at(5)),
        };
        all.tell(
            "sub_2",
            Fact {
                at: at(2),
                what: ending,
            },
        );
        assert_eq!(standing(&all, 4), Some(Standing::Active));
        assert_eq!(
            standing(&all, 6),
            Some(Standing::Active),
            "one ended, the other goes on"
        );
    }

    #[test]
    fn what_an_operator_gave_lasts_until_a_provider_takes_over() {
        let mut all = Subscriptions::default();
        all.tell("sub_1", stands(1, SubscriptionState::PastDue, "a"));
        all.give(Some("gift".to_owned()), at(2));
        all.tell("sub_1", stands(3, SubscriptionState::Suspended, "a"));
        assert_eq!(standing(&all, 4), Some(Standing::Active));
        all.tell("sub_1", stands(5, SubscriptionState::Active, "a"));
        all.tell("sub_1", stands(6, SubscriptionState::Closed, "a"));
        assert_eq!(standing(&all, 7), Some(Standing::Inactive));
        assert!(!all.stop(at(8)), "nothing goes on");
    }

    #[test]
    fn an_operator_ends_all_that_goes_on_for_good() {
        let mut all = Subscriptions::default();
        all.tell("sub_1", stands(1, SubscriptionState::Active, "a"));
        all.give(None, at(2));
        assert!(all.past_due(at(3)));
        assert_eq!(standing(&all, 4), Some(Standing::PastDue));
        assert!(all.stop(at(5)));
        all.tell("sub_1", stands(6, SubscriptionState::Active, "a"));
        assert_eq!(standing(&all, 7), Some(Standing::Inactive));
    }

    #[test]
    fn many_news_are_folded_into_one_and_an_end_is_never_forgotten() {
        let mut all = Subscriptions::default();
        for second in 10..200 {
            all.tell("sub_1", stands(second, SubscriptionState::Active, "a"));
        }
        assert_eq!(all.told[0].news.len(), NEWS_MAX);
        assert!(!all.tell("sub_1", unpaid(11, "in_1")), "too old to matter");
        assert!(all.tell("sub_1", stands(12, SubscriptionState::Closed, "a")));
        assert_eq!(standing(&all, 300), Some(Standing::Inactive));
        for number in 0..TOLD_MAX {
            all.tell(&format!("other_{number}"), stands(300, SubscriptionState::Active, "b"));
        }
        assert_eq!(all.told.len(), TOLD_MAX);
        assert!(all.told.iter().all(|told| told.id != "sub_1"));
    }

    #[test]
    fn what_an_older_program_wrote_is_the_last_word() {
        let mut all = Subscriptions::default();
        all.tell("sub_1", stands(1, SubscriptionState::Active, "a"));
        all.count(at(2), GRACE);
        let unchanged = Subscriptions::kept(Some(all.clone()), all.counted.clone());
        assert_eq!(unchanged, all);
        let mut record = all.counting(at(2), GRACE).unwrap_or_else(|| panic!("one"));
        record.close(at(3), at(3));
        let changed = Subscriptions::kept(Some(all), Some(record.clone()));
        assert_eq!(standing(&changed, 4), Some(Standing::Inactive));
        let alone = Subscriptions::kept(None, Some(record));
        assert_eq!(standing(&alone, 4), Some(Standing::Inactive));
        assert_eq!(standing(&Subscriptions::kept(None, None), 4), None);
    }
}
