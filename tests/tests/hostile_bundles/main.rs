//! Bundles and images that broke out of other runtimes, run by `coffer-oci`: one test for each
//! known way. Each looks at the host's side afterwards, at files of the test's own.
//!
//! The runtime runs in a private mount namespace, so that a mount that went astray ends with it.

#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails ends the test")]

mod bundle;
mod dev;
mod exec;
mod inside;
mod mounts;
mod proc;
