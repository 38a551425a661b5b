//! `coffer seccomp check`.

use coffer_confine::seccomp::Profile;
use coffer_confine::seccomp::drift::{Drift, drift};
use coffer_confine::seccomp::since::Version;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::Json;
use crate::ui::Table;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    version: u32,
    findings: Vec<Item>,
}

/// One finding of it.
#[derive(Serialize)]
struct Item {
    call: &'static str,
    beside: &'static str,
    since: String,
    what: String,
    fix: String,
}

impl From<Drift> for Item {
    fn from(drift: Drift) -> Self {
        Self {
            call: drift.kin.newer,
            beside: drift.kin.older,
            since: word(drift.since),
            what: drift.what(),
            fix: drift.fix(),
        }
    }
}

/// Prints what newer calls do to the filter.
pub(super) fn run(context: &Context, filter: &Profile, json: &Json) -> Outcome {
    let findings: Vec<Item> = drift(filter).into_iter().map(Item::from).collect();
    let exit = if findings.is_empty() { Exit::DONE } else { Exit::FINDINGS };
    if json.json {
        context.ui.json(&Report { version: 1, findings })?;
        return Ok(exit);
    }
    if findings.is_empty() {
        context.ui.line("no newer call gets around the filter, or is missed behind it")?;
        return Ok(exit);
    }
    let mut table = Table::new(&["CALL", "LINUX", "WHAT", "FIX"]);
    for Item { call, since, what, fix, .. } in findings {
        table.row([call.to_owned(), since, what, fix]);
    }
    context.ui.data(table.render().as_bytes())?;
    Ok(exit)
}

/// The version, in a word.
pub(super) fn word(version: Option<Version>) -> String {
    version.map_or_else(|| "before 3.0".to_owned(), |(major, minor)| format!("{major}.{minor}"))
}
