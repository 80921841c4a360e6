//! Sequence numbers: what is new, what was there already, what never came (RFC 3550 appendix A).

/// A jump forward beyond this is a restart, not a loss (RFC 3550 appendix A.1).
const DROPOUT_MAX: i64 = 3_000;
/// Packets remembered one by one.
const REMEMBERED: i64 = 128;
/// So many ancient packets in a row mean that the sender started anew.
const ANCIENT_MAX: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    New,
    Duplicate,
    /// Too old to tell.
    Ancient,
    /// The numbers started anew; so many were lost before.
    Restarted {
        lost: u64,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Sequence {
    first: i64,
    highest: i64,
    received: u64,
    /// Bit n: `highest - n` was seen.
    seen: u128,
    ancient: u32,
}

impl Sequence {
    pub(super) fn new(first: u16) -> Self {
        Self {
            first: i64::from(first),
            highest: i64::from(first),
            received: 1,
            seen: 1,
            ancient: 0,
        }
    }

    pub(super) fn note(&mut self, sequence: u16) -> Seen {
        let step = i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
        if step > DROPOUT_MAX {
            return self.restart(sequence);
        }
        if step <= -REMEMBERED {
            self.ancient += 1;
            return if self.ancient < ANCIENT_MAX {
                Seen::Ancient
            } else {
                self.restart(sequence)
            };
        }
        self.ancient = 0;
        if step > 0 {
            self.highest += step;
            self.seen = self.seen.checked_shl(step as u32).unwrap_or(0);
        }
        let bit = 1 << (-step).max(0);
        if self.seen & bit != 0 {
            return Seen::Duplicate;
        }
        self.seen |= bit;
        self.received += 1;
        Seen::New
    }

    /// Expected minus received; packets from before the first one can make up for lost ones.
    pub(super) fn lost(&self) -> u64 {
        ((self.highest - self.first + 1) as u64).saturating_sub(self.received)
    }

    fn restart(&mut self, sequence: u16) -> Seen {
        let lost = self.lost();
        *self = Self::new(sequence);
        Seen::Restarted { lost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap_repeat_and_go_missing() {
        let mut sequence = Sequence::new(65_533);
        for (number, seen, lost) in [
            (65_534, Seen::New, 0),
            (65_534, Seen::Duplicate, 0),
            (1, Seen::New, 2),
            (0, Seen::New, 1),
            (0, Seen::Duplicate, 1),
            (65_535, Seen::New, 0),
            (300, Seen::New, 298),
            (1, Seen::Ancient, 298),
            (10_000, Seen::Restarted { lost: 298 }, 0),
            (10_001, Seen::New, 0),
        ] {
            assert_eq!((sequence.note(number), sequence.lost()), (seen, lost), "{number}");
        }
    }

    #[test]
    fn a_sender_that_starts_anew_at_lower_numbers_is_followed() {
        let mut sequence = Sequence::new(5_000);
        for number in 0..4 {
            assert_eq!(sequence.note(number), Seen::Ancient);
        }
        assert_eq!(sequence.note(4), Seen::Restarted { lost: 0 });
        assert_eq!(sequence.note(5), Seen::New);
    }
}
