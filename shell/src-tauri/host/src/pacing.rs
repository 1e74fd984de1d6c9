//! Messages for a page: few, small, numbered, and resent when one was lost.
//!
//! A webview handles 60 messages a second smoothly, and a message below 8,192 bytes in one step. It may lose a message
//! silently and has no flow control, so a page can acknowledge messages, and only a window of them is sent ahead.
//! Meanwhile events merge. Pure: the caller passes the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::unread::{Merged, Unread};

/// One frame of the screen: a page shows nothing between two of them.
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 60);

/// Bytes of events in one message; with its envelope it stays below 8,192 bytes of JSON.
const MESSAGE_BYTES: usize = 7 * 1024 + 512;

/// The envelope of each event in a message: `{"first_seq":…,"seq":…,"event":…},` with numbers of ten digits.
const AROUND_EVENT: usize = 52;

/// Messages that may be unacknowledged: half a second of a busy page.
const MAX_UNACKNOWLEDGED: usize = 32;

/// One message to a page. `number` counts up from 1 without gaps; the events' `seq` are the channel's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    pub number: u64,
    pub events: Vec<Merged>,
}

/// One channel's messages to one page.
#[derive(Default)]
pub struct Pacer {
    unread: Unread,
    unacknowledged: VecDeque<Message>,
    sent: u64,
    last_at: Option<Instant>,
    one_way: bool,
}

impl Pacer {
    /// For a page that acknowledges nothing: nothing is kept for it or resent.
    pub fn one_way() -> Self {
        Self { one_way: true, ..Self::default() }
    }

    /// Adds an event, which must follow those before it.
    pub fn push(&mut self, event: Merged) {
        self.unread.push(event);
    }

    /// How long until a message is due; `None` if there is nothing to send, or too much is unacknowledged.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        if self.unread.is_empty() || self.unacknowledged.len() >= MAX_UNACKNOWLEDGED {
            return None;
        }
        Some(self.last_at.map_or(Duration::ZERO, |last| (last + PERIOD).saturating_duration_since(now)))
    }

    /// The next message, if it is due. An event larger than a message, such as the whole answer in the last event, is
    /// sent alone.
    pub fn take(&mut self, now: Instant) -> Option<Message> {
        if self.due_in(now)? > Duration::ZERO {
            return None;
        }
        let mut events = vec![self.unread.pop()?];
        let mut room = MESSAGE_BYTES.saturating_sub(bytes_of(&events[0]));
        while let Some(event) = self.unread.pop_within(room.saturating_sub(AROUND_EVENT)) {
            room = room.saturating_sub(bytes_of(&event));
            events.push(event);
        }
        self.last_at = Some(now);
        self.sent += 1;
        let message = Message { number: self.sent, events };
        if !self.one_way {
            self.unacknowledged.push_back(message.clone());
        }
        Some(message)
    }

    /// The page has received all messages up to this number.
    pub fn acknowledge(&mut self, number: u64) {
        while self.unacknowledged.front().is_some_and(|message| message.number <= number) {
            self.unacknowledged.pop_front();
        }
    }

    /// The messages after this number again: the page has missed one, or has waited for long.
    pub fn resend_after(&mut self, after: u64) -> Vec<Message> {
        self.acknowledge(after);
        self.unacknowledged.iter().cloned().collect()
    }

    /// Whether the page has received every event.
    pub fn is_delivered(&self) -> bool {
        self.unread.is_empty() && self.unacknowledged.is_empty()
    }
}

fn bytes_of(event: &Merged) -> usize {
    serde_json::to_vec(event).map_or(0, |bytes| bytes.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    struct Page {
        pacer: Pacer,
        now: Instant,
        pushed: u64,
    }

    impl Page {
        fn new() -> Self {
            Self { pacer: Pacer::default(), now: Instant::now(), pushed: 0 }
        }

        fn push(&mut self, event: Value) {
            self.pushed += 1;
            self.pacer.push(Merged::one(self.pushed, event));
        }

        fn tokens(&mut self, count: usize) {
            for _ in 0..count {
                self.push(json!({"status": "token", "chunk": format!("w{} ", self.pushed + 1)}));
            }
        }

        fn take(&mut self) -> Option<Message> {
            self.pacer.take(self.now)
        }
    }

    fn text(messages: &[Message]) -> String {
        let events = messages.iter().flat_map(|message| &message.events);
        events.filter_map(|event| event.event["chunk"].as_str()).collect()
    }

    #[test]
    fn the_first_message_is_due_immediately_and_the_next_a_frame_later() {
        let mut page = Page::new();
        assert_eq!(page.pacer.due_in(page.now), None);
        page.tokens(1);
        assert_eq!(page.take().unwrap().number, 1);
        page.tokens(1);
        assert_eq!(page.take(), None);
        assert_eq!(page.pacer.due_in(page.now), Some(PERIOD));
        page.now += PERIOD;
        assert_eq!(page.take().unwrap().number, 2);
    }

    #[test]
    fn a_second_of_a_fast_answer_is_at_most_sixty_messages() {
        let mut page = Page::new();
        let mut messages = Vec::new();
        for _ in 0..1000 {
            page.tokens(10);
            page.now += Duration::from_millis(1);
            if let Some(message) = page.take() {
                page.pacer.acknowledge(message.number);
                messages.push(message);
            }
        }
        assert!(messages.len() <= 60, "{}", messages.len());
        page.now += PERIOD;
        messages.extend(page.take());
        let expected: String = (1..=10_000).map(|number| format!("w{number} ")).collect();
        assert_eq!(text(&messages), expected);
        assert_eq!(messages.last().unwrap().events.last().unwrap().seq, 10_000);
    }

    #[test]
    fn no_message_is_larger_than_a_webview_handles_in_one_step() {
        let mut page = Page::new();
        for number in 0..2000 {
            page.push(json!({"status": "token", "chunk": "\"ü\n".repeat(number % 50)}));
            page.push(json!({"status": "tool_call", "tool_call": {"id": number}}));
        }
        let mut events = 0;
        while let Some(message) = page.take() {
            assert!(serde_json::to_string(&message).unwrap().len() < 8192);
            events += message.events.len();
            page.pacer.acknowledge(message.number);
            page.now += PERIOD;
        }
        assert_eq!(events, 4000);
    }

    #[test]
    fn a_page_that_acknowledges_nothing_is_sent_a_window_and_later_the_merged_rest() {
        let mut page = Page::new();
        for _ in 0..1000 {
            page.tokens(10);
            page.now += PERIOD;
            page.take();
        }
        assert_eq!(page.pacer.unacknowledged.len(), MAX_UNACKNOWLEDGED);
        assert_eq!(page.pacer.due_in(page.now), None);
        let mut messages = page.pacer.resend_after(0);
        page.pacer.acknowledge(messages.last().unwrap().number);
        while let Some(message) = page.take() {
            page.now += PERIOD;
            page.pacer.acknowledge(message.number);
            messages.push(message);
        }
        assert!(messages.len() < 50, "{}", messages.len());
        let expected: String = (1..=10_000).map(|number| format!("w{number} ")).collect();
        assert_eq!(text(&messages), expected);
    }

    #[test]
    fn a_lost_message_is_resent_with_those_after_it() {
        let mut page = Page::new();
        let mut sent = Vec::new();
        for _ in 0..5 {
            page.tokens(1);
            page.now += PERIOD;
            sent.extend(page.take());
        }
        assert_eq!(page.pacer.resend_after(2), sent[2..]);
        assert_eq!(page.pacer.resend_after(2), sent[2..]);
        assert_eq!(page.pacer.resend_after(5), []);
    }

    #[test]
    fn a_page_without_acknowledgements_is_sent_everything_at_the_frame_rate() {
        let mut page = Page { pacer: Pacer::one_way(), ..Page::new() };
        let mut messages = Vec::new();
        for _ in 0..10 * MAX_UNACKNOWLEDGED {
            page.tokens(1);
            messages.extend(page.take());
            assert_eq!(page.take(), None);
            page.now += PERIOD;
        }
        assert_eq!(messages.len(), 10 * MAX_UNACKNOWLEDGED);
        page.push(json!({"status": "done"}));
        page.take().unwrap();
        assert!(page.pacer.is_delivered());
    }

    #[test]
    fn all_is_delivered_once_acknowledged_and_a_large_event_is_sent_alone() {
        let mut page = Page::new();
        page.tokens(1);
        page.push(json!({"status": "done", "content": "x".repeat(20_000)}));
        let first = page.take().unwrap();
        assert_eq!(first.events.len(), 1);
        page.now += PERIOD;
        let last = page.take().unwrap();
        assert!(last.events[0].is_last());
        page.pacer.acknowledge(first.number);
        assert!(!page.pacer.is_delivered());
        page.pacer.acknowledge(last.number);
        assert!(page.pacer.is_delivered());
    }
}
