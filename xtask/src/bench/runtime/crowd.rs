//! Many containers at once.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use coffer_sys::usage;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{Bundles, Runtime};

const CROWD: usize = 100;
const ROUNDS: usize = 3;
/// How long the whole crowd may take: one that waits for ever has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints how long each runtime takes to run all of them, begun at the same time. A runtime of
/// which some runs fail gets no number.
///
/// # Errors
/// A runtime cannot be started.
pub(super) fn compare(runtimes: &[Runtime], bundles: &Bundles) -> Result<()> {
    println!("\n{CROWD} runs of /bin/true at once (medians of {ROUNDS} rounds in turns)");
    println!("{:<34} {:>10} {:>6} {:>10} {:>6}", "", "wall ms", "×", "cpu ms", "×");
    let mut results: Vec<Vec<Option<Crowd>>> = vec![Vec::new(); runtimes.len()];
    for _ in 0..ROUNDS {
        for (place, runtime) in runtimes.iter().enumerate() {
            results[place].push(run(runtime, bundles)?);
        }
    }
    remove_groups();
    let medians: Vec<Option<Crowd>> = results.into_iter().map(median).collect();
    let ours = medians.first().copied().flatten().unwrap_or_default();
    for (runtime, median) in runtimes.iter().zip(medians) {
        match median {
            Some(crowd) => println!("{:<34} {}", runtime.name, crowd.beside(ours)),
            None => println!("{:<34} some runs failed", runtime.name),
        }
    }
    Ok(())
}

/// What all runs took.
#[derive(Clone, Copy, Default)]
struct Crowd {
    wall: Duration,
    cpu: Duration,
}

impl Crowd {
    fn beside(self, ours: Self) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        format!(
            "{:>10.0} {:>6.2} {:>10.0} {:>6.2}",
            ms(self.wall),
            ms(ours.wall) / ms(self.wall).max(1e-3),
            ms(self.cpu),
            ms(ours.cpu) / ms(self.cpu).max(1e-3),
        )
    }
}

/// `None` where a run failed.
fn run(runtime: &Runtime, bundles: &Bundles) -> Result<Option<Crowd>> {
    let began = Instant::now();
    let children: Vec<Child> =
        (0..CROWD).map(|number| spawn(runtime, bundles, number)).collect::<Result<_>>()?;
    let (mut cpu, mut failed) = (Duration::ZERO, false);
    for mut child in children {
        if !ends_before(began + PATIENCE, &child)? {
            child.kill().with_context(|| format!("end {}", runtime.name))?;
        }
        let (status, used) = usage::wait(child)?;
        cpu += used.cpu;
        failed |= !status.success();
    }
    Ok((!failed).then(|| Crowd { wall: began.elapsed(), cpu }))
}

fn ends_before(until: Instant, child: &Child) -> Result<bool> {
    let pid =
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process's number")?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let left = Timespec::try_from(until.saturating_duration_since(Instant::now()))?;
    Ok(poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left))? == 1)
}

/// What ids begin with.
const NAME: &str = "crowd-";

/// Takes away the groups that a runtime leaves whose runs hung. The kernel keeps one that somebody
/// is in.
fn remove_groups() {
    for group in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        if group.file_name().to_string_lossy().contains(NAME) {
            fs::remove_dir(group.path()).ok();
        }
    }
}

fn spawn(runtime: &Runtime, bundles: &Bundles, number: usize) -> Result<Child> {
    runtime
        .run(&bundles.ends, &format!("{NAME}{number}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("start {}", runtime.name))
}

/// `None` where one of them is.
fn median(crowds: Vec<Option<Crowd>>) -> Option<Crowd> {
    let mut crowds = crowds.into_iter().collect::<Option<Vec<Crowd>>>()?;
    crowds.sort_unstable_by_key(|crowd| crowd.wall);
    crowds.get(crowds.len() / 2).copied()
}
