//! Flags that several verbs share, and the forms of their values.

mod common;
mod container;
mod environment_file;
mod mount;
mod value;

pub(crate) use common::{Common, Json, PullFlags};
pub(crate) use container::ContainerFlags;
pub(crate) use environment_file::variables;
pub(crate) use value::{Cpus, Label, Limit, Pull, Seconds, Size, Sysctl, Tier, Ulimit};
