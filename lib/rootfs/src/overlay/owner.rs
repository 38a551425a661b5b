//! Acting on files as the container's root while overlay is set up.
//!
//! overlay keeps the credentials of whoever mounts it and makes its own files with them: the
//! working folder, whiteouts. Through an id-mapped upper, host root is nobody (`EOVERFLOW`), so the
//! mount is made with the user and group that the container's root is on the host, and with the
//! capabilities that the caller has.

use std::io;

use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySets, Gid, Uid, capabilities, set_capabilities, set_thread_res_gid,
    set_thread_res_uid,
};

/// The effective ids of this thread, changed until [`FsOwner::restore`].
#[must_use = "the ids stay changed until they are restored"]
pub(super) struct FsOwner(Option<Before>);

struct Before {
    uid: Uid,
    gid: Gid,
    capabilities: CapabilitySets,
    dumpable: DumpableBehavior,
}

impl FsOwner {
    /// Takes on `owner`, where there is one, and keeps all capabilities.
    ///
    /// Changing the effective user clears the effective capabilities; the permitted ones stay
    /// because the real user stays root (man 7 capabilities).
    pub(super) fn become_(owner: Option<(u32, u32)>) -> io::Result<Self> {
        let Some((uid, gid)) = owner else { return Ok(Self(None)) };
        let before = Before {
            uid: rustix::process::geteuid(),
            gid: rustix::process::getegid(),
            capabilities: capabilities(None)?,
            dumpable: dumpable_behavior()?,
        };
        set_thread_res_gid(None, Some(Gid::from_raw(gid)), None)?;
        set_thread_res_uid(None, Some(Uid::from_raw(uid)), None)?;
        set_capabilities(None, before.capabilities)?;
        Ok(Self(Some(before)))
    }

    /// Takes on what was before. That the ids changed has made the process undumpable
    /// (man 2 PR_SET_DUMPABLE), which would close `/proc/self` to a container's process.
    pub(super) fn restore(self) -> io::Result<()> {
        let Some(before) = self.0 else { return Ok(()) };
        set_thread_res_uid(None, Some(before.uid), None)?;
        set_thread_res_gid(None, Some(before.gid), None)?;
        set_capabilities(None, before.capabilities)?;
        Ok(set_dumpable_behavior(before.dumpable)?)
    }
}
