//! Where the nodes of the graph stand: three columns, each node beside those that it leads to.

use super::super::graph::{Graph, Kind, Node};

/// Left edges and widths of the columns, in pixels.
const LEFT: [u32; 3] = [0, 410, 920];
const WIDTH: [u32; 3] = [300, 410, 320];
/// Space between nodes, above and below a text, and from line to line.
const GAP: u32 = 12;
const PADDING: u32 = 9;
pub(super) const LINE: u32 = 17;
/// Where nodes begin: under the names of the columns.
const TOP: u32 = 34;
/// As wide as a letter is on average, and as a bold one is.
const LETTER: f32 = 6.7;
const BOLD: f32 = 7.6;

/// A node with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) node: &'a Node,
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) lines: Vec<String>,
}

impl Place<'_> {
    pub(super) fn middle(&self) -> u32 {
        self.y + self.height / 2
    }
}

/// All nodes with their places, and the height of the whole.
pub(super) fn places(graph: &Graph) -> (Vec<Place<'_>>, u32) {
    let mut middle = stack(column(graph, Kind::Primitive));
    let bottom = end(&middle);
    let mut right = column(graph, Kind::Consequence);
    beside(&mut right, &middle, |own, other| leads(graph, other, own), bottom);
    let mut left = column(graph, Kind::Capability);
    beside(&mut left, &middle, |own, other| leads(graph, own, other), bottom);
    let height = [end(&left), bottom, end(&right)].into_iter().max().unwrap_or(TOP);
    left.append(&mut middle);
    left.append(&mut right);
    (left, height)
}

fn leads(graph: &Graph, from: &Node, to: &Node) -> bool {
    graph.edges.iter().any(|(start, end)| *start == from.id && *end == to.id)
}

fn end(column: &[Place<'_>]) -> u32 {
    column.last().map_or(TOP, |last| last.y + last.height) + GAP
}

fn column(graph: &Graph, kind: Kind) -> Vec<Place<'_>> {
    let (x, width) = (LEFT[kind as usize], WIDTH[kind as usize]);
    let place = |node| {
        let lines = wrapped(node, width);
        let height = 2 * PADDING + LINE * u32::try_from(lines.len()).unwrap_or(1);
        Place { node, x, y: TOP, width, height, lines }
    };
    graph.nodes.iter().filter(|node| node.kind == kind).map(place).collect()
}

/// One below the other.
fn stack(mut column: Vec<Place<'_>>) -> Vec<Place<'_>> {
    let mut y = TOP;
    for place in &mut column {
        place.y = y;
        y += place.height + GAP;
    }
    column
}

/// Each at the mean height of those that belong to it, as far as there is room.
fn beside(
    column: &mut [Place<'_>],
    others: &[Place<'_>],
    belongs: impl Fn(&Node, &Node) -> bool,
    bottom: u32,
) {
    for place in column.iter_mut() {
        let mine = others.iter().filter(|other| belongs(place.node, other.node));
        let heights: Vec<u32> = mine.map(Place::middle).collect();
        let count = u32::try_from(heights.len()).unwrap_or(0).max(1);
        let mean = heights.iter().sum::<u32>() / count;
        place.y = mean.saturating_sub(place.height / 2).max(TOP);
    }
    column.sort_by_key(Place::middle);
    let mut limit = bottom;
    for place in column.iter_mut().rev() {
        place.y = place.y.min(limit.saturating_sub(GAP + place.height));
        limit = place.y;
    }
    let mut free = TOP;
    for place in column.iter_mut() {
        place.y = place.y.max(free);
        free = place.y + place.height + GAP;
    }
}

/// The lines of a text that is broken at spaces.
fn wrapped(node: &Node, width: u32) -> Vec<String> {
    let letter = if node.kind == Kind::Consequence { BOLD } else { LETTER };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a width of the page is above zero and far below 2^24"
    )]
    let room = ((width - 3 * PADDING) as f32 / letter) as usize;
    let mut lines: Vec<String> = Vec::new();
    for word in node.text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, kind: Kind, text: &str) -> Node {
        Node { id: id.to_owned(), kind, text: text.to_owned() }
    }

    fn graph() -> Graph {
        let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        Graph {
            nodes: vec![
                node("a", Kind::Capability, "a"),
                node("b", Kind::Capability, "b"),
                node("x", Kind::Primitive, &"many words ".repeat(20)),
                node("y", Kind::Primitive, "y"),
                node("z", Kind::Consequence, "z"),
            ],
            edges: vec![edge("a", "y"), edge("b", "x"), edge("x", "z"), edge("y", "z")],
        }
    }

    #[test]
    fn no_node_covers_another_and_none_leaves_the_page() {
        let graph = graph();
        let (places, height) = places(&graph);
        assert_eq!(places.len(), graph.nodes.len());
        for (i, one) in places.iter().enumerate() {
            assert!(one.y >= TOP && one.y + one.height <= height, "{one:?}");
            for other in places[..i].iter().filter(|other| other.x == one.x) {
                assert!(other.y + other.height < one.y || one.y + one.height < other.y, "{one:?}");
            }
        }
        let at = |id: &str| places.iter().find(|place| place.node.id == id).unwrap();
        assert!(at("b").y < at("a").y, "beside what they lead to");
        assert!(at("x").lines.len() > 3 && at("x").lines.iter().all(|line| line.len() < 60));
    }
}
