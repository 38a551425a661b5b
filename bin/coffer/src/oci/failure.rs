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
        let words = plain(cause.to_string());
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    // A line is one line, whatever a bundle wrote into it.
    text.replace(['\n', '\r'], " ")
}

/// An errno's words as Go has them: docker tells by "permission denied" what cannot be invoked.
/// Source: docker's cli/command/container/run.go, runStartContainerErr.
fn plain(words: String) -> String {
    let Some((text, number)) = words.rsplit_once(" (os error ") else { return words };
    let is_errno = number.strip_suffix(')').is_some_and(|n| n.parse::<i32>().is_ok());
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if is_errno => first.to_lowercase().chain(letters).collect(),
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_written_as_go_writes_them() {
        let denied = std::io::Error::from_raw_os_error(13).to_string();
        assert_eq!(plain(denied), "permission denied");
        for words in ["", "Nothing", "A (os error )", "A (os error 1) more"] {
            assert_eq!(plain(words.to_owned()), words);
        }
    }
}
