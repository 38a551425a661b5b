//! Reading blobs: from any byte on, over as many connections as it takes.
//!
//! No `If-Range` and no `ETag` are needed to join the pieces of several answers: the name of a
//! blob is its digest, and who reads it checks that over all pieces. A registry that changed the
//! bytes between two answers is found out there.

use std::io::{self, Read};

use coffer_oci::{Descriptor, Reference};
use ureq::http::{Response, StatusCode, header};
use ureq::{Body, BodyReader};

use crate::client::pull_scope;
use crate::retry::Backoff;
use crate::wire::Request;
use crate::{Cause, Client, Error, Host, Task};

/// After so many bytes without a fault, the faults before them are forgotten.
const FORGIVEN_AFTER: u64 = 1 << 20;

/// A blob on its way. It ends after as many bytes as its descriptor says, or with an error; the
/// error of [`Read`] holds an [`Error`].
pub struct Blob {
    client: Client,
    name: Reference,
    blob: Descriptor,
    /// The next byte to hand out.
    position: u64,
    /// The open answer, and how many of its bytes come before `position`.
    answer: Option<(BodyReader<'static>, u64)>,
    backoff: Backoff,
    /// How many bytes came without a fault, for [`FORGIVEN_AFTER`].
    since_fault: u64,
}

impl Blob {
    pub(crate) fn open(
        client: Client,
        name: &Reference,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Self, Error> {
        let backoff = client.backoff();
        let (name, blob) = (name.clone(), blob.clone());
        let position = offset.min(blob.size);
        let mut opened =
            Self { client, name, blob, position, answer: None, backoff, since_fault: 0 };
        if opened.position < opened.blob.size {
            opened.request_again().map_err(|cause| opened.error(cause))?;
        }
        Ok(opened)
    }

    /// Asks until there is an answer, or until it makes no sense to ask again.
    fn request_again(&mut self) -> Result<(), Cause> {
        while let Err(cause) = self.request() {
            self.backoff.wait(cause, self.client.cancel())?;
        }
        Ok(())
    }

    /// Asks for the rest. A registry that knows no ranges sends all of it; what is known already
    /// is then passed over.
    fn request(&mut self) -> Result<(), Cause> {
        let url = self.client.url(&self.name, &format!("blobs/{}", self.blob.digest));
        let mut request = Request::blob(url);
        if self.position > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", self.position));
        }
        let expect = |status| matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
        let host = Host::of(&self.name);
        let answer = self.client.send_once(&host, &pull_scope(&self.name), &request, expect)?;
        let first = self.first_byte(&answer)?;
        self.check_length(&answer, first)?;
        self.answer = Some((answer.into_body().into_reader(), self.position - first));
        Ok(())
    }

    /// Where in the blob an answer begins.
    fn first_byte(&self, answer: &Response<Body>) -> Result<u64, Cause> {
        if answer.status() == StatusCode::OK {
            return Ok(0);
        }
        let value = answer.headers().get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok());
        let value = value.unwrap_or_default();
        match content_range(value) {
            Some((first, total)) if first == self.position => {
                let total = total.unwrap_or(self.blob.size);
                if total == self.blob.size { Ok(first) } else { Err(self.wrong_size(total)) }
            }
            _ => Err(Cause::Header {
                host: self.host(),
                name: "Content-Range",
                value: value.to_owned(),
            }),
        }
    }

    /// A registry that announces another length than the descriptor's is told off before a byte of
    /// it is read.
    fn check_length(&self, answer: &Response<Body>, first: u64) -> Result<(), Cause> {
        match answer.body().content_length() {
            Some(length) if first.saturating_add(length) != self.blob.size => {
                Err(self.wrong_size(first.saturating_add(length)))
            }
            _ => Ok(()),
        }
    }

    /// Reads on, and past what is known already.
    fn read_answer(&mut self, buffer: &mut [u8]) -> Result<usize, Cause> {
        let host = self.host();
        loop {
            let Some((reader, known)) = &mut self.answer else {
                self.request()?;
                continue;
            };
            let room = usize::try_from(*known).unwrap_or(usize::MAX);
            let room = if *known == 0 { buffer.len() } else { room.min(buffer.len()) };
            let read = reader.read(buffer.get_mut(..room).unwrap_or_default());
            match read.map_err(|error| Cause::from_ureq(&host, error.into()))? {
                0 => {
                    let source = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Err(Cause::Broken { host, source });
                }
                n if *known > 0 => *known -= n as u64,
                n => return Ok(n),
            }
        }
    }

    /// Reads the end of the last answer, so that its connection can be used again. All bytes are
    /// here, so nothing that goes wrong now matters.
    fn finish(&mut self) {
        if let Some((mut reader, _)) = self.answer.take() {
            drop(reader.read(&mut [0]));
        }
    }

    fn host(&self) -> String {
        self.name.host().to_owned()
    }

    fn wrong_size(&self, found: u64) -> Cause {
        Cause::Size { host: self.host(), expected: self.blob.size, found }
    }

    fn error(&self, cause: Cause) -> Error {
        Error { task: Task::Blob(self.name.clone(), self.blob.digest.clone()), cause }
    }
}

impl Read for Blob {
    /// Reads on, and asks again for the rest after a fault that may pass. Ends after as many bytes
    /// as the descriptor says, whatever else the registry has to send.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.size - self.position;
        if left == 0 || buffer.is_empty() {
            self.finish();
            return Ok(0);
        }
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        loop {
            if self.client.cancel().is_cancelled() {
                return Err(io::Error::other(self.error(Cause::Cancelled)));
            }
            match self.read_answer(buffer) {
                Ok(read) => {
                    self.position += read as u64;
                    self.since_fault += read as u64;
                    return Ok(read);
                }
                Err(cause) => {
                    self.answer = None;
                    if self.since_fault > FORGIVEN_AFTER {
                        self.backoff = self.client.backoff();
                    }
                    self.since_fault = 0;
                    let waited = self.backoff.wait(cause, self.client.cancel());
                    waited.map_err(|cause| io::Error::other(self.error(cause)))?;
                }
            }
        }
    }
}

/// `bytes first-last/total`, where the total may be `*`. Source: RFC 9110, 14.4.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = if total == "*" { None } else { Some(total.trim().parse().ok()?) };
    (first <= last).then_some((first, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_has_a_first_byte_and_a_total() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for bad in ["", "bytes */10", "bytes 9-5/10", "items 5-9/10", "bytes 5-9", "bytes -/"] {
            assert_eq!(content_range(bad), None, "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(bytes )?\\PC{0,30}") {
            content_range(&text);
        }
    }
}
