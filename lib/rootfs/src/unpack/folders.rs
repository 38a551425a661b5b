//! What the folders of a layer will have at the end.
//!
//! Making an entry in a folder changes its time, and a folder may not let its owner write, so
//! attributes are set when all entries are made.

use std::collections::BTreeMap;

use super::attributes::Attributes;

/// One folder.
#[derive(Debug, Default)]
pub(super) struct State {
    /// `None` where the layer has no entry for it.
    pub(super) attributes: Option<Attributes>,
    /// Whether what the lower layers have in it does not show.
    pub(super) hides: bool,
}

/// The folders of one layer by their clean paths. The root is always one.
#[derive(Debug, Default)]
pub(super) struct Folders(BTreeMap<Vec<u8>, State>);

impl Folders {
    pub(super) fn new() -> Self {
        Self(BTreeMap::from([(Vec::new(), State::default())]))
    }

    /// There is an entry for it.
    pub(super) fn explicit(&mut self, path: &[u8], attributes: Attributes) {
        match self.0.get_mut(path) {
            Some(state) => state.attributes = Some(attributes),
            None => {
                let state = State { attributes: Some(attributes), hides: false };
                self.0.insert(path.to_vec(), state);
            }
        }
    }

    /// It was made because something lies below it.
    pub(super) fn implicit(&mut self, path: &[u8]) {
        self.0.entry(path.to_vec()).or_default();
    }

    /// Nothing of the lower layers shows in it.
    pub(super) fn hide_below(&mut self, path: &[u8]) {
        self.0.entry(path.to_vec()).or_default().hides = true;
    }

    /// As [`Folders::hide_below`], where it is a folder of this layer.
    pub(super) fn hide_known(&mut self, path: &[u8]) {
        if let Some(state) = self.0.get_mut(path) {
            state.hides = true;
        }
    }

    /// Whether this layer hides what the lower layers have at `path`, or for the root, in it.
    pub(super) fn hides(&self, path: &[u8]) -> bool {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut parents = slashes.map(|(at, _)| &path[..at]).chain([&b""[..]]);
        parents.any(|parent| self.0.get(parent).is_some_and(|state| state.hides))
    }

    /// It goes away, and all that is below it.
    pub(super) fn forget(&mut self, path: &[u8]) {
        let mut from = path.to_vec();
        self.0.remove(&from);
        from.push(b'/');
        // The names below are those between `path/` and `path0`, the byte after the slash.
        let mut to = path.to_vec();
        to.push(b'/' + 1);
        let gone: Vec<Vec<u8>> = self.0.range(from..to).map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.0.remove(&path);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &State)> {
        self.0.iter().map(|(path, state)| (path.as_slice(), state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_all_below_it() {
        let mut folders = Folders::new();
        for path in ["a", "a/b", "a/b/c", "a-b", "a0", "b"] {
            folders.implicit(path.as_bytes());
        }
        folders.forget(b"a");
        let left: Vec<_> = folders.iter().map(|(path, _)| path).collect();
        assert_eq!(left, [&b""[..], b"a-b", b"a0", b"b"]);
    }

    #[test]
    fn hiding_reaches_down() {
        let mut folders = Folders::new();
        folders.hide_below(b"a/b");
        assert!(folders.hides(b"a/b/c"));
        assert!(folders.hides(b"a/b/c/d"));
        assert!(!folders.hides(b"a/b"));
        folders.hide_known(b"c");
        assert!(!folders.hides(b"c/d"));
    }
}
