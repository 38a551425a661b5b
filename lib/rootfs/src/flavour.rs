//! The two ways in which overlay keeps its marks.

/// Who mounts the trees: it decides where overlay's marks stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// The host's root: `trusted.overlay.*`.
    Root,
    /// An ordinary user inside a user namespace, with the mount option `userxattr`:
    /// `user.overlay.*`.
    User,
}

impl Flavour {
    /// The attribute whose value `y` makes a folder opaque.
    pub(crate) fn opaque(self) -> &'static str {
        match self {
            Self::Root => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}
