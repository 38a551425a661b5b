//! `create`: from a bundle to a process that waits at its gate.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use coffer_confine::confinement::{Confinement, Host, OfBundle, Warning};
use coffer_oci::runtime::{Linux, Resources, VERSION};
use coffer_policy::Admitted;
use jiff::Timestamp;
use rustix::process::Pid;

use super::hooks::{self, HookState};
use super::user_home::home_of;
use super::{
    Bundle, BundleError, BundleId, Folder, Home, HookError, Locked, Running, Saved, State, Status,
};
use crate::cgroup::{self, Cgroup, Driver, Manager, Settings};
use crate::gate;
use crate::launch::{Calls, Gate, Launch, Launched, Stdio, launch_with};
use crate::plan::{self, Authority, CgroupView, Inputs, Keyring, Lines, Plan, RootChange, RootFs};
use crate::rdt::{self, Resctrl};
use crate::state::{BootId, ProcessId};

/// What a container is made from.
#[derive(Debug)]
pub struct Create<'a> {
    /// Where states are kept.
    pub home: &'a Home,
    /// Its name.
    pub id: &'a BundleId,
    /// Its bundle.
    pub bundle: &'a Bundle,
    /// Leave to run it.
    pub admitted: &'a Admitted,
    /// How the host's root is left.
    pub root_change: RootChange,
    /// Which session keyring its process has.
    pub keyring: Keyring,
    /// How many descriptors after the standard three stay open.
    pub preserved: u32,
    /// How the lines end that its terminal writes.
    pub lines: Lines,
    /// Who makes its control groups.
    pub driver: &'a Driver,
    /// Whose rights count there: a user's make none that they may not. The caller's where `None`.
    pub authority: Option<Authority>,
}

/// A container that waits at its gate, and may still be taken back.
#[derive(Debug)]
pub struct Made {
    locked: Locked,
    cgroup: Cgroup,
    launched: Launched,
    gate: OwnedFd,
    plan: Plan,
    state: State,
    warnings: Vec<Warning>,
}

/// All that was decided before anything is written.
pub(super) struct Decided {
    pub(super) plan: Plan,
    settings: Settings,
    pub(super) rdt: Option<rdt::Wanted>,
    pub(super) saved: Saved,
    state: Draft,
    pub(super) warnings: Vec<Warning>,
}

/// A state without its process.
struct Draft {
    boot: BootId,
    rootfs: std::path::PathBuf,
}

/// Makes a container up to its gate.
///
/// # Errors
/// A [`BundleError`] for the first thing that is wrong; nothing is left then.
pub fn create(wanted: &Create<'_>) -> Result<Made, BundleError> {
    let decided = decide(wanted)?;
    let locked = wanted.home.add(wanted.id)?;
    // The first error is the one to be told: what cannot be removed now is a wreck that the next
    // command finds. Groups that were not made here are another container's, and stay.
    let (gate, mut cgroup) = match prepare(wanted, &decided, &locked) {
        Ok(prepared) => prepared,
        Err(error) => {
            drop(wanted.home.remove(locked));
            return Err(error);
        }
    };
    match run(wanted, &decided, &locked, &mut cgroup, &gate) {
        Ok((launched, state)) => {
            let Decided { plan, warnings, .. } = decided;
            Ok(Made { locked, cgroup, launched, gate, plan, state, warnings })
        }
        Err(error) => {
            if decided.undo_groups(cgroup).is_ok() {
                drop(wanted.home.remove(locked));
            }
            Err(error)
        }
    }
}

/// Reads and checks everything. Writes nothing.
pub(super) fn decide(wanted: &Create<'_>) -> Result<Decided, BundleError> {
    let Create { bundle, admitted, .. } = wanted;
    let (spec, host) = (&bundle.spec, Host::read());
    let process = spec.process.clone().ok_or(plan::PlanError::Missing("process"))?;
    let rootfs = bundle.rootfs()?;
    let OfBundle { confinement, warnings } = Confinement::of_bundle(spec, &host)?;
    // Not a copy: the filter alone has hundreds of names.
    let (nothing, unlimited) = (Linux::default(), Resources::default());
    let linux = spec.linux.as_ref().unwrap_or(&nothing);
    let settings = Settings::of_bundle(linux.resources.as_ref().unwrap_or(&unlimited))?;
    let manager = Manager::discover()?;
    let host_groups = manager.layout().kind();
    let cgroup = manager.of_bundle(cgroup::OfBundle {
        driver: wanted.driver,
        cgroups_path: &linux.cgroups_path,
        settings: &settings,
        annotations: &spec.annotations,
        id: wanted.id.as_str(),
        authority: wanted.authority.unwrap_or_else(authority),
    })?;
    let view = CgroupView::of_bundle(&cgroup, host_groups);
    let home = home_of(&process, &rootfs);
    let root = RootFs::Folder(rootfs.clone());
    let plan = plan(wanted, (&confinement, &host), root, view, home.as_deref())?;
    let rdt = linux
        .intel_rdt
        .as_ref()
        .map(|asked| rdt::Wanted::new(asked, wanted.id.as_str(), Resctrl::host()?));
    let rdt = rdt.transpose()?;
    let boot = BootId::current().map_err(BundleError::process(wanted.id))?;
    let lost = crate::criu::lost(spec, &cgroup);
    let saved = Saved {
        admission: admitted.admission().clone(),
        cgroup,
        process,
        confinement,
        personality: linux.personality.clone(),
        memory_policy: linux.memory_policy.clone(),
        keyring: wanted.keyring,
        outside: plan.outside().map(|(place, _)| place).collect(),
        rdt: rdt.as_ref().map(|rdt| rdt.class().clone()),
        lost,
    };
    let state = Draft { boot, rootfs };
    Ok(Decided { plan, settings, rdt, saved, state, warnings })
}

fn plan(
    wanted: &Create<'_>,
    (confinement, host): (&Confinement, &Host),
    root: RootFs,
    cgroups: CgroupView,
    home: Option<&str>,
) -> Result<Plan, BundleError> {
    let authority = authority();
    let init = crate::spec::Init::Program;
    let bundle = Some(plan::Bundle {
        id: wanted.id.as_str(),
        folder: &wanted.bundle.path,
        root_change: wanted.root_change,
        keyring: wanted.keyring,
        preserved: wanted.preserved,
        home,
        lines: wanted.lines,
    });
    let spec = &wanted.bundle.spec;
    let given = plan::Given::default();
    let inputs = Inputs { spec, confinement, host, root, authority, cgroups, init, given, bundle };
    Ok(Plan::new(inputs)?)
}

/// Whose rights the runtime has: those of the caller, who may be root.
pub(super) fn authority() -> Authority {
    match rustix::process::geteuid().is_root() {
        true => Authority::Root,
        false => Authority::User,
    }
}

/// Writes down what will be, and makes the groups, which are taken back where that fails.
pub(super) fn prepare(
    wanted: &Create<'_>,
    decided: &Decided,
    locked: &Locked,
) -> Result<(OwnedFd, Cgroup), BundleError> {
    decided.saved.cgroup.check_unused()?;
    locked.save(&decided.saved)?;
    let gate = gate::make(locked.dir()).map_err(BundleError::folder(wanted.id))?;
    let cgroup = decided.saved.cgroup.create(&decided.settings)?;
    if let Some(Err(error)) = decided.rdt.as_ref().map(rdt::Wanted::make) {
        // The first error is the one to be told.
        drop(cgroup.remove());
        return Err(error.into());
    }
    Ok((gate, cgroup))
}

/// Makes the process.
fn run(
    wanted: &Create<'_>,
    decided: &Decided,
    locked: &Locked,
    cgroup: &mut Cgroup,
    gate: &OwnedFd,
) -> Result<(Launched, State), BundleError> {
    let entry = cgroup.entry()?;
    let how = Launch { cgroup: &entry, stdio: Stdio::Inherit, gate: Gate::Wait(gate.as_fd()) };
    let made = RefCell::new(None);
    let calls = Calls {
        joined: &mut |pid| {
            cgroup.enter(pid).map_err(io::Error::other)?;
            if let Some(rdt) = &decided.rdt {
                rdt.enter(pid).map_err(io::Error::other)?;
            }
            let state = decided.state_of(wanted, pid)?;
            locked.save_state(&state).map_err(io::Error::other)?;
            *made.borrow_mut() = Some(state);
            Ok(())
        },
        created: &mut |_| match &*made.borrow() {
            Some(state) => run_hooks(state).map_err(io::Error::other),
            None => Err(io::ErrorKind::NotFound.into()),
        },
    };
    let launched = launch_with(&decided.plan, &how, calls)?;
    let state = made.into_inner().ok_or_else(|| BundleError::NotRunning(wanted.id.clone()))?;
    Ok((launched, state))
}

/// What the caller has run beside a container whose namespaces and mounts are made.
pub(super) fn run_hooks(state: &State) -> Result<(), HookError> {
    let told = HookState::new(state, Status::Creating);
    hooks::run("prestart", &state.hooks.prestart, &told)?;
    hooks::run("createRuntime", &state.hooks.create_runtime, &told)
}

impl Decided {
    /// The state of the container whose first process is `pid`.
    pub(super) fn state_of(&self, wanted: &Create<'_>, pid: Pid) -> io::Result<State> {
        let init = ProcessId::of(pid, &self.state.boot)?;
        Ok(State {
            oci_version: VERSION.to_owned(),
            id: wanted.id.clone(),
            init,
            bundle: wanted.bundle.path.clone(),
            rootfs: self.state.rootfs.clone(),
            created: Timestamp::now(),
            annotations: wanted.bundle.spec.annotations.clone(),
            owner: rustix::process::geteuid().as_raw(),
            cgroup: self.saved.cgroup.clone(),
            rdt: self.saved.rdt.clone(),
            hooks: wanted.bundle.spec.hooks.clone().unwrap_or_default(),
        })
    }

    /// Removes the groups and the class that were made for it.
    pub(super) fn undo_groups(&self, cgroup: Cgroup) -> Result<(), BundleError> {
        cgroup.remove()?;
        match &self.rdt {
            Some(rdt) => Ok(rdt.undo()?),
            None => Ok(()),
        }
    }

    /// Where its root file system is.
    pub(super) fn rootfs(&self) -> &std::path::Path {
        &self.state.rootfs
    }
}

impl Made {
    /// Its process.
    pub fn pid(&self) -> Pid {
        self.launched.pid
    }

    /// What of the bundle means nothing on this host and was passed over.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The master side of its terminal, where it has one.
    pub fn terminal(&mut self) -> Option<OwnedFd> {
        self.launched.terminal.take()
    }

    /// Leaves it to its own, at its gate: from here on it does not end with its maker.
    ///
    /// The lock goes first. The process has it too, and would keep it for as long as it waits if
    /// its maker were killed between the two.
    ///
    /// # Errors
    /// Where the process has gone meanwhile.
    pub fn release(self) -> Result<Folder, BundleError> {
        let folder = self.locked.unlock()?;
        self.launched.release()?;
        Ok(folder)
    }

    /// Opens its gate for it and leaves it to its own, waits until its program is executed, and
    /// runs the hooks that follow. `create` and `start` in one need not look each other up. Gives
    /// the process too: it is the caller's child.
    ///
    /// # Errors
    /// Why the program cannot be executed; nothing is left then.
    pub fn start(mut self, home: &Home) -> Result<(Running, OwnedFd), BundleError> {
        let passed = gate::pass(self.gate.as_fd()).map_err(BundleError::from).and_then(|()| {
            self.launched.release()?;
            Ok(self.launched.executed(&self.plan)?)
        });
        if let Err(error) = passed {
            // The first error is the one to be told.
            drop(self.undo(home));
            return Err(error);
        }
        let Self { locked, cgroup, launched, state, .. } = self;
        let told = HookState::new(&state, Status::Running);
        let failed = hooks::run_all("poststart", &state.hooks.poststart, &told);
        let folder = locked.unlock()?;
        Ok((Running { folder, cgroup, state, failed }, launched.pidfd))
    }

    /// Takes it back: ends the process and removes all that was made.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn undo(self, home: &Home) -> Result<(), BundleError> {
        let Self { locked, cgroup, launched, gate, state, .. } = self;
        drop(gate);
        launched.end();
        cgroup.remove()?;
        state.rdt.map_or(Ok(()), |class| class.remove())?;
        home.remove(locked)
    }
}
