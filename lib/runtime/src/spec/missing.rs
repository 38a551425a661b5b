//! The folders that `-v` makes where there are none. Source: docker's `run` reference, "--volume".

use std::io;
use std::path::PathBuf;

use super::{MissingSource, MountRequest, Request};

/// Why the source of a volume cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the folder {} for a volume", path.display())]
pub struct MissingError {
    /// Its path on the host.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Makes the sources that are missing, where the flag was `-v`. To be called before the mounts are
/// planned, which open them.
///
/// # Errors
/// A [`MissingError`] for the first that cannot be made.
pub fn make_missing(request: &Request) -> Result<(), MissingError> {
    for mount in &request.mounts {
        match mount {
            MountRequest::Bind(bind) if bind.missing == MissingSource::MakeFolder => {
                make(&bind.source).map_err(|source| {
                    let path = bind.source.clone();
                    MissingError { path, source }
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the caller's own path on the host")]
fn make(path: &std::path::Path) -> io::Result<()> {
    if rustix::fs::stat(path).is_ok() {
        return Ok(());
    }
    std::fs::create_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Access, BindMount, Recursion, Sharers};

    fn request(source: PathBuf, missing: MissingSource) -> Request {
        let bind = BindMount {
            source,
            target: "/v".to_owned(),
            access: Access::ReadWrite,
            recursion: Recursion::Recursive,
            sharers: Sharers::AsLabelled,
            missing,
        };
        Request { mounts: vec![MountRequest::Bind(bind)], ..Request::default() }
    }

    #[test]
    fn only_the_short_flag_makes_folders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        make_missing(&request(path.clone(), MissingSource::Refuse)).unwrap();
        assert!(rustix::fs::stat(&path).is_err());
        make_missing(&request(path.clone(), MissingSource::MakeFolder)).unwrap();
        make_missing(&request(path.clone(), MissingSource::MakeFolder)).unwrap();
        assert!(rustix::fs::stat(&path).is_ok());
    }
}
