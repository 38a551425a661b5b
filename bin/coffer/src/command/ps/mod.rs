//! `coffer ps`.

mod docker;
mod filter;

use coffer_runtime::disk::Scarce;
use coffer_runtime::state::{Listed, Record, Status};
use jiff::Timestamp;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::{Common, Form, ListFlags};
use crate::ui::{self, Table, Ui};
use crate::verb::Command;
use filter::Filter;

/// The longest command that is shown whole. Source: docker ps.
const COMMAND: usize = 20;

/// The hex digits of an image's id, and those that are shown of it. A SHA-512 has more.
const ID: usize = 64;
const SHORT: usize = 12;

/// List containers
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Ps {
    /// Show those that do not run, too
    #[arg(short, long)]
    all: bool,
    /// Show the N made last, whether they run or not; -1 for all that run
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<i64>,
    /// Show the one made last, whether it runs or not
    #[arg(short, long)]
    latest: bool,
    /// Show only what matches: name=, id=, status=, label=NAME[=VALUE], ancestor=IMAGE, exited=CODE,
    /// before=CONTAINER, since=CONTAINER
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<Filter>,
    #[command(flatten)]
    list: ListFlags,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listing<'a> {
    version: u32,
    containers: Vec<Item<'a>>,
}

/// One container of it.
#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    name: Option<&'a str>,
    image: Option<&'a str>,
    manifest: Option<String>,
    command: &'a [String],
    created: Option<Timestamp>,
    status: &'static str,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
    exit_code: Option<u8>,
    ended_for: Option<Scarce>,
    pid: Option<i32>,
    labels: Option<&'a std::collections::BTreeMap<String, String>>,
    opened: &'a [String],
}

impl Command for Ps {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let form = self.list.form(docker::heading())?;
        let root = context.data_root()?;
        let mut list = root.containers().list()?;
        if let Err(error) = root.settle_all(&mut list) {
            context.ui.failure(&error.into());
        }
        list.reverse();
        filter::cut(&self.filter, &mut list)?;
        self.choose(&mut list);
        let text: String = match form {
            Form::Json => {
                let containers = list.iter().map(Item::of).collect();
                let listing = Listing { version: 1, containers };
                return context.ui.json(&listing).map(|()| Exit::DONE);
            }
            Form::Ids => list.iter().map(|listed| self.id(listed) + "\n").collect(),
            Form::Docker(columns) => docker::text(&self, &list, &columns)?,
            Form::Table => marked(&context.ui, &self.table(&list).render(), &list),
        };
        context.ui.data(text.as_bytes()).map(|()| Exit::DONE)
    }
}

impl Ps {
    fn choose(&self, list: &mut Vec<Listed>) {
        let last = if self.latest { Some(1) } else { self.last.and_then(|n| n.try_into().ok()) };
        let all = self.all || last.is_some() || self.filter.iter().any(Filter::is_of_status);
        list.retain(|listed| {
            (all || matches!(listed.status, Status::Running(_)))
                && filter::all_match(&self.filter, listed)
        });
        list.truncate(last.unwrap_or(usize::MAX));
    }

    fn id(&self, listed: &Listed) -> String {
        if self.list.no_trunc { listed.id.as_str() } else { listed.id.short() }.to_owned()
    }

    fn table(&self, list: &[Listed]) -> Table {
        let mut table =
            Table::new(&["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"]);
        let now = Timestamp::now();
        for listed in list {
            let record = listed.record.as_ref();
            let text = |get: fn(&Record) -> String| record.map_or_else(String::new, get);
            table.row([
                self.id(listed),
                record.map_or_else(String::new, |record| self.image(record)),
                record.map_or_else(String::new, |record| self.command(record)),
                record.map_or_else(String::new, |r| ui::age(r.created, now) + " ago"),
                status(listed, now) + if privileged(listed) { " (privileged)" } else { "" },
                text(|record| record.name.to_string()),
            ]);
        }
        table
    }

    /// The image's name as it was asked for. As docker has it, an id is shortened, and a digest
    /// behind a tag left out.
    fn image(&self, record: &Record) -> String {
        let whole = record.image.as_str();
        if self.list.no_trunc {
            return whole.to_owned();
        }
        shortened(whole).to_owned()
    }

    /// In quotes, and shortened, as docker has it.
    fn command(&self, record: &Record) -> String {
        let whole = record.command.join(" ");
        if self.list.no_trunc || whole.chars().count() <= COMMAND {
            return format!("\"{whole}\"");
        }
        let start: String = whole.chars().take(COMMAND - 1).collect();
        format!("\"{start}…\"")
    }
}

/// An image's name as a table has room for it. Source: docker/cli, formatter/container.go, `Image`.
fn shortened(image: &str) -> &str {
    let hex = image.split_once(':').map_or(image, |(_, hex)| hex);
    if hex.len() >= ID && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return &hex[..SHORT];
    }
    match image.split_once('@') {
        Some((name, _)) if name.rsplit('/').next().is_some_and(|last| last.contains(':')) => name,
        _ => image,
    }
}

/// Whether a container's whole fence was taken down.
fn privileged(listed: &Listed) -> bool {
    let opened = listed.record.as_ref().map(|record| &record.opened);
    opened.is_some_and(|flags| flags.iter().any(|flag| flag == "--privileged"))
}

/// The table with the lines of privileged containers in red. Its first line is the head.
fn marked(ui: &Ui, table: &str, list: &[Listed]) -> String {
    let lines = table.lines().skip(1).zip(list).map(|(line, listed)| match privileged(listed) {
        true => ui.alarm(line),
        false => line.to_owned(),
    });
    let head = table.lines().next().map(str::to_owned);
    head.into_iter().chain(lines).map(|line| line + "\n").collect()
}

/// The status in docker's word.
fn word(listed: &Listed) -> &'static str {
    status_word(listed.record.as_ref(), &listed.status)
}

/// The status of a container with this record, in docker's word.
pub(super) fn status_word(record: Option<&Record>, status: &Status) -> &'static str {
    match status {
        // What cannot be looked at has ended meanwhile.
        Status::Running(_) if record.is_some_and(|record| record.is_paused().unwrap_or(false)) => {
            "paused"
        }
        Status::Creating | Status::Created => "created",
        Status::Running(_) => "running",
        Status::Stopped(_) => "exited",
        Status::Removing => "removing",
        Status::Wreck => "dead",
    }
}

/// The status in docker's sentence.
fn status(listed: &Listed, now: Timestamp) -> String {
    match &listed.status {
        Status::Creating | Status::Created => "Created".to_owned(),
        Status::Running(running) => {
            let paused = if word(listed) == "paused" { " (Paused)" } else { "" };
            format!("Up {}{paused}", ui::age(running.started, now))
        }
        Status::Stopped(exit) => {
            let why = if exit.ended_for.is_some() { " (disk)" } else { "" };
            format!("Exited ({}) {} ago{why}", exit.outcome.code(), ui::age(exit.finished, now))
        }
        Status::Removing => "Removal In Progress".to_owned(),
        Status::Wreck => "Dead (coffer rm removes it)".to_owned(),
    }
}

impl<'a> Item<'a> {
    fn of(listed: &'a Listed) -> Self {
        let record = listed.record.as_ref();
        let (running, exit) = match &listed.status {
            Status::Running(running) => (Some(running), None),
            Status::Stopped(exit) => (None, Some(exit)),
            _ => (None, None),
        };
        Self {
            id: listed.id.as_str(),
            name: record.map(|record| record.name.as_str()),
            image: record.map(|record| record.image.as_str()),
            manifest: record.and_then(|record| Some(record.manifest.as_ref()?.to_string())),
            command: record.map_or(&[], |record| &record.command),
            created: record.map(|record| record.created),
            status: word(listed),
            started: running.map(|running| running.started),
            finished: exit.map(|exit| exit.finished),
            exit_code: exit.map(|exit| exit.outcome.code()),
            ended_for: exit.and_then(|exit| exit.ended_for),
            pid: running.map(|running| running.init.pid),
            labels: record.map(|record| &record.labels),
            opened: record.map_or(&[], |record| &record.opened),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shortened_and_names_are_not() {
        let hex = "0123456789abcdef".repeat(4);
        assert_eq!(shortened(&hex), "0123456789ab");
        assert_eq!(shortened(&format!("sha256:{hex}")), "0123456789ab");
        assert_eq!(shortened(&format!("host:5000/a:1@sha256:{hex}")), "host:5000/a:1");
        for whole in ["busybox", "host:5000/a", "a:latest", "0123456789ab", "oci:/dir:deadbeef"] {
            assert_eq!(shortened(whole), whole);
        }
        let pinned = format!("host:5000/a@sha256:{hex}");
        assert_eq!(shortened(&pinned), pinned);
    }
}
