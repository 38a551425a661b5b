//! Groups that systemd makes: scopes, over D-Bus.
//!
//! systemd is the only writer of its part of the hierarchy, so it is asked for a scope that has
//! the container's first process in it from the beginning, and that is delegated: below it
//! nothing is systemd's. The process is cloned first and waits meanwhile; that is also the only
//! way for an ordinary user, who may not move a process out of a login session: the user's
//! manager has the system's do it.
//!
//! The codec is our own ([`value`], [`message`]): four calls and one signal need no library with
//! a runtime under it. Nothing of this is touched unless the driver was asked for.

mod bus;
mod connection;
mod error;
mod message;
mod name;
mod property;
mod value;
mod variant;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

pub use bus::{Bus, ServiceManager};
pub use error::SystemdError;
pub(super) use name::{Named, group, parse};

use super::Settings;
use connection::Connection;
use value::Value;

/// A container's scope; part of its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// The slice that it is in.
    pub slice: String,
    /// Whose it is.
    pub bus: Bus,
    /// Properties that the bundle's annotations set, in GVariant's text form.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

/// The properties that a bundle's annotations set. Says which annotation makes no sense, and why.
pub(super) fn annotated(
    annotations: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, (String, String)> {
    let mut properties = BTreeMap::new();
    for (key, text) in annotations {
        let Some(name) = key.strip_prefix(variant::PREFIX) else { continue };
        variant::property(name, text).map_err(|why| (key.clone(), why))?;
        properties.insert(name.to_owned(), text.clone());
    }
    Ok(properties)
}

/// The manager's own group, below the top of the hierarchy.
pub(super) fn top(bus: &Bus) -> Result<PathBuf, SystemdError> {
    match bus.manager {
        // The first process is above all groups, whatever namespace it is in.
        ServiceManager::System => bus.connect().map(|_| PathBuf::new()),
        ServiceManager::User => {
            let group = Connection::open(bus, "the user's manager")?.property("ControlGroup")?;
            Ok(PathBuf::from(group.trim_start_matches('/')))
        }
    }
}

impl Unit {
    /// Starts the scope with the process `pid` in it.
    pub(super) fn start(&self, pid: Pid, settings: &Settings) -> Result<(), SystemdError> {
        let mut properties = self.own(pid);
        properties.extend(property::properties(settings));
        // Checked when the container was planned; the last word is the bundle's.
        let asked = self.properties.iter().map(|(name, text)| variant::property(name, text));
        properties.extend(asked.filter_map(Result::ok));
        let arguments = [
            Value::text(&self.name),
            Value::text("fail"),
            Value::Array("(sv)".to_owned(), properties),
            Value::Array("(sa(sv))".to_owned(), Vec::new()),
        ];
        let mut connection = Connection::open(&self.bus, &self.name)?;
        match connection.work("StartTransientUnit", &arguments) {
            // One that failed is kept by systemd until somebody has seen it.
            Err(SystemdError::Call { name, .. }) if name == UNIT_EXISTS => {
                connection.call("ResetFailedUnit", &[Value::text(&self.name)])?;
                connection.work("StartTransientUnit", &arguments)
            }
            started => started,
        }
    }

    /// What every scope of ours has.
    fn own(&self, pid: Pid) -> Vec<Value> {
        let pid = u32::try_from(pid.as_raw_nonzero().get()).unwrap_or_default();
        let yes = |name| Value::property(name, Value::Bool(true));
        vec![
            Value::property("Description", Value::text(&format!("container {}", self.name))),
            Value::property("Slice", Value::text(&self.slice)),
            Value::property("PIDs", Value::Array("u".to_owned(), vec![Value::U32(pid)])),
            yes("Delegate"),
            yes("CPUAccounting"),
            yes("MemoryAccounting"),
            yes("IOAccounting"),
            yes("TasksAccounting"),
            // Not to be stopped before the engine that runs it when the host goes down.
            Value::property("DefaultDependencies", Value::Bool(false)),
            Value::property("CollectMode", Value::text("inactive-or-failed")),
        ]
    }

    /// Puts another process into the scope, or the group `below` in it.
    pub(super) fn attach(&self, pid: Pid, below: &str) -> Result<(), SystemdError> {
        let pid = u32::try_from(pid.as_raw_nonzero().get()).unwrap_or_default();
        let pids = Value::Array("u".to_owned(), vec![Value::U32(pid)]);
        let arguments = [Value::text(&self.name), Value::text(below), pids];
        let mut connection = Connection::open(&self.bus, &self.name)?;
        connection.call("AttachProcessesToUnit", &arguments).map(|_| ())
    }

    /// Tells systemd of other settings, until the next boot.
    pub(super) fn set(&self, settings: &Settings) -> Result<(), SystemdError> {
        let properties = property::properties(settings);
        if properties.is_empty() {
            return Ok(());
        }
        let arguments = [
            Value::text(&self.name),
            Value::Bool(true),
            Value::Array("(sv)".to_owned(), properties),
        ];
        let mut connection = Connection::open(&self.bus, &self.name)?;
        connection.call("SetUnitProperties", &arguments).map(|_| ())
    }

    /// Stops the scope. One that has gone, for nobody is in it any more, is no error.
    pub(super) fn stop(&self) -> Result<(), SystemdError> {
        let mut connection = Connection::open(&self.bus, &self.name)?;
        let arguments = [Value::text(&self.name), Value::text("replace")];
        match connection.work("StopUnit", &arguments) {
            Err(SystemdError::Call { name, .. }) if name == NO_SUCH_UNIT => Ok(()),
            stopped => stopped,
        }
    }
}

const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

#[cfg(test)]
mod tests;
