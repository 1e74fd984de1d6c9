//! Splits bytes into lines, at LF only, as the contract requires. Memory is bounded whatever the sidecar sends.

/// What was found in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Vec<u8>),
    /// It was longer than the limit and was discarded.
    TooLong,
}

/// Splits a stream into lines of at most `limit` bytes, without their LF and a CR before it.
pub(crate) struct Splitter {
    limit: usize,
    begun: Vec<u8>,
    too_long: bool,
}

impl Splitter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, begun: Vec::new(), too_long: false }
    }

    /// The lines that end in this piece, without blank ones.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut pieces = piece.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            self.add(piece);
            if pieces.peek().is_some() {
                lines.extend(self.end());
            }
        }
        lines
    }

    /// What came after the last LF, at the end of the stream.
    pub(crate) fn end(&mut self) -> Option<Line> {
        let mut line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.too_long) {
            return Some(Line::TooLong);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        (!line.is_empty()).then_some(Line::Whole(line))
    }

    fn add(&mut self, piece: &[u8]) {
        if self.too_long || self.begun.len() + piece.len() > self.limit {
            self.too_long = true;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(lines: &[&str]) -> Vec<Line> {
        lines.iter().map(|line| Line::Whole(line.as_bytes().to_vec())).collect()
    }

    #[test]
    fn lines_are_the_same_wherever_the_bytes_are_split() {
        let text = "one\ntwo\r\n\n\u{2028}three\u{85}\nfo".as_bytes();
        for size in 1..=text.len() {
            let mut splitter = Splitter::new(100);
            let lines: Vec<_> = text.chunks(size).flat_map(|piece| splitter.feed(piece)).collect();
            assert_eq!(lines, whole(&["one", "two", "\u{2028}three\u{85}"]), "{size}");
            assert_eq!(splitter.end(), Some(Line::Whole(b"fo".to_vec())));
        }
    }

    #[test]
    fn a_line_at_the_limit_is_kept_and_a_longer_one_is_discarded() {
        let mut splitter = Splitter::new(4);
        assert_eq!(splitter.feed(b"1234\n"), whole(&["1234"]));
        for _ in 0..1000 {
            assert_eq!(splitter.feed(b"12345"), []);
            assert_eq!(splitter.begun.capacity(), 0);
        }
        assert_eq!(splitter.feed(b"\nnext\n"), [Line::TooLong, Line::Whole(b"next".to_vec())]);
    }
}
