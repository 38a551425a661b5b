//! What security modules call a container, and who said so.

use serde::{Deserialize, Serialize};

use super::Gap;

/// What security modules call the processes of a container; empty where they are not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// The AppArmor profile.
    pub apparmor: String,
    /// Why it is that one, or none.
    #[serde(default)]
    pub apparmor_by: Standing,
    /// The SELinux context.
    pub selinux: String,
    /// The SELinux context of the container's own file systems.
    #[serde(default)]
    pub mounts: String,
    /// Why it is that one, or none.
    #[serde(default)]
    pub selinux_by: Standing,
}

/// Why a security module holds a container, or does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A bundle's maker decides.
    #[default]
    Bundle,
    /// The host does not have the module.
    Absent,
    /// The host has it, and does not let this caller put it to use.
    NotOurs,
    /// It holds as coffer does it.
    Default,
    /// It holds as the caller said.
    Caller,
    /// The caller has taken it away.
    Opened,
}

impl Labels {
    /// Whether nothing is known of any module.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The modules that hold the container: what is controlled, how, who said so.
    pub(super) fn words(&self) -> impl Iterator<Item = (&'static str, &str, &'static str)> {
        let all = [
            ("AppArmor profile", &self.apparmor, self.apparmor_by, "--security-opt apparmor="),
            ("SELinux context", &self.selinux, self.selinux_by, "--security-opt label="),
            ("SELinux context of mounts", &self.mounts, self.selinux_by, "--security-opt label="),
        ];
        all.into_iter().filter(|(_, label, ..)| !label.is_empty()).map(|(what, label, by, flag)| {
            let by = match by {
                Standing::Bundle => "bundle",
                Standing::Caller => flag,
                _ => "default",
            };
            (what, label.as_str(), by)
        })
    }

    /// The modules that flags have taken away: what, and the flag.
    pub(super) fn opened(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let all = [
            ("AppArmor", self.apparmor_by, "--security-opt apparmor=unconfined"),
            ("SELinux", self.selinux_by, "--security-opt label=disable"),
        ];
        let opened = all.into_iter().filter(|(_, by, _)| *by == Standing::Opened);
        opened.map(|(module, _, flag)| (module, flag))
    }

    /// Which modules hold nothing of it, and why: what the host lacks is nobody's choice.
    pub(super) fn gap(&self) -> Option<Gap> {
        let gap = |what: String, stronger: Option<&str>| {
            Some(Gap { what, from: None, stronger: stronger.map(str::to_owned) })
        };
        match (self.apparmor_by, self.selinux_by) {
            (Standing::Absent, Standing::Absent) => {
                gap("AppArmor and SELinux hold nothing: this host has neither".to_owned(), None)
            }
            (Standing::Bundle, Standing::Bundle) if self.is_empty() => {
                gap("AppArmor and SELinux hold nothing: neither is asked to".to_owned(), None)
            }
            (Standing::NotOurs, _) => gap(
                "AppArmor holds nothing: only root of the host can load a profile".to_owned(),
                Some("one that is loaded: --security-opt apparmor=NAME; or run as root"),
            ),
            (_, Standing::NotOurs) => gap(
                "SELinux holds nothing: its policy lets this user enter no container's domain"
                    .to_owned(),
                Some("run as root"),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(apparmor_by: Standing, selinux_by: Standing) -> Option<String> {
        Labels { apparmor_by, selinux_by, ..Labels::default() }.gap().map(|gap| gap.what)
    }

    #[test]
    fn a_host_with_one_module_is_a_host_with_a_module() {
        assert_eq!(gap(Standing::Default, Standing::Absent), None);
        assert_eq!(gap(Standing::Opened, Standing::Absent), None);
        let neither = gap(Standing::Absent, Standing::Absent).unwrap();
        assert!(neither.ends_with("this host has neither"), "{neither}");
        let bundle = gap(Standing::Bundle, Standing::Bundle).unwrap();
        assert!(bundle.ends_with("neither is asked to"), "{bundle}");
        let user = gap(Standing::NotOurs, Standing::Absent).unwrap();
        assert!(user.starts_with("AppArmor holds nothing: only root"), "{user}");
        let user = gap(Standing::Absent, Standing::NotOurs).unwrap();
        assert!(user.starts_with("SELinux holds nothing: its policy"), "{user}");
    }
}
