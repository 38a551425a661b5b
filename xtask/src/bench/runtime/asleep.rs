//! What a runtime keeps in memory while a container that it runs in the foreground sleeps.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Bundles, Runtime};
use crate::bench::memory::field;
use crate::bench::peer;

/// How long the container has slept when it is looked.
const SETTLED: Duration = Duration::from_secs(3);

/// Prints it.
///
/// # Errors
/// A runtime fails.
pub(super) fn compare(runtimes: &[Runtime], bundles: &Bundles) -> Result<()> {
    println!("\nkept in memory by `run` while its container sleeps, KiB");
    println!("{:<34} {:>10} {:>16}", "", "PSS", "of it anonymous");
    for runtime in runtimes {
        let mut child = runtime
            .run(&bundles.sleeps, "asleep")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut String::new())?;
        // Who gives memory back does so once there is nothing to do.
        std::thread::sleep(SETTLED);
        let [pss, anonymous] = kept(&child)?;
        peer::prepare(&mut runtime.command(&["kill", "asleep", "KILL"]))?;
        child.wait()?;
        println!("{:<34} {pss:>10} {anonymous:>16}", runtime.name);
    }
    Ok(())
}

/// What the runtime's processes keep: those in our own pid namespace.
fn kept(child: &Child) -> Result<[u64; 2]> {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid"));
    let ours = namespace("self")?;
    let (mut pids, mut total) = (vec![child.id().to_string()], [0; 2]);
    while let Some(pid) = pids.pop() {
        // One that has just ended keeps nothing.
        if namespace(&pid).is_ok_and(|theirs| theirs == ours) {
            let rollup =
                fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            total[0] += field(&rollup, "Pss:");
            total[1] += field(&rollup, "Pss_Anon:");
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            pids.extend(children.unwrap_or_default().split_whitespace().map(str::to_owned));
        }
    }
    Ok(total)
}
