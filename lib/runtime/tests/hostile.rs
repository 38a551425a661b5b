//! Images that try to reach the host while their container is being made. Each test looks at the
//! host's side afterwards.
#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]
#![expect(clippy::unwrap_used, reason = "a container that cannot be set up fails the test")]

mod common;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use coffer_runtime::launch::{Cause, LaunchError};
use coffer_runtime::spec::{
    Access, BindMount, MissingSource, MountRequest, Recursion, Sharers, TmpfsMount,
};
use common::{Bench, Ended, needs_root};

/// A folder of the host's that nothing may get into.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "secret\n").unwrap();
        std::os::unix::fs::chown(folder.path(), Some(common::FIRST_ID), Some(common::FIRST_ID))
            .unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Checks that there is what was there before.
    fn assert_untouched(&self) {
        let names: Vec<_> = std::fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["secret"]);
        assert_eq!(std::fs::read_to_string(self.path().join("secret")).unwrap(), "secret\n");
    }
}

/// Puts a link in the image's place of `path`.
fn relink(bench: &Bench, path: &str, to: &Path) {
    let place = bench.root().join(path);
    if place.is_dir() {
        std::fs::remove_dir_all(&place).unwrap();
    }
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    symlink(to, place).unwrap();
}

fn bind(source: &Path, target: &str) -> MountRequest {
    MountRequest::Bind(BindMount {
        source: source.to_owned(),
        target: target.to_owned(),
        access: Access::ReadWrite,
        recursion: Recursion::Recursive,
        sharers: Sharers::AsLabelled,
        missing: MissingSource::Refuse,
    })
}

fn cause(result: Result<Ended, LaunchError>) -> Cause {
    let LaunchError::Step(step) = result.unwrap_err() else { return Cause::Kernel };
    step.why
}

#[test]
fn root_links_in_place_of_dev_proc_and_sys_are_refused() {
    if !needs_root() {
        return;
    }
    for path in ["dev", "proc", "sys"] {
        let host = Host::new();
        let climb = PathBuf::from("../".repeat(12)).join(host.path().strip_prefix("/").unwrap());
        for to in [host.path(), climb.as_path(), Path::new("tmp")] {
            let bench = Bench::shell("echo started");
            relink(&bench, path, to);
            assert_eq!(cause(bench.run()), Cause::Link, "{path} to {}", to.display());
        }
        host.assert_untouched();
    }
}

#[test]
fn root_what_lies_below_the_images_dev_is_not_touched() {
    if !needs_root() {
        return;
    }
    let host = Host::new();
    let bench = Bench::shell("echo x > /dev/null; echo y > /dev/console; ls /dev");
    for (name, to) in [
        ("null", Path::new("/proc/sys/kernel/core_pattern")),
        ("zero", &host.path().join("secret")),
        ("console", &host.path().join("made")),
        ("ptmx", &host.path().join("ptmx")),
        ("pts", host.path()),
        ("shm", host.path()),
        ("fd", host.path()),
    ] {
        relink(&bench, &format!("dev/{name}"), to);
    }
    let before = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let ended = bench.run().unwrap();
    assert!(ended.output.contains("urandom"), "{ended:?}");
    host.assert_untouched();
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), before);
    let left: Vec<_> = std::fs::read_dir(bench.root().join("dev")).unwrap().collect();
    assert_eq!(left.len(), 7, "nothing was added below the image's own /dev");
}

#[test]
fn root_our_files_do_not_follow_the_images_links_out() {
    if !needs_root() {
        return;
    }
    let host = Host::new();
    for name in coffer_runtime::hosts::FILES {
        let bench = Bench::shell(&format!("cat /etc/{name}"));
        relink(&bench, &format!("etc/{name}"), &host.path().join("made"));
        let ended = bench.run().unwrap();
        assert_eq!(ended.output, format!("ours: {name}\n"));
        host.assert_untouched();
    }
    let bench = Bench::shell("cat /etc/hosts");
    relink(&bench, "etc", host.path());
    drop(bench.run());
    host.assert_untouched();
}

#[test]
fn root_a_link_to_a_file_of_the_image_is_covered_where_it_leads() {
    if !needs_root() {
        return;
    }
    let bench = Bench::shell("cat /etc/resolv.conf");
    std::fs::create_dir_all(bench.root().join("run/resolve")).unwrap();
    std::fs::write(bench.root().join("run/resolve/stub"), "theirs").unwrap();
    relink(&bench, "etc/resolv.conf", Path::new("../run/resolve/stub"));
    assert_eq!(bench.run().unwrap().output, "ours: resolv.conf\n");
}

#[test]
fn root_the_working_folder_stays_inside() {
    if !needs_root() {
        return;
    }
    let host = Host::new();
    let climb = PathBuf::from("../".repeat(12)).join(host.path().strip_prefix("/").unwrap());
    for to in [host.path(), climb.as_path()] {
        let mut bench = Bench::shell("cat secret; cat ../secret; touch made; ls");
        relink(&bench, "job", to);
        bench.image.config.working_dir = "/job/deeper".to_owned();
        if let Ok(ended) = bench.run() {
            assert!(!ended.output.contains("secret\n\n"), "{ended:?}");
        }
        host.assert_untouched();
    }
    for magic in ["/proc/self/fd/5", "/proc/1/cwd", "/proc/self/root/etc"] {
        let mut bench = Bench::shell("ls");
        bench.image.config.working_dir = magic.to_owned();
        bench.run().unwrap_err();
    }
}

/// containerd took such labels for its own (CVE-2026-53488), podman some of the others.
#[test]
fn root_the_images_labels_are_words_and_nothing_more() {
    if !needs_root() {
        return;
    }
    let mut bench = Bench::shell("true");
    let host = coffer_confine::confinement::Host::read();
    let (spec, confinement) = bench.spec(&host);
    for (name, value) in [
        ("containerd.io/restart.loguri", "binary:///bin/sh?-c=touch%20made"),
        ("containerd.io/restart.status", "running"),
        ("io.containerd.image.config.stop-signal", "SIGKILL"),
        ("run.oci.hooks.stdout", "/tmp/made"),
        ("io.podman.annotations.privileged", "TRUE"),
        ("RUN", "podman run --privileged -v /:/host IMAGE"),
    ] {
        bench.image.config.labels.insert(name.to_owned(), value.to_owned());
    }
    let (labelled, fence) = bench.spec(&host);
    let json = |spec| serde_json::to_value(spec).unwrap();
    assert_eq!(json(labelled), json(spec));
    assert_eq!(fence, confinement);
}

#[test]
fn root_volumes_stay_inside() {
    if !needs_root() {
        return;
    }
    let (host, volume) = (Host::new(), Host::new());
    let bench = || {
        let bench = Bench::shell("touch /data/in/made; ls /data/in");
        relink(&bench, "data", host.path());
        bench
    };
    let mut binds = bench();
    binds.request.mounts.push(bind(volume.path(), "/data/in"));
    drop(binds.run());
    host.assert_untouched();
    let mut memory = bench();
    memory.request.mounts.push(MountRequest::Tmpfs(TmpfsMount {
        uid: None,
        gid: None,
        target: "/data/in".to_owned(),
        size: None,
        mode: None,
        access: Access::ReadWrite,
        exec: coffer_runtime::spec::Exec::Refused,
    }));
    drop(memory.run());
    host.assert_untouched();
}

#[test]
fn root_a_volume_is_not_led_into_proc_or_sys() {
    if !needs_root() {
        return;
    }
    let volume = Host::new();
    for to in ["/proc/self/attr", "/proc/sys", "/sys", "../proc"] {
        let mut bench = Bench::shell("echo started");
        relink(&bench, "data", Path::new(to));
        bench.request.mounts.push(bind(volume.path(), "/data"));
        assert_eq!(cause(bench.run()), Cause::KernelFiles, "{to}");
    }
}

#[test]
fn root_programs_are_executed_inside_only() {
    if !needs_root() {
        return;
    }
    let own = std::env::current_exe().unwrap();
    let mut bench = Bench::new();
    relink(&bench, "bin/host", &own);
    bench.command(&["host"]);
    assert_eq!(bench.run().unwrap_err().status(), 127);
}
