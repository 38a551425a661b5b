//! What holds, who said so, and what does not hold.

use std::fmt;

use coffer_oci::runtime::NamespaceKind;
use serde::Serialize;

use super::weaken::SHARED;
use super::{Confinement, NewPrivileges, Privilege, SetBy, SystemCalls, joined};
use crate::capability::{CapSet, CapWord};
use crate::ids::{Range, is_usual};
use crate::landlock::Landlock;
use crate::paths::MadeUp;
use crate::seccomp::{self, Action};

/// A fence in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What holds.
    pub controls: Vec<Control>,
    /// What does not.
    pub gaps: Vec<Gap>,
}

/// What would be stronger than any fence.
const MACHINE: &str = "a virtual machine; coffer has no such tier yet";

/// One line of what holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Control {
    /// What is controlled.
    pub control: &'static str,
    /// How.
    pub value: String,
    /// Who said so: `default`, or the flag.
    pub set_by: String,
}

/// One thing that is not protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// What.
    pub what: String,
    /// The flag that opened it, where one did. Said once when the container is made.
    pub from: Option<String>,
    /// What would be stronger.
    pub stronger: Option<String>,
}

impl Confinement {
    /// The fence in words.
    pub fn explain(&self) -> Explanation {
        let mut gaps = self.weakenings();
        gaps.extend(self.standing_gaps());
        Explanation { controls: self.controls(), gaps }
    }

    /// What the native tier cannot close, and what this version does not apply.
    fn standing_gaps(&self) -> Vec<Gap> {
        let gap = |what: &str, stronger: Option<&str>| Gap {
            what: what.to_owned(),
            from: None,
            stronger: stronger.map(ToOwned::to_owned),
        };
        let mut gaps = vec![gap("shares the host kernel", Some(MACHINE))];
        gaps.extend(self.size_gaps().map(|(what, stronger)| gap(what, stronger)));
        gaps.extend(self.labels.gap());
        if self.landlock.is_none() {
            gaps.push(gap("Landlock is not applied", Some("--security-opt landlock=FILE")));
        }
        if self.granted != CapSet::EMPTY {
            let stronger = "--cap-drop ALL, for programs that start as their own user";
            gaps.push(gap(
                "capabilities over the container's own files and processes",
                Some(stronger),
            ));
        }
        let alone = |range: &Range| range.size == 1 && range.container == 0;
        let uids = self.ids.as_ref().map_or(&[][..], |ids| &ids.uids);
        let what = match uids {
            [only] if alone(only) => {
                Some("root in the container is you on the host, and there is nobody else in it")
            }
            ranges if ranges.iter().any(alone) => {
                Some("root in the container is you on the host; your containers share your sub-ids")
            }
            _ => None,
        };
        let stronger = "run as root: each container then gets a range of its own";
        gaps.extend(what.map(|what| gap(what, Some(stronger))));
        gaps
    }

    /// What of the host's size and load is seen inside.
    fn size_gaps(&self) -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
        let shown = |kind: MadeUp| !kind.paths().iter().all(|path| self.makes_up(path));
        let memory = ("host memory can be read in /proc", Some("--memory SIZE"));
        let load = ("host load and processors can be read in /proc", Some("--cpus NUMBER"));
        let asked = ("host memory, load and processors can be asked of the kernel", Some(MACHINE));
        let memory = Some(memory).filter(|_| shown(MadeUp::Memory));
        let load = Some(load).filter(|_| shown(MadeUp::Processors));
        memory.into_iter().chain(load).chain([asked])
    }

    /// Whether this file of the kernel's is made up for the container.
    fn makes_up(&self, path: &str) -> bool {
        self.made_up.iter().any(|made_up| made_up == path)
    }

    fn controls(&self) -> Vec<Control> {
        let line = |control, value: String, set_by: &str| Control {
            control,
            value,
            set_by: set_by.to_owned(),
        };
        let mut lines = vec![
            line("user", self.user(), "image or --user"),
            line("ids", self.id_range(), &self.ids_by()),
            line("capabilities", self.granted.to_string(), &self.capability_flags()),
            self.new_privileges(),
            self.system_calls(),
            line("namespaces", self.namespace_names(), &self.namespace_flags()),
            self.paths("masked paths", &self.masked_paths),
            self.paths("read-only paths", &self.readonly_paths),
        ];
        if !self.made_up.is_empty() {
            let boot = |path: &&String| MadeUp::Boot.paths().contains(&path.as_str());
            let (own, sized): (Vec<&String>, Vec<&String>) = self.made_up.iter().partition(boot);
            let by = if sized.is_empty() { "default" } else { "default, --memory, --cpus" };
            let names: Vec<&str> = own.into_iter().chain(sized).map(String::as_str).collect();
            lines.push(line("made-up files", names.join(" "), by));
        }
        let labels = self.labels.words();
        lines.extend(labels.map(|(what, label, by)| line(what, label.to_owned(), by)));
        let landlock = self.landlock.iter().flat_map(Landlock::words);
        lines.extend(
            landlock.map(|(what, value)| line(what, value, "--security-opt landlock=FILE")),
        );
        lines.extend(
            self.devices.iter().map(|device| line("device", device.to_string(), "--device")),
        );
        lines.extend(
            self.rlimits
                .iter()
                .map(|limit| line("limit", limit.to_string(), limit.by.flag("--ulimit"))),
        );
        lines.extend(self.sysctls.iter().map(|sysctl| {
            line("sysctl", format!("{}={}", sysctl.name, sysctl.value), sysctl.by.flag("--sysctl"))
        }));
        lines
    }

    fn user(&self) -> String {
        format!("{}:{}", self.identity.uid, self.identity.gid)
    }

    fn id_range(&self) -> String {
        let Some(ids) = &self.ids else { return "the host's".to_owned() };
        let ranges: Vec<String> =
            ids.uids.iter().map(|r| format!("{}+{}", r.host, r.size)).collect();
        ranges.join(" ")
    }

    /// Who says which ids it has.
    fn ids_by(&self) -> String {
        if let Some(id) = self.joins(NamespaceKind::User) {
            return format!("container {}", joined::short(id));
        }
        let by = match self.ids.as_ref().map(|ids| ids.uids.as_slice()) {
            None => "--userns host",
            Some([one]) if one.size == 1 || is_usual(one.host) => "default",
            Some(_) => "/etc/subuid",
        };
        by.to_owned()
    }

    /// `--privileged`, or what the fence of everybody else says.
    fn unless_privileged<'a>(&self, else_by: &'a str) -> &'a str {
        match self.privilege {
            Privilege::Privileged => "--privileged",
            Privilege::Fenced => else_by,
        }
    }

    fn paths(&self, control: &'static str, paths: &[String]) -> Control {
        let set_by = match paths.is_empty() {
            true => self.unless_privileged("--security-opt systempaths=unconfined"),
            false => "default",
        };
        Control { control, value: paths.len().to_string(), set_by: set_by.to_owned() }
    }

    /// The flags by which namespaces are shared.
    fn namespace_flags(&self) -> String {
        let shared = SHARED.iter().filter(|(kind, ..)| !self.has_own(*kind));
        let mut flags: Vec<&str> = shared.map(|(_, _, flag)| *flag).collect();
        if self.ids.is_none() {
            flags.push("--userns host");
        }
        if flags.is_empty() { "default".to_owned() } else { flags.join(" ") }
    }

    fn capability_flags(&self) -> String {
        if self.privilege == Privilege::Privileged {
            return "--privileged".to_owned();
        }
        let flag = |name: &str, words: &[CapWord]| -> Vec<String> {
            words.iter().map(|word| format!("{name} {word}")).collect()
        };
        let flags = [flag("--cap-drop", &self.cap_drop), flag("--cap-add", &self.cap_add)].concat();
        if flags.is_empty() { "default".to_owned() } else { flags.join(" ") }
    }

    fn new_privileges(&self) -> Control {
        let (value, set_by) = match self.privileges {
            NewPrivileges::Never => ("never", "default"),
            NewPrivileges::ByFile => {
                ("by set-id programs", self.unless_privileged("--allow-setuid"))
            }
        };
        let control = "new privileges";
        Control { control, value: value.to_owned(), set_by: set_by.to_owned() }
    }

    fn system_calls(&self) -> Control {
        let (value, set_by) = match &self.seccomp {
            SystemCalls::Unconfined => {
                ("all".to_owned(), self.unless_privileged("--security-opt seccomp=unconfined"))
            }
            SystemCalls::Default => (allowed(&seccomp::default::profile(self.granted)), "default"),
            SystemCalls::Profile(profile) => (allowed(profile), "--security-opt seccomp=FILE"),
        };
        Control { control: "system calls", value, set_by: set_by.to_owned() }
    }

    fn namespace_names(&self) -> String {
        let names: Vec<String> =
            self.namespaces.iter().map(|n| format!("{:?}", n.kind).to_ascii_lowercase()).collect();
        names.join(" ")
    }
}

fn allowed(profile: &seccomp::Profile) -> String {
    let count = |plain: bool| {
        let mut calls: Vec<&str> = profile
            .rules
            .iter()
            .filter(|rule| rule.action == Action::Allow && rule.when.is_empty() == plain)
            .map(|rule| rule.call.as_str())
            .collect();
        calls.sort_unstable();
        calls.dedup();
        calls.len()
    };
    let rest = if profile.default == Action::Allow { "all others" } else { "no others" };
    format!("{} allowed, {} with conditions, {rest}", count(true), count(false))
}

impl SetBy {
    fn flag(self, flag: &'static str) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Caller => flag,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(from) = &self.from {
            write!(f, "  from: {from}")?;
        }
        self.stronger.as_ref().map_or(Ok(()), |stronger| write!(f, "  stronger: {stronger}"))
    }
}
