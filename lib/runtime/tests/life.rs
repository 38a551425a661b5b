//! The life of a container: made, started, attached to, stopped, removed; as another crate sees it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a helper of a test fails as the test does, says why it passes nothing, and reads the \
              kernel's own files by path"
)]

use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use coffer_oci::{Descriptor, Digest, ImageConfig, Manifest, MediaType};
use coffer_policy::Admitted;
use coffer_rootfs::{Flavour, Layers, Stack};
use coffer_runtime::container::{
    Anonymous, Container, ContainerError, Creation, DataRoot, Force, Ready, create,
};
use coffer_runtime::log::{Line, Query, read};
use coffer_runtime::monitor::{Attach, Attached, Console, Screen, SignalProxy, Stdin};
use coffer_runtime::spec::{Request, Terminal};
use coffer_runtime::state::{Exit, Outcome, Removal, StateError, Status};
use coffer_store::{Image, Store};
use rustix::pipe::{PipeFlags, pipe_with};

const APPLETS: [&str; 12] =
    ["sh", "cat", "echo", "ls", "true", "sleep", "kill", "tty", "yes", "head", "stty", "test"];

/// A data root with an image of busybox.
struct Bed {
    _folder: tempfile::TempDir,
    store: Store,
    image: Image,
    root: DataRoot,
}

impl Bed {
    /// `None`, and said so, for anybody but root.
    fn new(test: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("{test}: needs root");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let store = Store::open(&path).unwrap();
        let layer = busybox(folder.path());
        let config = Descriptor::of(MediaType::OCI_CONFIG, b"{}");
        let mut image_config = ImageConfig::default();
        image_config.rootfs.diff_ids.push(Digest::of(&layer));
        let manifest = Manifest {
            schema_version: 2,
            media_type: None,
            artifact_type: None,
            config: config.clone(),
            layers: vec![store.put(&layer, MediaType::OCI_LAYER).unwrap()],
            subject: None,
            annotations: Default::default(),
        };
        let image = Image { descriptor: config, manifest, config: image_config };
        let root = DataRoot::open(&path).unwrap();
        Some(Self { _folder: folder, store, image, root })
    }

    fn stack(&self) -> Stack {
        let layers = Layers::open(self.store.root(), Flavour::Root).unwrap();
        layers.ensure(&self.store, &self.image, &Default::default(), &|_, _| {}).unwrap().0
    }

    fn ready(&self, request: &Request, name: Option<&str>, removal: Removal) -> Ready<'_> {
        self.try_ready(request, name, removal).unwrap()
    }

    fn try_ready(
        &self,
        request: &Request,
        name: Option<&str>,
        removal: Removal,
    ) -> Result<Ready<'_>, ContainerError> {
        let admitted = Admitted::by_caller("a test");
        let creation = Creation {
            admitted: &admitted,
            image: &self.image.config,
            stack: self.stack(),
            request,
            name: name.map(|name| name.parse().unwrap()),
            removal,
            stdin: Stdin::Open,
        };
        create(&self.root, creation)
    }

    fn shell(&self, line: &str, removal: Removal) -> Ready<'_> {
        self.ready(&shell(line), None, removal)
    }

    /// Runs in the foreground; gives the end and the output.
    fn run(&self, ready: Ready<'_>, input: &[u8]) -> (Result<Exit, ContainerError>, String) {
        let (stdin, give) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (mut got, stdout) = pipe(1 << 20);
        rustix::io::write(&give, input).unwrap();
        drop(give);
        let console =
            Console { stdin: stdin.as_fd(), stdout: stdout.as_fd(), stderr: stdout.as_fd() };
        let exit = ready.run(console, SignalProxy::Off);
        drop(stdout);
        let mut output = String::new();
        got.read_to_string(&mut output).unwrap();
        (exit, output)
    }

    /// Nothing of any container is left, neither here nor in the control groups.
    fn assert_empty(&self, ids: &[String]) {
        assert!(self.root.containers().ids().unwrap().is_empty());
        assert!(self.root.containers().names().unwrap().is_empty());
        for id in ids {
            assert_eq!(groups(id), Vec::<String>::new());
        }
    }
}

fn pipe(bytes: usize) -> (std::fs::File, std::os::fd::OwnedFd) {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    rustix::pipe::fcntl_setpipe_size(&write, bytes).unwrap();
    (std::fs::File::from(read), write)
}

fn shell(line: &str) -> Request {
    let command = ["sh", "-c", line].iter().map(|word| (*word).to_owned()).collect();
    Request { command, ..Request::default() }
}

/// The control groups of this container.
fn groups(id: &str) -> Vec<String> {
    let find = Command::new("find")
        .args(["/sys/fs/cgroup", "-maxdepth", "3", "-name", id])
        .output()
        .unwrap();
    String::from_utf8(find.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A layer with busybox, as tar makes it.
fn busybox(folder: &Path) -> Vec<u8> {
    let tree = folder.join("tree");
    for name in ["bin", "etc", "proc", "sys", "dev", "tmp"] {
        std::fs::create_dir_all(tree.join(name)).unwrap();
    }
    // By a process of its own: a container that another test forks meanwhile would keep a
    // descriptor of ours that can write, and the program would be busy (ETXTBSY).
    let copied = Command::new("cp").arg("/bin/busybox").arg(tree.join("bin/busybox")).status();
    assert!(copied.unwrap().success());
    for applet in APPLETS {
        std::os::unix::fs::symlink("busybox", tree.join("bin").join(applet)).unwrap();
    }
    std::fs::write(tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    let tar = Command::new("tar").arg("-C").arg(&tree).args(["-c", "."]).output().unwrap();
    assert!(tar.status.success());
    tar.stdout
}

fn log_of(container: &Container<'_>, bed: &Bed) -> String {
    let mut text = String::new();
    let boot = bed.root.containers().boot();
    let mut sink = |line: &Line<'_>| {
        text.push_str(&String::from_utf8_lossy(line.bytes));
        text.push('\n');
        Ok(())
    };
    read(container.folder(), boot, &Query::default(), &mut sink, &mut || Ok(())).unwrap();
    text
}

#[test]
fn root_a_foreground_run_carries_input_output_and_the_exit_code() {
    let Some(bed) = Bed::new("foreground") else { return };
    let ready = bed.shell("cat; echo bad >&2; exit 3", Removal::Keep);
    let id = ready.id().to_string();
    let (exit, output) = bed.run(ready, b"good\n");
    assert_eq!(exit.unwrap().outcome, Outcome::Exited(3));
    assert_eq!(output, "good\nbad\n");
    let container = Container::find(&bed.root, &id).unwrap();
    assert!(matches!(container.status(), Status::Stopped(exit) if exit.outcome.code() == 3));
    assert_eq!(log_of(&container, &bed), "good\nbad\n");
    assert_eq!(groups(&id), Vec::<String>::new());
    container.remove(Force::No, Anonymous::Keep).unwrap();
    bed.assert_empty(&[id]);
}

#[test]
fn root_what_is_removed_at_its_end_leaves_nothing() {
    let Some(bed) = Bed::new("rm") else { return };
    let ready = bed.shell("kill -9 $$", Removal::AtExit);
    let id = ready.id().to_string();
    let (exit, _) = bed.run(ready, b"");
    // The first process of a pid namespace cannot kill itself: the shell goes on and ends well.
    assert_eq!(exit.unwrap().outcome.code(), 0);
    bed.assert_empty(&[id]);
}

#[test]
fn root_a_program_that_is_not_there_is_127_and_undone() {
    let Some(bed) = Bed::new("missing") else { return };
    let request = Request { command: vec!["nowhere".to_owned()], ..Request::default() };
    for removal in [Removal::AtExit, Removal::Keep] {
        let ready = bed.ready(&request, Some("web"), removal);
        let id = ready.id().to_string();
        let (exit, _) = bed.run(ready, b"");
        assert_eq!(exit.unwrap_err().status(), 127);
        assert_eq!(groups(&id), Vec::<String>::new());
    }
    let container = Container::find(&bed.root, "web").unwrap();
    assert_eq!(*container.status(), Status::Created);
    container.remove(Force::No, Anonymous::Keep).unwrap();
    bed.assert_empty(&[]);
}

#[test]
fn root_a_detached_container_is_started_stopped_and_started_again() {
    let Some(bed) = Bed::new("detached") else { return };
    let line = "trap 'echo asked; exit 7' TERM; echo up; while :; do sleep 0.02; done";
    let ready = bed.ready(&shell(line), Some("web"), Removal::Keep);
    let id = ready.detach().unwrap();
    for _ in 0..2 {
        let container = Container::find(&bed.root, "web").unwrap();
        assert!(matches!(container.status(), Status::Running(_)));
        assert!(matches!(container.prepare(), Err(ContainerError::Running { .. })));
        let container = Container::find(&bed.root, id.short()).unwrap();
        while !log_of(&container, &bed).ends_with("up\n") {
            std::thread::yield_now();
        }
        container.stop(None, Some(Duration::from_secs(10))).unwrap();
        let container = Container::find(&bed.root, "web").unwrap();
        let Status::Stopped(exit) = container.status() else { panic!("it runs") };
        assert_eq!(exit.outcome, Outcome::Exited(7));
        assert_eq!(groups(id.as_str()), Vec::<String>::new());
        container.prepare().unwrap().detach().unwrap();
    }
    let container = Container::find(&bed.root, "web").unwrap();
    assert!(matches!(
        Container::find(&bed.root, "web").unwrap().remove(Force::No, Anonymous::Keep),
        Err(ContainerError::Running { .. })
    ));
    container.remove(Force::Kill, Anonymous::Keep).unwrap();
    bed.assert_empty(&[id.to_string()]);
}

#[test]
fn root_detached_and_removed_at_its_end() {
    let Some(bed) = Bed::new("detached-rm") else { return };
    let id = bed.shell("exec sleep 1000", Removal::AtExit).detach().unwrap();
    let container = Container::find(&bed.root, id.as_str()).unwrap();
    container.kill(rustix::process::Signal::KILL.as_raw()).unwrap();
    container.wait().unwrap();
    let gone = Container::find(&bed.root, id.as_str());
    assert!(
        matches!(
            gone,
            Err(ContainerError::State(StateError::NotFound { .. })
                | ContainerError::Unsettled { .. })
        ),
        "{gone:?}"
    );
    while !bed.root.containers().ids().unwrap().is_empty() {
        std::thread::yield_now();
    }
    bed.assert_empty(&[id.to_string()]);
}

#[test]
fn root_a_detached_start_that_fails_says_why() {
    let Some(bed) = Bed::new("detached-missing") else { return };
    let request = Request { command: vec!["nowhere".to_owned()], ..Request::default() };
    let error = bed.ready(&request, None, Removal::AtExit).detach().unwrap_err();
    assert_eq!(error.status(), 127, "{error}");
    assert!(error.help().is_some());
    bed.assert_empty(&[]);
}

#[test]
fn root_attached_from_the_first_byte_on() {
    let Some(bed) = Bed::new("attach") else { return };
    for (terminal, screen, expected) in [
        (Terminal::None, Screen::Pipes, &["got hello"][..]),
        (Terminal::Pty(None), Screen::Terminal, &["/dev/pts/0", "got hello", "hello"][..]),
    ] {
        let line = "tty -s && tty; read x; echo got $x; exit 9";
        let request = Request { terminal, ..shell(line) };
        let ready = bed.ready(&request, None, Removal::AtExit);
        let (stdin, give) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (mut got, stdout) = pipe(1 << 20);
        rustix::io::write(&give, b"hello\n").unwrap();
        let how = Attach {
            console: Console {
                stdin: stdin.as_fd(),
                stdout: stdout.as_fd(),
                stderr: stdout.as_fd(),
            },
            stdin: Stdin::Open,
            screen,
            proxy: SignalProxy::Off,
            detach_keys: Vec::new(),
        };
        let (id, attached) = ready.attach(&how).unwrap();
        assert_eq!(attached, Attached::Ended(9));
        drop(stdout);
        let mut output = String::new();
        got.read_to_string(&mut output).unwrap();
        // The echo of what was typed may come before what the program writes.
        let mut lines: Vec<&str> = output.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, expected);
        bed.assert_empty(&[id.to_string()]);
    }
}

#[test]
fn root_the_container_outlives_its_monitor() {
    let Some(bed) = Bed::new("orphan") else { return };
    let line =
        "while read x; do echo $x; done < /dev/zero & while :; do echo tick; sleep 0.01; done";
    let id = bed.shell(line, Removal::Keep).detach().unwrap();
    let container = Container::find(&bed.root, id.as_str()).unwrap();
    let Status::Running(running) = container.status() else { panic!("it does not run") };
    let parent = running.parent.open(bed.root.containers().boot()).unwrap().unwrap();
    rustix::process::pidfd_send_signal(&parent, rustix::process::Signal::KILL).unwrap();
    let init = container.init().unwrap();
    let mut fds = [rustix::event::PollFd::new(&init, rustix::event::PollFlags::IN)];
    let limit = rustix::event::Timespec { tv_sec: 0, tv_nsec: 300_000_000 };
    assert_eq!(rustix::event::poll(&mut fds, Some(&limit)), Ok(0), "it ended with its monitor");
    assert!(matches!(container.status(), Status::Running(_)));
    // Whoever finds it gives it another, and that one learns how it ended.
    let container = Container::find(&bed.root, id.as_str()).unwrap();
    container.stop(None, Some(Duration::ZERO)).unwrap();
    let container = Container::find(&bed.root, id.as_str()).unwrap();
    let Status::Stopped(exit) = container.status() else { panic!("it runs") };
    assert_eq!(exit.outcome, Outcome::Killed(9));
    container.remove(Force::No, Anonymous::Keep).unwrap();
    bed.assert_empty(&[id.to_string()]);
}

#[test]
fn root_how_long_it_may_take_to_stop_is_remembered() {
    let Some(bed) = Bed::new("grace") else { return };
    let request = Request { stop_timeout: Some(Duration::from_secs(3)), ..shell("true") };
    let graces = [(request, 3), (shell("true"), 10)].map(|(request, seconds)| {
        let id = bed.ready(&request, None, Removal::Keep).keep().unwrap();
        let container = Container::find(&bed.root, id.as_str()).unwrap();
        let grace = container.config().unwrap().grace();
        container.remove(Force::No, Anonymous::Keep).unwrap();
        (grace, Duration::from_secs(seconds))
    });
    assert!(graces.iter().all(|(grace, said)| grace == said), "{graces:?}");
}

#[test]
fn root_a_lost_pool_of_ids_gives_a_container_its_own_again_or_none() {
    let Some(bed) = Bed::new("pool") else { return };
    let line = "test -e /kept && ls -n /kept; echo mine > /kept; cat /proc/self/uid_map";
    let run = |container: Container<'_>| bed.run(container.prepare().unwrap(), b"").1;
    let first = bed.ready(&shell(line), Some("first"), Removal::Keep).keep().unwrap();
    let map = run(Container::find(&bed.root, "first").unwrap());
    // Another takes the range below, and is gone with the pool.
    let pool = bed.root.path().join("ids");
    std::fs::remove_file(&pool).unwrap();
    let again = run(Container::find(&bed.root, "first").unwrap());
    assert!(again.contains(" 0        0 ") && again.ends_with(&map), "{map:?}, {again:?}");
    std::fs::remove_file(&pool).unwrap();
    let second = bed.ready(&shell("true"), Some("second"), Removal::Keep).keep().unwrap();
    let refused = Container::find(&bed.root, "first").unwrap().prepare().unwrap_err();
    assert!(refused.to_string().contains(second.as_str()), "{refused}");
    assert!(refused.help().unwrap().contains("coffer rm"));
    for id in [first, second] {
        Container::find(&bed.root, id.as_str())
            .unwrap()
            .remove(Force::No, Anonymous::Keep)
            .unwrap();
    }
    bed.assert_empty(&[]);
}

#[test]
fn root_a_name_is_taken_from_a_wreck_and_from_nobody_else() {
    let Some(bed) = Bed::new("wreck") else { return };
    // Dropped without a word: what is left is what kill -9 leaves.
    drop(bed.ready(&shell("true"), Some("web"), Removal::Keep));
    let ready = bed.ready(&shell("true"), Some("web"), Removal::Keep);
    let taken = bed.try_ready(&shell("true"), Some("web"), Removal::Keep);
    assert!(matches!(taken, Err(ContainerError::State(StateError::NameTaken { .. }))));
    ready.keep().unwrap();
    let taken = bed.try_ready(&shell("true"), Some("web"), Removal::Keep);
    assert!(matches!(taken, Err(ContainerError::State(StateError::NameTaken { .. }))));
    Container::find(&bed.root, "web").unwrap().remove(Force::No, Anonymous::Keep).unwrap();
    bed.assert_empty(&[]);
}

#[test]
fn root_twenty_at_once() {
    let Some(bed) = Bed::new("twenty") else { return };
    drop(bed.stack());
    let ids: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..20)
            .map(|n| {
                let bed = &bed;
                scope.spawn(move || {
                    let ready = bed.shell(&format!("echo {n}; exit {n}"), Removal::AtExit);
                    let id = ready.id().to_string();
                    let (exit, output) = bed.run(ready, b"");
                    assert_eq!(exit.unwrap().outcome, Outcome::Exited(n));
                    assert_eq!(output, format!("{n}\n"));
                    id
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    bed.assert_empty(&ids);
}
