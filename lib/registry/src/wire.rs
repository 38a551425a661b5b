//! Single requests: connections, TLS, proxies and redirects. No credentials of its own, no retries.
//!
//! Each origin has connections, TLS settings and a proxy of its own, made when it is first asked.
//! Redirects are followed here rather than by ureq, because each step has to be looked at: whether
//! it stays in TLS, and whether it stays with the origin that the Authorization is for.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{Method, Request as HttpRequest, Response, StatusCode, header};
use ureq::{Agent, AsSendBody, Body, SendBody};

use crate::address::{Origin, Url};
use crate::{Cause, Settings, Source, Timeouts, certs};

/// How many redirects one request may take.
const MAX_REDIRECTS: usize = 5;
/// Connections kept open to one host: as many as intake has threads.
const IDLE_PER_HOST: usize = 4;
/// The longest headers of an answer, in bytes.
const MAX_HEADERS: usize = 64 << 10;

/// What to ask.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(header::HeaderName, String)>,
    pub(crate) payload: Payload<'a>,
    /// Whether the answer is a blob, which may stop and go on.
    pub(crate) answer: Answer,
}

/// What is waited for, which decides how long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A document, or only a head.
    Short,
    /// A blob, whose rest can be asked for again.
    Blob,
}

/// What goes with a request. It can be sent more than once.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// Nothing.
    None,
    /// Bytes in memory.
    Bytes(&'a [u8]),
    /// A source from `offset` on to its end at `size`.
    Stream { source: &'a dyn Source, offset: u64, size: u64 },
}

/// The value of an Authorization header. It has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Authorization(pub(crate) String);

/// The connections of one client.
pub(crate) struct Wire {
    settings: Arc<Settings>,
    agents: Mutex<HashMap<Origin, Agent>>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        let (headers, payload) = (Vec::new(), Payload::None);
        Self { method, url, headers, payload, answer: Answer::Short }
    }

    /// A request for a blob.
    pub(crate) fn blob(url: Url) -> Self {
        Self { answer: Answer::Blob, ..Self::new(Method::GET, url) }
    }

    /// The same with one header more.
    pub(crate) fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// How long the next bytes may take.
    fn patience(&self, timeouts: &Timeouts) -> Duration {
        match (self.answer, &self.method) {
            (Answer::Blob, _) => timeouts.stall,
            (Answer::Short, &Method::GET | &Method::HEAD) => timeouts.answer,
            (Answer::Short, _) => timeouts.upload,
        }
    }

    /// The same with something to send.
    pub(crate) fn payload(mut self, payload: Payload<'a>) -> Self {
        self.payload = payload;
        self
    }
}

impl Wire {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, agents: Mutex::default() }
    }

    /// Sends `request` and follows redirects. `authorization` goes to the first origin alone.
    pub(crate) fn send(
        &self,
        request: &Request<'_>,
        authorization: Option<&Authorization>,
    ) -> Result<Response<Body>, Cause> {
        let first = &request.url.origin;
        let mut request = request.clone();
        for _ in 0..=MAX_REDIRECTS {
            let own = authorization.filter(|_| request.url.origin == *first);
            let answer = self.exchange(&request, own)?;
            match redirect(&request, &answer)? {
                None => return Ok(answer),
                Some(url) => request.url = url,
            }
        }
        Err(Cause::Redirects { host: first.authority.clone() })
    }

    /// One request, one answer; a redirect is an answer like any other.
    pub(crate) fn exchange(
        &self,
        request: &Request<'_>,
        authorization: Option<&Authorization>,
    ) -> Result<Response<Body>, Cause> {
        let host = request.url.origin.authority.as_str();
        let agent = self.agent(&request.url.origin)?;
        let mut builder =
            HttpRequest::builder().method(request.method.clone()).uri(request.url.to_string());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(Authorization(value)) = authorization {
            builder = builder.header(header::AUTHORIZATION, value);
        }
        let invalid = |error: ureq::http::Error| Cause::from_ureq(host, error.into());
        let time = request.patience(&self.settings.timeouts);
        let answer = match request.payload {
            Payload::None => run(&agent, builder.body(()).map_err(invalid)?, time),
            Payload::Bytes(bytes) => run(&agent, builder.body(bytes).map_err(invalid)?, time),
            Payload::Stream { source, offset, size } => {
                let mut reader = Tracked::new(source.open(offset).map_err(Cause::Source)?);
                let builder = builder.header(header::CONTENT_LENGTH, size - offset);
                let body = SendBody::from_reader(&mut reader);
                let answer = run(&agent, builder.body(body).map_err(invalid)?, time);
                if let Some(error) = reader.failed {
                    return Err(Cause::Source(error));
                }
                answer
            }
        };
        answer.map_err(|error| Cause::from_ureq(host, error))
    }

    /// The connections to one origin, which share its TLS settings and its proxy.
    fn agent(&self, origin: &Origin) -> Result<Agent, Cause> {
        if !self.settings.allows(origin) {
            let (host, to) = (origin.authority.clone(), origin.to_string());
            return Err(Cause::Downgrade { host, to });
        }
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(origin) {
            return Ok(agent.clone());
        }
        let agent = self.connect(origin)?;
        agents.insert(origin.clone(), agent.clone());
        Ok(agent)
    }

    /// ureq would look for proxies in the environment by itself; the settings are set always.
    fn connect(&self, origin: &Origin) -> Result<Agent, Cause> {
        let Settings { roots, certs_dirs, proxies, timeouts, .. } = &*self.settings;
        let config = Agent::config_builder()
            .proxy(proxies.choose(origin)?)
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("coffer/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(MAX_HEADERS)
            .max_idle_connections_per_host(IDLE_PER_HOST)
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_per_write(Some(timeouts.answer));
        let config = match origin.scheme {
            crate::address::Scheme::Http => config,
            crate::address::Scheme::Https => {
                config.tls_config(certs::tls(origin, roots.as_deref(), certs_dirs)?)
            }
        };
        Ok(config.build().new_agent())
    }
}

/// Sends a request whose answer may take `time` to begin, and as long again between any two bytes.
fn run<S: AsSendBody>(
    agent: &Agent,
    request: HttpRequest<S>,
    time: Duration,
) -> Result<Response<Body>, ureq::Error> {
    let config = agent.configure_request(request);
    agent.run(config.timeout_per_read(Some(time)).timeout_recv_response(Some(time)).build())
}

/// Where an answer redirects to, if it does and `request` may follow: with the same method and
/// payload after 307 and 308, else only where there is no payload. Source: RFC 9110, 15.4.
fn redirect(request: &Request<'_>, answer: &Response<Body>) -> Result<Option<Url>, Cause> {
    let follows = match answer.status() {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => {
            request.method == Method::GET || request.method == Method::HEAD
        }
        _ => false,
    };
    if follows { location(&request.url, answer).map(Some) } else { Ok(None) }
}

/// The address in an answer's Location header.
pub(crate) fn location(url: &Url, answer: &Response<Body>) -> Result<Url, Cause> {
    let host = || url.origin.authority.clone();
    let value = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let value = value.ok_or_else(|| Cause::Header {
        host: host(),
        name: "Location",
        value: String::new(),
    })?;
    let next = url.join(value).map_err(|source| Cause::Address { host: host(), source })?;
    // From TLS to plain text, even to a host that may be spoken to so, was not asked for.
    if next.origin.scheme != url.origin.scheme && url.origin.scheme == crate::address::Scheme::Https
    {
        return Err(Cause::Downgrade { host: host(), to: next.origin.to_string() });
    }
    Ok(next)
}

/// A reader that remembers its own error, to tell it from one of the connection.
struct Tracked<R> {
    reader: R,
    failed: Option<io::Error>,
}

impl<R: Read> Tracked<R> {
    fn new(reader: R) -> Self {
        Self { reader, failed: None }
    }
}

impl<R: Read> Read for Tracked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            io::Error::from(kind)
        })
    }
}
