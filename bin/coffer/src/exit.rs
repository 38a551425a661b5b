//! What the command's exit status says.

/// An exit status. What the container's process gave passes through as it is, and so do the
/// runtime's 126 (cannot be invoked) and 127 (not found).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    /// Done; for a verb that asks, nothing was found.
    pub(crate) const DONE: Self = Self(0);
    /// A verb that asks has found something.
    pub(crate) const FINDINGS: Self = Self(1);
    /// A verb that asks could not tell.
    pub(crate) const CANNOT_TELL: Self = Self(2);
    /// A policy says that the image may not run.
    pub(crate) const REFUSED: Self = Self(121);
    /// coffer itself failed, or was called wrongly.
    pub(crate) const FAILED: Self = Self(125);
}
