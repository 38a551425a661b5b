//! Which ids root's containers may have: those that the host lends to the user `containers`, as
//! podman's `--userns=auto` has them, and otherwise a run that nobody else gives out.
//!
//! Nothing that is lent to somebody else is ever given: who has sub-ids is root among them, and
//! could kill the processes and read the files of a container that has the same. Source: man 5
//! subuid; containers-storage.conf(5), `auto-userns-user`.

use super::subid::{self, Etc, Kind, Lent};
use super::{HostUid, IdsError};

/// How many ids a range has.
pub const SIZE: u32 = 0x1_0000;

/// Where nothing is lent: above what systemd gives to its containers (to 0x6fff_ffff) and far above
/// people and sub-ids, and up to 2^31, beyond which programs read ids as negative.
const USUAL: Lent = Lent { start: 0x7000_0000, count: 0x1000_0000 };

/// Whom the host lends ids to for root's containers.
const OWNER: &str = "containers";

/// The ids that root's containers may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    own: Vec<Lent>,
    others: Vec<Lent>,
}

impl Default for Supply {
    /// That of a host that lends nothing to anybody.
    fn default() -> Self {
        Self { own: vec![USUAL], others: Vec::new() }
    }
}

impl Supply {
    /// Reads `/etc/subuid` and `/etc/subgid`.
    ///
    /// # Errors
    /// See [`Self::parse`]; a file that is there and cannot be read.
    pub fn of_host() -> Result<Self, IdsError> {
        let etc = Etc::open()?;
        Self::parse(&etc.lending(Kind::Users)?, &etc.lending(Kind::Groups)?)
    }

    /// The same from the contents of the two files. Users and groups of a container have the same
    /// numbers, so that what only one of them lends is not used.
    ///
    /// # Errors
    /// A line of `containers` is malformed or begins among the host's own users, one file lends
    /// and the other does not, or no range fits.
    pub fn parse(users: &[u8], groups: &[u8]) -> Result<Self, IdsError> {
        let owner = |name: &[u8]| name == OWNER.as_bytes();
        let (uids, gids) =
            (subid::of(users, Kind::Users, owner)?, subid::of(groups, Kind::Groups, owner)?);
        let others = [subid::of_others(users, owner), subid::of_others(groups, owner)].concat();
        let own = match (uids.is_empty(), gids.is_empty()) {
            (true, true) => vec![USUAL],
            (false, false) => common(&uids, &gids),
            (true, false) => return Err(IdsError::HalfLent(Kind::Users.path())),
            (false, true) => return Err(IdsError::HalfLent(Kind::Groups.path())),
        };
        if let Some(low) = own.iter().find(|lent| lent.start < SIZE) {
            return Err(IdsError::OfHost(HostUid::new(low.start)));
        }
        let supply = Self { own, others };
        let has_some = supply.starts().next().is_some();
        has_some.then_some(supply).ok_or(IdsError::TooFew)
    }

    /// The first ids of its ranges, in order.
    pub(super) fn starts(&self) -> impl Iterator<Item = u32> {
        let free = |start: &u32| !self.others.iter().any(|other| meets(*start, *other));
        self.own.iter().flat_map(|lent| ranges_of(*lent)).filter(free)
    }

    /// What a container gets of it, in words, and who says so.
    pub fn words(&self) -> (String, &'static str) {
        let count = self.starts().count();
        let first = self.starts().next().unwrap_or_default();
        let by = if self.own == [USUAL] { "default" } else { Kind::Users.path() };
        (format!("a range of {SIZE} of its own, of {count} from {first} on"), by)
    }
}

/// Whether a range that begins at `start` is coffer's own choice, and not the host's.
pub(crate) fn is_usual(start: u32) -> bool {
    start.checked_sub(USUAL.start).is_some_and(|offset| offset < USUAL.count)
}

/// The whole ranges in what is lent.
fn ranges_of(lent: Lent) -> impl Iterator<Item = u32> {
    (0..lent.count / SIZE).map(move |range| lent.start + range * SIZE)
}

/// Whether a range that begins at `start` has an id of `other`.
fn meets(start: u32, other: Lent) -> bool {
    let (end, others_end) =
        (u64::from(start) + u64::from(SIZE), u64::from(other.start) + u64::from(other.count));
    u64::from(other.start) < end && u64::from(start) < others_end
}

/// What both lists lend.
fn common(one: &[Lent], other: &[Lent]) -> Vec<Lent> {
    let both = |a: &Lent, b: &Lent| {
        let (start, end) = (a.start.max(b.start), (a.start + a.count).min(b.start + b.count));
        end.checked_sub(start).map(|count| Lent { start, count })
    };
    one.iter().flat_map(|a| other.iter().filter_map(move |b| both(a, b))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn starts(users: &str, groups: &str) -> Result<Vec<u32>, IdsError> {
        Supply::parse(users.as_bytes(), groups.as_bytes()).map(|supply| supply.starts().collect())
    }

    #[test]
    fn a_host_that_lends_nothing_has_the_usual_ranges() {
        let usual = starts("me:100000:65536\n", "me:100000:65536\n").unwrap();
        assert_eq!((usual[0], usual.len()), (0x7000_0000, 4096));
        let last = u64::from(*usual.last().unwrap()) + u64::from(SIZE);
        assert_eq!(last, 1 << 31, "ids stay positive in every program");
        assert_eq!(starts("", "").unwrap(), usual);
    }

    #[test]
    fn what_containers_are_lent_is_cut_into_ranges() {
        let file = "containers:200000:131072\nme:1000000:65536\ncontainers:500000:65535\n";
        assert_eq!(starts(file, file).unwrap(), [200_000, 265_536]);
        // What both files lend, and no more.
        let groups = "containers:265536:200000\n";
        assert_eq!(starts(file, groups).unwrap(), [265_536]);
    }

    #[test]
    fn nothing_that_is_lent_to_somebody_else_is_given() {
        let groups = "containers:200000:131072\n";
        let users = format!("{groups}me:265536:1\n");
        assert_eq!(starts(&users, groups).unwrap(), [200_000]);
        assert_eq!(starts(groups, &users).unwrap(), [200_000], "groups count too");
        let all = format!("{groups}me:100000:1000000\nyou:bad\n");
        assert!(matches!(starts(&all, groups), Err(IdsError::TooFew)));
        let usual = starts("me:1879048192:65537\n", "").unwrap();
        assert_eq!(usual[0], 0x7002_0000);
    }

    #[test]
    fn a_supply_that_makes_no_sense_is_an_error() {
        let good = "containers:200000:131072\n";
        assert!(matches!(starts(good, ""), Err(IdsError::HalfLent("/etc/subgid"))));
        assert!(matches!(starts("", good), Err(IdsError::HalfLent("/etc/subuid"))));
        assert!(
            matches!(starts("containers:5:999999\n", "containers:0:999999\n"), Err(IdsError::OfHost(id)) if id.number() == 5)
        );
        let few = "containers:200000:65535\n";
        assert!(matches!(starts(few, few), Err(IdsError::TooFew)));
        let malformed = starts(good, "me:1:1\ncontainers:x:5\n").unwrap_err();
        assert_eq!(malformed.to_string(), "line 2 of /etc/subgid is malformed");
    }

    proptest! {
        #[test]
        fn ranges_meet_nobody(lines in proptest::collection::vec((0_u32..9, 0_u32..2_000_000_000, 1_u32..2_000_000), 0..9)) {
            let line = |(owner, start, count): &(u32, u32, u32)| match owner {
                0..6 => format!("containers:{}:{count}\n", start + SIZE),
                _ => format!("u{owner}:{start}:{count}\n"),
            };
            let file: String = lines.iter().map(line).collect();
            for range in starts(&file, &file).unwrap_or_default() {
                for (owner, start, count) in &lines {
                    let other = Lent { start: *start, count: *count };
                    prop_assert!(*owner < 6 || !meets(range, other), "{range} in {file}");
                }
            }
        }
    }
}
