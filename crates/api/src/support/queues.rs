//! Failed requests that wait to be written: a queue for each class, and in it a share for each organisation.

use std::collections::{VecDeque, hash_map::Entry};

use contract::{FailedRequestReport, OrganizationId};
use domain::{quick::QuickMap, requests::FailureClass};

/// How many of a class may wait, which is also how many are written at most each time: a flood must
/// not take the database from those who work with it.
pub(super) const fn waiting_max(class: FailureClass) -> usize {
    match class {
        FailureClass::Broken => 1024,
        FailureClass::Refused => 256,
        FailureClass::Stranger => 64,
    }
}

/// How many of one organisation among them.
pub(super) const fn share_max(class: FailureClass) -> usize {
    waiting_max(class) / 8
}

/// Most failures written at once.
const BATCH_MAX: usize = 256;
/// What waits to be written, by class.
#[derive(Default)]
pub(super) struct Queues([Queue; FailureClass::ALL.len()]);

impl Queues {
    pub(super) fn of(&mut self, class: FailureClass) -> &mut Queue {
        &mut self.0[class as usize]
    }

    /// How many wait, of each class.
    pub(super) fn waiting(&self) -> [usize; FailureClass::ALL.len()] {
        self.0.each_ref().map(|queue| queue.waiting.len())
    }

    /// The next to be written of those that are `left`, what is most worth keeping first.
    pub(super) fn take(&mut self, left: &mut [usize; FailureClass::ALL.len()]) -> Vec<FailedRequestReport> {
        let mut batch = Vec::new();
        for class in FailureClass::ALL {
            let (queue, left) = (self.of(class), &mut left[class as usize]);
            while *left > 0
                && batch.len() < BATCH_MAX
                && let Some(report) = queue.pop()
            {
                batch.push(report);
                *left -= 1;
            }
        }
        batch
    }
}

/// What waits of one class, and how much of it is whose.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<FailedRequestReport>,
    shares: QuickMap<OrganizationId, usize>,
}

impl Queue {
    pub(super) fn has_place(&self, class: FailureClass, organization: Option<OrganizationId>) -> bool {
        let share = organization.and_then(|organization| self.shares.get(&organization));
        self.waiting.len() < waiting_max(class) && share.is_none_or(|share| *share < share_max(class))
    }

    pub(super) fn push(&mut self, report: FailedRequestReport) {
        self.count(&report);
        self.waiting.push_back(report);
    }

    pub(super) fn push_front(&mut self, report: FailedRequestReport) {
        self.count(&report);
        self.waiting.push_front(report);
    }

    fn count(&mut self, report: &FailedRequestReport) {
        if let Some(organization) = report.organization_id {
            *self.shares.entry(organization).or_default() += 1;
        }
    }

    fn pop(&mut self) -> Option<FailedRequestReport> {
        let report = self.waiting.pop_front()?;
        if let Some(organization) = report.organization_id
            && let Entry::Occupied(mut share) = self.shares.entry(organization)
        {
            *share.get_mut() -= 1;
            if *share.get() == 0 {
                share.remove();
            }
        }
        Some(report)
    }
}
