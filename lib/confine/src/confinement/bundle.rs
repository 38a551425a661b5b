//! From the `config.json` of a bundle to a fence. Source: runtime-spec config.md, config-linux.md.
//!
//! A bundle is taken at its word: nothing is added to what it asks for and nothing taken away,
//! except what has no meaning on this host, which is said in a [`Warning`]. That is what runc and
//! crun do, whose callers have made the fence themselves.

use std::fmt;

use coffer_oci::runtime::{IdMapping, Linux, NamespaceKind, Process, Spec};

use super::{
    Confinement, ConfinementError, Host, Labels, Listener, NewPrivileges, Privilege, SetBy,
    SystemCalls,
};
use crate::capability::{CapSet, Capability, CapabilitySets};
use crate::ids::{ContainerGid, ContainerUid, IdMap, Range};
use crate::rlimit::Limit;
use crate::seccomp::{Horizon, Profile};
use crate::sysctl::{self, Sysctl};
use crate::user::Identity;

/// A fence, and what of the configuration means nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfBundle {
    /// The fence.
    pub confinement: Confinement,
    /// What was passed over, to be said to the caller.
    pub warnings: Vec<Warning>,
}

/// Something in a configuration that means nothing on this host, and is harmless without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it stands: `process.capabilities.bounding`.
    pub path: String,
    /// What it is.
    pub what: Unknown,
}

/// What means nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// A name that is no capability, or one that this kernel does not know.
    Capability(String),
    /// A capability that the caller does not have and so cannot give.
    NotHeld(Capability),
    /// Ambient capabilities that are not inheritable, or not permitted.
    NotRaised(CapSet),
    /// A rule about something that is no system call of this machine.
    SystemCall(String),
    /// An architecture whose programs do not run here.
    Architecture(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.what {
            Unknown::Capability(name) => write!(f, "this kernel has no capability {name}"),
            Unknown::NotHeld(capability) => {
                write!(f, "the caller has no {capability}, and cannot give it")
            }
            Unknown::NotRaised(set) => {
                let names: Vec<String> = set.iter().map(|one| format!("CAP_{one}")).collect();
                let names = names.join(", ");
                write!(f, "can't raise ambient capability {names}: not inheritable and permitted")
            }
            Unknown::SystemCall(name) => write!(f, "{name} is no system call here"),
            Unknown::Architecture(name) => write!(f, "programs of {name} do not run here"),
        }
    }
}

impl Confinement {
    /// The fence that the bundle's configuration asks for.
    ///
    /// # Errors
    /// A [`ConfinementError::At`] with the place in the configuration, for the first thing that
    /// cannot be had.
    pub fn of_bundle(spec: &Spec, host: &Host) -> Result<OfBundle, ConfinementError> {
        let (none, nobody) = (Linux::default(), Process::default());
        let linux = spec.linux.as_ref().unwrap_or(&none);
        let process = spec.process.as_ref().unwrap_or(&nobody);
        let mut warnings = Vec::new();
        let own: Vec<NamespaceKind> = linux.namespaces.iter().map(|n| n.kind).collect();
        let mut confinement = Self {
            namespaces: linux.namespaces.clone(),
            ids: id_map(&linux.uid_mappings, &linux.gid_mappings),
            identity: identity(process),
            granted: CapSet::EMPTY,
            sets: None,
            cap_add: Vec::new(),
            cap_drop: Vec::new(),
            privileges: NewPrivileges::Never,
            labels: Labels::default(),
            seccomp: filter(linux, &mut warnings)?,
            listener: None,
            masked_paths: linux.masked_paths.clone(),
            readonly_paths: linux.readonly_paths.clone(),
            made_up: Vec::new(),
            rlimits: Vec::new(),
            sysctls: sysctls(linux, &own)?,
            landlock: None,
            devices: Vec::new(),
            privilege: Privilege::Fenced,
        };
        confinement.listener = listener(linux, &confinement.seccomp)?;
        confinement.labels.mounts.clone_from(&linux.mount_label);
        confinement.take_process(process, host, &mut warnings)?;
        let ids = match linux.uid_mappings.is_empty() {
            true => "linux.gidMappings",
            false => "linux.uidMappings",
        };
        confinement.check_ids().map_err(|error| error.at(ids))?;
        Ok(OfBundle { confinement, warnings })
    }

    /// The fence for another process of the same container, as the caller of `exec` asks for it.
    ///
    /// # Errors
    /// As [`Confinement::of_bundle`].
    pub fn of_process(self, process: &Process, host: &Host) -> Result<OfBundle, ConfinementError> {
        let (mut confinement, mut warnings) = (self, Vec::new());
        confinement.identity = identity(process);
        confinement.take_process(process, host, &mut warnings)?;
        confinement.check_ids().map_err(|error| error.at("process.user"))?;
        Ok(OfBundle { confinement, warnings })
    }

    /// What belongs to one process.
    fn take_process(
        &mut self,
        process: &Process,
        host: &Host,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), ConfinementError> {
        let may_give =
            if self.ids.is_some() { host.capabilities } else { host.capabilities.and(held()) };
        let sets = capabilities(process, host, may_give, warnings)?;
        (self.granted, self.sets) = (sets.bounding, Some(sets));
        self.privileges = match process.no_new_privileges {
            true => NewPrivileges::Never,
            false => NewPrivileges::ByFile,
        };
        self.labels.apparmor.clone_from(&process.apparmor_profile);
        self.labels.selinux.clone_from(&process.selinux_label);
        self.rlimits = limits(process)?;
        Ok(())
    }
}

/// What the calling thread can give on.
fn held() -> CapSet {
    let own = rustix::thread::capabilities(None);
    own.map_or(CapSet::EMPTY, |sets| CapSet::from_bits(sets.permitted.bits()))
}

fn identity(process: &Process) -> Identity {
    let user = &process.user;
    Identity {
        uid: ContainerUid::new(user.uid),
        gid: ContainerGid::new(user.gid),
        groups: user.additional_gids.iter().copied().map(ContainerGid::new).collect(),
        added: Vec::new(),
        home: "/".to_owned(),
    }
}

/// The map of a user namespace or a mount, where there is one.
pub fn id_map(uids: &[IdMapping], gids: &[IdMapping]) -> Option<IdMap> {
    let ranges = |mappings: &[IdMapping]| -> Vec<Range> {
        let range =
            |m: &IdMapping| Range { container: m.container_id, host: m.host_id, size: m.size };
        mappings.iter().map(range).collect()
    };
    let map = IdMap { uids: ranges(uids), gids: ranges(gids) };
    (!(map.uids.is_empty() && map.gids.is_empty())).then_some(map)
}

fn capabilities(
    process: &Process,
    host: &Host,
    may_give: CapSet,
    warnings: &mut Vec<Warning>,
) -> Result<CapabilitySets, ConfinementError> {
    let Some(asked) = &process.capabilities else { return Ok(CapabilitySets::default()) };
    let mut read = |set: &str, names: &[String]| {
        let path = format!("process.capabilities.{set}");
        let mut found = CapSet::EMPTY;
        for name in names {
            let what = match name.parse::<Capability>() {
                Ok(known) if may_give.has(known) => {
                    found = found.with(known);
                    continue;
                }
                Ok(known) if host.capabilities.has(known) => Unknown::NotHeld(known),
                Ok(_) | Err(_) => Unknown::Capability(name.clone()),
            };
            warnings.push(Warning { path: path.clone(), what });
        }
        found
    };
    let mut sets = CapabilitySets {
        bounding: read("bounding", &asked.bounding),
        effective: read("effective", &asked.effective),
        inheritable: read("inheritable", &asked.inheritable),
        permitted: read("permitted", &asked.permitted),
        ambient: read("ambient", &asked.ambient),
    };
    check_effective(&sets)?;
    drop_unraised(&mut sets, warnings);
    Ok(sets)
}

/// What the kernel refuses. Source: man 2 capset, man 7 capabilities, "Ambient".
fn check_effective(sets: &CapabilitySets) -> Result<(), ConfinementError> {
    let over = sets.effective.minus(sets.permitted);
    if over.is_empty() {
        return Ok(());
    }
    let error = ConfinementError::NotAmong { over, among: "permitted" };
    Err(error.at("process.capabilities.effective"))
}

/// The kernel raises nothing in the ambient set that is not inheritable and permitted. `runc spec`
/// and buildah ask for it all the same, and runc and crun go on without. It is said once: `podman
/// build` shows it to people at every `RUN`.
fn drop_unraised(sets: &mut CapabilitySets, warnings: &mut Vec<Warning>) {
    let raised = sets.ambient.and(sets.inheritable).and(sets.permitted);
    let dropped = sets.ambient.minus(raised);
    if !dropped.is_empty() {
        let path = "process.capabilities.ambient".to_owned();
        warnings.push(Warning { path, what: Unknown::NotRaised(dropped) });
    }
    sets.ambient = raised;
}

/// The filter, without the rules for what is no system call anywhere: they match nothing.
fn filter(linux: &Linux, warnings: &mut Vec<Warning>) -> Result<SystemCalls, ConfinementError> {
    let Some(asked) = &linux.seccomp else { return Ok(SystemCalls::Unconfined) };
    let at = |error: ConfinementError| error.at("linux.seccomp");
    let mut profile = Profile::from_oci(asked).map_err(|error| at(error.into()))?;
    for call in profile.drop_unknown() {
        let path = "linux.seccomp.syscalls".to_owned();
        warnings.push(Warning { path, what: Unknown::SystemCall(call) });
    }
    // As runc has it: whoever wrote the rules did not know calls newer than all of them, and C
    // libraries fall back to older ones where the kernel seems not to know them either.
    profile.horizon = Horizon::Rules;
    Ok(SystemCalls::Profile(Box::new(profile)))
}

/// Who is handed the calls that the filter does not decide.
fn listener(linux: &Linux, calls: &SystemCalls) -> Result<Option<Listener>, ConfinementError> {
    let (Some(asked), SystemCalls::Profile(profile)) = (&linux.seccomp, calls) else {
        return Ok(None);
    };
    let listener = Listener::of(asked, profile);
    let listener = listener.map_err(|error| ConfinementError::from(error).at("linux.seccomp"))?;
    if listener.as_ref().is_some_and(|listener| listener.path.is_empty()) {
        return Err(ConfinementError::NoListener.at("linux.seccomp.listenerPath"));
    }
    Ok(listener)
}

fn sysctls(linux: &Linux, own: &[NamespaceKind]) -> Result<Vec<Sysctl>, ConfinementError> {
    let sysctl = |(name, value): (&String, &String)| {
        sysctl::check(name, value, own)
            .map_err(|error| ConfinementError::from(error).at(&format!("linux.sysctl.{name}")))?;
        Ok(Sysctl { name: name.clone(), value: value.clone(), by: SetBy::Caller })
    };
    linux.sysctl.iter().map(sysctl).collect()
}

fn limits(process: &Process) -> Result<Vec<Limit>, ConfinementError> {
    let limit = |(place, limit)| {
        Limit::of_spec(limit)
            .map_err(|error| ConfinementError::from(error).at(&format!("process.rlimits[{place}]")))
    };
    process.rlimits.iter().enumerate().map(limit).collect()
}
