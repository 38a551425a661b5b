//! From what was asked for, and what the host is, to a fence.

use std::collections::BTreeMap;

use coffer_oci::runtime::{Namespace, NamespaceKind, Rlimit, Seccomp};
use rustix::thread::{CapabilitySet, capability_is_in_bounding_set};

use super::{
    Confinement, ConfinementError, HostDevice, Labels, Listener, NewPrivileges, Privilege,
    SystemCalls, joined,
};
use crate::capability::{CapSet, CapWord, Capability, tweak, words};
use crate::ids::IdMap;
use crate::landlock::Landlock;
use crate::paths::{self, MASKED, MadeUp, READ_ONLY};
use crate::rlimit::{self, HostLimits};
use crate::seccomp::{Action, Profile, ProfileError};
use crate::sysctl;
use crate::user::Identity;

/// What the flags and the image ask for.
#[derive(Clone, Debug)]
pub struct Wishes<'a> {
    /// Whom to run as.
    pub identity: Identity,
    /// The container's ids; `None` shares the host's (`--userns host`).
    pub ids: Option<IdMap>,
    /// Namespaces of its own, or to be joined.
    pub namespaces: Vec<Namespace>,
    /// `--cap-add`.
    pub cap_add: &'a [String],
    /// `--cap-drop`.
    pub cap_drop: &'a [String],
    /// `--security-opt seccomp=`.
    pub filter: Filter<'a>,
    /// `--security-opt landlock=`.
    pub landlock: Option<Landlock>,
    /// `--security-opt systempaths=`.
    pub system_paths: SystemPaths,
    /// `--ulimit`.
    pub rlimits: &'a [Rlimit],
    /// `--sysctl`.
    pub sysctls: &'a BTreeMap<String, String>,
    /// `--device`, each looked at on the host.
    pub devices: Vec<HostDevice>,
    /// What security modules are to call it, held against the host.
    pub labels: Labels,
    /// `--allow-setuid`.
    pub privileges: NewPrivileges,
    /// `--privileged`.
    pub privilege: Privilege,
}

/// Which system call filter is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    /// Coffer's own.
    Default,
    /// None.
    Unconfined,
    /// This one.
    Profile(&'a Seccomp),
}

/// Whether `/proc` and `/sys` have their masked and read-only paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemPaths {
    /// They have, and files for these are made up.
    Confined(Vec<MadeUp>),
    /// They have not.
    Unconfined,
}

/// What of the host the fence depends on. Read once, cheaply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The capabilities that the kernel knows; all of them are there in a new user namespace.
    pub capabilities: CapSet,
    /// The capabilities of the calling process: nobody has more without ids of its own.
    pub held: CapSet,
    /// The hard limits of the calling process.
    pub limits: HostLimits,
}

impl Host {
    /// Reads what there is: a system call or two, no file.
    pub fn read() -> Self {
        // The kernel answers for every capability that it knows, held or not.
        let known = |capability: &Capability| {
            let set = CapabilitySet::from_bits_retain(CapSet::of(&[*capability]).bits());
            capability_is_in_bounding_set(set).is_ok()
        };
        let newest = Capability::ALL.iter().rev().find(|capability| known(capability));
        let capabilities = newest.map_or(CapSet::EMPTY, |newest| CapSet::up_to(*newest));
        let held = rustix::thread::capabilities(None).map(|sets| sets.permitted.bits());
        let held = CapSet::from_bits(held.unwrap_or_default());
        Self { capabilities, held, limits: HostLimits::Own }
    }

    /// What `ALL` stands for where a container shares the host's ids.
    fn all_on_host(&self) -> CapSet {
        self.capabilities.minus(self.capabilities.minus(self.held))
    }
}

impl Confinement {
    /// Computes and checks the fence.
    ///
    /// # Errors
    /// A [`ConfinementError`] for the first wish that cannot be had.
    pub fn new(wishes: Wishes<'_>, host: &Host) -> Result<Self, ConfinementError> {
        let cap_add = words(wishes.cap_add)?;
        let cap_drop = words(wishes.cap_drop)?;
        check_words(&cap_add, &cap_drop)?;
        let all = wishes.ids.as_ref().map_or(host.all_on_host(), |_| host.capabilities);
        let granted = match wishes.privilege {
            Privilege::Privileged => all,
            Privilege::Fenced => tweak(CapSet::DEFAULT, all, &cap_add, &cap_drop),
        };
        // Another container's are not this one's to change.
        let own = wishes.namespaces.iter().filter(|namespace| joined::holder(namespace).is_none());
        let own: Vec<NamespaceKind> = own.map(|namespace| namespace.kind).collect();
        let (masked_paths, readonly_paths, made_up) = match &wishes.system_paths {
            SystemPaths::Confined(made_up) => {
                let files = made_up.iter().flat_map(|made_up| made_up.paths());
                let files = files.map(|path| (*path).to_owned()).collect();
                (paths::list(MASKED), paths::list(READ_ONLY), files)
            }
            SystemPaths::Unconfined => (Vec::new(), Vec::new(), Vec::new()),
        };
        let (seccomp, listener) = wishes.filter.read()?;
        let confinement = Self {
            ids: wishes.ids,
            identity: wishes.identity,
            granted,
            sets: None,
            privileges: wishes.privileges,
            landlock: wishes.landlock,
            devices: wishes.devices,
            privilege: wishes.privilege,
            labels: wishes.labels,
            cap_add,
            cap_drop,
            seccomp,
            listener,
            masked_paths,
            readonly_paths,
            made_up,
            rlimits: rlimit::choose(wishes.rlimits, &host.limits)?,
            sysctls: sysctl::choose(wishes.sysctls, &own)?,
            namespaces: wishes.namespaces,
        };
        confinement.check(host)?;
        Ok(confinement)
    }
}

/// What is both given and taken is a slip of the pen: docker gives it.
fn check_words(add: &[CapWord], drop: &[CapWord]) -> Result<(), ConfinementError> {
    match add.iter().find(|word| drop.contains(word)) {
        Some(word) => Err(ConfinementError::BothWays(*word)),
        None => Ok(()),
    }
}

impl Filter<'_> {
    fn read(self) -> Result<(SystemCalls, Option<Listener>), ConfinementError> {
        let calls = match self {
            Self::Default => SystemCalls::Default,
            Self::Unconfined => SystemCalls::Unconfined,
            Self::Profile(filter) => {
                let mut profile = Profile::from_oci(filter)?;
                if let Some(call) = profile.drop_unknown().into_iter().next() {
                    return Err(ConfinementError::UnknownCall { call });
                }
                let listener = Listener::of(filter, &profile)?;
                if let Some(Listener { path, .. }) = &listener
                    && !path.starts_with('/')
                {
                    let handed = profile.rules.iter().find(|rule| rule.action == Action::Notify);
                    let what = handed.map_or_else(String::new, |rule| rule.call.clone());
                    return Err(ProfileError::NoListener(what).into());
                }
                return Ok((SystemCalls::Profile(Box::new(profile)), listener));
            }
        };
        Ok((calls, None))
    }
}
