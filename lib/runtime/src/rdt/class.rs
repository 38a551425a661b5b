//! The class of service of one container.

use std::os::fd::{AsFd, OwnedFd};

use coffer_oci::runtime::IntelRdt;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::schema::Line;
use super::{RdtError, Resctrl, resctrl};

/// Folders that the kernel has in each class.
const RESERVED: [&str; 3] = ["info", "mon_groups", "mon_data"];
/// The folder of a class's monitoring groups.
const MONITORS: &str = "mon_groups";

/// The class that a container is in, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its folder; empty for the default class.
    name: String,
    /// What becomes of it when the container is deleted.
    life: Life,
    /// The container's monitoring group in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    monitor: Option<String>,
}

/// What becomes of a class when its container is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Life {
    /// It is the container's own, and goes with it.
    Own,
    /// It was named by the bundle, and stays.
    Named,
}

/// A class as a bundle asks for it, checked against the host. Nothing is made yet.
#[derive(Debug)]
pub(crate) struct Wanted {
    class: Class,
    /// Whether it has to be made.
    missing: bool,
    schemata: Vec<String>,
    resctrl: Resctrl,
}

impl Wanted {
    /// What `asked` comes to for the container `id`. Writes nothing.
    ///
    /// # Errors
    /// [`RdtError::Invalid`] with the field, and what the kernel says.
    pub(crate) fn new(asked: &IntelRdt, id: &str, resctrl: Resctrl) -> Result<Self, RdtError> {
        let name = name(asked, id)?;
        let life = if asked.clos_id.is_empty() { Life::Own } else { Life::Named };
        let schemata = schemata(asked)?;
        let monitor = asked.enable_monitoring.then(|| id.to_owned());
        let folder = resctrl
            .class(&name)
            .map_err(|error| RdtError::invalid("closID", format!("cannot be opened: {error}")))?;
        match (&folder, life) {
            (Some(_), Life::Own) => {
                let why =
                    format!("is not set, and there is a class {name} that is somebody else's");
                return Err(RdtError::invalid("closID", why));
            }
            (None, Life::Named) if schemata.is_empty() => {
                let why = format!(
                    "names the class {name}, which is not there, and no schema says what it gives"
                );
                return Err(RdtError::invalid("closID", why));
            }
            (Some(folder), Life::Named) => {
                compare(asked, folder, &resctrl)?;
                check_monitor(monitor.as_deref(), folder)?;
            }
            (None, _) => {}
        }
        let class = Class { name, life, monitor };
        Ok(Self { class, missing: folder.is_none(), schemata, resctrl })
    }

    /// What is to be written down.
    pub(crate) fn class(&self) -> &Class {
        &self.class
    }

    /// Makes the class and the monitoring group, and sets what it gives. After an error nothing
    /// of it is left.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub(crate) fn make(&self) -> Result<(), RdtError> {
        let made = self.folder().and_then(|folder| {
            if !self.schemata.is_empty() {
                let lines: String = self.schemata.iter().map(|line| format!("{line}\n")).collect();
                self.resctrl.write(folder.as_fd(), "schemata", &lines)?;
            }
            let Some(monitor) = &self.class.monitor else { return Ok(()) };
            let groups = monitors(&folder)?;
            self.resctrl.make(Some(groups.as_fd()), monitor).map(drop)
        });
        if made.is_err() {
            drop(self.undo());
        }
        made
    }

    /// Takes back what [`Self::make`] has made.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub(crate) fn undo(&self) -> Result<(), RdtError> {
        let life = if self.missing { Life::Own } else { self.class.life };
        Class { life, ..self.class.clone() }.remove_from(&self.resctrl)
    }

    /// Puts a process into the class.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub(crate) fn enter(&self, pid: Pid) -> Result<(), RdtError> {
        self.class.enter_by(&self.resctrl, pid)
    }

    fn folder(&self) -> Result<OwnedFd, RdtError> {
        match self.missing {
            true => self.resctrl.make(None, &self.class.name),
            false => self.class.open(&self.resctrl),
        }
    }
}

impl Class {
    /// Puts a process that joins the container into its class.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub(crate) fn enter(&self, pid: Pid) -> Result<(), RdtError> {
        self.enter_by(&Resctrl::host()?, pid)
    }

    /// Sets what it gives: `l3` and `bandwidth` are lines of a `schemata` file.
    ///
    /// # Errors
    /// [`RdtError::Invalid`] with the field, and what the kernel refuses.
    pub(crate) fn update(&self, change: &IntelRdt) -> Result<(), RdtError> {
        let lines: String = schemata(change)?.iter().map(|line| format!("{line}\n")).collect();
        let resctrl = Resctrl::host()?;
        resctrl.write(self.open(&resctrl)?.as_fd(), "schemata", &lines)
    }

    /// Removes what was made for the container.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub(crate) fn remove(&self) -> Result<(), RdtError> {
        match Resctrl::host() {
            Ok(resctrl) => self.remove_from(&resctrl),
            // It was unmounted, and all classes are gone with it.
            Err(_) => Ok(()),
        }
    }

    fn enter_by(&self, resctrl: &Resctrl, pid: Pid) -> Result<(), RdtError> {
        let (folder, number) = (self.open(resctrl)?, pid.as_raw_pid().to_string());
        resctrl.write(folder.as_fd(), "tasks", &number)?;
        let Some(monitor) = &self.monitor else { return Ok(()) };
        let groups = monitors(&folder)?;
        match resctrl::below(groups.as_fd(), monitor) {
            Ok(Some(group)) => resctrl.write(group.as_fd(), "tasks", &number),
            _ => Err(RdtError::invalid("enableMonitoring", "has no group any more")),
        }
    }

    fn remove_from(&self, resctrl: &Resctrl) -> Result<(), RdtError> {
        let Ok(Some(folder)) = resctrl.class(&self.name) else { return Ok(()) };
        if let (Some(monitor), Ok(groups)) = (&self.monitor, monitors(&folder)) {
            resctrl.remove(Some(groups.as_fd()), monitor)?;
        }
        match self.life {
            Life::Own => resctrl.remove(None, &self.name),
            Life::Named => Ok(()),
        }
    }

    fn open(&self, resctrl: &Resctrl) -> Result<OwnedFd, RdtError> {
        match resctrl.class(&self.name) {
            Ok(Some(folder)) => Ok(folder),
            _ => Err(RdtError::invalid("closID", format!("the class {} has gone", self.name))),
        }
    }
}

/// The folder of the class that is asked for.
fn name(asked: &IntelRdt, id: &str) -> Result<String, RdtError> {
    if asked.clos_id == "/" {
        return Ok(String::new());
    }
    let name = if asked.clos_id.is_empty() { id } else { &asked.clos_id };
    let odd = |c: char| c == '/' || c.is_control();
    if RESERVED.contains(&name) || matches!(name, "." | "..") || name.contains(odd) {
        return Err(RdtError::invalid("closID", format!("{name:?} is no name for a class")));
    }
    Ok(name.to_owned())
}

/// The lines to be written, in the specification's order.
fn schemata(asked: &IntelRdt) -> Result<Vec<String>, RdtError> {
    let single = [
        ("l3CacheSchema", "L3", &asked.l3_cache_schema),
        ("memBwSchema", "MB:", &asked.mem_bw_schema),
    ];
    let mut lines = Vec::new();
    for (field, start, line) in single.into_iter().filter(|(_, _, line)| !line.is_empty()) {
        if !line.starts_with(start) {
            return Err(RdtError::invalid(field, format!("does not begin with {start}")));
        }
        lines.push(checked(field, line)?);
    }
    for line in &asked.schemata {
        lines.push(checked("schemata", line)?);
    }
    Ok(lines)
}

fn checked(field: &'static str, line: &str) -> Result<String, RdtError> {
    match line.contains('\n') || Line::parse(line).is_none() {
        true => Err(RdtError::invalid(field, format!("{line:?} is no line like L3:0=7f0;1=1f"))),
        false => Ok(line.to_owned()),
    }
}

/// A class that is there gives what the bundle expects of it.
fn compare(asked: &IntelRdt, folder: &OwnedFd, resctrl: &Resctrl) -> Result<(), RdtError> {
    let expected =
        [("l3CacheSchema", &asked.l3_cache_schema), ("memBwSchema", &asked.mem_bw_schema)];
    let expected: Vec<_> = expected.into_iter().filter(|(_, line)| !line.is_empty()).collect();
    if expected.is_empty() {
        return Ok(());
    }
    let given = resctrl.read(folder.as_fd(), "schemata")?;
    for (field, line) in expected {
        if !Line::parse(line).is_some_and(|line| line.is_given_by(&given)) {
            let why = format!("{line:?} is not what the class has: {:?}", given.trim());
            return Err(RdtError::invalid(field, why));
        }
    }
    Ok(())
}

/// A monitoring group can be made, and is not another container's.
fn check_monitor(monitor: Option<&str>, folder: &OwnedFd) -> Result<(), RdtError> {
    let Some(monitor) = monitor else { return Ok(()) };
    match resctrl::below(monitors(folder)?.as_fd(), monitor) {
        Ok(None) => Ok(()),
        _ => Err(RdtError::invalid("enableMonitoring", format!("{monitor} is there already"))),
    }
}

fn monitors(folder: &OwnedFd) -> Result<OwnedFd, RdtError> {
    match resctrl::below(folder.as_fd(), MONITORS) {
        Ok(Some(groups)) => Ok(groups),
        _ => {
            Err(RdtError::invalid("enableMonitoring", "cannot be had: this host monitors nothing"))
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
