//! Pushing: blobs, then what names them. Source: distribution-spec, "Push".
//!
//! A blob goes in one PUT, the fastest way where nothing breaks. Where something does, the
//! registry is asked how much it has, and the rest follows as a chunk; a registry that knows
//! nothing of the upload any more gets a new one.

use std::io::{self, Read};

use coffer_oci::{Descriptor, Digest, Reference};
use ureq::Body;
use ureq::http::{Method, Response, StatusCode, header};

use crate::address::Url;
use crate::auth::Scope;
use crate::client::{promised, version};
use crate::wire::{self, Payload, Request};
use crate::{Cause, Client, Error, Host, Task};

const BYTES: &str = "application/octet-stream";

/// What is to be pushed, readable as often as it takes.
pub trait Source {
    /// Begins to read at `offset`.
    ///
    /// # Errors
    /// What the system said.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>>;
}

impl<F: Fn(u64) -> io::Result<Box<dyn Read>>> Source for F {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        self(offset)
    }
}

/// How a blob came into the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was there already.
    Existed,
    /// The registry took it over from another repository of its own.
    Mounted,
    /// It was sent.
    Uploaded,
}

/// One blob on its way out.
struct Upload<'a> {
    client: &'a Client,
    name: &'a Reference,
    blob: &'a Descriptor,
    source: &'a dyn Source,
    host: Host,
    scope: Scope,
}

impl Client {
    /// Makes sure that the repository of `name` has `blob`: by looking, by mounting it from the
    /// repository of `other` in the same registry, or by sending it.
    ///
    /// # Errors
    /// Where the registry refuses, or `source` cannot be read.
    pub fn push_blob(
        &self,
        name: &Reference,
        blob: &Descriptor,
        other: Option<&Reference>,
        source: &dyn Source,
    ) -> Result<Pushed, Error> {
        let other = other
            .filter(|other| other.host() == name.host() && other.repository() != name.repository());
        let mut scope = push_scope(name);
        scope.extend(other.map(|other| format!("repository:{}:pull", other.repository())));
        let upload = Upload { client: self, name, blob, source, host: Host::of(name), scope };
        upload.run(other).map_err(Cause::of(|| Task::PushBlob(name.clone(), blob.digest.clone())))
    }

    /// Pushes an index or a manifest under the tag of `name`, or under its digest where it has
    /// one. All that it names must be there already.
    ///
    /// # Errors
    /// Where the registry refuses, or says that it got something else.
    pub fn push_manifest(
        &self,
        name: &Reference,
        manifest: &Descriptor,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let task = Cause::of(|| Task::PushManifest(name.clone()));
        let url = self.url(name, &format!("manifests/{}", version(name)));
        let request = Request::new(Method::PUT, url)
            .header(header::CONTENT_TYPE, manifest.media_type.as_str())
            .payload(Payload::Bytes(bytes));
        let expect = |status| status == StatusCode::CREATED || status == StatusCode::OK;
        self.send(&Host::of(name), &push_scope(name), &request, expect)
            .and_then(|answer| acknowledged(name.host(), &manifest.digest, &answer))
            .map_err(task)
    }
}

impl Upload<'_> {
    fn run(&self, other: Option<&Reference>) -> Result<Pushed, Cause> {
        if self.exists()? {
            return Ok(Pushed::Existed);
        }
        let mut backoff = self.client.backoff();
        loop {
            match self.attempt(other) {
                Err(cause) => backoff.wait(cause, self.client.cancel())?,
                pushed => return pushed,
            }
        }
    }

    /// Whether the repository has the blob, which is cheaper to ask than to send.
    fn exists(&self) -> Result<bool, Cause> {
        let url = self.client.url(self.name, &format!("blobs/{}", self.blob.digest));
        let expect = |status| matches!(status, StatusCode::OK | StatusCode::NOT_FOUND);
        let request = Request::new(Method::HEAD, url);
        let answer = self.client.send(&self.host, &self.scope, &request, expect)?;
        Ok(answer.status() == StatusCode::OK)
    }

    /// One upload: asked for, sent whole, and gone on with where it broke.
    fn attempt(&self, other: Option<&Reference>) -> Result<Pushed, Cause> {
        let mut url = self.client.url(self.name, "blobs/uploads/");
        if let Some(other) = other {
            url = url.with_query("mount", &self.blob.digest.to_string());
            url = url.with_query("from", other.repository());
        }
        let request = Request::new(Method::POST, url.clone()).payload(Payload::Bytes(&[]));
        let expect = |status| matches!(status, StatusCode::ACCEPTED | StatusCode::CREATED);
        let answer = self.client.send_once(&self.host, &self.scope, &request, expect)?;
        if answer.status() == StatusCode::CREATED {
            return Ok(Pushed::Mounted);
        }
        let session = wire::location(&url, &answer)?;
        match self.put(&session, self.payload(0)) {
            Err(cause @ (Cause::Broken { .. } | Cause::Stalled { .. })) => {
                self.go_on(&session).map_err(|second| more_telling(cause, second))?;
            }
            put => put?,
        }
        Ok(Pushed::Uploaded)
    }

    /// Asks how far a broken upload came, sends the rest, and closes it.
    fn go_on(&self, session: &Url) -> Result<(), Cause> {
        let expect = |status| status == StatusCode::NO_CONTENT;
        let request = Request::new(Method::GET, session.clone());
        let answer = self.client.send_once(&self.host, &self.scope, &request, expect)?;
        let offset = received(&answer).filter(|offset| *offset < self.blob.size);
        let offset = offset.ok_or_else(|| self.bad_range(&answer))?;
        let session = wire::location(session, &answer)?;
        let request = Request::new(Method::PATCH, session.clone())
            .header(header::CONTENT_TYPE, BYTES)
            .header(header::CONTENT_RANGE, format!("{offset}-{}", self.blob.size - 1))
            .payload(self.payload(offset));
        let accepted = |status| matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT);
        let answer = self.client.send_once(&self.host, &self.scope, &request, accepted)?;
        self.put(&wire::location(&session, &answer)?, Payload::Bytes(&[]))
    }

    /// Sends `payload` as the end of the upload, by which the registry checks the digest.
    fn put(&self, session: &Url, payload: Payload<'_>) -> Result<(), Cause> {
        let url = session.clone().with_query("digest", &self.blob.digest.to_string());
        let request =
            Request::new(Method::PUT, url).header(header::CONTENT_TYPE, BYTES).payload(payload);
        let expect = |status| matches!(status, StatusCode::CREATED | StatusCode::NO_CONTENT);
        let answer = self.client.send_once(&self.host, &self.scope, &request, expect)?;
        acknowledged(self.host.as_str(), &self.blob.digest, &answer)
    }

    /// The blob from `offset` on.
    fn payload(&self, offset: u64) -> Payload<'_> {
        Payload::Stream { source: self.source, offset, size: self.blob.size }
    }

    fn bad_range(&self, answer: &Response<Body>) -> Cause {
        let value = answer.headers().get(header::RANGE).and_then(|v| v.to_str().ok());
        let value = value.unwrap_or_default().to_owned();
        Cause::Header { host: self.host.to_string(), name: "Range", value }
    }
}

/// Of a fault and the failed attempt to go on after it, the one to act upon: the fault, which
/// passes, so that the upload begins anew.
fn more_telling(first: Cause, second: Cause) -> Cause {
    if matches!(second, Cause::Cancelled | Cause::Source(_)) { second } else { first }
}

/// How many bytes a registry has: one more than the last byte of `0-last`. Source:
/// distribution-spec, "Pushing a blob in chunks".
fn received(answer: &Response<Body>) -> Option<u64> {
    count(answer.headers().get(header::RANGE)?.to_str().ok()?)
}

/// From `0-last` to how many bytes that are.
fn count(text: &str) -> Option<u64> {
    let last = text.strip_prefix("bytes=").unwrap_or(text).strip_prefix("0-")?;
    // An empty upload has no last byte; registries then say 0-0, or 0--1.
    let last: i64 = last.parse().ok()?;
    if last <= 0 { Some(0) } else { u64::try_from(last).ok()?.checked_add(1) }
}

/// Whether the registry got what was sent, as far as it says. It may name the content by another
/// algorithm than we do.
fn acknowledged(host: &str, expected: &Digest, answer: &Response<Body>) -> Result<(), Cause> {
    match promised(host, answer)? {
        Some(found) if found != *expected && found.algorithm() == expected.algorithm() => {
            Err(Cause::Digest { host: host.to_owned(), expected: expected.clone(), found })
        }
        _ => Ok(()),
    }
}

fn push_scope(name: &Reference) -> Scope {
    vec![format!("repository:{}:pull,push", name.repository())]
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn a_range_says_how_many_bytes_are_there() {
        assert_eq!(count("0-199"), Some(200));
        assert_eq!(count("bytes=0-199"), Some(200));
        for empty in ["0-0", "0--1"] {
            assert_eq!(count(empty), Some(0));
        }
        for bad in ["", "5-9", "0-", "0-x", "0-99999999999999999999"] {
            assert_eq!(count(bad), None, "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(bytes=)?(0-)?\\PC{0,24}") {
            count(&text);
        }
    }
}
