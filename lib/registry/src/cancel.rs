//! Giving up: a wait that another thread can end.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Ends the waits and retries of all clients that share it. Clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    thrown: Mutex<bool>,
    changed: Condvar,
}

/// Somebody gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cancelled;

impl Cancel {
    /// Gives up, for good. Requests that are under way end with their next read.
    pub fn cancel(&self) {
        *self.0.thrown.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }

    /// Whether somebody gave up.
    pub fn is_cancelled(&self) -> bool {
        *self.0.thrown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `time`, or until somebody gives up.
    pub(crate) fn wait(&self, time: Duration) -> Result<(), Cancelled> {
        let thrown = self.0.thrown.lock().unwrap_or_else(PoisonError::into_inner);
        let (thrown, _) = self
            .0
            .changed
            .wait_timeout_while(thrown, time, |thrown| !*thrown)
            .unwrap_or_else(PoisonError::into_inner);
        if *thrown { Err(Cancelled) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_another_thread_gives_up() {
        let cancel = Cancel::default();
        assert_eq!(cancel.wait(Duration::from_millis(1)), Ok(()));
        let other = cancel.clone();
        let waiter = std::thread::spawn(move || other.wait(Duration::from_secs(600)));
        cancel.cancel();
        assert_eq!(waiter.join().unwrap(), Err(Cancelled));
        assert!(cancel.is_cancelled());
    }
}
