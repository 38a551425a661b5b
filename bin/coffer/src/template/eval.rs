//! From parts and data to text.

use std::borrow::Cow;

use serde_json::Value;

use super::TemplateError;
use super::function::{self, is_true, show};
use super::parse::{Block, Kind, Node, Operand, Pipe, Start};
use crate::ui;

/// What a template sees at one place.
struct Scope<'a> {
    whole: &'a Value,
    here: &'a Value,
    variables: Vec<(&'a str, Cow<'a, Value>)>,
}

/// Fills `nodes` with `data`.
pub(super) fn fill(nodes: &[Node], data: &Value) -> Result<String, TemplateError> {
    let mut text = String::new();
    let scope = Scope { whole: data, here: data, variables: Vec::new() };
    print(nodes, &scope, &mut text)?;
    Ok(text)
}

fn print(nodes: &[Node], scope: &Scope<'_>, text: &mut String) -> Result<(), TemplateError> {
    nodes.iter().try_for_each(|node| match node {
        Node::Text(words) => {
            text.push_str(words);
            Ok(())
        }
        Node::Print(pipe) => {
            // What an image or a container is called is nobody's word.
            text.push_str(&ui::escape_lines(&show(&*value(pipe, scope)?)));
            Ok(())
        }
        Node::Block(block) => print_block(block, scope, text),
    })
}

fn print_block(block: &Block, scope: &Scope<'_>, text: &mut String) -> Result<(), TemplateError> {
    let found = value(&block.pipe, scope)?;
    if !is_true(&found) {
        return print(&block.other, scope, text);
    }
    match block.kind {
        Kind::If => print(&block.body, scope, text),
        Kind::With => print(&block.body, &scope.with(&found, block, None), text),
        Kind::Range => entries(&found)?.into_iter().try_for_each(|(key, value)| {
            print(&block.body, &scope.with(value, block, Some(key)), text)
        }),
    }
}

/// The keys and values that a range goes through.
fn entries(value: &Value) -> Result<Vec<(Value, &Value)>, TemplateError> {
    match value {
        Value::Array(list) => Ok(list.iter().enumerate().map(|(i, v)| (i.into(), v)).collect()),
        Value::Object(map) => Ok(map.iter().map(|(k, v)| (k.clone().into(), v)).collect()),
        other => Err(TemplateError::Range(other.to_string())),
    }
}

impl<'a> Scope<'a> {
    /// The scope in a block, where `here` is what it stands at.
    fn with<'b>(&'b self, here: &'b Value, block: &'b Block, key: Option<Value>) -> Scope<'b> {
        let mut variables: Vec<(&str, Cow<'_, Value>)> =
            self.variables.iter().map(|(name, v)| (*name, Cow::Borrowed(&**v))).collect();
        match (block.variables.as_slice(), key) {
            ([k, v], Some(key)) => {
                variables.push((k, Cow::Owned(key)));
                variables.push((v, Cow::Borrowed(here)));
            }
            ([v], _) => variables.push((v, Cow::Borrowed(here))),
            _ => {}
        }
        Scope { whole: self.whole, here, variables }
    }

    fn variable(&self, name: &str) -> Result<&Value, TemplateError> {
        if name.is_empty() {
            return Ok(self.whole);
        }
        let found = self.variables.iter().rev().find(|(known, _)| *known == name);
        found.map(|(_, v)| &**v).ok_or_else(|| TemplateError::Variable(name.to_owned()))
    }
}

fn value<'a>(pipe: &Pipe, scope: &'a Scope<'_>) -> Result<Cow<'a, Value>, TemplateError> {
    let mut given: Option<Cow<'a, Value>> = None;
    for command in pipe {
        given = Some(call(command, given, scope)?);
    }
    Ok(given.unwrap_or(Cow::Owned(Value::Null)))
}

/// What a command gives, with `last` as its last argument.
fn call<'a>(
    command: &[Operand],
    last: Option<Cow<'a, Value>>,
    scope: &'a Scope<'_>,
) -> Result<Cow<'a, Value>, TemplateError> {
    let Some((first, rest)) = command.split_first() else {
        return Err(TemplateError::Wanted("a value"));
    };
    let arguments = rest.iter().map(|o| one(o, scope)).chain(last.map(Ok));
    let arguments: Vec<Cow<'_, Value>> = arguments.collect::<Result<_, _>>()?;
    match first {
        Operand::Function(name) => function::call(name, &arguments).map(Cow::Owned),
        _ if arguments.is_empty() => one(first, scope),
        // Docker's methods, `.Label "name"` among them, look something up.
        _ => {
            let mut all = vec![one(first, scope)?];
            all.extend(arguments);
            function::call("index", &all).map(Cow::Owned)
        }
    }
}

fn one<'a>(operand: &Operand, scope: &'a Scope<'_>) -> Result<Cow<'a, Value>, TemplateError> {
    match operand {
        Operand::Literal(value) => Ok(Cow::Owned(value.clone())),
        Operand::Function(name) => function::call(name, &[]).map(Cow::Owned),
        Operand::Path(start, fields) => {
            let start = match start {
                Start::Here => Cow::Borrowed(scope.here),
                Start::Variable(name) => Cow::Borrowed(scope.variable(name)?),
                Start::Pipe(pipe) => value(pipe, scope)?,
            };
            fields.iter().try_fold(start, |at, name| field(at, name))
        }
    }
}

/// The field `name` of a value.
pub(super) fn field<'a>(of: Cow<'a, Value>, name: &str) -> Result<Cow<'a, Value>, TemplateError> {
    let missing = |of: &Value| match of {
        Value::Object(map) => {
            TemplateError::Field { field: name.to_owned(), there: map.keys().cloned().collect() }
        }
        other => TemplateError::NoFields(other.to_string(), name.to_owned()),
    };
    match of {
        Cow::Borrowed(value) => value.get(name).map(Cow::Borrowed).ok_or_else(|| missing(value)),
        Cow::Owned(value) => {
            value.get(name).cloned().map(Cow::Owned).ok_or_else(|| missing(&value))
        }
    }
}
