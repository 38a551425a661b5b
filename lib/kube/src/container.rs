//! A container: what it says for itself.

use std::collections::BTreeMap;

use coffer_confine::capability::{CapWord, Capability, words};
use coffer_confine::posture::HostPath;

use crate::security::{self, AppArmor, Context};
use crate::volume::{self, Volume};
use crate::yaml::At;
use crate::{ManifestError, fields, quantity};

/// A container.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) context: Context,
    pub(crate) privileged: bool,
    pub(crate) escalation: Option<bool>,
    pub(crate) add: Vec<CapWord>,
    pub(crate) drop: Vec<CapWord>,
    pub(crate) read_only_root: bool,
    /// Whether `/proc` is as the kernel shows it.
    pub(crate) unmasked: bool,
    pub(crate) host_ports: Vec<u64>,
    pub(crate) host_paths: Vec<HostPath>,
    /// Limits, as written.
    pub(crate) limits: BTreeMap<String, String>,
}

impl Container {
    pub(crate) fn read(
        at: &At<'_>,
        volumes: &[Volume],
        profiles: &BTreeMap<String, AppArmor>,
    ) -> Result<Self, ManifestError> {
        at.only(fields::CONTAINER)?;
        let name = at.need("name")?.text()?;
        let mut container = Self {
            context: Context::default(),
            image: at.read("image", At::text)?.unwrap_or_default(),
            privileged: false,
            escalation: None,
            add: Vec::new(),
            drop: Vec::new(),
            read_only_root: false,
            unmasked: false,
            host_ports: host_ports(at)?,
            host_paths: volume::mounted(at, volumes)?,
            limits: quantity::limits(at)?,
            name,
        };
        if let Some(security) = at.get("securityContext")? {
            container.secure(&security)?;
        }
        let annotated = profiles.get(&container.name).cloned();
        container.context.apparmor = container.context.apparmor.or(annotated);
        Ok(container)
    }

    fn secure(&mut self, at: &At<'_>) -> Result<(), ManifestError> {
        at.only(fields::SECURITY)?;
        self.context = security::context(at)?;
        self.privileged = at.read("privileged", At::flag)?.unwrap_or(false);
        self.read_only_root = at.read("readOnlyRootFilesystem", At::flag)?.unwrap_or(false);
        let mount = at.read("procMount", |at| at.one_of(&["Default", "Unmasked"]))?;
        self.unmasked = mount == Some("Unmasked");
        if let Some(capabilities) = at.get("capabilities")? {
            capabilities.only(fields::CAPABILITIES)?;
            self.add = list(&capabilities, "add")?;
            self.drop = list(&capabilities, "drop")?;
        }
        self.escalation = at.read("allowPrivilegeEscalation", |at| self.escalation(at))?;
        Ok(())
    }

    /// Kubernetes refuses what cannot be without it. Source: its validation of security contexts.
    fn escalation(&self, at: &At<'_>) -> Result<bool, ManifestError> {
        let allowed = at.flag()?;
        let admin = CapWord::One(Capability::SysAdmin);
        if !allowed && self.privileged {
            return Err(at.contradicts("false beside privileged: true"));
        }
        if !allowed && self.add.contains(&admin) {
            return Err(at.contradicts("false beside the capability SYS_ADMIN"));
        }
        Ok(allowed)
    }
}

fn list(at: &At<'_>, name: &str) -> Result<Vec<CapWord>, ManifestError> {
    let read = |at: &At<'_>| {
        let word = words(&[at.text()?]).map_err(|error| at.wrong(format!("one: {error}")))?;
        word.first().copied().ok_or_else(|| at.wrong("a capability"))
    };
    at.items(name)?.iter().map(read).collect()
}

fn host_ports(at: &At<'_>) -> Result<Vec<u64>, ManifestError> {
    let mut ports = Vec::new();
    for port in at.items("ports")? {
        port.only(fields::PORT)?;
        if let Some(host) = port.get("hostPort")? {
            match host.number()? {
                0 => {}
                number @ 1..=65535 => ports.push(number),
                _ => return Err(host.wrong("at most 65535")),
            }
        }
    }
    Ok(ports)
}
