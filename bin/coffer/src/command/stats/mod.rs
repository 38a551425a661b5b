//! `coffer stats`.

mod usage;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use coffer_runtime::state::{Containers, Record, Status};
use rustix::event::{Timespec, poll};
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, Form, FormatFlags};
use crate::ui::{self, Table};
use crate::verb::Command;
use usage::Usage;

/// Between two looks. Processor time is what was used between them.
const INTERVAL: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// What stands for a number that there is not.
const NONE: &str = "--";

/// Clears a terminal, and goes to its first line. Source: ECMA-48, ED and CUP.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Show what containers use
///
/// Once a second, until what is shown has ended. Memory is without files that the kernel can drop.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Stats {
    /// Names or ids; all that run where none are given
    containers: Vec<String>,
    /// Show those that do not run, too
    #[arg(short, long)]
    all: bool,
    /// Show it once
    #[arg(long)]
    no_stream: bool,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listing {
    version: u32,
    containers: Vec<Item>,
}

/// One container of it.
#[derive(Serialize)]
struct Item {
    id: String,
    name: String,
    cpu_percent: Option<f64>,
    usage: Option<Usage>,
}

/// One container, as it was looked at.
struct Look {
    id: String,
    short: String,
    /// As the caller named it.
    asked: String,
    name: String,
    /// None of one that does not run.
    usage: Option<Usage>,
    at: Instant,
    /// Hundredths of a per cent of one processor, since the look before.
    cpu: Option<u64>,
}

impl Command for Stats {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let form = self.format.form(heading())?;
        let containers = context.containers()?;
        let mut before = self.look(&containers)?;
        loop {
            poll(&mut [], Some(&INTERVAL))?;
            let mut now = self.look(&containers)?;
            compare(&before, &mut now);
            self.print(&context, &form, &now)?;
            if self.no_stream || now.iter().all(|look| look.usage.is_none()) {
                return Ok(Exit::DONE);
            }
            before = now;
        }
    }
}

impl Stats {
    fn look(&self, containers: &Containers) -> Result<Vec<Look>, Failure> {
        if self.containers.is_empty() {
            let list = containers.list()?.into_iter().rev();
            let looks =
                list.map(|listed| Look::of(&listed.id, "", listed.record.as_ref(), &listed.status));
            let looks: Vec<Look> = looks.collect::<Result<_, _>>()?;
            return Ok(looks.into_iter().filter(|look| self.all || look.usage.is_some()).collect());
        }
        let of = |text: &String| {
            let folder = containers.find(text)?;
            let (record, status) = folder.status(containers.boot())?;
            Look::of(folder.id(), text, record.as_ref(), &status)
        };
        self.containers.iter().map(of).collect()
    }

    fn print(&self, context: &Context, form: &Form<'_>, looks: &[Look]) -> Result<(), Failure> {
        match form {
            Form::Json => {
                let containers = looks.iter().map(Item::of).collect();
                context.ui.json(&Listing { version: 1, containers })
            }
            Form::Docker(columns) => {
                let rows: Vec<Value> = looks.iter().map(|look| self.fields(look)).collect();
                context.ui.data(columns.render(&rows)?.as_bytes())
            }
            Form::Ids | Form::Table => {
                let table = self.table(looks).render();
                let is_live = !self.no_stream && rustix::termios::isatty(rustix::stdio::stdout());
                let clear = if is_live { CLEAR } else { "" };
                context.ui.data(format!("{clear}{table}").as_bytes())
            }
        }
    }

    fn table(&self, looks: &[Look]) -> Table {
        let mut table = Table::new(&[
            "CONTAINER ID",
            "NAME",
            "CPU %",
            "MEM USAGE / LIMIT",
            "MEM %",
            "NET I/O",
            "BLOCK I/O",
            "PIDS",
        ]);
        for look in looks {
            table.row([
                self.id(look).to_owned(),
                look.name.clone(),
                percent(look.cpu),
                look.memory(),
                look.memory_percent(),
                pair(look.usage.as_ref().and_then(|usage| usage.network)),
                pair(look.usage.as_ref().and_then(|usage| usage.block)),
                look.pids(),
            ]);
        }
        table
    }

    /// Docker's fields. Source: docker stats, "Format the output".
    fn fields(&self, look: &Look) -> Value {
        let asked = if look.asked.is_empty() { self.id(look) } else { &look.asked };
        json!({
            "Container": asked,
            "ID": self.id(look),
            "Name": look.name,
            "CPUPerc": percent(look.cpu),
            "MemUsage": look.memory(),
            "MemPerc": look.memory_percent(),
            "NetIO": pair(look.usage.as_ref().and_then(|usage| usage.network)),
            "BlockIO": pair(look.usage.as_ref().and_then(|usage| usage.block)),
            "PIDs": look.pids(),
        })
    }

    fn id<'a>(&self, look: &'a Look) -> &'a str {
        if self.no_trunc { &look.id } else { &look.short }
    }
}

/// Docker's fields by their headings.
fn heading() -> Value {
    json!({
        "Container": "CONTAINER", "ID": "CONTAINER ID", "Name": "NAME", "CPUPerc": "CPU %",
        "MemUsage": "MEM USAGE / LIMIT", "MemPerc": "MEM %", "NetIO": "NET I/O",
        "BlockIO": "BLOCK I/O", "PIDs": "PIDS",
    })
}

/// Says how much of a processor was used between two looks at the same container.
fn compare(before: &[Look], now: &mut [Look]) {
    let before: BTreeMap<&str, &Look> = before.iter().map(|look| (&*look.id, look)).collect();
    for look in now {
        let earlier = before.get(&*look.id);
        let times = |look: &Look| look.usage.as_ref().and_then(|usage| usage.cpu_ns);
        if let Some((then, time)) = earlier.and_then(|then| Some((*then, times(then)?)))
            && let Some(now) = times(look)
        {
            look.cpu = share(now.saturating_sub(time), look.at.duration_since(then.at));
        }
    }
}

/// Hundredths of a per cent of `whole` that `part_ns` is.
fn share(part_ns: u64, whole: Duration) -> Option<u64> {
    let part = u128::from(part_ns) * 10_000;
    u64::try_from(part.checked_div(whole.as_nanos())?).ok()
}

impl Look {
    fn of(
        id: &coffer_runtime::state::ContainerId,
        asked: &str,
        record: Option<&Record>,
        status: &Status,
    ) -> Result<Self, Failure> {
        let usage = match (record, status) {
            (Some(record), Status::Running(running)) => Usage::read(record, running.init.pid)?,
            _ => None,
        };
        let name = record.map_or(id.short(), |record| record.name.as_str()).to_owned();
        let (id, short) = (id.as_str().to_owned(), id.short().to_owned());
        Ok(Self { id, short, asked: asked.to_owned(), name, usage, at: Instant::now(), cpu: None })
    }

    fn memory(&self) -> String {
        let bytes = |count: Option<u64>| count.map_or_else(|| NONE.to_owned(), ui::bytes);
        let usage = self.usage.as_ref();
        let used = usage.and_then(|usage| usage.memory_bytes);
        format!("{} / {}", bytes(used), bytes(usage.map(|usage| usage.memory_limit_bytes)))
    }

    fn memory_percent(&self) -> String {
        percent(self.usage.as_ref().and_then(|usage| {
            let part = u128::from(usage.memory_bytes?) * 10_000;
            u64::try_from(part.checked_div(u128::from(usage.memory_limit_bytes))?).ok()
        }))
    }

    fn pids(&self) -> String {
        self.usage.as_ref().map_or_else(|| NONE.to_owned(), |usage| usage.pids.to_string())
    }
}

/// `1.50%` of hundredths.
fn percent(hundredths: Option<u64>) -> String {
    hundredths.map_or_else(|| NONE.to_owned(), |n| format!("{}.{:02}%", n / 100, n % 100))
}

/// What came in and what went out.
fn pair(bytes: Option<[u64; 2]>) -> String {
    bytes.map_or_else(
        || NONE.to_owned(),
        |[one, other]| format!("{} / {}", ui::bytes(one), ui::bytes(other)),
    )
}

impl Item {
    fn of(look: &Look) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "below 2^53 for ages")]
        let cpu_percent = look.cpu.map(|hundredths| hundredths as f64 / 100.0);
        let (id, name) = (look.id.clone(), look.name.clone());
        Self { id, name, cpu_percent, usage: look.usage.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_hundredths_of_a_per_cent() {
        assert_eq!(share(15_000_000, Duration::from_secs(1)), Some(150));
        assert_eq!(share(2_000_000_000, Duration::from_secs(1)), Some(20_000));
        assert_eq!(share(1, Duration::ZERO), None);
        assert_eq!((percent(Some(150)), percent(Some(7))), ("1.50%".into(), "0.07%".into()));
        assert_eq!((percent(None), pair(None)), ("--".into(), "--".into()));
        assert_eq!(pair(Some([0, 2048])), "0 B / 2.0 KiB");
    }
}
