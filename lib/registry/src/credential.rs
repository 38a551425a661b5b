//! Who we say that we are, and where that is kept.

use std::fmt;
use std::path::PathBuf;

use crate::config::{ConfigError, DockerConfig};
use crate::helper::{Helper, HelperError};
use crate::{Host, Kept};

/// The user name by which docker's helpers mark an identity token.
const TOKEN_USER: &str = "<token>";

/// What proves who we are to one registry. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user name and a password.
    Password {
        /// The user name.
        username: String,
        /// The password, or an access token in its place.
        password: String,
    },
    /// A token that the registry's token service exchanges (OAuth2's refresh token).
    Identity(String),
}

impl Credential {
    /// From what docker and its helpers keep, where the user `<token>` means an identity token.
    pub(crate) fn kept(username: String, secret: String) -> Self {
        if username == TOKEN_USER {
            Self::Identity(secret)
        } else {
            Self::Password { username, password: secret }
        }
    }

    /// The user name and the secret, as docker and its helpers keep them.
    pub(crate) fn parts(&self) -> (&str, &str) {
        match self {
            Self::Password { username, password } => (username, password),
            Self::Identity(token) => (TOKEN_USER, token),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential of {:?}", self.parts().0)
    }
}

/// Where credentials are looked for. Nothing is read before a registry asks for some.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// docker's config.json. That it is missing means that there are no credentials.
    pub config: Option<PathBuf>,
    /// Folders in which the programs `docker-credential-*` are looked for, the folders of PATH.
    pub helper_dirs: Vec<PathBuf>,
}

/// Why credentials could not be found or kept.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// config.json could not be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A helper could not be used.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// There is no config.json to keep them in.
    #[error("no config.json was named to keep credentials in")]
    NoConfig,
}

impl Credentials {
    /// The credential for `host`: from the helper for that host, else the default helper, else
    /// config.json itself. Source: docker login's documentation, "Credential store".
    ///
    /// # Errors
    /// Where config.json or the helper that it names cannot be used.
    pub fn find(&self, host: &Host) -> Result<Option<Credential>, CredentialError> {
        let Some(path) = &self.config else { return Ok(None) };
        let config = DockerConfig::read(path)?;
        match config.helper(host) {
            Some(name) => Ok(Helper::find(name, &self.helper_dirs)?.get(host.key())?),
            None => Ok(config.credential(host)?),
        }
    }

    /// Keeps a credential for `host` where docker would, and says where that is.
    ///
    /// # Errors
    /// Where config.json cannot be written, or the helper that it names refuses.
    pub fn store(&self, host: &Host, credential: &Credential) -> Result<Kept, CredentialError> {
        let path = self.config.as_ref().ok_or(CredentialError::NoConfig)?;
        let mut config = DockerConfig::read(path)?;
        if let Some(name) = config.helper(host) {
            Helper::find(name, &self.helper_dirs)?.store(host.key(), credential)?;
            return Ok(Kept::Helper(name.to_owned()));
        }
        config.set(host, credential);
        config.write(path)?;
        Ok(Kept::File(path.clone()))
    }

    /// Forgets the credential for `host`, in the helper and in config.json. Says whether there
    /// was one.
    ///
    /// # Errors
    /// Where config.json cannot be written, or the helper that it names refuses.
    pub fn forget(&self, host: &Host) -> Result<bool, CredentialError> {
        let Some(path) = &self.config else { return Ok(false) };
        let mut config = DockerConfig::read(path)?;
        let mut known = false;
        if let Some(name) = config.helper(host) {
            let helper = Helper::find(name, &self.helper_dirs)?;
            known = helper.get(host.key())?.is_some();
            helper.erase(host.key())?;
        }
        if config.remove(host) {
            config.write(path)?;
            known = true;
        }
        Ok(known)
    }
}
