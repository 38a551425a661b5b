//! What a person types and sees: the command as it was built, without registries and real images.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod common;
mod containers;
mod errors;
mod help;
mod images;
mod lists;
mod references;
mod seccomp;
