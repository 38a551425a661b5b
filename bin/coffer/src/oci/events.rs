//! `events`: what a container uses, and when memory runs out.

use std::os::fd::AsFd;

use coffer_runtime::bundle::{self, BundleError, Folder};
use coffer_runtime::cgroup::Stats;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use serde_json::json;

use super::create::operand;
use super::failure::Failure;
use super::globals::{Globals, print};
use super::grammar::{Grammar, Words, switch, value};
use super::{Outcome, usage};

/// The options of `events`.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[switch("stats", None), value("interval", None)],
    operands: (1, 1),
    verbatim_after: usize::MAX,
};

/// Seconds between two looks, where none are given. Source: runc-events(8).
const INTERVAL: i64 = 5;

/// `events`: once with `--stats`, else until the container ends.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let interval = interval(words.value("interval"))?;
    let folder = globals.find(operand(words))?;
    let mut stats = bundle::stats(&folder)?;
    print(&line(&folder, "stats", Some(&stats)))?;
    if words.has("stats") {
        return Ok(0);
    }
    let gone = || BundleError::NotRunning(folder.id().clone());
    let state = folder.state()?.ok_or_else(gone)?;
    let Some(init) = folder.init(&state)? else { return Ok(0) };
    loop {
        let mut ended = [PollFd::from_borrowed_fd(init.as_fd(), PollFlags::IN)];
        if retry_on_intr(|| poll(&mut ended, Some(&interval)))? > 0 {
            return Ok(0);
        }
        let Ok(now) = bundle::stats(&folder) else { return Ok(0) };
        if now.oom_kills > stats.oom_kills {
            print(&line(&folder, "oom", None))?;
        }
        print(&line(&folder, "stats", Some(&now)))?;
        stats = now;
    }
}

/// Go's durations as far as runc's users write them: `5s`, `500ms`, `1m`.
fn interval(text: Option<&str>) -> Result<Timespec, Failure> {
    let Some(text) = text else { return Ok(Timespec { tv_sec: INTERVAL, tv_nsec: 0 }) };
    let bad = || Failure::new(format!("--interval: {text:?} is no time such as 5s"));
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.parse().map_err(|_| bad())?;
    let milliseconds = match &text[digits.len()..] {
        "ms" => number,
        "s" => number.saturating_mul(1000),
        "m" => number.saturating_mul(60_000),
        _ => return Err(bad()),
    };
    if milliseconds <= 0 {
        return Err(bad());
    }
    Ok(Timespec { tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000 })
}

/// One event in a line, in runc's form. What nobody counts here is left out.
fn line(folder: &Folder, kind: &str, stats: Option<&Stats>) -> String {
    let (kind, id) = (json!(kind), json!(folder.id()));
    // The order is runc's: its callers look for lines that begin so.
    match stats {
        Some(stats) => {
            format!("{{\"type\":{kind},\"id\":{id},\"data\":{}}}\n", usage::data(stats))
        }
        None => format!("{{\"type\":{kind},\"id\":{id}}}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_times() {
        assert_eq!(interval(Some("500ms")).unwrap().tv_nsec, 500_000_000);
        assert_eq!(interval(Some("2m")).unwrap().tv_sec, 120);
        assert!(interval(Some("0s")).is_err() && interval(Some("5")).is_err());
    }
}
