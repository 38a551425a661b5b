//! Flags that several verbs share, and the forms of their values.

mod choice;
mod common;
mod console;
mod container;
mod device;
mod environment_file;
mod form;
mod limit;
mod list;
mod mount;
mod request;
mod security;
mod stop;
mod value;

pub(crate) use common::{Common, Json, PullFlags, UnpackFlags};
pub(crate) use console::{ConsoleFlags, KeyFlags};
pub(crate) use container::{ContainerArgs, ContainerFlags};
pub(crate) use environment_file::{read, variables};
pub(crate) use list::{Columns, Form, FormatFlags, ListFlags};
pub(crate) use request::{console_size, profile, utf8};
pub(crate) use security::contradiction;
pub(crate) use stop::StopFlags;
pub(crate) use value::{
    CgroupNs, Count, Cpus, Format, Grace, Label, Pull, Restart, Seconds, SignalFlag, Size,
    SwapSize, Sysctl, Tier, Ulimit,
};
