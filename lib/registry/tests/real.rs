//! Against Debian's docker-registry: plain, TLS by a private CA, passwords, tokens.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails ends the test")]

mod common;

use std::io::{Cursor, Read, Write};
use std::net::{Shutdown, TcpStream};

use coffer_oci::{Descriptor, Digest, MediaType, Reference};
use coffer_registry::{
    Cause, Client, Credential, Credentials, Error, IMAGE_TYPES, Kept, Known, Proxies, Pushed,
    Settings,
};
use common::hostile::Hostile;
use common::{Registry, client, credentials, make_certificates, run, settings, tokens, write};

fn source(bytes: &'static [u8]) -> impl Fn(u64) -> std::io::Result<Box<dyn Read>> {
    move |offset| Ok(Box::new(Cursor::new(&bytes[usize::try_from(offset).unwrap()..])))
}

const CONFIG: &[u8] =
    br#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;

/// Pushes an image without layers and returns its manifest.
fn push(client: &Client, name: &Reference) -> Result<(Descriptor, Vec<u8>), Error> {
    let config = Descriptor::of(MediaType::OCI_CONFIG, CONFIG);
    client.push_blob(name, &config, None, &source(CONFIG))?;
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": [],
    });
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let manifest = Descriptor::of(MediaType::OCI_MANIFEST, &bytes);
    client.push_manifest(name, &manifest, &bytes)?;
    Ok((manifest, bytes))
}

fn read(client: &Client, name: &Reference, blob: &Descriptor, offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    client.blob(name, blob, offset).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_pushed_is_pulled() {
    let registry = Registry::plain();
    let client = client(&registry.host);
    let name = registry.name("shop/web:1");
    let pushed = push(&client, &name).unwrap();
    assert_eq!(client.manifest(&name, &IMAGE_TYPES).unwrap(), pushed);
    assert_eq!(client.resolve(&name).unwrap(), pushed.0.digest);
    let pinned = name.with_digest(pushed.0.digest.clone());
    assert_eq!(client.manifest(&pinned, &IMAGE_TYPES).unwrap(), pushed);
    let config = Descriptor::of(MediaType::OCI_CONFIG, CONFIG);
    for offset in [0, 7, CONFIG.len()] {
        assert_eq!(read(&client, &name, &config, offset as u64), &CONFIG[offset..]);
    }
    // Somebody else's client sees the same image.
    let seen = run("skopeo", &["inspect", "--tls-verify=false", &format!("docker://{name}")]);
    assert!(seen.contains(&pushed.0.digest.to_string()), "{seen}");
}

#[test]
fn a_blob_is_sent_once() {
    let registry = Registry::plain();
    let client = client(&registry.host);
    let [one, two] = ["one:1", "two:1"].map(|rest| registry.name(rest));
    let blob = Descriptor::of(MediaType::OCI_LAYER, b"layer");
    let push = |name, other| client.push_blob(name, &blob, other, &source(b"layer")).unwrap();
    assert_eq!(push(&one, None), Pushed::Uploaded);
    assert_eq!(push(&one, None), Pushed::Existed);
    assert_eq!(push(&two, Some(&one)), Pushed::Mounted);
    assert_eq!(push(&registry.name("three:1"), Some(&registry.name("none:1"))), Pushed::Uploaded);
    let empty = Descriptor::of(MediaType::OCI_LAYER, b"");
    assert_eq!(client.push_blob(&one, &empty, None, &source(b"")).unwrap(), Pushed::Uploaded);
}

#[test]
fn what_is_not_there_is_named() {
    let registry = Registry::plain();
    let client = client(&registry.host);
    let error = client.manifest(&registry.name("no/such:1"), &IMAGE_TYPES).unwrap_err();
    assert!(matches!(error.cause, Cause::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("no/such:1"));
    assert!(error.cause.to_string().contains("manifest unknown"), "{}", error.cause);
    let blob = Descriptor::of(MediaType::OCI_LAYER, b"none");
    let error = client.blob(&registry.name("no/such:1"), &blob, 0).err().unwrap();
    assert!(matches!(error.cause, Cause::NotFound { .. }), "{error:?}");
}

#[test]
fn a_wrong_upload_is_refused() {
    let registry = Registry::plain();
    let client = client(&registry.host);
    let blob = Descriptor::of(MediaType::OCI_LAYER, b"right");
    let error = client.push_blob(&registry.name("x:1"), &blob, None, &source(b"wrong"));
    assert!(matches!(error.unwrap_err().cause, Cause::Status { status: 400, .. }));
}

#[test]
fn a_private_ca_is_trusted_for_its_host() {
    let tls = "  tls: {certificate: DIR/server.crt, key: DIR/server.key}";
    let registry = Registry::start(tls, "", |folder| drop(make_certificates(folder)));
    let name = registry.name("web:1");
    let error = push(&Client::new(settings(&[])), &name).unwrap_err();
    assert!(matches!(error.cause, Cause::Tls { .. } | Cause::Certs(_)), "{error:?}");
    assert!(error.help().is_none_or(|help| help.contains("certs.d/127.0.0.1")));

    let certs = registry.folder.path().join("certs.d");
    let own = certs.join(registry.host.as_str());
    std::fs::DirBuilder::new().recursive(true).create(&own).unwrap();
    std::os::unix::fs::symlink("../../ca.crt", own.join("ca.crt")).unwrap();
    let trusting = Client::new(Settings { certs_dirs: vec![certs], ..settings(&[]) });
    let pushed = push(&trusting, &name).unwrap();
    assert_eq!(trusting.manifest(&name, &IMAGE_TYPES).unwrap(), pushed);
}

#[test]
fn a_client_certificate_is_shown() {
    let tls = "  tls: {certificate: DIR/server.crt, key: DIR/server.key, clientcas: [DIR/ca.crt]}";
    let registry = Registry::start(tls, "", |folder| drop(make_certificates(folder)));
    let folder = registry.folder.path();
    let own = folder.join("certs.d").join(registry.host.as_str());
    std::fs::DirBuilder::new().recursive(true).create(&own).unwrap();
    let link = |from: &str, to| {
        std::os::unix::fs::symlink(folder.join(from), own.join(to)).unwrap();
    };
    link("ca.crt", "ca.crt");
    let certs_dirs = vec![folder.join("certs.d")];
    let client = || Client::new(Settings { certs_dirs: certs_dirs.clone(), ..settings(&[]) });
    assert!(push(&client(), &registry.name("web:1")).is_err());
    link("client.crt", "client.cert");
    assert!(matches!(push(&client(), &registry.name("web:1")).unwrap_err().cause, Cause::Certs(_)));
    link("client.key", "client.key");
    push(&client(), &registry.name("web:1")).unwrap();
}

#[test]
fn plain_http_is_spoken_only_where_it_was_asked_for() {
    let registry = Registry::plain();
    let error = push(&Client::new(settings(&[])), &registry.name("web:1")).unwrap_err();
    // Without roots on the host there is no TLS to begin with.
    if !matches!(error.cause, Cause::Certs(_)) {
        assert!(matches!(error.cause, Cause::PlainHttp { .. }), "{error:?}");
        assert!(error.help().unwrap().contains("--plain-http"));
    }
}

#[test]
fn a_proxy_leads_to_the_registry() {
    let tls = "  tls: {certificate: DIR/server.crt, key: DIR/server.key}";
    let registry = Registry::start(tls, "", |folder| drop(make_certificates(folder)));
    let target = registry.host.clone();
    let proxy = Hostile::start(move |asked, stream| {
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("CONNECT", "r.example:443"));
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        let inside = TcpStream::connect(target.as_str())?;
        let (mut from, mut to) = (stream.try_clone()?, inside.try_clone()?);
        let there = std::thread::spawn(move || {
            drop(std::io::copy(&mut from, &mut to));
            to.shutdown(Shutdown::Write)
        });
        std::io::copy(&mut { inside }, stream)?;
        stream.shutdown(Shutdown::Both)?;
        there.join().unwrap()
    });
    let settings = Settings {
        roots: Some(registry.folder.path().join("ca.crt")),
        proxies: Proxies { https: Some(proxy.host.to_string()), ..Proxies::default() },
        ..settings(&[])
    };
    let client = Client::new(settings);
    let name = "r.example/shop/web:1".parse().unwrap();
    let pushed = push(&client, &name).unwrap();
    assert_eq!(client.manifest(&name, &IMAGE_TYPES).unwrap(), pushed);
    assert!(!proxy.asked().is_empty());
}

fn with_passwords() -> Registry {
    let auth = "auth:\n  htpasswd: {realm: test, path: DIR/htpasswd}";
    Registry::start("", auth, |folder| {
        let lines = run("htpasswd", &["-nbB", "ann", "correct horse"]);
        write(&folder.join("htpasswd"), lines.as_bytes());
    })
}

#[test]
fn a_password_is_checked_kept_and_forgotten() {
    let registry = with_passwords();
    let name = registry.name("web:1");
    let settings = Settings {
        credentials: credentials(registry.folder.path()),
        ..settings(&[&registry.host])
    };
    let client = || Client::new(settings.clone());
    let error = push(&client(), &name).unwrap_err();
    assert!(matches!(error.cause, Cause::Unauthorized { known: Known::Nobody, .. }), "{error:?}");
    assert_eq!(error.help().unwrap(), format!("log in first: coffer login {}", registry.host));

    let credential = |password: &str| Credential::Password {
        username: "ann".to_owned(),
        password: password.to_owned(),
    };
    let error = client().login(&registry.host, credential("wrong")).unwrap_err();
    assert!(matches!(error.cause, Cause::Unauthorized { known: Known::Credential, .. }));
    client().login(&registry.host, credential("correct horse")).unwrap();
    let kept = settings.credentials.store(&registry.host, &credential("correct horse")).unwrap();
    assert!(matches!(kept, Kept::File(_)));
    push(&client(), &name).unwrap();
    assert!(settings.credentials.forget(&registry.host).unwrap());
    assert!(push(&client(), &name).is_err());
}

#[test]
fn a_helper_keeps_the_password() {
    let registry = with_passwords();
    let folder = registry.folder.path();
    // Written by another process: a program that this one has open for writing cannot be run.
    let script = r#"cat > "$0/docker-credential-test" <<'END'
#!/bin/sh
cd "${0%/*}"
case $1 in
store) cat > kept;;
get) [ -e kept ] && cat kept || { echo credentials not found in native keychain; exit 1; };;
erase) rm -f kept;;
esac
END
chmod +x "$0/docker-credential-test"; mkdir "$0/docker"
echo '{"credsStore":"test"}' > "$0/docker/config.json""#;
    run("sh", &["-c", script, folder.to_str().unwrap()]);
    let credentials = Credentials { helper_dirs: vec![folder.to_owned()], ..credentials(folder) };
    let settings = Settings { credentials: credentials.clone(), ..settings(&[&registry.host]) };
    let pushed = || push(&Client::new(settings.clone()), &registry.name("web:1"));
    assert!(matches!(pushed().unwrap_err().cause, Cause::Unauthorized { .. }));
    let password = "correct horse".to_owned();
    let ann = Credential::Password { username: "ann".to_owned(), password };
    let kept = credentials.store(&registry.host, &ann).unwrap();
    assert_eq!(kept, Kept::Helper("test".to_owned()));
    pushed().unwrap();
    assert!(credentials.forget(&registry.host).unwrap());
    assert!(!credentials.forget(&registry.host).unwrap());
    let config = std::io::read_to_string(
        std::fs::File::options().read(true).open(folder.join("docker/config.json")).unwrap(),
    );
    assert!(!config.unwrap().contains("127.0.0.1"));
}

/// A registry that wants tokens of a service, and the service.
fn with_tokens() -> (Registry, Hostile) {
    let folder = tempfile::tempdir().unwrap();
    tokens::make_key(folder.path());
    let certificate = folder.path().join("token.crt").to_str().unwrap().to_owned();
    let service = tokens::start(&folder.keep(), "ann", "correct horse");
    let auth = format!(
        "auth:\n  token: {{realm: 'http://{}/token', service: registry.test, issuer: test, rootcertbundle: {certificate}}}",
        service.host
    );
    (Registry::start("", &auth, |_| {}), service)
}

#[test]
fn a_token_is_bought_for_each_scope_once() {
    let (registry, service) = with_tokens();
    let client = Client::new(settings(&[&registry.host, &service.host]));
    let name = registry.name("shop/web:1");
    let error = push(&client, &name).unwrap_err();
    assert!(matches!(error.cause, Cause::Unauthorized { known: Known::Nobody, .. }), "{error:?}");

    let password = "correct horse".to_owned();
    let ann = Credential::Password { username: "ann".to_owned(), password };
    client.login(&registry.host, ann).unwrap();
    let before = service.asked().len();
    let pushed = push(&client, &name).unwrap();
    let bought = service.asked().split_off(before);
    assert_eq!(bought.len(), 1, "{bought:?}");
    assert_eq!(tokens::scopes(&bought[0])[0], "repository:shop/web:pull,push");
    assert!(bought[0].target.contains("service=registry.test"));

    let anonymous = Client::new(settings(&[&registry.host, &service.host]));
    assert_eq!(anonymous.manifest(&name, &IMAGE_TYPES).unwrap(), pushed);
    let config = Descriptor::of(MediaType::OCI_CONFIG, CONFIG);
    assert_eq!(Digest::of(&read(&anonymous, &name, &config, 0)), config.digest);
}

#[test]
fn a_token_service_in_plain_http_is_refused() {
    let (registry, service) = with_tokens();
    let client = Client::new(settings(&[&registry.host]));
    let error = client.manifest(&registry.name("web:1"), &IMAGE_TYPES).unwrap_err();
    assert!(matches!(error.cause, Cause::Token(_)), "{error:?}");
    assert!(service.asked().is_empty());
}
