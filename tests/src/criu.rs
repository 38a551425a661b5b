//! CRIU, and a program for it to stop and continue.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use crate::{bed, program};

/// What [`bed::enter`](crate::bed::enter) drops in for it.
pub const TREE: &str = "criu-tree";

/// A shell that counts signals, and tells the count to whoever reads the fifo of its volume.
pub const COUNTER: &str = "n=0; trap 'n=$((n+1)); echo $n >/data/fifo' USR1; echo 0 >/data/fifo; \
    while :; do sleep 1000 & wait; done";

/// How long a counter may take to say something before the test has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// The fifo of a counter's volume, and who listens there.
///
/// It is open at this end for as long as the test goes on. If it was opened for each word, a child
/// that another test forks meanwhile would have a copy for a moment, a word could be said to that
/// copy alone, and nobody would ever hear it.
#[derive(Debug)]
pub struct Ear(File);

impl Ear {
    /// Makes the fifo in the folder of the volume.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn of(volume: &Path) -> Self {
        let path = volume.join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Self(rustix::fs::open(&path, flags, Mode::empty()).unwrap().into())
    }

    /// What is said next, once whoever said it has closed the fifo.
    ///
    /// # Panics
    /// Nothing is.
    #[must_use]
    #[track_caller]
    pub fn hears(&self) -> String {
        let (mut said, mut buffer) = (Vec::new(), [0; 256]);
        let until = Instant::now() + PATIENCE;
        loop {
            match (&self.0).read(&mut buffer) {
                Ok(0) if !said.is_empty() => return String::from_utf8(said).unwrap(),
                Ok(n @ 1..) => said.extend_from_slice(&buffer[..n]),
                // Nobody is there, or somebody who has not said it yet.
                Ok(0) => std::thread::yield_now(),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            assert!(Instant::now() < until, "it says nothing");
        }
    }
}

/// CRIU, where there is one and the test may use it.
#[must_use]
pub fn criu() -> Option<PathBuf> {
    if !program::root() {
        return None;
    }
    let found = installed();
    if found.is_none() {
        eprintln!("skipped: there is no CRIU (cargo xtask peers)");
    }
    found
}

/// The program of `cargo xtask peers`. In the bed its loader and libraries, which are newer than
/// the guest's, lie elsewhere than it was told.
pub(crate) fn installed() -> Option<PathBuf> {
    if bed::guest().is_none() {
        return Some(bed::peer("bin/criu")).filter(|program| program.exists());
    }
    let tree = bed::peer(TREE);
    let script = std::env::temp_dir().join("criu");
    if tree.exists() && !script.exists() {
        let (tree, libraries) = (tree.display(), "usr/lib/x86_64-linux-gnu");
        let text = format!(
            "#!/bin/sh\nexec {tree}/{libraries}/ld-linux-x86-64.so.2 --library-path \
             {tree}/{libraries} {tree}/usr/sbin/criu \"$@\"\n"
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }
    Some(script).filter(|script| script.exists())
}
