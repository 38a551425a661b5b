//! The two disks that a run brings: what is dropped in, and an empty file system to write on.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::apt::output;
use super::call::Dropped;
use super::place::Place;

/// The payload's capacity, bytes: the guest knows it from before it was saved. A sparse file.
const CAPACITY: u64 = 2 << 30;

/// The scratch disk's capacity, bytes.
const SCRATCH: u64 = 4 << 30;

/// Where the guest's agent looks for what to run.
const COMMAND: &str = "bed-command";

/// What a run brings with it.
#[derive(Debug, Default)]
pub(super) struct Payload<'a> {
    /// What is found in /host.
    pub(super) files: &'a [Dropped],
    /// The program and its arguments.
    pub(super) command: &'a [String],
    /// Set for it.
    pub(super) environment: &'a [(&'a str, &'a str)],
}

impl Payload<'_> {
    /// Writes the image `payload` in the run's folder.
    ///
    /// # Errors
    /// A file cannot be read, or there is too much of it.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let tree = folder.join("tree");
        fs::create_dir(&tree)?;
        for file in self.files {
            let target = tree.join(&file.name);
            output(Command::new("cp").arg("-rL").arg(&file.file).arg(target))?;
        }
        fs::write(tree.join(COMMAND), self.script())?;
        let image = folder.join("payload");
        output(Command::new("mkfs.erofs").arg(&image).arg(&tree))?;
        fs::remove_dir_all(&tree)?;
        let image = fs::OpenOptions::new().write(true).open(image)?;
        if image.metadata()?.len() > CAPACITY {
            bail!("more than {CAPACITY} bytes for the guest");
        }
        Ok(image.set_len(CAPACITY)?)
    }

    fn script(&self) -> String {
        let mut script = String::new();
        for (name, value) in self.environment {
            script.push_str(&format!("export {name}={}\n", quoted(value)));
        }
        let words: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        script + "exec " + &words.join(" ") + "\n"
    }
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Gives the run an empty scratch disk.
///
/// # Errors
/// It cannot be made.
pub(super) fn scratch(place: &Place, folder: &Path) -> Result<()> {
    let pristine = place.made("scratch", |folder| disk(&folder.join("disk")))?;
    sparse_copy(&pristine.join("disk"), &folder.join("scratch"))
}

/// Gives the run the disk at `path`, which is kept; made if it is not there.
///
/// # Errors
/// It cannot be made.
pub(super) fn kept(place: &Place, path: &Path, folder: &Path) -> Result<()> {
    if !path.exists() {
        let pristine = place.made("scratch", |folder| disk(&folder.join("disk")))?;
        sparse_copy(&pristine.join("disk"), path)?;
    }
    Ok(std::os::unix::fs::symlink(path, folder.join("scratch"))?)
}

fn sparse_copy(from: &Path, to: &Path) -> Result<()> {
    output(Command::new("cp").arg("--sparse=always").arg(from).arg(to)).map(drop)
}

/// An ext4 that is made quickly and finished by nobody: no lazy initialisation runs in the guest.
fn disk(path: &Path) -> Result<()> {
    fs::File::create(path)?.set_len(SCRATCH)?;
    let options = ["-q", "-F", "-N", "65536", "-J", "size=16", "-E", "nodiscard"];
    output(Command::new("mkfs.ext4").args(options).arg(path)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_guest_as_they_are() {
        let command = ["echo".to_owned(), "it's $HOME\n".to_owned()];
        let payload = Payload { command: &command, ..Payload::default() };
        let said = output(Command::new("bash").arg("-c").arg(payload.script())).unwrap();
        assert_eq!(said, "it's $HOME\n\n");
    }
}
