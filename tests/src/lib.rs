//! What the tests share: real registries, images and clients, started and stopped by the test.
//!
//! A fixture that cannot do its work panics with the reason: that is a failed test.

#![expect(
    clippy::disallowed_methods,
    reason = "works on folders that the tests made, never on an image's tree"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fixture that fails is a failed test"
)]
#![expect(clippy::print_stderr, reason = "says why a test did not run")]

pub mod bed;
pub mod coffer;
pub mod containerd;
pub mod cri;
pub mod criu;
pub mod daemon;
pub mod dockerd;
pub mod engines;
pub mod group;
pub mod hostile;
pub mod image;
pub mod oci;
pub mod podman;
pub mod program;
pub mod registry;
pub mod shape;
pub mod steps;
pub mod terminal;
