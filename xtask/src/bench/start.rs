//! How long it takes to start /bin/true and see it end.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::measure::{Contestant, race};
use super::{Bench, image, peer};

const ROUNDS: usize = 50;
/// Where Debian's containers-common keeps the profile that podman uses.
pub(crate) const PROFILE: &str = "/usr/share/containers/seccomp.json";

/// `run` of a local image: coffer and podman.
///
/// # Errors
/// A contestant fails.
pub(crate) fn images(bench: &Bench) -> Result<()> {
    let folder = bench.folder("run")?;
    let name = image::busybox()?;
    let (store, pods) = (folder.join("coffer"), folder.join("podman"));
    let local = take_in(bench, &store, &name)?;
    let bundle = image::bundle(&folder, Path::new(PROFILE))?;
    peer::prepare(&mut peer::podman(&pods, &["pull", "--quiet", &name]))?;
    let in_podman = peer::prepare(&mut peer::podman(&pods, &["images", "--quiet"]))?;
    let program = bench.coffer.clone();
    let contestants = [
        Contestant::new("coffer run", move || coffer_run(&program, &store, &local)),
        Contestant::new("podman run (crun, no cgroup)", move || {
            let mut command = peer::podman(&pods, &["run"]);
            command.args(peer::PODMAN_RUN).args([&in_podman, "/bin/true"]);
            command
        }),
        floor(bench, &bundle.join("rootfs"))?,
    ];
    println!("{}", race("run of /bin/true from a local image", ROUNDS, &contestants)?);
    Ok(())
}

/// Takes the image into coffer's store and says by which name it runs from there.
pub(super) fn take_in(bench: &Bench, store: &Path, name: &str) -> Result<String> {
    peer::prepare(&mut bench.coffer(store, &["pull", "--quiet", name]))
}

fn coffer_run(program: &Path, store: &Path, image: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("--root").arg(store).args(["run", "--rm", image, "/bin/true"]);
    command
}

fn floor(bench: &Bench, rootfs: &Path) -> Result<Contestant> {
    let (program, rootfs) = (bench.floor_run()?, rootfs.to_owned());
    let work = bench.folder("floor")?;
    std::fs::create_dir_all(work.join("upper"))?;
    std::fs::create_dir_all(work.join("work"))?;
    Ok(Contestant::new("floor: the kernel's work alone", move || {
        let mut command = Command::new(&program);
        command.arg(&rootfs).arg(&work).arg("/bin/true");
        command
    }))
}
