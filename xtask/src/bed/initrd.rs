//! The initrd: busybox, the modules of the machine's disks and ports, and a script.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::output;
use super::kernel::decompressed;

/// The script.
pub(super) const INIT: &str = include_str!("guest/init.sh");

/// What is needed before the root is there; modprobe names what these need in turn.
const MODULES: &[&str] = &["virtio_pci", "virtio_blk", "virtio_console", "erofs", "overlay"];

/// An archive as the kernel reads it (its Documentation/driver-api/early-userspace/
/// buffer-format.rst), with modules out of the kernel package in `tree`.
///
/// # Errors
/// A module or busybox is missing.
pub(super) fn archive(tree: &Path, release: &str) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "m", "proc", "sys"] {
        archive.entry(folder, 0o040_755, b"");
    }
    archive.entry("bin/busybox", 0o100_755, &fs::read("/bin/busybox").context("busybox-static")?);
    archive.entry("init", 0o100_755, INIT.as_bytes());
    let mut names = Vec::new();
    for module in MODULES {
        let mut modprobe = Command::new("modprobe");
        modprobe.arg("-d").arg(tree).args(["-S", release, "--show-depends", module]);
        for line in output(&mut modprobe)?.lines() {
            let Some(path) = line.strip_prefix("insmod ").map(str::trim) else { continue };
            if !names.iter().any(|name| name == path) {
                names.push(path.to_owned());
            }
        }
    }
    for (n, path) in names.iter().enumerate() {
        let bytes = decompressed(&fs::read(path).with_context(|| path.clone())?)?;
        archive.entry(&format!("m/{n:02}.ko"), 0o100_644, &bytes);
    }
    archive.entry("TRAILER!!!", 0, b"");
    Ok(archive.bytes)
}

/// A cpio archive of the kind "newc".
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let named = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, named, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned() {
        let mut archive = Archive::default();
        archive.entry("a", 0o100_644, b"xyz");
        assert_eq!(archive.bytes.len(), 112 + 4);
        assert!(archive.bytes.starts_with(b"07070100000001000081a4"));
    }
}
