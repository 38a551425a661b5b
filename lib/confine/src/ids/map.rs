//! Ids of both sides, and the map between them. Source: man 7 user_namespaces, "User and group
//! ID mappings".

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u32);

        impl $name {
            /// Root, number 0.
            pub const ROOT: Self = Self(0);

            /// The id of this number.
            pub const fn new(number: u32) -> Self {
                Self(number)
            }

            /// Its number.
            pub const fn number(self) -> u32 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

id! {
    /// A user id as the container sees it.
    ContainerUid
    /// A group id as the container sees it.
    ContainerGid
    /// A user id as the host sees it.
    HostUid
    /// A group id as the host sees it.
    HostGid
}

/// One line of a map: `size` ids from `container` on are `size` ids from `host` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Range {
    /// The first id inside.
    pub container: u32,
    /// The first id on the host.
    pub host: u32,
    /// How many.
    pub size: u32,
}

impl Range {
    fn to_host(self, id: u32) -> Option<u32> {
        let offset = id.checked_sub(self.container).filter(|offset| *offset < self.size)?;
        self.host.checked_add(offset)
    }

    fn to_container(self, id: u32) -> Option<u32> {
        let offset = id.checked_sub(self.host).filter(|offset| *offset < self.size)?;
        self.container.checked_add(offset)
    }

    /// Whether it is not empty and neither side runs past 4294967294, the last id there is.
    fn fits(self) -> bool {
        let side = |first: u32| first.checked_add(self.size).is_some();
        self.size > 0 && side(self.container) && side(self.host)
    }
}

/// Which ids on the host stand behind those of the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IdMap {
    /// Ranges of user ids.
    pub uids: Vec<Range>,
    /// Ranges of group ids.
    pub gids: Vec<Range>,
}

/// Why a map would be refused by the kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdMapError {
    /// It has no range, or more than the kernel takes.
    #[error("an id map needs 1 to 340 ranges and has {0}")]
    Count(usize),
    /// A range is empty or runs past the last id.
    #[error("id range {}:{}:{} is empty or ends past 4294967294", .0.container, .0.host, .0.size)]
    Range(Range),
    /// Two ranges share an id.
    #[error("id ranges {}:{}:{} and {}:{}:{} overlap", .0.container, .0.host, .0.size, .1.container, .1.host, .1.size)]
    Overlap(Range, Range),
}

impl IdMap {
    /// The most ranges that the kernel takes in one map.
    pub const RANGES: usize = 340;

    /// The map with the same single range for users and groups.
    pub fn contiguous(host: u32, size: u32) -> Self {
        let range = vec![Range { container: 0, host, size }];
        Self { uids: range.clone(), gids: range }
    }

    /// The map in which root is this user and group of the host, and nobody else exists.
    pub fn single(uid: HostUid, gid: HostGid) -> Self {
        let range = |host| vec![Range { container: 0, host, size: 1 }];
        Self { uids: range(uid.number()), gids: range(gid.number()) }
    }

    /// The user on the host, if the container can have it.
    pub fn host_uid(&self, id: ContainerUid) -> Option<HostUid> {
        self.uids.iter().find_map(|range| range.to_host(id.number())).map(HostUid)
    }

    /// The group on the host, if the container can have it.
    pub fn host_gid(&self, id: ContainerGid) -> Option<HostGid> {
        self.gids.iter().find_map(|range| range.to_host(id.number())).map(HostGid)
    }

    /// The user inside, if the host's user appears there.
    pub fn container_uid(&self, id: HostUid) -> Option<ContainerUid> {
        self.uids.iter().find_map(|range| range.to_container(id.number())).map(ContainerUid)
    }

    /// The group inside, if the host's group appears there.
    pub fn container_gid(&self, id: HostGid) -> Option<ContainerGid> {
        self.gids.iter().find_map(|range| range.to_container(id.number())).map(ContainerGid)
    }

    /// Checks what the kernel would check, where a message can still name the range.
    ///
    /// # Errors
    /// An [`IdMapError`] for the first thing that is wrong.
    pub fn check(&self) -> Result<(), IdMapError> {
        check_ranges(&self.uids)?;
        check_ranges(&self.gids)
    }

    /// What to write into `/proc/<pid>/uid_map`.
    pub fn uid_lines(&self) -> String {
        lines(&self.uids)
    }

    /// What to write into `/proc/<pid>/gid_map`.
    pub fn gid_lines(&self) -> String {
        lines(&self.gids)
    }
}

fn lines(ranges: &[Range]) -> String {
    ranges.iter().map(|r| format!("{} {} {}\n", r.container, r.host, r.size)).collect()
}

fn check_ranges(ranges: &[Range]) -> Result<(), IdMapError> {
    if ranges.is_empty() || ranges.len() > IdMap::RANGES {
        return Err(IdMapError::Count(ranges.len()));
    }
    if let Some(range) = ranges.iter().find(|range| !range.fits()) {
        return Err(IdMapError::Range(*range));
    }
    for side in [|r: &Range| r.container, |r: &Range| r.host] {
        let mut sorted = ranges.to_vec();
        sorted.sort_unstable_by_key(side);
        for pair in sorted.windows(2) {
            if side(&pair[1]) - side(&pair[0]) < pair[0].size {
                return Err(IdMapError::Overlap(pair[0], pair[1]));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(container: u32, host: u32, size: u32) -> Range {
        Range { container, host, size }
    }

    #[test]
    fn a_rootless_map_leads_both_ways() {
        let ranges = vec![range(0, 1000, 1), range(1, 100_000, 65_536)];
        let map = IdMap { uids: ranges.clone(), gids: ranges };
        map.check().unwrap();
        assert_eq!(map.host_uid(ContainerUid::ROOT), Some(HostUid::new(1000)));
        assert_eq!(map.host_gid(ContainerGid::new(33)), Some(HostGid::new(100_032)));
        assert_eq!(map.host_uid(ContainerUid::new(65_537)), None);
        assert_eq!(map.container_uid(HostUid::new(100_000)), Some(ContainerUid::new(1)));
        assert_eq!(map.container_uid(HostUid::ROOT), None);
        assert_eq!(map.uid_lines(), "0 1000 1\n1 100000 65536\n");
    }

    #[test]
    fn maps_that_the_kernel_refuses_are_refused() {
        let check = |ranges: &[Range]| check_ranges(ranges);
        assert_eq!(check(&[]), Err(IdMapError::Count(0)));
        assert!(matches!(check(&[range(0, 0, 0)]), Err(IdMapError::Range(_))));
        assert!(matches!(check(&[range(0, u32::MAX, 1)]), Err(IdMapError::Range(_))));
        assert!(matches!(check(&[range(5, 9, 9), range(0, 99, 6)]), Err(IdMapError::Overlap(..))));
        assert!(matches!(check(&[range(0, 9, 2), range(4, 10, 6)]), Err(IdMapError::Overlap(..))));
        assert_eq!(check(&[range(0, u32::MAX - 1, 1)]), Ok(()));
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same(container in any::<u32>(), host in any::<u32>(), size in any::<u32>(), id in any::<u32>()) {
            let ranges = vec![range(container, host, size)];
            let map = IdMap { uids: ranges.clone(), gids: ranges };
            if map.check().is_ok() && let Some(there) = map.host_uid(ContainerUid::new(id)) {
                prop_assert_eq!(map.container_uid(there), Some(ContainerUid::new(id)));
            }
        }
    }
}
