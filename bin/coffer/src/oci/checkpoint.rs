//! `checkpoint` and what it shares with `restore`: the options for CRIU.

use std::fs::DirBuilder;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use coffer_runtime::bundle::{self, After, Checkpoint, Force};
use coffer_runtime::criu::{Folders, Groups, NetworkLock, Options, PageServer};
use coffer_sys::inherited;
use rustix::fs::OFlags;

use super::create::operand;
use super::failure::Failure;
use super::globals::Globals;
use super::grammar::{Flag, Grammar, Words, switch, value};
use super::{Outcome, log};
use crate::environment;

/// The options of `checkpoint`, as runc has them.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[
        value("image-path", None),
        value("work-path", None),
        value("parent-path", None),
        switch("leave-running", None),
        switch("tcp-established", None),
        switch("tcp-skip-in-flight", None),
        switch("link-remap", None),
        switch("ext-unix-sk", None),
        switch("shell-job", None),
        switch("lazy-pages", None),
        value("status-fd", None),
        value("page-server", None),
        switch("file-locks", None),
        switch("pre-dump", None),
        value("manage-cgroups-mode", None),
        EMPTY_NAMESPACE,
        switch("auto-dedup", None),
        NETWORK_LOCK,
    ],
    operands: (1, 1),
    verbatim_after: usize::MAX,
};

/// Of a network only the namespace is kept: `network` is what there is to say, and is always so.
pub(super) const EMPTY_NAMESPACE: Flag = value("empty-ns", None);

/// crun's: how packets of what is checkpointed or restored are held back meanwhile.
pub(super) const NETWORK_LOCK: Flag = value("network-lock", None);

/// `checkpoint`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let images = images(words)?;
    let work = work(words)?;
    let after = match (words.has("pre-dump"), words.has("leave-running")) {
        (true, _) => After::MemoryOnly,
        (false, true) => After::GoesOn,
        (false, false) => After::Ends,
    };
    let options = Options {
        tcp_skip_in_flight: words.has("tcp-skip-in-flight"),
        link_remap: words.has("link-remap"),
        page_server: words.value("page-server").map(page_server).transpose()?,
        ..options(words)?
    };
    let wanted = Checkpoint {
        program: &program(globals)?,
        folders: Folders { images: &images, work: work.as_deref() },
        options: &options,
        parent: parent(words, &images)?,
        after,
        status: status(words)?,
    };
    let folder = globals.find(operand(words))?;
    let id = folder.id().clone();
    bundle::checkpoint(folder, wanted)?;
    if after == After::Ends {
        // As runc: what was checkpointed is gone, and is restored under any id.
        let deleted = bundle::delete(&globals.home()?, &id, Force::Kill)?;
        log::hooks(globals, &deleted.failed);
    }
    Ok(0)
}

/// CRIU: the program that `--criu` names, or the one on the PATH.
pub(super) fn program(globals: &Globals) -> Result<PathBuf, Failure> {
    if let Some(program) = &globals.criu {
        return Ok(program.clone());
    }
    environment::program("criu").ok_or_else(|| {
        Failure::new(
            "checkpoint and restore need CRIU, and no program \"criu\" is on the PATH: \
             install it, or name it with --criu FILE",
        )
    })
}

/// The folder of images, made where it is missing.
pub(super) fn images(words: &Words) -> Result<PathBuf, Failure> {
    made(words.value("image-path").unwrap_or("checkpoint"))
}

/// The folder of CRIU's log, likewise.
pub(super) fn work(words: &Words) -> Result<Option<PathBuf>, Failure> {
    words.value("work-path").map(made).transpose()
}

fn made(path: &str) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(path)?;
    let built = DirBuilder::new().recursive(true).mode(0o700).create(&path);
    built.map_err(|error| Failure::new(format!("cannot make {}: {error}", path.display())))?;
    Ok(path)
}

/// `--parent-path`, which CRIU takes relative to the images.
fn parent<'w>(words: &'w Words, images: &Path) -> Result<Option<&'w str>, Failure> {
    let Some(path) = words.value("parent-path") else { return Ok(None) };
    if path.starts_with('/') {
        return Err(Failure::new("--parent-path is not relative to the images"));
    }
    let stat = rustix::fs::stat(images.join(path));
    let folder = stat.is_ok_and(|stat| {
        rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory
    });
    if folder {
        Ok(Some(path))
    } else {
        Err(Failure::new(format!("--parent-path: no folder {path}")))
    }
}

/// `--page-server`: `ADDRESS:PORT`, with brackets around an address that has colons itself.
fn page_server(text: &str) -> Result<PageServer, Failure> {
    let (address, port) = text.rsplit_once(':').unwrap_or_default();
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match (bare.unwrap_or(address), port.parse::<u16>()) {
        (address, Ok(port @ 1..))
            if !address.is_empty() && bare.is_some() == address.contains(':') =>
        {
            Ok(PageServer { address: address.to_owned(), port })
        }
        _ => Err(Failure::new(format!("--page-server: {text:?} is not ADDRESS:PORT"))),
    }
}

/// `--status-fd`: a descriptor of the caller's, who is told there when memory can be asked for.
fn status(words: &Words) -> Result<Option<OwnedFd>, Failure> {
    let Some(number) = words.number("status-fd")? else { return Ok(None) };
    if !words.has("lazy-pages") {
        let why = "--status-fd: without --lazy-pages there is nothing to be told";
        return Err(Failure::new(why));
    }
    let bad = |why: &str| Failure::new(format!("--status-fd: {number} {why}"));
    let fd = inherited::take(number).map_err(|_| bad("is no descriptor that was passed"))?;
    match rustix::fs::fcntl_getfl(&fd)?.intersects(OFlags::WRONLY | OFlags::RDWR) {
        true => Ok(Some(fd)),
        false => Err(bad("is not writable")),
    }
}

/// What CRIU is told.
pub(super) fn options(words: &Words) -> Result<Options, Failure> {
    if let Some(other) = words.values("empty-ns").find(|name| *name != "network") {
        return Err(Failure::new(format!("--empty-ns: {other:?} is not network")));
    }
    Ok(Options {
        tcp_established: words.has("tcp-established"),
        ext_unix_sk: words.has("ext-unix-sk"),
        shell_job: words.has("shell-job"),
        file_locks: words.has("file-locks"),
        auto_dedup: words.has("auto-dedup"),
        lazy_pages: words.has("lazy-pages"),
        network_lock: words.value("network-lock").map(network_lock).transpose()?,
        groups: groups(words.value("manage-cgroups-mode"))?,
        ..Options::default()
    })
}

fn network_lock(method: &str) -> Result<NetworkLock, Failure> {
    match method {
        "iptables" => Ok(NetworkLock::Iptables),
        "nftables" => Ok(NetworkLock::Nftables),
        "skip" => Ok(NetworkLock::Skip),
        other => {
            let why = format!("--network-lock: {other:?} is not iptables, nftables or skip");
            Err(Failure::new(why))
        }
    }
}

fn groups(mode: Option<&str>) -> Result<Groups, Failure> {
    Ok(match mode {
        None | Some("soft" | "") => Groups::Soft,
        Some("full") => Groups::Full,
        Some("strict") => Groups::Strict,
        Some("ignore") => Groups::Ignore,
        Some(other) => {
            let why =
                format!("--manage-cgroups-mode: {other:?} is not soft, full, strict or ignore");
            return Err(Failure::new(why));
        }
    })
}
