//! Files carried into trees and out of them: `coffer cp`.
//!
//! Two processes do it, with a tar archive on a pipe between them. One works in the container's tree
//! and has no rights but those of the container's own root: it is root of a user namespace with the
//! same ids, beside the container's, and out of its sight. The other works for the caller. Neither
//! believes the archive, and neither executes or loads anything of the container's (CVE-2019-14271).
//!
//! **Every path goes from a descriptor.** What the caller names is looked up once, inside the root
//! ([`Tree::find`]), to a folder that is held open; from there on it is one name at a time, and no
//! link is followed. Whoever exchanges names meanwhile (CVE-2018-15664) leads the walk to another
//! place of his own, and nowhere else. The kernel's own file systems are not entered.

mod error;
mod how;
mod names;
mod pack;
mod place;
mod unpack;

pub use error::FilesError;
pub use how::{How, Modes, Owners};
pub use pack::pack;
pub use place::{Found, Tree};
pub use unpack::{Into, Report, unpack};

/// No folder lies deeper below the one that is copied: each costs a descriptor.
const DEEPEST: usize = 256;
