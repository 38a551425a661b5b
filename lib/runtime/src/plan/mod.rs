//! What will be done to start a container, to the last argument, before anything is done.
//!
//! [`Plan::new`] reads a `Spec`, checks it, and lays out [`Step`]s for the child and mounts for
//! the parent. What coffer cannot do is refused here by name, never left out silently (law 4).

mod bare;
mod bundle;
mod device;
mod error;
mod hooks;
mod join;
mod landlock;
mod listener;
mod made_up;
mod mounts;
mod namespaces;
mod network;
mod options;
mod outlook;
mod process;
mod step;
mod target;
mod tuning;

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use coffer_confine::capability::CapabilitySets;
use coffer_confine::confinement::{Confinement, Host};
use coffer_confine::ids::IdMap;
use coffer_confine::seccomp::Program;
use coffer_confine::user::Identity;
use coffer_oci::runtime::{NamespaceKind, Spec};
use coffer_sys::mount::{Reach, Travel};
use rustix::mount::MountAttrFlags;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{Gid, Uid, UnshareFlags};

use crate::cgroup::{Kind, Place, Version};
use crate::launch::BornIn;

pub use bundle::{Bundle, Keyring, Lines, RootChange};
pub use error::PlanError;
pub(crate) use hooks::HookProgram;
pub use join::{JoinInputs, Joined};
pub(crate) use landlock::Landlocked;
pub use listener::Named;
pub(crate) use listener::Notify;
use listener::at_listener;
pub use made_up::Given;
pub(crate) use made_up::MadeUp;
pub(crate) use namespaces::{Entered, Mapping};
pub(crate) use network::{Interface, Interfaces};
pub(crate) use options::{Contents, ModeOf};
pub use options::{OptionError, knows_option};
pub(crate) use process::DEFAULT_PATH;
pub use step::MountRoot;
pub(crate) use step::{
    Bind, BindSource, Device, Execute, Filesystem, Keep, Node, Origin, RootSource, Step, Terminal,
};
pub use target::TargetError;
pub(crate) use target::{Level, Target, TargetKind};
pub use tuning::{memory_mode_flags, memory_modes};

/// What a plan is made from.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// What was asked for: process, mounts, names. Its fence is not looked at.
    pub spec: &'a Spec,
    /// The fence, which was checked against the host.
    pub confinement: &'a Confinement,
    /// The host that it was checked against.
    pub host: &'a Host,
    /// The root file system; the path in `spec` is not looked at.
    pub root: RootFs,
    /// Whose rights coffer has.
    pub authority: Authority,
    /// Which control groups the container sees.
    pub cgroups: CgroupView,
    /// Who is process 1.
    pub init: crate::spec::Init,
    /// What it is given beside `spec`.
    pub given: Given<'a>,
    /// The bundle that `spec` came from, where it is not one that coffer has made itself.
    pub bundle: Option<Bundle<'a>>,
}

/// A root file system.
#[derive(Debug)]
pub enum RootFs {
    /// An overlay over an image's layers.
    Overlay(Box<dyn MountRoot>),
    /// A folder. Its owners are as they are where it is a [`Bundle`]'s, and else mapped like those
    /// of a volume where coffer is root.
    Folder(PathBuf),
}

/// Whose rights coffer has on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Root's: mounts are made by the parent and mapped.
    Root,
    /// An ordinary user's: all mounts are made by the child, in its user namespace.
    User,
}

/// Which control groups a container sees at `/sys/fs/cgroup`, read-only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CgroupView {
    /// None.
    #[default]
    None,
    /// The one hierarchy of v2.
    Unified,
    /// These hierarchies of v1.
    Legacy(Vec<Hierarchy>),
}

/// A hierarchy of v1 that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// The name of its mount (`cpu,cpuacct`).
    pub name: String,
    /// The container's group in it, as the host sees it.
    pub group: PathBuf,
}

impl CgroupView {
    /// The control groups that the container sees are those that it has.
    pub(crate) fn of(place: &Place) -> Self {
        let mut hierarchies = Vec::with_capacity(place.groups.len());
        for group in &place.groups {
            match group.version {
                Version::V2 => return Self::Unified,
                Version::V1 => {
                    let name = group.mount.file_name().and_then(|name| name.to_str());
                    let path = || group.mount.join(&group.parent).join(&group.name);
                    hierarchies.extend(
                        name.map(|name| Hierarchy { name: name.to_owned(), group: path() }),
                    );
                }
            }
        }
        if hierarchies.is_empty() { Self::None } else { Self::Legacy(hierarchies) }
    }

    /// The same for a bundle, whose caller may want no groups of its own and still see the one
    /// hierarchy of a host with v2 alone.
    pub(crate) fn of_bundle(place: &Place, host: Kind) -> Self {
        match host {
            Kind::V2 if place.groups.is_empty() => Self::Unified,
            _ => Self::of(place),
        }
    }
}

/// All that is done to start one process.
#[derive(Debug)]
pub struct Plan {
    /// What the child does.
    pub(crate) steps: Vec<Step>,
    /// What the parent mounts and hands over, in the order of their numbers.
    pub(crate) handed: Vec<Handed>,
    /// The child's new namespaces.
    pub(crate) namespaces: UnshareFlags,
    /// Namespaces that are made for it, by whichever step.
    fresh: UnshareFlags,
    /// Those that it does not share with the host.
    own: UnshareFlags,
    /// The map of its user namespace.
    pub(crate) ids: Option<IdMap>,
    /// Who writes that map.
    pub(crate) mapping: Mapping,
    /// Whether the container's process is a second one, made by the first when that has entered
    /// the namespaces to be joined.
    pub(crate) split: bool,
    /// In which pid namespace it is born, where it joins a container and coffer may say so.
    pub(crate) born_in: Option<BornIn>,
    /// Whose rights coffer has.
    pub(crate) authority: Authority,
    /// Its capabilities.
    pub(crate) capabilities: CapabilitySets,
    /// Who is handed the calls that the filter does not decide.
    notify: Option<Box<Notify>>,
    /// The SELinux context that file systems are mounted with.
    mount_label: Option<CString>,
    /// What its tiny init says to be in its AppArmor profile.
    init_label: Option<CString>,
    /// Whether its capabilities are set last, after the filter that is loaded by their right.
    late: bool,
    /// A limit of open files that is set after all steps that open some.
    few_files: Option<Rlimit>,
    /// Its system call filter.
    pub(crate) seccomp: Option<Program>,
    /// Who gets its pipes, on the host, where the parent has the right to give them.
    pub(crate) pipe_owner: Option<(Uid, Gid)>,
    /// What its caller asked to be limited to: hard limits that are above those of the process that
    /// makes it are raised by that one, who has the right.
    pub(crate) limits: Vec<(Resource, Rlimit)>,
    /// Its badness when memory runs out.
    pub(crate) oom_score_adj: Option<i32>,
    /// Interfaces of the host that become its own.
    pub(crate) interfaces: Interfaces,
}

/// A mount that the parent makes.
#[derive(Debug)]
pub(crate) enum Handed {
    /// The root file system.
    Root(Box<dyn MountRoot>),
    /// A mount that is there already.
    Made(OwnedFd),
    /// A device of the host that every container has, by its path.
    Device(&'static CStr),
    /// A file or folder of the host.
    Bind {
        /// The place, opened.
        source: OwnedFd,
        /// How it differs from what is there.
        look: Look,
        /// The user namespace that maps its owners, where it is not the container's.
        mapped_by: Option<OwnedFd>,
        /// What it is called in messages.
        subject: PathBuf,
    },
}

/// How a bind mount differs from what it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Whether mounts below the source come along.
    pub(crate) reach: Reach,
    /// Attributes that the mount itself gets.
    pub(crate) alone: MountAttrFlags,
    /// Attributes that the mount itself loses: those that an option takes away by its name.
    pub(crate) alone_clear: MountAttrFlags,
    /// Attributes that it gets with all mounts below it.
    pub(crate) tree_set: MountAttrFlags,
    /// Attributes that it loses with all mounts below it.
    pub(crate) tree_clear: MountAttrFlags,
    /// How it travels, and whether those below it do too.
    pub(crate) travel: (Travel, Reach),
    /// Whose owners are mapped by the container's user namespace.
    pub(crate) idmap: Option<Reach>,
}

impl Look {
    /// A mount of coffer's own: with these attributes on all of it.
    fn of_ours(attributes: MountAttrFlags, reach: Reach) -> Self {
        let none = MountAttrFlags::empty();
        Self {
            reach,
            alone: none,
            alone_clear: none,
            tree_set: attributes,
            tree_clear: none,
            travel: (Travel::Private, Reach::Tree),
            idmap: Some(reach),
        }
    }
}

/// The devices of every container. Source: runtime-spec config-linux.md, "Default Devices"; the
/// numbers from linux/Documentation/admin-guide/devices.txt.
const DEVICES: [Device; 6] = [
    host_device(c"/dev/null", c"null", (1, 3)),
    host_device(c"/dev/zero", c"zero", (1, 5)),
    host_device(c"/dev/full", c"full", (1, 7)),
    host_device(c"/dev/random", c"random", (1, 8)),
    host_device(c"/dev/urandom", c"urandom", (1, 9)),
    host_device(c"/dev/tty", c"tty", (5, 0)),
];

const fn host_device(path: &'static CStr, name: &'static CStr, number: (u32, u32)) -> Device {
    Device { path, name, number, origin: Origin::Host }
}

impl Plan {
    /// Lays out how the container of `inputs` is started.
    ///
    /// # Errors
    /// A [`PlanError`] for the first thing that coffer cannot or must not do.
    pub fn new(inputs: Inputs<'_>) -> Result<Self, PlanError> {
        let Inputs { spec, confinement, host, root, authority, cgroups, init, given, bundle } =
            inputs;
        process::check_supported(spec, bundle.as_ref())?;
        let process = spec.process.as_ref().ok_or(PlanError::Missing("process"))?;
        let mut plan = Self::empty(confinement, authority)?;
        plan.take_namespaces(confinement)?;
        plan.pipe_owner = plan.host_owner(&confinement.identity)?;
        plan.oom_score_adj = process.oom_score_adj;
        plan.open_steps(spec, confinement, bundle.as_ref())?;
        plan.root_steps(root, spec, bundle.as_ref())?;
        plan.mount_steps(spec, &cgroups, given, bundle.as_ref())?;
        plan.given_steps(&confinement.devices)?;
        if let Some(bundle) = &bundle {
            plan.find_interfaces(spec, confinement)?;
            plan.created_steps(spec, bundle)?;
            plan.tuning_steps(process, bundle)?;
            let linux = spec.linux.as_ref();
            plan.domain_steps(
                linux.and_then(|linux| linux.personality.as_ref()),
                linux.and_then(|linux| linux.memory_policy.as_ref()),
            )?;
        } else {
            plan.steps.push(Step::SessionKeyring(None));
        }
        let named = bundle.as_ref().map(|bundle| Named::of(bundle, None)).or(given.named);
        plan.find_listener(confinement, &spec.annotations, named)
            .map_err(|error| at_listener(error, bundle.is_some()))?;
        plan.stdio_step(process, &confinement.identity, bundle.as_ref())?;
        plan.seal_steps(spec, bundle.as_ref())?;
        plan.made_up_steps(confinement, given)?;
        plan.inner_steps(spec, confinement, process, bundle.as_ref())?;
        let preserved = bundle.as_ref().map(|bundle| bundle.preserved);
        let own = Own { init, preserved, waits: Waits::AtGate };
        plan.fence_steps(confinement, host, process, own)?;
        plan.execute_steps(spec, bundle.as_ref(), process, init)?;
        Ok(plan)
    }

    /// The same up to where all mounts are made and the host's are left behind: the process waits
    /// there for ever, and executes nothing.
    pub(crate) fn up_to_its_root(mut self) -> Self {
        let is_it = |step: &Step| matches!(step, Step::Pivot | Step::MoveRoot(_));
        if let Some(at) = self.steps.iter().position(is_it) {
            self.steps.truncate(at + 1);
            self.steps.push(Step::Gate);
        }
        self
    }

    /// The number of the step that makes the process that goes on, where the first one does not.
    pub(crate) fn split_step(&self) -> Option<usize> {
        self.steps.iter().position(|step| matches!(step, Step::Split | Step::SplitInto(_)))
    }

    /// Whether coffer's own binary is to be kept out of reach.
    pub(crate) fn hides_binary(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::ExecuteInside))
    }

    /// A plan with namespaces and ids, and no step.
    fn empty(confinement: &Confinement, authority: Authority) -> Result<Self, PlanError> {
        let ids = confinement.ids.clone();
        if authority == Authority::User && ids.is_none() {
            return Err(PlanError::NotRoot);
        }
        Ok(Self {
            steps: Vec::with_capacity(96),
            handed: Vec::new(),
            namespaces: UnshareFlags::empty(),
            fresh: UnshareFlags::empty(),
            own: UnshareFlags::empty(),
            ids,
            mapping: Mapping::ByParent,
            split: false,
            born_in: None,
            authority,
            capabilities: confinement.capabilities(),
            notify: None,
            mount_label: None,
            init_label: None,
            late: false,
            few_files: None,
            seccomp: confinement.program()?,
            pipe_owner: None,
            limits: Vec::new(),
            oom_score_adj: None,
            interfaces: Interfaces::default(),
        })
    }

    /// The steps up to where the container's ids exist.
    fn open_steps(
        &mut self,
        spec: &Spec,
        confinement: &Confinement,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        self.steps.push(Step::Session);
        let travel = if bundle.is_some() { Travel::Slave } else { Travel::Private };
        self.steps.push(Step::CutMounts(travel));
        self.own_steps(spec)?;
        self.steps.push(Step::Receive);
        // Its file belongs to the owner of the user namespace, who has a name in there now.
        match bundle {
            None => self.uptime_step(confinement)?,
            Some(_) => self.time_step(spec)?,
        }
        if self.ids.is_some() {
            self.steps.push(Step::ContainerRoot);
        }
        if bundle.is_none() || bundle::has_own(spec, NamespaceKind::Cgroup) {
            self.steps.push(Step::CgroupNamespace);
        }
        Ok(())
    }

    /// The step that brings the root file system.
    fn root_steps(
        &mut self,
        root: RootFs,
        spec: &Spec,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        let source = match (root, self.authority) {
            (RootFs::Overlay(overlay), Authority::Root) => {
                self.handed.push(Handed::Root(overlay));
                RootSource::Parent
            }
            (RootFs::Overlay(overlay), Authority::User) => RootSource::Overlay(overlay),
            (RootFs::Folder(path), Authority::Root) => {
                let source = mounts::open_source(&path)?;
                let look = match bundle {
                    Some(_) => bundle::root_look(spec)?,
                    None => Look::of_ours(MountAttrFlags::empty(), Reach::Tree),
                };
                self.handed.push(Handed::Bind { source, look, mapped_by: None, subject: path });
                RootSource::Parent
            }
            (RootFs::Folder(path), Authority::User) => {
                RootSource::Folder(mounts::host_path(&path)?)
            }
        };
        self.steps.push(Step::Root(source));
        Ok(())
    }

    /// Whom the program's pipes are given to by a parent that is root.
    fn host_owner(&self, identity: &Identity) -> Result<Option<(Uid, Gid)>, PlanError> {
        let (uid, gid) = (identity.uid, identity.gid);
        let Some(ids) = &self.ids else {
            return Ok(Some((Uid::from_raw(uid.number()), Gid::from_raw(gid.number()))));
        };
        let unmapped = || PlanError::UnmappedUser { uid, gid };
        let uid = ids.host_uid(uid).ok_or_else(unmapped)?;
        let gid = ids.host_gid(gid).ok_or_else(unmapped)?;
        let owner = (Uid::from_raw(uid.number()), Gid::from_raw(gid.number()));
        Ok((self.authority == Authority::Root).then_some(owner))
    }

    /// What the plan does, one line for each step, for people.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.steps.iter().map(Step::doing)
    }

    /// Where something from outside is mounted, and what.
    pub(crate) fn outside(&self) -> impl Iterator<Item = (String, String)> {
        let text = |text: &CStr| text.to_string_lossy().into_owned();
        self.steps.iter().filter_map(move |step| match step {
            Step::Bind(bind) => {
                Some((text(&bind.target.path), bind.subject.to_string_lossy().into_owned()))
            }
            Step::Device(device) if device.origin != Origin::Own => {
                Some((format!("/dev/{}", text(device.name)), text(device.path)))
            }
            Step::Node(node) => {
                node.host.as_deref().map(|host| (text(&node.target.path), text(host)))
            }
            _ => None,
        })
    }

    /// How many bytes the system call filter has, where there is one.
    pub fn filter_instructions(&self) -> Option<usize> {
        self.seccomp.as_ref().map(|program| program.instructions().len())
    }
}

/// What of the fence is not the confinement's.
#[derive(Clone, Copy, Debug)]
struct Own {
    /// Who is process 1.
    init: crate::spec::Init,
    /// How many descriptors after the standard three stay open, where a bundle's caller says it.
    preserved: Option<u32>,
    /// Where it waits.
    waits: Waits,
}

/// Where a new process waits before it becomes its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// At a gate, for a command that may come much later.
    AtGate,
    /// Nowhere.
    Nowhere,
}

/// A string for the kernel.
fn text(subject: &'static str, text: &str) -> Result<CString, PlanError> {
    CString::new(text).map_err(|source| PlanError::NullByte { subject, source })
}
