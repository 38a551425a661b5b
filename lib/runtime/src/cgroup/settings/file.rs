//! Writing settings to the files of a group.

use std::borrow::Cow;
use std::io;

use rustix::io::Errno;

use super::super::group::Group;
use super::super::{CgroupError, Controller, Missing};

/// One write to one file of a control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct File {
    /// Whose file it is.
    pub(in super::super) controller: Controller,
    /// Its name.
    pub(in super::super) name: Cow<'static, str>,
    /// What is written, in one write.
    pub(in super::super) value: String,
    /// What asked for it: a flag or a JSON path.
    pub(in super::super) asker: &'static str,
    /// Whether it may be absent.
    pub(in super::super) need: Need,
}

/// Whether a setting may go unheeded where the host has nothing to hold it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Need {
    /// It is an error.
    Must,
    /// It is a default of coffer's.
    IfThere,
}

/// Writes `files` in their order to `group`.
///
/// What is refused as contradictory (`EINVAL`) is tried once more after the others: a memory limit
/// cannot pass the one on memory and swap, nor a quota the period, so that raising needs one order
/// and lowering the other.
pub(in super::super) fn apply<'a>(
    group: &Group,
    files: impl IntoIterator<Item = &'a File>,
) -> Result<(), CgroupError> {
    let mut again = Vec::new();
    for file in files {
        match group.try_write(&file.name, &file.value) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                again.push(file);
            }
            written => check(group, file, written)?,
        }
    }
    again.into_iter().try_for_each(|file| {
        let written = group.try_write(&file.name, &file.value);
        check(group, file, written)
    })
}

fn check(group: &Group, file: &File, written: io::Result<()>) -> Result<(), CgroupError> {
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match file.need {
            Need::IfThere => Ok(()),
            Need::Must => Err(CgroupError::NoController { flag: file.asker, why: file.missing() }),
        },
        Err(source) => Err(CgroupError::Write {
            path: group.at.path().join(&*file.name),
            value: file.value.clone(),
            source,
        }),
    }
}

impl File {
    fn missing(&self) -> Missing {
        match &*self.name {
            "memory.memsw.limit_in_bytes" | "memory.swap.max" => Missing::SwapAccounting,
            name => Missing::File(name.to_owned()),
        }
    }
}
