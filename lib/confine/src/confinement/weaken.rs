//! What flags have opened: one gap for each, said once when the container is made, kept in its
//! record, and shown by `explain`.

use coffer_oci::runtime::NamespaceKind;

use super::{Confinement, Gap, NewPrivileges, Privilege, SystemCalls};
use crate::capability::{CapSet, Capability};
use crate::seccomp::{self, diff};

/// Namespaces that a container shares only when told to.
pub(super) const SHARED: [(NamespaceKind, &str, &str); 4] = [
    (
        NamespaceKind::Network,
        "the host's network and its abstract sockets can be reached",
        "--network host",
    ),
    (NamespaceKind::Pid, "the host's processes can be seen", "--pid host"),
    (NamespaceKind::Ipc, "the host's shared memory can be reached", "--ipc host"),
    (NamespaceKind::Uts, "the host's name is shared", "--uts host"),
];

/// How many calls are named in a sentence.
const NAMED: usize = 4;

fn opened(what: impl Into<String>, from: impl Into<String>) -> Gap {
    let stronger = Some("leave it out".to_owned());
    Gap { what: what.into(), from: Some(from.into()), stronger }
}

impl Confinement {
    /// What flags have opened.
    pub fn weakenings(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        if self.privilege == Privilege::Privileged {
            let what = "every capability, every system call, all of /proc and /sys, and set-id \
                        programs are open to the container";
            gaps.push(opened(what, "--privileged"));
        }
        if self.ids.is_none() {
            gaps.push(opened("root in the container is root on the host", "--userns host"));
        }
        let shared = SHARED.iter().filter(|(kind, ..)| !self.has_own(*kind));
        gaps.extend(shared.map(|(_, what, from)| opened(*what, *from)));
        gaps.extend(self.joined_gaps());
        if self.privilege == Privilege::Fenced {
            gaps.extend(self.weakened_by_name());
        }
        gaps.extend(self.devices.iter().map(|device| {
            let what = format!("the host's device {} is the container's", device.source.display());
            opened(what, format!("--device {device}"))
        }));
        gaps
    }

    /// What `--privileged` opens all at once.
    fn weakened_by_name(&self) -> Vec<Gap> {
        let mut gaps: Vec<Gap> =
            self.granted.iter().filter_map(|capability| self.weakened_by(capability)).collect();
        if self.privileges == NewPrivileges::ByFile {
            let what = "set-id programs change the user, within the container's ids";
            gaps.push(opened(what, "--allow-setuid"));
        }
        match &self.seccomp {
            SystemCalls::Default => {}
            SystemCalls::Unconfined => gaps.push(opened(
                "every system call of the host's kernel can be made",
                "--security-opt seccomp=unconfined",
            )),
            SystemCalls::Profile(profile) => {
                gaps.extend(self.weakened_by_profile(profile));
                gaps.extend(profile.beside.iter().map(|arch| {
                    let what = format!("the kernel's calls for {} can be made", arch.go());
                    opened(what, "--security-opt seccomp=FILE")
                }));
            }
        }
        if let Some(listener) = &self.listener {
            let what = format!("who listens at {} decides about system calls", listener.path);
            gaps.push(opened(what, "--security-opt seccomp=FILE"));
        }
        gaps.extend(
            self.labels
                .opened()
                .map(|(module, flag)| opened(format!("{module} holds nothing of it"), flag)),
        );
        if self.masked_paths.is_empty() {
            let from = "--security-opt systempaths=unconfined";
            gaps.push(opened("/proc and /sys show the host and can be written", from));
        }
        gaps
    }

    /// What a capability opens that is not in the default, or that holds on the host.
    fn weakened_by(&self, capability: Capability) -> Option<Gap> {
        let power = capability.power()?;
        let what = if self.ids.is_none() { power.on_host } else { power.inside }?;
        let from = match CapSet::DEFAULT.has(capability) {
            true => "--userns host".to_owned(),
            false => format!("--cap-add {capability}"),
        };
        let mut gap = opened(what, from);
        if CapSet::DEFAULT.has(capability) {
            gap.stronger = Some(format!("--cap-drop {capability}"));
        }
        Some(gap)
    }

    /// What a profile of the caller's allows that coffer's own refuses.
    fn weakened_by_profile(&self, profile: &seccomp::Profile) -> Option<Gap> {
        let own = seccomp::default::profile(self.granted);
        let more: Vec<&str> = diff::changes(&own, profile)
            .into_iter()
            .filter(diff::Change::opens)
            .map(|change| change.call)
            .collect();
        let (named, rest) = more.split_at(more.len().min(NAMED));
        let rest = if rest.is_empty() { "" } else { ", …" };
        let what = format!(
            "{} system calls can be made that the default refuses ({}{rest})",
            more.len(),
            named.join(", ")
        );
        (!more.is_empty()).then(|| opened(what, "--security-opt seccomp=FILE"))
    }
}
