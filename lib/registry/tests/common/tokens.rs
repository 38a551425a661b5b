//! A small token service, for a registry that asks for tokens.
//!
//! docker-registry checks the signatures of its tokens, so the tokens are signed with openssl.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::hostile::{Asked, Hostile, reply};
use super::{run, write};

/// Makes a key for tokens in `folder`, with a certificate for the registry: `token.crt`.
pub fn make_key(folder: &Path) {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let [key, crt] = [at("token.key"), at("token.crt")];
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=tokens",
            "-keyout",
            &key,
            "-out",
            &crt,
        ],
    );
}

/// Starts a service that gives everybody leave to pull, and `user` with `password` leave for all.
pub fn start(folder: &Path, user: &'static str, password: &'static str) -> Hostile {
    let folder = folder.to_owned();
    Hostile::start(move |asked, stream| {
        let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let (identity, known) = match asked.header("authorization") {
            Some(value) if value == expected => ("user", true),
            Some(_) => return reply(stream, 401, &[], b"who is that"),
            None => ("", false),
        };
        let access: Vec<Value> = scopes(asked).iter().filter_map(|s| grant(s, known)).collect();
        let token = sign(&folder, identity, &access);
        reply(stream, 200, &[], json!({ "token": token, "expires_in": 300 }).to_string().as_bytes())
    })
}

/// The scopes of a request, decoded.
pub fn scopes(asked: &Asked) -> Vec<String> {
    let query = asked.target.split_once('?').map_or("", |(_, query)| query);
    let values = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    values.map(|value| value.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",")).collect()
}

fn grant(scope: &str, known: bool) -> Option<Value> {
    let mut parts = scope.splitn(3, ':');
    let (kind, name, actions) = (parts.next()?, parts.next()?, parts.next()?);
    let allowed: Vec<&str> = actions.split(',').filter(|a| known || *a == "pull").collect();
    Some(json!({ "type": kind, "name": name, "actions": allowed }))
}

/// A JWT as distribution's docs/spec/auth/jwt.md has it.
fn sign(folder: &Path, subject: &str, access: &[Value]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let pem = std::io::read_to_string(
        std::fs::File::options().read(true).open(folder.join("token.crt")).unwrap(),
    )
    .unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [der] });
    let claims = json!({
        "iss": "test", "sub": subject, "aud": "registry.test", "exp": now + 300, "nbf": now - 60,
        "iat": now, "jti": "1", "access": access,
    });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&header), encode(&claims));
    let scratch = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| scratch.path().join(name));
    write(&input, text.as_bytes());
    let [key, input, output_name] =
        [&folder.join("token.key"), &input, &output].map(|p| p.to_str().unwrap().to_owned());
    run("openssl", &["dgst", "-sha256", "-sign", &key, "-out", &output_name, &input]);
    let mut signature = Vec::new();
    let file = std::fs::File::options().read(true).open(&output).unwrap();
    std::io::Read::read_to_end(&mut { file }, &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
