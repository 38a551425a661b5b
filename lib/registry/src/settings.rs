//! All that a caller may decide.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::{Origin, Scheme};
use crate::{Host, Proxies};

/// What a [`Client`](crate::Client) may do and how patient it is. The default speaks TLS only,
/// trusts the host's own roots, has no credentials and no proxy.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Hosts that are spoken to in plain HTTP, and only so. A token service of such a registry
    /// that is not behind TLS itself has to be named here too.
    pub plain_http: Vec<Host>,
    /// Folders in the form of docker's `certs.d`: `<dir>/<host>/*.crt` are more roots for that
    /// host, `*.cert` and `*.key` a client certificate.
    pub certs_dirs: Vec<PathBuf>,
    /// A PEM file of the roots to trust, instead of the host's own.
    pub roots: Option<PathBuf>,
    /// Which requests go through a proxy.
    pub proxies: Proxies,
    /// Where credentials are.
    pub credentials: crate::Credentials,
    /// How long to wait for an answer.
    pub timeouts: Timeouts,
    /// How often to try again.
    pub retries: Retries,
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection, with its TLS handshake.
    pub connect: Duration,
    /// For the next bytes of a blob. Never a limit on a whole blob: after a stall, the rest is
    /// asked for on another connection, so that little is lost by a short one.
    pub stall: Duration,
    /// For the whole of an answer that is no blob. Registries that fetch from others first take
    /// their time before the first byte.
    pub answer: Duration,
    /// For the answer to an upload: registries read back what they were given before they say yes.
    pub upload: Duration,
}

/// How often and after what time to try again what failed by a passing fault.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// How often one request is tried in all.
    pub attempts: u32,
    /// The first pause; each later one is twice as long. The real pause is between half of it and
    /// all of it, by chance, so that many clients do not come back at once.
    pub base: Duration,
    /// The longest pause.
    pub cap: Duration,
    /// The longest `Retry-After` to wait for. A registry that asks for more gets no further try.
    pub patience: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), stall: seconds(10), answer: seconds(60), upload: seconds(180) }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 5,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(15),
            patience: Duration::from_secs(90),
        }
    }
}

impl Settings {
    /// Where the registry of `host` is.
    pub(crate) fn origin(&self, host: &Host) -> Origin {
        let scheme = if self.plain_http.contains(host) { Scheme::Http } else { Scheme::Https };
        Origin::new(scheme, host.api())
    }

    /// Whether `origin` may be spoken to: over TLS always, in plain text where it was asked for.
    pub(crate) fn allows(&self, origin: &Origin) -> bool {
        let plain = |host: &Host| Origin::new(Scheme::Http, host.api()) == *origin;
        origin.scheme == Scheme::Https || self.plain_http.iter().any(plain)
    }
}
