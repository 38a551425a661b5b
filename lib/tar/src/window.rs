//! Where an archive's bytes come from.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Read};

/// A window onto a stream of bytes.
pub trait Window {
    /// Why there are no more bytes.
    type Error: Error + 'static;

    /// At least `least` of the next bytes, fewer only where the stream ends. `least` is at most
    /// 512, the length of a block.
    ///
    /// # Errors
    /// The bytes cannot be had.
    fn fill(&mut self, least: usize) -> Result<&[u8], Self::Error>;

    /// Passes over `count` bytes that [`Window::fill`] gave.
    fn consume(&mut self, count: usize);
}

impl Window for &[u8] {
    type Error = Infallible;

    fn fill(&mut self, _least: usize) -> Result<&[u8], Infallible> {
        Ok(self)
    }

    fn consume(&mut self, count: usize) {
        *self = self.get(count..).unwrap_or_default();
    }
}

/// A window onto whatever can be read.
pub struct Buffered<R> {
    input: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> Buffered<R> {
    /// Bytes that are read at once.
    const SIZE: usize = 128 << 10;

    /// A window at the next byte of `input`.
    pub fn new(input: R) -> Self {
        Self { input, buffer: vec![0; Self::SIZE].into_boxed_slice(), start: 0, end: 0 }
    }
}

impl<R: Read> Window for Buffered<R> {
    type Error = io::Error;

    fn fill(&mut self, least: usize) -> Result<&[u8], io::Error> {
        if self.end - self.start < least {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < least {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start += count.min(self.end - self.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, as a pipe may.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            (&mut self.0).take(1).read(buffer)
        }
    }

    #[test]
    fn a_window_holds_what_is_asked_for_until_the_end() {
        let mut window = Buffered::new(Slow(b"abcdef"));
        assert_eq!(window.fill(2).unwrap(), b"ab");
        window.consume(1);
        assert_eq!(window.fill(4).unwrap(), b"bcde");
        window.consume(4);
        assert_eq!(window.fill(9).unwrap(), b"f");
    }
}
