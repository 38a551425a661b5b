//! A value and the way to it, read as what its place takes.

use super::{Kind, Node};
use crate::ManifestError;
use crate::fields::{Fields, nearest};

/// A value at its place.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    node: &'a Node,
    path: String,
}

/// What a list or map without anything in it is read as.
const NULLS: [&str; 5] = ["", "~", "null", "Null", "NULL"];

/// What Kubernetes reads as a truth value. Source: sigs.k8s.io/yaml, whose parser is YAML 1.1's.
const TRUE: [&str; 11] = ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"];
const FALSE: [&str; 11] =
    ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"];

impl Node {
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Plain(text) if NULLS.contains(&text.as_str()))
    }

    /// What it is, in words.
    fn words(&self) -> String {
        match &self.kind {
            Kind::Plain(text) => format!("`{}`", short(text)),
            Kind::Quoted(text) => format!("the text {:?}", short(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "an object".to_owned(),
        }
    }
}

/// As much of a text as a message has room for.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

impl<'a> At<'a> {
    /// A whole document.
    pub(crate) fn document(node: &'a Node) -> Self {
        Self { node, path: String::new() }
    }

    /// Its place, such as `spec.containers[0]`.
    pub(crate) fn path(&self) -> &str {
        if self.path.is_empty() { "the document" } else { &self.path }
    }

    pub(crate) fn line(&self) -> usize {
        self.node.line
    }

    /// That it is not what its place takes.
    pub(crate) fn wrong(&self, expected: impl Into<String>) -> ManifestError {
        ManifestError::Value {
            path: self.path().to_owned(),
            line: self.line(),
            found: self.node.words(),
            expected: expected.into(),
        }
    }

    /// That it contradicts another field.
    pub(crate) fn contradicts(&self, what: impl Into<String>) -> ManifestError {
        let path = self.path().to_owned();
        ManifestError::Contradiction { path, line: self.line(), what: what.into() }
    }

    fn below(&self, node: &'a Node, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self { node, path: format!("{}{dot}{name}", self.path) }
    }

    fn entries(&self) -> Result<&'a [(String, std::rc::Rc<Node>)], ManifestError> {
        match &self.node.kind {
            Kind::Map(fields) => Ok(fields),
            _ => Err(self.wrong("an object")),
        }
    }

    /// Refuses fields that are not of `known`.
    pub(crate) fn only(&self, known: Fields) -> Result<(), ManifestError> {
        for (name, node) in self.entries()? {
            if !known.contains(&name.as_str()) {
                let path = self.below(node, name).path;
                let near = nearest(known, name).map(ToOwned::to_owned);
                return Err(ManifestError::Unknown { path, line: node.line, near });
            }
        }
        Ok(())
    }

    /// A field; `None` where it is not there or null.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Self>, ManifestError> {
        let found = self.entries()?.iter().find(|(other, _)| other == name);
        let found = found.filter(|(_, node)| !node.is_null());
        Ok(found.map(|(_, node)| self.below(node, name)))
    }

    /// A field that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<Self, ManifestError> {
        let dot = if self.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{name}", self.path);
        self.get(name)?.ok_or(ManifestError::Missing { path, line: self.line() })
    }

    /// A field, read.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Self) -> Result<T, ManifestError>,
    ) -> Result<Option<T>, ManifestError> {
        self.get(name)?.map(|value| read(&value)).transpose()
    }

    /// All fields of a map.
    pub(crate) fn fields(&self) -> Result<Vec<(&'a str, Self)>, ManifestError> {
        let entries = self.entries()?.iter();
        Ok(entries.map(|(name, node)| (name.as_str(), self.below(node, name))).collect())
    }

    /// The values of a list in a field; none where it is not there.
    pub(crate) fn items(&self, name: &str) -> Result<Vec<Self>, ManifestError> {
        let Some(list) = self.get(name)? else { return Ok(Vec::new()) };
        let Kind::List(items) = &list.node.kind else { return Err(list.wrong("a list")) };
        let numbered = items.iter().enumerate();
        Ok(numbered.map(|(i, node)| Self { node, path: format!("{}[{i}]", list.path) }).collect())
    }

    /// Text.
    pub(crate) fn text(&self) -> Result<String, ManifestError> {
        match &self.node.kind {
            Kind::Plain(text) | Kind::Quoted(text) => Ok(text.clone()),
            Kind::List(_) | Kind::Map(_) => Err(self.wrong("text")),
        }
    }

    /// A truth value.
    pub(crate) fn flag(&self) -> Result<bool, ManifestError> {
        match &self.node.kind {
            Kind::Plain(text) if TRUE.contains(&text.as_str()) => Ok(true),
            Kind::Plain(text) if FALSE.contains(&text.as_str()) => Ok(false),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// A number from 0 on, in decimal: other forms differ between versions of YAML.
    pub(crate) fn number(&self) -> Result<u64, ManifestError> {
        let number = match &self.node.kind {
            Kind::Plain(text) if text == "0" || !text.starts_with(['0', '+']) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.wrong("a number"))
    }

    /// One of `words`.
    pub(crate) fn one_of(&self, words: &[&'static str]) -> Result<&'static str, ManifestError> {
        let text = self.text()?;
        let found = words.iter().find(|word| **word == text);
        found.copied().ok_or_else(|| self.wrong(words.join(" or ")))
    }
}
