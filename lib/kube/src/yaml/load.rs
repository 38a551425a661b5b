//! Events of the parser to values.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{Kind, Node};
use crate::ManifestError;

/// How much is built: more than the largest list that a cluster prints, and far less than memory.
const VALUES: usize = 200_000;

/// How deep it may be nested: custom resources of other kinds stand beside pods.
const DEPTH: usize = 64;

/// The documents of a file, without the empty ones.
pub(crate) fn documents(bytes: &[u8]) -> Result<Vec<Rc<Node>>, ManifestError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::Encoding)?;
    let mut loader = Loader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| ManifestError::Yaml {
            line: error.marker().line(),
            what: error.info().to_owned(),
        })?;
        loader.take(event, span)?;
    }
    loader.documents.retain(|document| !document.is_null());
    Ok(loader.documents)
}

#[derive(Default)]
struct Loader {
    documents: Vec<Rc<Node>>,
    anchors: HashMap<usize, Rc<Node>>,
    open: Vec<Open>,
    /// How many values there are, with all that aliases stand for.
    made: usize,
}

/// A list or map whose end has not come.
struct Open {
    line: usize,
    anchor: usize,
    /// How many values there were before it.
    before: usize,
    kind: Kind,
    keys: HashSet<String>,
    /// A map's key that waits for its value.
    key: Option<String>,
}

impl Loader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ManifestError> {
        let line = span.start.line();
        let form = |what| Err(ManifestError::Form { line, what });
        match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => form("a tag"),
            Event::Scalar(text, style, anchor, None) => {
                let text = text.into_owned();
                let kind = match style {
                    ScalarStyle::Plain => Kind::Plain(text),
                    _ => Kind::Quoted(text),
                };
                self.count(1, line)?;
                self.value(Node { line, size: 1, kind }, anchor)
            }
            Event::SequenceStart(anchor, None) => self.start(line, anchor, Kind::List(Vec::new())),
            Event::MappingStart(anchor, None) => self.start(line, anchor, Kind::Map(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.count(node.size, line)?;
                    self.place(node, line)
                }
                None => form("an alias of what it stands in"),
            },
            _ => Ok(()),
        }
    }

    fn count(&mut self, more: usize, line: usize) -> Result<(), ManifestError> {
        self.made = self.made.saturating_add(more);
        match self.made <= VALUES {
            true => Ok(()),
            false => Err(ManifestError::Large { line, limit: VALUES, what: "values" }),
        }
    }

    fn start(&mut self, line: usize, anchor: usize, kind: Kind) -> Result<(), ManifestError> {
        if self.open.len() == DEPTH {
            return Err(ManifestError::Large { line, limit: DEPTH, what: "levels" });
        }
        let before = self.made;
        self.count(1, line)?;
        self.open.push(Open { line, anchor, before, kind, keys: HashSet::new(), key: None });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ManifestError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let size = self.made - open.before;
        self.value(Node { line: open.line, size, kind: open.kind }, open.anchor)
    }

    fn value(&mut self, node: Node, anchor: usize) -> Result<(), ManifestError> {
        let (line, node) = (node.line, Rc::new(node));
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.place(node, line)
    }

    /// Puts a value where it stands: into what is open, or as a document.
    fn place(&mut self, node: Rc<Node>, line: usize) -> Result<(), ManifestError> {
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match (&mut open.kind, open.key.take()) {
            (Kind::Map(fields), Some(key)) => fields.push((key, node)),
            (Kind::Map(_), None) => open.key = Some(key(&mut open.keys, &node, line)?),
            (Kind::List(items), _) => items.push(node),
            (Kind::Plain(_) | Kind::Quoted(_), _) => {}
        }
        Ok(())
    }
}

/// A key of a map: text that is not there yet.
fn key(keys: &mut HashSet<String>, node: &Node, line: usize) -> Result<String, ManifestError> {
    match &node.kind {
        Kind::Plain(text) if text == "<<" => Err(ManifestError::Form { line, what: "a merge key" }),
        Kind::Plain(text) | Kind::Quoted(text) => match keys.insert(text.clone()) {
            true => Ok(text.clone()),
            false => Err(ManifestError::Twice { line, key: text.clone() }),
        },
        Kind::List(_) | Kind::Map(_) => {
            Err(ManifestError::Form { line, what: "a key that is no text" })
        }
    }
}
