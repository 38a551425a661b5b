//! `coffer top`.

use coffer_runtime::state::Status;
use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, Json};
use crate::missing;
use crate::ui::Table;
use crate::verb::Command;

/// What is read of a process at most, in bytes.
const LONGEST: usize = 4096;

/// List a container's processes
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Top {
    /// The container, by name or id
    container: String,
    /// Docker's options for the host's ps: they are refused
    #[arg(hide = true)]
    options: Vec<String>,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    common: Common,
}

impl Command for Top {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        if let Some(option) = self.options.first() {
            let flag = missing::find("top", "-o").map(|none| none.failure("top", option));
            return Err(flag.unwrap_or_else(|| Failure::new(format!("what is {option:?}"))));
        }
        let containers = context.containers()?;
        let folder = containers.find(&self.container)?;
        let (record, status) = folder.status(containers.boot())?;
        let name = record.as_ref().map_or(folder.id().short(), |record| record.name.as_str());
        let (Some(record), Status::Running(running)) = (&record, &status) else {
            return Err(not_running(name));
        };
        let pids = match record.cgroup.open()?.pids()? {
            none if none.is_empty() => same_namespace(running.init.pid)?,
            pids => pids,
        };
        let processes: Vec<_> = pids.into_iter().filter_map(Process::read).collect();
        if self.json.json {
            context.ui.json(&Listing { version: 1, processes })?;
            return Ok(Exit::DONE);
        }
        let mut table = Table::new(&["UID", "PID", "PPID", "STATE", "CMD"]);
        for process in processes {
            let Process { uid, pid, ppid, state, command } = process;
            table.row([uid, pid.to_string(), ppid, state, command]);
        }
        context.ui.data(table.render().as_bytes())?;
        Ok(Exit::DONE)
    }
}

fn not_running(name: &str) -> Failure {
    Failure::new(format!("container {name} is not running")).help(format!("coffer start {name}"))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listing {
    version: u32,
    processes: Vec<Process>,
}

/// One process, as the host sees it.
#[derive(Serialize)]
struct Process {
    uid: String,
    pid: i32,
    ppid: String,
    state: String,
    command: String,
}

impl Process {
    /// `None` where it has ended meanwhile.
    fn read(pid: i32) -> Option<Self> {
        let status = read(&format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()).unwrap_or("?").to_owned()
        };
        let words = read(&format!("/proc/{pid}/cmdline"))?;
        let command = words.trim_end_matches('\0').replace('\0', " ");
        let command = if command.is_empty() { format!("[{}]", field("Name:")) } else { command };
        Some(Self {
            uid: field("Uid:"),
            pid,
            ppid: field("PPid:"),
            state: field("State:"),
            command,
        })
    }
}

fn read(path: &str) -> Option<String> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut bytes = vec![0; LONGEST];
    let count = rustix::io::read(&fd, &mut bytes).ok()?;
    bytes.truncate(count);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where there is no control group to ask: the processes in the pid namespace of `init`.
fn same_namespace(init: i32) -> Result<Vec<i32>, Failure> {
    let namespace = |pid: i32| {
        let path = format!("/proc/{pid}/ns/pid");
        rustix::fs::readlink(path, Vec::new()).ok()
    };
    let wanted = namespace(init);
    let proc = coffer_sys::dir::open(std::path::Path::new("/proc"))?;
    let entries = coffer_sys::dir::entries(std::os::fd::AsFd::as_fd(&proc))?;
    let pids = entries.iter().filter_map(|entry| entry.name.to_str()?.parse::<i32>().ok());
    Ok(pids.filter(|pid| wanted.is_some() && namespace(*pid) == wanted).collect())
}
