//! One line of a log.

use jiff::Timestamp;

/// How many bytes the time takes: `2026-11-23T20:04:21.123456789Z`.
const TIME: usize = 30;
/// How many bytes stand before what was written.
pub(super) const HEAD: usize = TIME + " stdout F ".len();

/// Where a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Whether the line has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// A newline followed.
    Full,
    /// The rest comes with the next line of this stream.
    Partial,
}

/// One line of a log, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When it was read from the container: RFC 3339, UTC, nanoseconds.
    pub time: &'a str,
    /// Where it was written to.
    pub stream: Stream,
    /// Whether a newline followed.
    pub tag: Tag,
    /// What was written, without the newline.
    pub bytes: &'a [u8],
}

/// Why some bytes are no line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of a log is a time, stdout or stderr, F or P, and what was written")]
pub struct LineError;

impl<'a> Line<'a> {
    /// Reads one line; `text` has no newline.
    ///
    /// # Errors
    /// [`LineError`]. Whether the time is one is not looked at before [`Self::timestamp`].
    pub fn parse(text: &'a [u8]) -> Result<Self, LineError> {
        let (head, bytes) = text.split_at_checked(HEAD).ok_or(LineError)?;
        let head = std::str::from_utf8(head).map_err(|_| LineError)?;
        let (time, rest) = head.split_at_checked(TIME).ok_or(LineError)?;
        let (stream, tag) = match rest {
            " stdout F " => (Stream::Stdout, Tag::Full),
            " stdout P " => (Stream::Stdout, Tag::Partial),
            " stderr F " => (Stream::Stderr, Tag::Full),
            " stderr P " => (Stream::Stderr, Tag::Partial),
            _ => return Err(LineError),
        };
        Ok(Self { time, stream, tag, bytes })
    }

    /// The time.
    ///
    /// # Errors
    /// [`LineError`] where it is none.
    pub fn timestamp(&self) -> Result<Timestamp, LineError> {
        self.time.parse().map_err(|_| LineError)
    }
}

/// Appends what was written to `stream` at `time` to `out`: one line, or the beginning of one.
pub(super) fn encode(out: &mut Vec<u8>, time: &str, stream: Stream, written: &[u8]) {
    let (bytes, tag) = match written.strip_suffix(b"\n") {
        Some(bytes) => (bytes, " F "),
        None => (written, " P "),
    };
    out.extend_from_slice(time.as_bytes());
    out.extend_from_slice(match stream {
        Stream::Stdout => b" stdout",
        Stream::Stderr => b" stderr",
    });
    out.extend_from_slice(tag.as_bytes());
    out.extend_from_slice(bytes);
    out.push(b'\n');
}

/// A time as it stands in a log.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.9}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_head_has_one_width() {
        let mut out = Vec::new();
        for at in [Timestamp::UNIX_EPOCH, Timestamp::now()] {
            encode(&mut out, &time(at), Stream::Stderr, b"a\n");
            encode(&mut out, &time(at), Stream::Stderr, b"b");
        }
        let lines: Vec<_> = out.split(|b| *b == b'\n').collect();
        assert_eq!(lines.len(), 5);
        let line = Line::parse(lines[1]).unwrap();
        assert_eq!((line.stream, line.tag, line.bytes), (Stream::Stderr, Tag::Partial, &b"b"[..]));
        assert_eq!(line.timestamp().unwrap(), Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn other_lines_are_refused() {
        for bad in ["", "2026-11-23T20:04:21.123456789Z stdlog F x", &" ".repeat(60)] {
            assert_eq!(Line::parse(bad.as_bytes()), Err(LineError));
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(written in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut out = Vec::new();
            for line in written.split_inclusive(|b| *b == b'\n') {
                encode(&mut out, &time(Timestamp::now()), Stream::Stdout, line);
            }
            let mut read = Vec::new();
            for text in out.strip_suffix(b"\n").map_or(vec![], |o| o.split(|b| *b == b'\n').collect()) {
                let line = Line::parse(text).unwrap();
                read.extend_from_slice(line.bytes);
                if line.tag == Tag::Full {
                    read.push(b'\n');
                }
            }
            prop_assert_eq!(read, written);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(line) = Line::parse(&bytes) {
                prop_assert!(line.bytes.len() + HEAD == bytes.len());
            }
        }
    }
}
