//! The explanation as a page: one file that needs nothing else, with the graph drawn.
//!
//! Nothing in it is fetched and nothing runs: the drawing is SVG, and its words are escaped.

use std::fmt::Write as _;

use super::Subject;
use super::graph::{Graph, Kind, Node};

/// Sizes of the drawing, in pixels.
const COLUMNS: [u32; 3] = [10, 420, 900];
const WIDTH: [u32; 3] = [330, 420, 330];
const ROW: u32 = 34;
const BOX: u32 = 26;
const TOP: u32 = 30;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1260px;\
    padding:0 1em;color:#1b2a33;background:#fff}table{border-collapse:collapse}td,th{text-align:left;\
    padding:.15em 1.2em .15em 0;vertical-align:top}th{border-bottom:1px solid #9ab}svg{max-width:100%;\
    height:auto}rect{fill:#eef3f6;stroke:#9ab}.consequence rect{fill:#fbe9e4;stroke:#c86}\
    path{fill:none;stroke:#789;stroke-opacity:.6}text{font-size:13px;fill:#1b2a33}";

/// The page of a subject.
pub(super) fn page(subject: &Subject) -> String {
    let score = subject.posture.score();
    let mut page = String::from("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n");
    let title = escape(&subject.headline);
    push(&mut page, format_args!("<title>{title}</title>\n<style>{STYLE}</style>\n"));
    push(&mut page, format_args!("<h1>{title}</h1>\n<p>{} of 100 points\n", score.points));
    page.push_str("<h2>What can come of it</h2>\n");
    page.push_str(&drawing(&Graph::of(&score)));
    page.push_str("<h2>What holds</h2>\n<table><tr><th>control<th>value<th>set by\n");
    for control in &subject.controls {
        row(&mut page, [control.control, &control.value, &control.set_by]);
    }
    page.push_str("</table>\n<h2>Not protected</h2>\n<table><tr><th>what<th>from<th>stronger\n");
    for gap in &subject.gaps {
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        row(&mut page, [&gap.what, &word(&gap.from), &word(&gap.stronger)]);
    }
    page.push_str(
        "</table>\n<h2>What would be stronger</h2>\n<table><tr><th>with<th>it can<th>stronger\n",
    );
    for way in score.reached.iter().flat_map(|reached| &reached.ways) {
        row(&mut page, [&way.cause(), way.primitive, way.stronger]);
    }
    page.push_str("</table>\n</html>\n");
    page
}

fn row(page: &mut String, cells: [&str; 3]) {
    let [a, b, c] = cells.map(escape);
    push(page, format_args!("<tr><td>{a}<td>{b}<td>{c}\n"));
}

/// Three columns of boxes with lines between them.
fn drawing(graph: &Graph) -> String {
    let place = |id: &str| {
        let node = graph.nodes.iter().find(|node| node.id == id)?;
        let column: Vec<&Node> = graph.nodes.iter().filter(|n| n.kind == node.kind).collect();
        let line = column.iter().position(|other| other.id == id)?;
        Some((node.kind as usize, TOP + ROW * u32::try_from(line).ok()?))
    };
    let longest = [Kind::Capability, Kind::Primitive, Kind::Consequence]
        .map(|kind| graph.nodes.iter().filter(|node| node.kind == kind).count())
        .into_iter()
        .max()
        .unwrap_or(0);
    let height = TOP + ROW * (u32::try_from(longest).unwrap_or(0) + 1);
    let mut svg = format!("<svg viewBox=\"0 0 1240 {height}\" role=\"img\">\n");
    for (from, to) in &graph.edges {
        let (Some((left, y)), Some((right, end))) = (place(from), place(to)) else { continue };
        let (x, ends) = (COLUMNS[left] + WIDTH[left], COLUMNS[right]);
        let (y, end, half) = (y + BOX / 2, end + BOX / 2, x.midpoint(ends));
        push(
            &mut svg,
            format_args!("<path d=\"M{x} {y}C{half} {y} {half} {end} {ends} {end}\"/>\n"),
        );
    }
    for node in &graph.nodes {
        if let Some((column, y)) = place(&node.id) {
            push_box(&mut svg, node, COLUMNS[column], y, WIDTH[column]);
        }
    }
    svg + "</svg>\n"
}

fn push_box(svg: &mut String, node: &Node, x: u32, y: u32, width: u32) {
    let class = match node.kind {
        Kind::Capability => "capability",
        Kind::Primitive => "primitive",
        Kind::Consequence => "consequence",
    };
    let (text_x, text_y) = (x + 8, y + 18);
    let text = escape(&shortened(&node.text, width));
    let whole = escape(&node.text);
    push(
        svg,
        format_args!(
            "<g class=\"{class}\"><title>{whole}</title>\
             <rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX}\" rx=\"4\"/>\
             <text x=\"{text_x}\" y=\"{text_y}\">{text}</text></g>\n"
        ),
    );
}

/// As much of a text as a box holds, at about seven pixels a letter.
fn shortened(text: &str, width: u32) -> String {
    let room = usize::try_from(width / 7).unwrap_or(0);
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let start: String = text.chars().take(room.saturating_sub(1)).collect();
    start + "…"
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
        assert_eq!(shortened("abcdefghij", 35), "abcd…");
    }
}
