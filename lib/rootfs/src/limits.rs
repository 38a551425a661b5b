//! What an image may cost to unpack, so that a small download cannot fill a disk.

use std::sync::atomic::{AtomicU64, Ordering};

/// The most that unpacking an image may take. Each has a flag of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all tar streams that are unpacked for one image, and of any single file.
    pub image_size: u64,
    /// How many times its compressed size a layer may unpack to. Layers below
    /// [`Limits::RATIO_FLOOR`] are not measured, since a few zeros compress a thousandfold.
    pub ratio: u64,
    /// Entries of all layers that are unpacked for one image.
    pub entries: u64,
    /// Bytes of one path. The kernel's own limit is 4095.
    pub path_bytes: usize,
    /// Components of one path.
    pub path_depth: usize,
    /// Bytes of names and values of the extended attributes of one entry.
    pub xattr_bytes: usize,
}

impl Limits {
    /// Unpacked bytes up to which no compression ratio is suspicious: 256 MiB.
    pub const RATIO_FLOOR: u64 = 256 << 20;
}

impl Default for Limits {
    /// 64 GiB, 200 to 1, two million entries, paths of 4095 bytes and 256 components, 64 KiB of
    /// attributes: several times what the largest known images hold.
    fn default() -> Self {
        Self {
            image_size: 64 << 30,
            ratio: 200,
            entries: 2_000_000,
            path_bytes: 4095,
            path_depth: 256,
            xattr_bytes: 64 << 10,
        }
    }
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::image_size`]
    ImageSize,
    /// [`Limits::ratio`]
    Ratio,
    /// [`Limits::entries`]
    Entries,
    /// [`Limits::path_bytes`]
    PathBytes,
    /// [`Limits::path_depth`]
    PathDepth,
    /// [`Limits::xattr_bytes`]
    XattrBytes,
}

impl Limit {
    /// The flag that raises it.
    pub fn flag(self) -> &'static str {
        match self {
            Self::ImageSize => "--max-image-size",
            Self::Ratio => "--max-image-ratio",
            Self::Entries => "--max-image-entries",
            Self::PathBytes => "--max-path-bytes",
            Self::PathDepth => "--max-path-depth",
            Self::XattrBytes => "--max-xattr-bytes",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::ImageSize => "bytes unpacked",
            Self::Ratio => "times its compressed size",
            Self::Entries => "entries",
            Self::PathBytes => "bytes in one path",
            Self::PathDepth => "components in one path",
            Self::XattrBytes => "bytes of extended attributes on one entry",
        }
    }
}

/// An image would cost more than it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("more than {most} {}; {} raises this limit", limit.what(), limit.flag())]
pub struct LimitError {
    /// Which limit.
    pub limit: Limit,
    /// Its value.
    pub most: u64,
}

/// What the layers of one image have used of their limits together.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    bytes: AtomicU64,
    entries: AtomicU64,
}

impl Budget {
    /// Nothing used yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, bytes: AtomicU64::new(0), entries: AtomicU64::new(0) }
    }

    /// The limits that it holds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes `count` unpacked bytes.
    pub fn take_bytes(&self, count: u64) -> Result<(), LimitError> {
        take(&self.bytes, count, self.limits.image_size, Limit::ImageSize)
    }

    /// Takes one entry.
    pub fn take_entry(&self) -> Result<(), LimitError> {
        take(&self.entries, 1, self.limits.entries, Limit::Entries)
    }

    /// How many bytes a layer of `compressed` bytes may unpack to.
    pub fn allowance(&self, compressed: u64) -> u64 {
        compressed.saturating_mul(self.limits.ratio).max(Limits::RATIO_FLOOR)
    }

    /// Checks the apparent size of one file, holes included.
    pub fn check_file(&self, size: u64) -> Result<(), LimitError> {
        self.check(size, self.limits.image_size, Limit::ImageSize)
    }

    /// Checks one path by its length and its number of components.
    pub fn check_path(&self, bytes: usize, components: usize) -> Result<(), LimitError> {
        self.check(bytes as u64, self.limits.path_bytes as u64, Limit::PathBytes)?;
        self.check(components as u64, self.limits.path_depth as u64, Limit::PathDepth)
    }

    /// Checks the extended attributes of one entry.
    pub fn check_xattrs(&self, bytes: usize) -> Result<(), LimitError> {
        self.check(bytes as u64, self.limits.xattr_bytes as u64, Limit::XattrBytes)
    }

    fn check(&self, value: u64, most: u64, limit: Limit) -> Result<(), LimitError> {
        if value > most { Err(LimitError { limit, most }) } else { Ok(()) }
    }
}

fn take(used: &AtomicU64, count: u64, most: u64, limit: Limit) -> Result<(), LimitError> {
    // The counters guard nothing but themselves, so relaxed order is enough. They cannot wrap:
    // the first layer to pass the limit stops, and each adds at most one buffer more.
    let before = used.fetch_add(count, Ordering::Relaxed);
    if before.saturating_add(count) > most { Err(LimitError { limit, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_share_one_budget() {
        let budget = Budget::new(Limits { image_size: 10, entries: 1, ..Limits::default() });
        budget.take_bytes(6).unwrap();
        budget.take_bytes(4).unwrap();
        let error = budget.take_bytes(1).unwrap_err();
        assert_eq!(error.limit, Limit::ImageSize);
        assert!(error.to_string().contains("--max-image-size"), "{error}");
        budget.take_entry().unwrap();
        assert!(budget.take_entry().unwrap_err().to_string().contains("--max-image-entries"));
    }

    #[test]
    fn small_layers_may_be_all_zeros() {
        let budget = Budget::new(Limits::default());
        assert_eq!(budget.allowance(0), Limits::RATIO_FLOOR);
        assert_eq!(budget.allowance(1 << 30), 200 << 30);
    }
}
