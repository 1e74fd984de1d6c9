//! Lines on their way to the sidecar: a queue with a bound, between whoever asks and the one thread that writes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// Bytes that may wait. A line is let in while there are fewer, so that one of the largest always finds its place.
const MOST_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    /// There was no room until the deadline: the sidecar does not read.
    Late,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<String>,
    bytes: usize,
    closed: bool,
}

#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Queue {
    /// Puts a line at the end, as soon as there is room.
    pub(crate) fn push(&self, line: String, deadline: Option<Instant>) -> Result<(), Refused> {
        let mut waiting = self.lock();
        while !waiting.closed && waiting.bytes >= MOST_BYTES {
            let Some(deadline) = deadline else {
                waiting = self.changed.wait(waiting).expect("nobody panics with it");
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refused::Late);
            }
            waiting = self.changed.wait_timeout(waiting, left).expect("nobody panics with it").0;
        }
        if waiting.closed {
            return Err(Refused::Closed);
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(line);
        self.changed.notify_all();
        Ok(())
    }

    /// The next line; `None` when it is closed and empty.
    pub(crate) fn pop(&self) -> Option<String> {
        let mut waiting = self.lock();
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                waiting.bytes -= line.len();
                self.changed.notify_all();
                return Some(line);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).expect("nobody panics with it");
        }
    }

    /// Takes in nothing more. What is in it still comes out.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nobody panics with it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_full_queue_makes_wait_until_somebody_reads_or_time_is_up() {
        let queue = Queue::default();
        queue.push("x".repeat(MOST_BYTES), None).unwrap();
        let soon = Some(Instant::now() + Duration::from_millis(20));
        assert_eq!(queue.push("late".into(), soon), Err(Refused::Late));
        thread::scope(|scope| {
            let waits = scope.spawn(|| queue.push("in time".into(), None));
            assert_eq!(queue.pop().unwrap().len(), MOST_BYTES);
            assert_eq!(waits.join().unwrap(), Ok(()));
        });
        assert_eq!(queue.pop().as_deref(), Some("in time"));
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
        let queue = Queue::default();
        queue.push("last".into(), None).unwrap();
        queue.close();
        assert_eq!(queue.push("more".into(), None), Err(Refused::Closed));
        assert_eq!((queue.pop().as_deref(), queue.pop()), (Some("last"), None));
    }

    #[test]
    fn closing_frees_those_that_wait() {
        let queue = Queue::default();
        queue.push("x".repeat(MOST_BYTES), None).unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| queue.push("never".into(), None));
            queue.close();
            assert_eq!(waits.join().unwrap(), Err(Refused::Closed));
        });
    }
}
