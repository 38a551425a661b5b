//! A Landlock policy as steps: one for each rule, so that the one that fails is named.

use std::ffi::CString;

use coffer_confine::confinement::Confinement;
use coffer_sys::landlock::{Files, Ports, Scopes};

use super::{Plan, PlanError, Step, text};

/// One step of putting a policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Landlocked {
    /// Takes all of this away, but for what is allowed after.
    Handle(Files, Ports, Scopes),
    /// Allows this at and beneath a path inside.
    Beneath(CString, Files),
    /// Allows this for a port.
    Port(u16, Ports),
    /// Puts it in force.
    Restrict,
}

impl Plan {
    /// The policy of the fence, after the root was changed and before the program is looked for.
    pub(super) fn landlock_steps(&mut self, confinement: &Confinement) -> Result<(), PlanError> {
        let Some(policy) = &confinement.landlock else { return Ok(()) };
        let handle = Landlocked::Handle(policy.files(), policy.ports(), policy.scopes());
        self.steps.push(Step::Landlock(handle));
        for (path, files) in policy.allowed_files() {
            let path = text("a path of the Landlock policy", path)?;
            self.steps.push(Step::Landlock(Landlocked::Beneath(path, files)));
        }
        for (port, ports) in policy.allowed_ports() {
            self.steps.push(Step::Landlock(Landlocked::Port(port, ports)));
        }
        self.steps.push(Step::Landlock(Landlocked::Restrict));
        Ok(())
    }
}

impl Landlocked {
    /// What it does, for people.
    pub(super) fn doing(&self) -> String {
        match self {
            Self::Handle(..) => "make the Landlock policy".to_owned(),
            Self::Beneath(path, _) => {
                format!("allow by Landlock what is below {}", path.to_string_lossy())
            }
            Self::Port(port, _) => format!("allow port {port} by Landlock"),
            Self::Restrict => "put the Landlock policy in force".to_owned(),
        }
    }
}
