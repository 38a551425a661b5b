//! What is known of the fence around a process, whoever has put it up.

use super::{Access, Calls, Covers, HostPath, Label, Limits, Posture, Root, SetId, Token};
use crate::capability::CapSet;
use crate::process::{FilterMode, Process};

impl Posture {
    /// Of a process as its files in `/proc` say.
    pub fn of_process(process: &Process, limits: Limits) -> Self {
        let status = &process.status;
        // Without no_new_privs a file can give whatever is in the bounding set.
        let (set_id, capabilities) = match status.no_new_privs {
            true => (SetId::Inert, status.permitted),
            false => (SetId::Works, status.permitted.union(status.bounding)),
        };
        Self {
            own: process.own_namespaces(),
            root: match process.uid_map.iter().find(|range| range.container == 0) {
                Some(range) if range.host == 0 => match becomes_root(process, capabilities) {
                    true => Root::Host,
                    false => Root::Nobody,
                },
                Some(range) if range.size == 1 => Root::Caller,
                _ => Root::Range,
            },
            capabilities,
            set_id,
            calls: match status.filter {
                FilterMode::None => Calls::All,
                FilterMode::Strict | FilterMode::Filter => Calls::Unreadable,
            },
            system_paths: if process.covers { Covers::There } else { Covers::None },
            label: match process.label.as_deref() {
                None | Some("" | "unconfined") => Label::None,
                Some(name) => Label::Held(name.to_owned()),
            },
            host_paths: process.host_paths.iter().map(|path| writable(path)).collect(),
            token: Token::None,
            devices: Vec::new(),
            limits,
        }
    }
}

/// Whether it is root, or can be.
fn becomes_root(process: &Process, capabilities: CapSet) -> bool {
    let status = &process.status;
    status.uids.contains(&0) || !status.no_new_privs || capabilities != CapSet::EMPTY
}

fn writable(path: &str) -> HostPath {
    HostPath { path: path.to_owned(), access: Access::Write }
}
