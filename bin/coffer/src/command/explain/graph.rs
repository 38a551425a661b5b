//! The explanation as data: what holds, what does not, and the graph from what a container has,
//! by what it can do, to what comes of it.

use coffer_confine::posture::Score;
use coffer_confine::posture::rules::Rule;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Subject;

/// A node of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Node {
    /// Its name in edges.
    pub(super) id: String,
    /// Which column it stands in.
    pub(super) kind: Kind,
    /// What it says.
    pub(super) text: String,
}

/// The columns of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// What the container has.
    Capability,
    /// What it can do with it.
    Primitive,
    /// What comes of that.
    Consequence,
}

/// The graph of a score.
#[derive(Debug, Default, Serialize)]
pub(super) struct Graph {
    /// The nodes, in the order of their columns.
    pub(super) nodes: Vec<Node>,
    /// From a node to one of the next column.
    pub(super) edges: Vec<(String, String)>,
}

impl Graph {
    /// Draws up the graph.
    pub(super) fn of(score: &Score) -> Self {
        let mut graph = Self::default();
        for reached in &score.reached {
            let end = graph.node(
                Kind::Consequence,
                reached.consequence.id().to_owned(),
                reached.consequence.to_string(),
            );
            for way in &reached.ways {
                let middle =
                    graph.node(Kind::Primitive, id("do", way.primitive), way.primitive.to_owned());
                graph.edges.push((middle.clone(), end.clone()));
                graph.causes(way, &middle);
            }
        }
        graph.edges.dedup();
        graph.nodes.sort_by_key(|node| node.kind as u8);
        graph
    }

    fn causes(&mut self, way: &Rule, to: &str) {
        for need in way.needs {
            let text = need.to_string();
            let from = self.node(Kind::Capability, id("has", &text), text);
            self.edges.push((from, to.to_owned()));
        }
    }

    fn node(&mut self, kind: Kind, id: String, text: String) -> String {
        if !self.nodes.iter().any(|node| node.id == id) {
            self.nodes.push(Node { id: id.clone(), kind, text });
        }
        id
    }
}

/// A name for a node: its words, joined.
fn id(prefix: &str, text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(prefix.to_owned(), |id, word| id + "-" + &word.to_ascii_lowercase())
}

/// What `--json` prints.
pub(super) fn report(subject: &Subject) -> Value {
    let score = subject.posture.score();
    let reached: Vec<Value> = score
        .reached
        .iter()
        .map(|reached| {
            let ways = reached.ways.iter().map(|way| {
                let stronger = way.stronger.say(subject.words);
                json!({ "has": way.cause(), "does": way.primitive, "stronger": stronger })
            });
            json!({
                "consequence": reached.consequence,
                "cost": reached.consequence.cost(),
                "ways": ways.collect::<Vec<Value>>(),
            })
        })
        .collect();
    let mut report = Map::from_iter([("version".to_owned(), json!(1))]);
    report.extend(subject.facts.clone());
    report.insert("controls".to_owned(), json!(subject.controls));
    report.insert("not_protected".to_owned(), json!(subject.gaps));
    report.insert("score".to_owned(), json!({ "points": score.points, "reached": reached }));
    report.insert("graph".to_owned(), json!(Graph::of(&score)));
    Value::Object(report)
}

/// What `--json` prints of a manifest.
pub(super) fn reports(subjects: &[Subject]) -> Value {
    json!({ "version": 1, "containers": subjects.iter().map(report).collect::<Vec<Value>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_nodes_are_words() {
        assert_eq!(id("has", "capability SYS_ADMIN"), "has-capability-sys-admin");
        assert_eq!(id("do", "write /proc & more"), "do-write-proc-more");
    }
}
