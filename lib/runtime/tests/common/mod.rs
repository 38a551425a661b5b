//! A container from a bare folder: busybox, three files, and whatever a test changes.
#![allow(dead_code, reason = "each test file uses its own part")]
#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

pub(crate) mod bundle;

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use coffer_confine::Confinement;
use coffer_confine::confinement::{Host, Labels};
use coffer_confine::ids::{ContainerGid, ContainerUid, IdMap};
use coffer_confine::user::Identity;
use coffer_oci::ImageConfig;
use coffer_oci::runtime::Spec;
use coffer_runtime::cgroup::Entry;
use coffer_runtime::hosts::{FILES, OwnFile};
use coffer_runtime::launch::{Gate, Launch, LaunchError, Launched, Stdio, launch, program_of};
use coffer_runtime::plan::{Authority, CgroupView, Given, Inputs, JoinInputs, Plan, RootFs};
use coffer_runtime::spec::{ExecRequest, Facts, Init, Joined, Request, Userns, build, wishes};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// Commands of busybox that the tests use.
const APPLETS: [&str; 25] = [
    "sh", "cat", "echo", "ls", "id", "mount", "stat", "touch", "true", "false", "sleep", "kill",
    "hostname", "pwd", "env", "readlink", "tty", "mkdir", "grep", "test", "mv", "cut", "head",
    "ionice", "uname",
];

/// The first id of the tests' containers: in nobody's range.
pub(crate) const FIRST_ID: u32 = 0x7ff0_0000;

/// Says why a test is skipped, if it is.
pub(crate) fn needs_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

/// A container to be.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) image: ImageConfig,
    pub(crate) request: Request,
    pub(crate) identity: Identity,
    pub(crate) ids: IdMap,
    pub(crate) authority: Authority,
    pub(crate) cgroups: CgroupView,
    pub(crate) files: Vec<OwnFile>,
}

/// How a container ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) output: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("rootfs");
        for name in ["bin", "etc", "proc", "sys", "dev", "tmp", "run"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::set_permissions(root.join("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        // By a process of its own: a container that another test forks meanwhile would keep a
        // descriptor of ours that can write, and the program would be busy (ETXTBSY).
        let copied = std::process::Command::new("cp")
            .args(["/bin/busybox".as_ref(), root.join("bin/busybox").as_os_str()])
            .status();
        assert!(copied.unwrap().success());
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        let root = ContainerUid::ROOT;
        Self {
            folder,
            image: ImageConfig::default(),
            request: Request::default(),
            identity: Identity {
                uid: root,
                gid: ContainerGid::ROOT,
                groups: vec![ContainerGid::ROOT],
                added: Vec::new(),
                home: "/root".to_owned(),
            },
            ids: IdMap::contiguous(FIRST_ID, 65536),
            authority: Authority::Root,
            cgroups: CgroupView::None,
            files: FILES.map(of_ours).to_vec(),
        }
    }

    /// The same, to run a line of shell.
    pub(crate) fn shell(line: &str) -> Self {
        let mut bench = Self::new();
        bench.command(&["sh", "-c", line]);
        bench
    }

    pub(crate) fn command(&mut self, words: &[&str]) {
        self.request.command = words.iter().map(|word| (*word).to_owned()).collect();
    }

    pub(crate) fn user(&mut self, uid: u32, gid: u32) {
        self.identity.uid = ContainerUid::new(uid);
        self.identity.gid = ContainerGid::new(gid);
        self.identity.groups = vec![ContainerGid::new(gid)];
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("rootfs")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The plan of the container.
    pub(crate) fn plan(&self) -> Plan {
        let host = Host::read();
        let (spec, confinement) = self.spec(&host);
        Plan::new(Inputs {
            spec: &spec,
            confinement: &confinement,
            host: &host,
            root: RootFs::Folder(self.root()),
            authority: self.authority,
            cgroups: self.cgroups.clone(),
            init: self.request.init,
            given: Given { files: &self.files, ..Given::default() },
            bundle: None,
        })
        .unwrap()
    }

    /// The plan of a process that joins it.
    pub(crate) fn join(&self, container: &Launched, request: &ExecRequest) -> Plan {
        let host = Host::read();
        let (spec, confinement) = self.spec(&host);
        let program = match (self.request.init, self.authority) {
            (Init::Tiny, Authority::User) => Some(program_of(container.pid).unwrap()),
            _ => None,
        };
        Plan::join(JoinInputs {
            target: program.as_ref().unwrap_or(&container.pidfd).as_fd(),
            confinement: &confinement,
            host: &host,
            identity: &self.identity,
            process: &request.process(&spec, &self.identity),
            authority: self.authority,
            named: None,
            bundle: None,
        })
        .unwrap()
    }

    pub(crate) fn spec(&self, host: &Host) -> (Spec, Confinement) {
        let ids = (self.request.userns != Userns::Host).then(|| self.ids.clone());
        let joined = Joined::default();
        let facts = Facts {
            identity: &self.identity,
            ids: ids.as_ref(),
            devices: &[],
            joined: &joined,
            id: "0123456789abcdef",
        };
        let spec = build(&self.image, &self.request, facts).unwrap();
        let (identity, labels) = (self.identity.clone(), Labels::default());
        let wishes = wishes(&self.request, identity, ids, Vec::new(), labels, &joined);
        (spec, Confinement::new(wishes, host).unwrap())
    }

    /// Runs it to its end, with its output in a pipe.
    pub(crate) fn run(&self) -> Result<Ended, LaunchError> {
        let (reader, launched) = self.start(Gate::Open)?;
        Ok(finish(reader, &launched))
    }

    /// Starts it, with its output in a pipe.
    pub(crate) fn start(&self, gate: Gate<'_>) -> Result<(OwnedFd, Launched), LaunchError> {
        start(&self.plan(), gate)
    }
}

fn of_ours(name: &str) -> OwnFile {
    OwnFile { path: format!("/etc/{name}"), text: format!("ours: {name}\n") }
}

/// Starts a process, with its output in a pipe.
pub(crate) fn start(plan: &Plan, gate: Gate<'_>) -> Result<(OwnedFd, Launched), LaunchError> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (input, _) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let stdio = Stdio::Fds([input.as_fd(), writer.as_fd(), writer.as_fd()]);
    let how = Launch { cgroup: &Entry::Nowhere, stdio, gate };
    Ok((reader, launch(plan, &how, &mut |_| Ok(()))?))
}

/// Waits for the end and reads what came out.
pub(crate) fn finish(reader: OwnedFd, launched: &Launched) -> Ended {
    let mut output = String::new();
    std::fs::File::from(reader).read_to_string(&mut output).unwrap();
    let end =
        waitid(WaitId::PidFd(launched.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
    Ended { status: end.exit_status(), signal: end.terminating_signal(), output }
}
