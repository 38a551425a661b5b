//! The command line, as containerd writes it: Go's flags, then the verb.
//!
//! Source: containerd runtime/v2/shim/shim.go, parseFlags.

use thiserror::Error;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Start a shim, or find the one of the group.
    Start,
    /// Clean up after a shim that was killed.
    Delete,
    /// Say the version.
    Version,
}

/// The whole command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flags {
    /// What is to be done.
    pub verb: Verb,
    /// containerd's namespace.
    pub namespace: String,
    /// The container.
    pub id: String,
    /// containerd's socket.
    pub address: String,
    /// The bundle, where it is not the working folder.
    pub bundle: Option<String>,
}

/// Why a command line makes no sense.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FlagsError {
    /// A flag that a shim does not have.
    #[error("unknown flag {0}; this is called by containerd, see docs/engines.md")]
    Unknown(String),
    /// A flag without its value.
    #[error("flag {0} needs a value")]
    NoValue(String),
    /// Something that has to be there.
    #[error("{0} is missing; this is called by containerd, see docs/engines.md")]
    Missing(&'static str),
    /// Something else than `start` or `delete`.
    #[error("unknown command {0}; this is called by containerd, see docs/engines.md")]
    Verb(String),
}

impl Flags {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// See [`FlagsError`].
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, FlagsError> {
        let (mut namespace, mut id, mut address) = (String::new(), String::new(), String::new());
        let (mut bundle, mut verb) = (None, None);
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix('-').map(|w| w.strip_prefix('-').unwrap_or(w))
            else {
                verb = Some(word);
                break; // Go's flags end with the first word that is none
            };
            let (name, joined) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let mut value = || {
                joined
                    .clone()
                    .or_else(|| words.next())
                    .ok_or_else(|| FlagsError::NoValue(word.clone()))
            };
            match name {
                "v" | "version" => verb = Some("version".to_owned()),
                "debug" => {} // containerd says so at its own debug level; there is nothing to add
                "namespace" => namespace = value()?,
                "id" => id = value()?,
                "address" => address = value()?,
                "bundle" => bundle = Some(value()?),
                // Events go over TTRPC_ADDRESS; containerd passes both.
                "publish-binary" => drop(value()?),
                _ => return Err(FlagsError::Unknown(word)),
            }
        }
        let verb = match verb.as_deref() {
            Some("start") => Verb::Start,
            Some("delete") => Verb::Delete,
            Some("version") => Verb::Version,
            Some(other) => return Err(FlagsError::Verb(other.to_owned())),
            None => return Err(FlagsError::Missing("the command (start, delete)")),
        };
        let flags = Self { verb, namespace, id, address, bundle };
        flags.check()
    }

    fn check(self) -> Result<Self, FlagsError> {
        match self.verb {
            Verb::Version => Ok(self),
            Verb::Start | Verb::Delete if self.namespace.is_empty() => {
                Err(FlagsError::Missing("-namespace"))
            }
            Verb::Start | Verb::Delete if self.id.is_empty() => Err(FlagsError::Missing("-id")),
            Verb::Start | Verb::Delete => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, FlagsError> {
        Flags::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn containerds_lines_are_read() {
        let line = "-namespace default -address /run/c.sock -publish-binary /usr/bin/containerd \
                    -id one -debug start";
        let flags = parse(line).unwrap();
        assert_eq!((flags.verb, &*flags.namespace, &*flags.id), (Verb::Start, "default", "one"));
        let line = "--namespace=k8s.io -id two -bundle /run/b delete";
        let flags = parse(line).unwrap();
        assert_eq!((flags.verb, flags.bundle.as_deref()), (Verb::Delete, Some("/run/b")));
        assert_eq!(parse("-v").unwrap().verb, Verb::Version);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(parse("-id one start"), Err(FlagsError::Missing("-namespace")));
        assert_eq!(parse("-namespace n start"), Err(FlagsError::Missing("-id")));
        assert_eq!(parse("-namespace n -id"), Err(FlagsError::NoValue("-id".into())));
        assert_eq!(parse("-bogus start"), Err(FlagsError::Unknown("-bogus".into())));
        assert_eq!(parse("-namespace n -id i stop"), Err(FlagsError::Verb("stop".into())));
    }
}
