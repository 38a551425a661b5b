//! What stays in memory while a container sleeps: everything but the container's own process.

use std::path::Path;

use anyhow::{Context, Result};

use super::start::take_in;
use super::{Bench, image, peer};

/// Prints what coffer and podman keep for one sleeping container.
///
/// # Errors
/// One of them cannot start it.
pub(crate) fn kept(bench: &Bench) -> Result<()> {
    let folder = bench.folder("memory")?;
    let name = image::busybox()?;
    let (store, pods) = (folder.join("coffer"), folder.join("podman"));
    let local = take_in(bench, &store, &name)?;
    let sleep = ["/bin/sleep", "1000"];
    let id = peer::prepare(bench.coffer(&store, &["run", "-d", &local]).args(sleep))?;
    let ours = kept_kib(&["coffer"])?;
    peer::prepare(&mut bench.coffer(&store, &["rm", "--force", &id]))?;

    peer::prepare(&mut peer::podman(&pods, &["pull", "--quiet", &name]))?;
    let in_podman = peer::prepare(&mut peer::podman(&pods, &["images", "--quiet"]))?;
    let mut run = peer::podman(&pods, &["run", "--detach"]);
    run.args(peer::PODMAN_RUN).arg(in_podman).args(sleep);
    let id = peer::prepare(&mut run)?;
    let theirs = kept_kib(&["conmon", "podman"])?;
    peer::prepare(&mut peer::podman(&pods, &["rm", "--force", "--time=0", &id]))?;

    println!("\nkept in memory beside one sleeping container (PSS, KiB)");
    println!("{:<34} {ours:>10}", "coffer");
    println!("{:<34} {theirs:>10}", "podman (conmon)");
    Ok(())
}

/// The proportional set size in KiB of every process whose program's name begins with one of
/// `names`. Source: proc_pid_smaps(5), smaps_rollup.
fn kept_kib(names: &[&str]) -> Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir("/proc").context("list /proc")? {
        let folder = entry?.path();
        let Ok(name) = std::fs::read_to_string(folder.join("comm")) else { continue };
        if names.iter().any(|wanted| name.starts_with(wanted)) {
            total += pss_kib(&folder).unwrap_or(0);
        }
    }
    Ok(total)
}

/// A process that has just ended has none.
fn pss_kib(process: &Path) -> Option<u64> {
    let rollup = std::fs::read_to_string(process.join("smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
