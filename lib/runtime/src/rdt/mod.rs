//! Resource director technology: classes of service of caches and memory bandwidth, which the
//! kernel shows as folders of the file system `resctrl`. Sources: runtime-spec config-linux.md,
//! "IntelRdt"; the kernel's filesystems/resctrl.rst.

mod class;
mod resctrl;
mod schema;

use std::io;

pub use class::Class;
pub(crate) use class::Wanted;
pub use resctrl::Resctrl;

/// Why a container is in no class.
#[derive(Debug, thiserror::Error)]
pub enum RdtError {
    /// The file system is not there.
    #[error(
        "linux.intelRdt: no resctrl is mounted at {root}: mount -t resctrl resctrl {root}, where the \
         processor and the kernel have it",
        root = resctrl::ROOT
    )]
    NotMounted,
    /// What the bundle asks for cannot be.
    #[error("linux.intelRdt.{field} {why}")]
    Invalid {
        /// The field of `linux.intelRdt`.
        field: &'static str,
        /// Why not.
        why: String,
    },
    /// The kernel refuses.
    #[error("linux.intelRdt: cannot {what}{}", said(status))]
    Refused {
        /// What was tried.
        what: String,
        /// What the kernel says about it in `info/last_cmd_status`.
        status: Option<String>,
        /// What the system call said.
        #[source]
        source: io::Error,
    },
}

fn said(status: &Option<String>) -> String {
    status.as_ref().map_or_else(String::new, |status| format!(" ({status})"))
}

impl RdtError {
    fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid { field, why: why.into() }
    }
}
