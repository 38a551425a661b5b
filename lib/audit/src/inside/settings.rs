//! What belongs to the whole machine, or to a namespace: names, priorities, limits.

use std::io::Write;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Tried, files, refused};

/// Gives the machine the name that it has.
pub(crate) fn names_host() -> Tried {
    rustix::system::sethostname(rustix::system::uname().nodename().to_bytes())?;
    Ok("named it as it was".to_owned())
}

/// The same with its domain.
pub(crate) fn names_domain() -> Tried {
    rustix::system::setdomainname(rustix::system::uname().domainname().to_bytes())?;
    Ok("named it as it was".to_owned())
}

/// Is served before others.
pub(crate) fn raises_priority() -> Tried {
    rustix::process::setpriority_process(None, -20)?;
    Ok("nice -20".to_owned())
}

/// Runs whenever it wants to: `SCHED_FIFO`.
pub(crate) fn runs_first() -> Tried {
    const FIFO: u32 = 1;
    let attr = coffer_sys::process::SchedAttr { policy: FIFO, priority: 1, ..Default::default() };
    coffer_sys::process::schedule(attr)?;
    Ok("real-time priority 1".to_owned())
}

/// Reads and writes before others: the real-time class.
pub(crate) fn reads_first() -> Tried {
    coffer_sys::process::set_io_priority(1, 0)?;
    Ok("real-time I/O".to_owned())
}

/// Has more of a resource than its hard limit.
pub(crate) fn raises_limit() -> Tried {
    let limit = getrlimit(Resource::Nofile);
    let Some(most) = limit.maximum else { return refused("there is no limit to raise") };
    let more = Rlimit { current: limit.current, maximum: Some(most + 1) };
    setrlimit(Resource::Nofile, more)?;
    Ok(format!("{} open files instead of {most}", most + 1))
}

/// Is the last to be killed where memory runs out.
pub(crate) fn survives() -> Tried {
    let path = "/proc/self/oom_score_adj";
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    file.write_all(b"-999")?;
    match files::read(path, 16)?.trim() {
        "-999" => Ok("oom_score_adj -999".to_owned()),
        other => refused(format!("it stays at {other}")),
    }
}

/// Its own path among the control groups of the host.
pub(crate) fn sees_its_group() -> Tried {
    let text = files::says("/proc/self/cgroup")?;
    match text.lines().find(|line| !line.ends_with(":/")) {
        Some(line) => Ok(line.to_owned()),
        None => refused("every path is /"),
    }
}
