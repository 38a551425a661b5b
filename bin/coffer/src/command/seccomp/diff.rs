//! `coffer seccomp diff`.

use coffer_confine::seccomp::Profile;
use coffer_confine::seccomp::diff::{Change, changes};
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
    changes: Vec<Item>,
    /// Architectures beside the host's whose programs run with the first and with the second.
    beside: [Vec<&'static str>; 2],
}

/// One call of it.
#[derive(Serialize)]
struct Item {
    call: &'static str,
    before: String,
    after: String,
    /// Arguments with which the call is made now.
    opened: Option<[u64; 6]>,
    /// Arguments with which it was made before.
    closed: Option<[u64; 6]>,
}

impl From<Change> for Item {
    fn from(change: Change) -> Self {
        let Change { call, before, after, opened, closed } = change;
        Self { call, before: before.to_string(), after: after.to_string(), opened, closed }
    }
}

/// Prints how the second filter differs.
pub(super) fn run(context: &Context, before: &Profile, after: &Profile, json: &Json) -> Outcome {
    let changes = changes(before, after);
    let beside = [before, after].map(|profile| profile.beside.iter().map(|a| a.go()).collect());
    let alike = changes.is_empty() && beside[0] == beside[1];
    let exit = if alike { Exit::DONE } else { Exit::FINDINGS };
    if json.json {
        let changes = changes.into_iter().map(Item::from).collect();
        context.ui.json(&Report { version: 1, changes, beside })?;
        return Ok(exit);
    }
    if alike {
        context.ui.line("the filters answer every call alike")?;
        return Ok(exit);
    }
    let lacks = |other: &[&'static str], arch: &&&'static str| !other.contains(*arch);
    let [first, second]: [Vec<&'static str>; 2] = beside;
    for arch in second.iter().filter(|arch| lacks(&first, arch)) {
        context.ui.line(format_args!("+ programs for {arch} run, by the same rules"))?;
    }
    for arch in first.iter().filter(|arch| lacks(&second, arch)) {
        context.ui.line(format_args!("- programs for {arch} are killed"))?;
    }
    let mut table = Table::new(&["", "CALL", "BEFORE", "AFTER"]);
    for change in &changes {
        let cells = [mark(change), change.call, &change.before.to_string()];
        let [mark, call, before] = cells.map(str::to_owned);
        table.row([mark, call, before, change.after.to_string()]);
    }
    context.ui.data(table.render().as_bytes())?;
    let count = |what: fn(&Change) -> bool| changes.iter().filter(|change| what(change)).count();
    let (opened, closed) = (count(Change::opens), count(|change| change.closed.is_some()));
    context.ui.line(format_args!("{opened} opened, {closed} closed, {} differ", changes.len()))?;
    Ok(exit)
}

/// `+` opens, `-` closes, `±` does both, `~` answers otherwise.
fn mark(change: &Change) -> &'static str {
    match (change.opened.is_some(), change.closed.is_some()) {
        (true, false) => "+",
        (false, true) => "-",
        (true, true) => "±",
        (false, false) => "~",
    }
}
