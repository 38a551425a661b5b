//! The keys by which a person leaves a program running (`--detach-keys`).

/// docker's keys: control-P, control-Q.
pub const DETACH_KEYS: [u8; 2] = [0x10, 0x11];

/// Looks for the detach keys, which may come one by one.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    keys: &'a [u8],
    matched: usize,
}

impl<'a> Keys<'a> {
    pub(super) fn new(keys: &'a [u8]) -> Self {
        Self { keys, matched: 0 }
    }

    /// Where in `typed` the keys are complete: how many bytes before them belong to the program.
    pub(super) fn find(&mut self, typed: &[u8]) -> Option<usize> {
        for (at, byte) in typed.iter().enumerate() {
            let expected = self.keys.get(self.matched)?;
            self.matched = match byte == expected {
                true => self.matched + 1,
                false => usize::from(self.keys.first() == Some(byte)),
            };
            if self.matched == self.keys.len() {
                return Some((at + 1).saturating_sub(self.keys.len()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_whole_and_one_by_one() {
        let mut keys = Keys::new(&DETACH_KEYS);
        assert_eq!(keys.find(b"ls\x10\x11rest"), Some(2));
        let mut keys = Keys::new(&DETACH_KEYS);
        assert_eq!(keys.find(b"a\x10"), None);
        assert_eq!(keys.find(b"b\x10\x10"), None);
        assert_eq!(keys.find(b"\x11"), Some(0));
        let mut none = Keys::new(&[]);
        assert_eq!(none.find(b"\x10\x11"), None);
    }
}
