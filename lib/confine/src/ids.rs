//! User and group ids: who a container's users are on the host.
//!
//! An id inside a container and an id on the host are different types. An [`IdMap`] leads from
//! one to the other. Root's containers get ranges out of a [`pool`]; an ordinary user's get the
//! caller's own id and the sub-ids that `/etc/subuid` and `/etc/subgid` lend ([`subid`]).

mod error;
mod inside;
mod map;
pub mod pool;
pub mod refused;
pub mod subid;
mod supply;
mod write;

use std::os::fd::BorrowedFd;

use rustix::process::{getegid, geteuid};

pub use error::IdsError;
pub use inside::{Beside, InsideError, beside, in_user_namespace};
pub use map::{ContainerGid, ContainerUid, HostGid, HostUid, IdMap, IdMapError, Range};
pub(crate) use supply::is_usual;
pub use supply::{SIZE, Supply};
pub use write::write;

/// The ids of a container: for root a range of its own out of the pool in the data root `root`,
/// for anybody else the caller's id as container root and its sub-ids as everybody else.
///
/// The container's folder `containers/<container>` must exist: the pool takes ranges back from
/// containers that have none. A container that has a range already gets the same again.
///
/// # Errors
/// An [`IdsError`], which says what to do about it.
pub fn allocate(root: BorrowedFd<'_>, container: &str) -> Result<IdMap, IdsError> {
    if geteuid().is_root() {
        let start = pool::claim(root, container)?;
        return Ok(IdMap::contiguous(start.number(), SIZE));
    }
    of_caller()
}

/// The ids of an ordinary user's containers: the caller's and its sub-ids, or the caller's alone
/// where the host lends none or nothing can map them. Then an image whose files all belong to
/// root still runs, and every other is refused by the owner that there is not.
///
/// # Errors
/// An [`IdsError`]: malformed sub-ids, or files that cannot be read.
pub fn of_caller() -> Result<IdMap, IdsError> {
    match lent() {
        Err(IdsError::NoSubIds { .. } | IdsError::NoHelper(_)) => Ok(caller_alone()),
        other => other,
    }
}

/// What keeps an ordinary user from having more ids than its own.
pub fn lacking() -> Option<IdsError> {
    lent().err()
}

/// The caller's sub-ids, with what maps them at hand.
fn lent() -> Result<IdMap, IdsError> {
    write::has_helpers().and_then(|()| subid::of_caller())
}

/// The ids of a container that joins the user namespace of another, `with`.
///
/// # Errors
/// As [`pool::share`].
pub fn share(
    root: BorrowedFd<'_>,
    container: &str,
    with: &str,
    ids: &IdMap,
) -> Result<(), IdsError> {
    match geteuid().is_root() {
        true if ids.uids.is_empty() => Ok(()),
        true => pool::share(root, container, with).map(drop),
        // They are the caller's own.
        false => Ok(()),
    }
}

/// Makes sure that a container which is about to start again still has `ids` for itself, or with
/// the one whose user namespace it joins.
///
/// # Errors
/// [`IdsError::TakenBy`] where they went to another, [`IdsError::Changed`] where the host lends
/// the caller others now, or where the pool cannot be read or written.
pub fn keep(
    root: BorrowedFd<'_>,
    container: &str,
    ids: &IdMap,
    with: Option<&str>,
) -> Result<(), IdsError> {
    match (ids.uids.first(), geteuid().is_root()) {
        (Some(range), true) => pool::keep(root, container, HostUid::new(range.host), with),
        (None, true) => Ok(()),
        (_, false) if of_caller()? == *ids => Ok(()),
        (_, false) => Err(IdsError::Changed),
    }
}

/// Gives a container's ids back. One that has none is no error.
///
/// # Errors
/// An [`IdsError`] where the pool cannot be read or written.
pub fn release(root: BorrowedFd<'_>, container: &str) -> Result<(), IdsError> {
    if geteuid().is_root() { pool::release(root, container) } else { Ok(()) }
}

/// The map in which container root is the caller and nobody else exists: needs no sub-ids and no
/// helper, and runs only images whose files all belong to root.
pub fn caller_alone() -> IdMap {
    IdMap::single(HostUid::new(geteuid().as_raw()), HostGid::new(getegid().as_raw()))
}
