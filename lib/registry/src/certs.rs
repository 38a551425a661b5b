//! Whom to trust: the host's roots, and what `certs.d` adds for one registry.
//!
//! The host's roots are read from its bundle, and nothing is built in: who is trusted is for the
//! host's owner to say. What certs.d has for one host is never used for another.
//!
//! Source: docker's documentation, "Verify repository client with certificates":
//! `<dir>/<host:port>/*.crt` are roots, `X.cert` with `X.key` is a client certificate.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coffer_sys::dir;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::address::Origin;

/// Where distributions keep the roots that the host trusts, in the order of Go's crypto/x509.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The longest file of certificates that is read, in bytes. Bundles have about 250 KB.
const MAX_PEM: u64 = 4 << 20;

/// Why the certificates of this host cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// There are no roots, so nobody can be trusted.
    #[error("this host has no trusted certificates (install the package ca-certificates)")]
    NoRoots,
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file holds something else than certificates or a key.
    #[error("{} holds no usable {expected}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// A client certificate stands there without its key, or with another's.
    #[error("{} and the key beside it do not belong together", path.display())]
    Pair {
        /// The certificate.
        path: PathBuf,
    },
}

/// What certs.d holds for one host.
#[derive(Default)]
struct Extra {
    /// More roots, for this host alone.
    roots: Vec<Certificate<'static>>,
    /// What we show to prove who we are.
    client: Option<ClientCert>,
}

/// The TLS settings for one origin.
pub(crate) fn tls(
    origin: &Origin,
    roots: Option<&Path>,
    certs_dirs: &[PathBuf],
) -> Result<TlsConfig, CertsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut extra = Extra::default();
    // An origin may come from a redirect; ".." must not lead out of certs.d.
    for dir in certs_dirs.iter().filter(|_| !origin.authority.starts_with('.')) {
        extra.add(&dir.join(&origin.authority), &provider)?;
    }
    extra.roots.extend(match roots {
        Some(path) => certificates(path, &file(path)?)?,
        None => bundle()?,
    });
    if extra.roots.is_empty() {
        return Err(CertsError::NoRoots);
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(extra.roots)))
        .client_cert(extra.client)
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

impl Extra {
    /// Adds what the folder `path` holds, if there is one.
    fn add(&mut self, path: &Path, provider: &CryptoProvider) -> Result<(), CertsError> {
        let failed = |source| CertsError::Read { path: path.to_owned(), source };
        let folder = match dir::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folder => folder.map_err(failed)?,
        };
        let entries = dir::entries(folder.as_fd()).map_err(failed)?;
        let mut names: Vec<String> =
            entries.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect();
        names.sort_unstable();
        for name in &names {
            let path = path.join(name);
            if name.ends_with(".crt") {
                self.roots.extend(certificates(&path, &file(&path)?)?);
            } else if name.ends_with(".cert") && self.client.is_none() {
                self.client = Some(client(&path, provider)?);
            }
        }
        Ok(())
    }
}

/// The first bundle that there is. None is no error where certs.d has roots.
fn bundle() -> Result<Vec<Certificate<'static>>, CertsError> {
    for path in BUNDLES.map(Path::new) {
        match file(path) {
            Err(CertsError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            bytes => return certificates(path, &bytes?),
        }
    }
    Ok(Vec::new())
}

/// Reads a file of this host's configuration, which may well be a link.
fn file(path: &Path) -> Result<Vec<u8>, CertsError> {
    let read = || {
        let file = std::fs::File::options().read(true).open(path)?;
        let mut bytes = Vec::new();
        file.take(MAX_PEM).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| CertsError::Read { path: path.to_owned(), source })
}

/// All certificates of a file; a file without any is a mistake, and named.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<Certificate<'static>>, CertsError> {
    let error = || CertsError::Pem { path: path.to_owned(), expected: "certificate in PEM form" };
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| error())? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(error()) } else { Ok(found) }
}

/// `X.cert` with the `X.key` beside it. That they fit is checked here, since ureq takes it for
/// granted.
fn client(path: &Path, provider: &CryptoProvider) -> Result<ClientCert, CertsError> {
    let chain = certificates(path, &file(path)?)?;
    let key_path = path.with_extension("key");
    let no_key = || CertsError::Pem { path: key_path.clone(), expected: "private key in PEM form" };
    let key = PrivateKey::from_pem(&file(&key_path)?).map_err(|_| no_key())?;
    let ders = chain.iter().map(|c| CertificateDer::from(c.der().to_vec())).collect();
    let key_der = PrivateKeyDer::try_from(key.der().to_vec()).map_err(|_| no_key())?;
    rustls::sign::CertifiedKey::from_der(ders, key_der, provider)
        .map_err(|_| CertsError::Pair { path: path.to_owned() })?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Scheme;

    fn write(path: &Path, text: &str) {
        use std::io::Write as _;
        let file = std::fs::File::options().write(true).create(true).truncate(true).open(path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn files_that_hold_no_certificates_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().join("r.example:5000");
        std::fs::create_dir(&host).unwrap();
        let origin = Origin::new(Scheme::Https, "r.example:5000");
        let dirs = [folder.path().to_owned()];
        write(&host.join("ca.crt"), "nothing");
        let error = tls(&origin, None, &dirs).unwrap_err();
        assert!(error.to_string().contains("r.example:5000/ca.crt"), "{error}");
        let missing = tls(&origin, Some(Path::new("/nonexistent")), &[]).unwrap_err();
        assert!(matches!(missing, CertsError::Read { .. }));
    }

    proptest::proptest! {
        #[test]
        fn pem_never_panics(text in "(-----BEGIN CERTIFICATE-----\n)?\\PC{0,40}(\n-----END)?") {
            assert!(certificates(Path::new("x"), text.as_bytes()).is_err() || text.contains("END"));
        }
    }
}
