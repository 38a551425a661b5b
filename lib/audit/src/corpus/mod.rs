//! The corpus: what is tried, as data.
//!
//! Each row is harmless even where it succeeds on a real host as its root: a setting is written
//! with the value that it has, a call that would change the machine gets arguments that the kernel
//! refuses after it has checked the right, what is overwritten was made for that, and what is made
//! ends with the row's process. Sources: the CVEs in SECURITY.md; man 7 capabilities; docker's
//! default profile and masks; what escapes that were published began with.

mod calls;
mod capabilities;
mod devices;
mod mounts;
mod namespaces;
mod objects;
mod privileges;
mod proc_read;
mod proc_write;
mod processes;
mod resources;
mod roots;
mod sockets;
mod terminal;
mod volume;

use crate::{Primitive, Section};

/// All of it. What is tried first disturbs nothing that comes later.
pub const SECTIONS: [Section; 15] = [
    Section { title: "capabilities", rows: capabilities::ROWS },
    Section { title: "namespaces", rows: namespaces::ROWS },
    Section { title: "mounts", rows: mounts::ROWS },
    Section { title: "device nodes", rows: devices::ROWS },
    Section { title: "/proc and /sys, read", rows: proc_read::ROWS },
    Section { title: "/proc, /sys and control groups, written", rows: proc_write::ROWS },
    Section { title: "kernel interfaces", rows: calls::ROWS },
    Section { title: "sockets", rows: sockets::ROWS },
    Section { title: "the host's process", rows: processes::ROWS },
    Section { title: "the host's keys and IPC objects", rows: objects::ROWS },
    Section { title: "the host's files", rows: roots::ROWS },
    Section { title: "a read-only volume", rows: volume::ROWS },
    Section { title: "set-id programs and rights of files", rows: privileges::ROWS },
    Section { title: "terminals", rows: terminal::ROWS },
    Section { title: "resources", rows: resources::ROWS },
];

/// Every row, in order.
pub fn rows() -> impl Iterator<Item = &'static Primitive> {
    SECTIONS.iter().flat_map(|section| section.rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Control, Fate};

    #[test]
    fn there_are_at_least_150_and_each_has_a_name_of_its_own() {
        let ids: BTreeSet<&str> = rows().map(|row| row.id).collect();
        assert_eq!(ids.len(), rows().count());
        assert!(ids.len() >= 150, "{}", ids.len());
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        assert!(ids.iter().all(|id| id.contains('.') && id.chars().all(is_plain)));
    }

    #[test]
    fn what_is_blocked_has_a_control_and_what_stays_has_a_reason() {
        for row in rows() {
            assert!(!row.tries.is_empty(), "{}", row.id);
            match row.fate {
                Fate::Blocked => assert_ne!(row.control, Control::Nothing, "{}", row.id),
                Fate::Stays(why) => assert!(!why.is_empty(), "{}", row.id),
                Fate::Meant => {}
            }
        }
    }

    #[test]
    fn at_most_eight_stay() {
        let stays = rows().filter(|row| matches!(row.fate, Fate::Stays(_)));
        assert!(stays.count() <= 8);
    }
}
