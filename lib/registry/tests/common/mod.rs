//! Debian's docker-registry on loopback, for the tests of this crate and of intake.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "fixtures: several test binaries each use a part of them, and what fails ends the test"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use coffer_registry::{Client, Credentials, Host, Retries, Settings, Timeouts};
use std::time::Duration;

pub mod hostile;
pub mod tokens;

/// A registry that ends with the test.
pub struct Registry {
    process: Child,
    /// Where it is: `127.0.0.1:port`.
    pub host: Host,
    /// Its folder.
    pub folder: tempfile::TempDir,
}

impl Registry {
    /// A registry in plain HTTP for everybody.
    pub fn plain() -> Self {
        Self::start("", "", |_| {})
    }

    /// A registry with more lines in its configuration, below `http:` and at its end. `prepare`
    /// puts files into its folder, which the lines name as `DIR`.
    pub fn start(http: &str, more: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let config = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: DIR/data}}\n  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:0\n{http}\n{more}\n"
        );
        let path = folder.path().join("config.yml");
        write(&path, config.replace("DIR", folder.path().to_str().unwrap()).as_bytes());
        let mut process = Command::new("docker-registry")
            .args(["serve".as_ref(), path.as_os_str()])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is needed: apt-get install docker-registry");
        let port = listens_at(&mut process);
        Self { process, host: format!("127.0.0.1:{port}").parse().unwrap(), folder }
    }

    /// A name in this registry.
    pub fn name(&self, rest: &str) -> coffer_oci::Reference {
        format!("{}/{rest}", self.host).parse().unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The port that the kernel gave it, once it listens there.
fn listens_at(process: &mut Child) -> u16 {
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut seen = String::new();
    while let Some(Ok(line)) = lines.next() {
        if let Some((_, port)) = line.split_once("listening on 127.0.0.1:") {
            // Its later words must go somewhere, or it would stop on a full pipe.
            std::thread::spawn(move || lines.for_each(drop));
            let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
            return port[..end].parse().unwrap();
        }
        seen.push_str(&line);
    }
    panic!("docker-registry did not start: {seen}");
}

/// Settings that are in a hurry, with plain HTTP for `hosts`.
pub fn settings(hosts: &[&Host]) -> Settings {
    let millis = Duration::from_millis;
    Settings {
        plain_http: hosts.iter().map(|host| (*host).clone()).collect(),
        timeouts: Timeouts {
            connect: millis(5000),
            stall: millis(2000),
            answer: millis(10_000),
            upload: millis(10_000),
        },
        retries: Retries {
            attempts: 4,
            base: millis(10),
            cap: millis(50),
            patience: Duration::from_secs(3),
        },
        ..Settings::default()
    }
}

/// A client in plain HTTP.
pub fn client(host: &Host) -> Client {
    Client::new(settings(&[host]))
}

/// Credentials in a config.json of its own.
pub fn credentials(folder: &Path) -> Credentials {
    Credentials { config: Some(folder.join("docker/config.json")), helper_dirs: Vec::new() }
}

/// Writes a file of the test's own.
pub fn write(path: &Path, bytes: &[u8]) {
    let mut file =
        std::fs::File::options().write(true).create(true).truncate(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// Runs a program of the host and expects it to succeed.
pub fn run(program: &str, args: &[&str]) -> String {
    let output =
        Command::new(program).args(args).stdin(Stdio::null()).output().unwrap_or_else(|error| {
            panic!("{program} is needed, install it with apt-get: {error}")
        });
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A private CA, and a certificate of it for 127.0.0.1 and r.example: `ca.crt`, `server.crt`, `server.key`.
pub fn make_certificates(folder: &Path) -> PathBuf {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let common = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let ca = [at("ca.key"), at("ca.crt")];
    let mut args = common.to_vec();
    args.extend(["-days", "2", "-subj", "/CN=test CA", "-keyout", &ca[0], "-out", &ca[1]]);
    run("openssl", &args);
    for (name, usage) in [("server", "serverAuth"), ("client", "clientAuth")] {
        let [key, crt] = [at(&format!("{name}.key")), at(&format!("{name}.crt"))];
        let subject = format!("/CN={name}");
        let mut args = common.to_vec();
        args.extend(["-days", "2", "-subj", &subject, "-keyout", &key, "-out", &crt]);
        args.extend(["-CA", &ca[1], "-CAkey", &ca[0]]);
        let usage = format!("extendedKeyUsage={usage}");
        args.extend(["-addext", "subjectAltName=IP:127.0.0.1,DNS:r.example", "-addext", &usage]);
        args.extend(["-addext", "basicConstraints=critical,CA:FALSE"]);
        run("openssl", &args);
    }
    folder.join("ca.crt")
}
