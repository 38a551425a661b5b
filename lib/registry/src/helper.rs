//! Programs that keep credentials. Source: docker-credential-helpers, README, "Development".
//!
//! `docker-credential-NAME get|store|erase` takes the server on its standard input and answers in
//! JSON on its standard output. What it has to say to a person goes to the terminal by itself.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use crate::Credential;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 << 10;
/// With these words a helper says that it knows nobody. Source: `credentials/error.go` there.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Why a helper gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// config.json names a helper that no file could be named after.
    #[error("config.json names the credential helper {0:?}, which is no program name")]
    Name(String),
    /// The program is in none of the folders.
    #[error("credential helper docker-credential-{0} is not installed")]
    Missing(String),
    /// It could not be started or spoken to.
    #[error("cannot run {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It says that it failed.
    #[error("{} failed: {said}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// What it said.
        said: String,
    },
    /// Its answer is not what the protocol asks for. The answer is not shown: it may hold secrets.
    #[error("{} gave an answer that is no credential", program.display())]
    Answer {
        /// The program.
        program: PathBuf,
    },
}

/// A helper that is there.
pub(crate) struct Helper {
    program: PathBuf,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(rename = "ServerURL", default)]
    server_url: std::borrow::Cow<'a, str>,
    username: std::borrow::Cow<'a, str>,
    secret: std::borrow::Cow<'a, str>,
}

impl Helper {
    /// Looks for `docker-credential-<name>` in `dirs`, in their order.
    pub(crate) fn find(name: &str, dirs: &[PathBuf]) -> Result<Self, HelperError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(HelperError::Name(name.to_owned()));
        }
        let file = format!("docker-credential-{name}");
        dirs.iter()
            .map(|dir| dir.join(&file))
            .find(|program| program.is_absolute() && access(program, Access::EXEC_OK).is_ok())
            .map(|program| Self { program })
            .ok_or_else(|| HelperError::Missing(name.to_owned()))
    }

    /// The credential for `server`, where it knows one.
    pub(crate) fn get(&self, server: &str) -> Result<Option<Credential>, HelperError> {
        let answer = match self.run("get", server.as_bytes()) {
            Err(HelperError::Failed { said, .. }) if said.contains(NOT_FOUND) => return Ok(None),
            answer => answer?,
        };
        let entry: Entry<'_> = serde_json::from_slice(&answer)
            .map_err(|_| HelperError::Answer { program: self.program.clone() })?;
        let (username, secret) = (entry.username.into_owned(), entry.secret.into_owned());
        Ok((!secret.is_empty()).then(|| Credential::kept(username, secret)))
    }

    /// Lets it keep a credential.
    pub(crate) fn store(&self, server: &str, credential: &Credential) -> Result<(), HelperError> {
        let (username, secret) = credential.parts();
        let entry =
            Entry { server_url: server.into(), username: username.into(), secret: secret.into() };
        let text = serde_json::to_vec(&entry).map_err(|e| self.failed(e.into()))?;
        self.run("store", &text).map(drop)
    }

    /// Lets it forget; that it knew nothing is no error.
    pub(crate) fn erase(&self, server: &str) -> Result<(), HelperError> {
        match self.run("erase", server.as_bytes()) {
            Err(HelperError::Failed { said, .. }) if said.contains(NOT_FOUND) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// One conversation. What the helper prints in failing goes to stdout, by the protocol.
    fn run(&self, verb: &str, input: &[u8]) -> Result<Vec<u8>, HelperError> {
        let mut child = Command::new(&self.program)
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|e| self.failed(e))?;
        let spoken = converse(&mut child, input);
        let status = child.wait().map_err(|e| self.failed(e))?;
        let answer = spoken.map_err(|e| self.failed(e))?;
        if status.success() {
            return Ok(answer);
        }
        let said = String::from_utf8_lossy(&answer).trim().chars().take(200).collect();
        Err(HelperError::Failed { program: self.program.clone(), said })
    }

    fn failed(&self, source: io::Error) -> HelperError {
        HelperError::Run { program: self.program.clone(), source }
    }
}

/// Says `input`, hears at most [`MAX_ANSWER`] bytes. Both ends are closed afterwards.
fn converse(child: &mut Child, input: &[u8]) -> io::Result<Vec<u8>> {
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    match stdin.write_all(input) {
        // It may answer without having read what was asked.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    drop(stdin);
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut answer = Vec::new();
    stdout.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// One test at a time: a program that is being written while another test forks is "busy".
    static WRITING: Mutex<()> = Mutex::new(());

    fn helper(script: &str) -> (MutexGuard<'static, ()>, tempfile::TempDir, Helper) {
        let guard = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker-credential-test");
        let options = std::fs::File::options().write(true).create_new(true).mode(0o700).open(&path);
        options.unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
        let helper = Helper::find("test", &[folder.path().to_owned()]).unwrap();
        (guard, folder, helper)
    }

    #[test]
    fn a_helper_is_asked_for_a_server() {
        let script = r#"read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"ann\",\"Secret\":\"$1-$server\"}""#;
        let (_guard, _folder, helper) = helper(script);
        let found = helper.get("r.example").unwrap();
        assert_eq!(found, Some(Credential::kept("ann".into(), "get-r.example".into())));
    }

    #[test]
    fn a_helper_that_knows_nobody_is_no_error() {
        let (_guard, _folder, helper) = helper(&format!("echo {NOT_FOUND}; exit 1"));
        assert_eq!(helper.get("r.example").unwrap(), None);
        helper.erase("r.example").unwrap();
    }

    #[test]
    fn failures_are_told_apart() {
        let (_guard, _folder, broken) = helper("echo locked; exit 1");
        assert!(
            matches!(broken.get("x"), Err(HelperError::Failed { said, .. }) if said == "locked")
        );
        drop((_guard, _folder));
        let (_guard, _folder, odd) = helper("echo secret");
        let error = odd.get("x").unwrap_err();
        assert!(
            matches!(error, HelperError::Answer { .. }) && !error.to_string().contains("secret")
        );
        assert!(matches!(Helper::find("../x", &[]), Err(HelperError::Name(_))));
        assert!(matches!(Helper::find("x", &[]), Err(HelperError::Missing(_))));
    }

    #[test]
    fn an_endless_answer_is_cut() {
        let (_guard, _folder, helper) = helper("exec cat /dev/zero");
        assert!(helper.get("x").is_err());
    }
}
