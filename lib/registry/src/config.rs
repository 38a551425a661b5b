//! docker's config.json: who is logged in where. Source: docker's cli, `cli/config/configfile`.
//!
//! Members that coffer does not know are kept as they are.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use coffer_sys::dir::{self, Durability};
use rustix::fs::Mode;
use rustix::io::Errno;
use serde_json::{Map, Value, json};

use crate::{Credential, Host};

/// The longest config.json that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 20;
/// How many links may lead to it.
const MAX_LINKS: usize = 8;

/// A config.json in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DockerConfig(Map<String, Value>);

/// Where a credential was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In this config.json, readable to its owner but not encrypted.
    File(PathBuf),
    /// With the helper `docker-credential-NAME`.
    Helper(String),
}

/// Why config.json could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It could not be written; the old one is as it was.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is no JSON object.
    #[error("{} is not a JSON object", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser met.
        #[source]
        source: serde_json::Error,
    },
    /// The `auth` member of an entry is not base64 of `user:password`.
    #[error("the entry for {0} in config.json is not base64 of user:password")]
    Auth(Host),
}

impl DockerConfig {
    /// Reads the file at `path`. Where there is none, the configuration is empty.
    ///
    /// # Errors
    /// Where it cannot be read, or is no JSON object of at most 1 MiB.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let Some(bytes) = read_file(path).map_err(failed)? else { return Ok(Self::default()) };
        Self::parse(&bytes).map_err(|source| ConfigError::Json { path: path.to_owned(), source })
    }

    fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        // docker takes an empty file for an empty object.
        let empty = bytes.iter().all(u8::is_ascii_whitespace);
        if empty { Ok(Self::default()) } else { serde_json::from_slice(bytes).map(Self) }
    }

    /// Writes it whole to `path`, with mode 0600. The folder is made with mode 0700.
    ///
    /// # Errors
    /// [`ConfigError::Write`]; the old file is as it was.
    pub fn write(&self, path: &Path) -> Result<(), ConfigError> {
        let failed = |source| ConfigError::Write { path: path.to_owned(), source };
        let text = serde_json::to_string_pretty(&self.0).map_err(|e| failed(e.into()))?;
        write_text(path, &text).map_err(failed)
    }

    /// The helper that keeps the credential for `host`, without `docker-credential-`.
    pub fn helper(&self, host: &Host) -> Option<&str> {
        let helpers = self.0.get("credHelpers").and_then(Value::as_object);
        let own = helpers.into_iter().flatten().find(|(key, _)| host.is_key(key));
        let name = own.map(|(_, name)| name).or_else(|| self.0.get("credsStore"));
        name.and_then(Value::as_str).filter(|name| !name.is_empty())
    }

    /// The credential for `host` that is in the file itself.
    pub(crate) fn credential(&self, host: &Host) -> Result<Option<Credential>, ConfigError> {
        let auths = self.0.get("auths").and_then(Value::as_object);
        let exact = auths.and_then(|auths| auths.get(host.key()));
        let any = || auths?.iter().find(|(key, _)| host.is_key(key)).map(|(_, entry)| entry);
        let Some(entry) = exact.or_else(any).and_then(Value::as_object) else { return Ok(None) };
        let get = |name: &str| entry.get(name).and_then(Value::as_str).filter(|v| !v.is_empty());
        if let Some(token) = get("identitytoken") {
            return Ok(Some(Credential::Identity(token.to_owned())));
        }
        match (get("auth"), get("username"), get("password")) {
            (Some(auth), ..) => {
                decode(auth).map(Some).ok_or_else(|| ConfigError::Auth(host.clone()))
            }
            (None, Some(username), Some(password)) => {
                Ok(Some(Credential::kept(username.to_owned(), password.to_owned())))
            }
            _ => Ok(None),
        }
    }

    /// Puts a credential for `host` into the file, in place of older ones.
    pub(crate) fn set(&mut self, host: &Host, credential: &Credential) {
        self.remove(host);
        let entry = match credential {
            Credential::Identity(token) => json!({ "auth": "", "identitytoken": token }),
            Credential::Password { username, password } => {
                json!({ "auth": BASE64.encode(format!("{username}:{password}")) })
            }
        };
        let auths = self.0.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        if let Some(auths) = auths.as_object_mut() {
            auths.insert(host.key().to_owned(), entry);
        }
    }

    /// Takes out what is there for `host`, and says whether there was anything.
    pub(crate) fn remove(&mut self, host: &Host) -> bool {
        let Some(auths) = self.0.get_mut("auths").and_then(Value::as_object_mut) else {
            return false;
        };
        let before = auths.len();
        auths.retain(|key, _| !host.is_key(key));
        auths.len() < before
    }
}

fn decode(auth: &str) -> Option<Credential> {
    let text = String::from_utf8(BASE64.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    // docker once padded entries with NULs.
    Some(Credential::kept(username.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// Reads the file, or says `None` where there is none.
fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let path = follow(path)?;
    let (folder, name) = split(&path)?;
    match dir::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        folder => dir::read(folder?.as_fd(), name, MAX_CONFIG),
    }
}

/// The file itself where the caller keeps a link to it, as people do who keep such files
/// elsewhere: written through, not replaced.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match rustix::fs::readlink(&path, Vec::new()) {
            Ok(target) => {
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                path = path.parent().unwrap_or(Path::new("")).join(target);
            }
            Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) => return Ok(path),
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Errno::LOOP.into())
}

fn split(path: &Path) -> io::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::other("the path names no file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok((folder.unwrap_or(Path::new(".")), name))
}

fn write_text(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let path = follow(path)?;
    let (folder, name) = split(&path)?;
    // The caller's own path, which only the caller's own rights can make.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let folder = dir::open(folder)?;
    let mode = Mode::RUSR | Mode::WUSR;
    dir::write_whole(folder.as_fd(), name, text.as_bytes(), mode, Durability::Disk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn config(text: &str) -> DockerConfig {
        DockerConfig::parse(text.as_bytes()).unwrap()
    }

    fn host(text: &str) -> Host {
        text.parse().unwrap()
    }

    #[test]
    fn entries_of_every_form_are_read() {
        let auth = BASE64.encode("ann:pass:word");
        let config = config(&format!(
            r#"{{"auths":{{"r.example":{{"auth":"{auth}"}},"https://index.docker.io/v1/":{{"identitytoken":"t"}},"bad.example":{{"auth":"!"}},"empty.example":{{}}}}}}"#
        ));
        let ann = Credential::kept("ann".to_owned(), "pass:word".to_owned());
        assert_eq!(config.credential(&host("r.example")).unwrap(), Some(ann));
        let hub = config.credential(&host("docker.io")).unwrap();
        assert_eq!(hub, Some(Credential::Identity("t".to_owned())));
        assert!(config.credential(&host("bad.example")).is_err());
        assert_eq!(config.credential(&host("empty.example")).unwrap(), None);
        assert_eq!(config.credential(&host("other.example")).unwrap(), None);
    }

    #[test]
    fn a_host_may_have_its_own_helper() {
        let config = config(r#"{"credsStore":"pass","credHelpers":{"r.example":"own"}}"#);
        assert_eq!(config.helper(&host("r.example")), Some("own"));
        assert_eq!(config.helper(&host("s.example")), Some("pass"));
        assert_eq!(DockerConfig::default().helper(&host("s.example")), None);
    }

    #[test]
    fn what_is_not_ours_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/config.json");
        let mut config = config(r#"{"psFormat":"x","auths":{"http://r.example/v1/":{}}}"#);
        let credential = Credential::kept("ann".to_owned(), "secret".to_owned());
        config.set(&host("r.example"), &credential);
        config.write(&path).unwrap();
        let mode = path.symlink_metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut again = DockerConfig::read(&path).unwrap();
        assert_eq!(again, config);
        assert_eq!(again.0["auths"].as_object().unwrap().len(), 1);
        assert_eq!(again.credential(&host("r.example")).unwrap(), Some(credential));
        assert!(again.remove(&host("r.example")) && !again.remove(&host("r.example")));
        assert_eq!(again.0["psFormat"], "x");
    }

    #[test]
    fn a_link_is_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let [link, file] = ["config.json", "elsewhere.json"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink("elsewhere.json", &link).unwrap();
        assert_eq!(DockerConfig::read(&link).unwrap(), DockerConfig::default());
        config(r#"{"a":1}"#).write(&link).unwrap();
        assert_eq!(DockerConfig::read(&file).unwrap(), config(r#"{"a":1}"#));
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let circle = folder.path().join("circle");
        std::os::unix::fs::symlink("circle", &circle).unwrap();
        assert!(DockerConfig::read(&circle).is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            if let Ok(config) = DockerConfig::parse(text.as_bytes()) {
                config.helper(&host("r.example"));
            }
            decode(&text);
        }
    }
}
