//! The home folder of a process's user, which engines leave to the runtime.

use std::path::Path;

use coffer_confine::user::{self, FILE_LIMIT};
use coffer_oci::runtime::Process;
use coffer_sys::dir;
use rustix::fs::{Mode, OFlags, ResolveFlags, open};

/// The home where nobody says another.
const NONE: &str = "/";

/// The `HOME` that `process` has to be given: none where its environment has one, else the one that
/// the passwd file in the container's root says for its user, or `/`.
pub(super) fn home_of(process: &Process, root: &Path) -> Option<String> {
    let has_one = |entry: &String| entry.strip_prefix("HOME=").is_some_and(|home| !home.is_empty());
    if process.env.iter().rfind(|entry| entry.starts_with("HOME=")).is_some_and(has_one) {
        return None;
    }
    // A file that cannot be read or understood says nothing, as for runc.
    let passwd = passwd(root).unwrap_or_default();
    let who = user::resolve(&process.user.uid.to_string(), &passwd, b"");
    Some(who.map_or_else(|_| NONE.to_owned(), |who| who.home))
}

/// The container's passwd file. Links in it are followed inside.
fn passwd(root: &Path) -> Option<Vec<u8>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = open(root, flags, Mode::empty()).ok()?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = dir::open_within(&root, c"etc/passwd", flags, Mode::empty(), resolve).ok()?;
    dir::read_open(file, FILE_LIMIT as u64).ok()
}
