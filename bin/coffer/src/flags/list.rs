//! Flags of verbs that list.

use serde_json::Value;

use super::{Format, Json};
use crate::failure::Failure;
use crate::template::{self, Template};
use crate::ui::Table;

/// For `ps`, `images` and their like.
#[derive(Debug, clap::Args)]
pub(crate) struct ListFlags {
    /// Print ids only
    #[arg(short, long, conflicts_with = "format")]
    quiet: bool,
    /// Do not shorten ids and commands
    #[arg(long)]
    pub(crate) no_trunc: bool,
    #[command(flatten)]
    format: FormatFlags,
}

/// For verbs that print docker's fields.
#[derive(Debug, clap::Args)]
pub(crate) struct FormatFlags {
    /// table; json: docker's own fields, an object on each line; or a Go template of these fields
    #[arg(long, value_name = "FORMAT", default_value = "table", conflicts_with = "json")]
    format: Format,
    #[command(flatten)]
    json: Json,
}

/// How a list is to be printed.
#[derive(Clone, Debug)]
pub(crate) enum Form<'a> {
    /// Ours, for programs.
    Json,
    /// Docker's fields.
    Docker(Columns<'a>),
    /// Ids, one on each line.
    Ids,
    /// For people.
    Table,
}

/// Docker's fields, each of which has a heading.
#[derive(Clone, Debug)]
pub(crate) struct Columns<'a> {
    heading: Value,
    fields: Fields<'a>,
}

/// What becomes of docker's fields.
#[derive(Clone, Copy, Debug)]
enum Fields<'a> {
    /// An object on each line.
    Json,
    /// As the template says, a line for each.
    Template(&'a Template),
    /// The same in columns, under headings.
    TableOf(&'a Template),
}

impl ListFlags {
    /// As [`FormatFlags::form`].
    pub(crate) fn form(&self, heading: Value) -> Result<Form<'_>, Failure> {
        if self.quiet { Ok(Form::Ids) } else { self.format.form(heading) }
    }
}

impl FormatFlags {
    /// What the flags ask for, where each of docker's fields is one of `heading`. A template that
    /// asks for another is an error now, whether anything will be listed or not.
    pub(crate) fn form(&self, heading: Value) -> Result<Form<'_>, Failure> {
        let fields = match (self.json.json, &self.format) {
            (true, _) => return Ok(Form::Json),
            (false, Format::Table) => return Ok(Form::Table),
            (false, Format::Json) => Fields::Json,
            (false, Format::Template(template)) => Fields::Template(template),
            (false, Format::TableOf(template)) => Fields::TableOf(template),
        };
        if let Fields::Template(template) | Fields::TableOf(template) = fields {
            template.check(&heading).map_err(|error| template::failure(&error))?;
        }
        Ok(Form::Docker(Columns { heading, fields }))
    }
}

impl Columns<'_> {
    /// Whether what is printed is all of docker's fields, and nothing else.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.fields, Fields::Json)
    }

    /// The text for `rows`.
    pub(crate) fn render(&self, rows: &[Value]) -> Result<String, Failure> {
        let fill = |template: &Template, row: &Value| {
            template.fill(row).map_err(|error| template::failure(&error))
        };
        match self.fields {
            Fields::Json => rows.iter().map(|row| Ok(serde_json::to_string(row)? + "\n")).collect(),
            Fields::Template(template) => {
                rows.iter().map(|row| Ok(fill(template, row)? + "\n")).collect()
            }
            Fields::TableOf(template) => {
                let mut table = Table::bare();
                for row in std::iter::once(&self.heading).chain(rows) {
                    let line = fill(template, row)?;
                    table.cells(line.split('\t').map(str::to_owned).collect());
                }
                Ok(table.render())
            }
        }
    }
}
