//! Root's ranges of ids, of 65,536 each, one for each container.
//!
//! Where they come from is [`Supply`]'s: it is asked only when a container gets a range, and what a
//! container has stays its own whatever the host lends later. Which container has which is in the
//! file `ids` of the data root, one line `CONTAINER START` each. It
//! is read and replaced under an exclusive lock on `ids.lock`, and not fsynced: on disk, files of
//! images carry the image's own ids, so nothing there depends on a range. A container that starts
//! again registers its range again ([`keep`]), should a power failure have taken the pool back.
//!
//! A container that joins another's user namespace has its range with it, on a line of its own:
//! the range is free when none of them is left.
//!
//! What a kill -9 left behind heals: each claim looks whether the few oldest containers of the
//! list still have their folders, and one that finds no free range looks at all of them.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use coffer_sys::dir::{self, Durability};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, statat};
use rustix::io::Errno;

use super::supply::{SIZE, Supply};
use super::{HostUid, IdsError};

const FILE: &str = "ids";
const LOCK: &str = "ids.lock";
const FILE_LIMIT: u64 = 4 << 20;

/// How many of the oldest entries a claim looks at.
const HEAL: usize = 4;

/// Which container has which range, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    entries: Vec<(String, u32)>,
}

impl Pool {
    /// Reads the file's content.
    ///
    /// # Errors
    /// [`IdsError::BadPool`] with the line's number: the file is written whole, so such a line was
    /// written by somebody else.
    pub fn parse(bytes: &[u8]) -> Result<Self, IdsError> {
        let mut pool = Self::default();
        let text = str::from_utf8(bytes).map_err(|_| IdsError::BadPool(1))?;
        // Where the disk was full, line ends stand behind the last line.
        for (number, line) in (1..).zip(text.trim_end_matches('\n').lines()) {
            let entry = entry(line).ok_or(IdsError::BadPool(number))?;
            let overlaps = |other: &u32| *other != entry.1 && other.abs_diff(entry.1) < SIZE;
            let taken = pool.entries.iter().any(|(_, other)| overlaps(other));
            if taken || pool.of(&entry.0).is_some() {
                return Err(IdsError::BadPool(number));
            }
            pool.entries.push(entry);
        }
        Ok(pool)
    }

    /// Writes the file's content.
    pub fn to_text(&self) -> String {
        self.entries.iter().map(|(name, range)| format!("{name} {range}\n")).collect()
    }

    /// The range that `container` has.
    fn of(&self, container: &str) -> Option<u32> {
        self.entries.iter().find(|(name, _)| name == container).map(|(_, range)| *range)
    }

    /// The first range of `supply` that nobody has.
    fn free(&self, supply: &Supply) -> Option<u32> {
        let mut taken: Vec<u32> = self.entries.iter().map(|(_, start)| *start).collect();
        taken.sort_unstable();
        let near = |start: u32| {
            let place = taken.partition_point(|other| *other < start);
            taken[place.saturating_sub(1)..].iter().take(2).any(|one| one.abs_diff(start) < SIZE)
        };
        supply.starts().find(|start| !near(*start))
    }

    fn give(&mut self, container: &str, range: u32) {
        self.entries.push((container.to_owned(), range));
    }

    fn take_back(&mut self, container: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(name, _)| name != container);
        self.entries.len() < before
    }

    /// Looks at the `count` oldest entries: those that are not `alive` go, the others go to the
    /// end of the queue.
    fn heal(&mut self, count: usize, alive: impl Fn(&str) -> io::Result<bool>) -> io::Result<()> {
        let looked_at = count.min(self.entries.len());
        let oldest: Vec<(String, u32)> = self.entries.drain(..looked_at).collect();
        for entry in oldest {
            if alive(&entry.0)? {
                self.entries.push(entry);
            }
        }
        Ok(())
    }
}

fn entry(line: &str) -> Option<(String, u32)> {
    let (name, number) = line.split_once(' ')?;
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let start = number.parse().ok().filter(|start| plain && is_start(*start))?;
    is_name(name).then(|| (name.to_owned(), start))
}

/// Whether a whole range begins at an id; the host's root and its first users have none.
fn is_start(first: u32) -> bool {
    first >= SIZE && first.checked_add(SIZE).is_some()
}

/// What can be the name of a folder and of an entry.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
    !name.is_empty() && name.len() <= 255 && name.chars().all(plain) && !matches!(name, "." | "..")
}

/// Gives `container` a range, or the one that it has. Returns the first id.
///
/// # Errors
/// An [`IdsError`].
pub fn claim(root: BorrowedFd<'_>, container: &str) -> Result<HostUid, IdsError> {
    claim_from(root, container, Supply::of_host)
}

fn claim_from(
    root: BorrowedFd<'_>,
    container: &str,
    supply: impl FnOnce() -> Result<Supply, IdsError>,
) -> Result<HostUid, IdsError> {
    if !is_name(container) {
        return Err(IdsError::Name(container.to_owned()));
    }
    let alive = |name: &str| has_folder(root, name);
    let broken = |source| IdsError::Pool { what: "look up", file: "containers", source };
    if !alive(container).map_err(broken)? {
        return Err(IdsError::NoContainer(container.to_owned()));
    }
    let _lock = lock(root)?;
    let mut pool = read(root)?;
    if let Some(range) = pool.of(container) {
        return Ok(HostUid::new(range));
    }
    let supply = supply()?;
    pool.heal(HEAL, alive).map_err(broken)?;
    if pool.free(&supply).is_none() {
        pool.heal(usize::MAX, alive).map_err(broken)?;
    }
    let exhausted = || IdsError::Exhausted(supply.starts().count());
    let range = pool.free(&supply).ok_or_else(exhausted)?;
    pool.give(container, range);
    save(root, &pool)?;
    Ok(HostUid::new(range))
}

/// Makes sure that `container`, which is about to start again, has the range that begins at
/// `first`, as when it was made; `with` is the container whose range it has. Does nothing where the
/// pool says so already.
///
/// # Errors
/// [`IdsError::TakenBy`] where a pool that went back in time gave it to another.
pub fn keep(
    root: BorrowedFd<'_>,
    container: &str,
    first: HostUid,
    with: Option<&str>,
) -> Result<(), IdsError> {
    let range = first.number();
    if !is_start(range) {
        return Err(IdsError::NoRange(first));
    }
    let _lock = lock(root)?;
    let mut pool = read(root)?;
    if pool.of(container) == Some(range) {
        return Ok(());
    }
    let mut holders = pool.entries.iter().filter(|(_, other)| *other == range);
    if let Some((name, _)) = holders.clone().next()
        && !holders.any(|(name, _)| Some(name.as_str()) == with)
    {
        return Err(IdsError::TakenBy { first, by: name.clone() });
    }
    pool.take_back(container);
    pool.give(container, range);
    save(root, &pool)
}

/// Gives `container` the range of another, which is free again when neither is left.
///
/// # Errors
/// [`IdsError::NoContainer`] where the other has none; what the pool's file says.
pub fn share(root: BorrowedFd<'_>, container: &str, with: &str) -> Result<HostUid, IdsError> {
    let _lock = lock(root)?;
    let mut pool = read(root)?;
    let range = pool.of(with).ok_or_else(|| IdsError::NoContainer(with.to_owned()))?;
    pool.take_back(container);
    pool.give(container, range);
    save(root, &pool)?;
    Ok(HostUid::new(range))
}

/// Takes `container`'s range back. One that has none is no error.
///
/// # Errors
/// An [`IdsError`].
pub fn release(root: BorrowedFd<'_>, container: &str) -> Result<(), IdsError> {
    let _lock = lock(root)?;
    let mut pool = read(root)?;
    if pool.take_back(container) { save(root, &pool) } else { Ok(()) }
}

fn has_folder(root: BorrowedFd<'_>, container: &str) -> io::Result<bool> {
    match statat(root, format!("containers/{container}"), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// The lock is held until what is returned is dropped.
fn lock(root: BorrowedFd<'_>) -> Result<OwnedFd, IdsError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let locked = openat(root, LOCK, flags, Mode::RUSR | Mode::WUSR).and_then(|file| {
        rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
        Ok(file)
    });
    locked.map_err(|errno| IdsError::Pool { what: "lock", file: LOCK, source: errno.into() })
}

fn read(root: BorrowedFd<'_>) -> Result<Pool, IdsError> {
    let bytes = dir::read(root, FILE, FILE_LIMIT);
    let bytes = bytes.map_err(|source| IdsError::Pool { what: "read", file: FILE, source })?;
    Pool::parse(&bytes.unwrap_or_default())
}

fn save(root: BorrowedFd<'_>, pool: &Pool) -> Result<(), IdsError> {
    let (text, mode) = (pool.to_text(), Mode::RUSR | Mode::WUSR);
    dir::write_whole_or_over(root, FILE, text.as_bytes(), mode, Durability::Process)
        .map_err(|source| IdsError::Pool { what: "write", file: FILE, source })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proptest::prelude::*;

    use super::*;

    const FIRST: u32 = 0x7000_0000;
    const RANGES: u32 = 4096;

    fn start(range: u32) -> u32 {
        FIRST + range * SIZE
    }

    struct Root {
        folder: tempfile::TempDir,
        fd: OwnedFd,
    }

    fn root() -> Root {
        let folder = tempfile::tempdir().unwrap();
        let fd = dir::open(folder.path()).unwrap();
        dir::make(fd.as_fd(), "containers", Mode::RWXU).unwrap();
        Root { folder, fd }
    }

    impl Root {
        fn add(&self, name: &str) {
            std::fs::create_dir(self.folder.path().join("containers").join(name)).unwrap();
        }

        fn remove(&self, name: &str) {
            std::fs::remove_dir(self.folder.path().join("containers").join(name)).unwrap();
        }

        fn claim(&self, name: &str) -> Result<u32, IdsError> {
            claim_from(self.fd.as_fd(), name, || Ok(Supply::default())).map(HostUid::number)
        }
    }

    #[test]
    fn a_container_keeps_its_range_until_it_is_released() {
        let root = root();
        ["a", "b", "c"].into_iter().for_each(|name| root.add(name));
        assert_eq!(root.claim("a").unwrap(), FIRST);
        assert_eq!(root.claim("b").unwrap(), FIRST + SIZE);
        assert_eq!(root.claim("a").unwrap(), FIRST);
        release(root.fd.as_fd(), "a").unwrap();
        release(root.fd.as_fd(), "a").unwrap();
        assert_eq!(root.claim("c").unwrap(), FIRST);
        assert_eq!(root.claim("a").unwrap(), FIRST + 2 * SIZE);
    }

    #[test]
    fn the_pool_heals() {
        let root = root();
        root.add("gone");
        root.add("here");
        root.claim("gone").unwrap();
        root.remove("gone");
        assert_eq!(root.claim("here").unwrap(), FIRST);
    }

    #[test]
    fn a_lost_pool_is_made_good_by_those_who_start() {
        let root = root();
        ["a", "b"].into_iter().for_each(|name| root.add(name));
        let first = HostUid::new(root.claim("a").unwrap());
        keep(root.fd.as_fd(), "a", first, None).unwrap();
        save(root.fd.as_fd(), &Pool::default()).unwrap();
        keep(root.fd.as_fd(), "a", first, None).unwrap();
        assert_eq!(root.claim("b").unwrap(), FIRST + SIZE);
        let taken = keep(root.fd.as_fd(), "b", first, None).unwrap_err();
        assert_eq!(taken.to_string(), "the ids from 1879048192 on belong to container a now");
        assert!(matches!(
            keep(root.fd.as_fd(), "a", HostUid::new(5), None),
            Err(IdsError::NoRange(_))
        ));
    }

    #[test]
    fn a_shared_range_is_free_when_the_last_is_gone() {
        let root = root();
        ["a", "b", "c"].into_iter().for_each(|name| root.add(name));
        let first = HostUid::new(root.claim("a").unwrap());
        assert_eq!(share(root.fd.as_fd(), "b", "a").unwrap(), first);
        assert_eq!(root.claim("b").unwrap(), FIRST, "who asks again gets the same");
        release(root.fd.as_fd(), "a").unwrap();
        assert_eq!(root.claim("c").unwrap(), FIRST + SIZE, "it is taken still");
        assert!(matches!(share(root.fd.as_fd(), "c", "a"), Err(IdsError::NoContainer(_))));
        release(root.fd.as_fd(), "b").unwrap();
        assert_eq!(root.claim("a").unwrap(), FIRST);
        keep(root.fd.as_fd(), "b", first, Some("a")).unwrap();
        let taken = keep(root.fd.as_fd(), "c", first, None).unwrap_err();
        assert!(matches!(taken, IdsError::TakenBy { .. }), "{taken}");
    }

    #[test]
    fn a_full_pool_is_an_error_and_one_folder_less_is_none() {
        let root = root();
        let mut pool = Pool::default();
        for range in 0..RANGES {
            root.add(&format!("c{range}"));
            pool.give(&format!("c{range}"), start(range));
        }
        save(root.fd.as_fd(), &pool).unwrap();
        root.add("late");
        let error = root.claim("late").unwrap_err();
        assert_eq!(error.to_string(), "all 4096 ranges of ids are taken by containers");
        root.remove("c777");
        assert_eq!(root.claim("late").unwrap(), start(777));
    }

    #[test]
    fn parallel_claims_get_different_ranges() {
        let root = root();
        let names: Vec<String> = (0..16).map(|n| format!("c{n}")).collect();
        names.iter().for_each(|name| root.add(name));
        let mut starts: Vec<u32> = std::thread::scope(|scope| {
            let claims: Vec<_> =
                names.iter().map(|name| scope.spawn(|| root.claim(name).unwrap())).collect();
            claims.into_iter().map(|claim| claim.join().unwrap()).collect()
        });
        starts.sort_unstable();
        starts.dedup();
        assert_eq!(starts.len(), 16);
    }

    #[test]
    fn names_without_folder_or_sense_are_refused() {
        let root = root();
        assert!(matches!(root.claim("nobody"), Err(IdsError::NoContainer(_))));
        for name in ["", "..", "a/b", "a b", "a\n"] {
            assert!(matches!(root.claim(name), Err(IdsError::Name(_))), "{name:?}");
        }
    }

    #[test]
    fn line_ends_behind_it_change_nothing() {
        let pool = |text: &str| Pool::parse(text.as_bytes()).unwrap();
        assert_eq!(pool("a 1879048192\n\n\n"), pool("a 1879048192\n"));
        assert_eq!(pool("\n\n"), Pool::default());
    }

    #[test]
    fn a_file_that_we_did_not_write_is_an_error() {
        for bad in [
            "a",
            "a 1",
            "a 1879048192\nb 1879048193",
            "a 65535",
            "a 4294967295",
            "../x 1879048192",
            "a +1879048192",
            "a 1879048192\na 1879113728",
            "a  1879048192",
            "\na 1879048192",
        ] {
            assert!(matches!(Pool::parse(bad.as_bytes()), Err(IdsError::BadPool(_))), "{bad:?}");
        }
    }

    #[test]
    fn what_is_lent_later_leaves_what_containers_have() {
        let root = root();
        ["a", "b", "c"].into_iter().for_each(|name| root.add(name));
        let first = root.claim("a").unwrap();
        let supply = |start: u32| {
            let line = format!("containers:{start}:196608\n");
            move || Supply::parse(line.as_bytes(), line.as_bytes())
        };
        let claim = |name: &str, start| claim_from(root.fd.as_fd(), name, supply(start));
        assert_eq!(claim("b", first - 5).unwrap().number(), first - 5 + 2 * SIZE);
        assert_eq!(claim("a", 200_000).unwrap().number(), first, "it keeps what it has");
        keep(root.fd.as_fd(), "a", HostUid::new(first), None).unwrap();
        assert_eq!(claim("c", 200_000).unwrap().number(), 200_000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(pool) = Pool::parse(&bytes) {
                prop_assert_eq!(Pool::parse(pool.to_text().as_bytes()).unwrap(), pool);
            }
        }

        #[test]
        fn what_was_written_is_read(ranges in proptest::collection::btree_set(0..RANGES, 0..50)) {
            let mut pool = Pool::default();
            ranges.iter().for_each(|range| pool.give(&format!("c{range}"), start(*range)));
            prop_assert_eq!(Pool::parse(pool.to_text().as_bytes()).unwrap(), pool);
        }
    }
}
