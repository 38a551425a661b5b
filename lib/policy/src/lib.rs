//! Facts in, decision out: may this image run?
//!
//! This is the only crate that can build an [`Admitted`], and the runtime starts nothing without
//! one (law 1). It does no I/O: whoever asks has gathered the [`Facts`] before.

use std::fmt;

use coffer_oci::{Digest, Platform};
use serde::{Deserialize, Serialize};

/// What is known of an image when it asks to run. All of it is about the same digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The name that the caller used.
    pub name: String,
    /// The digest of the manifest that was chosen for the platform.
    pub manifest: Digest,
    /// What platform the image is for.
    pub platform: Platform,
    /// What the host can run.
    pub host: Platform,
}

/// The rules. There is one so far: an image runs only on a platform that it was made for.
///
/// Signatures, vulnerabilities and due dates are not looked at yet, and [`Admitted::unchecked`]
/// says so to the person who runs the image.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy;

/// Why an image may not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {name} is for {platform}, and this host runs {host}")]
pub struct Refusal {
    /// The name that the caller used.
    pub name: String,
    /// The image's platform.
    pub platform: Platform,
    /// The host's platform.
    pub host: Platform,
}

/// Leave to run one image, bound to the digest that was looked at.
///
/// Its fields are private and it cannot be made outside this crate, nor read back from disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    by: Admission,
}

/// How leave to run was given; kept in the container's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admission {
    /// A policy looked at the image.
    Policy {
        /// The name that the caller used.
        name: String,
        /// The digest of the manifest.
        manifest: Digest,
    },
    /// The caller brought its own bundle and answers for it.
    Caller {
        /// Which caller, and on whose behalf.
        reason: String,
    },
}

impl Policy {
    /// Decides whether the image that `facts` describe may run.
    ///
    /// # Errors
    /// A [`Refusal`] that says which rule stands against it.
    pub fn decide(self, facts: Facts) -> Result<Admitted, Refusal> {
        let Facts { name, manifest, platform, host } = facts;
        if platform.rank_for(&host).is_none() {
            return Err(Refusal { name, platform, host });
        }
        Ok(Admitted { by: Admission::Policy { name, manifest } })
    }
}

impl Admitted {
    /// Admits a bare bundle whose caller (containerd, podman) has already decided.
    pub fn by_caller(reason: impl Into<String>) -> Self {
        Self { by: Admission::Caller { reason: reason.into() } }
    }

    /// How leave was given, to be recorded.
    pub fn admission(&self) -> &Admission {
        &self.by
    }

    /// What nobody looked at, in words for the person who runs it.
    pub fn unchecked(&self) -> &'static [&'static str] {
        &["who made the image", "known vulnerabilities"]
    }
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy { name, manifest } => write!(f, "{name} at {manifest}"),
            Self::Caller { reason } => write!(f, "by its caller: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(image: &str, host: &str) -> Facts {
        Facts {
            name: "web".to_owned(),
            manifest: Digest::of(b"manifest"),
            platform: image.parse().unwrap(),
            host: host.parse().unwrap(),
        }
    }

    #[test]
    fn admits_the_digest_that_it_looked_at() {
        let admitted = Policy.decide(facts("linux/amd64", "linux/amd64")).unwrap();
        let Admission::Policy { manifest, .. } = admitted.admission() else { panic!() };
        assert_eq!(*manifest, Digest::of(b"manifest"));
    }

    #[test]
    fn refuses_another_platform() {
        let refusal = Policy.decide(facts("linux/s390x", "linux/amd64")).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "refused: web is for linux/s390x, and this host runs linux/amd64"
        );
    }
}
