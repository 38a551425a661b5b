//! Why the runtime stops: one line, as runc's callers read it, and a status.

use std::error::Error;

/// Why the runtime stops.
#[derive(Debug)]
pub(super) struct Failure {
    /// One line.
    pub(super) message: String,
    /// The status to end with.
    pub(super) status: u8,
}

impl Failure {
    /// A failure with runc's status for all of them.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: 1 }
    }

    /// The same with another status.
    pub(super) fn exits(self, status: u8) -> Self {
        Self { status, ..self }
    }
}

/// An error with all of its causes, in one line.
impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(line(&error))
    }
}

/// The words of an error and of its causes, each once.
pub(super) fn line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    // A line is one line, whatever a bundle wrote into it.
    text.replace(['\n', '\r'], " ")
}
