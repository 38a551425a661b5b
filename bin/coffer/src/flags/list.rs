//! Flags of verbs that list.

use serde_json::Value;

use super::{Format, Json};
use crate::failure::Failure;
use crate::template::{self, Template};
use crate::ui::Table;

/// For `ps` and `images`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListFlags {
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Do not shorten ids and commands
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// table; json: docker's own fields, an object on each line; or a Go template of these fields,
    /// such as {{.ID}}
    #[arg(long, value_name = "FORMAT", default_value = "table", conflicts_with_all = ["json", "quiet"])]
    format: Format,
    #[command(flatten)]
    json: Json,
}

/// How a list is to be printed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form<'a> {
    /// Ours, for programs.
    Json,
    /// Docker's fields.
    Docker(Fields<'a>),
    /// Ids, one on each line.
    Ids,
    /// For people.
    Table,
}

/// What becomes of docker's fields.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fields<'a> {
    /// An object on each line.
    Json,
    /// As the template says, a line for each.
    Template(&'a Template),
    /// The same in columns, under headings.
    TableOf(&'a Template),
}

impl ListFlags {
    /// What the flags ask for.
    pub(crate) fn form(&self) -> Form<'_> {
        match (self.json.json, self.quiet, &self.format) {
            (true, ..) => Form::Json,
            (false, true, _) => Form::Ids,
            (false, false, Format::Table) => Form::Table,
            (false, false, Format::Json) => Form::Docker(Fields::Json),
            (false, false, Format::Template(template)) => Form::Docker(Fields::Template(template)),
            (false, false, Format::TableOf(template)) => Form::Docker(Fields::TableOf(template)),
        }
    }
}

impl Fields<'_> {
    /// The text for `rows`, whose fields are headed as `heading` says.
    pub(crate) fn render(self, rows: &[Value], heading: &Value) -> Result<String, Failure> {
        let fill = |template: &Template, row: &Value| {
            template.fill(row).map_err(|error| template::failure(&error))
        };
        match self {
            Self::Json => rows.iter().map(|row| Ok(serde_json::to_string(row)? + "\n")).collect(),
            Self::Template(template) => {
                rows.iter().map(|row| Ok(fill(template, row)? + "\n")).collect()
            }
            Self::TableOf(template) => {
                let mut table = Table::bare();
                for row in std::iter::once(heading).chain(rows) {
                    let line = fill(template, row)?;
                    table.cells(line.split('\t').map(str::to_owned).collect());
                }
                Ok(table.render())
            }
        }
    }
}
