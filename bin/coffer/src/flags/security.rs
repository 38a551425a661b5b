//! `--security-opt`: what of the fence is opened or changed by name, and which flags cannot go
//! together. Sources: docker's `run` reference, "Security configuration"; podman-run(1).

use std::path::PathBuf;
use std::str::FromStr;

use coffer_runtime::spec::DeviceRequest;

use super::container::FenceFlags;
use crate::failure::Failure;

/// `--security-opt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecurityOption {
    /// The caller's profile, in docker's form.
    SeccompFile(PathBuf),
    /// No filter.
    SeccompUnconfined,
    /// A loaded AppArmor profile, or `unconfined`.
    AppArmor(String),
    /// A part of the SELinux context: `type:`, `level:`, `user:`, `role:`.
    Label(LabelPart, String),
    /// No SELinux context.
    LabelDisable,
    /// The caller's Landlock policy.
    Landlock(PathBuf),
    /// No masked paths.
    PathsUnconfined,
    /// What is so anyway.
    NoNewPrivileges,
}

/// A part of an SELinux context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LabelPart {
    User,
    Role,
    Type,
    Level,
}

impl LabelPart {
    const ALL: [Self; 4] = [Self::User, Self::Role, Self::Type, Self::Level];

    fn name(self) -> &'static str {
        match self {
            Self::User => "label=user",
            Self::Role => "label=role",
            Self::Type => "label=type",
            Self::Level => "label=level",
        }
    }
}

/// `label=PART:VALUE`; the value of a level has colons of its own.
fn label(text: &str) -> Result<SecurityOption, SecurityError> {
    let (name, value) = text.split_once(':').ok_or(SecurityError::Unknown)?;
    let named = |part: &LabelPart| part.name().strip_prefix("label=") == Some(name);
    match LabelPart::ALL.into_iter().find(named) {
        Some(part) if !value.is_empty() => Ok(SecurityOption::Label(part, value.to_owned())),
        _ => Err(SecurityError::Unknown),
    }
}

/// Why an option is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecurityError {
    /// There is no such option.
    #[error(
        "options are seccomp=FILE, seccomp=unconfined, apparmor=PROFILE, apparmor=unconfined, \
         label=type:TYPE, label=level:LEVEL, label=user:USER, label=role:ROLE, label=disable, \
         landlock=FILE, systempaths=unconfined and no-new-privileges"
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
            ("apparmor", name) if !name.is_empty() => Ok(Self::AppArmor(name.to_owned())),
            ("label", "disable") => Ok(Self::LabelDisable),
            ("label", part) => label(part),
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
            Self::AppArmor(_) => "apparmor",
            Self::Label(part, _) => part.name(),
            Self::LabelDisable => "label",
            Self::Landlock(_) => "landlock",
            Self::PathsUnconfined => "systempaths",
            Self::NoNewPrivileges => "no-new-privileges",
        }
    }
}

/// A flag in two words that say opposite things.
pub(crate) fn contradiction(one: &str, other: &str) -> Failure {
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
        if options.contains(&SecurityOption::LabelDisable)
            && options.iter().any(|option| matches!(option, SecurityOption::Label(..)))
        {
            return Err(contradiction("--security-opt label=disable", "another label="));
        }
        if self.allow_setuid && options.contains(&SecurityOption::NoNewPrivileges) {
            return Err(contradiction("--allow-setuid", "--security-opt no-new-privileges"));
        }
        self.check_devices()?;
        if self.privileged { self.check_privileged() } else { Ok(()) }
    }

    /// In one place there is one device.
    fn check_devices(&self) -> Result<(), Failure> {
        for (count, device) in self.device.iter().enumerate() {
            let differs =
                |other: &&DeviceRequest| other.target == device.target && *other != device;
            if self.device.iter().take(count).any(|other| differs(&other)) {
                let what = format!("--device gives {} twice, differently", device.target);
                return Err(Failure::new(what).help("leave one of them out"));
            }
        }
        Ok(())
    }

    /// `--privileged` opens everything: what would close a part of it again is no fence.
    fn check_privileged(&self) -> Result<(), Failure> {
        let closes = [
            (!self.cap_drop.is_empty(), "--cap-drop"),
            (self.closes_calls(), "--security-opt seccomp=FILE"),
            (self.names_profile(), "--security-opt apparmor=PROFILE"),
            (self.names_label(), "--security-opt label="),
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

    fn names_label(&self) -> bool {
        self.security_opt.iter().any(|option| matches!(option, SecurityOption::Label(..)))
    }

    fn names_profile(&self) -> bool {
        let names = |option: &SecurityOption| matches!(option, SecurityOption::AppArmor(name) if name != "unconfined");
        self.security_opt.iter().any(names)
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
        let level = "label=level:s0:c1,c2".parse();
        let expected = SecurityOption::Label(LabelPart::Level, "s0:c1,c2".to_owned());
        assert_eq!(level, Ok(expected));
        assert_eq!("label:disable".parse(), Ok(SecurityOption::LabelDisable));
        for wrong in ["label=type", "label=type:", "label=kind:x", "apparmor="] {
            assert_eq!(wrong.parse::<SecurityOption>(), Err(SecurityError::Unknown), "{wrong}");
        }
        assert_eq!("lable=disable".parse::<SecurityOption>(), Err(SecurityError::Unknown));
    }
}
