//! Containers that somebody traces: a process that was killed is not gone before its tracer has
//! collected it, and its pid namespace is not before it.

use std::fs;
use std::process::{Child, Command, Stdio};

use coffer_tests::oci::Runtime;
use coffer_tests::program;
use rustix::process::{Pid, Signal, kill_process};

/// A tracer of all processes of a container, stopped, so that it collects nobody.
struct Tracer(Child);

impl Tracer {
    fn of(runtime: &Runtime, id: &str) -> Self {
        let pids: Vec<String> = runtime
            .must(&["ps", "-f", "json", id])
            .trim_matches(['[', ']', '\n'])
            .split(',')
            .map(str::to_owned)
            .collect();
        assert!(pids.len() > 1, "{pids:?}");
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-e", "trace=none"]);
        for pid in &pids {
            strace.args(["-p", pid]);
        }
        let this = Self(strace.stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap());
        let traced = format!("TracerPid:\t{}\n", this.0.id());
        for pid in &pids {
            while !fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains(&traced) {
                std::thread::yield_now();
            }
        }
        this
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap()
    }

    fn stop(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    /// Puts it into the groups of the container.
    fn join(&self, runtime: &Runtime, id: &str) {
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", runtime.pid(id))).unwrap();
        for line in groups.lines() {
            let (_, group) = line.split_once(':').unwrap();
            let (controllers, path) = group.split_once(':').unwrap();
            let controllers = controllers.trim_start_matches("name=");
            let procs = format!("/sys/fs/cgroup/{controllers}{path}/cgroup.procs");
            // A hierarchy that is mounted elsewhere is none of the container's.
            if fs::exists(&procs).unwrap() {
                fs::write(procs, self.0.id().to_string()).unwrap();
            }
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A container of two processes, started.
fn started(runtime: &Runtime, name: &str) -> String {
    let id = format!("{name}-{}", std::process::id());
    let bundle = runtime.bundle("sleep 1000 & wait", |_| ());
    runtime.must(&["run", "--detach", "--bundle", &bundle.to_string_lossy(), &id]);
    let pid = runtime.pid(&id);
    let children = format!("/proc/{pid}/task/{pid}/children");
    while fs::read_to_string(&children).unwrap().is_empty() {
        std::thread::yield_now();
    }
    id
}

/// So is a CRIU that was left alone in the middle of a restore.
#[test]
fn root_a_tracer_in_the_containers_groups_ends_with_it() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let id = started(&runtime, "tracer");
    let tracer = Tracer::of(&runtime, &id);
    tracer.join(&runtime, &id);
    tracer.stop();
    runtime.must(&["delete", "--force", &id]);
    assert_eq!(runtime.leftovers(), [""; 0]);
}

#[test]
fn root_a_tracer_outside_is_named_and_left_alone() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let id = started(&runtime, "debugger");
    let tracer = Tracer::of(&runtime, &id);
    tracer.stop();
    let said = runtime.run(&["delete", "--force", &id]).failure(1);
    assert!(said.contains(&format!("process {} traces it", tracer.0.id())), "{said}");
    drop(tracer);
    runtime.must(&["delete", "--force", &id]);
    assert_eq!(runtime.leftovers(), [""; 0]);
}
