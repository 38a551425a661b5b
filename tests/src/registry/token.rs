//! A token service, as a registry with token authentication sends its clients to
//! (distribution docs, Token Authentication Specification): it signs what is asked for, for
//! whoever knows the password.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::{PASSWORD, USER, certificate};

/// A service that answers until the test ends.
#[derive(Debug)]
pub(super) struct TokenService {
    port: u16,
    given: Arc<AtomicUsize>,
}

impl TokenService {
    /// Makes a key in `folder` and listens.
    pub(super) fn start(folder: &Path) -> Self {
        certificate::self_signed(folder, "token", "/CN=tests tokens");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let service = Self {
            port: listener.local_addr().unwrap().port(),
            given: Arc::new(AtomicUsize::new(0)),
        };
        let (given, folder) = (Arc::clone(&service.given), folder.to_owned());
        let tls = Arc::new(tls(&folder));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
                let stream = StreamOwned::new(connection, client.unwrap());
                // A client that went away does not want the answer.
                answer(stream, &folder, &given).unwrap_or_default();
            }
        });
        service
    }

    /// Host and port.
    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where the registry sends its clients.
    pub(super) fn realm(&self) -> String {
        format!("https://{}/token", self.host())
    }

    /// How many tokens were signed.
    pub(super) fn given(&self) -> usize {
        self.given.load(Ordering::Relaxed)
    }
}

/// The registry's own certificate serves here, too.
fn tls(folder: &Path) -> ServerConfig {
    let certificate = CertificateDer::from_pem_file(folder.join("host.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("host.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()
}

/// Answers one request and closes.
fn answer(
    client: StreamOwned<ServerConnection, TcpStream>,
    folder: &Path,
    given: &AtomicUsize,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut request = String::new();
    client.read_line(&mut request)?;
    let headers: Vec<String> =
        client.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let password = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let known = headers
        .iter()
        .filter_map(|h| h.split_once(": "))
        .any(|(name, value)| name.eq_ignore_ascii_case("authorization") && value == password);
    let (status, body) = if known {
        given.fetch_add(1, Ordering::Relaxed);
        let token = sign(&claims(&request), folder);
        ("200 OK", json!({ "token": token, "expires_in": 60 }))
    } else {
        ("401 Unauthorized", json!({ "details": "incorrect username or password" }))
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    let client = client.get_mut();
    client.write_all((head + &body).as_bytes())?;
    client.conn.send_close_notify();
    client.flush()
}

/// What the token says: everything that `GET /token?scope=repository:NAME:ACTIONS` asked for.
fn claims(request: &str) -> Value {
    let query = request.split(' ').nth(1).and_then(|path| path.split_once('?')).map_or("", |q| q.1);
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    let access: Vec<Value> =
        scopes.flat_map(|s| decoded(s).split(' ').map(scope).collect::<Vec<_>>()).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({
        "iss": "tests", "sub": USER, "aud": "registry", "jti": now.to_string(),
        "iat": now, "nbf": now - 10, "exp": now + 600, "access": access,
    })
}

fn scope(text: &str) -> Value {
    let mut parts = text.splitn(3, ':');
    let mut part = || parts.next().unwrap_or_default();
    let (kind, name, actions) = (part(), part(), part());
    json!({ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() })
}

/// Percent and plus, as queries write them.
fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        out.push(u8::from_str_radix(code, 16).unwrap().into());
        out.push_str(rest);
    }
    out
}

/// A JSON web token by RS256 with its certificate (RFC 7515, x5c).
fn sign(claims: &Value, folder: &Path) -> String {
    let file = |name: &str| -> PathBuf { folder.join(name) };
    let pem = std::fs::read_to_string(file("token.crt")).unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let head = json!({ "typ": "JWT", "alg": "RS256", "x5c": [der] });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&head), part(claims));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(file("token.key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl");
    openssl.stdin.take().unwrap().write_all(signed.as_bytes()).unwrap();
    let signature = openssl.wait_with_output().unwrap().stdout;
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
