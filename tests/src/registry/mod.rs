//! Debian's docker-registry on a free port of loopback, ended with the fixture.

mod certificate;
mod token;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::image::Recipe;
use crate::program::{self, Outcome};
use token::TokenService;

/// The name that every kind of registry with accounts knows.
pub const USER: &str = "alice";
/// Its password.
pub const PASSWORD: &str = "correct horse";

/// How a registry guards itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Plain HTTP, for everybody.
    Plain,
    /// TLS by a private certificate authority, for everybody.
    Tls,
    /// The same, with a password per request (RFC 7617).
    Password,
    /// The same, with tokens of a service of its own (distribution-spec, token authentication).
    Token,
}

/// A registry that runs.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    guard: Guard,
    folder: TempDir,
    server: Child,
    tokens: Option<TokenService>,
}

impl Registry {
    /// Starts a registry without content.
    ///
    /// # Panics
    /// It does not come up.
    #[must_use]
    pub fn start(guard: Guard) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if guard != Guard::Plain {
            certificate::make(folder.path());
        }
        let tokens = (guard == Guard::Token).then(|| TokenService::start(folder.path()));
        let config = folder.path().join("config.yml");
        fs::write(&config, settings(guard, folder.path(), tokens.as_ref())).unwrap();
        let (server, port) = serve(&config, folder.path());
        Self { port, guard, folder, server, tokens }
    }

    /// Host and port, as in a reference.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Every host that a client of this registry speaks to.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let tokens = self.tokens.iter().map(TokenService::host);
        std::iter::once(self.host()).chain(tokens).collect()
    }

    /// `name` as an image of this registry.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// The private authority's certificate; none of a plain registry.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Copies `recipe`'s image here under its own name, by skopeo, and gives that name.
    ///
    /// # Panics
    /// skopeo fails.
    pub fn push(&self, recipe: &Recipe) -> String {
        let name = self.name(&format!("test/{}:latest", recipe.name));
        let source = format!("oci:{}:latest", recipe.layout().display());
        self.skopeo(&["copy", &source, &format!("docker://{name}")]).success();
        name
    }

    /// Runs skopeo with what it needs to come in here.
    ///
    /// # Panics
    /// skopeo cannot be started.
    #[must_use]
    pub fn skopeo(&self, arguments: &[&str]) -> Outcome {
        let (verb, rest) = arguments.split_first().expect("a verb");
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", verb]);
        let [tls, credentials] = match *verb {
            "copy" => ["--dest-tls-verify=false", "--dest-creds"],
            _ => ["--tls-verify=false", "--creds"],
        };
        command.arg(tls);
        if matches!(self.guard, Guard::Password | Guard::Token) {
            command.args([credentials, &format!("{USER}:{PASSWORD}")]);
        }
        program::run(command.args(rest))
    }

    /// How many tokens were handed out.
    #[must_use]
    pub fn tokens_given(&self) -> usize {
        self.tokens.as_ref().map_or(0, TokenService::given)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if self.server.kill().is_ok() {
            self.server.wait().expect("the registry was started here");
        }
    }
}

/// The registry's configuration file.
fn settings(guard: Guard, folder: &Path, tokens: Option<&TokenService>) -> String {
    let folder = folder.display();
    let mut text = format!(
        "version: 0.1\n\
         log: {{ level: info, accesslog: {{ disabled: true }} }}\n\
         storage: {{ filesystem: {{ rootdirectory: {folder}/data }}, delete: {{ enabled: true }} }}\n\
         http:\n  addr: 127.0.0.1:0\n  secret: fixture\n"
    );
    if guard != Guard::Plain {
        writeln!(text, "  tls: {{ certificate: {folder}/host.crt, key: {folder}/host.key }}")
            .unwrap();
    }
    if guard == Guard::Password {
        let line = program::must("htpasswd", ["-Bbn", USER, PASSWORD]);
        fs::write(format!("{folder}/htpasswd"), line).unwrap();
        writeln!(text, "auth: {{ htpasswd: {{ realm: test, path: {folder}/htpasswd }} }}").unwrap();
    }
    if let Some(tokens) = tokens {
        let realm = tokens.realm();
        writeln!(
            text,
            "auth: {{ token: {{ realm: \"{realm}\", service: registry, issuer: tests, \
             rootcertbundle: {folder}/token.crt }} }}"
        )
        .unwrap();
    }
    text
}

/// What the server says before the port that the kernel gave it.
const LISTENS: &str = "listening on 127.0.0.1:";

/// Starts the server and waits until it says where it listens.
fn serve(config: &Path, folder: &Path) -> (Child, u16) {
    let mut server = Command::new("docker-registry")
        .arg("serve")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("docker-registry");
    let mut said = String::new();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    while !said.contains(LISTENS) {
        let more = log.read_line(&mut said).unwrap();
        assert_ne!(more, 0, "the registry ended:\n{said}");
    }
    let (_, port) = said.split_once(LISTENS).unwrap_or_default();
    let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
    let port = port[..end].parse().unwrap();
    // The log must be read to its end, or the registry stops at a full pipe.
    let file = folder.join("log");
    std::thread::spawn(move || {
        let mut file = fs::File::create(file).unwrap();
        std::io::copy(&mut log, &mut file).unwrap();
    });
    (server, port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::catalogue::BUSYBOX;

    #[test]
    fn root_skopeo_pushes_to_each_kind() {
        if !program::root() {
            return;
        }
        for guard in [Guard::Plain, Guard::Tls, Guard::Password, Guard::Token] {
            let registry = Registry::start(guard);
            let name = registry.push(&BUSYBOX);
            let said = registry.skopeo(&["inspect", &format!("docker://{name}")]);
            assert!(said.success().contains("\"Architecture\""));
            assert_eq!(registry.tokens_given() > 0, guard == Guard::Token);
        }
    }
}
