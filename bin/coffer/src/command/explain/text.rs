//! The explanation as a person reads it.

use coffer_confine::confinement::{Control, Gap};
use coffer_confine::posture::{Score, Words};

use super::Subject;
use crate::failure::Failure;
use crate::ui::{Table, Ui};

/// Prints what holds, what does not, and what can come of it.
pub(super) fn print(ui: &Ui, subject: &Subject) -> Result<(), Failure> {
    ui.words(&subject.headline)?;
    holds(ui, &subject.controls, &subject.gaps)?;
    reached(ui, &subject.posture.score(), subject.words)
}

/// Prints what holds, who set it, and what does not hold.
pub(crate) fn holds(ui: &Ui, controls: &[Control], gaps: &[Gap]) -> Result<(), Failure> {
    let mut table = Table::new(&["CONTROL", "VALUE", "SET BY"]);
    for control in controls {
        table.row([control.control.to_owned(), control.value.clone(), control.set_by.clone()]);
    }
    ui.data(table.render_within(ui.width()).as_bytes())?;
    ui.line("NOT PROTECTED")?;
    let mut table = Table::bare();
    for gap in gaps {
        let from = gap.from.as_ref().map(|from| format!("from: {from}"));
        let stronger = gap.stronger.as_ref().map(|stronger| format!("stronger: {stronger}"));
        let note: Vec<String> = from.into_iter().chain(stronger).collect();
        table.row([format!("  {}", gap.what), note.join("; ")]);
    }
    ui.data(table.render_within(ui.width()).as_bytes())
}

/// Each consequence with the ways that lead to it: what there is → what can be done.
fn reached(ui: &Ui, score: &Score, words: Words) -> Result<(), Failure> {
    ui.line(format_args!("WHAT CAN COME OF IT ({} of 100 points)", score.points))?;
    let mut table = Table::bare();
    for reached in &score.reached {
        let consequence = reached.consequence;
        table.row([format!("  {consequence}"), format!("-{}", consequence.cost()), String::new()]);
        for way in &reached.ways {
            let way_to = format!("    {} → {}", way.cause(), way.primitive);
            table.row([way_to, String::new(), format!("stronger: {}", way.stronger.say(words))]);
        }
    }
    ui.data(table.render_within(ui.width()).as_bytes())
}
