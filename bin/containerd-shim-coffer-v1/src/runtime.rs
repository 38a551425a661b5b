//! The OCI runtime that the shim calls: `coffer-oci`, or the one that the options name.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bundle::{Bundle, BundleError, Config};
use crate::failure::Failure;
use crate::wire::common::Any;
use crate::wire::options::{self, Options};

/// The file in a bundle that says how `delete` can clean up.
const FILE: &str = "coffer-shim.json";
/// Where states are, unless the options say otherwise; one folder for each of containerd's
/// namespaces below.
const ROOT: &str = "/run/containerd/coffer";
/// The runtime's name, unless the options say otherwise.
const BINARY: &str = "coffer-oci";

/// Why the OCI runtime did not do what it was asked.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// It cannot be executed.
    #[error("{program} cannot be executed")]
    Spawn {
        /// The program.
        program: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It said no.
    #[error("{verb}: {said}")]
    Refused {
        /// What it was asked for.
        verb: &'static str,
        /// What it said.
        said: String,
    },
    /// It did not write down which process it made.
    #[error("{verb}: no pid in {file}")]
    NoPid {
        /// What it was asked for.
        verb: &'static str,
        /// Where the number should be.
        file: String,
    },
}

/// How the OCI runtime of one container is called.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Runtime {
    binary: PathBuf,
    root: PathBuf,
    driver: Driver,
    pivot: Pivot,
    keyring: Keyring,
    criu: Option<PathBuf>,
}

/// Who makes control groups.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
enum Driver {
    /// The runtime itself.
    Cgroupfs,
    /// systemd, which the runtime asks.
    Systemd,
}

/// How the root is changed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
enum Pivot {
    /// pivot_root.
    Root,
    /// A moved mount and chroot, for hosts that run from a ramfs.
    Moved,
}

/// Which session keyring the container gets.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
enum Keyring {
    /// One of its own.
    Own,
    /// The shim's.
    Inherited,
}

impl Runtime {
    /// The runtime that `options` ask for in `namespace`, for a container with `config`; `beside`
    /// is the folder of the shim's own program.
    #[must_use]
    pub fn new(options: &Options, namespace: &str, config: &Config, beside: &Path) -> Self {
        let root = if options.root.is_empty() { ROOT } else { &options.root };
        let systemd = options.systemd_cgroup || config.names_a_slice();
        Self {
            binary: binary(&options.binary_name, beside),
            root: Path::new(root).join(namespace),
            driver: if systemd { Driver::Systemd } else { Driver::Cgroupfs },
            pivot: if options.no_pivot_root { Pivot::Moved } else { Pivot::Root },
            keyring: if options.no_new_keyring { Keyring::Inherited } else { Keyring::Own },
            criu: Some(&options.criu_path).filter(|path| !path.is_empty()).map(PathBuf::from),
        }
    }

    /// `coffer-oci VERB`, started in `bundle`, saying what goes wrong in its file `log`.
    #[must_use]
    pub fn command(&self, bundle: &Bundle, log: &str, verb: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(bundle.path());
        command.arg("--root").arg(&self.root);
        command.arg("--log").arg(Path::new(bundle.path()).join(log));
        command.args(["--log-format", "json"]);
        if self.driver == Driver::Systemd {
            command.arg("--systemd-cgroup");
        }
        if let Some(criu) = &self.criu {
            command.arg("--criu").arg(criu);
        }
        command.arg(verb);
        command
    }

    /// The flag of `create` and `restore` that follows from the options.
    #[must_use]
    pub fn pivot_flag(&self) -> Option<&'static str> {
        (self.pivot == Pivot::Moved).then_some("--no-pivot")
    }

    /// The flags of `create` that follow from the options.
    #[must_use]
    pub fn create_flags(&self) -> Vec<&'static str> {
        let mut flags = Vec::from_iter(self.pivot_flag());
        if self.keyring == Keyring::Inherited {
            flags.push("--no-new-keyring");
        }
        flags
    }

    /// Its program, for messages.
    #[must_use]
    pub fn program(&self) -> String {
        self.binary.display().to_string()
    }

    /// Writes down in `bundle` how `delete` can clean up after a shim that was killed.
    ///
    /// # Errors
    /// The disk says no.
    pub fn save(&self, bundle: &Bundle) -> Result<(), BundleError> {
        let text = serde_json::to_vec(self)
            .map_err(|source| BundleError::Config { bundle: bundle.path().to_owned(), source })?;
        bundle.write(FILE, &text)
    }

    /// What [`Self::save`] wrote; `None` where no container was created.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(bundle: &Bundle) -> Result<Option<Self>, BundleError> {
        let Some(text) = bundle.read(FILE, 64 << 10)? else { return Ok(None) };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| BundleError::Config { bundle: bundle.path().to_owned(), source })
    }
}

/// The options in `any`. What the shim cannot do is refused.
///
/// # Errors
/// They are of another type, or ask for what the shim does not do.
pub fn options(any: Option<&Any>) -> Result<Options, Failure> {
    let Some(any) = any else { return Ok(Options::default()) };
    if any.type_url != options::TYPE && !any.type_url.is_empty() {
        let reason = format!("{} is not {}", any.type_url, options::TYPE);
        return Err(Failure::Invalid { field: "options", reason });
    }
    let options: Options = prost::Message::decode(any.value.as_slice())?;
    if !options.shim_cgroup.is_empty() {
        let reason = "the shim stays in containerd's control group".to_owned();
        return Err(Failure::Invalid { field: "options.shim_cgroup", reason });
    }
    Ok(options)
}

/// The program to call: `named`, or `coffer-oci` beside the shim, or the one on the PATH.
fn binary(named: &str, beside: &Path) -> PathBuf {
    if !named.is_empty() {
        return named.into();
    }
    let ours = beside.join(BINARY);
    match rustix::fs::access(&ours, rustix::fs::Access::EXEC_OK) {
        Ok(()) => ours,
        Err(_) => BINARY.into(),
    }
}

/// What the runtime said last in a log of its own format (runc, `--log-format json`).
#[must_use]
pub fn last_words(log: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        level: String,
        msg: String,
    }
    let lines = log.split(|byte| *byte == b'\n').rev();
    let said = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    said.filter(|line| matches!(&*line.level, "error" | "fatal")).map(|line| line.msg).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn the_last_error_is_what_it_said() {
        let log = br#"{"level":"warning","msg":"careful","time":"x"}
{"level":"error","msg":"first"}
{"level":"error","msg":"no such file"}
{"level":"debug","msg":"bye"}
"#;
        assert_eq!(last_words(log).as_deref(), Some("no such file"));
        assert_eq!(last_words(b"not json\n"), None);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let any = |options: Options| Any::new(options::TYPE, &options);
        let asked = any(Options { shim_cgroup: "/x".into(), ..Options::default() });
        assert!(options(Some(&asked)).is_err());
        let asked = Any { type_url: "some.other.Options".into(), value: Vec::new() };
        assert!(options(Some(&asked)).is_err());
        let asked = Options { binary_name: "/usr/bin/x".into(), ..Options::default() };
        assert_eq!(options(Some(&any(asked.clone()))).unwrap(), asked);
        assert_eq!(Options::decode(asked.encode_to_vec().as_slice()).unwrap(), asked);
    }

    #[test]
    fn it_is_called_as_the_options_say() {
        let options = Options {
            systemd_cgroup: true,
            no_pivot_root: true,
            criu_path: "/opt/criu".to_owned(),
            ..Options::default()
        };
        let runtime = Runtime::new(&options, "ns", &Config::default(), Path::new("/nowhere"));
        let folder = tempfile::tempdir().unwrap();
        let bundle = Bundle::open(folder.path().to_str().unwrap()).unwrap();
        let command = runtime.command(&bundle, "log", "create");
        let line: Vec<_> = command.get_args().filter_map(|word| word.to_str()).collect();
        assert_eq!(command.get_program(), "coffer-oci");
        assert!(line.starts_with(&["--root", "/run/containerd/coffer/ns", "--log"]));
        let end = ["--log-format", "json", "--systemd-cgroup", "--criu", "/opt/criu", "create"];
        assert!(line.ends_with(&end));
        assert_eq!(runtime.create_flags(), ["--no-pivot"]);
        runtime.save(&bundle).unwrap();
        assert_eq!(Runtime::load(&bundle).unwrap(), Some(runtime));
    }
}
