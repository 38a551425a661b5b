//! Which Authorization goes with a request: learned from 401 answers, kept while it is good.
//!
//! Nothing is shown to a registry that did not ask. The first request goes without; its 401 says
//! what is wanted, which is remembered for the host, so that later requests go with it at once.
//! Credentials are looked up only then, and at most once for each host.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ureq::Body;
use ureq::http::{Response, header};

use crate::challenge::Challenge;
use crate::error::Known;
use crate::token::{Purchase, Token};
use crate::wire::{Authorization, Wire};
use crate::{Cause, Credential, Host, Settings};

/// What a request needs leave for, such as `repository:library/busybox:pull`; nothing for `/v2/`.
/// Source: distribution's docs/spec/auth/scope.md.
pub(crate) type Scope = Vec<String>;

/// What is known of each registry. One lock for all of it: what is done under it is rare, and
/// threads that wait for it would want the same token.
#[derive(Default)]
pub(crate) struct Auth {
    known: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// What each registry last asked for.
    challenges: HashMap<Host, Challenge>,
    /// What was found for each registry; `None` where there is nothing.
    credentials: HashMap<Host, Option<Credential>>,
    /// The tokens that were bought, by what they are good for.
    tokens: HashMap<(Host, Scope), Token>,
}

impl Auth {
    /// The Authorization for the first try: none before the registry has asked for one.
    pub(crate) fn get(
        &self,
        wire: &Wire,
        settings: &Settings,
        host: &Host,
        scope: &Scope,
    ) -> Result<Option<Authorization>, Cause> {
        let mut memory = self.lock();
        let Some(challenge) = memory.challenges.get(host).cloned() else { return Ok(None) };
        memory.authorize(wire, settings, host, scope, &challenge)
    }

    /// The Authorization for the second try, after the answer 401 to a try with `used`. `None`
    /// where there is nothing else to show.
    pub(crate) fn learn(
        &self,
        wire: &Wire,
        settings: &Settings,
        (host, scope): (&Host, &Scope),
        used: Option<&Authorization>,
        answer: &Response<Body>,
    ) -> Result<Option<Authorization>, Cause> {
        let headers = answer.headers().get_all(header::WWW_AUTHENTICATE);
        let texts = headers.iter().filter_map(|value| value.to_str().ok());
        let Some(challenge) = Challenge::parse(texts) else { return Ok(None) };
        let mut memory = self.lock();
        let key = (host.clone(), scope.clone());
        // Another thread may have bought a new token meanwhile.
        if memory.tokens.get(&key).is_some_and(|token| Some(&token.authorization) == used) {
            memory.tokens.remove(&key);
        }
        memory.challenges.insert(host.clone(), challenge.clone());
        let new = memory.authorize(wire, settings, host, scope, &challenge)?;
        Ok(new.filter(|new| Some(new) != used))
    }

    /// Whether there is a credential for `host`, as far as was looked.
    pub(crate) fn knows(&self, host: &Host) -> Known {
        match self.lock().credentials.get(host) {
            Some(Some(_)) => Known::Credential,
            _ => Known::Nobody,
        }
    }

    /// Uses `credential` for `host` instead of what is kept for it.
    pub(crate) fn set(&self, host: &Host, credential: Credential) {
        let mut memory = self.lock();
        memory.credentials.insert(host.clone(), Some(credential));
        memory.tokens.retain(|(of, _), _| of != host);
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Held locked while a token is bought, so that parallel requests buy one between them.
    fn authorize(
        &mut self,
        wire: &Wire,
        settings: &Settings,
        host: &Host,
        scope: &Scope,
        challenge: &Challenge,
    ) -> Result<Option<Authorization>, Cause> {
        let bearer = match challenge {
            Challenge::Basic => return Ok(self.credential(settings, host)?.and_then(basic)),
            Challenge::Bearer(bearer) => bearer,
        };
        let key = (host.clone(), scope.clone());
        if let Some(token) = self.tokens.get(&key).filter(|token| token.until > Instant::now()) {
            return Ok(Some(token.authorization.clone()));
        }
        let mut scopes = scope.clone();
        // A registry behind a path may know the repository by another name.
        scopes.extend(bearer.scope.iter().filter(|theirs| !scope.contains(theirs)).cloned());
        let credential = self.credential(settings, host)?;
        let token = Purchase { host, bearer, scopes: &scopes, credential }.make(wire, settings)?;
        let authorization = token.authorization.clone();
        self.tokens.insert(key, token);
        Ok(Some(authorization))
    }

    fn credential(
        &mut self,
        settings: &Settings,
        host: &Host,
    ) -> Result<Option<&Credential>, Cause> {
        if !self.credentials.contains_key(host) {
            let found = settings.credentials.find(host)?;
            self.credentials.insert(host.clone(), found);
        }
        Ok(self.credentials.get(host).and_then(Option::as_ref))
    }
}

/// Source: RFC 7617. An identity token is for token services alone.
pub(crate) fn basic(credential: &Credential) -> Option<Authorization> {
    match credential {
        Credential::Password { username, password } => Some(Authorization(format!(
            "Basic {}",
            BASE64.encode(format!("{username}:{password}"))
        ))),
        Credential::Identity(_) => None,
    }
}
