//! `state`: what a container is doing, as JSON. Source: runtime-spec runtime.md, "State", with
//! runc's fields beside it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use coffer_runtime::bundle::{BundleId, Folder, State, Status};
use jiff::Timestamp;
use serde::Serialize;

use super::Outcome;
use super::create::operand;
use super::failure::Failure;
use super::globals::{Globals, print};
use super::grammar::{Grammar, Words};
use crate::environment;

/// The options of `state`.
pub(super) const GRAMMAR: Grammar =
    Grammar { flags: &[], operands: (1, 1), verbatim_after: usize::MAX };

/// A container as `state` and `list` show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    oci_version: String,
    pub(super) id: BundleId,
    pub(super) pid: i32,
    pub(super) status: String,
    pub(super) bundle: PathBuf,
    rootfs: PathBuf,
    pub(super) created: Timestamp,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    pub(super) owner: String,
}

/// `state`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let folder = globals.find(operand(words))?;
    let shown = look(&folder)?.ok_or_else(|| {
        let id = folder.id().clone();
        Failure::from(coffer_runtime::bundle::BundleError::NotFound(id))
    })?;
    print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))
}

/// Looks at the container in `folder`; `None` where it is none yet, or never was one.
pub(super) fn look(folder: &Folder) -> Result<Option<Shown>, Failure> {
    let (state, status) = folder.status()?;
    Ok(state.map(|state| show(state, status)))
}

fn show(state: State, status: Status) -> Shown {
    Shown {
        oci_version: state.oci_version,
        id: state.id,
        pid: if status.lives() { state.init.pid } else { 0 },
        status: status.to_string(),
        bundle: state.bundle,
        rootfs: state.rootfs,
        created: state.created,
        annotations: state.annotations,
        owner: environment::user_name(state.owner),
    }
}
