//! Trying again: exponential back-off with jitter, Retry-After where there is one.
//!
//! What may pass is tried again: stalls, broken connections, 408, 429 and the 500s of gateways.
//! What will not is told at once: nobody listening, an unknown name, a certificate that is not
//! trusted, a wrong digest.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::cancel::Cancel;
use crate::error::Outlook;
use crate::{Cause, Retries};

/// Counts the tries of one request.
#[derive(Debug)]
pub(crate) struct Backoff {
    retries: Retries,
    /// How many tries have failed.
    failed: u32,
}

impl Backoff {
    /// Before the first try.
    pub(crate) fn new(retries: Retries) -> Self {
        Self { retries, failed: 0 }
    }

    /// Waits until it makes sense to try again; gives the cause back where it makes none.
    pub(crate) fn wait(&mut self, cause: Cause, cancel: &Cancel) -> Result<(), Cause> {
        if cancel.is_cancelled() {
            return Err(Cause::Cancelled);
        }
        match self.pause(cause.outlook(), chance()) {
            Some(pause) => Ok(cancel.wait(pause)?),
            None => Err(cause),
        }
    }

    /// How long to wait now, or `None` for not at all. `chance` is from 0 to 1.
    fn pause(&mut self, outlook: Outlook, chance: f64) -> Option<Duration> {
        self.failed += 1;
        let Retries { attempts, base, cap, patience } = self.retries;
        if self.failed >= attempts {
            return None;
        }
        let doubled = base.saturating_mul(1 << (self.failed - 1).min(16)).min(cap);
        let own = doubled.mul_f64(0.5 + chance / 2.0);
        match outlook {
            Outlook::Permanent => None,
            Outlook::Passing => Some(own),
            Outlook::After(time) if time > patience => None,
            Outlook::After(time) => Some(time.max(own)),
        }
    }
}

/// A number from 0 to 1. The standard library seeds its hash maps from the system's randomness.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(0_u8);
    f64::from((bits >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff() -> Backoff {
        Backoff::new(Retries {
            attempts: 4,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(3),
            ..Retries::default()
        })
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_end() {
        let mut backoff = backoff();
        let pauses = [0; 4].map(|_| backoff.pause(Outlook::Passing, 1.0).map(|p| p.as_secs()));
        assert_eq!(pauses, [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn chance_takes_at_most_half_of_a_pause() {
        assert_eq!(backoff().pause(Outlook::Passing, 0.0), Some(Duration::from_millis(500)));
        assert!((0.0..=1.0).contains(&chance()));
    }

    #[test]
    fn retry_after_is_waited_for_within_reason() {
        let after = |seconds| backoff().pause(Outlook::After(Duration::from_secs(seconds)), 1.0);
        assert_eq!(after(0), Some(Duration::from_secs(1)));
        // SPECIFICATION.md promises the number.
        assert_eq!(after(90), Some(Duration::from_secs(90)));
        assert_eq!(after(91), None);
        assert_eq!(backoff().pause(Outlook::Permanent, 1.0), None);
    }
}
