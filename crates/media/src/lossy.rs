//! A bad network in virtual time, for tests: loss, jitter, reordering, duplication, all from one seed.

use std::time::Duration;

/// How bad the network is. The default is perfect.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Time every datagram takes at least.
    pub delay: Duration,
    /// Further time, evenly spread from zero to this; more than the packet interval also reorders.
    pub jitter: Duration,
    /// Share of datagrams that never arrive, 0 to 1.
    pub loss: f64,
    /// Share of datagrams that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Share of datagrams held back by another 50 ms, so that later ones overtake them, 0 to 1.
    pub reorder: f64,
}

/// Datagrams on their way at most; further ones are lost, as in a full router.
pub const IN_FLIGHT_MAX: usize = 4_096;

/// How long a reordered datagram is held back.
const HELD_BACK: Duration = Duration::from_millis(50);

/// One direction of a simulated network.
#[derive(Clone, Debug)]
pub struct Network<T> {
    conditions: Conditions,
    random: Random,
    in_flight: Vec<(Duration, u64, T)>,
    sent: u64,
}

impl<T: Clone> Network<T> {
    /// The same seed and calls give the same network.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self {
            conditions,
            random: Random(seed),
            in_flight: Vec::new(),
            sent: 0,
        }
    }

    /// Hands a datagram to the network, which may lose it.
    pub fn send(&mut self, now: Duration, datagram: T) {
        // All draws happen for every datagram, so one setting does not shift what another decides.
        let [lost, twice, held] = [self.conditions.loss, self.conditions.duplicate, self.conditions.reorder]
            .map(|share| self.random.unit() < share);
        let [first, second] = [(); 2].map(|()| self.conditions.jitter.mul_f64(self.random.unit()));
        if lost {
            return;
        }
        let base = now + self.conditions.delay + if held { HELD_BACK } else { Duration::ZERO };
        if twice {
            self.queue(base + second, datagram.clone());
        }
        self.queue(base + first, datagram);
    }

    /// The next datagram that has arrived by `now`, in order of arrival.
    pub fn receive(&mut self, now: Duration) -> Option<T> {
        let (index, _) = self
            .in_flight
            .iter()
            .enumerate()
            .filter(|(_, (arrival, _, _))| *arrival <= now)
            .min_by_key(|(_, (arrival, sent, _))| (*arrival, *sent))?;
        Some(self.in_flight.swap_remove(index).2)
    }

    /// When the next datagram arrives.
    pub fn deadline(&self) -> Option<Duration> {
        self.in_flight.iter().map(|(arrival, _, _)| *arrival).min()
    }

    fn queue(&mut self, arrival: Duration, datagram: T) {
        if self.in_flight.len() < IN_FLIGHT_MAX {
            self.in_flight.push((arrival, self.sent, datagram));
            self.sent += 1;
        }
    }
}

/// `SplitMix64`: small, seeded, good enough to lose packets.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Evenly spread from 0 (included) to 1 (excluded).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, conditions: Conditions) -> Vec<u32> {
        let mut network = Network::new(seed, conditions);
        let mut arrived = Vec::new();
        for index in 0..2_000_u32 {
            let now = crate::FRAME * index;
            network.send(now, index);
            arrived.extend(std::iter::from_fn(|| network.receive(now)));
        }
        arrived.extend(std::iter::from_fn(|| network.receive(Duration::MAX)));
        arrived
    }

    #[test]
    fn a_perfect_network_delivers_everything_in_order() {
        assert!(run(1, Conditions::default()).into_iter().eq(0..2_000));
    }

    #[test]
    fn loss_and_duplication_come_in_the_shares_asked_for() {
        let arrived = run(
            2,
            Conditions {
                loss: 0.05,
                ..Conditions::default()
            },
        )
        .len();
        assert!((1_860..1_940).contains(&arrived), "{arrived}");
        let arrived = run(
            2,
            Conditions {
                duplicate: 0.05,
                ..Conditions::default()
            },
        )
        .len();
        assert!((2_060..2_140).contains(&arrived), "{arrived}");
    }

    #[test]
    fn jitter_reorders_and_the_seed_decides_how() {
        let conditions = Conditions {
            jitter: Duration::from_millis(60),
            ..Conditions::default()
        };
        let arrived = run(3, conditions);
        assert!(!arrived.is_sorted());
        assert_eq!(arrived, run(3, conditions));
        assert_ne!(arrived, run(4, conditions));
    }
}
