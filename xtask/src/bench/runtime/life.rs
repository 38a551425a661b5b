//! A container's life verb by verb: create, state, start, exec, delete.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{Bundles, Runtime};
use crate::bench::measure::{Sample, Table, sample};
use crate::bench::peer;

const VERBS: [&str; 5] = ["create", "state", "start", "exec of /bin/true", "delete"];

/// One table for each verb. What the new process does on its way to the gate counts as `create`'s.
///
/// # Errors
/// A runtime fails.
pub(super) fn compare(
    runtimes: &[Runtime],
    bundles: &Bundles,
    folder: &Path,
    rounds: usize,
) -> Result<Vec<Table>> {
    let mut lives: Vec<Vec<[Sample; VERBS.len()]>> = vec![Vec::new(); runtimes.len()];
    for round in 0..=rounds {
        for turn in 0..runtimes.len() {
            let place = (turn + round) % runtimes.len();
            let life = live(&runtimes[place], &bundles.sleeps, &folder.join("pid"))?;
            if round > 0 {
                lives[place].push(life);
            }
        }
    }
    let table = |(verb, title): (usize, &&str)| {
        let rows = runtimes.iter().zip(&lives).map(|(runtime, lives)| {
            (runtime.name.clone(), lives.iter().map(|life| life[verb]).collect())
        });
        Table::of(title, rounds, rows)
    };
    Ok(VERBS.iter().enumerate().map(table).collect())
}

/// One container from its making to its end.
fn live(runtime: &Runtime, bundle: &Path, pid_file: &Path) -> Result<[Sample; VERBS.len()]> {
    let mut create = runtime.command(&["create", "--bundle"]);
    create.arg(bundle).arg("--pid-file").arg(pid_file).arg("life");
    let mut created = sample(create)?;
    let pid = fs::read_to_string(pid_file).context("read the pid file")?;
    created.cpu += on_cpu(pid.trim())?;
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw).context("no pid in the pid file")?;
    let init = pidfd_open(pid, PidfdFlags::empty())?;
    let state = sample(runtime.command(&["state", "life"]))?;
    let started = sample(runtime.command(&["start", "life"]))?;
    let executed = sample(runtime.command(&["exec", "life", "/bin/true"]))?;
    peer::prepare(&mut runtime.command(&["kill", "life", "KILL"]))?;
    poll(&mut [PollFd::new(&init, PollFlags::IN)], None)?;
    let deleted = sample(runtime.command(&["delete", "life"]))?;
    Ok([created, state, started, executed, deleted])
}

/// How long a process was on a CPU so far. Source: linux/Documentation/scheduler/sched-stats.rst,
/// "/proc/<pid>/schedstat".
fn on_cpu(pid: &str) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).context("read schedstat")?;
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.map(Duration::from_nanos).context("no number in schedstat")
}
