//! Where an image is named, a registry is the default and files are possible.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{Reference, ReferenceError};

/// Any name of an image that a command takes. Source: containers-transports(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageName {
    /// `docker://NAME`, or just `NAME`.
    Registry(Reference),
    /// `oci:DIR[:TAG]`, an OCI image layout in a folder.
    OciDir(PathBuf, Option<String>),
    /// `oci-archive:FILE[:TAG]`, an OCI image layout in a tar file.
    OciArchive(PathBuf, Option<String>),
    /// `docker-archive:FILE[:NAME]`, what `docker save` writes.
    DockerArchive(PathBuf, Option<Reference>),
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameError {
    /// The registry name is not valid.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// No path follows the transport.
    #[error("{0:?} names no path after the colon")]
    NoPath(String),
    /// A path alone, of which nobody knows what it holds.
    #[error(
        "{0:?} is a path: folders are named oci:DIR, files oci-archive:FILE or docker-archive:FILE"
    )]
    Path(String),
    /// A transport that other tools have.
    #[error(
        "transport {0:?} is not supported; docker://, oci:, oci-archive: and docker-archive: are"
    )]
    Transport(String),
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        // No registry's name begins so.
        if text.starts_with(['/', '.', '~']) {
            return Err(ImageNameError::Path(text.to_owned()));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme {
                "docker" => Ok(Self::Registry(rest.parse()?)),
                other => Err(ImageNameError::Transport(format!("{other}://"))),
            };
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return Ok(Self::Registry(text.parse()?));
        };
        let split = || {
            // A tag may hold colons, as `shop/web:1.4` does; skopeo divides at the first one, too.
            let (path, tag) = match rest.split_once(':') {
                Some((path, tag)) => (path, Some(tag)),
                None => (rest, None),
            };
            if path.is_empty() {
                return Err(ImageNameError::NoPath(text.to_owned()));
            }
            Ok((PathBuf::from(path), tag.filter(|tag| !tag.is_empty())))
        };
        match scheme {
            "oci" => split().map(|(path, tag)| Self::OciDir(path, tag.map(str::to_owned))),
            "oci-archive" => {
                split().map(|(path, tag)| Self::OciArchive(path, tag.map(str::to_owned)))
            }
            "docker-archive" => docker_archive(rest, text),
            "containers-storage" | "docker-daemon" | "dir" | "ostree" | "sif" | "tarball" => {
                Err(ImageNameError::Transport(format!("{scheme}:")))
            }
            _ => Ok(Self::Registry(text.parse()?)),
        }
    }
}

/// A reference may hold colons itself, so the first one after the path divides them.
fn docker_archive(rest: &str, text: &str) -> Result<ImageName, ImageNameError> {
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) if !name.is_empty() => (path, Some(name.parse()?)),
        Some((path, _)) => (path, None),
        None => (rest, None),
    };
    if path.is_empty() {
        return Err(ImageNameError::NoPath(text.to_owned()));
    }
    Ok(ImageName::DockerArchive(path.into(), name))
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, path, tag) = match self {
            Self::Registry(reference) => return f.write_str(&reference.familiar()),
            Self::OciDir(path, tag) => ("oci", path, tag.clone()),
            Self::OciArchive(path, tag) => ("oci-archive", path, tag.clone()),
            Self::DockerArchive(path, name) => {
                ("docker-archive", path, name.as_ref().map(Reference::familiar))
            }
        };
        write!(f, "{scheme}:{}", path.display())?;
        tag.map_or(Ok(()), |tag| write!(f, ":{tag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_told_apart() {
        let parse = |text: &str| text.parse::<ImageName>();
        assert!(matches!(parse("busybox:1"), Ok(ImageName::Registry(_))));
        assert!(matches!(parse("localhost:5000/x"), Ok(ImageName::Registry(_))));
        assert!(matches!(parse("docker://busybox"), Ok(ImageName::Registry(_))));
        assert_eq!(parse("oci:/a/b"), Ok(ImageName::OciDir("/a/b".into(), None)));
        assert_eq!(parse("oci:dir:v1"), Ok(ImageName::OciDir("dir".into(), Some("v1".into()))));
        assert_eq!(parse("oci-archive:f.tar"), Ok(ImageName::OciArchive("f.tar".into(), None)));
        let name = parse("oci-archive:f.tar:shop/web:1.4").unwrap();
        assert_eq!(name, ImageName::OciArchive("f.tar".into(), Some("shop/web:1.4".into())));
        let name = parse("docker-archive:f.tar:localhost:5000/x:1").unwrap();
        assert_eq!(name.to_string(), "docker-archive:f.tar:localhost:5000/x:1");
        assert!(matches!(parse("oci:"), Err(ImageNameError::NoPath(_))));
        assert!(matches!(parse("containers-storage:x"), Err(ImageNameError::Transport(_))));
        for path in ["./image", "/srv/image.tar", "../x:1", "~/image"] {
            assert!(matches!(parse(path), Err(ImageNameError::Path(_))), "{path}");
        }
        assert!(matches!(parse("https://r.example/x"), Err(ImageNameError::Transport(_))));
    }
}
