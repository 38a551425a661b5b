//! `Exec`: a further process is described; `Start` runs it.

use super::process::{Process, Stage};
use super::{Answer, Shim};
use crate::failure::Failure;
use crate::io::stdio::{Shape, Wishes};
use crate::wire::common::Empty;
use crate::wire::event::TaskExecAdded;
use crate::wire::task::ExecProcessRequest;

impl Shim {
    pub(super) fn exec(&mut self, request: ExecProcessRequest) -> Result<Answer, Failure> {
        let container = self.container(&request.id)?;
        if container.execs.contains_key(&request.exec_id) {
            return Err(Failure::Exists(request.exec_id));
        }
        if request.exec_id.is_empty() {
            let reason = "is empty".to_owned();
            return Err(Failure::Invalid { field: "exec_id", reason });
        }
        let spec = description(&request)?;
        let wishes = Wishes {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
            shape: Shape::of(request.terminal),
        };
        let process = Process::new(wishes, Stage::Added { spec });
        container.execs.insert(request.exec_id.clone(), process);
        let event = TaskExecAdded { container_id: request.id, exec_id: request.exec_id };
        self.setting.publisher.publish(&event);
        Ok(Answer::now(&Empty {}))
    }
}

/// runtime-spec's `Process`, with the terminal that containerd asks for beside it.
fn description(request: &ExecProcessRequest) -> Result<Vec<u8>, Failure> {
    let wrong = |reason: String| Failure::Invalid { field: "spec", reason };
    let spec = request.spec.as_ref().ok_or_else(|| wrong("is missing".to_owned()))?;
    let mut process: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&spec.value).map_err(|error| wrong(error.to_string()))?;
    process.insert("terminal".to_owned(), request.terminal.into());
    serde_json::to_vec(&process).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::common::Any;

    #[test]
    fn the_terminal_is_the_one_that_is_asked_for() {
        let value = br#"{"args": ["sh"], "terminal": true}"#.to_vec();
        let spec = Some(Any { type_url: String::new(), value });
        let request = ExecProcessRequest { terminal: false, spec, ..Default::default() };
        let process: serde_json::Value =
            serde_json::from_slice(&description(&request).unwrap()).unwrap();
        assert_eq!(process["terminal"], false);
        assert_eq!(process["args"][0], "sh");
        assert!(description(&ExecProcessRequest::default()).is_err());
    }
}
