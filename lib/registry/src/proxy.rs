//! Which requests go through a proxy.
//!
//! Source: Go's golang.org/x/net/http/httpproxy, whose rules for NO_PROXY docker and podman share.

use std::net::IpAddr;

use crate::address::{Origin, Scheme};

/// Proxies, in the words of HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
#[derive(Clone, Default)]
pub struct Proxies {
    /// The proxy for requests over TLS: `http://[user:password@]host:port`, or only `host:port`.
    pub https: Option<String>,
    /// The proxy for plain requests.
    pub http: Option<String>,
    /// Whom to speak to without a proxy: hosts (and all below them), `.suffix` (only those below),
    /// addresses, `address/bits` and `*`, each with an optional port, separated by commas.
    pub exempt: String,
}

/// A proxy's address that cannot be used. It may hold a password, so it is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the address of the proxy for {0} is not valid; it should look like http://proxy.example:3128"
)]
pub struct ProxyError(&'static str);

impl std::fmt::Debug for Proxies {
    /// Says whether there are proxies, not where: their addresses may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (https, http) = (self.https.is_some(), self.http.is_some());
        f.debug_struct("Proxies").field("https", &https).field("http", &http).finish()
    }
}

impl Proxies {
    /// The proxy for requests to `origin`.
    pub(crate) fn choose(&self, origin: &Origin) -> Result<Option<ureq::Proxy>, ProxyError> {
        let (address, what) = match origin.scheme {
            Scheme::Https => (&self.https, "https"),
            Scheme::Http => (&self.http, "http"),
        };
        let Some(address) = address.as_deref().filter(|address| !address.is_empty()) else {
            return Ok(None);
        };
        // As in Go: what is on this host is never asked for through another.
        let is_local = origin.host().parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if is_local || origin.host() == "localhost" {
            return Ok(None);
        }
        if self.exempt.split(',').any(|rule| is_exempt(rule.trim(), origin)) {
            return Ok(None);
        }
        ureq::Proxy::new(address).map(Some).map_err(|_| ProxyError(what))
    }
}

/// Whether one rule of NO_PROXY covers `origin`. A rule that makes no sense covers nothing.
fn is_exempt(rule: &str, origin: &Origin) -> bool {
    if rule == "*" {
        return true;
    }
    if let Some(covers) = network(rule) {
        return origin.host().parse().is_ok_and(covers);
    }
    let (name, port) = split_port(rule);
    if port.is_some_and(|port| Some(port) != origin.port()) {
        return false;
    }
    let name = name.strip_prefix('*').unwrap_or(name).to_ascii_lowercase();
    let host = origin.host();
    match name.strip_prefix('.') {
        _ if name.is_empty() => false,
        Some(_) => host.ends_with(&name),
        None => {
            let above = host.strip_suffix(&name);
            above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }
    }
}

/// `name:port`, `[address]:port`, or no port. An IPv6 address without brackets has none.
fn split_port(rule: &str) -> (&str, Option<u16>) {
    if rule.parse::<IpAddr>().is_ok() {
        return (rule, None);
    }
    let (name, port) = match rule.rsplit_once(':') {
        Some((name, port)) => (name, port.parse().ok()),
        None => (rule, None),
    };
    (name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name), port)
}

/// `address/bits`, as a test.
fn network(rule: &str) -> Option<impl Fn(IpAddr) -> bool> {
    let (address, bits) = rule.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let (net, width) = number(address);
    if bits > width {
        return None;
    }
    let shift = width - bits;
    Some(move |other: IpAddr| {
        let (value, other_width) = number(other);
        let top = |n: u128| n.checked_shr(shift).unwrap_or(0);
        width == other_width && top(net) == top(value)
    })
}

/// An address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exempt(rule: &str, authority: &str) -> bool {
        is_exempt(rule, &Origin::new(Scheme::Https, authority))
    }

    #[test]
    fn a_name_covers_what_is_below_it() {
        assert!(exempt("example.com", "example.com"));
        assert!(exempt("example.com", "r.Example.com:5000"));
        assert!(!exempt("example.com", "badexample.com"));
        assert!(!exempt(".example.com", "example.com"));
        assert!(exempt("*.example.com", "r.example.com"));
        assert!(exempt("*", "anything"));
        assert!(!exempt("", "anything") && !exempt(".", "r.example"));
    }

    #[test]
    fn ports_and_networks_are_compared() {
        assert!(exempt("localhost:5000", "localhost:5000"));
        assert!(!exempt("localhost:5000", "localhost:5001"));
        assert!(exempt("10.0.0.0/8", "10.1.2.3:5000") && !exempt("10.0.0.0/8", "11.0.0.1"));
        assert!(exempt("0.0.0.0/0", "1.2.3.4") && !exempt("0.0.0.0/0", "[::1]"));
        assert!(exempt("::1", "[::1]:5000") && exempt("[::1]:5000", "[::1]:5000"));
        assert!(exempt("::/0", "[::1]:5000") && !exempt("10.0.0.0/33", "10.0.0.0"));
    }

    #[test]
    fn a_proxy_is_for_one_scheme() {
        let proxies = Proxies { https: Some("p.example:3128".into()), ..Proxies::default() };
        let https = proxies.choose(&Origin::new(Scheme::Https, "r.example")).unwrap();
        assert_eq!(https.unwrap().port(), 3128);
        assert!(proxies.choose(&Origin::new(Scheme::Http, "r.example")).unwrap().is_none());
        for local in ["localhost:5000", "127.0.0.1", "[::1]:5000"] {
            assert!(proxies.choose(&Origin::new(Scheme::Https, local)).unwrap().is_none());
        }
        let secret = Proxies { https: Some("http://u:secret@p::".into()), ..Proxies::default() };
        let error = secret.choose(&Origin::new(Scheme::Https, "r.example")).unwrap_err();
        assert!(!format!("{error} {secret:?}").contains("secret"));
    }

    proptest::proptest! {
        #[test]
        fn rules_never_panic(rule in "\\PC{0,40}", host in "[a-z0-9.:\\[\\]]{1,20}") {
            exempt(&rule, &host);
        }
    }
}
