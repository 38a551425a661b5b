//! What stands in a profile, each value looked at with the place where it stands.
//!
//! Sources: moby, profiles/seccomp/seccomp.go; containers/common, pkg/seccomp/types.go, which has
//! names for errnos beside; runtime-spec config-linux.md, "Seccomp".

use coffer_oci::runtime::{SeccompAction, SeccompArg, SeccompOperator, SeccompRule};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::{Arch, errno};
use super::{DockerError, Host};
use crate::capability::{CapSet, Capability};

/// Architectures that profiles name, as libseccomp and as docker's conditions do. Source: man 3
/// seccomp_arch_add; moby, `goToNative`.
const ARCHES: &[&str] = &[
    "X86",
    "X86_64",
    "X32",
    "ARM",
    "AARCH64",
    "LOONGARCH64",
    "M68K",
    "MIPS",
    "MIPS64",
    "MIPS64N32",
    "MIPSEL",
    "MIPSEL64",
    "MIPSEL64N32",
    "PARISC",
    "PARISC64",
    "PPC",
    "PPC64",
    "PPC64LE",
    "RISCV64",
    "S390",
    "S390X",
    "SH",
    "SHEB",
];
const GO_ARCHES: &[&str] = &[
    "386",
    "amd64",
    "x32",
    "x86",
    "arm",
    "arm64",
    "loong64",
    "mips",
    "mips64",
    "mips64le",
    "mips64n32",
    "mips64p32",
    "mips64p32le",
    "mipsel",
    "mipsel64",
    "mipsel64n32",
    "mipsle",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv64",
    "s390",
    "s390x",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub(super) struct File {
    pub(super) default_action: SeccompAction,
    default_errno_ret: Option<u32>,
    default_errno: Option<String>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<ArchMap>>,
    #[serde(default)]
    pub(super) flags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) syscalls: Option<Vec<Item>>,
    #[serde(default)]
    pub(super) listener_path: String,
    #[serde(default)]
    pub(super) listener_metadata: String,
    #[serde(default, rename = "comment")]
    _comment: IgnoredAny,
}

/// What goes together with an architecture.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct ArchMap {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub(super) struct Item {
    names: Option<Vec<String>>,
    /// The older form, one call an item.
    name: Option<String>,
    action: SeccompAction,
    errno_ret: Option<u32>,
    errno: Option<String>,
    #[serde(default)]
    args: Option<Vec<SeccompArg>>,
    #[serde(default)]
    includes: Option<Conditions>,
    #[serde(default)]
    excludes: Option<Conditions>,
    #[serde(default, rename = "comment")]
    _comment: IgnoredAny,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields, expecting = "an object")]
struct Conditions {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

impl File {
    /// The host's architecture and those that go with it.
    pub(super) fn architectures(&self, host: Arch) -> Result<Vec<String>, DockerError> {
        let own = host.oci().to_owned();
        match (&self.architectures, &self.arch_map) {
            (Some(_), Some(_)) => Err(DockerError::at(
                "archMap",
                "stands beside architectures; one of them is enough",
            )),
            (Some(names), None) => {
                known(names, "architectures", is_architecture)?;
                if !names.is_empty() && !names.contains(&own) {
                    let why = format!("{own}, which is this host's, is not among them");
                    return Err(DockerError::at("architectures", why));
                }
                let beside = names.iter().filter(|name| **name != own).cloned();
                Ok(std::iter::once(own.clone()).chain(beside).collect())
            }
            (None, maps) => {
                let mut all = vec![own.clone()];
                for (place, map) in maps.iter().flatten().enumerate() {
                    let path = format!("archMap[{place}]");
                    let name = std::slice::from_ref(&map.architecture);
                    known(name, &format!("{path}.architecture"), is_architecture)?;
                    let beside = map.sub_architectures.as_deref().unwrap_or_default();
                    known(beside, &format!("{path}.subArchitectures"), is_architecture)?;
                    if map.architecture == own {
                        all.extend(beside.iter().cloned());
                    }
                }
                Ok(all)
            }
        }
    }

    pub(super) fn default_errno(&self) -> Result<Option<u32>, DockerError> {
        let given = Given {
            action: self.default_action,
            number: ("defaultErrnoRet", self.default_errno_ret),
            name: ("defaultErrno", self.default_errno.as_deref()),
        };
        given.errno("")
    }
}

fn is_architecture(name: &str) -> bool {
    name.strip_prefix("SCMP_ARCH_").is_some_and(|name| ARCHES.contains(&name))
}

/// Whether each of `names` is one.
fn known(names: &[String], path: &str, is: impl Fn(&str) -> bool) -> Result<(), DockerError> {
    match names.iter().enumerate().find(|(_, name)| !is(name)) {
        Some((place, name)) => {
            Err(DockerError::at(format!("{path}[{place}]"), format!("{name:?} is not known")))
        }
        None => Ok(()),
    }
}

/// An action, and the errno that goes with it by number, by name, or both.
struct Given<'a> {
    action: SeccompAction,
    number: (&'static str, Option<u32>),
    name: (&'static str, Option<&'a str>),
}

impl Given<'_> {
    fn errno(&self, path: &str) -> Result<Option<u32>, DockerError> {
        let ((number_key, number), (name_key, name)) = (self.number, self.name);
        let at = |key: &str, why: String| Err(DockerError::at(format!("{path}{key}"), why));
        if !matches!(self.action, SeccompAction::Errno | SeccompAction::Trace) {
            let key = number.map(|_| number_key).or(name.map(|_| name_key));
            return match key {
                Some(key) => at(key, "the action returns no errno".to_owned()),
                None => Ok(None),
            };
        }
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(number) };
        match (errno::number(name).map(u32::from), number) {
            (None, _) => at(name_key, format!("{name:?} is no errno")),
            (Some(named), Some(number)) if named != number => {
                at(name_key, format!("{name} is {named}, and {number_key} says {number}"))
            }
            (named, _) => Ok(named),
        }
    }
}

impl Item {
    pub(super) fn holds(
        &self,
        path: &str,
        granted: CapSet,
        host: Host,
    ) -> Result<bool, DockerError> {
        let none = Conditions::default();
        let includes = self.includes.as_ref().unwrap_or(&none);
        let excludes = self.excludes.as_ref().unwrap_or(&none);
        let (includes, excludes) = (
            includes.read(&format!("{path}.includes"), granted, host)?,
            excludes.read(&format!("{path}.excludes"), granted, host)?,
        );
        Ok(includes.into_iter().all(|met| met) && !excludes.into_iter().any(|met| met))
    }

    pub(super) fn rule(self, path: &str) -> Result<SeccompRule, DockerError> {
        let given = Given {
            action: self.action,
            number: ("errnoRet", self.errno_ret),
            name: ("errno", self.errno.as_deref()),
        };
        let errno_ret = given.errno(&format!("{path}."))?;
        let names = match (self.names, self.name) {
            (Some(_), Some(_)) => {
                return Err(DockerError::at(format!("{path}.name"), "stands beside names"));
            }
            (names, name) => names.unwrap_or_else(|| name.into_iter().collect()),
        };
        if names.is_empty() {
            return Err(DockerError::at(format!("{path}.names"), "name no call"));
        }
        let args = self.args.unwrap_or_default();
        for (place, arg) in args.iter().enumerate() {
            let at =
                |key: &str, why: &str| DockerError::at(format!("{path}.args[{place}].{key}"), why);
            if arg.index > 5 {
                return Err(at("index", "arguments are 0 to 5"));
            }
            if arg.value_two != 0 && arg.op != SeccompOperator::MaskedEqual {
                return Err(at("valueTwo", "is for SCMP_CMP_MASKED_EQ alone"));
            }
        }
        Ok(SeccompRule { names, action: self.action, errno_ret, args })
    }
}

impl Conditions {
    /// Which of the conditions are met: each capability, the architectures together, the kernel.
    fn read(&self, path: &str, granted: CapSet, host: Host) -> Result<Vec<bool>, DockerError> {
        let capabilities = self.caps.as_deref().unwrap_or_default();
        known(capabilities, &format!("{path}.caps"), |name| name.parse::<Capability>().is_ok())?;
        let has = |name: &String| name.parse().is_ok_and(|capability| granted.has(capability));
        let mut met: Vec<bool> = capabilities.iter().map(has).collect();
        let arches = self.arches.as_deref().unwrap_or_default();
        known(arches, &format!("{path}.arches"), |name| GO_ARCHES.contains(&name))?;
        if !arches.is_empty() {
            met.push(arches.iter().any(|arch| arch == host.arch.go()));
        }
        met.extend(self.new_enough(path, host)?);
        Ok(met)
    }

    fn new_enough(&self, path: &str, host: Host) -> Result<Option<bool>, DockerError> {
        let Some(text) = self.min_kernel.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let version = text.split_once('.').and_then(|(major, minor)| {
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        match version {
            Some(wanted) => Ok(Some(host.kernel >= wanted)),
            None => Err(DockerError::at(
                format!("{path}.minKernel"),
                format!("{text:?} is no version such as 4.8"),
            )),
        }
    }
}
