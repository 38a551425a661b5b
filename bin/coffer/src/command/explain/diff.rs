//! `coffer explain diff A B`: what one can do that the other cannot.

use coffer_confine::posture::rules::Rule;
use serde_json::{Value, json};

use super::Subject;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::Json;
use crate::ui::Table;

/// Prints what the second gains and loses over the first.
pub(super) fn run(context: &Context, before: &Subject, after: &Subject, json: &Json) -> Outcome {
    let (old, new) = (before.posture.paths(), after.posture.paths());
    let only = |these: &[&'static Rule], others: &[&'static Rule]| -> Vec<&'static Rule> {
        these.iter().copied().filter(|rule| !others.contains(rule)).collect()
    };
    let (gained, lost) = (only(&new, &old), only(&old, &new));
    let points = [before.posture.score().points, after.posture.score().points];
    let exit = if gained.is_empty() && lost.is_empty() { Exit::DONE } else { Exit::FINDINGS };
    if json.json {
        let ways = |ways: &[&Rule]| -> Vec<Value> { ways.iter().map(|way| value(way)).collect() };
        context.ui.json(&json!({
            "version": 1, "points": points, "gained": ways(&gained), "lost": ways(&lost),
        }))?;
        return Ok(exit);
    }
    for (subject, points) in [before, after].into_iter().zip(points) {
        context.ui.words(&format!("{points:>3} of 100  {}", subject.headline))?;
    }
    let mut table = Table::bare();
    for (mark, ways) in [("+", gained), ("-", lost)] {
        for way in ways {
            let consequence = way.consequence.to_string();
            let done = format!("{} → {}", way.cause(), way.primitive);
            table.row([mark.to_owned(), consequence, done]);
        }
    }
    context.ui.data(table.render_within(context.ui.width()).as_bytes())?;
    if exit == Exit::DONE {
        context.ui.line("both can do the same")?;
    }
    Ok(exit)
}

fn value(way: &Rule) -> Value {
    json!({ "has": way.cause(), "does": way.primitive, "consequence": way.consequence })
}
