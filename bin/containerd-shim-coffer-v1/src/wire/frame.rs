//! The frames of ttrpc: ten bytes of header, then a message.
//!
//! Source: containerd/ttrpc, PROTOCOL.md, "Message Frame".

use thiserror::Error;

/// Length, stream, type, flags.
const HEADER: usize = 10;
/// The longest message that the protocol allows, in bytes: 4 MiB.
pub const LONGEST: usize = 4 << 20;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request, which begins a stream.
    Request,
    /// The response, which ends it.
    Response,
    /// Anything else. Only streaming calls send it, and containerd's shim services have none.
    Other(u8),
}

impl Kind {
    const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Request,
            2 => Self::Response,
            other => Self::Other(other),
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Response => 2,
            Self::Other(byte) => byte,
        }
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which call it belongs to; the client counts in odd numbers.
    pub stream: u32,
    /// What it carries.
    pub kind: Kind,
    /// The message.
    pub message: Vec<u8>,
}

/// Why bytes are no frames.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The header announces more than the protocol allows.
    #[error("a frame of {0} bytes is longer than the {LONGEST} that ttrpc allows")]
    TooLong(usize),
}

impl Frame {
    /// The frame as bytes.
    ///
    /// # Errors
    /// The message is too long.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let length = self.message.len();
        if length > LONGEST {
            return Err(FrameError::TooLong(length));
        }
        let announced = u32::try_from(length).map_err(|_| FrameError::TooLong(length))?;
        let mut bytes = Vec::with_capacity(HEADER + length);
        bytes.extend(announced.to_be_bytes());
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend([self.kind.byte(), 0]);
        bytes.extend(&self.message);
        Ok(bytes)
    }
}

/// Puts frames together from bytes as they come.
#[derive(Debug, Default)]
pub struct Frames {
    pending: Vec<u8>,
}

impl Frames {
    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next frame that is whole, if there is one.
    ///
    /// # Errors
    /// A frame announces more than it may; there is no way to go on after it.
    pub fn next_whole(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((header, rest)) = self.pending.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [a, b, c, d, e, f, g, h, kind, _flags] = *header;
        let length = u32::from_be_bytes([a, b, c, d]);
        let length = usize::try_from(length).map_err(|_| FrameError::TooLong(usize::MAX))?;
        if length > LONGEST {
            return Err(FrameError::TooLong(length));
        }
        let Some(message) = rest.get(..length) else { return Ok(None) };
        let stream = u32::from_be_bytes([e, f, g, h]);
        let frame = Frame { stream, kind: Kind::from_byte(kind), message: message.to_vec() };
        self.pending.drain(..HEADER + length);
        if self.pending.is_empty() {
            self.pending = Vec::new(); // between calls a shim keeps no buffer
        }
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_has_come() {
        let mut frames = Frames::default();
        frames.push(&[0x00, 0x40, 0x00, 0x01, 0, 0, 0, 1, 1, 0]);
        assert_eq!(frames.next_whole(), Err(FrameError::TooLong(LONGEST + 1)));
    }

    proptest! {
        #[test]
        fn frames_come_back_however_the_bytes_are_cut(
            sent in prop::collection::vec((any::<u32>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..64)), 1..8),
            step in 1usize..40,
        ) {
            let sent: Vec<Frame> = sent
                .into_iter()
                .map(|(stream, kind, message)| Frame { stream, kind: Kind::from_byte(kind), message })
                .collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|frame| frame.encode().unwrap()).collect();
            let mut frames = Frames::default();
            let mut came = Vec::new();
            for part in bytes.chunks(step) {
                frames.push(part);
                while let Some(frame) = frames.next_whole().unwrap() {
                    came.push(frame);
                }
            }
            prop_assert_eq!(came, sent);
        }
    }
}
