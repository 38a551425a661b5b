//! The whole fence of a container as one value.

mod bundle;
mod device;
mod error;
mod explain;
pub mod joined;
mod labels;
mod weaken;
mod wishes;

use coffer_oci::runtime::{Namespace, NamespaceKind, Seccomp};
use serde::{Deserialize, Serialize};

use crate::capability::{CapSet, CapWord, CapabilitySets};
use crate::ids::{ContainerUid, IdMap};
use crate::landlock::{Landlock, LandlockError};
use crate::rlimit::Limit;
use crate::seccomp::{self, Arch, Profile, ProfileError, Program};
use crate::sysctl::Sysctl;
use crate::user::Identity;

pub use bundle::{OfBundle, Unknown, Warning, id_map};
pub use device::{AccessError, DeviceAccess, DeviceKind, HostDevice};
pub use error::ConfinementError;
pub use explain::{Control, Explanation, Gap};
pub use labels::{Labels, Standing};
pub use wishes::{Filter, Host, SystemPaths, Wishes};

/// Who set a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetBy {
    /// Nobody: it is coffer's default.
    Default,
    /// The caller, with a flag.
    Caller,
}

/// What stands between a container's process and the host. Computed by [`Confinement::new`]
/// before any fork, checked, written into the container's record, and printed by `explain`.
///
/// A bundle's configuration makes one by [`Confinement::of_bundle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Namespaces of its own, or joined; what is not listed is the host's.
    pub namespaces: Vec<Namespace>,
    /// Its range of ids; `None` shares the host's.
    pub ids: Option<IdMap>,
    /// Whom it runs as.
    pub identity: Identity,
    /// What the container was granted; the sets of a process follow from it and its user.
    pub granted: CapSet,
    /// The five sets word for word, where a bundle names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sets: Option<CapabilitySets>,
    /// `--cap-add`.
    pub cap_add: Vec<CapWord>,
    /// `--cap-drop`.
    pub cap_drop: Vec<CapWord>,
    /// Whether executing a file may give its processes more rights.
    #[serde(default)]
    pub privileges: NewPrivileges,
    /// What security modules call it.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Its system call filter.
    pub seccomp: SystemCalls,
    /// Who is handed the calls that the filter does not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<Listener>,
    /// Paths that read as empty.
    pub masked_paths: Vec<String>,
    /// Paths that cannot be written.
    pub readonly_paths: Vec<String>,
    /// Files of the kernel's that are made up for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_up: Vec<String>,
    /// Limits of each of its processes.
    pub rlimits: Vec<Limit>,
    /// Kernel parameters of its namespaces.
    pub sysctls: Vec<Sysctl>,
    /// What Landlock holds of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landlock: Option<Landlock>,
    /// Devices of the host that it is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<HostDevice>,
    /// Whether every wall but the namespaces was taken down at once.
    #[serde(default, skip_serializing_if = "Privilege::is_fenced")]
    pub privilege: Privilege,
}

/// Whether the fence is there at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privilege {
    /// It is, as far as it was not opened by name.
    #[default]
    Fenced,
    /// `--privileged`: every capability, no filter, no masks, set-id programs.
    Privileged,
}

impl Privilege {
    fn is_fenced(&self) -> bool {
        *self == Self::Fenced
    }
}

/// Whether executing a file may give more rights: those of a set-user-id program or of file
/// capabilities. Source: linux/Documentation/userspace-api/no_new_privs.rst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewPrivileges {
    /// Never: no_new_privs is set.
    #[default]
    Never,
    /// As the file says.
    ByFile,
}

/// Who is handed calls by a filter. Source: runtime-spec config-linux.md, "Seccomp".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The unix socket on the host.
    pub path: String,
    /// What the listener is told beside the container's state.
    pub metadata: String,
}

impl Listener {
    /// The one that a filter names for what it hands over; its path may be empty.
    ///
    /// # Errors
    /// [`ProfileError::Notify`] where it could never be reached.
    fn of(asked: &Seccomp, profile: &Profile) -> Result<Option<Self>, ProfileError> {
        let (path, metadata) = (asked.listener_path.clone(), asked.listener_metadata.clone());
        Ok(profile.has_listener()?.then_some(Self { path, metadata }))
    }
}

/// The system call filter of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemCalls {
    /// [`seccomp::default`], with what the granted capabilities open.
    Default,
    /// The caller's profile.
    Profile(Box<Profile>),
    /// None.
    Unconfined,
}

impl Confinement {
    /// The five capability sets of its first process.
    pub fn capabilities(&self) -> CapabilitySets {
        self.capabilities_of(self.identity.uid)
    }

    /// The five capability sets of a process of `user` that joins it.
    pub fn capabilities_of(&self, user: ContainerUid) -> CapabilitySets {
        self.sets.unwrap_or_else(|| CapabilitySets::for_user(self.granted, user))
    }

    /// The system call filter as a profile, or `None` where there is none.
    pub fn profile(&self) -> Option<Profile> {
        match &self.seccomp {
            SystemCalls::Default => Some(seccomp::default::profile(self.granted)),
            SystemCalls::Profile(profile) => Some(Profile::clone(profile)),
            SystemCalls::Unconfined => None,
        }
    }

    /// The filter's program for this host, or `None` where there is none. To be made before the
    /// fork.
    ///
    /// # Errors
    /// [`ConfinementError::Program`].
    pub fn program(&self) -> Result<Option<Program>, ConfinementError> {
        let Some(profile) = self.profile() else { return Ok(None) };
        seccomp::compile(&profile, Arch::HOST).map(Some).map_err(ConfinementError::Program)
    }

    /// Whether the container has a namespace of this kind that the host does not share with it.
    pub fn has_own(&self, kind: NamespaceKind) -> bool {
        self.namespaces.iter().any(|namespace| namespace.kind == kind)
    }

    /// Checks that everything in it can be put in force on `host` and fits together. A value that
    /// came from [`Confinement::new`] passes; one that was read back or built from a bundle is
    /// checked here.
    ///
    /// # Errors
    /// A [`ConfinementError`] for the first thing that does not.
    pub fn check(&self, host: &Host) -> Result<(), ConfinementError> {
        self.check_ids()?;
        if self.sets_ids_of_the_host() {
            return Err(ConfinementError::SetIdOnHost);
        }
        if let Some(policy) = &self.landlock {
            if self.privileges == NewPrivileges::ByFile {
                return Err(LandlockError::SetId.into());
            }
            policy.check(coffer_sys::landlock::abi())?;
        }
        if !self.granted.is_subset(host.capabilities) {
            let missing = self.granted.minus(host.capabilities);
            return Err(ConfinementError::KernelLacks(missing));
        }
        // A bundle's maker may name sets that its runtime cuts down.
        let on_host = self.sets.is_none() && !self.has_own(NamespaceKind::User);
        if on_host && !self.granted.is_subset(host.held) {
            return Err(ConfinementError::CallerLacks(self.granted.minus(host.held)));
        }
        for limit in &self.rlimits {
            limit.check(&host.limits)?;
        }
        let own: Vec<NamespaceKind> = self.namespaces.iter().map(|n| n.kind).collect();
        for sysctl in &self.sysctls {
            crate::sysctl::check(&sysctl.name, &sysctl.value, &own)?;
        }
        Ok(())
    }

    /// Whether a set-id program of the image would take on a user of the host, unless all is
    /// open anyway or a bundle's maker answers for it.
    fn sets_ids_of_the_host(&self) -> bool {
        self.privileges == NewPrivileges::ByFile
            && self.privilege == Privilege::Fenced
            && (self.sets.is_none() && self.ids.is_none())
    }

    /// A user namespace and a map of ids go together, and the map has the container's users.
    fn check_ids(&self) -> Result<(), ConfinementError> {
        let own = self.namespaces.iter().find(|n| n.kind == NamespaceKind::User);
        let Some(ids) = &self.ids else {
            // One that is joined has its ids already.
            let made = own.is_some_and(|own| own.path.is_empty());
            return if made { Err(ConfinementError::NoIds) } else { Ok(()) };
        };
        if own.is_none() {
            return Err(ConfinementError::NoUserNamespace);
        }
        ids.check()?;
        if ids.host_uid(self.identity.uid).is_none() {
            return Err(ConfinementError::UnmappedUser(self.identity.uid));
        }
        let unmapped = |gid: &&crate::ids::ContainerGid| ids.host_gid(**gid).is_none();
        match self.identity.groups.iter().chain([&self.identity.gid]).find(unmapped) {
            Some(gid) => Err(ConfinementError::UnmappedGroup(*gid)),
            None => Ok(()),
        }
    }
}
