//! Registry hosts: as they are typed, as they are connected to, and as docker files them.

use std::fmt;
use std::str::FromStr;

use coffer_oci::Reference;

const DOCKER_HUB: &str = "docker.io";
/// Docker Hub's registry does not live at the name that people type.
const DOCKER_HUB_API: &str = "registry-1.docker.io";
/// Under what docker's config.json keeps credentials for Docker Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// A registry's host with its port, such as `localhost:5000`; Docker Hub is `docker.io`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(String);

/// Why a text is no registry host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a registry host; it should look like registry.example or localhost:5000")]
pub struct HostError(String);

impl Host {
    /// The registry of an image.
    pub fn of(reference: &Reference) -> Self {
        Self(reference.host().to_owned())
    }

    /// The host as people type it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its registry is: host and port.
    pub(crate) fn api(&self) -> &str {
        if self.0 == DOCKER_HUB { DOCKER_HUB_API } else { &self.0 }
    }

    /// Its key in docker's config.json and for credential helpers.
    pub(crate) fn key(&self) -> &str {
        if self.0 == DOCKER_HUB { DOCKER_HUB_KEY } else { &self.0 }
    }

    /// Whether `key` of a config.json, in any of the forms that were ever written, is this host.
    pub(crate) fn is_key(&self, key: &str) -> bool {
        let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
        let bare = bare.unwrap_or(key);
        let host = bare.split('/').next().unwrap_or(bare);
        let hub = [DOCKER_HUB, "index.docker.io", DOCKER_HUB_API];
        host == self.0 || (self.0 == DOCKER_HUB && hub.contains(&host))
    }
}

impl FromStr for Host {
    type Err = HostError;

    /// Takes what `docker login` takes: a host with an optional scheme in front and path behind.
    fn from_str(text: &str) -> Result<Self, HostError> {
        let bare = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let bare = bare.unwrap_or(text);
        let host = bare.split('/').next().unwrap_or(bare).to_ascii_lowercase();
        if host == "registry.hub.docker.com" || host == DOCKER_HUB_API {
            return Ok(Self(DOCKER_HUB.to_owned()));
        }
        let error = || HostError(text.to_owned());
        let reference: Reference = format!("{host}/x").parse().map_err(|_| error())?;
        // A first part without a dot or colon would be a namespace of Docker Hub's.
        let known = reference.host() == host || host == "index.docker.io";
        known.then(|| Self::of(&reference)).ok_or_else(error)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_as_docker_login_takes_them() {
        let host = |text: &str| text.parse::<Host>().unwrap().0;
        assert_eq!(host("localhost:5000"), "localhost:5000");
        assert_eq!(host("https://R.example/v2/"), "r.example");
        for hub in ["docker.io", "index.docker.io", "https://index.docker.io/v1/"] {
            assert_eq!(host(hub), "docker.io");
        }
        for bad in ["", "shop", "a b", "https://", "user@r.example"] {
            assert!(bad.parse::<Host>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn old_keys_of_config_json_are_known() {
        let hub: Host = "docker.io".parse().unwrap();
        assert!(hub.is_key("https://index.docker.io/v1/"));
        let other: Host = "r.example:5000".parse().unwrap();
        assert!(other.is_key("https://r.example:5000/v2/") && other.is_key("r.example:5000"));
        assert!(!other.is_key("r.example") && !other.is_key("r.example:5000.evil.example"));
    }
}
