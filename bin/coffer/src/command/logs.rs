//! `coffer logs`.

use std::io::{self, Write};

use coffer_runtime::log::{Follow, Line, Query, Stream, Tag, read};
use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Common;
use crate::verb::Command;

/// Print what a container has written
///
/// What it wrote to stdout goes to stdout, and what it wrote to stderr to stderr.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Logs {
    /// The container, by name or id
    container: String,
    /// Go on until the container ends
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines
    #[arg(short = 'n', long, value_name = "N", default_value = "all")]
    tail: Tail,
    /// Only what was written since then: 2026-11-23T20:00:00Z, 2026-11-23 (UTC), or 10m ago
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only what was written before then
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Put the time before each line
    #[arg(short, long)]
    timestamps: bool,
    #[command(flatten)]
    common: Common,
}

/// `--tail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tail(Option<u64>);

impl std::str::FromStr for Tail {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self(None)),
            // Docker takes any number below 0 for all.
            count if count.starts_with('-') && count.parse::<i64>().is_ok() => Ok(Self(None)),
            count => count.parse().map(|n| Self(Some(n))).map_err(|_| "it is a number, or `all`"),
        }
    }
}

/// Seconds since the epoch, with or without a fraction.
fn epoch(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanoseconds = format!("{fraction:0<9.9}").parse().ok().filter(|_| is_number)?;
    Timestamp::new(seconds.parse().ok()?, nanoseconds).ok()
}

/// A time: RFC 3339, a date without a zone (UTC then), seconds since the epoch, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct When(Timestamp);

impl std::str::FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = "it looks like 2026-11-23T20:00:00Z, 2026-11-23, 1795464000 or 1h30m";
        if let Ok(time) = text.parse() {
            return Ok(Self(time));
        }
        if let Ok(time) = text.parse::<jiff::civil::DateTime>() {
            return jiff::tz::Offset::UTC.to_timestamp(time).map(Self).map_err(|_| error);
        }
        if let Some(time) = epoch(text) {
            return Ok(Self(time));
        }
        let ago: SignedDuration = text.parse().map_err(|_| error)?;
        Timestamp::now().checked_sub(ago).map(Self).map_err(|_| error)
    }
}

impl Command for Logs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let root = context.data_root()?;
        let (containers, folder) = (root.containers(), root.containers().find(&self.container)?);
        root.settle(&folder)?;
        let query = Query {
            tail: self.tail.0,
            since: self.since.map(|when| when.0),
            until: self.until.map(|when| when.0),
            follow: if self.follow { Follow::UntilStopped } else { Follow::No },
        };
        let mut printer = Printer::new(self.timestamps);
        let mut orphaned = || root.settle(&folder).map(drop).map_err(io::Error::other);
        let mut print = |line: &Line<'_>| printer.print(line);
        match read(&folder, containers.boot(), &query, &mut print, &mut orphaned) {
            Err(_) if printer.is_cut_off => Err(Failure::quiet()),
            done => Ok(done.map(|()| Exit::DONE)?),
        }
    }
}

/// Writes lines to where the container wrote them.
struct Printer {
    with_time: bool,
    /// Whether a line has begun on a stream and not ended.
    open: [bool; 2],
    is_cut_off: bool,
}

impl Printer {
    fn new(with_time: bool) -> Self {
        Self { with_time, open: [false; 2], is_cut_off: false }
    }

    fn print(&mut self, line: &Line<'_>) -> io::Result<()> {
        let open = &mut self.open[usize::from(line.stream == Stream::Stderr)];
        let mut text = Vec::with_capacity(line.bytes.len() + 32);
        if self.with_time && !*open {
            text.extend_from_slice(line.time.as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(line.bytes);
        *open = line.tag == Tag::Partial;
        if !*open {
            text.push(b'\n');
        }
        let written = match line.stream {
            Stream::Stdout => {
                io::stdout().lock().write_all(&text).and_then(|()| io::stdout().flush())
            }
            Stream::Stderr => io::stderr().lock().write_all(&text),
        };
        self.is_cut_off |= written.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_ago() {
        let when = |text: &str| text.parse::<When>().map(|when| when.0);
        assert_eq!(when("1970-01-01T00:00:01Z"), Ok(Timestamp::from_second(1).unwrap()));
        assert_eq!(when("1"), Ok(Timestamp::from_second(1).unwrap()));
        assert_eq!(when("1.5"), Ok(Timestamp::new(1, 500_000_000).unwrap()));
        assert_eq!(when("1970-01-02"), Ok(Timestamp::from_second(86_400).unwrap()));
        assert_eq!(when("1970-01-01T00:01:00"), Ok(Timestamp::from_second(60).unwrap()));
        assert!(when("1.").is_err() && when("1.-5").is_err());
        assert_eq!("-1".parse(), Ok(Tail(None)));
        assert!(when("1h30m").unwrap() < Timestamp::now());
        assert!(when("yesterday").is_err());
        assert_eq!("all".parse(), Ok(Tail(None)));
        assert_eq!("5".parse(), Ok(Tail(Some(5))));
    }
}
