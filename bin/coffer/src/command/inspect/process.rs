//! `coffer inspect --process PID`: what getpcaps, lsns, uid_map and status say, in one view.

use std::io::Read;

use coffer_confine::capability::{CapSet, Capability};
use coffer_confine::posture::{Limited, Limits};
use coffer_confine::process::{FilterMode, MapRange, NamespaceOf, Own, Process};
use rustix::fs::{CWD, Mode, OFlags};
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::Json;
use crate::ui::Table;

/// How many processes are named that share a namespace.
const NAMED: usize = 5;

/// Prints what is known of a process.
pub(super) fn run(context: &Context, pid: u32, json: &Json) -> Outcome {
    let process = Process::read(pid)?;
    let sharers = Sharers::read(&process);
    if json.json {
        context.ui.json(&json!({
            "version": 1, "process": process, "shared_with": sharers.json(),
        }))?;
        return Ok(Exit::DONE);
    }
    let mut table = Table::bare();
    for (name, value) in lines(&process) {
        table.row([name.to_owned(), value]);
    }
    context.ui.data(table.render().as_bytes())?;
    let mut table = Table::new(&["NAMESPACE", "NUMBER", "WHOSE", "SHARED WITH"]);
    for (namespace, others) in process.namespaces.iter().zip(&sharers.0) {
        let whose = match namespace.own {
            Own::Own => "not the host's",
            Own::Host => "the host's",
        };
        let (name, number) = (kind(namespace), namespace.inode.to_string());
        table.row([name, number, whose.to_owned(), words(others)]);
    }
    context.ui.data(table.render().as_bytes())?;
    Ok(Exit::DONE)
}

/// The rights of a process, a line for each.
pub(in crate::command) fn lines(process: &Process) -> Vec<(&'static str, String)> {
    let status = &process.status;
    let numbers = |list: &[u32]| list.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    let mut lines = vec![
        ("process", format!("{} {} (parent {})", process.pid, status.name, status.parent)),
        ("numbers inside", numbers(status.pids.get(1..).unwrap_or_default())),
        ("users (real, effective, saved, fs)", numbers(&status.uids)),
        ("groups", numbers(&status.gids)),
        ("effective capabilities", set(status.effective)),
        ("permitted", set(status.permitted)),
        ("inheritable", set(status.inheritable)),
        ("bounding", set(status.bounding)),
        ("ambient", set(status.ambient)),
        ("new privileges", if status.no_new_privs { "never" } else { "by set-id programs" }.into()),
        ("system call filter", filter(status.filter, status.filters)),
        ("user ids", map(&process.uid_map)),
        ("group ids", map(&process.gid_map)),
        ("label", process.label.clone().unwrap_or_else(|| "none".to_owned())),
        ("covers in /proc", if process.covers { "there" } else { "none" }.to_owned()),
    ];
    lines.extend(process.cgroups.iter().map(|line| ("control group", line.clone())));
    lines.extend(process.host_paths.iter().map(|path| ("writable mount", path.clone())));
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

fn set(set: CapSet) -> String {
    match set {
        CapSet::EMPTY => "none".to_owned(),
        CapSet::ALL => "all".to_owned(),
        most if most.iter().count() > Capability::ALL.len() / 2 => {
            format!("all but {}", CapSet::ALL.minus(most))
        }
        some => some.to_string(),
    }
}

fn filter(mode: FilterMode, count: u32) -> String {
    match mode {
        FilterMode::None => "none".to_owned(),
        FilterMode::Strict => "strict: read, write and exit".to_owned(),
        FilterMode::Filter => format!("{count} programs"),
    }
}

fn map(ranges: &[MapRange]) -> String {
    let line = |range: &MapRange| match (range.container, range.host, range.size) {
        (0, 0, u32::MAX) => "the host's".to_owned(),
        (container, host, size) => format!("{container} is {host}, {size} of them"),
    };
    ranges.iter().map(line).collect::<Vec<_>>().join("; ")
}

fn kind(namespace: &NamespaceOf) -> String {
    format!("{:?}", namespace.kind).to_ascii_lowercase()
}

/// A process beside another, by number and name.
type Other = (u32, String);

/// Who shares each namespace of a process, in the order of its namespaces.
struct Sharers(Vec<Vec<Other>>);

impl Sharers {
    /// Looks at all processes. One that ends meanwhile or may not be looked at is not counted.
    fn read(process: &Process) -> Self {
        let mut found = vec![Vec::new(); process.namespaces.len()];
        for other in numbers().filter(|pid| *pid != process.pid) {
            let Ok(other) = Process::read(other) else { continue };
            for (place, namespace) in process.namespaces.iter().enumerate() {
                let same = |theirs: &NamespaceOf| {
                    (theirs.kind, theirs.inode) == (namespace.kind, namespace.inode)
                };
                if other.namespaces.iter().any(same) {
                    found[place].push((other.pid, other.status.name.clone()));
                }
            }
        }
        Self(found)
    }

    fn json(&self) -> Vec<Vec<Value>> {
        let one = |(pid, name): &Other| json!({ "pid": pid, "name": name });
        self.0.iter().map(|others| others.iter().map(one).collect()).collect()
    }
}

fn words(others: &[Other]) -> String {
    let mut words: Vec<String> =
        others.iter().take(NAMED).map(|(pid, name)| format!("{pid} {name}")).collect();
    if others.len() > NAMED {
        words.push(format!("and {} more", others.len() - NAMED));
    }
    if words.is_empty() { "nobody".to_owned() } else { words.join(", ") }
}

/// The numbers of all processes.
fn numbers() -> impl Iterator<Item = u32> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, "/proc", flags, Mode::empty());
    let entries = folder.and_then(rustix::fs::Dir::read_from).ok();
    let names = entries.into_iter().flatten().filter_map(Result::ok);
    names.filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok())
}

/// Whether the control groups of a process limit memory and tasks. Sources: admin-guide/cgroup-v2.rst
/// and cgroup-v1/memory.rst; a group that cannot be read counts as without a limit.
pub(in crate::command) fn limits_of(process: &Process) -> Limits {
    let limited = |controller: &str, files: [&str; 2]| {
        let limited = process.cgroups.iter().any(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (names, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            let file = match names {
                "" => format!("/sys/fs/cgroup{path}/{}", files[0]),
                names if names.split(',').any(|name| name == controller) => {
                    format!("/sys/fs/cgroup/{controller}{path}/{}", files[1])
                }
                _ => return false,
            };
            is_limit(&file)
        });
        if limited { Limited::Yes } else { Limited::No }
    };
    Limits {
        memory: limited("memory", ["memory.max", "memory.limit_in_bytes"]),
        tasks: limited("pids", ["pids.max", "pids.max"]),
    }
}

/// Whether a file holds a number below what v1 shows for "no limit".
fn is_limit(path: &str) -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(CWD, path, flags, Mode::empty()) else { return false };
    let mut text = String::new();
    let read = std::fs::File::from(file).take(64).read_to_string(&mut text);
    read.is_ok() && text.trim().parse::<u64>().is_ok_and(|number| number < 1 << 62)
}
