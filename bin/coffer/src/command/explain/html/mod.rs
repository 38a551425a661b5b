//! The explanation as a page: one file that needs nothing else, with the graph drawn.
//!
//! Nothing in it is fetched and nothing runs, and its own policy says so to the browser: the
//! drawing is SVG, and its words are escaped.

mod drawing;
mod layout;

use std::fmt::Write as _;

use coffer_confine::posture::{Consequence, Score};

use super::Subject;
use super::graph::Graph;

const STYLE: &str = include_str!("style.css");

/// Lets a browser that is lied to fetch nothing all the same.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page of one subject or more.
pub(super) fn page(subjects: &[Subject]) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    push(
        &mut page,
        format_args!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n"),
    );
    page.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    let title = subjects.first().map_or("", |subject| &subject.headline);
    let title = escape(words(title).first().unwrap_or(&""));
    push(&mut page, format_args!("<title>{title} explained</title>\n<style>\n{STYLE}</style>\n"));
    for subject in subjects {
        section(&mut page, subject);
    }
    page.push_str("</html>\n");
    page
}

/// The parts of a headline, which two spaces divide.
fn words(headline: &str) -> Vec<&str> {
    headline.split("  ").filter(|part| !part.is_empty()).collect()
}

fn section(page: &mut String, subject: &Subject) {
    let score = subject.posture.score();
    page.push_str("<main>\n");
    head(page, subject, &score);
    page.push_str("<h2>What can come of it</h2>\n<div class=\"consequences\">\n");
    Consequence::ALL.into_iter().for_each(|consequence| card(page, consequence, &score));
    page.push_str("</div>\n<div class=\"graph\" tabindex=\"0\">\n");
    page.push_str(&drawing::svg(&Graph::of(&score)));
    page.push_str("</div>\n");
    tables(page, subject, &score);
    page.push_str("</main>\n");
}

fn head(page: &mut String, subject: &Subject, score: &Score) {
    let parts = words(&subject.headline);
    let (name, rest) = parts.split_first().map_or(("", &[][..]), |(name, rest)| (*name, rest));
    let (name, points) = (escape(name), score.points);
    push(page, format_args!("<header>\n<div><h1>{name}</h1>\n<p>"));
    for part in rest {
        push(page, format_args!("<span>{}</span> ", escape(part)));
    }
    push(
        page,
        format_args!(
            "</p></div>\n<div class=\"score\" style=\"--points:{points}\"><b>{points}</b>\
             <small>of 100</small></div>\n</header>\n"
        ),
    );
}

/// Whether a consequence can be reached, and what it costs.
fn card(page: &mut String, consequence: Consequence, score: &Score) {
    let reached = score.reached.iter().find(|reached| reached.consequence == consequence);
    let (state, cost) = match reached {
        Some(reached) => {
            let ways = reached.ways.len();
            let plural = if ways == 1 { "" } else { "s" };
            ("reached", format!("−{} · {ways} way{plural}", consequence.cost()))
        }
        None => ("closed", "not reached".to_owned()),
    };
    let (id, words) = (consequence.id(), escape(&consequence.to_string()));
    push(page, format_args!("<div class=\"{state} {id}\"><b>{words}</b><i>{cost}</i></div>\n"));
}

fn tables(page: &mut String, subject: &Subject, score: &Score) {
    table(page, "What holds", ["control", "value", "set by"]);
    for control in &subject.controls {
        row(page, "", [control.control, &control.value, &control.set_by]);
    }
    page.push_str("</table>\n");
    table(page, "Not protected", ["what", "from", "stronger"]);
    for gap in &subject.gaps {
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        let class = if gap.from.is_some() { "opened" } else { "" };
        row(page, class, [&gap.what, &word(&gap.from), &word(&gap.stronger)]);
    }
    page.push_str("</table>\n");
    table(page, "What would be stronger", ["with", "it can", "stronger"]);
    for way in score.reached.iter().flat_map(|reached| &reached.ways) {
        row(page, "", [&way.cause(), way.primitive, &way.stronger.say(subject.words)]);
    }
    page.push_str("</table>\n");
}

fn table(page: &mut String, title: &str, heads: [&str; 3]) {
    let [a, b, c] = heads;
    push(page, format_args!("<h2>{title}</h2>\n<table>\n<tr><th>{a}<th>{b}<th>{c}\n"));
}

fn row(page: &mut String, class: &str, cells: [&str; 3]) {
    let [a, b, c] = cells.map(escape);
    push(page, format_args!("<tr class=\"{class}\"><td>{a}<td>{b}<td>{c}\n"));
}

/// Text that is nothing but text in HTML and SVG; control characters are left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// Writing to a String cannot fail.
fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_words() {
        assert_eq!(escape("<img src=x onerror='a'>\x1b"), "&lt;img src=x onerror=&#39;a&#39;&gt;");
    }
}
