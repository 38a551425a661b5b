//! Platforms, and which manifest of an index is the one for a host.
//!
//! Source: image-spec image-index.md, "platform"; containerd's platforms package for the
//! normal names and for which variants a host can run.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `os/architecture[/variant]`, in the normal names of Go's GOOS and GOARCH.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The CPU architecture, such as `amd64`.
    pub architecture: String,
    /// The operating system, such as `linux`.
    pub os: String,
    /// The variant of the architecture, such as `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The version of the operating system (Windows).
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the operating system that the image needs.
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
}

/// Why a text is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "platform {0:?} should look like os/architecture or os/architecture/variant, such as linux/arm64"
)]
pub struct PlatformError(String);

/// The systems that may stand alone, for the host's own architecture. Source: containerd's
/// `isKnownOS`, as far as there are images for them.
const SYSTEMS: [&str; 4] = ["linux", "windows", "darwin", "freebsd"];
/// The architectures that may stand alone, for Linux. Source: containerd's `isKnownArch`.
const ARCHITECTURES: [&str; 12] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "ppc64", "ppc64le",
    "riscv64", "s390x",
];

impl Platform {
    /// The platform that this program was built for.
    pub fn host() -> Self {
        Self::normal("linux", std::env::consts::ARCH, None)
    }

    fn normal(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, variant) = normal_architecture(architecture, variant.unwrap_or(""));
        Self {
            architecture,
            os: os.to_ascii_lowercase(),
            variant: (!variant.is_empty()).then_some(variant),
            os_version: None,
            os_features: Vec::new(),
        }
    }

    /// How well an image for `self` runs on a host that is `wanted`: `None` not at all, otherwise
    /// smaller is better.
    ///
    /// A host runs images for its own variant and for older ones: arm v7 runs v6 and v5; arm64
    /// runs 32-bit arm; amd64 v3 runs v2 and plain amd64.
    pub fn rank_for(&self, wanted: &Platform) -> Option<usize> {
        let image = Self::normal(&self.os, &self.architecture, self.variant.as_deref());
        if image.os != wanted.os {
            return None;
        }
        let image = (image.architecture.as_str(), image.variant.as_deref().unwrap_or(""));
        runnable(&wanted.architecture, wanted.variant.as_deref().unwrap_or(""))
            .iter()
            .position(|(architecture, variant)| (architecture.as_str(), variant.as_str()) == image)
    }
}

/// containerd's `normalizeArch`.
fn normal_architecture(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (architecture.to_ascii_lowercase(), variant.to_ascii_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386" | "x86", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", v) => ("amd64", v),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64", v) => ("arm64", v),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        (a, v) => (a, v),
    };
    (architecture.to_owned(), variant.to_owned())
}

/// What a host of this architecture and variant can run, best first. containerd's `platformVector`.
fn runnable(architecture: &str, variant: &str) -> Vec<(String, String)> {
    let pair = |a: &str, v: String| (a.to_owned(), v);
    let number = |v: &str| v.strip_prefix('v').and_then(|n| n.parse::<u8>().ok());
    let mut list = vec![pair(architecture, variant.to_owned())];
    match architecture {
        "amd64" => {
            list.extend(
                (2..number(variant).unwrap_or(1)).rev().map(|n| pair("amd64", format!("v{n}"))),
            );
            if !variant.is_empty() {
                list.push(pair("amd64", String::new()));
            }
        }
        "arm" => list.extend(arm_below(number(variant).unwrap_or(7))),
        "arm64" => {
            if !variant.is_empty() {
                list.push(pair("arm64", String::new()));
            }
            list.extend(arm_below(9));
        }
        _ => {}
    }
    list
}

fn arm_below(variant: u8) -> impl Iterator<Item = (String, String)> {
    (5..variant).rev().map(|n| ("arm".to_owned(), format!("v{n}")))
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(PlatformError(text.to_owned()));
        }
        match parts[..] {
            [os] if SYSTEMS.contains(&os) => Ok(Self::normal(os, std::env::consts::ARCH, None)),
            [one] => match Self::normal("linux", one, None) {
                known if ARCHITECTURES.contains(&known.architecture.as_str()) => Ok(known),
                _ => Err(PlatformError(text.to_owned())),
            },
            [os, architecture] => Ok(Self::normal(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::normal(os, architecture, Some(variant))),
            _ => Err(PlatformError(text.to_owned())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(image: &str, host: &str) -> Option<usize> {
        let [image, host] = [image, host].map(|text| text.parse::<Platform>().unwrap());
        image.rank_for(&host)
    }

    #[test]
    fn a_system_or_an_architecture_may_stand_alone() {
        let read = |text: &str| text.parse::<Platform>().map(|platform| platform.to_string());
        assert_eq!(read("arm64"), Ok("linux/arm64".to_owned()));
        assert_eq!(read("x86_64"), Ok("linux/amd64".to_owned()));
        assert_eq!(read("armhf"), Ok("linux/arm/v7".to_owned()));
        assert_eq!(read("linux"), Ok(Platform::host().to_string()));
        assert!(read("v7").is_err() && read("").is_err() && read("linux/").is_err());
    }

    #[test]
    fn the_same_platform_is_best() {
        assert_eq!(rank("linux/amd64", "linux/amd64"), Some(0));
        assert_eq!(rank("linux/arm64/v8", "linux/arm64"), Some(0));
        assert_eq!(rank("linux/aarch64", "linux/arm64"), Some(0));
    }

    #[test]
    fn older_variants_run_on_newer_hosts() {
        assert!(rank("linux/arm/v6", "linux/arm/v7") > rank("linux/arm/v7", "linux/arm/v7"));
        assert!(rank("linux/amd64", "linux/amd64/v3") > rank("linux/amd64/v2", "linux/amd64/v3"));
        assert!(rank("linux/arm/v7", "linux/arm64").is_some());
    }

    #[test]
    fn what_cannot_run_has_no_rank() {
        assert_eq!(rank("linux/arm/v7", "linux/arm/v6"), None);
        assert_eq!(rank("linux/amd64/v3", "linux/amd64"), None);
        assert_eq!(rank("linux/arm64", "linux/amd64"), None);
        assert_eq!(rank("windows/amd64", "linux/amd64"), None);
    }

    #[test]
    fn refuses_other_forms() {
        for bad in ["", "linux/", "a/b/c/d", "/amd64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad:?}");
        }
    }
}
