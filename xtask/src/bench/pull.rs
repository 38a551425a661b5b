//! From a registry on loopback to a tree on ext4: the python image, three layers, 30,000 files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use coffer_tests::image::catalogue;
use coffer_tests::registry::{Guard, Registry};

use super::measure::{Contestant, race};
use super::{Bench, peer};

const ROUNDS: usize = 5;
const REPOSITORY: &str = "test/python";

/// Fetches and unpacks with coffer, podman, skopeo and umoci, and the floor program.
///
/// # Errors
/// A contestant fails.
pub(crate) fn images(bench: &Bench) -> Result<()> {
    let disk = ext4(bench)?;
    let registry = Registry::start(Guard::Plain);
    let name = registry.push(&catalogue::PYTHON);
    let contestants = [
        coffer(bench, &disk, &name),
        podman(&disk, &name),
        skopeo_and_umoci(&disk, &name),
        floor(&disk, &registry.host())?,
    ];
    println!("{}", race("pull and unpack of the python image on ext4", ROUNDS, &contestants)?);
    peer::prepare(Command::new("umount").arg(&disk)).map(drop)
}

/// A file system on a loop device over the room.
fn ext4(bench: &Bench) -> Result<PathBuf> {
    let (file, disk) = (bench.room.join("ext4"), bench.folder("disk")?);
    peer::prepare(Command::new("truncate").args(["-s", "8G"]).arg(&file))?;
    peer::prepare(Command::new("mkfs.ext4").args(["-q", "-E", "lazy_itable_init=0"]).arg(&file))?;
    peer::prepare(Command::new("mount").args(["-o", "loop"]).arg(&file).arg(&disk))?;
    Ok(disk)
}

fn coffer(bench: &Bench, disk: &Path, name: &str) -> Contestant {
    let (program, root, name) = (bench.coffer.clone(), disk.join("coffer"), name.to_owned());
    let gone = root.clone();
    Contestant::new("coffer pull", move || {
        let mut command = Command::new(&program);
        command.arg("--root").arg(&root).args(["pull", "--quiet", "--plain-http", &name]);
        command
    })
    .reset_by(move || remove(&gone))
}

fn podman(disk: &Path, name: &str) -> Contestant {
    let (home, name) = (disk.join("podman"), name.to_owned());
    let gone = home.clone();
    Contestant::new("podman pull", move || {
        peer::podman(&home, &["pull", "--quiet", "--tls-verify=false", &name])
    })
    .reset_by(move || {
        peer::prepare(&mut peer::podman(&gone, &["rmi", "--all", "--force"]))?;
        Ok(())
    })
}

fn skopeo_and_umoci(disk: &Path, name: &str) -> Contestant {
    let folder = disk.join("umoci");
    let script = format!(
        "skopeo --insecure-policy copy -q --src-tls-verify=false docker://{name} oci:{0}/layout:x && \
         umoci unpack --image {0}/layout:x {0}/bundle",
        folder.display(),
    );
    let gone = folder.clone();
    Contestant::new("skopeo copy + umoci unpack", move || {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("mkdir -p {} && {script}", folder.display())]);
        command
    })
    .reset_by(move || remove(&gone))
}

fn floor(disk: &Path, host: &str) -> Result<Contestant> {
    let program = Bench::floor_pull()?;
    let (folder, host) = (disk.join("floor"), host.to_owned());
    std::fs::create_dir_all(&folder)?;
    let gone = folder.clone();
    Ok(Contestant::new("floor: fetch, hash, inflate, write", move || {
        let mut command = Command::new(&program);
        command.args(["floor-pull", &host, REPOSITORY, "latest"]).arg(&folder);
        command
    })
    .reset_by(move || {
        remove(&gone)?;
        std::fs::create_dir_all(&gone).context("make the floor's folder again")
    }))
}

fn remove(folder: &Path) -> Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))
}
