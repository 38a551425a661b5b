//! What stays in memory while a container sleeps: everything but the container's own process.

use std::path::Path;

use anyhow::{Context, Result};

use super::start::take_in;
use super::{Bench, image, peer};

/// Prints what coffer and podman keep for one sleeping container.
///
/// # Errors
/// One of them cannot start it.
pub(crate) fn compare(bench: &Bench) -> Result<()> {
    let folder = bench.folder("memory")?;
    let name = image::busybox()?;
    let (store, pods) = (folder.join("coffer"), folder.join("podman"));
    let local = take_in(bench, &store, &name)?;
    let sleep = ["/bin/sleep", "1000"];
    let id = peer::prepare(bench.coffer(&store, &["run", "-d", &local]).args(sleep))?;
    let ours = kept("coffer", &folder)?;
    peer::prepare(&mut bench.coffer(&store, &["rm", "--force", &id]))?;

    peer::prepare(&mut peer::podman(&pods, &["pull", "--quiet", &name]))?;
    let in_podman = peer::prepare(&mut peer::podman(&pods, &["images", "--quiet"]))?;
    let mut run = peer::podman(&pods, &["run", "--detach"]);
    run.args(peer::PODMAN_RUN).arg(in_podman).args(sleep);
    let id = peer::prepare(&mut run)?;
    let theirs = kept("conmon", &folder)?;
    peer::prepare(&mut peer::podman(&pods, &["rm", "--force", "--time=0", &id]))?;

    println!("\nkept in memory beside one sleeping container, KiB");
    println!("{:<34} {:>10} {:>16}", "", "PSS", "of it anonymous");
    for (name, kept) in [("coffer", ours), ("podman (conmon)", theirs)] {
        println!("{name:<34} {:>10} {:>16}", kept.pss, kept.anonymous);
    }
    Ok(())
}

/// What processes keep, in KiB. What is not anonymous is program text for the most part: it is
/// shared by all containers and can be dropped at any time.
#[derive(Default)]
struct Kept {
    pss: u64,
    anonymous: u64,
}

/// What every process keeps whose name begins with `name` and that was told of `folder`; others
/// of that name on this machine are not ours. Source: `proc_pid_smaps(5)`, `smaps_rollup`.
fn kept(name: &str, folder: &Path) -> Result<Kept> {
    let folder = folder.to_string_lossy();
    let mut total = Kept::default();
    for entry in std::fs::read_dir("/proc").context("list /proc")? {
        let process = entry?.path();
        let read = |file| std::fs::read_to_string(process.join(file)).unwrap_or_default();
        if read("comm").starts_with(name) && read("cmdline").contains(&*folder) {
            let rollup = read("smaps_rollup");
            total.pss += field(&rollup, "Pss:");
            total.anonymous += field(&rollup, "Pss_Anon:");
        }
    }
    Ok(total)
}

/// One line of `smaps_rollup`, in KiB. A process that has just ended has none.
pub(super) fn field(rollup: &str, name: &str) -> u64 {
    let value = rollup.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_their_whole_names() {
        let rollup = "Pss:                1106 kB\nPss_Anon:            372 kB\n";
        assert_eq!((field(rollup, "Pss:"), field(rollup, "Pss_Anon:")), (1106, 372));
        assert_eq!(field("", "Pss:"), 0);
    }
}
