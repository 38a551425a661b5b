//! Our shim called without `ctr`, for what that cannot ask for.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use coffer_shim::wire::call::{Request, Response};
use coffer_shim::wire::common::Empty;
use coffer_shim::wire::frame::{Frame, Frames, Kind};
use coffer_shim::wire::task::{
    CheckpointTaskRequest, ConnectResponse, CreateTaskRequest, KillRequest, ResizePtyRequest,
    SERVICE, WaitResponse, Which,
};
use coffer_tests::containerd::Containerd;
use coffer_tests::criu::criu;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::oci::Runtime;
use prost::Message;
use serde_json::json;

/// One task with a terminal, and the connection to its shim.
struct Task {
    id: String,
    shim: UnixStream,
    /// Fifos, open at both ends so that nobody waits for the other.
    types: File,
    says: File,
    said: String,
}

impl Task {
    /// The task of `bundle`, from the images at `checkpoint` where there are any; started.
    fn start(containerd: &Containerd, id: &str, bundle: &Path, checkpoint: &str) -> Self {
        let shim = UnixStream::connect(containerd.start_shim(id, bundle)).unwrap();
        let fifo = |name: &str| {
            let path = bundle.join(name);
            rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
            let file = File::options().read(true).write(true).open(&path).unwrap();
            (path.to_string_lossy().into_owned(), file)
        };
        let ((stdin, types), (stdout, says)) = (fifo("stdin"), fifo("stdout"));
        let mut task = Self { id: id.to_owned(), shim, types, says, said: String::new() };
        let create = CreateTaskRequest {
            id: id.to_owned(),
            bundle: bundle.to_string_lossy().into_owned(),
            terminal: true,
            stdin,
            stdout,
            checkpoint: checkpoint.to_owned(),
            ..Default::default()
        };
        task.call("Create", &create);
        task.call("Start", &task.which());
        task
    }

    fn which(&self) -> Which {
        Which { id: self.id.clone(), exec_id: String::new() }
    }

    /// Calls `method`, which must succeed.
    fn call(&mut self, method: &str, message: &impl Message) -> Vec<u8> {
        let request = Request {
            service: SERVICE.to_owned(),
            method: method.to_owned(),
            payload: message.encode_to_vec(),
            timeout_nano: 0,
        };
        let frame = Frame { stream: 1, kind: Kind::Request, message: request.encode_to_vec() };
        self.shim.write_all(&frame.encode().unwrap()).unwrap();
        let (mut frames, mut buffer) = (Frames::default(), [0; 4096]);
        let answer = loop {
            match frames.next_whole().unwrap() {
                Some(frame) => break Response::decode(&*frame.message).unwrap(),
                None => {
                    let n = self.shim.read(&mut buffer).unwrap();
                    assert_ne!(n, 0, "{method}: the shim has gone");
                    frames.push(&buffer[..n]);
                }
            }
        };
        let status = answer.status.unwrap_or_default();
        assert_eq!(status.code, 0, "{method}: {}", status.message);
        answer.payload
    }

    fn types(&mut self, text: &str) {
        self.types.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until it has said `text`, and takes that as heard.
    fn expects(&mut self, text: &str) {
        let end = loop {
            if let Some(at) = self.said.find(text) {
                break at + text.len();
            }
            let mut buffer = [0; 256];
            let n = self.says.read(&mut buffer).unwrap();
            self.said.push_str(&String::from_utf8_lossy(&buffer[..n]));
        };
        self.said.drain(..end);
    }

    /// Its status, after its end; the shim goes with it.
    fn ends(mut self) -> u32 {
        let wait = self.call("Wait", &self.which());
        self.call("Delete", &self.which());
        let connected = ConnectResponse::decode(&*self.call("Connect", &self.which())).unwrap();
        self.call("Shutdown", &Empty {});
        Runtime::ends(i32::try_from(connected.shim_pid).unwrap());
        WaitResponse::decode(&*wait).unwrap().exit_status
    }
}

#[test]
fn root_a_terminal_is_typed_into_after_a_restore_as_before() {
    if criu().is_none() {
        return;
    }
    let containerd = Containerd::with(&BUSYBOX);
    let runtime = Runtime::ours();
    let bundle = || -> PathBuf {
        runtime.bundle("", |config| {
            config["process"]["terminal"] = json!(true);
            config["process"]["args"] = json!(["sh"]);
        })
    };
    let mut before = Task::start(&containerd, "before", &bundle(), "");
    before.types("kept=$((6 * 7)); echo has $kept\n");
    before.expects("has 42");
    let images = runtime.folder().join("images").to_string_lossy().into_owned();
    std::fs::create_dir(&images).unwrap();
    let (id, path) = ("before".to_owned(), images.clone());
    before.call("Checkpoint", &CheckpointTaskRequest { id, path, options: None });
    before.types("echo went on\n");
    before.expects("went on\r");
    let id = "before".to_owned();
    before.call("Kill", &KillRequest { id, exec_id: String::new(), signal: 9, all: true });
    assert_eq!(before.ends(), 137);

    let mut after = Task::start(&containerd, "after", &bundle(), &images);
    let id = "after".to_owned();
    after
        .call("ResizePty", &ResizePtyRequest { id, exec_id: String::new(), width: 91, height: 17 });
    after.types("echo restored $kept; busybox stty size\n");
    after.expects("restored 42");
    after.expects("17 91");
    after.types("exit 3\n");
    assert_eq!(after.ends(), 3);
    assert_eq!(containerd.leftovers(), [""; 0]);
}
