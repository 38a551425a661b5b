//! A Debian kernel: the image unpacked, its modules, and the initrd that loads the first of them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::apt::{Archive, output};
use super::initrd;
use super::machine::Kernel;
use super::place::{Place, key};

/// The kernel without drivers for real hardware.
const PACKAGE: &str = "linux-image-cloud-amd64";

/// Raised when the same inputs give other files.
const VERSION: &[u8] = b"2";

/// The files of one kernel.
#[derive(Debug)]
pub(super) struct Files {
    /// The uncompressed ELF image.
    pub(super) image: PathBuf,
    /// The first root.
    pub(super) initrd: PathBuf,
    /// A file system with all modules.
    pub(super) modules: PathBuf,
}

/// The files of `kernel`, made if they are not there.
///
/// # Errors
/// The package cannot be had, or is not as expected.
pub(super) fn ensure(place: &Place, kernel: Kernel) -> Result<Files> {
    let archive = Archive::of(place, kernel)?;
    let package = archive.newest(place, PACKAGE)?;
    let key = key([package.as_bytes(), initrd::INIT.as_bytes(), VERSION]);
    let folder = place.made(&format!("kernel-{key}"), |folder| make(&archive, &package, folder))?;
    Ok(Files {
        image: folder.join("vmlinux"),
        initrd: folder.join("initrd"),
        modules: folder.join("modules"),
    })
}

fn make(archive: &Archive, package: &str, folder: &Path) -> Result<()> {
    eprintln!("bed: {package}");
    let tree = folder.join("tree");
    let file = archive.download(package, folder)?;
    output(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&tree))?;
    let boot = fs::read_dir(tree.join("boot"))?.flatten();
    let release = boot
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix("vmlinuz-")?.to_owned()))
        .next()
        .context("the package holds no kernel")?;
    let image = fs::read(tree.join(format!("boot/vmlinuz-{release}")))?;
    fs::write(folder.join("vmlinux"), unpacked(&image)?)?;
    // Debian 12 has them in /lib, Debian 13 in /usr/lib; kmod looks in /lib.
    if !tree.join("lib").exists() {
        std::os::unix::fs::symlink("usr/lib", tree.join("lib"))?;
    }
    output(Command::new("depmod").arg("-b").arg(&tree).arg(&release))?;
    fs::write(folder.join("initrd"), initrd::archive(&tree, &release)?)?;
    let modules = tree.join("lib/modules").canonicalize()?;
    output(Command::new("mkfs.erofs").arg("-zlz4").arg(folder.join("modules")).arg(modules))?;
    fs::remove_dir_all(&tree)?;
    Ok(fs::remove_file(file)?)
}

/// The ELF image inside a bzImage (the kernel's Documentation/arch/x86/boot.rst: `setup_sects` at
/// 1F1, `payload_offset` at 248, `payload_length` at 24C).
fn unpacked(image: &[u8]) -> Result<Vec<u8>> {
    let word = |at: usize| -> Result<usize> {
        let bytes = image.get(at..at + 4).context("the kernel's header is cut short")?;
        Ok(u32::from_le_bytes(bytes.try_into()?) as usize)
    };
    let setup = match image.get(0x1f1) {
        Some(0) => 4,
        Some(&sectors) => usize::from(sectors),
        None => bail!("the kernel's header is cut short"),
    };
    let start = (setup + 1) * 512 + word(0x248)?;
    // The last four bytes are the size of what is inside.
    let end = start + word(0x24c)? - 4;
    decompressed(image.get(start..end).context("the kernel is cut short")?)
}

/// `bytes` through the program that their magic number asks for; as they are without one.
///
/// # Errors
/// The program fails.
pub(super) fn decompressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let words: &[&str] = match bytes {
        [0xfd, b'7', ..] => &["xz", "-dc", "--single-stream"],
        [0x02, 0x21, ..] => &["lz4", "-dc"],
        [0x28, 0xb5, ..] => &["zstd", "-dc"],
        _ => return Ok(bytes.to_vec()),
    };
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("run {}", words[0]))?;
    let mut input = child.stdin.take().context("stdin is a pipe")?;
    let unpacked = std::thread::scope(|scope| {
        let writer = scope.spawn(move || input.write_all(bytes));
        let result = child.wait_with_output();
        (writer.join(), result)
    });
    let result = unpacked.1?;
    if !result.status.success() {
        bail!("{}: {}", words[0], result.status);
    }
    Ok(result.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_is_none_is_an_error() {
        assert!(unpacked(b"").is_err());
        assert!(unpacked(&[0xff; 0x400]).is_err());
    }
}
