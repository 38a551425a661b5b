//! AppArmor: profiles of containers, made, loaded, unloaded. Sources: man 8 apparmor_parser;
//! linux/security/apparmor/apparmorfs.c for `.replace`, `.remove` and `profiles`.

use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coffer_confine::{Confinement, apparmor};
use coffer_sys::dir::{self, Durability};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, accessat, openat};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use super::LabelError;
use crate::plan::Authority;

/// Where the parser is looked for. `PATH` is not: it is the caller's to change.
const PARSERS: [&str; 3] =
    ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser", "/usr/local/sbin/apparmor_parser"];

/// Where the kernel is told of profiles.
const KERNEL: &str = "/sys/kernel/security/apparmor";

/// The made profile, in the container's folder.
const FILE: &str = "apparmor";

/// How large a made profile may be; ours has about 8 KB.
const LIMIT: u64 = 1 << 20;

/// Whether AppArmor is on. Source: man 7 apparmor.
pub(crate) fn is_on() -> bool {
    let mut answer = [0; 1];
    open("/sys/module/apparmor/parameters/enabled", OFlags::RDONLY)
        .is_ok_and(|file| rustix::io::read(&file, &mut answer) == Ok(1))
        && answer == *b"Y"
}

/// Whether profiles are ours to load: root's of the host, and not of a container in which this
/// runs, where the kernel's files are not to be seen.
pub(super) fn may_load(authority: Authority) -> bool {
    let admin = rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::MAC_ADMIN));
    authority == Authority::Root
        && admin
        && open(&format!("{KERNEL}/.replace"), OFlags::WRONLY).is_ok()
}

/// Makes sure that a profile of this name is loaded. Who may not see the list is told by the
/// kernel as the program starts.
///
/// # Errors
/// [`LabelError::NoAppArmor`], [`LabelError::NotLoaded`].
pub(super) fn find(name: &str) -> Result<(), LabelError> {
    if !is_on() {
        return Err(LabelError::NoAppArmor(name.to_owned()));
    }
    let path = format!("{KERNEL}/profiles");
    let list = match open(&path, OFlags::RDONLY) {
        Ok(list) => list,
        Err(Errno::ACCESS | Errno::PERM | Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(file(&path, "opened", errno)),
    };
    let mut text = String::new();
    std::fs::File::from(list).read_to_string(&mut text).map_err(|source| LabelError::File {
        what: path,
        done: "read",
        source,
    })?;
    // `name (enforce)`, one to a line.
    let loaded = text.lines().filter_map(|line| Some(line.rsplit_once(" (")?.0));
    match loaded.into_iter().any(|loaded| loaded == name) {
        true => Ok(()),
        false => Err(LabelError::NotLoaded(name.to_owned())),
    }
}

/// Makes the profile of `confinement` and keeps it in the container's folder. Nothing is loaded.
///
/// # Errors
/// The parser is missing, or says no; the folder cannot be written.
pub(super) fn make(folder: BorrowedFd<'_>, confinement: &Confinement) -> Result<(), LabelError> {
    let text = apparmor::profile(&confinement.labels.apparmor, confinement);
    let made = compile(&text)?;
    dir::write_whole(folder, FILE, &made, Mode::RUSR | Mode::WUSR, Durability::Process)
        .map_err(|source| LabelError::File { what: FILE.to_owned(), done: "written", source })
}

fn compile(text: &str) -> Result<Vec<u8>, LabelError> {
    let path = parser()?;
    let run = |source| LabelError::Run { path: path.clone(), source };
    let mut child = Command::new(&path)
        .args(["--quiet", "--skip-kernel-load", "--skip-cache", "--stdout"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(run)?;
    // Shorter than a pipe holds: nobody waits for anybody.
    let told = child.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().map_err(run)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(LabelError::Refused(said));
    }
    told.transpose().map_err(run)?;
    Ok(output.stdout)
}

fn parser() -> Result<PathBuf, LabelError> {
    let executable =
        |path: &&Path| accessat(CWD, *path, rustix::fs::Access::EXEC_OK, AtFlags::empty()).is_ok();
    let found = PARSERS.iter().map(Path::new).find(executable);
    found.map(Path::to_owned).ok_or(LabelError::NoParser)
}

/// Gives the kernel the profile that is kept in the container's folder, in the place of one that
/// is loaded under that name.
///
/// # Errors
/// It is not there, or the kernel refuses it.
pub(super) fn load(folder: BorrowedFd<'_>) -> Result<(), LabelError> {
    let kept = dir::read(folder, FILE, LIMIT)
        .and_then(|found| found.ok_or_else(|| io::ErrorKind::NotFound.into()));
    let made = kept.map_err(|source| LabelError::File {
        what: "the container's AppArmor profile".to_owned(),
        done: "read",
        source,
    })?;
    tell(".replace", &made)
}

/// Takes the profile of a container from the kernel; none is no error.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn unload(authority: Authority, id: &str) -> Result<(), LabelError> {
    if !is_on() || !may_load(authority) {
        return Ok(());
    }
    match tell(".remove", apparmor::name(id).as_bytes()) {
        Err(LabelError::File { source, .. }) if is(&source, Errno::NOENT) => Ok(()),
        told => told,
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}

/// One write: the kernel takes it whole or not at all.
fn tell(name: &str, bytes: &[u8]) -> Result<(), LabelError> {
    let path = format!("{KERNEL}/{name}");
    let written = open(&path, OFlags::WRONLY).and_then(|file| rustix::io::write(file, bytes));
    match written {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) => Err(file(&path, "written", Errno::IO)),
        Err(errno) => Err(file(&path, "written", errno)),
    }
}

fn file(path: &str, done: &'static str, errno: Errno) -> LabelError {
    LabelError::File { what: path.to_owned(), done, source: errno.into() }
}

fn open(path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
}
