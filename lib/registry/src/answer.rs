//! Reading answers that are not blobs: bounded in length and in time.
//!
//! The stall time-out of a connection restarts with each read, so that a server which sends a byte
//! now and then could hold us for ever; the deadline here is for the whole answer.

use std::io::Read;
use std::time::{Duration, Instant};

use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;
use ureq::Body;
use ureq::http::{HeaderMap, Response, StatusCode};

use crate::error::{Detail, Known};
use crate::{Cause, Host};

/// The longest error body that is looked at, in bytes.
const MAX_ERROR: u64 = 16 << 10;
/// The longest that a registry's own words may be in a message, in characters.
const MAX_WORDS: usize = 240;

/// distribution-spec, "Error Codes".
#[derive(Deserialize)]
struct Errors {
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Reads an answer of at most `limit` bytes whole, within `time`.
pub(crate) fn read(
    host: &str,
    answer: &mut Response<Body>,
    limit: u64,
    time: Duration,
) -> Result<Vec<u8>, Cause> {
    let deadline = Instant::now() + time;
    let mut reader = answer.body_mut().as_reader();
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 32 << 10];
    loop {
        let read = reader.read(&mut buffer);
        match read.map_err(|error| Cause::from_ureq(host, error.into()))? {
            0 => return Ok(bytes),
            n => bytes.extend_from_slice(buffer.get(..n).unwrap_or_default()),
        }
        if bytes.len() as u64 > limit {
            return Err(Cause::TooLong { host: host.to_owned(), limit });
        }
        if Instant::now() > deadline {
            let what = format!("an answer took more than {} s", time.as_secs());
            return Err(Cause::Stalled { host: host.to_owned(), what });
        }
    }
}

/// What an answer that is no success means. Which of them may pass is for
/// [`Cause::outlook`] to say.
pub(crate) fn refusal(origin: &str, answer: &mut Response<Body>, time: Duration) -> Cause {
    let host = origin.to_owned();
    let status = answer.status().as_u16();
    let detail = detail(origin, answer, time);
    match answer.status() {
        StatusCode::FORBIDDEN => Cause::Forbidden { host, detail },
        StatusCode::NOT_FOUND => Cause::NotFound { host, detail },
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            Cause::Busy { host, status, retry_after: retry_after(answer.headers()), detail }
        }
        _ => Cause::Status { host, status, detail },
    }
}

/// A 401 that no credential of ours can change.
pub(crate) fn unauthorized(
    host: &Host,
    known: Known,
    answer: &mut Response<Body>,
    time: Duration,
) -> Cause {
    Cause::Unauthorized { host: host.clone(), known, detail: detail(host.as_str(), answer, time) }
}

/// What it says itself. That an error has no readable explanation is no error of its own.
fn detail(host: &str, answer: &mut Response<Body>, time: Duration) -> Detail {
    let body = read(host, answer, MAX_ERROR, time.min(Duration::from_secs(10)));
    Detail(body.map(|body| words(&body)).unwrap_or_default())
}

/// The messages of a registry's error document, or the beginning of a plain text. It may come from
/// anybody, and is shown on terminals: what could steer one is dropped.
fn words(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Errors>(body) {
        Ok(Errors { errors }) => {
            let line = |problem: Problem| match problem {
                Problem { message, code } if message.is_empty() => code.to_ascii_lowercase(),
                Problem { message, .. } => message,
            };
            errors.into_iter().map(line).collect::<Vec<_>>().join("; ")
        }
        Err(_) => String::from_utf8_lossy(body).lines().next().unwrap_or_default().to_owned(),
    };
    // Pages for people say nothing that helps here.
    if text.trim_start().starts_with('<') {
        return String::new();
    }
    text.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect::<String>().trim().to_owned()
}

/// Seconds, or a date. Source: RFC 9110, 10.2.3. A date that has passed means now; one with the
/// wrong day of the week is taken as it is, as other clients do.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let parser = DateTimeParser::new().relaxed_weekday(true);
    let then = parser.parse_timestamp(text).ok()?;
    Some(then.duration_since(jiff::Timestamp::now()).try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_words_are_one_short_line() {
        let json = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"},{"code":"DENIED"}]}"#;
        assert_eq!(words(json), "manifest unknown; denied");
        assert_eq!(words(b"rate\x1b[31m limit\nand more"), "rate[31m limit");
        assert_eq!(words(b"<html>"), "");
        assert_eq!(words("x".repeat(9999).as_bytes()).len(), MAX_WORDS);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(after("Wed, 21 Oct 2115 07:28:00 GMT").unwrap() > Duration::from_secs(1 << 20));
        assert_eq!(after("soon"), None);
        assert_eq!(after("-1"), None);
    }

    proptest::proptest! {
        #[test]
        fn words_never_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..99)) {
            words(&body);
        }
    }
}
