//! Security contexts, of a pod and of its containers.

use crate::yaml::At;
use crate::{ManifestError, fields};

/// What a security context says of a process. What it does not say is `None`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) user: Option<u64>,
    /// Whether the kubelet refuses to start root.
    pub(crate) non_root: Option<bool>,
    pub(crate) filter: Option<Filter>,
    pub(crate) apparmor: Option<AppArmor>,
    /// The type of its SELinux label, where one is named.
    pub(crate) selinux: Option<String>,
}

/// Which system call filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    Unconfined,
    /// The engine's own.
    Runtime,
    /// A file on the node.
    Localhost(String),
}

/// Which AppArmor profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AppArmor {
    Unconfined,
    /// The engine's own.
    Runtime,
    /// One that is loaded on the node.
    Localhost(String),
}

/// The highest user. Source: Kubernetes, validation of `runAsUser`.
const LAST_USER: u64 = 2_147_483_647;

/// Reads what pods and containers both have.
pub(crate) fn context(at: &At<'_>) -> Result<Context, ManifestError> {
    let read = Context {
        user: at.read("runAsUser", user)?,
        non_root: at.read("runAsNonRoot", At::flag)?,
        filter: at.read("seccompProfile", |at| {
            profile(at, [Filter::Unconfined, Filter::Runtime], Filter::Localhost)
        })?,
        apparmor: at.read("appArmorProfile", |at| {
            profile(at, [AppArmor::Unconfined, AppArmor::Runtime], AppArmor::Localhost)
        })?,
        selinux: at.read("seLinuxOptions", selinux)?.flatten(),
    };
    at.read("runAsGroup", user)?;
    Ok(read)
}

impl Context {
    /// With the pod's word where this has none.
    pub(crate) fn or(self, pod: &Self) -> Self {
        Self {
            user: self.user.or(pod.user),
            non_root: self.non_root.or(pod.non_root),
            filter: self.filter.or_else(|| pod.filter.clone()),
            apparmor: self.apparmor.or_else(|| pod.apparmor.clone()),
            selinux: self.selinux.or_else(|| pod.selinux.clone()),
        }
    }

    /// Whether it starts as another user than root for certain.
    pub(crate) fn starts_as_other(&self) -> bool {
        match self.user {
            Some(user) => user != 0,
            None => self.non_root == Some(true),
        }
    }
}

fn user(at: &At<'_>) -> Result<u64, ManifestError> {
    let number = at.number()?;
    if number > LAST_USER { Err(at.wrong(format!("at most {LAST_USER}"))) } else { Ok(number) }
}

fn profile<T>(
    at: &At<'_>,
    [unconfined, runtime]: [T; 2],
    localhost: fn(String) -> T,
) -> Result<T, ManifestError> {
    at.only(fields::PROFILE)?;
    let kind = at.need("type")?;
    let kind = kind.one_of(&["RuntimeDefault", "Localhost", "Unconfined"])?;
    let file = at.get("localhostProfile")?;
    match (kind, file) {
        ("Localhost", _) => Ok(localhost(at.need("localhostProfile")?.text()?)),
        (other, Some(file)) => Err(file.contradicts(format!("set beside type: {other}"))),
        ("Unconfined", None) => Ok(unconfined),
        (_, None) => Ok(runtime),
    }
}

fn selinux(at: &At<'_>) -> Result<Option<String>, ManifestError> {
    at.only(fields::SELINUX)?;
    at.read("type", At::text)
}

impl AppArmor {
    /// From the value of the annotation that there was before the field.
    pub(crate) fn annotation(at: &At<'_>) -> Result<Self, ManifestError> {
        let text = at.text()?;
        match (text.as_str(), text.strip_prefix("localhost/")) {
            ("unconfined", _) => Ok(Self::Unconfined),
            ("runtime/default", _) => Ok(Self::Runtime),
            (_, Some(name)) => Ok(Self::Localhost(name.to_owned())),
            _ => Err(at.wrong("runtime/default or localhost/NAME or unconfined")),
        }
    }
}
