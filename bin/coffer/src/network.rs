//! The client for registries, as the environment and the flags want it. Made only when something
//! has to be fetched or sent.

use std::path::{Path, PathBuf};

use coffer_oci::{ImageName, Reference};
use coffer_registry::{Client, Credentials, Host, Proxies, Settings};

use crate::environment::{self, variable};
use crate::failure::Failure;
use crate::flags::PullFlags;

/// Where docker and podman keep the roots of private registries.
const CERTS: [&str; 2] = ["/etc/docker/certs.d", "/etc/containers/certs.d"];

/// A client. `plain` are hosts that are spoken to without TLS.
pub(crate) fn client(plain: Vec<Host>) -> Client {
    Client::new(Settings {
        plain_http: plain,
        certs_dirs: certs_dirs(),
        roots: variable("SSL_CERT_FILE").map(PathBuf::from),
        proxies: proxies(),
        credentials: credentials(),
        ..Settings::default()
    })
}

/// A client for `name`, with plain HTTP where the flags allow it.
pub(crate) fn client_for(name: &ImageName, flags: &PullFlags) -> Client {
    let host = match name {
        ImageName::Registry(reference) if flags.plain_http => Some(Host::of(reference)),
        _ => None,
    };
    client(host.into_iter().collect())
}

/// The same for what is to be `done` with a registry's image, which needs the network.
pub(crate) fn client_to(
    done: &'static str,
    name: &Reference,
    flags: &PullFlags,
) -> Result<Client, Failure> {
    if flags.offline {
        return Err(Failure::new(format!("nothing is {done} with --offline")).at(name.familiar()));
    }
    Ok(client_for(&ImageName::Registry(name.clone()), flags))
}

/// Where passwords are kept and looked for.
pub(crate) fn credentials() -> Credentials {
    let path = variable("PATH").unwrap_or_default();
    let helper_dirs = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    Credentials { config: environment::auth_file(), helper_dirs }
}

fn certs_dirs() -> Vec<PathBuf> {
    let home = variable("HOME").map(PathBuf::from);
    let own = |folder: &str| home.as_deref().map(|home: &Path| home.join(folder));
    let system = CERTS.iter().map(PathBuf::from);
    system.chain(own(".config/containers/certs.d")).chain(own(".docker/certs.d")).collect()
}

/// In upper or lower case, as curl and docker take them; HTTP_PROXY too, since no server that
/// sets it from a request's header ever starts coffer.
fn proxies() -> Proxies {
    let either = |upper: &str, lower: &str| {
        let value = variable(lower).or_else(|| variable(upper));
        value.and_then(|value| value.into_string().ok())
    };
    Proxies {
        https: either("HTTPS_PROXY", "https_proxy"),
        http: either("HTTP_PROXY", "http_proxy"),
        exempt: either("NO_PROXY", "no_proxy").unwrap_or_default(),
    }
}
