//! From text to parts: a grammar by descent, bounded in its depth.

use std::collections::VecDeque;

use serde_json::Value;

use super::lex::{self, Token};
use super::{TemplateError, function};

/// No template is nested more deeply.
const DEEPEST: usize = 50;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Text.
    Text(String),
    /// A value to print.
    Print(Pipe),
    /// `if`, `with` or `range`.
    Block(Box<Block>),
}

/// A part that holds others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) kind: Kind,
    /// The variables that it sets: none, the value, or the key and the value.
    pub(super) variables: Vec<String>,
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) other: Vec<Node>,
}

/// What a block does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    If,
    With,
    Range,
}

/// Commands, each of which is handed what the one before it gave.
pub(super) type Pipe = Vec<Vec<Operand>>;

/// A part of a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    /// A function of that name.
    Function(&'static str),
    /// A string, a number, true, false or nil.
    Literal(Value),
    /// Fields of something.
    Path(Start, Vec<String>),
}

/// Where a path begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Start {
    /// `.`
    Here,
    /// `$x`, or `$` for the whole.
    Variable(String),
    /// `( … )`
    Pipe(Pipe),
}

/// How a list of parts ended.
enum Close {
    Text,
    End,
    Else(VecDeque<Token>),
}

/// Reads a whole template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let mut rest = text;
    match nodes(&mut rest, 0)? {
        (nodes, Close::Text) => Ok(nodes),
        _ => Err(TemplateError::Wanted("an action that {{end}} ends")),
    }
}

fn nodes(rest: &mut &str, depth: usize) -> Result<(Vec<Node>, Close), TemplateError> {
    if depth > DEEPEST {
        return Err(TemplateError::Deep);
    }
    let mut nodes = Vec::new();
    loop {
        let Some((text, action)) = rest.split_once("{{") else {
            nodes.push(Node::Text(std::mem::take(rest).to_owned()));
            return Ok((nodes, Close::Text));
        };
        let (text, action) = match action.strip_prefix('-') {
            Some(behind) if behind.starts_with(char::is_whitespace) => (text.trim_end(), behind),
            _ => (text, action),
        };
        nodes.push(Node::Text(text.to_owned()));
        if let Some(behind) = comment(action)? {
            *rest = behind;
            continue;
        }
        let (tokens, behind) = lex::action(action)?;
        *rest = behind;
        let mut tokens = VecDeque::from(tokens);
        let word = match tokens.front() {
            Some(Token::Word(word)) => word.clone(),
            _ => String::new(),
        };
        match word.as_str() {
            "end" => return Ok((nodes, Close::End)),
            "else" => {
                tokens.pop_front();
                return Ok((nodes, Close::Else(tokens)));
            }
            "if" | "with" | "range" => {
                nodes.push(Node::Block(Box::new(block(tokens, rest, depth + 1)?)));
            }
            _ => nodes.push(Node::Print(whole_pipe(tokens)?)),
        }
    }
}

/// What stands behind a comment, where one stands there.
fn comment(action: &str) -> Result<Option<&str>, TemplateError> {
    let Some(words) = action.trim_start().strip_prefix("/*") else { return Ok(None) };
    let open = || TemplateError::Open("a comment");
    let (_, behind) = words.split_once("*/").ok_or_else(open)?;
    let behind = behind.trim_start();
    match behind.strip_prefix("-}}") {
        Some(behind) => Ok(Some(behind.trim_start())),
        None => behind.strip_prefix("}}").map(Some).ok_or_else(open),
    }
}

/// A block, behind its first action: its words are `tokens`.
fn block(
    mut tokens: VecDeque<Token>,
    rest: &mut &str,
    depth: usize,
) -> Result<Block, TemplateError> {
    let kind = match tokens.pop_front() {
        Some(Token::Word(word)) if word == "if" => Kind::If,
        Some(Token::Word(word)) if word == "with" => Kind::With,
        _ => Kind::Range,
    };
    let variables = variables(&mut tokens);
    let pipe = whole_pipe(tokens)?;
    let (body, end) = nodes(rest, depth)?;
    let other = match end {
        Close::End => Vec::new(),
        Close::Text => return Err(TemplateError::Wanted("{{end}}")),
        // `else if` is an `if` in the `else`, and both end with one `end`.
        Close::Else(tokens) if !tokens.is_empty() => {
            vec![Node::Block(Box::new(block(tokens, rest, depth + 1)?))]
        }
        Close::Else(_) => match nodes(rest, depth)? {
            (other, Close::End) => other,
            _ => return Err(TemplateError::Wanted("{{end}}")),
        },
    };
    Ok(Block { kind, variables, pipe, body, other })
}

/// `$value :=` or `$key, $value :=`.
fn variables(tokens: &mut VecDeque<Token>) -> Vec<String> {
    use Token::{Becomes, Comma, Variable};
    let (found, count) = match tokens.make_contiguous() {
        [Variable(value), Becomes, ..] => (vec![value.clone()], 2),
        [Variable(key), Comma, Variable(value), Becomes, ..] => {
            (vec![key.clone(), value.clone()], 4)
        }
        _ => return Vec::new(),
    };
    tokens.drain(..count);
    found
}

fn whole_pipe(mut tokens: VecDeque<Token>) -> Result<Pipe, TemplateError> {
    let pipe = pipe(&mut tokens, 0)?;
    match tokens.pop_front() {
        None => Ok(pipe),
        Some(Token::Close) => Err(TemplateError::Wanted("a ( for each )")),
        Some(_) => Err(TemplateError::Wanted("one value")),
    }
}

fn pipe(tokens: &mut VecDeque<Token>, depth: usize) -> Result<Pipe, TemplateError> {
    if depth > DEEPEST {
        return Err(TemplateError::Deep);
    }
    let mut commands: Pipe = Vec::new();
    loop {
        let command = command(tokens, depth)?;
        if !commands.is_empty() && !matches!(command.first(), Some(Operand::Function(_))) {
            return Err(TemplateError::Wanted("a function behind |"));
        }
        commands.push(command);
        match tokens.front() {
            Some(Token::Pipe) => drop(tokens.pop_front()),
            _ => return Ok(commands),
        }
    }
}

fn command(tokens: &mut VecDeque<Token>, depth: usize) -> Result<Vec<Operand>, TemplateError> {
    let mut operands = Vec::new();
    while let Some(operand) = operand(tokens, depth)? {
        operands.push(operand);
    }
    match operands.as_slice() {
        [] => Err(TemplateError::Wanted("a value")),
        [Operand::Literal(_), _, ..] => Err(TemplateError::Wanted("a function")),
        _ => Ok(operands),
    }
}

/// The next operand; `None` where something else stands there.
fn operand(tokens: &mut VecDeque<Token>, depth: usize) -> Result<Option<Operand>, TemplateError> {
    let token = match tokens.front() {
        None | Some(Token::Pipe | Token::Close) => return Ok(None),
        Some(Token::Comma | Token::Becomes) => return Err(TemplateError::Wanted("a value")),
        Some(_) => tokens.pop_front(),
    };
    Ok(Some(match token {
        Some(Token::Fields(fields)) => Operand::Path(Start::Here, fields),
        Some(Token::Variable(name)) => Operand::Path(Start::Variable(name), joined(tokens)),
        Some(Token::Literal(value)) => Operand::Literal(value),
        Some(Token::Word(word)) => match word.as_str() {
            "true" => Operand::Literal(true.into()),
            "false" => Operand::Literal(false.into()),
            "nil" => Operand::Literal(Value::Null),
            _ => Operand::Function(function::find(&word)?),
        },
        _ => {
            let inner = pipe(tokens, depth + 1)?;
            match tokens.pop_front() {
                Some(Token::Close) => Operand::Path(Start::Pipe(inner), joined(tokens)),
                _ => return Err(TemplateError::Wanted("a ) for each (")),
            }
        }
    }))
}

/// The fields behind a variable or a bracket. A blank between them would make them another
/// operand; nobody writes that, and it is taken as if there was none.
fn joined(tokens: &mut VecDeque<Token>) -> Vec<String> {
    match tokens.front() {
        Some(Token::Fields(fields)) if !fields.is_empty() => {
            let fields = fields.clone();
            tokens.pop_front();
            fields
        }
        _ => Vec::new(),
    }
}
