//! What to type when a library fails: hints looked up by the type of the error, never glued into
//! its text.

use std::error::Error;

use coffer_confine::ids::InsideError;
use coffer_intake::{AdmitError, PullError, PushError};
use coffer_policy::Refusal;
use coffer_registry::Error as RegistryError;
use coffer_runtime::container::ContainerError;
use coffer_runtime::volume::VolumeError;
use coffer_store::StoreError;

use crate::exit::Exit;
use crate::failure::Failure;

/// Adds hints, and the exit status that `error` or one of its sources calls for.
pub(crate) fn add(failure: Failure, error: &(dyn Error + 'static)) -> Failure {
    chain(error).fold(failure, add_one)
}

fn add_one(failure: Failure, error: &(dyn Error + 'static)) -> Failure {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        let platform = &refusal.host;
        return failure
            .exits(Exit::REFUSED)
            .help(format!("ask for an image for this host: --platform {platform}"));
    }
    // Whoever read what a container wrote has gone: there is nobody to tell.
    if let Some(ContainerError::Carry { source, .. }) = error.downcast_ref::<ContainerError>()
        && source.kind() == std::io::ErrorKind::BrokenPipe
    {
        return Failure::quiet();
    }
    let failure = match error.downcast_ref::<ContainerError>() {
        Some(error) => failure.exits(Exit(error.status())),
        None => failure,
    };
    match help(error) {
        Some(help) if !failure.has_help() => failure.help(help),
        _ => failure,
    }
}

/// What the libraries know to do about their own errors.
fn help(error: &(dyn Error + 'static)) -> Option<String> {
    let ask = |error: &(dyn Error + 'static)| {
        error
            .downcast_ref::<AdmitError>()
            .map(AdmitError::help)
            .or_else(|| error.downcast_ref::<PullError>().map(PullError::help))
            .or_else(|| error.downcast_ref::<PushError>().map(PushError::help))
            .or_else(|| error.downcast_ref::<ContainerError>().map(ContainerError::help))
            .or_else(|| error.downcast_ref::<RegistryError>().map(RegistryError::help))
            .or_else(|| error.downcast_ref::<InsideError>().map(InsideError::help))
            .or_else(|| error.downcast_ref::<VolumeError>().map(VolumeError::help))
            .or_else(|| error.downcast_ref::<StoreError>().map(StoreError::help))
    };
    ask(error).flatten()
}

/// The error and all that caused it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let next = |error: &&'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> {
        (*error).source()
    };
    std::iter::successors(Some(error), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_exits_121() {
        let refusal = Refusal {
            name: "web".to_owned(),
            platform: "linux/arm64".parse().unwrap(),
            host: "linux/amd64".parse().unwrap(),
        };
        let failure = Failure::from(refusal);
        assert_eq!(failure.exit(), Exit::REFUSED);
        assert!(
            failure
                .render()
                .ends_with("help: ask for an image for this host: --platform linux/amd64\n")
        );
    }
}
