//! `coffer seccomp calls`.

use coffer_confine::capability::CapSet;
use coffer_confine::seccomp::default;
use coffer_confine::seccomp::since::{Version, calls, since};
use serde::Serialize;

use super::check::word;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::Json;
use crate::ui::Table;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    version: u32,
    calls: Vec<Item>,
}

/// One call of it.
#[derive(Serialize)]
struct Item {
    call: &'static str,
    number: u32,
    since: Option<String>,
    default: String,
    why: Vec<&'static str>,
}

/// Reads a version of Linux.
pub(super) fn version(text: &str) -> Result<Version, &'static str> {
    let parts = text
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u16>().ok()?, minor.parse::<u16>().ok()?)));
    parts.ok_or("a version looks like 5.10")
}

/// Prints the table.
pub(super) fn run(
    context: &Context,
    from: Option<Version>,
    granted: CapSet,
    json: &Json,
) -> Outcome {
    let profile = default::profile(granted);
    let reasons = |call: &str| -> Vec<&'static str> {
        let about = default::entries(granted).filter(|entry| entry.calls.contains(&call));
        about.map(|entry| entry.why).collect()
    };
    let items: Vec<Item> = calls()
        .filter(|(call, _)| from.is_none_or(|from| since(call) >= Some(from)))
        .map(|(call, number)| Item {
            call,
            number,
            since: since(call).map(|version| word(Some(version))),
            default: profile.answer(call).to_string(),
            why: reasons(call),
        })
        .collect();
    if json.json {
        context.ui.json(&Report { version: 1, calls: items })?;
        return Ok(Exit::DONE);
    }
    let mut table = Table::new(&["CALL", "NUMBER", "LINUX", "DEFAULT", "WHY"]);
    for Item { call, number, since, default, why } in items {
        let (number, since) = (number.to_string(), since.unwrap_or_default());
        table.row([call.to_owned(), number, since, default, why.join("; ")]);
    }
    context.ui.data(table.render().as_bytes())?;
    Ok(Exit::DONE)
}
