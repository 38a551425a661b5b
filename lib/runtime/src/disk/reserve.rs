//! How much of a disk the host keeps, and when to look again.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::fs::fstatvfs;
use serde::{Deserialize, Serialize};

/// The host keeps a twentieth of a disk, as ext4 does for root by default.
const SHARE: u64 = 20;
/// No more than this, whatever the disk's size: it is room to work in, to see what happened and to
/// remove it.
const MOST: Amounts = Amounts { bytes: 1 << 30, inodes: 1 << 18 };
/// No less: what the fastest disk takes while nobody looks ([`SHORTEST`]), and a little.
const LEAST: Amounts = Amounts { bytes: 256 << 20, inodes: 1 << 15 };

/// The fastest that a disk fills by writing: what memory takes, in a millisecond.
const FASTEST: Amounts = Amounts { bytes: (8 << 30) / 1000, inodes: 1000 };
/// The shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(20);
/// The longest: a look costs some microseconds. It is also how long a disk may be full whose room
/// was taken without writing (man 2 fallocate), which no size of the reserve foresees.
const LONGEST: Duration = Duration::from_secs(10);

/// Of what a disk can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scarce {
    /// Bytes.
    Bytes,
    /// Files and folders.
    Inodes,
}

impl Scarce {
    /// What became of a container for its sake, in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Bytes => {
                "it was ended before it took the last room of the disk that holds the store"
            }
            Self::Inodes => {
                "it was ended before it took the last files of the disk that holds the store"
            }
        }
    }

    /// The same for whoever watches it, with the way on.
    pub(super) fn words(self) -> String {
        let sentence = self.sentence();
        let help = match self {
            Self::Bytes => {
                "make room, or say what it may write: --read-only --tmpfs PATH:size=SIZE, and -v DIR:/PATH for what is to stay"
            }
            Self::Inodes => {
                "remove files, or put what it writes elsewhere: -v DIR:/PATH, --tmpfs PATH"
            }
        };
        format!("error: the container was killed\n   = {sentence}\nhelp: {help}\n")
    }
}

/// So much of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Amounts {
    pub(super) bytes: u64,
    pub(super) inodes: u64,
}

/// What the host keeps of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve(pub(super) Amounts);

/// A disk at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    total: Amounts,
    /// What anybody may still take: what the file system keeps for root is not part of it.
    pub(super) free: Amounts,
}

impl Disk {
    /// The one that `on` lies on. Source: man 3 statvfs.
    pub(super) fn of(on: impl AsFd) -> io::Result<Self> {
        let about = fstatvfs(on)?;
        let bytes = |blocks: u64| blocks.saturating_mul(about.f_frsize);
        // Some file systems, such as btrfs, make inodes as they are wanted and count none.
        let inodes = |count: u64| if about.f_files == 0 { u64::MAX } else { count };
        Ok(Self {
            total: Amounts { bytes: bytes(about.f_blocks), inodes: inodes(about.f_files) },
            free: Amounts { bytes: bytes(about.f_bavail), inodes: inodes(about.f_favail) },
        })
    }
}

impl Amounts {
    pub(super) const NONE: Self = Self { bytes: 0, inodes: 0 };

    /// For each of both.
    pub(super) fn with(self, other: Self, make: impl Fn(u64, u64) -> u64) -> Self {
        Self { bytes: make(self.bytes, other.bytes), inodes: make(self.inodes, other.inodes) }
    }

    pub(super) fn of(self, what: Scarce) -> u64 {
        match what {
            Scarce::Bytes => self.bytes,
            Scarce::Inodes => self.inodes,
        }
    }
}

impl Reserve {
    /// What the host keeps of the disk that `on` lies on.
    ///
    /// # Errors
    /// What man 3 statvfs lists.
    pub fn of(on: impl AsFd) -> io::Result<Self> {
        Ok(Self::usual(&Disk::of(on)?))
    }

    pub(super) fn usual(disk: &Disk) -> Self {
        let share = disk.total.with(LEAST, |total, least| (total / SHARE).max(least));
        let share = share.with(MOST, u64::min);
        // Of a very small disk half.
        Self(share.with(disk.total, |share, total| share.min(total / 2)))
    }

    /// The same for a container that is about to start: where less than that is free by now, half
    /// of what is, so that there is something that it may write.
    pub(super) fn at_start(disk: &Disk) -> Self {
        Self(Self::usual(disk).0.with(disk.free, |share, free| share.min(free / 2)))
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// How much a container may have grown by while the room is short: less is no use to look for,
    /// and what every program writes, such as a line into a log.
    pub(super) fn trifle(&self) -> Amounts {
        Amounts { bytes: self.0.bytes / 32, inodes: self.0.inodes / 32 }
    }

    /// Whether `free` is less than this, of `what`.
    pub(super) fn is_touched(&self, free: Amounts, what: Scarce) -> bool {
        free.of(what) < self.0.of(what)
    }

    /// How long nobody has to look where so much is free.
    pub(super) fn wait(&self, free: Amounts) -> Duration {
        let above = free.with(self.0, u64::saturating_sub);
        let ms = above.with(FASTEST, |above, fastest| above / fastest);
        Duration::from_millis(ms.bytes.min(ms.inodes)).clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn disk(total: u64, free: u64) -> Disk {
        let amounts = |bytes| Amounts { bytes, inodes: u64::MAX };
        Disk { total: amounts(total), free: amounts(free) }
    }

    #[test]
    fn the_host_keeps_a_twentieth_within_bounds() {
        for (total, kept) in [
            (1000 * GIB, GIB),
            (10 * GIB, GIB / 2),
            (2 * GIB, GIB / 4),
            (256 << 20, 128 << 20),
            (0, 0),
        ] {
            assert_eq!(Reserve::usual(&disk(total, total)).bytes(), kept, "{total}");
        }
    }

    #[test]
    fn a_container_starts_on_a_disk_that_is_short() {
        let short = disk(100 * GIB, GIB);
        assert_eq!(Reserve::usual(&short).bytes(), GIB);
        assert_eq!(Reserve::at_start(&short).bytes(), GIB / 2);
        assert_eq!(Reserve::at_start(&disk(100 * GIB, 0)).bytes(), 0);
    }

    #[test]
    fn a_look_comes_before_the_fastest_disk_has_taken_the_reserve() {
        let reserve = Reserve(Amounts { bytes: GIB, inodes: 1000 });
        let wait = |bytes, inodes| reserve.wait(Amounts { bytes, inodes });
        assert_eq!(wait(500 * GIB, u64::MAX), LONGEST);
        assert_eq!(wait(9 * GIB, u64::MAX).as_millis(), 1000);
        assert_eq!(wait(GIB / 2, u64::MAX), SHORTEST);
        assert_eq!(wait(500 * GIB, 101_000).as_millis(), 100, "inodes count too");
        // However late: what is taken until the next look leaves something.
        for above in [0, GIB / 10, GIB, 5 * GIB, 70 * GIB] {
            let ms = u64::try_from(wait(GIB + above, u64::MAX).as_millis()).unwrap();
            let taken = (ms * FASTEST.bytes).saturating_sub(above);
            assert!(taken < LEAST.bytes, "{above}: {taken}");
        }
    }

    #[test]
    fn this_disk_is_read() {
        let file = tempfile::tempfile().unwrap();
        let disk = Disk::of(&file).unwrap();
        assert!(disk.total.bytes >= disk.free.bytes && disk.total.bytes > 0);
        assert!(Reserve::of(&file).unwrap().bytes() <= GIB);
    }
}
