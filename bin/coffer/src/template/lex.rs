//! The words of an action.

use serde_json::Value;

use super::TemplateError;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `.A.B`; none for a bare `.`.
    Fields(Vec<String>),
    /// `$x`; an empty name for `$`.
    Variable(String),
    /// A name: of a function, or of what an action does.
    Word(String),
    /// A string or a number.
    Literal(Value),
    /// `|`.
    Pipe,
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `,`.
    Comma,
    /// `:=`.
    Becomes,
}

/// Whether `c` may stand in a name.
fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Cuts what stands between `{{` and `}}` into words. Gives what stands behind `}}`, too.
pub(super) fn action(text: &str) -> Result<(Vec<Token>, &str), TemplateError> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix("}}") {
            return Ok((tokens, behind));
        }
        if let Some(behind) = rest.strip_prefix("-}}") {
            return Ok((tokens, behind.trim_start()));
        }
        let (token, behind) = token(rest)?;
        tokens.push(token);
        rest = behind;
    }
}

fn token(text: &str) -> Result<(Token, &str), TemplateError> {
    let first = text.chars().next().ok_or(TemplateError::Open("an action"))?;
    let behind = text.get(first.len_utf8()..).unwrap_or_default();
    Ok(match first {
        '|' => (Token::Pipe, behind),
        '(' => (Token::Open, behind),
        ')' => (Token::Close, behind),
        ',' => (Token::Comma, behind),
        ':' if behind.starts_with('=') => {
            (Token::Becomes, behind.strip_prefix('=').unwrap_or(behind))
        }
        '.' => fields(text),
        '$' => {
            let (name, behind) = name(behind);
            (Token::Variable(name.to_owned()), behind)
        }
        '"' => quoted(behind)?,
        '`' => {
            let (raw, behind) = behind.split_once('`').ok_or(TemplateError::Open("a string"))?;
            (Token::Literal(raw.into()), behind)
        }
        '0'..='9' | '-' => number(text, first)?,
        c if is_name(c) => {
            let (name, behind) = name(text);
            (Token::Word(name.to_owned()), behind)
        }
        c => return Err(TemplateError::Character(c)),
    })
}

fn name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()))
}

/// `.A.B`, up to what is no field any more.
fn fields(mut text: &str) -> (Token, &str) {
    let mut fields = Vec::new();
    while let Some(behind) = text.strip_prefix('.') {
        let (field, behind) = name(behind);
        text = behind;
        if field.is_empty() {
            break;
        }
        fields.push(field.to_owned());
    }
    (Token::Fields(fields), text)
}

fn number(text: &str, first: char) -> Result<(Token, &str), TemplateError> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let (digits, behind) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
    let number: serde_json::Number = digits.parse().map_err(|_| TemplateError::Character(first))?;
    Ok((Token::Literal(Value::Number(number)), behind))
}

/// A string with escapes, behind its first quote.
fn quoted(text: &str) -> Result<(Token, &str), TemplateError> {
    let mut string = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Literal(string.into()), text.get(at + 1..).unwrap_or(""))),
            '\\' => string.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, 't')) => '\t',
                Some((_, 'r')) => '\r',
                Some((_, c @ ('"' | '\\' | '\''))) => c,
                Some((_, c)) => return Err(TemplateError::Character(c)),
                None => break,
            }),
            c => string.push(c),
        }
    }
    Err(TemplateError::Open("a string"))
}
