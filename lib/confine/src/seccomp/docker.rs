//! Profiles in docker's form: runtime-spec's, with conditions on capabilities, architecture and
//! kernel. A profile in runtime-spec's own form is one without such conditions.
//!
//! Source: moby, profiles/seccomp, and docker's "Seccomp security profiles".

mod file;

use coffer_oci::runtime::{Seccomp, SeccompAction};

use super::Arch;
use crate::capability::CapSet;
use file::File;

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
    Json(#[source] serde_path_to_error::Error<serde_json::Error>),
    /// Something in it makes no sense, or is not had here.
    #[error("the system call filter: {path}: {why}")]
    At {
        /// Where: `syscalls[3].includes.caps[0]`.
        path: String,
        /// What.
        why: String,
    },
}

impl DockerError {
    fn at(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self::At { path: path.into(), why: why.into() }
    }
}

/// Reads a profile and keeps the rules that hold for `granted` on `host`. Nothing in it is passed
/// over: what is not known is an error, for a filter that was mistyped would be a hole.
///
/// # Errors
/// A [`DockerError`].
pub fn parse(json: &[u8], granted: CapSet, host: Host) -> Result<Seccomp, DockerError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let file: File = serde_path_to_error::deserialize(&mut reader).map_err(DockerError::Json)?;
    if reader.end().is_err() {
        return Err(DockerError::at("the end", "something comes after the profile"));
    }
    let architectures = file.architectures(host.arch)?;
    let default_errno_ret = file.default_errno()?;
    let mut syscalls = Vec::new();
    let mut handed = file.default_action == SeccompAction::Notify;
    for (place, item) in file.syscalls.into_iter().flatten().enumerate() {
        let path = format!("syscalls[{place}]");
        let holds = item.holds(&path, granted, host)?;
        let rule = item.rule(&path)?;
        handed |= rule.action == SeccompAction::Notify;
        if holds {
            syscalls.push(rule);
        }
    }
    for (key, text) in
        [("listenerPath", &file.listener_path), ("listenerMetadata", &file.listener_metadata)]
    {
        if !text.is_empty() && !handed {
            return Err(DockerError::at(key, "nothing is handed to a listener (SCMP_ACT_NOTIFY)"));
        }
    }
    Ok(Seccomp {
        default_action: file.default_action,
        default_errno_ret,
        architectures,
        flags: file.flags.unwrap_or_default(),
        listener_path: file.listener_path,
        listener_metadata: file.listener_metadata,
        syscalls,
    })
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
        assert!(parse(kernel, CapSet::EMPTY, HOST).is_err());
    }

    /// What each says, with the place.
    #[test]
    fn nothing_is_passed_over() {
        let said = |json: &str| match parse(json.as_bytes(), CapSet::DEFAULT, HOST) {
            Err(DockerError::Json(error)) => error.to_string(),
            Err(error) => error.to_string(),
            Ok(filter) => panic!("{json} is {filter:?}"),
        };
        let file = |more: &str| said(&format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO",{more}}}"#));
        let item = |more: &str| {
            file(&format!(r#""syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW",{more}}}]"#))
        };
        for (said, what) in [
            (file(r#""syscals":[]"#), "syscals"),
            (file(r#""architectures":["SCMP_ARCH_X68"]"#), "architectures[0]: \"SCMP_ARCH_X68\""),
            (file(r#""architectures":["SCMP_ARCH_ARM"]"#), "architectures: SCMP_ARCH_X86_64"),
            (file(r#""architectures":[],"archMap":[]"#), "archMap: stands beside architectures"),
            (
                file(
                    r#""archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["X86"]}]"#,
                ),
                "archMap[0].subArchitectures[0]: \"X86\"",
            ),
            (file(r#""defaultErrno":"EFOO""#), "defaultErrno: \"EFOO\""),
            (file(r#""defaultErrno":"ENOSYS","defaultErrnoRet":1"#), "defaultErrno: ENOSYS is 38"),
            (file(r#""listenerPath":"/x""#), "listenerPath: nothing is handed"),
            (item(r#""name":"write""#), "syscalls[0].name: stands beside names"),
            (item(r#""errnoRet":1"#), "syscalls[0].errnoRet: the action returns no errno"),
            (item(r#""errno":"EPERM""#), "syscalls[0].errno: the action returns no errno"),
            (item(r#""includes":{"caps":["CAP_SYS_ADMN"]}"#), "syscalls[0].includes.caps[0]"),
            (item(r#""excludes":{"arches":["amd46"]}"#), "syscalls[0].excludes.arches[0]"),
            (item(r#""includes":{"minKernel":"new"}"#), "syscalls[0].includes.minKernel: \"new\""),
            (item(r#""includes":{"minkernel":"5.1"}"#), "syscalls[0].includes.minkernel"),
            (
                item(r#""args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]"#),
                "syscalls[0].args[0].index",
            ),
            (
                item(r#""args":[{"index":0,"value":0,"valueTwo":1,"op":"SCMP_CMP_EQ"}]"#),
                "syscalls[0].args[0].valueTwo",
            ),
            (
                item(r#""args":[{"index":0,"value":0,"op":"SCMP_CMP_IS"}]"#),
                "syscalls[0].args[0].op",
            ),
            (
                file(r#""syscalls":[{"names":[],"action":"SCMP_ACT_ALLOW"}]"#),
                "syscalls[0].names: name no call",
            ),
        ] {
            assert!(said.contains(what), "{what:?} in {said:?}");
        }
    }

    #[test]
    fn architectures_and_errnos_are_honoured() {
        let json = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS","comment":"a",
            "archMap":[{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]},
                {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]}],
            "syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errno":"EACCES","comment":"b"},
                {"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":16,
                "valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]}]}"#;
        let filter = parse(json.as_bytes(), CapSet::DEFAULT, HOST).unwrap();
        assert_eq!(filter.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
        let profile = Profile::from_oci(&filter).unwrap();
        assert_eq!(profile.default, Action::Fail(38));
        assert_eq!(profile.rules[0].action, Action::Fail(13));
        if Arch::HOST == Arch::X86_64 {
            assert_eq!(profile.beside, [Arch::X86]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(json in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&json, CapSet::EMPTY, HOST).is_err());
        }
    }
}
