//! What Landlock holds of a container: the files that it may write and execute, the ports that it
//! may bind and connect, whether its signals and abstract sockets reach others. Source: man 7
//! landlock.
//!
//! A policy is the caller's, as a file of JSON. What the kernel is too old for is refused and not
//! left out: a policy that half holds is believed to hold.

use coffer_sys::landlock::{Files, Ports, Scopes};
use serde::{Deserialize, Serialize};

/// A policy. What is `None` is not restricted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Landlock {
    /// Where it may write, make and remove, as paths inside. The container's own devices can
    /// always be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Vec<String>>,
    /// What it may execute, as paths inside. A program's loader counts too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execute: Option<Vec<String>>,
    /// TCP ports that it may bind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<Vec<u16>>,
    /// TCP ports that it may connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Vec<u16>>,
    /// What reaches nobody outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<Scope>,
}

/// What can be kept inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Signals.
    Signals,
    /// Connections to abstract unix sockets.
    AbstractSockets,
}

/// Why a policy cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LandlockError {
    /// It is not JSON of this form.
    #[error("the Landlock policy makes no sense: {0}")]
    Json(String),
    /// It restricts nothing.
    #[error(
        "the Landlock policy restricts nothing: it has none of write, execute, bind, connect and scope"
    )]
    Empty,
    /// A path is not absolute.
    #[error("the Landlock policy has the path {0:?}, which is not absolute or has \"..\" in it")]
    Path(String),
    /// The kernel is too old.
    #[error(
        "the Landlock policy restricts {what}, which needs Landlock {needs}; this kernel has {has}"
    )]
    TooOld {
        /// What.
        what: &'static str,
        /// Since which version of Landlock that is there.
        needs: u32,
        /// What the kernel has; 0 is none.
        has: u32,
    },
    /// It needs no_new_privs.
    #[error("a Landlock policy cannot go together with set-id programs that work")]
    SetId,
}

impl LandlockError {
    /// What to do about it.
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::TooOld { .. } => Some(
                "take it out of the policy, or boot a newer Linux (3 came with 6.2, 4 with 6.7, \
                 6 with 6.12)",
            ),
            Self::SetId => Some("leave out --allow-setuid, or --security-opt landlock="),
            Self::Json(_) | Self::Empty => {
                Some(r#"a policy looks like {"write": ["/data"], "connect": [443]}"#)
            }
            Self::Path(_) => None,
        }
    }
}

/// What is always allowed to be written, where writing is restricted: its own devices.
const DEVICES: &str = "/dev";

impl Landlock {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`LandlockError::Json`], [`LandlockError::Empty`] or [`LandlockError::Path`].
    pub fn parse(json: &[u8]) -> Result<Self, LandlockError> {
        let policy: Self =
            serde_json::from_slice(json).map_err(|error| LandlockError::Json(error.to_string()))?;
        if policy == Self::default() {
            return Err(LandlockError::Empty);
        }
        let paths = [&policy.write, &policy.execute].into_iter().flatten().flatten();
        let wrong = |path: &&String| !path.starts_with('/') || path.split('/').any(|p| p == "..");
        let found = paths.into_iter().find(wrong).cloned();
        found.map_or(Ok(policy), |path| Err(LandlockError::Path(path)))
    }

    /// Checks that Landlock of version `abi` can hold all of it. Sources: man 7 landlock,
    /// "VERSIONS"; truncating came with 3, ports with 4, scopes with 6.
    ///
    /// # Errors
    /// [`LandlockError::TooOld`].
    pub fn check(&self, abi: u32) -> Result<(), LandlockError> {
        let asked = [
            (self.execute.is_some(), "executing files", 2),
            (self.write.is_some(), "writing files", 3),
            (self.bind.is_some(), "ports to bind", 4),
            (self.connect.is_some(), "ports to connect to", 4),
            (!self.scope.is_empty(), "signals and abstract sockets", 6),
        ];
        match asked.into_iter().find(|(asked, _, needs)| *asked && *needs > abi) {
            Some((_, what, needs)) => Err(LandlockError::TooOld { what, needs, has: abi }),
            None => Ok(()),
        }
    }

    /// What is taken away of files. Renames between folders are in every ruleset.
    pub fn files(&self) -> Files {
        let mut files = Files::NONE;
        if self.execute.is_some() {
            files = files.and(Files::EXECUTE).and(Files::REFER);
        }
        if self.write.is_some() {
            files = files.and(Files::WRITE);
        }
        files
    }

    /// What is given back of files, and where.
    pub fn allowed_files(&self) -> Vec<(&str, Files)> {
        let list = |paths: &'_ Option<Vec<String>>| paths.iter().flatten().count();
        let mut allowed = Vec::with_capacity(list(&self.write) + list(&self.execute) + 2);
        if self.execute.is_some() && self.write.is_none() {
            allowed.push(("/", Files::REFER));
        }
        if self.write.is_some() {
            allowed.push((DEVICES, Files::WRITE_FILE));
        }
        allowed.extend(self.write.iter().flatten().map(|path| (path.as_str(), Files::WRITE)));
        allowed.extend(self.execute.iter().flatten().map(|path| (path.as_str(), Files::EXECUTE)));
        allowed
    }

    /// What is taken away of ports.
    pub fn ports(&self) -> Ports {
        let bind = if self.bind.is_some() { Ports::BIND } else { Ports::NONE };
        if self.connect.is_some() { bind.and(Ports::CONNECT) } else { bind }
    }

    /// What is given back of ports.
    pub fn allowed_ports(&self) -> Vec<(u16, Ports)> {
        let bind = self.bind.iter().flatten().map(|port| (*port, Ports::BIND));
        bind.chain(self.connect.iter().flatten().map(|port| (*port, Ports::CONNECT))).collect()
    }

    /// What reaches nobody outside.
    pub fn scopes(&self) -> Scopes {
        self.scope.iter().fold(Scopes::NONE, |scopes, scope| {
            scopes.and(match scope {
                Scope::Signals => Scopes::SIGNALS,
                Scope::AbstractSockets => Scopes::ABSTRACT_SOCKETS,
            })
        })
    }

    /// What it holds, in words: a line for each.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let or_none = |words: Vec<String>| match words.is_empty() {
            true => "none".to_owned(),
            false => words.join(" "),
        };
        let ports = |list: &[u16]| or_none(list.iter().map(u16::to_string).collect());
        let mut lines = Vec::new();
        lines.extend(self.write.clone().map(|paths| ("writes below", or_none(paths))));
        lines.extend(self.execute.clone().map(|paths| ("executes", or_none(paths))));
        lines.extend(self.bind.as_deref().map(|list| ("binds ports", ports(list))));
        lines.extend(self.connect.as_deref().map(|list| ("connects to ports", ports(list))));
        lines.extend(self.scope.iter().map(|scope| {
            let what = match scope {
                Scope::Signals => "signals",
                Scope::AbstractSockets => "abstract sockets",
            };
            (what, "stay inside".to_owned())
        }));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_policy_is_read_whole_or_refused() {
        let policy = Landlock::parse(br#"{"write":["/data"],"scope":["signals"]}"#).unwrap();
        assert_eq!(policy.write, Some(vec!["/data".to_owned()]));
        assert_eq!(policy.allowed_files(), [("/dev", Files::WRITE_FILE), ("/data", Files::WRITE)]);
        assert_eq!(policy.scopes(), Scopes::SIGNALS);
        for (bad, error) in [
            (r#"{"wirte":["/data"]}"#, "wirte"),
            (r#"{"scope":["files"]}"#, "files"),
            (r#"{"bind":[70000]}"#, "70000"),
            ("{}", "restricts nothing"),
            (r#"{"write":["data"]}"#, "\"data\""),
            (r#"{"write":["/data/../etc"]}"#, "\"/data/../etc\""),
        ] {
            let said = Landlock::parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(error), "{bad}: {said}");
        }
    }

    /// Never silently less than asked.
    #[test]
    fn an_older_kernel_is_refused_by_what_it_lacks() {
        let policy = |json: &str| Landlock::parse(json.as_bytes()).unwrap();
        for (json, needs) in [
            (r#"{"execute":[]}"#, 2),
            (r#"{"write":[]}"#, 3),
            (r#"{"connect":[]}"#, 4),
            (r#"{"scope":["abstract-sockets"]}"#, 6),
        ] {
            let policy = policy(json);
            assert_eq!(policy.check(needs), Ok(()));
            for has in 0..needs {
                let error = policy.check(has).unwrap_err();
                assert!(matches!(error, LandlockError::TooOld { has: h, .. } if h == has));
                assert!(error.help().is_some());
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(json in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Landlock::parse(&json).is_err());
        }
    }
}
