//! From a reference to an admitted image: registry, store and policy, in that order.
//!
//! [`admit`] is what `run` and `create` call. It looks into the store first; a client is made only
//! when something has to be fetched, so an image that is here touches no network code at all.
//! [`pull`] and [`push`] are the verbs of the same names.
//!
//! Things this crate does not do: no unpacking, no printing, no choice of when to fetch. Nothing
//! gets a name in the store before all of it is there and was checked.

mod admit;
mod fetch;
mod origins;
mod parallel;
mod progress;
mod pull;
mod push;

pub use admit::{AdmitError, Intake, PullPolicy, Wanted, admit, admit_here, image_for, import};
pub use progress::{Event, Progress, Silent};
pub use pull::{PullError, Pulled, pull};
pub use push::{Extent, PushError, Sent, push};
