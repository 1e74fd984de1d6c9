//! A bounded queue of lines for the sidecar, between its callers and the one thread that writes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// A line is accepted while fewer bytes are queued, so that even the longest line fits into an empty queue.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    /// There was no room before the deadline: the sidecar does not read.
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
    /// Appends a line, as soon as there is room.
    pub(crate) fn push(&self, line: String, deadline: Option<Instant>) -> Result<(), Refused> {
        let mut waiting = self.lock();
        while !waiting.closed && waiting.bytes >= MAX_QUEUED_BYTES {
            let Some(deadline) = deadline else {
                waiting = self.changed.wait(waiting).expect("the lock is not poisoned");
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refused::Late);
            }
            waiting = self.changed.wait_timeout(waiting, left).expect("the lock is not poisoned").0;
        }
        if waiting.closed {
            return Err(Refused::Closed);
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(line);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits for the next line; `None` once the queue is closed and empty.
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
            waiting = self.changed.wait(waiting).expect("the lock is not poisoned");
        }
    }

    /// Accepts no more lines. Queued lines can still be read.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("the lock is not poisoned")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_push_to_a_full_queue_waits_for_a_pop_or_its_deadline() {
        let queue = Queue::default();
        queue.push("x".repeat(MAX_QUEUED_BYTES), None).unwrap();
        let soon = Some(Instant::now() + Duration::from_millis(20));
        assert_eq!(queue.push("late".into(), soon), Err(Refused::Late));
        thread::scope(|scope| {
            let waits = scope.spawn(|| queue.push("in time".into(), None));
            assert_eq!(queue.pop().unwrap().len(), MAX_QUEUED_BYTES);
            assert_eq!(waits.join().unwrap(), Ok(()));
        });
        assert_eq!(queue.pop().as_deref(), Some("in time"));
    }

    #[test]
    fn a_closed_queue_returns_its_lines_and_accepts_none() {
        let queue = Queue::default();
        queue.push("last".into(), None).unwrap();
        queue.close();
        assert_eq!(queue.push("more".into(), None), Err(Refused::Closed));
        assert_eq!((queue.pop().as_deref(), queue.pop()), (Some("last"), None));
    }

    #[test]
    fn closing_wakes_waiting_pushes() {
        let queue = Queue::default();
        queue.push("x".repeat(MAX_QUEUED_BYTES), None).unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| queue.push("never".into(), None));
            queue.close();
            assert_eq!(waits.join().unwrap(), Err(Refused::Closed));
        });
    }
}
