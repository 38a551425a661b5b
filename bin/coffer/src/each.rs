//! Verbs that take several containers: each is done, whatever becomes of the others.

use coffer_runtime::container::{Container, ContainerError, DataRoot};
use coffer_runtime::state::StateError;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};

/// Does `verb` to each container of `names` and prints the name, as docker does. All are tried;
/// every failure is told, and the last one ends the command.
pub(crate) fn each(
    context: &Context,
    names: &[String],
    mut verb: impl for<'r> FnMut(&'r DataRoot, Container<'r>) -> Result<(), Failure>,
) -> Outcome {
    let root = context.data_root()?;
    try_each(context, names, |name| {
        verb(&root, Container::find(&root, name)?)?;
        context.ui.line(name)
    })
}

/// Does `verb` to each of `names`, in the same way.
pub(crate) fn try_each(
    context: &Context,
    names: &[String],
    mut verb: impl FnMut(&str) -> Result<(), Failure>,
) -> Outcome {
    let mut last: Option<Failure> = None;
    for name in names {
        if let Err(failure) = verb(name)
            && let Some(earlier) = last.replace(failure)
        {
            context.ui.failure(&earlier);
        }
    }
    last.map_or(Ok(Exit::DONE), Err)
}

/// Whether there is no such container.
pub(crate) fn is_missing(error: &ContainerError) -> bool {
    matches!(error, ContainerError::State(StateError::NotFound { .. }))
}
