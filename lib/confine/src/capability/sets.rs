//! The five sets of a thread, and putting them into force.

use rustix::io::Errno;
use rustix::thread::{self as kernel, CapabilitySet};
use serde::{Deserialize, Serialize};

use super::{CapSet, Capability};
use crate::ids::ContainerUid;

/// The five sets. Source: man 7 capabilities, "Thread capability sets"; runtime-spec config.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CapabilitySets {
    /// The most that any program started inside can ever have.
    pub bounding: CapSet,
    /// What is in force.
    pub effective: CapSet,
    /// What is passed on to programs whose files ask for it.
    pub inheritable: CapSet,
    /// What may be put in force.
    pub permitted: CapSet,
    /// What is passed on to every program.
    pub ambient: CapSet,
}

/// Why a thread's capabilities could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// One could not leave the bounding set.
    #[error("cannot drop {0} from the bounding set")]
    Bounding(Capability, #[source] Errno),
    /// The effective, permitted and inheritable sets were refused.
    #[error("cannot set capabilities")]
    Set(#[source] Errno),
    /// The ambient set was refused.
    #[error("cannot set ambient capabilities")]
    Ambient(#[source] Errno),
}

impl CapabilitySets {
    /// The sets for a process of `user` in a container that was granted `granted`.
    ///
    /// As docker does: root has all of them in force; another user has none, and no_new_privs
    /// keeps it so. The inheritable set is always empty (CVE-2022-24769).
    pub fn for_user(granted: CapSet, user: ContainerUid) -> Self {
        let force = if user == ContainerUid::ROOT { granted } else { CapSet::EMPTY };
        Self { bounding: granted, effective: force, permitted: force, ..Self::default() }
    }

    /// Leaves in the bounding set only what is in `self.bounding`. `held` is what is in it now:
    /// in a new user namespace everything that the kernel knows. One system call for each drop.
    ///
    /// To be called while SETPCAP is still in force, so before the user changes.
    ///
    /// # Errors
    /// [`ApplyError::Bounding`], with the capability that would not go.
    pub fn drop_bounding(&self, held: CapSet) -> Result<(), ApplyError> {
        for capability in held.minus(self.bounding).iter() {
            kernel::remove_capability_from_bounding_set(kernel_set(CapSet::of(&[capability])))
                .map_err(|errno| ApplyError::Bounding(capability, errno))?;
        }
        Ok(())
    }

    /// Whether permitted capabilities have to survive a change to a user that is not root: call
    /// `set_keep_capabilities` before it.
    pub fn outlive_root(&self, user: ContainerUid) -> bool {
        user != ContainerUid::ROOT && !self.permitted.is_empty()
    }

    /// Puts the other four sets in force, with one `capset`. To be called after the change of
    /// user. The ambient set is cleared first unless it is `fresh`.
    ///
    /// # Errors
    /// [`ApplyError::Set`] or [`ApplyError::Ambient`].
    pub fn apply(&self, ambient: AmbientBefore) -> Result<(), ApplyError> {
        if ambient == AmbientBefore::Unknown {
            kernel::clear_ambient_capability_set().map_err(ApplyError::Ambient)?;
        }
        let sets = kernel::CapabilitySets {
            effective: kernel_set(self.effective),
            permitted: kernel_set(self.permitted),
            inheritable: kernel_set(self.inheritable),
        };
        kernel::set_capabilities(None, sets).map_err(ApplyError::Set)?;
        for capability in self.ambient.iter() {
            kernel::configure_capability_in_ambient_set(
                kernel_set(CapSet::of(&[capability])),
                true,
            )
            .map_err(ApplyError::Ambient)?;
        }
        Ok(())
    }
}

/// What the ambient set of the thread holds before [`CapabilitySets::apply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmbientBefore {
    /// Nothing: the thread is in a user namespace that it was cloned into (man 7
    /// user_namespaces, "Capabilities").
    Empty,
    /// Whatever the caller had.
    Unknown,
}

fn kernel_set(set: CapSet) -> CapabilitySet {
    CapabilitySet::from_bits_retain(set.bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_has_them_in_force() {
        let root = CapabilitySets::for_user(CapSet::DEFAULT, ContainerUid::ROOT);
        assert_eq!((root.effective, root.permitted), (CapSet::DEFAULT, CapSet::DEFAULT));
        let user = CapabilitySets::for_user(CapSet::DEFAULT, ContainerUid::new(1000));
        assert_eq!((user.effective, user.bounding), (CapSet::EMPTY, CapSet::DEFAULT));
        assert!(root.inheritable.is_empty() && root.ambient.is_empty());
    }

    /// Threads have capabilities of their own, so a thread of the test is a safe place to try.
    #[test]
    fn root_sets_come_into_force() {
        if !rustix::process::geteuid().is_root() {
            return println!("skipped: needs root");
        }
        std::thread::spawn(|| {
            let granted = CapSet::of(&[Capability::Chown, Capability::Kill]);
            let sets = CapabilitySets::for_user(granted, ContainerUid::ROOT);
            let held: CapSet = CapSet::ALL
                .iter()
                .filter(|c| {
                    kernel::capability_is_in_bounding_set(kernel_set(CapSet::of(&[*c])))
                        .unwrap_or(false)
                })
                .collect();
            sets.drop_bounding(held).unwrap();
            sets.apply(AmbientBefore::Unknown).unwrap();
            let now = kernel::capabilities(None).unwrap();
            assert_eq!(now.effective.bits(), granted.bits());
            assert_eq!(now.permitted.bits(), granted.bits());
            assert_eq!(now.inheritable.bits(), 0);
            let net_raw = kernel_set(CapSet::of(&[Capability::NetRaw]));
            assert_eq!(kernel::capability_is_in_bounding_set(net_raw), Ok(false));
        })
        .join()
        .unwrap();
    }
}
