//! Tokens: bought with a credential at the service that the registry names.
//!
//! Sources: distribution's docs/spec/auth/token.md and oauth.md.

use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::{Method, StatusCode, header};

use crate::address::{Scheme, Url, UrlError, encode};
use crate::auth::basic;
use crate::challenge::Bearer;
use crate::error::Known;
use crate::wire::{Authorization, Payload, Request, Wire};
use crate::{Cause, Credential, Host, Settings, answer};

/// The longest answer of a token service, in bytes. Tokens with many scopes have some KB.
const MAX_TOKEN: u64 = 1 << 20;
/// How long a token is good for where the service does not say, and at least. Source: token.md.
const SHORTEST: Duration = Duration::from_secs(60);
/// The name by which token services know this client.
const CLIENT_ID: &str = "coffer";

/// Why no token could be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The registry names a service by no URL.
    #[error("{host} names a token service by an address that is not followed")]
    Realm {
        /// The registry.
        host: Host,
        /// Why not.
        #[source]
        source: UrlError,
    },
    /// The registry names a service in plain HTTP, where what it is sent could be read by others.
    #[error("{host} names a token service in plain HTTP ({realm}), which was not asked for")]
    Plain {
        /// The registry.
        host: Host,
        /// The service.
        realm: String,
    },
    /// The service's answer holds no token.
    #[error("the token service {realm} sent no token")]
    Answer {
        /// The service.
        realm: String,
    },
}

/// A token and until when to use it. It has no `Debug`.
pub(crate) struct Token {
    pub(crate) authorization: Authorization,
    pub(crate) until: Instant,
}

/// What a token service answers; older ones say `token`, OAuth2 says `access_token`.
#[derive(Deserialize)]
struct Issued {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// What a token is for.
pub(crate) struct Purchase<'a> {
    /// The registry that wants it.
    pub(crate) host: &'a Host,
    /// What the registry said.
    pub(crate) bearer: &'a Bearer,
    /// What it is to be good for.
    pub(crate) scopes: &'a [String],
    /// Who buys it; nobody in particular, for what is public.
    pub(crate) credential: Option<&'a Credential>,
}

impl Purchase<'_> {
    /// Asks the service for a token. It is never redirected: credentials go where they were meant.
    pub(crate) fn make(&self, wire: &Wire, settings: &Settings) -> Result<Token, Cause> {
        let realm = realm(self.host, &self.bearer.realm, settings)?;
        let place = realm.origin.authority.clone();
        let form = self.form();
        let (request, authorization) = self.request(&realm, form.as_bytes());
        let mut reply = wire.exchange(&request, authorization.as_ref())?;
        let time = settings.timeouts.answer;
        match reply.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST if self.credential.is_some() => {
                return Err(answer::unauthorized(self.host, Known::Credential, &mut reply, time));
            }
            StatusCode::UNAUTHORIZED => {
                return Err(answer::unauthorized(self.host, Known::Nobody, &mut reply, time));
            }
            _ => return Err(answer::refusal(&place, &mut reply, time)),
        }
        let body = answer::read(&place, &mut reply, MAX_TOKEN, time)?;
        parse(&body).ok_or_else(|| TokenError::Answer { realm: realm.origin.to_string() }.into())
    }

    /// A password goes into a GET as Basic; an identity token into a form, with POST.
    fn request<'f>(&self, realm: &Url, form: &'f [u8]) -> (Request<'f>, Option<Authorization>) {
        if let Some(Credential::Identity(_)) = self.credential {
            let request = Request::new(Method::POST, realm.clone())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .payload(Payload::Bytes(form));
            return (request, None);
        }
        let mut url = realm.clone();
        if let Some(service) = &self.bearer.service {
            url = url.with_query("service", service);
        }
        for scope in self.scopes {
            url = url.with_query("scope", scope);
        }
        (Request::new(Method::GET, url), self.credential.and_then(basic))
    }

    /// The form that exchanges an identity token. Source: oauth.md, "Refresh Token Format".
    fn form(&self) -> String {
        let Some(Credential::Identity(token)) = self.credential else { return String::new() };
        let service = self.bearer.service.as_deref().unwrap_or_default();
        format!(
            "grant_type=refresh_token&client_id={CLIENT_ID}&service={}&scope={}&refresh_token={}",
            encode(service),
            encode(&self.scopes.join(" ")),
            encode(token)
        )
    }
}

/// The service that `text` names, if credentials for `host` may go there: over TLS, or in plain
/// text where both the registry and the service were asked to be spoken to so.
fn realm(host: &Host, text: &str, settings: &Settings) -> Result<Url, TokenError> {
    let realm =
        Url::parse(text).map_err(|source| TokenError::Realm { host: host.clone(), source })?;
    let plain = realm.origin.scheme == Scheme::Http;
    let asked = settings.allows(&realm.origin) && settings.origin(host).scheme == Scheme::Http;
    if plain && !asked {
        return Err(TokenError::Plain { host: host.clone(), realm: realm.origin.to_string() });
    }
    Ok(realm)
}

/// A token is put into a header, so one with blanks or line ends is none.
fn parse(body: &[u8]) -> Option<Token> {
    let issued: Issued = serde_json::from_slice(body).ok()?;
    let text = issued.token.or(issued.access_token).filter(|token| !token.is_empty())?;
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let lifetime = Duration::from_secs(issued.expires_in.unwrap_or(0).min(1 << 20)).max(SHORTEST);
    // Its last tenth is left for clocks and for requests that are under way.
    let until = Instant::now() + lifetime.mul_f64(0.9);
    Some(Token { authorization: Authorization(format!("Bearer {text}")), until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_two_names() {
        let authorization = |text: &str| parse(text.as_bytes()).map(|t| t.authorization.0);
        assert_eq!(authorization(r#"{"token":"a"}"#).as_deref(), Some("Bearer a"));
        assert_eq!(
            authorization(r#"{"access_token":"b","expires_in":9}"#).as_deref(),
            Some("Bearer b")
        );
        for bad in ["", "{}", r#"{"token":""}"#, r#"{"token":"a\r\nX: y"}"#] {
            assert_eq!(authorization(bad), None);
        }
    }

    #[test]
    fn credentials_do_not_leave_tls() {
        let [host, plain]: [Host; 2] = ["r.example", "127.0.0.1:5000"].map(|h| h.parse().unwrap());
        let settings = Settings { plain_http: vec![plain.clone()], ..Settings::default() };
        assert!(realm(&host, "https://auth.example/token", &settings).is_ok());
        assert!(realm(&host, "http://auth.example/token", &settings).is_err());
        assert!(realm(&host, "http://127.0.0.1:5000/token", &settings).is_err());
        assert!(realm(&plain, "http://127.0.0.1:5000/token", &settings).is_ok());
        assert!(realm(&plain, "http://127.0.0.1:5001/token", &settings).is_err());
        assert!(realm(&host, "file:///etc/passwd", &settings).is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(body in "\\PC{0,60}") {
            parse(body.as_bytes());
        }
    }
}
