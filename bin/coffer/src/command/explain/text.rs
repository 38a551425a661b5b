//! The explanation as a person reads it.

use coffer_confine::posture::{Score, Words};

use super::Subject;
use crate::failure::Failure;
use crate::ui::{self, Table, Ui};

/// Prints what holds, what does not, and what can come of it.
pub(super) fn print(ui: &Ui, subject: &Subject) -> Result<(), Failure> {
    ui.line(ui::escape(&subject.headline))?;
    let mut table = Table::new(&["CONTROL", "VALUE", "SET BY"]);
    for control in &subject.controls {
        table.row([control.control.to_owned(), control.value.clone(), control.set_by.clone()]);
    }
    ui.data(table.render().as_bytes())?;
    ui.line("NOT PROTECTED")?;
    let mut gaps = Table::bare();
    for gap in &subject.gaps {
        let from = gap.from.as_ref().map(|from| format!("from: {from}"));
        let stronger = gap.stronger.as_ref().map(|stronger| format!("stronger: {stronger}"));
        let note: Vec<String> = from.into_iter().chain(stronger).collect();
        gaps.row([format!("  {}", gap.what), note.join("; ")]);
    }
    ui.data(gaps.render().as_bytes())?;
    ui.data(reached(&subject.posture.score(), subject.words).as_bytes())
}

/// Each consequence with the ways that lead to it: what there is → what can be done.
fn reached(score: &Score, words: Words) -> String {
    let mut text = format!("WHAT CAN COME OF IT ({} of 100 points)\n", score.points);
    let mut table = Table::bare();
    for reached in &score.reached {
        let consequence = reached.consequence;
        table.row([format!("  {consequence}"), format!("-{}", consequence.cost()), String::new()]);
        for way in &reached.ways {
            let way_to = format!("    {} → {}", way.cause(), way.primitive);
            table.row([way_to, String::new(), format!("stronger: {}", way.stronger.say(words))]);
        }
    }
    text.push_str(&table.render());
    text
}
