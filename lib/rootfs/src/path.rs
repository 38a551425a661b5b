//! Paths of entries: bytes made into components that cannot lead out of a tree.
//!
//! Source of the reserved names: image-spec layer.md, "Whiteouts" and "Opaque Whiteout".

use std::fmt;

/// A path of an entry, shown with what could confuse a terminal escaped.
#[derive(Clone, PartialEq, Eq)]
pub struct EntryPath(Box<[u8]>);

impl EntryPath {
    /// The path as it stands in the archive.
    pub fn new(path: &[u8]) -> Self {
        Self(path.into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character.is_control() {
                    true => write!(f, "{}", character.escape_default())?,
                    false => fmt::Write::write_char(f, character)?,
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a path of an entry cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It has a `..`.
    #[error("it has a component \"..\"")]
    DotDot,
    /// A component is longer than any file system takes.
    #[error("a component is longer than 255 bytes")]
    Component,
    /// A whiteout of nothing, of `.` or of `..`.
    #[error("it is a whiteout of no name")]
    Whiteout,
    /// A folder has a name that is reserved for whiteouts.
    #[error("a folder in it begins with \".wh.\", which is reserved for whiteouts")]
    Reserved,
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish<'a> {
    /// The root of the tree.
    Root,
    /// An entry.
    Entry,
    /// That this name of the lower layers is not there.
    Whiteout(&'a [u8]),
    /// That nothing of the lower layers is in the folder.
    Opaque,
    /// Bookkeeping of AUFS: `.wh..wh.plnk` and others, which docker skips too.
    Nothing,
}

const WHITEOUT: &[u8] = b".wh.";
const AUFS: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Writes `path` into `clean` without leading, doubled and trailing slashes and without `.`, and
/// counts its components. An absolute path starts at the root of the tree, as in chroot(2).
pub(crate) fn clean(path: &[u8], clean: &mut Vec<u8>) -> Result<usize, PathFault> {
    clean.clear();
    let mut count = 0;
    for component in components(path) {
        match component {
            b".." => return Err(PathFault::DotDot),
            long if long.len() > 255 => return Err(PathFault::Component),
            component => {
                push(clean, component);
                count += 1;
            }
        }
    }
    Ok(count)
}

/// The components of a path, `..` included.
pub(crate) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// Appends a component.
pub(crate) fn push(path: &mut Vec<u8>, component: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(component);
}

/// The parent and the last component of a clean path. The parent of a single component is empty.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// What is left of `path` below `folder`, where it is below it or the same.
pub(crate) fn below<'a>(path: &'a [u8], folder: &[u8]) -> Option<&'a [u8]> {
    if folder.is_empty() {
        return Some(path);
    }
    match path.strip_prefix(folder)? {
        [] => Some(&[]),
        [b'/', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// What a clean path asks for.
pub(crate) fn wish(path: &[u8]) -> Result<Wish<'_>, PathFault> {
    if path.is_empty() {
        return Ok(Wish::Root);
    }
    let (parent, name) = split(path);
    if parent.starts_with(WHITEOUT) || parent.windows(5).any(|part| part == b"/.wh.") {
        return reserved_parent(parent);
    }
    match name.strip_prefix(WHITEOUT) {
        None => Ok(Wish::Entry),
        _ if name == OPAQUE => Ok(Wish::Opaque),
        _ if name.starts_with(AUFS) => Ok(Wish::Nothing),
        Some(b"" | b"." | b"..") => Err(PathFault::Whiteout),
        Some(hidden) => Ok(Wish::Whiteout(hidden)),
    }
}

fn reserved_parent<'a>(parent: &[u8]) -> Result<Wish<'a>, PathFault> {
    match components(parent).find(|part| part.starts_with(WHITEOUT)) {
        Some(aufs) if aufs.starts_with(AUFS) => Ok(Wish::Nothing),
        _ => Err(PathFault::Reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(path: &[u8]) -> Result<Vec<u8>, PathFault> {
        let mut out = b"old".to_vec();
        clean(path, &mut out).map(|_| out)
    }

    #[test]
    fn clean_paths_stay_below() {
        assert_eq!(cleaned(b"./a//b/./c/"), Ok(b"a/b/c".to_vec()));
        assert_eq!(cleaned(b"/a"), Ok(b"a".to_vec()));
        assert_eq!(cleaned(b"/"), Ok(Vec::new()));
        assert_eq!(cleaned(b"./"), Ok(Vec::new()));
        assert_eq!(cleaned(b"a/.../..b"), Ok(b"a/.../..b".to_vec()));
        for bad in [&b".."[..], b"../a", b"a/..", b"a/../b", b"/../a"] {
            assert_eq!(cleaned(bad), Err(PathFault::DotDot));
        }
        assert_eq!(cleaned(&[b'a'; 256]), Err(PathFault::Component));
    }

    #[test]
    fn odd_whiteouts() {
        assert_eq!(wish(b"a/.wh.b"), Ok(Wish::Whiteout(b"b")));
        assert_eq!(wish(b"a/.wh...."), Ok(Wish::Whiteout(b"...")));
        assert_eq!(wish(b".wh..wh..opq"), Ok(Wish::Opaque));
        assert_eq!(wish(b"a/.wh..wh.plnk"), Ok(Wish::Nothing));
        assert_eq!(wish(b".wh..wh.plnk/7.8"), Ok(Wish::Nothing));
        assert_eq!(wish(b"a.wh.b"), Ok(Wish::Entry));
        assert_eq!(wish(b"x.wh./a"), Ok(Wish::Entry));
        for bad in [&b".wh."[..], b"a/.wh..", b"a/.wh..."] {
            assert_eq!(wish(bad), Err(PathFault::Whiteout));
        }
        assert_eq!(wish(b"a/.wh.b/c"), Err(PathFault::Reserved));
    }

    #[test]
    fn splitting() {
        assert_eq!(split(b"a/b/c"), (&b"a/b"[..], &b"c"[..]));
        assert_eq!(split(b"a"), (&b""[..], &b"a"[..]));
        assert_eq!(below(b"a/b", b"a"), Some(&b"b"[..]));
        assert_eq!(below(b"ab", b"a"), None);
        assert_eq!(below(b"a", b"a"), Some(&b""[..]));
        assert_eq!(below(b"a", b""), Some(&b"a"[..]));
    }

    #[test]
    fn shown_without_surprises() {
        let path = EntryPath::new(b"caf\xc3\xa9/\x1b[31m\xff\n");
        assert_eq!(path.to_string(), "café/\\u{1b}[31m\\xff\\n");
    }

    proptest::proptest! {
        #[test]
        fn no_clean_path_climbs(path: Vec<u8>) {
            if let Ok(out) = cleaned(&path) {
                proptest::prop_assert!(components(&out).all(|part| part != b".."));
                proptest::prop_assert!(!out.starts_with(b"/") && !out.ends_with(b"/"));
                proptest::prop_assert_eq!(components(&out).collect::<Vec<_>>().join(&b'/'), out);
            }
        }
    }
}
