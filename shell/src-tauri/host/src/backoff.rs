//! The retry budget of a sidecar that has ended: how often, and how soon, it is restarted. Knows nothing of processes.

use std::time::Duration;

/// One second after a first failure; what fails five times in a row will not work the sixth time.
const DELAYS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(5),
    Duration::from_secs(5),
];

/// A sidecar that was ready for this long gets the whole retry budget again.
const RESET_AFTER: Duration = Duration::from_secs(300);

/// The delays before the next starts. After the last one the sidecar is not restarted.
#[derive(Debug, Clone)]
pub struct Backoff {
    delays: Vec<Duration>,
    reset_after: Duration,
    used: usize,
}

impl Default for Backoff {
    /// 1, 2, 5, 5 and 5 s; reset after the sidecar was ready for 300 s.
    fn default() -> Self {
        Self::new(&DELAYS, RESET_AFTER)
    }
}

impl Backoff {
    /// These delays, reset after a sidecar was ready for `reset_after`.
    pub fn new(delays: &[Duration], reset_after: Duration) -> Self {
        Self { delays: delays.to_vec(), reset_after, used: 0 }
    }

    /// The wait before the next start, after a run that was ready for `ready_for`. `None`: the budget is used up.
    pub(crate) fn next(&mut self, ready_for: Duration) -> Option<Duration> {
        if ready_for >= self.reset_after {
            self.used = 0;
        }
        let delay = self.delays.get(self.used).copied();
        self.used += 1;
        delay
    }

    /// Restores the whole retry budget, for a restart that the user requests.
    pub(crate) fn reset(&mut self) {
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
    fn only_a_long_ready_time_resets_the_delays() {
        let mut backoff = Backoff::default();
        backoff.next(Duration::ZERO);
        assert_eq!(backoff.next(RESET_AFTER - Duration::from_millis(1)), Some(DELAYS[1]));
        assert_eq!(backoff.next(RESET_AFTER), Some(DELAYS[0]));
        assert_eq!(backoff.next(Duration::ZERO), Some(DELAYS[1]));
    }

    #[test]
    fn a_reset_restores_the_whole_retry_budget() {
        let mut backoff = Backoff::default();
        while backoff.next(Duration::ZERO).is_some() {}
        backoff.reset();
        assert_eq!(backoff.next(Duration::ZERO), Some(DELAYS[0]));
    }
}
