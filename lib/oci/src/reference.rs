//! References: the names that people type for images in registries.
//!
//! Source: the grammar of distribution-spec, "Pulling manifests", and docker's rules for short
//! names (distribution/reference): the first part is a host if it holds a dot or a colon or is
//! `localhost`; otherwise the host is docker.io, and a name without a slash is below `library/`.

use std::fmt;
use std::str::FromStr;

use crate::{Digest, DigestError};

const DEFAULT_HOST: &str = "docker.io";
const DEFAULT_NAMESPACE: &str = "library";
const DEFAULT_TAG: &str = "latest";
/// distribution's own limit on the whole name.
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// A name in a registry: host, repository, and a tag, a digest or both.
///
/// Its text form is whole: `docker.io/library/busybox:latest`, so equal names have equal text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// There is no repository.
    #[error("image name {0:?} has no repository")]
    Empty(String),
    /// The host part holds something that no host has.
    #[error(
        "registry host {host:?} in image name {name:?} is not a host name with an optional port"
    )]
    Host {
        /// The host part.
        host: String,
        /// The whole text.
        name: String,
    },
    /// A path component is not `[a-z0-9]+([._-]+[a-z0-9]+)*`.
    #[error(
        "repository {repository:?} is not valid: parts are lower-case letters and digits, joined by '.', '_', '__' or dashes"
    )]
    Repository {
        /// The repository part.
        repository: String,
    },
    /// The tag is not `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
    #[error(
        "tag {tag:?} is not valid: at most 128 letters, digits, '_', '.' and '-', not starting with '.' or '-'"
    )]
    Tag {
        /// The tag part.
        tag: String,
    },
    /// The name is longer than registries take.
    #[error("image name is longer than {MAX_NAME} characters")]
    TooLong,
    /// What follows `@` is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl Reference {
    /// The registry's host with its port, `docker.io` where none was named.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository in that registry, such as `library/busybox`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag. There is one unless only a digest was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, where the name pins one.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository, pinned to `digest` and without a tag.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// What a person would type: without the host and namespace that are filled in by default.
    pub fn familiar(&self) -> String {
        let mut text = match (self.host.as_str(), self.repository.split_once('/')) {
            (DEFAULT_HOST, Some((DEFAULT_NAMESPACE, rest))) if !rest.contains('/') => {
                rest.to_owned()
            }
            (DEFAULT_HOST, _) => self.repository.clone(),
            _ => format!("{}/{}", self.host, self.repository),
        };
        self.push_version(&mut text);
        text
    }

    fn push_version(&self, text: &mut String) {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the host's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let (host, repository) = split_host(name, text)?;
        if repository.is_empty() {
            return Err(ReferenceError::Empty(text.to_owned()));
        }
        if host.len() + 1 + repository.len() > MAX_NAME {
            return Err(ReferenceError::TooLong);
        }
        if !repository.split('/').all(is_path_component) {
            return Err(ReferenceError::Repository { repository });
        }
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag { tag: tag.to_owned() });
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, None) => Some(DEFAULT_TAG.to_owned()),
            (None, Some(_)) => None,
        };
        Ok(Self { host, repository, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}/{}", self.host, self.repository);
        self.push_version(&mut text);
        f.write_str(&text)
    }
}

fn split_host(name: &str, whole: &str) -> Result<(String, String), ReferenceError> {
    let (host, repository) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (DEFAULT_HOST, name),
    };
    if !is_host(host) {
        return Err(ReferenceError::Host { host: host.to_owned(), name: whole.to_owned() });
    }
    let host = if host == "index.docker.io" { DEFAULT_HOST } else { host };
    let repository = if host == DEFAULT_HOST && !repository.contains('/') && !repository.is_empty()
    {
        format!("{DEFAULT_NAMESPACE}/{repository}")
    } else {
        repository.to_owned()
    };
    Ok((host.to_owned(), repository))
}

/// `host[:port]`, where a host is a DNS name, an IPv4 address or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else { return false };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return false;
        }
        (None, after.strip_prefix(':').or((!after.is_empty()).then_some("")))
    } else {
        match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        }
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.is_none_or(|host| host.split('.').all(label))
        && port.is_none_or(|port| {
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
        })
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(part: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !alphanumeric(*first) || !alphanumeric(*last) {
        return false;
    }
    part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(|separator| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
    })
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> String {
        text.parse::<Reference>().unwrap().to_string()
    }

    #[test]
    fn short_names_are_dockers() {
        assert_eq!(whole("busybox"), "docker.io/library/busybox:latest");
        assert_eq!(whole("shop/web:1.4"), "docker.io/shop/web:1.4");
        assert_eq!(whole("index.docker.io/web"), "docker.io/library/web:latest");
        assert_eq!(whole("localhost/web"), "localhost/web:latest");
        assert_eq!(whole("localhost:5000/web"), "localhost:5000/web:latest");
        assert_eq!(whole("[::1]:5000/a/b:c"), "[::1]:5000/a/b:c");
        assert_eq!(
            whole("r.example/a__b/c-.--d".replace("-.", "").as_str()),
            "r.example/a__b/c--d:latest"
        );
    }

    #[test]
    fn a_digest_replaces_the_default_tag() {
        let digest = Digest::of(b"");
        let name = format!("busybox@{digest}");
        assert_eq!(whole(&name), format!("docker.io/library/busybox@{digest}"));
        assert_eq!(name.parse::<Reference>().unwrap().tag(), None);
        assert_eq!(
            whole(&format!("busybox:1@{digest}")),
            format!("docker.io/library/busybox:1@{digest}")
        );
    }

    #[test]
    fn familiar_names_are_short() {
        for name in ["busybox:latest", "shop/web:1.4", "localhost:5000/web:1"] {
            assert_eq!(name.parse::<Reference>().unwrap().familiar(), name);
        }
    }

    #[test]
    fn refuses_what_is_not_a_name() {
        for bad in [
            "",
            ":tag",
            "Web",
            "a//b",
            "/a",
            "a/",
            "a:-tag",
            "a:",
            "-h.example/a",
            "h.example:99999/a",
            "h.example:/a",
            "a..b",
            "a___b",
            "../etc",
            "a@sha256:00",
            "[::g]:1/a",
            "a b",
            "a:b:c",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad:?} was taken");
        }
    }
}
