//! Ids that the host lends to an ordinary user: `/etc/subuid` and `/etc/subgid`.
//!
//! Source: man 5 subuid, man 5 subgid.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use coffer_sys::dir;
use rustix::process::{getegid, geteuid, getuid};

use super::error::who;
use super::{HostUid, IdMap, IdsError, Range};
use crate::user;

const ETC: &str = "/etc";
/// The most bytes that are read of a file of the host; directories with many users are large.
const FILE_LIMIT: u64 = 16 << 20;

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/etc/subuid`.
    Users,
    /// `/etc/subgid`.
    Groups,
}

impl Kind {
    const fn file(self) -> &'static str {
        match self {
            Self::Users => "subuid",
            Self::Groups => "subgid",
        }
    }

    /// The file's path, for errors.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Users => "/etc/subuid",
            Self::Groups => "/etc/subgid",
        }
    }
}

/// A run of ids that the host lends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lent {
    /// The first.
    pub start: u32,
    /// How many.
    pub count: u32,
}

/// The ids that a file lends to a user, by its name or its number, in the order of the file.
///
/// # Errors
/// [`IdsError::BadSubIds`] for a malformed line that begins with the user's name or number; those
/// of others are left to them.
pub fn parse(
    bytes: &[u8],
    kind: Kind,
    name: Option<&str>,
    uid: HostUid,
) -> Result<Vec<Lent>, IdsError> {
    let number = uid.to_string();
    of(bytes, kind, |owner| owner == number.as_bytes() || Some(owner) == name.map(str::as_bytes))
}

/// The same for those whose name or number is `owner`'s.
pub(super) fn of(
    bytes: &[u8],
    kind: Kind,
    owner: impl Fn(&[u8]) -> bool,
) -> Result<Vec<Lent>, IdsError> {
    let mut lent = Vec::new();
    for (place, (who, range)) in (1..).zip(lines(bytes)) {
        if owner(who) {
            lent.push(range.ok_or(IdsError::BadSubIds { path: kind.path(), line: place })?);
        }
    }
    Ok(lent)
}

/// The ids that a file lends to everybody but `owner`. What is malformed lends nothing.
pub(super) fn of_others(bytes: &[u8], owner: impl Fn(&[u8]) -> bool) -> Vec<Lent> {
    lines(bytes).filter(|(who, _)| !owner(who)).filter_map(|(_, range)| range).collect()
}

/// Each line: to whom, and what, where that makes sense.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], Option<Lent>)> {
    bytes.split(|byte| *byte == b'\n').map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        (fields.next().unwrap_or_default(), lent_by(fields))
    })
}

fn lent_by<'a>(mut fields: impl Iterator<Item = &'a [u8]>) -> Option<Lent> {
    let (start, count) = (number(fields.next()?)?, number(fields.next()?)?);
    let whole = fields.next().is_none() && count > 0 && start.checked_add(count).is_some();
    whole.then_some(Lent { start, count })
}

fn number(field: &[u8]) -> Option<u32> {
    let plain = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    str::from_utf8(field).ok().filter(|_| plain)?.parse().ok()
}

/// The map that the caller's sub-ids make: container root is the caller, then come the lent ids.
///
/// # Errors
/// An [`IdsError`]: no sub-ids, or malformed ones.
pub fn of_caller() -> Result<IdMap, IdsError> {
    let uid = HostUid::new(getuid().as_raw());
    let etc = Etc::open()?;
    let passwd = etc.read("passwd", "/etc/passwd")?;
    let line = user::users(&passwd).filter_map(Result::ok).find(|line| line.uid == uid.number());
    let name = line.map(|line| line.name);
    let side = |kind: Kind, own: u32| {
        let lent = parse(&etc.lending(kind)?, kind, name, uid)?;
        if lent.is_empty() {
            return Err(IdsError::NoSubIds { who: who(name, uid), path: kind.path() });
        }
        Ok(ranges(own, &lent))
    };
    let map = IdMap {
        uids: side(Kind::Users, geteuid().as_raw())?,
        gids: side(Kind::Groups, getegid().as_raw())?,
    };
    map.check()?;
    Ok(map)
}

/// Container id 0 is `own`, and from 1 on come the lent ones, one range after the other, as many
/// as fit.
fn ranges(own: u32, lent: &[Lent]) -> Vec<Range> {
    let mut ranges = vec![Range { container: 0, host: own, size: 1 }];
    let mut next = 1_u32;
    for Lent { start, count } in lent.iter().take(IdMap::RANGES - 1) {
        let size = (*count).min(u32::MAX - next);
        if size > 0 {
            ranges.push(Range { container: next, host: *start, size });
            next += size;
        }
    }
    ranges
}

/// The host's `/etc`, where there is one.
#[derive(Debug)]
pub(super) struct Etc(Option<OwnedFd>);

impl Etc {
    pub(super) fn open() -> Result<Self, IdsError> {
        match dir::open(Path::new(ETC)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(None)),
            etc => etc.map(Some).map(Self).map_err(|source| IdsError::Read { path: ETC, source }),
        }
    }

    /// What lends ids of this kind.
    pub(super) fn lending(&self, kind: Kind) -> Result<Vec<u8>, IdsError> {
        self.read(kind.file(), kind.path())
    }

    /// A file in it; one that is not there is empty.
    fn read(&self, file: &str, path: &'static str) -> Result<Vec<u8>, IdsError> {
        let Some(etc) = &self.0 else { return Ok(Vec::new()) };
        let bytes = dir::read(etc.as_fd(), file, FILE_LIMIT);
        bytes.map(Option::unwrap_or_default).map_err(|source| IdsError::Read { path, source })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lent(file: &str) -> Result<Vec<(u32, u32)>, IdsError> {
        let lent = parse(file.as_bytes(), Kind::Users, Some("me"), HostUid::new(1000))?;
        Ok(lent.into_iter().map(|lent| (lent.start, lent.count)).collect())
    }

    #[test]
    fn lines_count_by_name_and_by_number() {
        let file = "you:1:2\nme:100000:65536\n\n1000:300000:10\nmeme:5:5\n";
        assert_eq!(lent(file).unwrap(), [(100_000, 65_536), (300_000, 10)]);
        assert!(lent("").unwrap().is_empty());
    }

    #[test]
    fn only_ones_own_malformed_line_is_an_error() {
        for bad in [
            "me",
            "me:",
            "me:1",
            "me:1:",
            "me:1:0",
            "me:-1:5",
            "me:1:5:",
            "me:4294967295:1",
            "me:0x10:5",
            "me: 1:5",
            "me:1:99999999999",
            "1000:x:y",
        ] {
            let file = format!("you:bad\n{bad}\n");
            assert!(matches!(lent(&file), Err(IdsError::BadSubIds { line: 2, .. })), "{bad:?}");
        }
    }

    #[test]
    fn the_caller_is_root_and_the_lent_follow() {
        let lent = [
            Lent { start: 100_000, count: 65_536 },
            Lent { start: 300_000, count: u32::MAX - 300_001 },
        ];
        let ranges = ranges(1000, &lent);
        assert_eq!(ranges[0], Range { container: 0, host: 1000, size: 1 });
        assert_eq!(ranges[1], Range { container: 1, host: 100_000, size: 65_536 });
        assert_eq!(ranges[2].container, 65_537);
        let map = IdMap { uids: ranges.clone(), gids: ranges };
        assert_eq!(map.check(), Ok(()));
    }

    proptest! {
        #[test]
        fn any_file_is_answered(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let answered = parse(&file, Kind::Groups, Some("me"), HostUid::new(1000));
            for lent in answered.unwrap_or_default() {
                prop_assert!(lent.start.checked_add(lent.count).is_some());
            }
        }

        #[test]
        fn ranges_of_any_lines_fit(lines in proptest::collection::vec((1000_u32.., 1_u32..), 0..400)) {
            let lent: Vec<Lent> = lines.into_iter()
                .filter(|(start, count)| start.checked_add(*count).is_some())
                .map(|(start, count)| Lent { start, count }).collect();
            let ranges = ranges(0, &lent);
            prop_assert!(ranges.len() <= IdMap::RANGES);
            prop_assert!(ranges.windows(2).all(|r| r[0].container + r[0].size == r[1].container));
        }
    }
}
