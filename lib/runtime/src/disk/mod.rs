//! The last room of the disk that the store lies on, which the host keeps.
//!
//! Nothing that the kernel offers on an ordinary file system bounds what a folder holds. So whoever
//! waits for a container anyway looks at the disk meanwhile, the more often the nearer its free
//! room is to the host's reserve ([`Reserve`]), and ends the container that goes below ([`Guard`]).
//!
//! **Who is ended.** A container whose own layer has grown since there was last enough room. Not
//! one that wrote nothing: who fills the disk may be the host itself, and a program that only runs
//! is not what takes the room. How much is told by when the kernel last changed a file: nobody
//! inside can set that. It needs no count when the container starts, and none while there is room.
//! The price: of a large old file that is written to, all counts. What cannot be counted (a file
//! without a name that is mapped, or is on its way through a socket) is taken for all that is gone,
//! once it was seen at two looks that follow each other: an `exec` that begins has descriptors on
//! their way, too.
//!
//! What was handed in is not counted: a folder of the host's, or a volume with a name, is the
//! caller's, and so is what is in it. A volume without a name is the container's.

mod count;
mod give_back;
mod guard;
mod hidden;
mod reserve;
mod walk;

pub(crate) use guard::{Guard, Ward, Watch};
pub use reserve::{Reserve, Scarce};
