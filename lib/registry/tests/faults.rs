//! Against a server that stalls, cuts off, lies and leads astray.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails ends the test")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coffer_oci::{Algorithm, Descriptor, Digest, Hasher, MediaType};
use coffer_registry::{
    Cause, Client, Credential, Error, IMAGE_TYPES, MAX_MANIFEST, Proxies, Pushed, Settings,
    Timeouts,
};
use common::hostile::{Asked, Hostile, reply};
use common::{client, settings};

const TYPE: &str = "Content-Type: application/vnd.oci.image.manifest.v1+json";

fn manifest(server: &Hostile) -> Result<(Descriptor, Vec<u8>), Error> {
    client(&server.host).manifest(&server.name("a:1"), &IMAGE_TYPES)
}

/// Bytes that are not the same everywhere.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
}

fn layer(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::OCI_LAYER, bytes)
}

fn read(
    client: &Client,
    server: &Hostile,
    blob: &Descriptor,
    offset: u64,
) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut source = client.blob(&server.name("a:1"), blob, offset)?;
    match source.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.downcast().unwrap()),
    }
}

/// The first byte that a request asks for.
fn first(asked: &Asked) -> usize {
    let range = asked.header("range").and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-'));
    range.map_or(0, |first| first.parse().unwrap())
}

/// Answers with `bytes` from the byte that is asked for on, as a good registry does.
fn serve(asked: &Asked, stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    match first(asked) {
        0 => reply(stream, 200, &[], bytes),
        first => {
            let range = format!("Content-Range: bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
            reply(stream, 206, &[&range], &bytes[first..])
        }
    }
}

#[test]
fn faults_that_pass_are_ridden_out() {
    for status in [429, 500, 502, 503, 504] {
        let count = AtomicUsize::new(0);
        let server = Hostile::start(move |_, stream| match count.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => reply(stream, status, &[], b""),
            _ => reply(stream, 200, &[TYPE], b"{}"),
        });
        assert_eq!(manifest(&server).unwrap().1, b"{}", "{status}");
        assert_eq!(server.asked().len(), 3);
    }
}

#[test]
fn faults_that_stay_end() {
    let server = Hostile::start(|_, stream| reply(stream, 503, &[], b"down for a while"));
    let error = manifest(&server).unwrap_err();
    assert_eq!(server.asked().len(), 4);
    assert!(error.cause.to_string().contains("down for a while"), "{}", error.cause);
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    let count = AtomicUsize::new(0);
    let server = Hostile::start(move |_, stream| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(()),
        1 => reply(stream, 200, &[TYPE, "Content-Length: 20"], b"{}"),
        _ => reply(stream, 200, &[TYPE], b"{}"),
    });
    assert_eq!(manifest(&server).unwrap().1, b"{}");
}

#[test]
fn retry_after_is_honoured_within_reason() {
    let count = AtomicUsize::new(0);
    let server = Hostile::start(move |_, stream| match count.fetch_add(1, Ordering::SeqCst) {
        0 => reply(stream, 429, &["Retry-After: 1"], b""),
        _ => reply(stream, 200, &[TYPE], b"{}"),
    });
    let begin = Instant::now();
    manifest(&server).unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));

    let far = Hostile::start(|_, stream| reply(stream, 429, &["Retry-After: 3600"], b"too fast"));
    let error = manifest(&far).unwrap_err();
    assert_eq!(far.asked().len(), 1);
    assert!(error.cause.to_string().contains("3600 s: too fast"), "{}", error.cause);
}

#[test]
fn a_stall_ends() {
    let server = Hostile::start(|_, stream| {
        reply(stream, 200, &["Content-Length: 10"], b"12345")?;
        // Waits until the client gives up.
        stream.read(&mut [0]).map(drop)
    });
    let mut hurry = settings(&[&server.host]);
    hurry.timeouts.stall = Duration::from_millis(200);
    let error = read(&Client::new(hurry), &server, &layer(&content(10)), 0).unwrap_err();
    assert!(matches!(error.cause, Cause::Stalled { .. }), "{error:?}");
    // Each new try went on where the one before had stopped; a busy machine's server may be too
    // late with the first bytes, too.
    let tries: Vec<usize> = server.asked().iter().map(first).collect();
    assert!(
        tries.is_sorted() && tries.first() == Some(&0) && tries.last() == Some(&5),
        "{tries:?}"
    );
    assert!(tries.len() == 4 && tries.iter().all(|from| [0, 5].contains(from)), "{tries:?}");
}

#[test]
fn a_stalled_blob_goes_on_and_no_byte_comes_twice() {
    let bytes = content(3_000_000);
    let (blob, whole) = (layer(&bytes), bytes.clone());
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let server = Hostile::start(move |asked, stream| {
        // Every answer gives a million bytes at most and then nothing more.
        let from = first(asked);
        let to = bytes.len().min(from + 1_000_000);
        let length = format!("Content-Length: {}", bytes.len() - from);
        let range = format!("Content-Range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
        let status = if from == 0 { 200 } else { 206 };
        // Counted first: the client may be done before this thread goes on.
        count.fetch_add(to - from, Ordering::SeqCst);
        reply(stream, status, &[&length, &range], &bytes[from..to])?;
        stream.read(&mut [0]).map(drop)
    });
    let mut hurry = settings(&[&server.host]);
    // Long enough for the server's thread on a busy machine: its bytes are counted.
    hurry.timeouts.stall = Duration::from_secs(1);
    let client = Client::new(hurry);
    assert!(read(&client, &server, &blob, 0).unwrap() == whole);
    let tries: Vec<usize> = server.asked().iter().map(first).collect();
    assert_eq!(tries, [0, 1_000_000, 2_000_000]);
    assert_eq!(sent.load(Ordering::SeqCst), whole.len());
    // Taken up by a later process, only what it lacks travels.
    assert!(read(&client, &server, &blob, 2_500_000).unwrap() == whole[2_500_000..]);
    assert_eq!(sent.load(Ordering::SeqCst), whole.len() + 500_000);
}

#[test]
fn waiting_for_a_blob_is_shorter_than_for_an_answer() {
    let times = Timeouts::default();
    assert!(times.stall < times.answer && times.answer < times.upload);
    assert!(times.stall <= Duration::from_secs(10), "a stall costs that much");
}

#[test]
fn a_slow_answer_ends() {
    let server = Hostile::start(|_, stream| {
        reply(stream, 200, &[TYPE, "Content-Length: 1000"], b"")?;
        while stream.write_all(b" ").is_ok() {
            // One byte for each 20 ms, the time that this read waits for nothing.
            stream.set_read_timeout(Some(Duration::from_millis(20)))?;
            drop(stream.read(&mut [0]));
        }
        Ok(())
    });
    let mut hurry = settings(&[&server.host]);
    hurry.timeouts.answer = Duration::from_millis(200);
    hurry.retries.attempts = 1;
    let error = Client::new(hurry).manifest(&server.name("a:1"), &IMAGE_TYPES).unwrap_err();
    assert!(matches!(error.cause, Cause::Stalled { .. }), "{error:?}");
}

#[test]
fn a_blob_goes_on_where_it_broke() {
    let bytes = content(100_000);
    let (blob, whole) = (layer(&bytes), bytes.clone());
    let count = AtomicUsize::new(0);
    let server = Hostile::start(move |asked, stream| {
        // The first two answers are cut off.
        if count.fetch_add(1, Ordering::SeqCst) < 2 {
            let from = first(asked);
            let length = format!("Content-Length: {}", bytes.len() - from);
            let range = format!("Content-Range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            let status = if from == 0 { 200 } else { 206 };
            return reply(stream, status, &[&length, &range], &bytes[from..from + 30_000]);
        }
        serve(asked, stream, &bytes)
    });
    assert_eq!(read(&client(&server.host), &server, &blob, 0).unwrap(), whole);
    let tries: Vec<usize> = server.asked().iter().map(first).collect();
    assert_eq!(tries, [0, 30_000, 60_000]);
}

#[test]
fn a_registry_without_ranges_is_read_past_what_is_known() {
    let bytes = content(50_000);
    let (blob, whole) = (layer(&bytes), bytes.clone());
    let server = Hostile::start(move |_, stream| reply(stream, 200, &[], &bytes));
    let rest = read(&client(&server.host), &server, &blob, 20_000).unwrap();
    assert_eq!(rest, whole[20_000..]);
}

#[test]
fn a_wrong_range_or_size_is_refused() {
    let bytes = content(100);
    let blob = layer(&bytes);
    for (status, header) in [
        (206, "Content-Range: bytes 40-99/100"),
        (206, "Content-Range: bytes 50-99/101"),
        (206, "X: no range"),
        (200, "Content-Length: 99"),
        (200, "Content-Length: 101"),
        (416, "Content-Range: bytes */10"),
    ] {
        let server = Hostile::start(move |_, stream| {
            let length = "Content-Length: 50";
            let headers =
                if header.contains("Length") { vec![header] } else { vec![header, length] };
            reply(stream, status, &headers, &[0; 50])
        });
        let error = read(&client(&server.host), &server, &blob, 50).unwrap_err();
        let expected = matches!(
            error.cause,
            Cause::Header { .. } | Cause::Size { .. } | Cause::Status { status: 416, .. }
        );
        assert!(expected, "{header}: {error:?}");
        assert_eq!(server.asked().len(), 1, "{header}");
    }
}

#[test]
fn an_endless_blob_ends_at_its_size() {
    let blob = layer(&content(1000));
    let server = Hostile::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        while stream.write_all(b"400\r\n").and_then(|()| stream.write_all(&[7; 1024])).is_ok()
            && stream.write_all(b"\r\n").is_ok()
        {}
        Ok(())
    });
    assert_eq!(read(&client(&server.host), &server, &blob, 0).unwrap(), [7; 1000]);
}

#[test]
fn an_endless_manifest_is_cut() {
    let server = Hostile::start(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\n{TYPE}\r\nConnection: close\r\n\r\n")?;
        while stream.write_all(&[b' '; 4096]).is_ok() {}
        Ok(())
    });
    let error = manifest(&server).unwrap_err();
    assert!(matches!(error.cause, Cause::TooLong { limit: MAX_MANIFEST, .. }), "{error:?}");
}

#[test]
fn endless_headers_and_errors_are_cut() {
    let server = Hostile::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        while stream.write_all(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n").is_ok() {}
        Ok(())
    });
    assert!(matches!(manifest(&server).unwrap_err().cause, Cause::Protocol { .. }));
    let server = Hostile::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 404 No\r\nConnection: close\r\n\r\n")?;
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
        Ok(())
    });
    let error = manifest(&server).unwrap_err();
    assert!(matches!(error.cause, Cause::NotFound { .. }), "{error:?}");
    assert!(error.cause.to_string().len() < 500);
}

#[test]
fn another_media_type_is_refused() {
    for header in ["Content-Type: text/html", "Content-Type: application/json", "X: none"] {
        let server = Hostile::start(move |_, stream| reply(stream, 200, &[header], b"{}"));
        let error = manifest(&server).unwrap_err();
        assert!(matches!(error.cause, Cause::MediaType { .. }), "{header}: {error:?}");
    }
    let with_charset = format!("{TYPE}; charset=utf-8");
    let server = Hostile::start(move |_, stream| reply(stream, 200, &[&with_charset], b"{}"));
    assert_eq!(manifest(&server).unwrap().0.media_type.as_str(), MediaType::OCI_MANIFEST);
}

#[test]
fn a_wrong_digest_is_refused() {
    let lie = format!("Docker-Content-Digest: {}", Digest::of(b"other"));
    let server = Hostile::start(move |_, stream| reply(stream, 200, &[TYPE, &lie], b"{}"));
    assert!(matches!(manifest(&server).unwrap_err().cause, Cause::Digest { .. }));

    let server = Hostile::start(|_, stream| reply(stream, 200, &[TYPE], b"{ }"));
    let pinned = server.name("a:1").with_digest(Digest::of(b"{}"));
    let error = client(&server.host).manifest(&pinned, &IMAGE_TYPES).unwrap_err();
    assert!(matches!(error.cause, Cause::Digest { .. }), "{error:?}");

    let odd = "Docker-Content-Digest: md5:00";
    let server = Hostile::start(move |_, stream| reply(stream, 200, &[TYPE, odd], b"{}"));
    assert!(matches!(manifest(&server).unwrap_err().cause, Cause::Header { .. }));
}

#[test]
fn a_sha512_digest_is_checked_too() {
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(b"{}");
    let digest = hasher.finish();
    let header = format!("Docker-Content-Digest: {digest}");
    let server = Hostile::start(move |_, stream| reply(stream, 200, &[TYPE, &header], b"{}"));
    assert_eq!(manifest(&server).unwrap().0.digest, digest);
}

#[test]
fn a_redirect_takes_no_credentials_along() {
    let bytes = content(1000);
    let (blob, whole) = (layer(&bytes), bytes.clone());
    let storage = Hostile::start(move |asked, stream| serve(asked, stream, &bytes));
    let location = format!("Location: http://{}/blob?signature=1", storage.host);
    let server = Hostile::start(move |asked, stream| match asked.header("authorization") {
        None => reply(stream, 401, &["WWW-Authenticate: Basic realm=x"], b""),
        Some(_) if asked.target == "/v2/" => reply(stream, 200, &[], b""),
        Some(_) => reply(stream, 307, &[&location], b""),
    });
    let client = Client::new(settings(&[&server.host, &storage.host]));
    let ann = Credential::Password { username: "ann".into(), password: "secret".into() };
    client.login(&server.host, ann).unwrap();
    assert_eq!(read(&client, &server, &blob, 10).unwrap(), whole[10..]);
    let asked = storage.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), None);
    assert_eq!(asked[0].header("range"), Some("bytes=10-"));
}

#[test]
fn redirects_lead_neither_to_plain_http_nor_in_circles() {
    let storage = Hostile::start(|_, stream| reply(stream, 200, &[], b""));
    let location = format!("Location: http://{}/", storage.host);
    let server = Hostile::start(move |_, stream| reply(stream, 302, &[&location], b""));
    let error = manifest(&server).unwrap_err();
    assert!(matches!(error.cause, Cause::Downgrade { .. }), "{error:?}");
    assert!(storage.asked().is_empty());

    let server = Hostile::start(|_, stream| reply(stream, 302, &["Location: /again"], b""));
    assert!(matches!(manifest(&server).unwrap_err().cause, Cause::Redirects { .. }));
    for location in ["Location: file:///etc/passwd", "Location: //evil.example/", "X: none"] {
        let server = Hostile::start(move |_, stream| reply(stream, 302, &[location], b""));
        let cause = manifest(&server).unwrap_err().cause;
        assert!(matches!(cause, Cause::Address { .. } | Cause::Header { .. }), "{cause:?}");
    }
}

#[test]
fn a_token_service_elsewhere_gets_no_password_in_plain_text() {
    let thief = Hostile::start(|_, stream| reply(stream, 200, &[], br#"{"token":"t"}"#));
    let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{}/\"", thief.host);
    let server = Hostile::start(move |_, stream| reply(stream, 401, &[&challenge], b""));
    let ann = Credential::Password { username: "ann".into(), password: "secret".into() };
    let error = client(&server.host).login(&server.host, ann).unwrap_err();
    assert!(matches!(error.cause, Cause::Token(_)), "{error:?}");
    assert!(thief.asked().is_empty());
}

#[test]
fn a_registry_that_never_is_content_is_asked_twice() {
    let server = Hostile::start(|asked, stream| match asked.target.as_str() {
        target if target.starts_with("/token") => reply(stream, 200, &[], br#"{"token":"t"}"#),
        _ => {
            let host = asked.header("host").unwrap();
            let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\"");
            reply(stream, 401, &[&challenge], br#"{"errors":[{"code":"DENIED"}]}"#)
        }
    });
    let error = manifest(&server).unwrap_err();
    assert!(matches!(error.cause, Cause::Unauthorized { .. }), "{error:?}");
    assert!(error.cause.to_string().ends_with(": denied"), "{}", error.cause);
    let asked: Vec<_> = server.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(
        asked,
        ["/v2/a/manifests/1", "/token?scope=repository%3Aa%3Apull", "/v2/a/manifests/1"]
    );
}

#[test]
fn an_identity_token_is_exchanged_and_shown_to_nobody_else() {
    let server = Hostile::start(|asked, stream| match asked.target.as_str() {
        "/token" => reply(stream, 200, &[], br#"{"access_token":"bought"}"#),
        _ if asked.header("authorization") == Some("Bearer bought") => {
            reply(stream, 200, &[TYPE], b"{}")
        }
        _ => {
            let host = asked.header("host").unwrap();
            let challenge =
                format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s p\"");
            reply(stream, 401, &[&challenge], b"")
        }
    });
    let client = client(&server.host);
    client.login(&server.host, Credential::Identity("refresh me".into())).unwrap();
    client.manifest(&server.name("a:1"), &IMAGE_TYPES).unwrap();
    let asked = server.asked();
    let exchange = asked.iter().find(|asked| asked.target == "/token").unwrap();
    assert_eq!(exchange.method, "POST");
    let form = String::from_utf8(exchange.body.clone()).unwrap();
    assert!(form.contains("grant_type=refresh_token") && form.contains("service=s%20p"), "{form}");
    assert!(form.contains("refresh_token=refresh%20me"), "{form}");
    assert!(asked.iter().all(|a| !a.header("authorization").unwrap_or("").contains("refresh")));
}

#[test]
fn a_token_that_expired_is_bought_anew() {
    let sold = AtomicUsize::new(0);
    let server = Hostile::start(move |asked, stream| {
        if asked.target.starts_with("/token") {
            let token = format!("{{\"token\":\"t{}\"}}", sold.fetch_add(1, Ordering::SeqCst));
            return reply(stream, 200, &[], token.as_bytes());
        }
        // Only the newest token counts, and only once.
        let newest = format!("Bearer t{}", sold.load(Ordering::SeqCst).wrapping_sub(1));
        if asked.header("authorization") == Some(&newest) && !asked.target.ends_with("/old") {
            return reply(stream, 200, &[TYPE], b"{}");
        }
        let host = asked.header("host").unwrap();
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\"");
        reply(stream, 401, &[&challenge], b"")
    });
    let client = client(&server.host);
    client.manifest(&server.name("a:1"), &IMAGE_TYPES).unwrap();
    assert!(client.manifest(&server.name("a:old"), &IMAGE_TYPES).is_err());
    client.manifest(&server.name("a:1"), &IMAGE_TYPES).unwrap();
    let bought = server.asked().iter().filter(|a| a.target.starts_with("/token")).count();
    assert_eq!(bought, 2);
}

#[test]
fn a_broken_upload_goes_on_where_it_stopped() {
    let bytes: &'static [u8] = content(500_000).leak();
    let blob = layer(bytes);
    let digest = blob.digest.clone();
    let server =
        Hostile::start(move |asked, stream| match (asked.method.as_str(), &*asked.target) {
            ("HEAD", _) => reply(stream, 404, &[], b""),
            ("POST", _) => reply(stream, 202, &["Location: /upload?s=1"], b""),
            // It breaks off in the middle of the blob.
            ("PUT", target)
                if asked.body.len() == 500_000 && target.starts_with("/upload?s=1&") =>
            {
                Ok(())
            }
            ("GET", "/upload?s=1") => {
                reply(stream, 204, &["Range: 0-199999", "Location: /upload?s=2"], b"")
            }
            ("PATCH", "/upload?s=2") => {
                assert_eq!(asked.header("content-range"), Some("200000-499999"));
                assert_eq!(asked.body, &bytes[200_000..]);
                reply(stream, 202, &["Location: /upload?s=3"], b"")
            }
            ("PUT", target) => {
                assert!(target.starts_with("/upload?s=3&digest=sha256%3A"), "{target}");
                reply(stream, 201, &[&format!("Docker-Content-Digest: {digest}")], b"")
            }
            other => panic!("{other:?}"),
        });
    let source = move |offset: u64| -> std::io::Result<Box<dyn Read>> {
        Ok(Box::new(&bytes[usize::try_from(offset).unwrap()..]))
    };
    let pushed = client(&server.host).push_blob(&server.name("a:1"), &blob, None, &source);
    assert_eq!(pushed.unwrap(), Pushed::Uploaded);
}

#[test]
fn an_upload_elsewhere_takes_no_credentials_along() {
    let bytes: &'static [u8] = b"layer";
    let storage = Hostile::start(|_, stream| reply(stream, 201, &[], b""));
    let location = format!("Location: http://{}/upload", storage.host);
    let server = Hostile::start(move |asked, stream| {
        match (asked.header("authorization"), asked.method.as_str()) {
            (None, _) => reply(stream, 401, &["WWW-Authenticate: Basic realm=x"], b""),
            (_, "HEAD") => reply(stream, 404, &[], b""),
            (_, "POST") => reply(stream, 202, &[&location], b""),
            _ => reply(stream, 200, &[], b""),
        }
    });
    let client = Client::new(settings(&[&server.host, &storage.host]));
    let ann = Credential::Password { username: "ann".into(), password: "secret".into() };
    client.login(&server.host, ann).unwrap();
    let source = move |_| -> std::io::Result<Box<dyn Read>> { Ok(Box::new(bytes)) };
    client.push_blob(&server.name("a:1"), &layer(bytes), None, &source).unwrap();
    assert_eq!(storage.asked()[0].header("authorization"), None);
    assert_eq!(storage.asked()[0].body, bytes);
}

#[test]
fn a_registry_that_got_something_else_is_noticed() {
    let lie = format!("Docker-Content-Digest: {}", Digest::of(b"other"));
    let server = Hostile::start(move |_, stream| reply(stream, 201, &[&lie], b""));
    let manifest = Descriptor::of(MediaType::OCI_MANIFEST, b"{}");
    let pushed = client(&server.host).push_manifest(&server.name("a:1"), &manifest, b"{}");
    assert!(matches!(pushed.unwrap_err().cause, Cause::Digest { .. }));
}

#[test]
fn a_proxy_is_asked_for_what_is_not_exempt() {
    let proxy = Hostile::start(|asked, stream| {
        assert_eq!(asked.method, "CONNECT");
        reply(stream, 407, &[], b"")
    });
    let name = "r.example/a:1".parse().unwrap();
    let proxied = |exempt: &str| {
        let https = Some(format!("http://{}", proxy.host));
        let proxies = Proxies { https, http: None, exempt: exempt.to_owned() };
        let hurry = Settings { proxies, ..settings(&[]) };
        Client::new(hurry).manifest(&name, &IMAGE_TYPES).unwrap_err()
    };
    let error = proxied("");
    if !matches!(error.cause, Cause::Certs(_)) {
        assert!(matches!(error.cause, Cause::Connect { .. }), "{error:?}");
        assert_eq!(proxy.asked()[0].target, "r.example:443");
    }
}

#[test]
fn names_are_looked_up() {
    let server = Hostile::start(|_, stream| reply(stream, 200, &[TYPE], b"{}"));
    let (_, port) = server.host.as_str().split_once(':').unwrap();
    let host = format!("localhost:{port}");
    let name = format!("{host}/a:1").parse().unwrap();
    client(&host.parse().unwrap()).manifest(&name, &IMAGE_TYPES).unwrap();
}

#[test]
fn nobody_at_home_is_told_at_once() {
    // A port at which nobody can come to listen meanwhile: it is the other end of a connection.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let host = taken.local_addr().unwrap().to_string();
    let mut patient = settings(&[&host.parse().unwrap()]);
    // Whoever tried again would be seen here.
    patient.retries.base = Duration::from_secs(600);
    patient.retries.cap = Duration::from_secs(600);
    let begin = Instant::now();
    let name = format!("{host}/a:1").parse().unwrap();
    let error = Client::new(patient).manifest(&name, &IMAGE_TYPES).unwrap_err();
    assert!(matches!(error.cause, Cause::Connect { .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(200));
}

#[test]
fn a_wait_ends_when_somebody_gives_up() {
    let server = Hostile::start(|_, stream| reply(stream, 503, &["Retry-After: 3"], b""));
    let (client, cancel) = client(&server.host).cancellable();
    let name = server.name("a:1");
    let waiter = std::thread::spawn(move || client.manifest(&name, &IMAGE_TYPES));
    while server.asked().is_empty() {
        std::thread::yield_now();
    }
    cancel.cancel();
    assert!(waiter.join().unwrap().unwrap_err().is_cancelled());
}
