//! User and group ids: who a container's users are on the host.
//!
//! An id inside a container and an id on the host are different types. An [`IdMap`] leads from
//! one to the other. Root's containers get ranges out of a pool; an ordinary user's get the
//! caller's own id and the sub-ids that `/etc/subuid` and `/etc/subgid` lend.

mod map;

pub use map::{ContainerGid, ContainerUid, HostGid, HostUid, IdMap, IdMapError, Range};
