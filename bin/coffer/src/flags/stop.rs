//! Flags of verbs that stop containers.

use coffer_runtime::container::Container;

use super::{Grace, SignalFlag};
use crate::failure::Failure;

/// For `stop` and `restart`.
#[derive(Debug, clap::Args)]
pub(crate) struct StopFlags {
    /// Kill them after so many seconds (-1: never), instead of what --stop-timeout said when they
    /// were made
    #[arg(short, long, visible_alias = "timeout", value_name = "SECONDS")]
    time: Option<Grace>,
    /// Ask them by this signal, instead of what --stop-signal or the image said
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<SignalFlag>,
}

impl StopFlags {
    /// Asks `container` to stop, makes it where it does not, and waits until it has ended.
    pub(crate) fn stop(&self, container: &Container<'_>) -> Result<(), Failure> {
        let grace = match self.time {
            Some(Grace::Seconds(time)) => Some(time),
            Some(Grace::Endless) => None,
            None => Some(container.config()?.grace()),
        };
        Ok(container.stop(self.signal.map(|signal| signal.0), grace)?)
    }
}
