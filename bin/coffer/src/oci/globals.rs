//! The options before the verb: runc's and crun's.

use std::path::PathBuf;

use coffer_runtime::bundle::{BundleId, Folder, Home};
use coffer_runtime::cgroup::{Driver, ServiceManager};
use coffer_runtime::plan::Authority;

use super::Outcome;
use super::failure::Failure;
use super::grammar::{Grammar, Words, switch, truth, value};
use crate::environment;

const GRAMMAR: Grammar = Grammar {
    flags: &[
        value("root", None),
        value("log", None),
        value("log-format", None),
        value("log-level", None),
        switch("debug", None),
        switch("systemd-cgroup", None),
        value("cgroup-manager", None),
        value("rootless", None),
        value("criu", None),
        switch("version", Some('v')),
        switch("help", Some('h')),
    ],
    operands: (0, usize::MAX),
    verbatim_after: 1,
};

/// What stands before the verb.
#[derive(Debug, Default)]
pub(super) struct Globals {
    /// Where states are kept.
    pub(super) root: PathBuf,
    /// Where errors are written too.
    pub(super) log: Option<PathBuf>,
    /// How.
    pub(super) format: Format,
    /// Who makes control groups.
    pub(super) groups: Driver,
    /// Whose rights count where groups are made; the caller's own where it is not said.
    pub(super) authority: Option<Authority>,
    /// What is written to the log.
    pub(super) detail: Detail,
    /// The program that `--criu` names.
    pub(super) criu: Option<PathBuf>,
    /// `--version`.
    pub(super) version: bool,
    /// `--help`.
    pub(super) help: bool,
}

/// How errors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// logfmt, as logrus writes it.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is written to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Detail {
    /// Errors alone.
    Errors,
    /// Errors and warnings.
    #[default]
    Plain,
    /// Each step too: `--debug`, `--log-level debug`.
    Debug,
}

impl Globals {
    /// Reads them; gives the verb and its words.
    pub(super) fn parse(words: &[String]) -> Result<(Self, Vec<String>), Failure> {
        let mut read = Words::default();
        let rest = GRAMMAR.read(words, &mut read, 1)?;
        let verb = read.operands().iter().chain(rest).cloned().collect();
        let globals = Self {
            root: environment::state_root(read.value("root")),
            log: read.value("log").map(log_file).transpose()?,
            format: format(read.value("log-format"))?,
            groups: groups(&read)?,
            authority: authority(read.value("rootless"))?,
            detail: detail(&read)?,
            criu: read.value("criu").map(PathBuf::from),
            version: read.has("version"),
            help: read.has("help"),
        };
        Ok((globals, verb))
    }

    /// The folder of states, which is made with the first container.
    pub(super) fn home(&self) -> Result<Home, Failure> {
        Ok(Home::at(&self.root)?)
    }

    /// The container of this id.
    pub(super) fn find(&self, id: &str) -> Result<Folder, Failure> {
        let id: BundleId = id.parse()?;
        match Home::open(&self.root)? {
            Some(home) => Ok(home.find(&id)?),
            None => Err(coffer_runtime::bundle::BundleError::NotFound(id).into()),
        }
    }
}

fn format(text: Option<&str>) -> Result<Format, Failure> {
    match text {
        None | Some("text") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(Failure::new(format!("--log-format: {other:?} is not text or json"))),
    }
}

/// `--log`: a file, which crun also takes as `file:PATH`.
fn log_file(text: &str) -> Result<PathBuf, Failure> {
    match text.split_once(':') {
        Some(("file", path)) => Ok(path.into()),
        Some(("journald" | "syslog", _)) => {
            Err(Failure::new(format!("--log: {text:?} is no file, and only files are written")))
        }
        _ => Ok(text.into()),
    }
}

/// `--debug` and crun's `--log-level`.
fn detail(words: &Words) -> Result<Detail, Failure> {
    match words.value("log-level") {
        _ if words.has("debug") => Ok(Detail::Debug),
        None | Some("warning") => Ok(Detail::Plain),
        Some("error") => Ok(Detail::Errors),
        Some("debug") => Ok(Detail::Debug),
        Some(other) => {
            Err(Failure::new(format!("--log-level: {other:?} is not error, warning or debug")))
        }
    }
}

fn groups(words: &Words) -> Result<Driver, Failure> {
    match words.value("cgroup-manager") {
        None if words.has("systemd-cgroup") => systemd(),
        None | Some("cgroupfs") => Ok(Driver::Cgroupfs),
        Some("systemd") => systemd(),
        Some("disabled") => Ok(Driver::Disabled),
        Some(other) => {
            let why = format!("--cgroup-manager: {other:?} is not cgroupfs, systemd or disabled");
            Err(Failure::new(why))
        }
    }
}

/// `--rootless`: one without root goes without the groups that it may not make, where nothing was
/// asked of them. Source: runc(8); Go's truth values.
fn authority(text: Option<&str>) -> Result<Option<Authority>, Failure> {
    let Some(text) = text else { return Ok(None) };
    if text == "auto" {
        return Ok(None);
    }
    Ok(Some(if truth("--rootless", text)? { Authority::User } else { Authority::Root }))
}

/// The systemd whose bus the environment names.
fn systemd() -> Result<Driver, Failure> {
    let manager = ServiceManager::of_caller()?;
    Ok(Driver::Systemd(environment::bus(manager)))
}

/// Writes `text` to standard output.
pub(super) fn print(text: &str) -> Outcome {
    use std::io::Write as _;
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    written.map(|()| 0).map_err(Failure::from)
}
