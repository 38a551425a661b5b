//! Pull and push over the OCI distribution API.
//!
//! Start at [`Client`]. [`Settings`] hold all that a caller may decide; nothing is read from the
//! environment, and nothing is opened or looked up before the first request. Everything that a
//! registry sends is bounded and checked against a digest, a size or a media type.
//!
//! Things this crate does not do: no store, no choice of platform, no printing, no plain HTTP that
//! was not asked for by host, no credentials to anybody but the host that they are stored for and
//! the token service that it names over TLS.

mod address;
mod answer;
mod auth;
mod blob;
mod cancel;
mod certs;
mod challenge;
mod client;
mod config;
mod credential;
mod error;
mod helper;
mod host;
mod proxy;
mod push;
mod retry;
mod settings;
mod token;
mod wire;

pub use address::UrlError;
pub use blob::Blob;
pub use cancel::Cancel;
pub use certs::CertsError;
pub use client::{Client, IMAGE_TYPES, MAX_MANIFEST};
pub use config::{ConfigError, DockerConfig, Kept};
pub use credential::{Credential, CredentialError, Credentials};
pub use error::{Cause, Detail, Error, Known, Task};
pub use helper::HelperError;
pub use host::{Host, HostError};
pub use proxy::{Proxies, ProxyError};
pub use push::{Pushed, Source};
pub use settings::{Retries, Settings, Timeouts};
pub use token::TokenError;
