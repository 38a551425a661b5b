//! Trees of files out of Debian's packages: apt finds the closure, dpkg-deb gives the files.
//!
//! No maintainer script runs; the little that they would make is made here.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program;

/// Users beside those of Debian's base-passwd.
const USERS: &str = "\
postgres:x:999:999::/data:/bin/sh
redis:x:1001:1001::/data:/bin/sh
worker:x:1000:1000::/home/worker:/bin/bash
";
const GROUPS: &str = "postgres:x:999:\nredis:x:1001:\nworker:x:1000:\nextra:x:2000:worker\n";

/// The archive's state as this machine knows it, part of each image's key.
///
/// # Panics
/// apt's lists cannot be listed.
#[must_use]
pub fn archive_state() -> Vec<u8> {
    let lists = Path::new("/var/lib/apt/lists");
    let Ok(entries) = fs::read_dir(lists) else { return Vec::new() };
    let mut releases: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with("InRelease"))
        .collect();
    releases.sort();
    releases.iter().flat_map(|path| fs::read(path).unwrap_or_default()).collect()
}

/// Downloads `packages` and all they need, and gives their files, sorted.
///
/// # Panics
/// apt cannot.
#[must_use]
pub fn closure(work: &Path, packages: &[&str]) -> BTreeSet<PathBuf> {
    let cache = work.join("apt");
    fs::create_dir_all(cache.join("archives/partial")).unwrap();
    let status = cache.join("status");
    fs::write(&status, "").unwrap();
    let apt = |verb: &[&str]| {
        program::run(
            Command::new("apt-get")
                .arg("-o")
                .arg(format!("Dir::State::status={}", status.display()))
                .arg("-o")
                .arg(format!("Dir::Cache={}", cache.display()))
                .args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"])
                .args(["--no-install-recommends", "-qq", "-y"])
                .args(verb)
                .args(packages),
        )
    };
    if apt(&["--download-only", "install"]).status != 0 {
        program::must("apt-get", ["-qq", "update"]);
        apt(&["--download-only", "install"]).success();
    }
    let plan = apt(&["--simulate", "install"]).success();
    plan.lines().filter_map(|line| archive(&cache.join("archives"), line)).collect()
}

/// `Inst libc6 (2.36-9+deb12u14 Debian:12.9/stable [amd64])` → the file that apt made of it.
fn archive(archives: &Path, line: &str) -> Option<PathBuf> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
    let version = rest.split(' ').next()?.replace(':', "%3a");
    let architecture = rest.split_once('[')?.1.split_once(']')?.0;
    let name = name.split(' ').next()?;
    Some(archives.join(format!("{name}_{version}_{architecture}.deb")))
}

/// The links of a merged /usr, which no package carries.
pub(super) const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// Unpacks `archives` into `root`.
///
/// # Panics
/// One of them cannot be unpacked.
pub fn unpack(root: &Path, archives: impl IntoIterator<Item = PathBuf>) {
    for name in MERGED {
        fs::create_dir_all(root.join("usr").join(name)).unwrap();
        symlink(format!("usr/{name}"), root.join(name)).unwrap();
    }
    for archive in archives {
        let mut files = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(&archive)
            .stdout(Stdio::piped())
            .spawn()
            .expect("dpkg-deb");
        // dpkg-deb -x would replace the links of the merged /usr by folders.
        let tar = Command::new("tar")
            .args(["--extract", "--keep-directory-symlink", "--same-owner", "-p"])
            .args(["--exclude=./usr/share/locale", "-C"])
            .arg(root)
            .stdin(files.stdout.take().unwrap())
            .status()
            .expect("tar");
        assert!(tar.success() && files.wait().unwrap().success(), "{}", archive.display());
    }
}

/// What base-passwd and dash make when they are installed.
pub(super) fn configure(root: &Path) {
    let etc = root.join("etc");
    for (name, ours) in [("passwd", USERS), ("group", GROUPS)] {
        let master = root.join(format!("usr/share/base-passwd/{name}.master"));
        fs::copy(master, etc.join(name)).unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(etc.join(name)).unwrap();
        file.write_all(ours.as_bytes()).unwrap();
    }
    let shell = root.join("usr/bin/sh");
    if fs::symlink_metadata(&shell).is_err() {
        symlink("dash", shell).unwrap();
    }
    fs::create_dir_all(root.join("home/worker")).unwrap();
    std::os::unix::fs::chown(root.join("home/worker"), Some(1000), Some(1000)).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_apts_plan() {
        let line = "Inst tzdata (1:2026f-0+deb12u1 Debian:12/stable [all]) [x:amd64 ]";
        let path = archive(Path::new("a"), line).unwrap();
        assert_eq!(path, Path::new("a/tzdata_1%3a2026f-0+deb12u1_all.deb"));
        assert_eq!(archive(Path::new("a"), "Conf tzdata (1 x [all])"), None);
    }
}
