//! The unread events of one channel, merged while they wait.
//!
//! They merge by the contract's table (`merge_of`), as the sidecar does for a slow host, so memory is bounded by what
//! the events contain, not by how often they come. Knows nothing of threads, clocks or readers.

use std::collections::VecDeque;

use llama_sidecar_contract::{Merge, is_terminal, merge_of};
use serde::Serialize;
use serde_json::{Value, json};

/// The largest piece of merged text or log, in bytes of JSON. Webviews take a message below 8,192 bytes in one step and
/// fetch a larger one separately; the difference is for the envelope.
pub(crate) const PIECE_BYTES: usize = 7 * 1024;

/// How many events newer than this crate are kept. They are not merged, since the table has no row for them.
const UNKNOWN_EVENTS: usize = 4_096;

/// One or more events of a channel merged into one, with the range of their `seq`.
///
/// `first_seq` is one more than the `seq` of the one before. An event too large for a message is split into pieces:
/// only the last piece has its `seq`, the others have the `seq` of the event before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Merged {
    pub first_seq: u64,
    pub seq: u64,
    pub event: Value,
}

impl Merged {
    /// A single event.
    pub(crate) fn one(seq: u64, event: Value) -> Self {
        Self { first_seq: seq, seq, event }
    }

    /// Whether it is the last event of its channel.
    pub fn is_last(&self) -> bool {
        is_last(&self.event)
    }

    /// The `seq` of one of its pieces: only the last piece has the event's own.
    fn seq_of_piece(&self, last_piece: bool) -> u64 {
        if last_piece { self.seq } else { self.first_seq - 1 }
    }
}

pub(crate) fn is_last(event: &Value) -> bool {
    is_terminal(status(event))
}

pub(crate) fn status(event: &Value) -> &str {
    event["status"].as_str().unwrap_or_default()
}

/// How an unread event merges.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// Text in this member.
    Text(&'static str),
    /// Lines in this member, and how many are kept.
    Lines(&'static str, usize),
    Progress,
    /// Subject and key.
    Newest(&'static str, String),
    Kept,
    Unknown,
}

fn kind(event: &Value) -> Kind {
    match merge_of(status(event)) {
        Some(Merge::Text(member)) => Kind::Text(member),
        Some(Merge::Lines(member, limit)) => Kind::Lines(member, limit),
        Some(Merge::Progress) => Kind::Progress,
        Some(Merge::Newest(subject, "")) => Kind::Newest(subject, String::new()),
        Some(Merge::Newest(subject, key)) => {
            Kind::Newest(subject, event.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned())
        }
        Some(Merge::Keep) => Kind::Kept,
        None => Kind::Unknown,
    }
}

struct Entry {
    kind: Kind,
    merged: Merged,
    /// The approximate length of its JSON.
    bytes: usize,
}

/// A channel's unread events, in order.
#[derive(Default)]
pub(crate) struct Unread {
    entries: VecDeque<Entry>,
    lines: usize,
    unknown: usize,
}

impl Unread {
    /// Adds an event, which must follow those before it.
    pub(crate) fn push(&mut self, next: Merged) {
        let kind = kind(&next.event);
        match &kind {
            Kind::Text(member) => return self.push_text(next, member),
            &Kind::Lines(member, limit) => return self.push_lines(next, member, limit),
            Kind::Progress => {
                if let Some(last) = self.entries.back_mut()
                    && status(&last.merged.event) == status(&next.event)
                {
                    last.bytes = json_bytes(&next.event);
                    last.merged = Merged { first_seq: last.merged.first_seq, ..next };
                    return;
                }
            }
            Kind::Newest(..) => return self.push_newest(next, kind),
            Kind::Unknown => {
                self.unknown += 1;
                if self.unknown > UNKNOWN_EVENTS
                    && let Some(oldest) = self.entries.iter().position(|entry| entry.kind == Kind::Unknown)
                {
                    self.remove(oldest);
                }
            }
            Kind::Kept => {}
        }
        self.add(kind, next);
    }

    /// The next event, if its JSON has at most `max_bytes`.
    pub(crate) fn pop_within(&mut self, max_bytes: usize) -> Option<Merged> {
        if self.entries.front()?.bytes > max_bytes { None } else { self.pop() }
    }

    pub(crate) fn pop(&mut self) -> Option<Merged> {
        let entry = self.entries.pop_front()?;
        self.forget(&entry);
        Some(entry.merged)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn add(&mut self, kind: Kind, merged: Merged) {
        let bytes = json_bytes(&merged.event);
        self.entries.push_back(Entry { kind, merged, bytes });
    }

    fn push_text(&mut self, mut next: Merged, member: &'static str) {
        let Value::String(text) = next.event[member].take() else { return };
        let pieces = pieces(&text);
        let last = pieces.len() - 1;
        for (number, piece) in pieces.into_iter().enumerate() {
            let seq = next.seq_of_piece(number == last);
            let bytes = text_bytes(piece);
            if let Some(entry) = self.entries.back_mut()
                && entry.kind == Kind::Text(member)
                && entry.bytes + bytes <= PIECE_BYTES
                && let Value::String(begun) = &mut entry.merged.event[member]
            {
                begun.push_str(piece);
                entry.bytes += bytes;
                entry.merged.seq = seq;
            } else {
                next.event[member] = piece.into();
                self.add(Kind::Text(member), Merged { first_seq: next.first_seq, seq, event: next.event.clone() });
            }
        }
    }

    fn push_lines(&mut self, mut next: Merged, member: &'static str, limit: usize) {
        let Value::Array(lines) = next.event[member].take() else { return };
        let pieces = line_pieces(lines);
        let last = pieces.len() - 1;
        for (number, piece) in pieces.into_iter().enumerate() {
            self.lines += piece.len();
            next.event[member] = Value::Array(piece);
            let seq = next.seq_of_piece(number == last);
            let merged = Merged { first_seq: next.first_seq, seq, event: next.event.clone() };
            self.add(Kind::Lines(member, limit), merged);
            next.event["dropped"] = json!(0);
        }
        let has_lines = |entry: &Entry| matches!(entry.kind, Kind::Lines(..));
        while self.lines > limit
            && let Some(oldest) = self.entries.iter().position(has_lines)
        {
            let event = &self.entries[oldest].merged.event;
            let lost = count(event, member) as u64 + event["dropped"].as_u64().unwrap_or_default();
            self.remove(oldest);
            if let Some(next) = self.entries.iter_mut().find(|entry| has_lines(entry)) {
                count_dropped(&mut next.merged.event, lost);
            }
        }
    }

    fn push_newest(&mut self, mut next: Merged, kind: Kind) {
        if let Some(older) = self.entries.iter().position(|entry| entry.kind == kind) {
            let lost = 1 + self.entries[older].merged.event["dropped"].as_u64().unwrap_or_default();
            count_dropped(&mut next.event, lost);
            next.first_seq = self.remove(older).unwrap_or(next.first_seq);
        }
        self.add(kind, next);
    }

    /// Removes an entry and adds its range to the next one. Returns its `first_seq` if there is no next one.
    fn remove(&mut self, place: usize) -> Option<u64> {
        let entry = self.entries.remove(place)?;
        self.forget(&entry);
        match self.entries.get_mut(place) {
            Some(next) => {
                next.merged.first_seq = entry.merged.first_seq;
                None
            }
            None => Some(entry.merged.first_seq),
        }
    }

    fn forget(&mut self, entry: &Entry) {
        match entry.kind {
            Kind::Lines(member, _) => self.lines -= count(&entry.merged.event, member),
            Kind::Unknown => self.unknown -= 1,
            _ => {}
        }
    }
}

fn count(event: &Value, member: &str) -> usize {
    event[member].as_array().map_or(0, Vec::len)
}

fn count_dropped(event: &mut Value, more: u64) {
    let known = event["dropped"].as_u64().unwrap_or_default();
    event["dropped"] = json!(known + more);
}

/// Splits a text into pieces that fit a message in JSON. An empty text is one piece, since it has a `seq`.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (place, letter) in text.char_indices() {
        let more = char_bytes(letter);
        if bytes + more > PIECE_BYTES / 2 {
            pieces.push(&text[begin..place]);
            (begin, bytes) = (place, 0);
        }
        bytes += more;
    }
    pieces.push(&text[begin..]);
    pieces
}

fn line_pieces(lines: Vec<Value>) -> Vec<Vec<Value>> {
    let mut pieces = vec![Vec::new()];
    let mut bytes = 0;
    for line in lines {
        let more = json_bytes(&line) + 1;
        if bytes + more > PIECE_BYTES && bytes > 0 {
            pieces.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        pieces.last_mut().expect("there is always one").push(line);
    }
    pieces
}

fn text_bytes(text: &str) -> usize {
    text.chars().map(char_bytes).sum()
}

/// How many bytes serde_json writes for a character.
fn char_bytes(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        letter if letter < ' ' => 6,
        letter => letter.len_utf8(),
    }
}

fn json_bytes(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail, and a value parsed from JSON can be written as JSON.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Value {
        json!({"status": "token", "chunk": text})
    }

    fn all(unread: &mut Unread) -> Vec<(u64, u64, Value)> {
        std::iter::from_fn(|| unread.pop()).map(|one| (one.first_seq, one.seq, one.event)).collect()
    }

    fn filled(events: &[Value]) -> Unread {
        let mut unread = Unread::default();
        for (seq, event) in (1..).zip(events) {
            unread.push(Merged::one(seq, event.clone()));
        }
        unread
    }

    /// Each range continues the one before.
    fn assert_gapless(events: &[(u64, u64, Value)]) {
        let mut previous = 0;
        for (first, last, _) in events {
            assert_eq!(*first, previous + 1);
            previous = *last;
        }
    }

    #[test]
    fn text_of_one_kind_merges_and_another_kind_follows_it() {
        let think = |text: &str| json!({"status": "reasoning", "reasoning": text});
        let done = json!({"status": "done"});
        let mut unread = filled(&[think("h"), think("m"), token("a"), token("b"), done.clone()]);
        assert_eq!(all(&mut unread), [(1, 2, think("hm")), (3, 4, token("ab")), (5, 5, done)]);
    }

    #[test]
    fn a_hundred_thousand_tokens_merge_into_few_pieces_without_loss() {
        let mut unread = Unread::default();
        let letters = ["a", "\n", "\"", "ü", "\u{2028}", "\u{1}", "🦙"];
        let expected: String = (0..100_000).map(|number| letters[number % letters.len()]).collect();
        for number in 0..100_000 {
            unread.push(Merged::one(number as u64 + 1, token(letters[number % letters.len()])));
        }
        let events = all(&mut unread);
        assert_gapless(&events);
        assert!(events.len() < 100, "{}", events.len());
        assert!(events.iter().all(|(_, _, event)| event.to_string().len() <= PIECE_BYTES));
        assert_eq!(events.iter().map(|(_, _, event)| event["chunk"].as_str().unwrap()).collect::<String>(), expected);
        assert_eq!(events.last().unwrap().1, 100_000);
    }

    #[test]
    fn an_event_that_is_too_large_is_split_and_its_last_piece_has_its_seq() {
        let text = "é\"".repeat(10_000);
        let mut unread = filled(&[token("a"), token(&text), token("z")]);
        let events = all(&mut unread);
        assert!(events.len() > 3);
        assert!(events.iter().all(|(_, _, event)| event.to_string().len() <= PIECE_BYTES));
        assert_gapless(&events);
        assert!(events[..events.len() - 1].iter().all(|(_, seq, _)| *seq == 1));
        assert_eq!(events.last().unwrap().1, 3);
        let joined: String = events.iter().map(|(_, _, event)| event["chunk"].as_str().unwrap()).collect();
        assert_eq!(joined, format!("a{text}z"));
    }

    #[test]
    fn merged_events_merge_again_and_keep_their_ranges() {
        let mut first = filled(&[token("a"), token("b"), token(&"x".repeat(2 * PIECE_BYTES)), token("c")]);
        let mut second = Unread::default();
        while let Some(merged) = first.pop() {
            second.push(merged);
        }
        let events = all(&mut second);
        assert_gapless(&events);
        assert_eq!(events.last().unwrap().1, 4);
        let joined: String = events.iter().map(|(_, _, event)| event["chunk"].as_str().unwrap()).collect();
        assert_eq!(joined.len(), 3 + 2 * PIECE_BYTES);
    }

    #[test]
    fn progress_is_replaced_by_newer_progress_of_its_kind() {
        let loading = |progress: f64| json!({"status": "loading", "stage": "x", "progress": progress});
        let starting = json!({"status": "starting"});
        let mut unread = filled(&[loading(0.1), loading(0.2), starting.clone(), loading(0.3)]);
        assert_eq!(all(&mut unread), [(1, 2, loading(0.2)), (3, 3, starting), (4, 4, loading(0.3))]);
    }

    #[test]
    fn only_the_newest_state_is_kept_and_the_others_are_counted() {
        let server = |id: &str, state: &str, dropped: u64| json!({"status": "server", "server": {"server_id": id, "state": state}, "dropped": dropped});
        let removed = json!({"status": "server_removed", "server_id": "a", "dropped": 0});
        let mut unread =
            filled(&[server("a", "starting", 0), server("b", "ready", 0), server("a", "ready", 2), removed]);
        let events = all(&mut unread);
        assert_gapless(&events);
        let gone = json!({"status": "server_removed", "server_id": "a", "dropped": 4});
        assert_eq!(events, [(1, 2, server("b", "ready", 0)), (3, 4, gone)]);
    }

    #[test]
    fn a_flood_of_log_lines_drops_the_oldest_and_counts_them() {
        let mut unread = Unread::default();
        for seq in 1..=1000_u64 {
            let lines: Vec<_> = (0..250).map(|line| json!({"message": format!("{seq} {line}")})).collect();
            unread.push(Merged::one(seq, json!({"status": "logs", "entries": lines, "dropped": 1})));
        }
        let events = all(&mut unread);
        assert_gapless(&events);
        let lines: usize = events.iter().map(|(_, _, event)| count(event, "entries")).sum();
        let dropped: u64 = events.iter().map(|(_, _, event)| event["dropped"].as_u64().unwrap()).sum();
        let Some(Merge::Lines(_, limit)) = merge_of("logs") else { panic!("logs are lines") };
        assert!(lines <= limit && lines > limit - 250, "{lines}");
        assert_eq!(lines as u64 + dropped, 251_000);
        assert_eq!(events.last().unwrap().2["entries"].as_array().unwrap().last().unwrap()["message"], "1000 249");
        assert!(events.iter().all(|(_, _, event)| event.to_string().len() < 8192));
        assert_eq!(unread.lines, 0);
    }

    #[test]
    fn unknown_events_are_kept_up_to_a_bound() {
        let mut unread = Unread::default();
        for seq in 1..=UNKNOWN_EVENTS as u64 + 10 {
            unread.push(Merged::one(seq, json!({"status": "something_new", "number": seq})));
        }
        let events = all(&mut unread);
        assert_gapless(&events);
        assert_eq!(events.len(), UNKNOWN_EVENTS);
        assert_eq!(events.last().unwrap().2["number"], UNKNOWN_EVENTS + 10);
    }
}
