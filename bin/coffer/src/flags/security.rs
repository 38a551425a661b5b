//! `--security-opt`: what of the fence is opened or changed by name, and which flags cannot go
//! together. Sources: docker's `run` reference, "Security configuration"; podman-run(1).

use std::path::PathBuf;
use std::str::FromStr;

use super::container::FenceFlags;
use crate::failure::Failure;

/// `--security-opt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecurityOption {
    /// The caller's profile, in docker's form.
    SeccompFile(PathBuf),
    /// No filter.
    SeccompUnconfined,
    /// The caller's Landlock policy.
    Landlock(PathBuf),
    /// No masked paths.
    PathsUnconfined,
    /// What is so anyway.
    NoNewPrivileges,
}

/// Why an option is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecurityError {
    /// There is no such option.
    #[error(
        "options are seccomp=FILE, seccomp=unconfined, landlock=FILE, systempaths=unconfined and \
         no-new-privileges"
    )]
    Unknown,
    /// The word for it is another.
    #[error("no_new_privs is always set; set-user-id programs work with --allow-setuid")]
    Privileges,
}

impl FromStr for SecurityOption {
    type Err = SecurityError;

    /// Docker takes `name=value` and, of old, `name:value`.
    fn from_str(text: &str) -> Result<Self, SecurityError> {
        let (name, value) = text.split_once(['=', ':']).unwrap_or((text, ""));
        match (name, value) {
            ("seccomp", "unconfined") => Ok(Self::SeccompUnconfined),
            ("seccomp", file) if !file.is_empty() => Ok(Self::SeccompFile(PathBuf::from(file))),
            ("landlock", file) if !file.is_empty() => Ok(Self::Landlock(PathBuf::from(file))),
            ("systempaths", "unconfined") => Ok(Self::PathsUnconfined),
            ("no-new-privileges", "" | "true") => Ok(Self::NoNewPrivileges),
            ("no-new-privileges", _) => Err(SecurityError::Privileges),
            _ => Err(SecurityError::Unknown),
        }
    }
}

impl SecurityOption {
    /// The part of the fence that it is about: one option for each part.
    fn part(&self) -> &'static str {
        match self {
            Self::SeccompFile(_) | Self::SeccompUnconfined => "seccomp",
            Self::Landlock(_) => "landlock",
            Self::PathsUnconfined => "systempaths",
            Self::NoNewPrivileges => "no-new-privileges",
        }
    }
}

/// A flag in two words that say opposite things.
fn contradiction(one: &str, other: &str) -> Failure {
    Failure::new(format!("{one} and {other} contradict each other")).help("leave one of them out")
}

impl FenceFlags {
    /// Refuses flags that cannot all be meant.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let options = &self.security_opt;
        for (place, option) in options.iter().enumerate() {
            let part = option.part();
            if options[..place].iter().any(|other| other.part() == part && other != option) {
                let flag = format!("--security-opt {part}=");
                return Err(Failure::new(format!("{flag} is given twice, with different values"))
                    .help("leave one of them out"));
            }
        }
        if self.allow_setuid && options.contains(&SecurityOption::NoNewPrivileges) {
            return Err(contradiction("--allow-setuid", "--security-opt no-new-privileges"));
        }
        if self.privileged { self.check_privileged() } else { Ok(()) }
    }

    /// `--privileged` opens everything: what would close a part of it again is no fence.
    fn check_privileged(&self) -> Result<(), Failure> {
        let closes = [
            (!self.cap_drop.is_empty(), "--cap-drop"),
            (self.closes_calls(), "--security-opt seccomp=FILE"),
            (self.security_opt.contains(&SecurityOption::NoNewPrivileges), "no-new-privileges"),
        ];
        if let Some((_, flag)) = closes.iter().find(|(closes, _)| *closes) {
            return Err(contradiction("--privileged", flag)
                .help("open what is needed by name: --cap-add NAME, --device PATH"));
        }
        if self.yes_really {
            return Ok(());
        }
        Err(Failure::new("--privileged takes down the fence around the container")
            .because("with it a program can take over the host by any bug of the kernel's")
            .help("open what is needed by name: --cap-add NAME, --device PATH, --allow-setuid")
            .help("if it has to be: --privileged --yes-really"))
    }

    fn closes_calls(&self) -> bool {
        self.security_opt.iter().any(|option| matches!(option, SecurityOption::SeccompFile(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relaxations_are_named() {
        assert_eq!("seccomp=unconfined".parse(), Ok(SecurityOption::SeccompUnconfined));
        assert_eq!("seccomp=/p.json".parse(), Ok(SecurityOption::SeccompFile("/p.json".into())));
        let refused = "no-new-privileges=false".parse::<SecurityOption>();
        assert_eq!(refused, Err(SecurityError::Privileges));
        assert_eq!("lable=disable".parse::<SecurityOption>(), Err(SecurityError::Unknown));
    }
}
