//! What was found, as a person reads it and as JSON.

use coffer_audit::verdict::{Outcome, Verdict, is_finding};
use coffer_audit::{Caller, Fate, Primitive, Section, corpus};
use serde_json::{Value, json};

use super::Column;
use crate::ui::Table;

/// How much is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What was reached under any runtime.
    Reached,
    /// Everything.
    All,
}

/// The table, a section for each kind of thing, and a summary.
pub(super) fn table(columns: &[Column], detail: Detail) -> String {
    let names = columns.iter().map(|column| column.name.to_uppercase());
    let head: Vec<String> = ["TRIED".to_owned()]
        .into_iter()
        .chain(names)
        .chain(["STOPPED BY", "HOW"].map(str::to_owned))
        .collect();
    let mut table = Table::bare();
    table.cells(head);
    let mut at = 0;
    for section in &corpus::SECTIONS {
        let shown = of_section(section, columns, at, detail);
        at += section.rows.len();
        if !shown.is_empty() {
            table.cells(vec![section.title.to_owned()]);
            shown.into_iter().for_each(|cells| table.cells(cells));
        }
    }
    let mut text = table.render();
    columns.iter().for_each(|column| text.push_str(&summary(column)));
    text
}

fn of_section(
    section: &Section,
    columns: &[Column],
    at: usize,
    detail: Detail,
) -> Vec<Vec<String>> {
    let verdicts = |number: usize| -> Vec<&Verdict> {
        columns.iter().filter_map(|column| column.examined.verdicts.get(at + number)).collect()
    };
    let is_shown = |all: &[&Verdict]| {
        detail == Detail::All || all.iter().any(|one| one.outcome >= Outcome::Container)
    };
    let rows = section.rows.iter().enumerate().map(|(number, row)| (row, verdicts(number)));
    rows.filter(|(_, all)| is_shown(all))
        .map(|(row, all)| cells(row, row.fate_of(caller(columns)), &all))
        .collect()
}

/// Who ran the audit, as all of its columns say.
fn caller(columns: &[Column]) -> Caller {
    columns.first().map_or(Caller::Root, |own| own.examined.caller)
}

fn cells(row: &Primitive, fate: Fate, verdicts: &[&Verdict]) -> Vec<String> {
    let words = verdicts.iter().map(|verdict| verdict.outcome.word().to_owned());
    let how = verdicts.first().map(|own| (own.outcome, own.how.clone()));
    let mark = match how {
        Some((outcome, how)) if is_finding(fate, outcome) => format!("{how}  NOT AS PREDICTED"),
        Some((Outcome::Container | Outcome::Fact | Outcome::Host, how)) => match fate {
            Fate::Stays(why) => format!("{how}; stays: {why}"),
            _ => how,
        },
        Some((_, how)) => how,
        None => String::new(),
    };
    let tried = format!("  {} ({})", row.tries, row.id);
    [tried].into_iter().chain(words).chain([row.control.words().to_owned(), mark]).collect()
}

/// One line for each runtime.
fn summary(column: &Column) -> String {
    let of = |outcome| column.examined.count(outcome);
    format!(
        "{}: {} tried, {} blocked, {} reached inside, {} read a fact about the host, {} reached the host ({} seen by it), {} not tried; {} beyond what root inside is meant to do, {} not as predicted\n",
        column.name,
        column.examined.verdicts.len() - of(Outcome::Untried),
        of(Outcome::Blocked),
        of(Outcome::Container),
        of(Outcome::Fact),
        of(Outcome::Host),
        column.examined.seen(),
        of(Outcome::Untried),
        column.examined.beyond().count(),
        column.examined.findings().count(),
    )
}

/// Everything, by row and runtime.
pub(super) fn json(image: &str, columns: &[Column]) -> Value {
    let caller = caller(columns);
    let titles = corpus::SECTIONS
        .iter()
        .flat_map(|section| section.rows.iter().map(|row| (section.title, row)));
    let rows: Vec<Value> = titles
        .enumerate()
        .map(|(number, (title, row))| {
            let verdicts: serde_json::Map<String, Value> = columns
                .iter()
                .filter_map(|column| {
                    let verdict = column.examined.verdicts.get(number)?;
                    Some((column.name.clone(), json!(verdict)))
                })
                .collect();
            json!({
                "id": row.id,
                "section": title,
                "tries": row.tries,
                "control": row.control,
                "fate": row.fate_of(caller),
                "judge": row.judge,
                "effect": row.effect,
                "verdicts": verdicts,
            })
        })
        .collect();
    let totals: serde_json::Map<String, Value> = columns
        .iter()
        .map(|Column { name, examined }| {
            let total = json!({
                "blocked": examined.count(Outcome::Blocked),
                "container": examined.count(Outcome::Container),
                "fact": examined.count(Outcome::Fact),
                "host": examined.count(Outcome::Host),
                "seen": examined.seen(),
                "untried": examined.count(Outcome::Untried),
                "beyond": examined.beyond().map(|(row, _)| row.id).collect::<Vec<_>>(),
                "findings": examined.findings().map(|(row, _)| row.id).collect::<Vec<_>>(),
            });
            (name.clone(), total)
        })
        .collect();
    json!({ "version": 1, "image": image, "caller": caller, "rows": rows, "totals": totals })
}
