//! Messages for a page: few, small, numbered, and sent once more when one was lost.
//!
//! A webview takes 60 messages a second without a hitch, and one below 8,192 bytes in one step. It may lose one without a
//! word, and it can not push back; so a page that is careful says what has arrived, and until it does only so much is
//! sent. Meanwhile events merge. Pure: the clock is handed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::unread::{Merged, Unread};

/// A frame of the screen: between two of them nobody sees more.
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 60);

/// Events in one message; with the message around them they stay below 8,192 bytes of JSON.
const MESSAGE_BYTES: usize = 7 * 1024 + 512;

/// What each event in a message has around it: `{"first_seq":…,"seq":…,"event":…},` with numbers of ten digits.
const AROUND_EVENT: usize = 52;

/// Messages that may be on their way: half a second of a page that is busy elsewhere.
const MOST_UNSEEN: usize = 32;

/// What a page is sent. `number` counts up from 1 without gaps; the events' `seq` are the channel's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    pub number: u64,
    pub events: Vec<Merged>,
}

/// One channel on its way to one page.
#[derive(Default)]
pub struct Pacer {
    unread: Unread,
    unseen: VecDeque<Message>,
    sent: u64,
    last_at: Option<Instant>,
    unchecked: bool,
}

impl Pacer {
    /// For a page that does not say what it has seen: nothing is kept for it, and nothing comes again.
    pub fn unchecked() -> Self {
        Self { unchecked: true, ..Self::default() }
    }

    /// Takes in an event. It must come behind those before.
    pub fn push(&mut self, event: Merged) {
        self.unread.push(event);
    }

    /// How long until a message is due; `None` where there is nothing to send, or the page has too much to see.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        if self.unread.is_empty() || self.unseen.len() >= MOST_UNSEEN {
            return None;
        }
        Some(self.last_at.map_or(Duration::ZERO, |last| (last + PERIOD).saturating_duration_since(now)))
    }

    /// The next message, if it is due. A single event that is larger than a message, such as the whole answer at its
    /// end, comes alone in one.
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
        if !self.unchecked {
            self.unseen.push_back(message.clone());
        }
        Some(message)
    }

    /// The page has seen all messages up to this number.
    pub fn seen(&mut self, number: u64) {
        while self.unseen.front().is_some_and(|message| message.number <= number) {
            self.unseen.pop_front();
        }
    }

    /// What was sent after this number, once more: the page has missed one, or has waited for long.
    pub fn again(&mut self, after: u64) -> Vec<Message> {
        self.seen(after);
        self.unseen.iter().cloned().collect()
    }

    /// Whether the page has everything that was taken in.
    pub fn is_level(&self) -> bool {
        self.unread.is_empty() && self.unseen.is_empty()
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
    fn the_first_message_is_due_at_once_and_the_next_a_frame_later() {
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
                page.pacer.seen(message.number);
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
    fn no_message_is_larger_than_a_webview_takes_in_one_step() {
        let mut page = Page::new();
        for number in 0..2000 {
            page.push(json!({"status": "token", "chunk": "\"ü\n".repeat(number % 50)}));
            page.push(json!({"status": "tool_call", "tool_call": {"id": number}}));
        }
        let mut events = 0;
        while let Some(message) = page.take() {
            assert!(serde_json::to_string(&message).unwrap().len() < 8192);
            events += message.events.len();
            page.pacer.seen(message.number);
            page.now += PERIOD;
        }
        assert_eq!(events, 4000);
    }

    #[test]
    fn a_page_that_sees_nothing_is_sent_a_window_and_then_what_has_merged() {
        let mut page = Page::new();
        for _ in 0..1000 {
            page.tokens(10);
            page.now += PERIOD;
            page.take();
        }
        assert_eq!(page.pacer.unseen.len(), MOST_UNSEEN);
        assert_eq!(page.pacer.due_in(page.now), None);
        let mut messages = page.pacer.again(0);
        page.pacer.seen(messages.last().unwrap().number);
        while let Some(message) = page.take() {
            page.now += PERIOD;
            page.pacer.seen(message.number);
            messages.push(message);
        }
        assert!(messages.len() < 50, "{}", messages.len());
        let expected: String = (1..=10_000).map(|number| format!("w{number} ")).collect();
        assert_eq!(text(&messages), expected);
    }

    #[test]
    fn a_lost_message_comes_again_with_those_behind_it() {
        let mut page = Page::new();
        let mut sent = Vec::new();
        for _ in 0..5 {
            page.tokens(1);
            page.now += PERIOD;
            sent.extend(page.take());
        }
        assert_eq!(page.pacer.again(2), sent[2..]);
        assert_eq!(page.pacer.again(2), sent[2..]);
        assert_eq!(page.pacer.again(5), []);
    }

    #[test]
    fn a_page_that_is_not_asked_what_it_has_seen_is_sent_everything_at_its_pace() {
        let mut page = Page { pacer: Pacer::unchecked(), ..Page::new() };
        let mut messages = Vec::new();
        for _ in 0..10 * MOST_UNSEEN {
            page.tokens(1);
            messages.extend(page.take());
            assert_eq!(page.take(), None);
            page.now += PERIOD;
        }
        assert_eq!(messages.len(), 10 * MOST_UNSEEN);
        page.push(json!({"status": "done"}));
        page.take().unwrap();
        assert!(page.pacer.is_level());
    }

    #[test]
    fn it_is_level_when_the_page_has_seen_all_and_a_large_event_comes_alone() {
        let mut page = Page::new();
        page.tokens(1);
        page.push(json!({"status": "done", "content": "x".repeat(20_000)}));
        let first = page.take().unwrap();
        assert_eq!(first.events.len(), 1);
        page.now += PERIOD;
        let last = page.take().unwrap();
        assert!(last.events[0].is_last());
        page.pacer.seen(first.number);
        assert!(!page.pacer.is_level());
        page.pacer.seen(last.number);
        assert!(page.pacer.is_level());
    }
}
