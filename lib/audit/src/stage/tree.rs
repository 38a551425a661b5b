//! What a folder holds, so that any change of it shows.
#![expect(clippy::disallowed_methods, reason = "the audit's own folder, by the caller's path")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A line for each file below `folder`: its name, kind, mode, owner, size and times.
pub(super) fn signature(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    walk(folder, &mut lines);
    lines.sort();
    lines
}

fn walk(folder: &Path, lines: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        // A runtime's own folders beside it change as it runs.
        if path.file_name().is_some_and(|name| name == "runtimes") {
            continue;
        }
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        lines.push(format!(
            "{} {:o} {}:{} {} {}.{} {}.{}",
            path.display(),
            about.mode(),
            about.uid(),
            about.gid(),
            about.size(),
            about.mtime(),
            about.mtime_nsec(),
            about.ctime(),
            about.ctime_nsec(),
        ));
        // Small enough to be read each time; a page that was written past its file shows here.
        if about.is_file() && about.size() < 4096 {
            lines.push(fs::read_to_string(&path).unwrap_or_default());
        }
        if about.is_dir() {
            walk(&path, lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_a_mode_and_a_new_file_show() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "one").unwrap();
        let first = signature(folder.path());
        assert_eq!(first, signature(folder.path()));
        fs::write(folder.path().join("a"), "two").unwrap();
        let second = signature(folder.path());
        assert_ne!(first, second);
        fs::write(folder.path().join("b"), "").unwrap();
        assert_ne!(second, signature(folder.path()));
    }
}
