//! Prints a tree of files as a container sees it: one line a file, all that an archive can carry.
//!
//! `walk FOLDER SKIPPED…`: the tests run it inside containers of ours and of other engines and
//! compare what it prints. Other file systems below FOLDER are not entered.

#![expect(clippy::disallowed_methods, reason = "sees a tree as any program in the container does")]
#![expect(clippy::print_stdout, reason = "its output is the data")]

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let root = arguments.next().unwrap_or_else(|| "/".into());
    let mut walk = Walk { skipped: arguments.collect(), links: HashMap::new() };
    let device = fs::symlink_metadata(&root)?.dev();
    walk.visit(&root, device)
}

struct Walk {
    skipped: Vec<PathBuf>,
    /// The first name of each file with several.
    links: HashMap<(u64, u64), PathBuf>,
}

impl Walk {
    fn visit(&mut self, path: &Path, device: u64) -> io::Result<()> {
        let meta = fs::symlink_metadata(path)?;
        if self.skipped.iter().any(|skipped| skipped == path) {
            return Ok(());
        }
        println!("{}", self.line(path, &meta)?);
        if !meta.is_dir() || meta.dev() != device {
            return Ok(());
        }
        let mut names = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
        names.sort_by_key(fs::DirEntry::file_name);
        names.iter().try_for_each(|entry| self.visit(&entry.path(), device))
    }

    /// Name, mode, owner, time, size, attributes and content.
    fn line(&mut self, path: &Path, meta: &Metadata) -> io::Result<String> {
        Ok(format!(
            "{} {:o} {}:{} {}.{:09} {} {}",
            path.display(),
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.mtime(),
            meta.mtime_nsec(),
            attributes(path),
            self.content(path, meta)?,
        ))
    }

    fn content(&mut self, path: &Path, meta: &Metadata) -> io::Result<String> {
        let kind = meta.file_type();
        if kind.is_symlink() {
            return Ok(format!("-> {}", fs::read_link(path)?.display()));
        }
        if kind.is_block_device() || kind.is_char_device() {
            return Ok(format!("device {:x}", meta.rdev()));
        }
        if !kind.is_file() {
            return Ok(String::new());
        }
        let key = (meta.dev(), meta.ino());
        let first = self.links.entry(key).or_insert_with(|| path.to_owned());
        if first != path {
            return Ok(format!("= {}", first.display()));
        }
        let mut hasher = Sha256::new();
        let size = io::copy(&mut fs::File::open(path)?, &mut Hash(&mut hasher))?;
        Ok(format!("{size} {}", hex(&hasher.finalize())))
    }
}

/// Every extended attribute that can be seen, with its value.
fn attributes(path: &Path) -> String {
    let mut names = vec![0; 64 << 10];
    let Ok(n) = rustix::fs::llistxattr(path, &mut names) else { return "[]".into() };
    let mut seen: Vec<String> = names[..n]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let name = std::ffi::OsStr::from_bytes(name);
            let n = rustix::fs::lgetxattr(path, name, &mut value).unwrap_or(0);
            format!("{}={}", name.display(), hex(&value[..n]))
        })
        .collect();
    seen.sort();
    format!("[{}]", seen.join(" "))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Hash<'a>(&'a mut Sha256);

impl io::Write for Hash<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
