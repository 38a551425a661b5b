//! `Checkpoint`: what a container is doing is written down, and it ends or goes on.

use prost::Message;

use super::job::{Job, Then};
use super::process::Caller;
use super::{Answer, Shim};
use crate::bundle::Bundle;
use crate::failure::Failure;
use crate::wire::common::Any;
use crate::wire::event::TaskCheckpointed;
use crate::wire::options::{CHECKPOINT, CheckpointOptions};
use crate::wire::task::CheckpointTaskRequest;

/// The folder in a bundle where CRIU writes its log, unless the options name another.
const WORK: &str = "coffer-criu";

impl Shim {
    pub(super) fn checkpoint(
        &mut self,
        caller: Caller,
        request: &CheckpointTaskRequest,
    ) -> Result<Answer, Failure> {
        let flags = flags(request)?;
        let work = work(&self.container(&request.id)?.bundle, &options(request)?.work_path);
        let (container, path) = (request.id.clone(), request.path.clone());
        let (log, exec) = (self.name("log"), String::new());
        let event = TaskCheckpointed { container_id: container.clone(), checkpoint: path.clone() };
        let then = Then::Checkpointed(event);
        let (caller, verb) = (Some(caller), "checkpoint");
        let job = Job { caller, container: container.clone(), exec, verb, log, then };
        self.call(job, move |command, _| {
            command.args(["--image-path", &path, "--work-path", &work]).args(flags).arg(container);
        })
    }
}

/// Where CRIU writes its log: a folder in `bundle`, unless `named` is another.
pub(super) fn work(bundle: &Bundle, named: &str) -> String {
    match named {
        "" => format!("{}/{WORK}", bundle.path()),
        named => named.to_owned(),
    }
}

/// The options of a checkpoint.
fn options(request: &CheckpointTaskRequest) -> Result<CheckpointOptions, Failure> {
    let Some(Any { type_url, value }) = &request.options else {
        return Ok(CheckpointOptions::default());
    };
    if type_url != CHECKPOINT && !type_url.is_empty() {
        let reason = format!("{type_url} is not {CHECKPOINT}");
        return Err(Failure::Invalid { field: "options", reason });
    }
    Ok(CheckpointOptions::decode(value.as_slice())?)
}

/// The flags of the runtime for them. What it cannot do it refuses itself, by the flag's name.
fn flags(request: &CheckpointTaskRequest) -> Result<Vec<String>, Failure> {
    let invalid = |field, reason: &str| Err(Failure::Invalid { field, reason: reason.to_owned() });
    if request.path.is_empty() {
        return invalid("path", "names no folder for the images");
    }
    let options = options(request)?;
    if !options.image_path.is_empty() && options.image_path != request.path {
        // What containerd would keep is the folder in `path`, which would stay empty.
        return invalid("options.image_path", "is not where containerd wants the images: path");
    }
    let switches = [
        (!options.exit, "--leave-running"),
        (options.open_tcp, "--tcp-established"),
        (options.external_unix_sockets, "--ext-unix-sk"),
        (options.terminal, "--shell-job"),
        (options.file_locks, "--file-locks"),
    ];
    let mut flags: Vec<String> =
        switches.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag.to_owned()).collect();
    flags.extend(options.empty_namespaces.iter().map(|name| format!("--empty-ns={name}")));
    if !options.cgroups_mode.is_empty() {
        flags.push(format!("--manage-cgroups-mode={}", options.cgroups_mode));
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(options: Option<Any>) -> CheckpointTaskRequest {
        CheckpointTaskRequest { id: "one".to_owned(), path: "/images".to_owned(), options }
    }

    #[test]
    fn each_option_is_a_flag() {
        assert_eq!(flags(&asked(None)).unwrap(), ["--leave-running"]);
        let all = CheckpointOptions {
            exit: true,
            open_tcp: true,
            external_unix_sockets: true,
            terminal: true,
            file_locks: true,
            empty_namespaces: vec!["network".to_owned(), "ipc".to_owned()],
            cgroups_mode: "strict".to_owned(),
            image_path: "/images".to_owned(),
            work_path: "/work".to_owned(),
        };
        assert_eq!(
            flags(&asked(Some(Any::new(CHECKPOINT, &all)))).unwrap(),
            [
                "--tcp-established",
                "--ext-unix-sk",
                "--shell-job",
                "--file-locks",
                "--empty-ns=network",
                "--empty-ns=ipc",
                "--manage-cgroups-mode=strict",
            ]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_name() {
        let elsewhere =
            CheckpointOptions { image_path: "/else".to_owned(), ..CheckpointOptions::default() };
        let other = Any { type_url: "some.other.Options".to_owned(), value: Vec::new() };
        for (request, named) in [
            (asked(Some(Any::new(CHECKPOINT, &elsewhere))), "options.image_path"),
            (asked(Some(other)), "options: some.other.Options"),
            (CheckpointTaskRequest { path: String::new(), ..asked(None) }, "path"),
        ] {
            let said = flags(&request).unwrap_err().to_string();
            assert!(said.starts_with(named), "{said}");
        }
    }
}
