//! `list`.

use coffer_runtime::bundle::Home;

use super::Outcome;
use super::failure::Failure;
use super::globals::{Globals, print};
use super::grammar::{Grammar, Words, switch, value};
use super::state::{Shown, look};

/// The options of `list`.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[switch("quiet", Some('q')), value("format", Some('f'))],
    operands: (0, 0),
    verbatim_after: usize::MAX,
};

/// `list`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let containers = containers(globals)?;
    if words.has("quiet") {
        let ids: String = containers.iter().map(|shown| format!("{}\n", shown.id)).collect();
        return print(&ids);
    }
    match words.value("format") {
        None | Some("table") => print(&table(&containers)),
        // runc prints null where there are none, and its callers read both.
        Some("json") if containers.is_empty() => print("null\n"),
        Some("json") => print(&format!("{}\n", serde_json::to_string(&containers)?)),
        Some(other) => Err(Failure::new(format!("--format: {other:?} is not table or json"))),
    }
}

fn containers(globals: &Globals) -> Result<Vec<Shown>, Failure> {
    let Some(home) = Home::open(&globals.root)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for folder in home.list()? {
        found.extend(look(&folder)?);
    }
    Ok(found)
}

fn table(containers: &[Shown]) -> String {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let row = |shown: &Shown| {
        [
            shown.id.to_string(),
            shown.pid.to_string(),
            shown.status.clone(),
            shown.bundle.display().to_string(),
            shown.created.to_string(),
            shown.owner.clone(),
        ]
    };
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(containers.iter().map(row)).collect();
    columns(&rows)
}

/// Columns of at least twelve characters with three blanks between them, as runc prints them.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max();
        longest.unwrap_or_default().max(9) + 3
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}"));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
