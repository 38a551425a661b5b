//! URLs, as far as registries use them. Source: RFC 3986.
//!
//! A registry names addresses in three places: the realm of a challenge, redirects, and uploads.
//! All of them are parsed here, and nothing but `http` and `https` comes out.

use std::fmt;

use ureq::http::Uri;

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    /// Over TLS.
    Https,
    /// In plain text, only where it was asked for.
    Http,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    fn default_port(self) -> &'static str {
        match self {
            Self::Https => ":443",
            Self::Http => ":80",
        }
    }
}

/// Scheme, host and port: whom a connection is with. Credentials never leave the origin that they
/// are for. Source: RFC 6454.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    /// Lower case, without the port where it is the scheme's own.
    pub(crate) authority: String,
}

/// An absolute URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) origin: Origin,
    /// Path and query, beginning with a slash.
    pub(crate) target: String,
}

/// Why a text is no URL that coffer follows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an http or https URL without user name")]
pub struct UrlError(String);

/// The text of an address without what may be a secret in it: whom a password is for may be said,
/// and where something lies, but no user name, no password, and no query, which holds signatures.
fn without_secrets(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let (shown, hidden) = text.split_at(end);
    let mut shown = shown.to_owned();
    let start = shown.find("//").map_or(0, |at| at + 2);
    let rest = shown.get(start..).unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    if let Some(at) = authority.rfind('@') {
        shown.replace_range(start..start + at, "…");
    }
    if !hidden.is_empty() {
        shown.push_str("?…");
    }
    shown
}

impl Origin {
    /// `authority` is a host with an optional port.
    pub(crate) fn new(scheme: Scheme, authority: &str) -> Self {
        let lower = authority.to_ascii_lowercase();
        let bare = lower.strip_suffix(scheme.default_port()).unwrap_or(&lower);
        Self { scheme, authority: bare.to_owned() }
    }

    /// The host without the port; an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        match self.authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => self.authority.split(':').next().unwrap_or(&self.authority),
        }
    }

    /// The port, where it is not the scheme's own.
    pub(crate) fn port(&self) -> Option<u16> {
        let (_, port) = self.authority.rsplit_once(':')?;
        port.parse().ok()
    }
}

impl Url {
    /// Parses an absolute URL. A user name in it is refused: it would be a credential that nobody
    /// gave us, or a host made to look like another one.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let error = || UrlError(without_secrets(text));
        let uri: Uri = text.parse().map_err(|_| error())?;
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            _ => return Err(error()),
        };
        let authority = uri.authority().map(|a| a.as_str()).filter(|a| !a.contains('@'));
        let origin = Origin::new(scheme, authority.ok_or_else(error)?);
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { origin, target: format!("{slash}{target}") })
    }

    /// What a `Location` of an answer to this URL means: a URL, or a path with the same origin.
    /// `//host/path`, which changes the host in passing, is refused.
    pub(crate) fn join(&self, location: &str) -> Result<Self, UrlError> {
        match location {
            path if path.starts_with('/') && !path.starts_with("//") => {
                Self::parse(&format!("{}{path}", self.origin))
            }
            other => Self::parse(other),
        }
    }

    /// Adds `name=value` to the query.
    pub(crate) fn with_query(mut self, name: &str, value: &str) -> Self {
        let separator = if self.target.contains('?') { '&' } else { '?' };
        self.target = format!("{}{separator}{name}={}", self.target, encode(value));
        self
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.target)
    }
}

/// Percent-encodes all but the unreserved characters. Source: RFC 3986, 2.3.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_may_be_a_path() {
        let base = Url::parse("https://R.example:443/v2/a/blobs/uploads/").unwrap();
        assert_eq!(base.origin.authority, "r.example");
        let joined = base.join("/v2/u?state=1").unwrap().with_query("digest", "sha256:a");
        assert_eq!(joined.to_string(), "https://r.example/v2/u?state=1&digest=sha256%3Aa");
        assert_eq!(base.join("http://o.example").unwrap().to_string(), "http://o.example/");
        for bad in ["//evil.example/x", "ftp://x/", "https://u:p@x/", "relative", ""] {
            assert!(base.join(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_says_no_password_and_no_signature() {
        let said = |text: &str| Url::parse(text).unwrap_err().to_string();
        for (text, shown) in [
            ("https://me:secret@r.example/a/b?sig=secret#secret", "\"https://…@r.example/a/b?…\""),
            ("ftp://me:se@cret@r.example", "\"ftp://…@r.example\""),
            ("me:secret@r.example/a@b", "\"…@r.example/a@b\""),
            ("?secret", "\"?…\""),
            ("//", "\"//\""),
        ] {
            assert!(said(text).starts_with(shown), "{text}: {}", said(text));
        }
    }

    #[test]
    fn an_origin_has_host_and_port() {
        let six = Origin::new(Scheme::Http, "[::1]:5000");
        assert_eq!((six.host(), six.port()), ("::1", Some(5000)));
        let name = Origin::new(Scheme::Https, "r.example");
        assert_eq!((name.host(), name.port()), ("r.example", None));
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_round_trips(text in "\\PC{0,60}") {
            if let Ok(url) = Url::parse(&text) {
                proptest::prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
            }
        }
    }
}
