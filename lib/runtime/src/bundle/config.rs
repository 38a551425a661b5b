//! A bundle: a folder with a `config.json`. Source: runtime-spec bundle.md.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use coffer_oci::runtime::{Process, Spec};
use coffer_sys::dir;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::de::DeserializeOwned;

use super::BundleError;
use crate::plan::PlanError;

/// The configuration's file name.
pub(crate) const CONFIG: &str = "config.json";
/// Kubernetes' largest are some 100 KiB; a longer file is none of theirs (16 MiB).
const LIMIT: u64 = 16 * 1024 * 1024;

/// A bundle, read once.
#[derive(Debug)]
pub struct Bundle {
    /// Its folder, absolute.
    pub path: PathBuf,
    /// What it asks for.
    pub spec: Spec,
    dir: OwnedFd,
}

impl Bundle {
    /// Opens the bundle in `path` and reads its configuration.
    ///
    /// # Errors
    /// [`BundleError::Open`], [`BundleError::Read`], and [`BundleError::Parse`] with the JSON path
    /// of what makes no sense.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        Self::with_config(path, CONFIG)
    }

    /// The same, with another file of the bundle in place of `config.json` (crun's `--config`).
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_config(path: &Path, config: &str) -> Result<Self, BundleError> {
        let dir = dir::open(path)
            .map_err(|source| BundleError::Open { path: path.to_owned(), source })?;
        let file = path.join(config);
        let read = match config.contains('/') {
            true => read_path(Path::new(config)),
            false => dir::read(dir.as_fd(), config, LIMIT),
        };
        let bytes = match read {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(BundleError::NoConfig { path: file }),
            Err(source) => return Err(BundleError::Read { path: file, source }),
        };
        let spec: Spec = parse(&file, &bytes)?;
        check_version(&spec.oci_version)?;
        Ok(Self { path: path.to_owned(), spec, dir })
    }

    /// The bundle's folder.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Where its root file system is: the specification's path, from the bundle's folder on.
    ///
    /// # Errors
    /// [`BundleError::NoRoot`] where it names none.
    pub fn rootfs(&self) -> Result<PathBuf, BundleError> {
        let root = self.spec.root.as_ref().filter(|root| !root.path.is_empty());
        let root = root.ok_or_else(|| BundleError::NoRoot { path: self.path.join(CONFIG) })?;
        Ok(self.path.join(&root.path))
    }
}

/// Looks at the version that a bundle complies with: any of the first major one, and none said, as
/// runc takes it. Source: runtime-spec config.md, "Specification version".
fn check_version(version: &str) -> Result<(), PlanError> {
    if version.is_empty() {
        return Ok(());
    }
    let (number, _) = version.split_once(['-', '+']).unwrap_or((version, ""));
    let parts: Vec<&str> = number.split('.').collect();
    let plain = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        ["1", _, _] if parts.iter().all(plain) => Ok(()),
        _ => Err(PlanError::field("ociVersion", "is no version like 1.3.0 of the specification")),
    }
}

/// Reads the process of `exec --process FILE`.
///
/// # Errors
/// As [`Bundle::open`].
pub fn read_process(path: &Path) -> Result<Process, BundleError> {
    read_document(path)
}

/// Reads a JSON document of the caller's.
///
/// # Errors
/// As [`Bundle::open`].
pub fn read_document<T: DeserializeOwned>(path: &Path) -> Result<T, BundleError> {
    match read_path(path) {
        Ok(Some(bytes)) => parse(path, &bytes),
        Ok(None) => Err(BundleError::NoConfig { path: path.to_owned() }),
        Err(source) => Err(BundleError::Read { path: path.to_owned(), source }),
    }
}

/// Reads a file of the caller's own, by its path. It may be a pipe, such as a shell's `<(…)`.
fn read_path(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let mut bytes = Vec::new();
    if file.take(LIMIT + 1).read_to_end(&mut bytes)? as u64 > LIMIT {
        let why = format!("it has more than {LIMIT} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(Some(bytes))
}

/// Bytes to a document. Only where that fails it is read again, by a slower reader that knows
/// where it is.
///
/// # Errors
/// [`BundleError::Parse`], which names `path`.
pub fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, BundleError> {
    let source = match serde_json::from_slice(bytes) {
        Ok(document) => return Ok(document),
        Err(source) => source,
    };
    let reader = &mut serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(reader) {
        Err(error) => Err(at_path(path, &error.path().to_string(), source)),
        Ok(_) => Err(at_path(path, ".", source)),
    }
}

fn at_path(path: &Path, at: &str, source: serde_json::Error) -> BundleError {
    BundleError::Parse { path: path.to_owned(), at: at.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        parse::<Spec>(Path::new("config.json"), text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_path() {
        assert!(error(r#"{"process":{"user":{"uid":"x"}}}"#).contains("process.user.uid"));
        assert!(error(r#"{"mounts":[{},{"destination":3}]}"#).contains("mounts[1].destination"));
        assert!(error("").contains("config.json"));
    }

    #[test]
    fn later_minor_versions_are_taken_and_other_major_ones_are_not() {
        for version in ["", "1.0.0", "1.0.2-dev", "1.3.0", "1.99.0+x"] {
            check_version(version).unwrap();
        }
        for version in ["2.0.0", "0.9.0", "1", "1.0", "1.0.x", "1..0", "some", "-dev", "+"] {
            assert!(check_version(version).is_err(), "{version}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            parse::<Spec>(Path::new("x"), &bytes).ok();
        }
    }
}
