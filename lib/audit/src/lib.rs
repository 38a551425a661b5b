//! What a container can reach: a corpus of harmless break-out attempts, judged from the host's side.
//!
//! [`corpus`] is data: a row for each thing that is tried, with what must stop it and what is
//! predicted of it behind coffer's default fence. [`prober`] tries the rows inside, one process
//! each. [`Stage`] makes what they aim at on the host (files, a process's memory and signals,
//! sockets), and looks at all of it after each row; [`verdict`] makes an outcome of what was said
//! inside and what was seen outside.
//!
//! Things this crate does not do: it starts no container, prints nothing, reads no environment.

mod answer;
pub mod corpus;
mod inside;
mod place;
mod primitive;
pub mod prober;
mod session;
mod stage;
pub mod verdict;

pub use answer::{Answer, Handed, Line, Surroundings};
pub use place::Place;
pub use primitive::{
    Caller, Control, Effect, Fate, Held, Judge, Namespace, Primitive, Scope, Section,
};
pub use session::{Examined, SessionError, examine};
pub use stage::{Change, Names, Stage, StageError};
