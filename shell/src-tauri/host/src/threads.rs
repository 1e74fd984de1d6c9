//! The three threads that serve a sidecar's pipes. Each ends with its pipe.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::{Arc, Mutex};

use llama_sidecar_contract::SidecarMessage;

use crate::lines::{Line, Splitter};
use crate::queue::Queue;

const READ_BYTES: usize = 64 * 1024;

/// The longest line that is read, in bytes: a whole exported session with images. The sidecar is trusted not to fill
/// our memory.
const MAX_LINE_BYTES: usize = 256 * 1024 * 1024;

/// The longest line of its log that is shown, in bytes.
const LOG_LINE_BYTES: usize = 16 * 1024;

/// How many characters of an invalid line are shown.
const EXCERPT_CHARS: usize = 200;

/// Lines of the log that are shown with the cause of its end.
const TAIL_LINES: usize = 20;

/// Called with each line of the sidecar's log.
pub(crate) type OnLog = dyn Fn(&str) + Send + Sync;

/// Writes what is queued until the queue is closed and empty; then the sidecar's stdin ends.
pub(crate) fn write(mut stdin: ChildStdin, queue: &Queue) {
    while let Some(line) = queue.pop() {
        if stdin.write_all(line.as_bytes()).is_err() {
            // The sidecar has ended; the end of its stdout reports it.
            queue.close();
            return;
        }
    }
}

/// Passes each message to `on_message` until stdout ends. Other output goes to the log.
pub(crate) fn read(mut stdout: ChildStdout, on_message: impl Fn(SidecarMessage), on_log: &OnLog) {
    let mut splitter = Splitter::new(MAX_LINE_BYTES);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = match stdout.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        for line in splitter.feed(&buffer[..count]) {
            let Line::Whole(line) = line else {
                on_log(&format!(
                    "The sidecar sent a line of more than {MAX_LINE_BYTES} bytes. Its output is not read any more."
                ));
                return;
            };
            match SidecarMessage::from_line(&line) {
                Ok(SidecarMessage::Error(error)) if error.id.is_none() => {
                    on_log(&format!("The sidecar could not read a line from the app: {}", error.error));
                }
                Ok(message) => on_message(message),
                Err(error) => on_log(&format!("The sidecar sent an invalid message ({error}): {}", excerpt(&line))),
            }
        }
    }
}

fn excerpt(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().take(EXCERPT_CHARS).collect()
}

/// The last lines of a log.
#[derive(Default)]
pub(crate) struct Tail(Mutex<VecDeque<String>>);

impl Tail {
    fn add(&self, line: &str) {
        let mut lines = self.0.lock().expect("the lock is not poisoned");
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("the lock is not poisoned").iter().cloned().collect()
    }
}

/// Passes each line of the log to `on_log` until its end. The pipe is always read: a full one would block the sidecar.
pub(crate) fn read_log(mut stderr: ChildStderr, tail: &Arc<Tail>, on_log: &OnLog) {
    let show = |line: Line| match line {
        Line::Whole(line) => {
            let line = String::from_utf8_lossy(&line);
            tail.add(&line);
            on_log(&line);
        }
        Line::TooLong => on_log("(a log line too long to show)"),
    };
    let mut splitter = Splitter::new(LOG_LINE_BYTES);
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        splitter.feed(&buffer[..count]).into_iter().for_each(show);
    }
    splitter.end().into_iter().for_each(show);
}
