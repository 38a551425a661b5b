//! Whether a template asks for fields that there are, before there is anything to fill it with.

use serde_json::Value;

use super::TemplateError;
use super::eval::field;
use super::parse::{Kind, Node, Operand, Pipe, Start};

/// What `.` stands for.
#[derive(Clone, Copy)]
enum Here {
    /// The whole.
    Whole,
    /// A part of it, of which nothing is known.
    Part,
}

/// Looks through `nodes` for fields that `known` has not. Every branch is looked at, taken or not.
pub(super) fn check(nodes: &[Node], known: &Value) -> Result<(), TemplateError> {
    all(nodes, known, Here::Whole)
}

fn all(nodes: &[Node], known: &Value, here: Here) -> Result<(), TemplateError> {
    nodes.iter().try_for_each(|node| match node {
        Node::Text(_) => Ok(()),
        Node::Print(value) => pipe(value, known, here),
        Node::Block(block) => {
            pipe(&block.pipe, known, here)?;
            let inside = if block.kind == Kind::If { here } else { Here::Part };
            all(&block.body, known, inside)?;
            all(&block.other, known, here)
        }
    })
}

fn pipe(pipe: &Pipe, known: &Value, here: Here) -> Result<(), TemplateError> {
    pipe.iter().flatten().try_for_each(|operand| one(operand, known, here))
}

fn one(operand: &Operand, known: &Value, here: Here) -> Result<(), TemplateError> {
    let Operand::Path(start, fields) = operand else { return Ok(()) };
    match (start, here) {
        (Start::Pipe(inner), _) => pipe(inner, known, here),
        (Start::Here, Here::Whole) => path(fields, known),
        (Start::Variable(name), _) if name.is_empty() => path(fields, known),
        (Start::Here, Here::Part) | (Start::Variable(_), _) => Ok(()),
    }
}

fn path(fields: &[String], known: &Value) -> Result<(), TemplateError> {
    let start = std::borrow::Cow::Borrowed(known);
    fields.iter().try_fold(start, |at, name| field(at, name)).map(drop)
}
