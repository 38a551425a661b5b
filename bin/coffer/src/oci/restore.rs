//! `restore`: `create` and `start` from the images of a checkpoint.

use coffer_runtime::bundle::{self, Force, Restore};
use coffer_runtime::criu::Folders;

use super::checkpoint::{EMPTY_NAMESPACE, images, options, program, work};
use super::create::Wanted;
use super::failure::Failure;
use super::globals::Globals;
use super::grammar::{Grammar, Words, switch, value};
use super::{Outcome, log};

/// The options of `restore`, as runc has them but for `--no-pivot`, `--lazy-pages` and those of
/// security modules.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[
        value("image-path", None),
        value("work-path", None),
        switch("tcp-established", None),
        switch("ext-unix-sk", None),
        switch("shell-job", None),
        switch("file-locks", None),
        value("manage-cgroups-mode", None),
        EMPTY_NAMESPACE,
        switch("auto-dedup", None),
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
    let (wanted, foreground) = Wanted::read_to_start(globals, words)?;
    let (images, work) = (images(words)?, work(words)?);
    let (program, options) = (program(globals)?, options(words)?);
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

fn remove(globals: &Globals, wanted: &Wanted) -> Result<(), Failure> {
    let deleted = bundle::delete(&wanted.home, &wanted.id, Force::Kill)?;
    log::hooks(globals, &deleted.failed);
    Ok(())
}
