//! What goes wrong between us and a registry.

use std::fmt;
use std::io;
use std::time::Duration;

use coffer_oci::{Digest, MediaType, Reference};

use crate::address::UrlError;
use crate::cancel::Cancelled;
use crate::{CertsError, CredentialError, Host, ProxyError, TokenError};

/// What was being done when something went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Logging in.
    Login(Host),
    /// Asking what a name stands for.
    Resolve(Reference),
    /// Fetching an index or a manifest.
    Manifest(Reference),
    /// Fetching a blob.
    Blob(Reference, Digest),
    /// Pushing a blob.
    PushBlob(Reference, Digest),
    /// Pushing an index or a manifest.
    PushManifest(Reference),
}

/// Something went wrong with one task.
#[derive(Debug, thiserror::Error)]
#[error("cannot {task}")]
pub struct Error {
    /// What was being done.
    pub task: Task,
    /// What went wrong.
    #[source]
    pub cause: Cause,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// There is no connection to be had.
    #[error("cannot connect to {host}")]
    Connect {
        /// Whom to.
        host: String,
        /// What the system or the proxy said.
        #[source]
        source: ureq::Error,
    },
    /// It sends nothing.
    #[error("{host} sent nothing for too long ({what})")]
    Stalled {
        /// Who.
        host: String,
        /// In which step.
        what: String,
    },
    /// It does not speak TLS.
    #[error("{host} answers in plain HTTP, not in TLS")]
    PlainHttp {
        /// Who.
        host: String,
    },
    /// Its certificate, or something else of TLS, is not right.
    #[error("cannot trust {host}")]
    Tls {
        /// Who.
        host: String,
        /// What rustls met.
        #[source]
        source: ureq::Error,
    },
    /// The connection broke.
    #[error("the connection to {host} broke")]
    Broken {
        /// Who.
        host: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its answer is no HTTP, or too much of it.
    #[error("{host} gave an answer that is not valid HTTP")]
    Protocol {
        /// Who.
        host: String,
        /// What the parser met.
        #[source]
        source: ureq::Error,
    },
    /// It wants to know who asks, and is not content with what we know.
    #[error("{host} refuses {}{detail}", who(*.known))]
    Unauthorized {
        /// Who.
        host: Host,
        /// Whether there was a credential to show.
        known: Known,
        /// What it said.
        detail: Detail,
    },
    /// It knows who asks, and refuses.
    #[error("{host} does not allow it{detail}")]
    Forbidden {
        /// Who.
        host: String,
        /// What it said.
        detail: Detail,
    },
    /// There is no such thing.
    #[error("{host} has no such thing{detail}")]
    NotFound {
        /// Who.
        host: String,
        /// What it said.
        detail: Detail,
    },
    /// It has too much to do, or limits how often we may ask.
    #[error("{host} is busy (status {status}){}{detail}", after(*.retry_after))]
    Busy {
        /// Who.
        host: String,
        /// The status: 429 or one of the 500s.
        status: u16,
        /// When to come back.
        retry_after: Option<Duration>,
        /// What it said.
        detail: Detail,
    },
    /// Any other status that does not belong there.
    #[error("{host} answered with status {status}{detail}")]
    Status {
        /// Who.
        host: String,
        /// The status.
        status: u16,
        /// What it said.
        detail: Detail,
    },
    /// It sends more than such an answer may have.
    #[error("the answer of {host} is longer than {limit} bytes")]
    TooLong {
        /// Who.
        host: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// It sends something else than was asked for.
    #[error("{host} sent {}, which was not asked for", media(.found.as_ref()))]
    MediaType {
        /// Who.
        host: String,
        /// What it says it sent.
        found: Option<MediaType>,
    },
    /// The bytes are not those that were asked for.
    #[error("{host} sent something else: {found} instead of {expected}")]
    Digest {
        /// Who.
        host: String,
        /// What was asked for, or promised.
        expected: Digest,
        /// What the bytes hash to.
        found: Digest,
    },
    /// It says that the blob has another length than its descriptor says.
    #[error("{host} sent {found} bytes where the descriptor says {expected}")]
    Size {
        /// Who.
        host: String,
        /// What the descriptor says, in bytes.
        expected: u64,
        /// What it says, in bytes.
        found: u64,
    },
    /// A header that we cannot do without is missing or makes no sense.
    #[error("{host} sent no sensible {name} header: {value:?}")]
    Header {
        /// Who.
        host: String,
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// It names an address that we do not follow.
    #[error("{host} leads to an address that is not followed")]
    Address {
        /// Who.
        host: String,
        /// Why not.
        #[source]
        source: UrlError,
    },
    /// It leads us to plain HTTP, which was not asked for.
    #[error("{host} leads to {to} in plain HTTP, which was not asked for")]
    Downgrade {
        /// Who.
        host: String,
        /// Where to.
        to: String,
    },
    /// It leads us in circles.
    #[error("{host} redirects too often")]
    Redirects {
        /// Who.
        host: String,
    },
    /// No token could be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No credential could be had.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The certificates on this host cannot be used.
    #[error(transparent)]
    Certs(#[from] CertsError),
    /// The proxy cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// What is to be pushed cannot be read.
    #[error("cannot read what is to be pushed")]
    Source(#[source] io::Error),
    /// Somebody gave up.
    #[error("given up, because something else failed")]
    Cancelled,
}

/// Whether there was a credential for the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// There was one, and it was shown.
    Credential,
    /// There was none.
    Nobody,
}

/// What a registry said in its own words: bounded, in one line, without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail(pub(crate) String);

/// Whether it makes sense to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// The same will happen again.
    Permanent,
    /// It may pass.
    Passing,
    /// It will pass after this time.
    After(Duration),
}

impl Error {
    /// What to do about it, where there is something to do: what to type, after `help: `.
    pub fn help(&self) -> Option<String> {
        match &self.cause {
            Cause::Unauthorized { host, known: Known::Nobody, .. } => {
                Some(format!("log in first: coffer login {host}"))
            }
            Cause::Unauthorized { host, known: Known::Credential, .. } => {
                Some(format!("check the name, or log in anew: coffer login {host}"))
            }
            Cause::PlainHttp { .. } | Cause::Downgrade { .. } => Some(
                "allow plain HTTP for this host, if the network is trusted: --plain-http"
                    .to_owned(),
            ),
            Cause::Tls { host, .. } => Some(format!(
                "if its certificate is from a private CA, put the CA's into certs.d/{host}/ca.crt"
            )),
            Cause::NotFound { .. } => Some("check the spelling of the name and the tag".to_owned()),
            _ => None,
        }
    }

    /// Whether it was only given up because another task failed.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, Cause::Cancelled)
    }
}

impl Cause {
    /// For `map_err`, to say what was being done.
    pub(crate) fn of(task: impl FnOnce() -> Task) -> impl FnOnce(Self) -> Error {
        move |cause| Error { task: task(), cause }
    }

    pub(crate) fn outlook(&self) -> Outlook {
        match self {
            Self::Busy { retry_after: Some(time), .. } => Outlook::After(*time),
            Self::Busy { .. } | Self::Stalled { .. } | Self::Broken { .. } => Outlook::Passing,
            _ => Outlook::Permanent,
        }
    }

    /// What ureq's error means, for a request to `host`.
    pub(crate) fn from_ureq(host: &str, error: ureq::Error) -> Self {
        let host = host.to_owned();
        match error {
            ureq::Error::Timeout(what) => Self::Stalled { host, what: what.to_string() },
            ureq::Error::Io(source) => Self::from_io(host, source),
            source @ (ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_)) => {
                Self::Tls { host, source }
            }
            source @ (ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::ConnectProxyFailed(_)) => Self::Connect { host, source },
            source => Self::Protocol { host, source },
        }
    }

    fn from_io(host: String, source: io::Error) -> Self {
        use rustls::{Error as Tls, InvalidMessage};
        match source.get_ref().and_then(|inner| inner.downcast_ref::<Tls>()) {
            Some(Tls::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                return Self::PlainHttp { host };
            }
            Some(_) => return Self::Tls { host, source: ureq::Error::Io(source) },
            None => {}
        }
        match source.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::Interrupted => Self::Broken { host, source },
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                Self::Stalled { host, what: source.to_string() }
            }
            _ => Self::Connect { host, source: ureq::Error::Io(source) },
        }
    }
}

impl From<Cancelled> for Cause {
    fn from(Cancelled: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(host) => write!(f, "log in to {host}"),
            Self::Resolve(name) => write!(f, "resolve {name}"),
            Self::Manifest(name) => write!(f, "pull the manifest of {name}"),
            Self::Blob(name, digest) => write!(f, "pull blob {digest} of {name}"),
            Self::PushBlob(name, digest) => write!(f, "push blob {digest} of {name}"),
            Self::PushManifest(name) => write!(f, "push the manifest of {name}"),
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

fn who(known: Known) -> &'static str {
    match known {
        Known::Credential => "the credentials that are kept for it, or has no such image",
        Known::Nobody => "to answer without credentials, or has no such image",
    }
}

fn after(time: Option<Duration>) -> String {
    time.map_or_else(String::new, |time| format!(", for another {} s", time.as_secs()))
}

fn media(found: Option<&MediaType>) -> String {
    found.map_or_else(|| "no media type".to_owned(), |found| format!("media type {found}"))
}
