//! The client: what can be asked of a registry.

use std::sync::Arc;

use coffer_oci::{Descriptor, Digest, Hasher, MediaType, Reference};
use ureq::Body;
use ureq::http::{Method, Response, StatusCode, header};

use crate::address::Url;
use crate::auth::{Auth, Scope};
use crate::cancel::Cancel;
use crate::retry::Backoff;
use crate::wire::{Authorization, Request, Wire};
use crate::{Blob, Cause, Credential, Error, Host, Settings, Task, answer};

/// The longest index or manifest, in bytes. Source: distribution-spec, "Pushing Manifests".
pub const MAX_MANIFEST: u64 = 4 << 20;

/// The media types of images: what to accept where a name is resolved.
pub const IMAGE_TYPES: [&str; 4] = [
    MediaType::OCI_INDEX,
    MediaType::OCI_MANIFEST,
    MediaType::DOCKER_LIST,
    MediaType::DOCKER_MANIFEST,
];

const CONTENT_DIGEST: &str = "docker-content-digest";

/// A client for any number of registries. Clones share connections, tokens and the switch that
/// cancels them. Making one does no I/O.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    cancel: Cancel,
}

/// What all clones of a client have in common.
struct Shared {
    settings: Arc<Settings>,
    wire: Wire,
    auth: Auth,
}

/// What an answer must be like to be taken.
pub(crate) type Expect = fn(StatusCode) -> bool;

impl Client {
    /// A client that does what `settings` allow.
    pub fn new(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let wire = Wire::new(Arc::clone(&settings));
        let shared = Shared { settings, wire, auth: Auth::default() };
        Self { shared: Arc::new(shared), cancel: Cancel::default() }
    }

    /// The same client with a switch of its own, for a group of requests that fail together.
    pub fn cancellable(&self) -> (Self, Cancel) {
        let cancel = Cancel::default();
        (Self { shared: Arc::clone(&self.shared), cancel: cancel.clone() }, cancel)
    }

    /// The settings that the client was made with.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Checks that `host` takes `credential`, and uses it from now on. It is kept nowhere; see
    /// [`Credentials::store`](crate::Credentials::store).
    ///
    /// # Errors
    /// [`Cause::Unauthorized`] where it is refused, or what stood in the way of asking.
    pub fn login(&self, host: &Host, credential: Credential) -> Result<(), Error> {
        let task = Cause::of(|| Task::Login(host.clone()));
        self.shared.auth.set(host, credential);
        let url = Url { origin: self.shared.settings.origin(host), target: "/v2/".to_owned() };
        let request = Request::new(Method::GET, url);
        self.send(host, &Scope::new(), &request, |status| status == StatusCode::OK)
            .map(drop)
            .map_err(task)
    }

    /// What a name stands for now, without fetching it. What comes of it is checked when it is
    /// fetched; here it says at most that there is nothing new.
    ///
    /// # Errors
    /// [`Cause::NotFound`] where there is no such image, or what stood in the way of asking.
    pub fn resolve(&self, name: &Reference) -> Result<Digest, Error> {
        let task = Cause::of(|| Task::Resolve(name.clone()));
        let request = self.manifest_request(Method::HEAD, name, &IMAGE_TYPES);
        self.send(&Host::of(name), &pull_scope(name), &request, |status| status == StatusCode::OK)
            .and_then(|answer| {
                promised(name.host(), &answer)?.ok_or_else(|| bad_digest(name.host(), ""))
            })
            .map_err(task)
    }

    /// Fetches an index or a manifest of one of the media types in `accept`.
    ///
    /// Its bytes have the digest that the reference pins, if it does, and the one that the
    /// registry says, if it does.
    ///
    /// # Errors
    /// [`Cause::Digest`], [`Cause::MediaType`] or [`Cause::TooLong`] where the registry sends
    /// something else, [`Cause::NotFound`] where there is no such image, or what stood in the way.
    pub fn manifest(
        &self,
        name: &Reference,
        accept: &[&str],
    ) -> Result<(Descriptor, Vec<u8>), Error> {
        let task = Cause::of(|| Task::Manifest(name.clone()));
        self.fetch_manifest(name, accept).map_err(task)
    }

    /// Tries again where the answer breaks off, too; [`Client::send`] alone stops at its headers.
    fn fetch_manifest(
        &self,
        name: &Reference,
        accept: &[&str],
    ) -> Result<(Descriptor, Vec<u8>), Cause> {
        let request = self.manifest_request(Method::GET, name, accept);
        let mut backoff = self.backoff();
        loop {
            let tried = self
                .send_once(&Host::of(name), &pull_scope(name), &request, |s| s == StatusCode::OK)
                .and_then(|mut answer| self.take_manifest(name, accept, &mut answer));
            match tried {
                Err(cause) => backoff.wait(cause, &self.cancel)?,
                taken => return taken,
            }
        }
    }

    /// Checks an answer in the order of cost: what it says it is, what it promises to be, how long
    /// it is, and what it hashes to.
    fn take_manifest(
        &self,
        name: &Reference,
        accept: &[&str],
        answer: &mut Response<Body>,
    ) -> Result<(Descriptor, Vec<u8>), Cause> {
        let host = name.host();
        let found = answer.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let found = found.map(MediaType::new);
        let Some(media_type) = found.clone().filter(|t| accept.contains(&t.as_str())) else {
            return Err(Cause::MediaType { host: host.to_owned(), found });
        };
        let promised = promised(host, answer)?;
        let time = self.shared.settings.timeouts.answer;
        let bytes = answer::read(host, answer, MAX_MANIFEST, time)?;
        for expected in promised.iter().chain(name.digest()) {
            check(host, expected, &bytes)?;
        }
        let digest = name.digest().cloned().or(promised).unwrap_or_else(|| Digest::of(&bytes));
        Ok((Descriptor::new(media_type.as_str(), digest, bytes.len() as u64), bytes))
    }

    /// Reads a blob from `offset` on. Faults that pass are ridden out while it is read: it goes on
    /// where it stopped. Its digest is for the reader to check, over all of its bytes.
    ///
    /// # Errors
    /// Where the registry has no such blob, says that it has another size, or what stood in the
    /// way of asking.
    pub fn blob(&self, name: &Reference, blob: &Descriptor, offset: u64) -> Result<Blob, Error> {
        Blob::open(self.clone(), name, blob, offset)
    }

    /// Sends a request as often as it makes sense, with what the registry wants for leave.
    pub(crate) fn send(
        &self,
        host: &Host,
        scope: &Scope,
        request: &Request<'_>,
        expect: Expect,
    ) -> Result<Response<Body>, Cause> {
        let mut backoff = self.backoff();
        loop {
            match self.send_once(host, scope, request, expect) {
                Err(cause) => backoff.wait(cause, &self.cancel)?,
                answer => return answer,
            }
        }
    }

    /// The same without another try, except the one with leave after a 401.
    pub(crate) fn send_once(
        &self,
        host: &Host,
        scope: &Scope,
        request: &Request<'_>,
        expect: Expect,
    ) -> Result<Response<Body>, Cause> {
        let Shared { settings, wire, auth } = &*self.shared;
        let time = settings.timeouts.answer;
        let own = request.url.origin == settings.origin(host);
        // An upload may go to another host, which is to know nothing of us.
        let used = if own { auth.get(wire, settings, host, scope)? } else { None };
        let mut answer = wire.send(request, used.as_ref())?;
        if own && answer.status() == StatusCode::UNAUTHORIZED {
            answer = match self.second_leave(host, scope, used.as_ref(), &answer)? {
                Some(leave) => wire.send(request, Some(&leave))?,
                None => answer,
            };
        }
        match answer.status() {
            status if expect(status) => Ok(answer),
            StatusCode::UNAUTHORIZED => {
                Err(answer::unauthorized(host, auth.knows(host), &mut answer, time))
            }
            _ => Err(answer::refusal(&request.url.origin.authority, &mut answer, time)),
        }
    }

    /// What to show after a 401, where there is something else than before.
    fn second_leave(
        &self,
        host: &Host,
        scope: &Scope,
        used: Option<&Authorization>,
        answer: &Response<Body>,
    ) -> Result<Option<Authorization>, Cause> {
        let Shared { settings, wire, auth } = &*self.shared;
        auth.learn(wire, settings, (host, scope), used, answer)
    }

    /// The tries of a new request.
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.shared.settings.retries)
    }

    /// The switch that ends the waits of this client.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// `/v2/<repository>/<rest>` at the registry of `name`.
    pub(crate) fn url(&self, name: &Reference, rest: &str) -> Url {
        let origin = self.shared.settings.origin(&Host::of(name));
        Url { origin, target: format!("/v2/{}/{rest}", name.repository()) }
    }

    fn manifest_request(
        &self,
        method: Method,
        name: &Reference,
        accept: &[&str],
    ) -> Request<'static> {
        let url = self.url(name, &format!("manifests/{}", version(name)));
        Request::new(method, url).header(header::ACCEPT, accept.join(", "))
    }
}

/// What a manifest is asked for by: its digest where there is one. A reference has one or the other.
pub(crate) fn version(name: &Reference) -> String {
    let digest = name.digest().map(Digest::to_string);
    digest.or_else(|| name.tag().map(str::to_owned)).unwrap_or_default()
}

/// Leave to read the repository of `name`.
pub(crate) fn pull_scope(name: &Reference) -> Scope {
    vec![format!("repository:{}:pull", name.repository())]
}

/// The digest that a registry says its answer has. Source: distribution-spec, "Pulling manifests".
pub(crate) fn promised(host: &str, answer: &Response<Body>) -> Result<Option<Digest>, Cause> {
    let Some(value) = answer.headers().get(CONTENT_DIGEST) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    text.parse().map(Some).map_err(|_| bad_digest(host, text))
}

fn bad_digest(host: &str, value: &str) -> Cause {
    let (host, value) = (host.to_owned(), value.to_owned());
    Cause::Header { host, name: "Docker-Content-Digest", value }
}

/// Whether `bytes` have the digest that was asked for or promised.
fn check(host: &str, expected: &Digest, bytes: &[u8]) -> Result<(), Cause> {
    let mut hasher = Hasher::new(expected.algorithm());
    hasher.update(bytes);
    match hasher.finish() {
        found if found == *expected => Ok(()),
        found => Err(Cause::Digest { host: host.to_owned(), expected: expected.clone(), found }),
    }
}
