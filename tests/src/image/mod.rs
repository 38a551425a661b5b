//! Images made from Debian's packages, without another engine.
//!
//! An image is a [`Recipe`]: layers of packages, files and deletions, and what its configuration
//! says. [`Recipe::layout`] builds it once into an OCI image layout under cargo's target folder;
//! the key is everything that went into it, the state of Debian's archive included.

mod build;
pub use build::cargo_target;
pub mod catalogue;
pub mod debian;
mod layer;
pub mod programs;

use std::path::PathBuf;

use crate::bed;

/// What an image is made of.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Its name in a registry.
    pub name: &'static str,
    /// The image whose layers are below its own.
    pub base: Option<&'static Recipe>,
    /// Its layers, lowest first.
    pub layers: &'static [Layer],
    /// How it is started.
    pub start: Start,
}

/// One layer.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// What it holds.
    pub content: Content,
    /// How it is compressed.
    pub compression: Compression,
}

/// What one layer holds.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// busybox with its links.
    Busybox,
    /// These packages and all that they need, less what the layers below hold.
    Packages(&'static [&'static str]),
    /// Files, made as said.
    Files(&'static [File]),
    /// Files with extended attributes.
    Marked(&'static [Marked]),
    /// Paths that are deleted from the layers below.
    Removed(&'static [&'static str]),
}

/// A file in a layer; its folders are made with mode 755.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Below the image's root, without a leading slash; a folder where it ends in one.
    pub path: &'static str,
    /// What it holds.
    pub text: &'static str,
    /// Its permission bits.
    pub mode: u32,
    /// Its user and group.
    pub owner: u32,
}

/// A file or folder with extended attributes.
#[derive(Clone, Copy, Debug)]
pub struct Marked {
    /// What it is apart from them.
    pub file: File,
    /// Names and values.
    pub attributes: &'static [(&'static str, &'static [u8])],
}

/// How a layer's tar is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// What the configuration says about the process.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// `Entrypoint`.
    pub entrypoint: &'static [&'static str],
    /// `Cmd`.
    pub command: &'static [&'static str],
    /// `User`; empty for root.
    pub user: &'static str,
    /// `Env`.
    pub environment: &'static [&'static str],
    /// `WorkingDir`; empty for the root.
    pub folder: &'static str,
    /// `StopSignal`; empty for the default.
    pub stop_signal: &'static str,
}

impl Start {
    /// Runs `command` as root, and says nothing else.
    #[must_use]
    pub const fn command(command: &'static [&'static str]) -> Self {
        let path = &["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
        Self { entrypoint: &[], command, user: "", environment: path, folder: "", stop_signal: "" }
    }
}

impl Recipe {
    /// The image's layout on disk, built if it is not there yet. In the bed's guest, the one that
    /// was dropped in.
    ///
    /// # Panics
    /// It cannot be built.
    #[must_use]
    pub fn layout(&self) -> PathBuf {
        if bed::guest().is_some() { bed::layout(self) } else { build::cached(self) }
    }
}
