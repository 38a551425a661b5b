//! Profiles in docker's form: runtime-spec's, with conditions on capabilities, architecture and
//! kernel. A profile in runtime-spec's own form is one without such conditions.
//!
//! Source: moby, profiles/seccomp, and docker's "Seccomp security profiles".

use coffer_oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompRule};
use serde::Deserialize;

use super::Arch;
use crate::capability::{CapSet, Capability};

/// What the conditions of a profile are held against.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// The architecture.
    pub arch: Arch,
    /// The kernel's version, major and minor.
    pub kernel: (u32, u32),
}

impl Host {
    /// This program's architecture and the running kernel. A version that cannot be read counts
    /// as 0.0, on which nothing that asks for a newer kernel is allowed.
    pub fn read() -> Self {
        let name = rustix::system::uname();
        let release = name.release().to_string_lossy();
        let mut numbers = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
        let kernel = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Self { arch: Arch::HOST, kernel }
    }
}

/// Why bytes are not a profile.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// They are not JSON of this form.
    #[error("the system call filter is not a profile that docker or runtime-spec describes")]
    Json(#[source] serde_json::Error),
    /// A kernel version cannot be read.
    #[error("the system call filter asks for kernel {0:?}, which is no version such as 4.8")]
    Kernel(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    default_action: SeccompAction,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    flags: Option<Vec<String>>,
    #[serde(default)]
    syscalls: Option<Vec<Item>>,
    #[serde(default)]
    listener_path: String,
    #[serde(default)]
    listener_metadata: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(default)]
    names: Option<Vec<String>>,
    /// The older form, one call an item.
    name: Option<String>,
    action: SeccompAction,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<SeccompArg>>,
    #[serde(default)]
    includes: Option<Conditions>,
    #[serde(default)]
    excludes: Option<Conditions>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Conditions {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Reads a profile and keeps the rules that hold for `granted` on `host`.
///
/// # Errors
/// A [`DockerError`].
pub fn parse(json: &[u8], granted: CapSet, host: Host) -> Result<Seccomp, DockerError> {
    let file: File = serde_json::from_slice(json).map_err(DockerError::Json)?;
    let mut syscalls = Vec::new();
    for item in file.syscalls.unwrap_or_default() {
        if item.holds(granted, host)? {
            syscalls.push(item.rule());
        }
    }
    Ok(Seccomp {
        default_action: file.default_action,
        default_errno_ret: file.default_errno_ret,
        architectures: vec![host.arch.oci().to_owned()],
        flags: file.flags.unwrap_or_default(),
        listener_path: file.listener_path,
        listener_metadata: file.listener_metadata,
        syscalls,
    })
}

impl Item {
    fn holds(&self, granted: CapSet, host: Host) -> Result<bool, DockerError> {
        let included = match &self.includes {
            Some(conditions) => conditions.all(granted, host)?,
            None => true,
        };
        let excluded = match &self.excludes {
            Some(conditions) => conditions.any(granted, host)?,
            None => false,
        };
        Ok(included && !excluded)
    }

    fn rule(self) -> SeccompRule {
        let mut names = self.names.unwrap_or_default();
        names.extend(self.name);
        let (action, errno_ret) = (self.action, self.errno_ret);
        SeccompRule { names, action, errno_ret, args: self.args.unwrap_or_default() }
    }
}

impl Conditions {
    fn all(&self, granted: CapSet, host: Host) -> Result<bool, DockerError> {
        let caps = self.caps.iter().flatten().all(|name| has(granted, name));
        let arches = self.arches.as_deref().is_none_or(|list| list.is_empty() || on(host, list));
        Ok(caps && arches && self.new_enough(host)?.unwrap_or(true))
    }

    fn any(&self, granted: CapSet, host: Host) -> Result<bool, DockerError> {
        let caps = self.caps.iter().flatten().any(|name| has(granted, name));
        let arches = self.arches.as_deref().is_some_and(|list| on(host, list));
        Ok(caps || arches || self.new_enough(host)?.unwrap_or(false))
    }

    fn new_enough(&self, host: Host) -> Result<Option<bool>, DockerError> {
        let Some(text) = self.min_kernel.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let version = text.split_once('.').and_then(|(major, minor)| {
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        let wanted = version.ok_or_else(|| DockerError::Kernel(text.to_owned()))?;
        Ok(Some(host.kernel >= wanted))
    }
}

/// A name that is no capability is one that the container does not have.
fn has(granted: CapSet, name: &str) -> bool {
    name.parse::<Capability>().is_ok_and(|capability| granted.has(capability))
}

fn on(host: Host, arches: &[String]) -> bool {
    arches.iter().any(|arch| arch == host.arch.go())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seccomp::{Action, Profile, Rule, compile};

    const HOST: Host = Host { arch: Arch::X86_64, kernel: (6, 1) };

    fn names(syscalls: &str, granted: CapSet) -> Vec<String> {
        let json =
            format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","archMap":[],"syscalls":[{syscalls}]}}"#);
        let filter = parse(json.as_bytes(), granted, HOST).unwrap();
        filter.syscalls.into_iter().flat_map(|rule| rule.names).collect()
    }

    #[test]
    fn conditions_are_held_against_the_host() {
        let item = |name: &str, more: &str| {
            format!(r#"{{"names":["{name}"],"action":"SCMP_ACT_ALLOW","comment":"",{more}}}"#)
        };
        let list = [
            item("a", r#""includes":{"caps":["CAP_SYS_ADMIN"]}"#),
            item("b", r#""excludes":{"caps":["CAP_SYS_ADMIN"]}"#),
            item("c", r#""includes":{"arches":["amd64","x32"]}"#),
            item("d", r#""includes":{"arches":["s390x"]},"args":null"#),
            item("e", r#""includes":{"minKernel":"4.8"}"#),
            item("f", r#""includes":{"minKernel":"6.10"},"excludes":{}"#),
            r#"{"name":"g","action":"SCMP_ACT_ALLOW","args":[]}"#.to_owned(),
        ]
        .join(",");
        assert_eq!(names(&list, CapSet::DEFAULT), ["b", "c", "e", "g"]);
        assert_eq!(names(&list, CapSet::ALL), ["a", "c", "e", "g"]);
    }

    /// The profile that podman and docker share, where it is installed (containers-common).
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a file of the host's, in a test")]
    fn the_profile_of_podman_is_taken() {
        let Ok(json) = std::fs::read("/usr/share/containers/seccomp.json") else {
            return println!("skipped: needs Debian's golang-github-containers-common");
        };
        let rules = |granted| {
            let profile = Profile::from_oci(&parse(&json, granted, Host::read()).unwrap()).unwrap();
            let program = compile(&profile, Arch::HOST).unwrap();
            println!("{} instructions", program.instructions().len());
            profile.rules
        };
        let allows = |rules: &[Rule], call: &str| {
            let allowed =
                |r: &&Rule| r.call == call && r.when.is_empty() && r.action == Action::Allow;
            rules.iter().any(|rule| allowed(&rule))
        };
        let (few, all) = (rules(CapSet::EMPTY), rules(CapSet::ALL));
        assert!(allows(&few, "read") && allows(&all, "read"));
        assert!(!allows(&few, "bpf") && allows(&all, "bpf"));
        assert!(!allows(&few, "open_by_handle_at") && allows(&all, "open_by_handle_at"));
    }

    #[test]
    fn the_running_kernel_has_a_version() {
        assert!(Host::read().kernel >= (5, 0));
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for json in ["", "[]", "{}", r#"{"defaultAction":"ALLOW"}"#] {
            assert!(parse(json.as_bytes(), CapSet::EMPTY, HOST).is_err(), "{json}");
        }
        let kernel = br#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["x"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"new"}}]}"#;
        assert!(matches!(parse(kernel, CapSet::EMPTY, HOST), Err(DockerError::Kernel(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(json in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&json, CapSet::EMPTY, HOST).is_err());
        }
    }
}
