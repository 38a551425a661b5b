//! Flags of verbs that list.

use super::{Format, Json};

/// For `ps` and `images`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListFlags {
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Do not shorten ids and commands
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// table, or json: docker's own fields, an object on each line
    #[arg(long, value_name = "FORMAT", default_value = "table", conflicts_with_all = ["json", "quiet"])]
    format: Format,
    #[command(flatten)]
    json: Json,
}

/// How a list is to be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Ours, for programs.
    Json,
    /// Docker's fields, an object on each line.
    Docker,
    /// Ids, one on each line.
    Ids,
    /// For people.
    Table,
}

impl ListFlags {
    /// What the flags ask for.
    pub(crate) fn form(&self) -> Form {
        match (self.json.json, self.quiet, self.format) {
            (true, ..) => Form::Json,
            (false, true, _) => Form::Ids,
            (false, false, Format::Json) => Form::Docker,
            (false, false, Format::Table) => Form::Table,
        }
    }
}
