//! How often, and how soon, an ended sidecar is started again. Knows nothing of processes.

use std::time::Duration;

/// A second for a first mishap; nothing that fails five times in a row is mended by a sixth.
const DELAYS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(5),
    Duration::from_secs(5),
];

/// Who has been well for so long starts over with the shortest delay.
const WELL: Duration = Duration::from_secs(300);

/// The delays before the next starts; after the last one there is none.
#[derive(Debug, Clone)]
pub struct Backoff {
    delays: Vec<Duration>,
    well: Duration,
    used: usize,
}

impl Default for Backoff {
    /// 1, 2, 5, 5 and 5 s; forgotten after 300 s in which the sidecar was ready.
    fn default() -> Self {
        Self::new(&DELAYS, WELL)
    }
}

impl Backoff {
    /// Delays of one's own, forgotten after a sidecar was ready for `well`.
    pub fn new(delays: &[Duration], well: Duration) -> Self {
        Self { delays: delays.to_vec(), well, used: 0 }
    }

    /// How long to wait before the next start, where the last run was ready for so long. `None`: give up.
    pub(crate) fn next(&mut self, ready_for: Duration) -> Option<Duration> {
        if ready_for >= self.well {
            self.used = 0;
        }
        let delay = self.delays.get(self.used).copied();
        self.used += 1;
        delay
    }

    /// Somebody wants another try.
    pub(crate) fn forget(&mut self) {
        self.used = 0;
    }

    /// How many starts have failed in a row.
    pub(crate) fn tries(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_up_after_the_last_delay() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = std::iter::from_fn(|| backoff.next(Duration::ZERO)).collect();
        assert_eq!(delays, DELAYS);
        assert_eq!(backoff.next(Duration::ZERO), None);
    }

    #[test]
    fn a_long_time_in_health_is_a_new_beginning_and_a_short_one_is_not() {
        let mut backoff = Backoff::default();
        backoff.next(Duration::ZERO);
        assert_eq!(backoff.next(WELL - Duration::from_millis(1)), Some(DELAYS[1]));
        assert_eq!(backoff.next(WELL), Some(DELAYS[0]));
        assert_eq!(backoff.next(Duration::ZERO), Some(DELAYS[1]));
    }

    #[test]
    fn who_asks_for_another_try_gets_all_of_them() {
        let mut backoff = Backoff::default();
        while backoff.next(Duration::ZERO).is_some() {}
        backoff.forget();
        assert_eq!(backoff.next(Duration::ZERO), Some(DELAYS[0]));
    }
}
