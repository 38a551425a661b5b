//! A container that goes on from the images of a checkpoint: `Create` names them, and `Start` has
//! the runtime restore it. Until then there is no process, as with runc's shim.

use super::container::Images;
use super::create::{Connected, attach};
use super::job::{Job, Made, Then};
use super::process::Caller;
use super::{Answer, Shim, checkpoint};
use crate::failure::Failure;
use crate::wire::options::Options;
use crate::wire::task::CreateTaskRequest;

/// What the images may hold. The request of a restore has no words for it: whoever wrote them has
/// said it already.
const ALLOWED: [&str; 3] = ["--tcp-established", "--ext-unix-sk", "--file-locks"];

/// The images that a request names, if it does.
pub(super) fn images(
    request: &CreateTaskRequest,
    options: &Options,
) -> Result<Option<Images>, Failure> {
    let invalid = |field, reason: &str| Err(Failure::Invalid { field, reason: reason.to_owned() });
    if !request.parent_checkpoint.is_empty() {
        return invalid("parent_checkpoint", "images name those that they build upon themselves");
    }
    let path = match (&*request.checkpoint, &*options.criu_image_path) {
        ("", "") => return Ok(None),
        (path, "") | ("", path) => path,
        (path, named) if path == named => path,
        _ => return invalid("options.criu_image_path", "is not what checkpoint names"),
    };
    Ok(Some(Images { path: path.to_owned(), work: options.criu_work_path.clone() }))
}

impl Shim {
    /// Leaves the container as it is until its start.
    pub(super) fn await_start(&mut self, id: &str) -> Result<Answer, Failure> {
        let container = self.container(id)?;
        container.runtime.save(&container.bundle)?;
        self.announce(id).map(|response| Answer::now(&response))
    }

    /// Has the runtime make the container from its images, and start it.
    pub(super) fn restore(
        &mut self,
        caller: Caller,
        id: &str,
        images: &Images,
    ) -> Result<Answer, Failure> {
        let [log, pid_file] = ["log", "pid"].map(|what| self.name(what));
        let Connected { inside, outside, console } = self.connect_process(id, "")?;
        let container = self.container(id)?;
        let bundle = container.bundle.path().to_owned();
        let work = checkpoint::work(&container.bundle, &images.work);
        let pivot = container.runtime.pivot_flag();
        let then = Then::Restored(Made { pid_file, console });
        let (exec, verb, caller) = (String::new(), "restore", Some(caller));
        let job = Job { caller, container: id.to_owned(), exec, verb, log, then };
        let (path, name) = (images.path.clone(), id.to_owned());
        let answer = self.call(job, move |command, then| {
            command.args(["--detach", "--bundle", &bundle, "--image-path", &path]);
            command.args(["--work-path", &work]).args(ALLOWED).args(pivot);
            attach(command, inside, then);
            command.arg(name);
        })?;
        self.carry(id, "", outside)?;
        Ok(answer)
    }

    /// The runtime has restored the container.
    pub(super) fn restored(&mut self, job: &Job, made: Made) -> Result<Vec<u8>, Failure> {
        let done = self.read_pid(job, &made.pid_file).and_then(|pid| {
            self.container(&job.container)?.init.pid = Some(pid);
            if let Some(console) = made.console {
                self.take_terminal(&job.container, "", console)?;
            }
            self.find_groups(&job.container, pid)
        });
        match done {
            Ok(()) => self.started(job),
            Err(failure) => {
                // The runtime holds it for done, so it has to be asked to take it back.
                self.delete_by_force(None, &job.container, Then::Nothing)?;
                Err(failure)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_once() {
        let named = |checkpoint: &str, option: &str| {
            let request =
                CreateTaskRequest { checkpoint: checkpoint.to_owned(), ..Default::default() };
            let options = Options { criu_image_path: option.to_owned(), ..Options::default() };
            images(&request, &options).map(|images| images.map(|images| images.path))
        };
        assert_eq!(named("", "").unwrap(), None);
        for (checkpoint, option) in [("/a", ""), ("", "/a"), ("/a", "/a")] {
            assert_eq!(named(checkpoint, option).unwrap().as_deref(), Some("/a"));
        }
        let said = named("/a", "/b").unwrap_err().to_string();
        assert!(said.starts_with("options.criu_image_path"), "{said}");
        let parent = CreateTaskRequest { parent_checkpoint: "/p".to_owned(), ..Default::default() };
        let said = images(&parent, &Options::default()).unwrap_err().to_string();
        assert!(said.starts_with("parent_checkpoint"), "{said}");
    }
}
