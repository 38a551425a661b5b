//! Bytes to documents: YAML as far as manifests use it, with the line of everything.
//!
//! Size, depth and what aliases make of it are bounded before anything is built. What YAML's
//! versions read differently is refused or left as written: keys that stand twice, merge keys,
//! tags. Source: YAML 1.2.2; what Kubernetes itself reads is sigs.k8s.io/yaml.

mod at;
mod load;

use std::rc::Rc;

pub(crate) use at::At;
pub(crate) use load::documents;

/// A value with its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    line: usize,
    /// How many values it is, with all that aliases stand for.
    size: usize,
    kind: Kind,
}

/// What a value is.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// Text as written without quotes: its meaning depends on the place.
    Plain(String),
    /// Text in quotes or a block.
    Quoted(String),
    List(Vec<Rc<Node>>),
    Map(Vec<(String, Rc<Node>)>),
}
