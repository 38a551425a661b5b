//! `restore`: `create` and `start` from the images of a checkpoint.

use coffer_runtime::bundle::{self, Force, Restore};
use coffer_runtime::criu::{Folders, Options};

use super::checkpoint::{EMPTY_NAMESPACE, NETWORK_LOCK, images, options, program, work};
use super::create::Wanted;
use super::failure::Failure;
use super::globals::Globals;
use super::grammar::{Grammar, Words, switch, value};
use super::{Outcome, log};

/// The options of `restore`, as runc has them.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[
        value("image-path", None),
        value("work-path", None),
        switch("tcp-established", None),
        switch("tcp-close", None),
        NETWORK_LOCK,
        switch("ext-unix-sk", None),
        switch("shell-job", None),
        switch("file-locks", None),
        value("manage-cgroups-mode", None),
        EMPTY_NAMESPACE,
        switch("auto-dedup", None),
        switch("lazy-pages", None),
        value("lsm-profile", None),
        value("lsm-mount-context", None),
        switch("no-pivot", None),
        value("bundle", Some('b')),
        switch("detach", Some('d')),
        value("pid-file", None),
        value("console-socket", None),
        // The container is the caller's either way.
        switch("no-subreaper", None),
    ],
    operands: (1, 1),
    verbatim_after: usize::MAX,
};

/// `restore`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    if words.has("no-pivot") {
        let why = "--no-pivot: CRIU enters the root of what it restores by pivot_root";
        return Err(Failure::new(why));
    }
    let (wanted, foreground) = Wanted::read_to_start(globals, words)?;
    let (images, work) = (images(words)?, work(words)?);
    let options = Options {
        tcp_close: words.has("tcp-close"),
        lsm_profile: words.value("lsm-profile").map(lsm_profile).transpose()?,
        lsm_mount_context: words.value("lsm-mount-context").map(str::to_owned),
        ..options(words)?
    };
    let program = program(globals)?;
    let restored = wanted.with(globals, |create| {
        let folders = Folders { images: &images, work: work.as_deref() };
        bundle::restore(&Restore { create, program: &program, folders, options: &options })
    })?;
    for warning in &restored.warnings {
        log::warning(globals, &warning.to_string());
    }
    if let Err(error) = wanted.hand_out(restored.terminal.as_ref(), restored.pid) {
        remove(globals, &wanted)?;
        return Err(error.into());
    }
    let Some(foreground) = foreground else { return Ok(0) };
    let outcome = foreground.stay(restored.process, restored.terminal)?;
    remove(globals, &wanted)?;
    Ok(outcome.code())
}

/// `--lsm-profile`, which CRIU refuses with a log alone.
fn lsm_profile(text: &str) -> Result<String, Failure> {
    match text.split_once(':') {
        Some(("apparmor" | "selinux", label)) if !label.is_empty() => Ok(text.to_owned()),
        _ => Err(Failure::new(format!(
            "--lsm-profile: {text:?} is neither apparmor:PROFILE nor selinux:LABEL"
        ))),
    }
}

fn remove(globals: &Globals, wanted: &Wanted) -> Result<(), Failure> {
    let deleted = bundle::delete(&wanted.home, &wanted.id, Force::Kill)?;
    log::hooks(globals, &deleted.failed);
    Ok(())
}
