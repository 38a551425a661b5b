//! Waiting for a lock that a child of a killed command still holds.
//!
//! A lock belongs to an open file, which a forked child has too. Such a child ends when it finds
//! that its maker has gone, and that takes it a moment.

use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks: man 2 flock waits for ever or not at all.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// What `take` gives once nobody else has it; `None` where somebody keeps it for longer than such
/// a child would.
pub(crate) fn soon<T, E>(mut take: impl FnMut() -> Result<Option<T>, E>) -> Result<Option<T>, E> {
    let until = Instant::now() + PATIENCE;
    loop {
        match take()? {
            None if Instant::now() < until => drop(poll(&mut [], Some(&PAUSE))),
            taken => return Ok(taken),
        }
    }
}
