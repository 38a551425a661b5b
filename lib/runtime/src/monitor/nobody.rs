//! The audience of a program that everybody has left.

use std::io;

use rustix::event::{PollFd, PollFlags};

use super::pump::{Audience, Stage, Wanted};
use super::stdio::Room;
use crate::log::Stream;

/// What the program writes is read, so that it goes on, and is lost.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Audience for Nobody {
    fn interests<'a>(&'a self, _room: Room, _fds: &mut Vec<PollFd<'a>>) {}

    fn act(&mut self, _ready: &[PollFlags], _stage: &mut Stage<'_>) -> io::Result<()> {
        Ok(())
    }

    fn show(&mut self, _stream: Stream, _bytes: &[u8]) -> Wanted {
        Wanted::More
    }

    fn is_behind(&self) -> bool {
        false
    }
}
