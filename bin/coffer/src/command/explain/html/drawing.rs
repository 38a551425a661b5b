//! The graph as SVG: boxes in three columns, and lines from each to what it leads to.

use super::super::graph::{Graph, Kind};
use super::layout::{self, Place};
use super::{escape, push};

/// What the columns are called, and where they begin.
const HEADS: [(u32, &str); 3] = [(0, "it has"), (410, "so it can"), (920, "and what comes of it")];

/// The drawing. Each box and each line has the consequence that it leads to as a class.
pub(super) fn svg(graph: &Graph) -> String {
    let (places, height) = layout::places(graph);
    let mut svg = format!(
        "<svg viewBox=\"-1 0 1242 {height}\" role=\"img\" aria-label=\"What it has, what it can do \
         with that, and what comes of it\">\n"
    );
    for (x, head) in HEADS {
        push(&mut svg, format_args!("<text class=\"head\" x=\"{x}\" y=\"14\">{head}</text>\n"));
    }
    let place = |id: &str| places.iter().find(|place| place.node.id == id);
    for (from, to) in &graph.edges {
        if let (Some(from), Some(to)) = (place(from), place(to)) {
            edge(&mut svg, from, to, outcome(graph, &to.node.id));
        }
    }
    places.iter().for_each(|place| node(&mut svg, place, outcome(graph, &place.node.id)));
    svg + "</svg>\n"
}

/// The consequence that a node is or leads to, the worst first: edges are drawn up that way.
fn outcome<'a>(graph: &'a Graph, id: &'a str) -> &'a str {
    let next = graph.edges.iter().find(|(from, _)| from == id);
    next.map_or(id, |(_, to)| outcome(graph, to))
}

fn edge(svg: &mut String, from: &Place<'_>, to: &Place<'_>, outcome: &str) {
    let (x, y) = (from.x + from.width, from.middle());
    let (right, end) = (to.x, to.middle());
    let half = x.midpoint(right);
    push(
        svg,
        format_args!(
            "<path class=\"edge {outcome}\" d=\"M{x} {y}C{half} {y} {half} {end} {right} {end}\"/>\n"
        ),
    );
}

fn node(svg: &mut String, place: &Place<'_>, outcome: &str) {
    let class = match place.node.kind {
        Kind::Capability => "capability",
        Kind::Primitive => "primitive",
        Kind::Consequence => "consequence",
    };
    let Place { x, y, width, height, .. } = place;
    push(
        svg,
        format_args!(
            "<g class=\"node {class} {outcome}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" \
             height=\"{height}\" rx=\"7\"/><text>"
        ),
    );
    for (line, text) in (1..).zip(&place.lines) {
        let (left, base, text) = (x + 12, y + 5 + line * layout::LINE, escape(text));
        push(svg, format_args!("<tspan x=\"{left}\" y=\"{base}\">{text} </tspan>"));
    }
    svg.push_str("</text></g>\n");
}
