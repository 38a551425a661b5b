//! Where the shim says what nobody asked: the `log` fifo of its first bundle, which containerd
//! copies into its own log.

use std::os::fd::OwnedFd;

/// The fifo, if containerd made one.
#[derive(Debug, Default)]
pub struct Journal {
    fifo: Option<OwnedFd>,
}

impl Journal {
    /// Writes into `fifo`.
    #[must_use]
    pub const fn new(fifo: Option<OwnedFd>) -> Self {
        Self { fifo }
    }

    /// Adds one line. A reader that is behind or gone loses it: a log must not stop a container.
    pub fn note(&self, message: &dyn std::fmt::Display) {
        if let Some(fifo) = &self.fifo {
            let line = format!("containerd-shim-coffer-v1: {message}\n");
            let _ = rustix::io::write(fifo, line.as_bytes());
        }
    }
}

/// An error and all its causes, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
