//! The process of a specification as steps: what it sees, what it may do, what it is.

use std::collections::BTreeSet;
use std::ffi::CString;

use coffer_confine::confinement::{Confinement, Host, NewPrivileges, SetBy};
use coffer_confine::ids::{ContainerUid, HostUid, IdMap};
use coffer_confine::user::Identity;
use coffer_oci::runtime::{Process, Spec};
use coffer_sys::exec::Strings;
use coffer_sys::mount::Travel;
use rustix::fs::StatVfsMountFlags;
use rustix::process::Resource;
use rustix::thread::{Gid, Uid, UnshareFlags};

use super::{
    Bundle, Execute, Own, Plan, PlanError, RootChange, Step, Target, Waits, bare, bundle, text,
};
use crate::spec::Init;

/// Where programs are looked for when the environment does not say. Source: docker's default.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The mask of a program that is not given another one.
const UMASK: u32 = 0o022;

/// A limit of open files below this is set last of all, since the steps before need files
/// themselves: to lower a limit takes no capability.
const OPEN_FILES: u64 = 1024;

/// Refuses what would otherwise be left out silently.
pub(super) fn check_supported(spec: &Spec, bundle: Option<&Bundle<'_>>) -> Result<(), PlanError> {
    let (process, linux) = (spec.process.as_ref(), spec.linux.as_ref());
    let ours = bundle.is_none();
    let asked = [
        (ours && spec.hooks.is_some(), "hooks"),
        (ours && process.is_some_and(|p| p.scheduler.is_some()), "process.scheduler"),
        (ours && process.is_some_and(|p| p.io_priority.is_some()), "process.ioPriority"),
        (ours && linux.is_some_and(|l| !l.devices.is_empty()), "linux.devices"),
        (ours && linux.is_some_and(|l| l.memory_policy.is_some()), "linux.memoryPolicy"),
        (ours && linux.is_some_and(|l| l.personality.is_some()), "linux.personality"),
        (ours && linux.is_some_and(|l| !l.time_offsets.is_empty()), "linux.timeOffsets"),
        (ours && linux.is_some_and(|l| !l.net_devices.is_empty()), "linux.netDevices"),
        (ours && linux.is_some_and(|l| l.intel_rdt.is_some()), "linux.intelRdt"),
    ];
    match asked.into_iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(PlanError::field(what, "is not supported")),
        None => Ok(()),
    }
}

impl Plan {
    /// What needs nothing of the parent's: done while that maps ids and makes mounts.
    pub(super) fn own_steps(&mut self, spec: &Spec) -> Result<(), PlanError> {
        if !spec.hostname.is_empty() {
            self.steps.push(Step::Hostname(text("the host name", &spec.hostname)?));
        }
        if !spec.domainname.is_empty() {
            self.steps.push(Step::Domainname(text("the domain name", &spec.domainname)?));
        }
        if self.fresh.contains(UnshareFlags::NEWNET) {
            self.steps.push(Step::Loopback);
        }
        Ok(())
    }

    /// The steps between the mounts and the fence: parameters, masks, the pivot.
    pub(super) fn inner_steps(
        &mut self,
        spec: &Spec,
        confinement: &Confinement,
        process: &Process,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        for sysctl in &confinement.sysctls {
            let file = text("a kernel parameter", &format!("sys/{}", sysctl.path()))?;
            self.steps.push(Step::Sysctl(file, text("a kernel parameter", &sysctl.value)?));
        }
        for (place, path) in confinement.masked_paths.iter().enumerate() {
            if !confinement.masked_paths[..place].contains(path) {
                self.steps.push(Step::Mask(text("a masked path", path)?));
            }
        }
        for path in &confinement.readonly_paths {
            self.steps.push(Step::ReadOnly(text("a read-only path", path)?));
        }
        self.steps.push(Step::WorkingFolder(Target::folder(&process.cwd)?));
        if spec.root.as_ref().is_some_and(|root| root.readonly) {
            self.steps.push(Step::RootReadOnly);
        }
        self.steps.push(match bundle.map(|bundle| bundle.root_change) {
            Some(RootChange::Move) => Step::MoveRoot(bare::places()?),
            Some(RootChange::Pivot) | None => Step::Pivot,
        });
        if bundle.is_some()
            && let (travel @ (Travel::Shared | Travel::Unbindable), reach) =
                bundle::root_travel(spec)?
        {
            self.steps.push(Step::TravelRoot(travel, reach));
        }
        self.steps.push(Step::EnterFolder);
        Ok(())
    }

    /// The fence, from the limits to the program.
    pub(super) fn fence_steps(
        &mut self,
        confinement: &Confinement,
        host: &Host,
        process: &Process,
        own: Own,
    ) -> Result<(), PlanError> {
        for limit in &confinement.rlimits {
            let by = limit.by;
            let (resource, limit) = limit.kernel().map_err(PlanError::Limit)?;
            if by == SetBy::Caller {
                self.limits.push((resource, limit));
            }
            let few = limit.maximum.is_some_and(|most| most < OPEN_FILES);
            match resource {
                Resource::Nofile if few && self.notify.is_none() => self.few_files = Some(limit),
                _ => self.steps.push(Step::Limit(resource, limit)),
            }
        }
        self.label_steps(&confinement.labels, own.init)?;
        self.steps.push(Step::Umask(process.user.umask.unwrap_or(UMASK)));
        self.steps.push(Step::Bounding(host.capabilities));
        self.identity_steps(confinement);
        let fixed = confinement.privileges == NewPrivileges::Never;
        let sealed = own.init == Init::Tiny;
        if fixed {
            self.steps.push(Step::Capabilities);
        }
        if sealed {
            self.steps.push(Step::Undumpable);
        }
        if fixed {
            self.steps.push(Step::NoNewPrivileges);
        }
        if own_binary_is_exposed(self.ids.as_ref())? {
            self.steps.push(Step::ExecuteInside);
        }
        self.landlock_steps(confinement)?;
        let name = process.args.first().map(String::as_str).unwrap_or_default();
        self.steps.push(Step::CloseOnExec(3 + own.preserved.unwrap_or(0)));
        self.steps.push(Step::FindProgram(text("the program", name)?));
        if let (Some(preserved), Waits::AtGate) = (own.preserved, own.waits) {
            self.steps.push(Step::LetGo(3 + preserved));
        }
        self.steps.push(Step::Gate);
        self.late = !fixed;
        Ok(())
    }

    /// What comes after the gate: the filter, hooks behind it as the program is, the program.
    pub(super) fn execute_steps(
        &mut self,
        spec: &Spec,
        bundle: Option<&Bundle<'_>>,
        process: &Process,
        init: Init,
    ) -> Result<(), PlanError> {
        self.filter_steps();
        if let Some(bundle) = bundle {
            self.start_steps(spec, process, bundle)?;
        }
        self.program_steps(process, bundle, init)
    }

    /// The filter, and the capabilities that loading it may need.
    pub(super) fn filter_steps(&mut self) {
        if let Some(limit) = self.few_files.take() {
            self.steps.push(Step::Limit(Resource::Nofile, limit));
        }
        match self.notify.take() {
            Some(notify) => self.steps.push(Step::SeccompNotify(notify)),
            None if self.seccomp.is_some() => self.steps.push(Step::Seccomp),
            None => {}
        }
        if self.late {
            self.steps.push(Step::Capabilities);
        }
    }

    /// The program.
    pub(super) fn program_steps(
        &mut self,
        process: &Process,
        bundle: Option<&Bundle<'_>>,
        init: Init,
    ) -> Result<(), PlanError> {
        if init == Init::Tiny {
            let label = self.init_label.take();
            self.steps.push(Step::Init(label));
        }
        self.steps.push(Step::Execute(execute(process, bundle)?));
        Ok(())
    }

    /// The change of user. Where no_new_privs is not set, loading the filter needs capabilities:
    /// they are kept until then.
    fn identity_steps(&mut self, confinement: &Confinement) {
        let Identity { uid, gid, groups, .. } = &confinement.identity;
        let hold = confinement.privileges == NewPrivileges::ByFile && *uid != ContainerUid::ROOT;
        if hold || self.capabilities.outlive_root(*uid) {
            self.steps.push(Step::KeepCapabilities);
        }
        if may_set_groups(self.ids.as_ref()) {
            let groups = groups.iter().map(|group| Gid::from_raw(group.number())).collect();
            self.steps.push(Step::Groups(groups));
        }
        self.steps.push(Step::Ids(Uid::from_raw(uid.number()), Gid::from_raw(gid.number())));
        if hold {
            self.steps.push(Step::HoldCapabilities);
        }
    }
}

/// Whether the user namespace lets groups be set: not where an ordinary user has mapped nobody
/// but itself. Source: man 7 user_namespaces, "/proc/pid/setgroups".
fn may_set_groups(ids: Option<&IdMap>) -> bool {
    let groups = |ids: &IdMap| ids.gids.iter().map(|range| u64::from(range.size)).sum::<u64>();
    ids.is_none_or(|ids| groups(ids) > 1)
}

/// Whether the container could write coffer's own binary if it got hold of it: by a link to
/// `/proc/self/exe` in place of its program or of a script's interpreter. Where the binary belongs
/// to an id that the container does not have, and not everybody may write it, it could not.
fn own_binary_is_exposed(ids: Option<&IdMap>) -> Result<bool, PlanError> {
    let stat = rustix::fs::stat(c"/proc/self/exe").map_err(PlanError::OwnBinary)?;
    let by_anyone = stat.st_mode & 0o022 != 0;
    let by_owner = |ids: &IdMap| ids.container_uid(HostUid::new(stat.st_uid)).is_some();
    if !by_anyone && !ids.is_none_or(by_owner) {
        return Ok(false);
    }
    // Run from a mount that cannot be written, or moved to one before.
    let mount = rustix::fs::statvfs(c"/proc/self/exe").map_err(PlanError::OwnBinary)?;
    Ok(!mount.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// The program, with every file that it could be.
fn execute(process: &Process, bundle: Option<&Bundle<'_>>) -> Result<Execute, PlanError> {
    let program = process.args.first().filter(|name| !name.is_empty());
    let program = program.ok_or(PlanError::NoProgram)?;
    let list = |subject: &'static str, words: &[String]| -> Result<Vec<CString>, PlanError> {
        words.iter().map(|word| text(subject, word)).collect()
    };
    let env = match bundle {
        Some(bundle) => &environment(&process.env, bundle.home),
        None => &process.env,
    };
    Ok(Execute {
        candidates: list("the program", &candidates(program, env))?,
        argv: Strings::new(list("an argument", &process.args)?),
        envp: Strings::new(list("the environment", env)?),
    })
}

/// A bundle's environment: of each name the last entry, and `HOME` where there is none or an empty
/// one. Source: runc's libcontainer/env.go, `prepareEnv`.
pub(super) fn environment(env: &[String], home: Option<&str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let backwards = env.iter().rev();
    let last = backwards.filter(|entry| seen.insert(entry.split('=').next()));
    let mut kept: Vec<String> = last.cloned().collect();
    kept.reverse();
    if let Some(home) = home {
        kept.retain(|entry| entry != "HOME=");
        kept.push(format!("HOME={home}"));
    }
    kept
}

/// The files that `program` could be. Source: man 3 exec, "Special semantics for execlp".
fn candidates(program: &str, env: &[String]) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    let path = env.iter().find_map(|entry| entry.strip_prefix("PATH="));
    let folder = |folder: &str| match folder {
        "" => format!("./{program}"),
        folder => format!("{}/{program}", folder.trim_end_matches('/')),
    };
    path.unwrap_or(DEFAULT_PATH).split(':').map(folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entry_of_each_name_counts_and_home_is_there() {
        let env = ["A=1", "HOME=", "B=x=y", "A=2"].map(str::to_owned);
        assert_eq!(environment(&env, Some("/home")), ["B=x=y", "A=2", "HOME=/home"]);
        assert_eq!(environment(&env, None), ["HOME=", "B=x=y", "A=2"]);
    }

    #[test]
    fn programs_are_looked_for_along_the_path() {
        let env = ["A=1".to_owned(), "PATH=/x:/y/".to_owned()];
        assert_eq!(candidates("sh", &env), ["/x/sh", "/y/sh"]);
        assert_eq!(candidates("./sh", &env), ["./sh"]);
        assert_eq!(candidates("sh", &[]).len(), 6);
    }
}
