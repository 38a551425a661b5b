//! Reading and opening by path.

use std::fs::{File, OpenOptions, read_dir, read_link};
use std::io::{self, Read, Write};

use rustix::fs::FileType;

use super::{Tried, refused};

/// How much of a file is read.
pub(crate) const MOST: u64 = 65536;

/// The start of a file, as text.
pub(crate) fn read(path: &str, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where a link leads.
pub(crate) fn link(path: &str) -> io::Result<String> {
    Ok(read_link(path)?.display().to_string())
}

/// What a file says, if it says anything.
pub(crate) fn says(path: &str) -> Tried {
    let text = read(path, MOST)?;
    if text.trim().is_empty() { refused("it reads as empty") } else { Ok(text) }
}

/// What several files say; those that cannot be read say nothing.
pub(crate) fn join(paths: &[&str]) -> String {
    paths.iter().filter_map(|path| read(path, MOST).ok()).collect()
}

/// The same, if they say anything.
pub(crate) fn say(paths: &[&str]) -> Tried {
    let text = join(paths);
    if text.trim().is_empty() { refused("they read as empty") } else { Ok(text) }
}

/// A line of a file in which the kernel shows an address that is not hidden.
pub(crate) fn shows_addresses(path: &str) -> Tried {
    let text = says(path)?;
    let is_address = |word: &str| {
        let digits = word.split('-').next().unwrap_or(word).trim_start_matches("0x");
        digits.len() >= 8
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            && digits.bytes().any(|byte| byte != b'0')
    };
    match text.lines().find(|line| line.split_whitespace().any(is_address)) {
        Some(line) => Ok(line.to_owned()),
        None => refused("its addresses are hidden"),
    }
}

/// The names in a folder, if there are any.
pub(crate) fn lists(path: &str) -> Tried {
    let names = read_dir(path)?.filter_map(Result::ok);
    let names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    if names.is_empty() { refused("it lists as empty") } else { Ok(names.join(" ")) }
}

/// Opens only: nothing is written even where it could be. What a mask stands on is the null device,
/// which takes everything and keeps nothing.
pub(crate) fn opens_to_write(path: &str) -> Tried {
    let file = OpenOptions::new().write(true).open(path)?;
    let about = rustix::fs::fstat(&file)?;
    let is_device = FileType::from_raw_mode(about.st_mode) == FileType::CharacterDevice;
    if is_device && about.st_rdev == rustix::fs::makedev(1, 3) {
        return refused("it is the null device");
    }
    Ok(format!("opened {path} for writing"))
}

/// Writes what the file already says.
pub(crate) fn writes_back(path: &str) -> Tried {
    let value = read(path, 4096)?;
    OpenOptions::new().write(true).open(path)?.write_all(value.trim_end().as_bytes())?;
    Ok(format!("wrote {} back", value.trim_end()))
}

/// Makes an empty file and removes it.
pub(crate) fn makes(path: &str) -> Tried {
    OpenOptions::new().create_new(true).write(true).open(path)?;
    std::fs::remove_file(path)?;
    Ok(format!("made {path}"))
}
