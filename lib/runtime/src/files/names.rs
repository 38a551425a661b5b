//! Paths as bytes: components and what they are put together from.

/// The components of a path, `..` included.
pub(super) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// `name` in the folder `path`, which may be empty.
pub(super) fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    match path {
        b"" => name.to_vec(),
        path if path.ends_with(b"/") => [path, name].concat(),
        path => [path, b"/", name].concat(),
    }
}

/// What stands before the last component of a path and that component; `None` for the root, and
/// where the last one leads elsewhere.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = path.iter().rposition(|byte| *byte != b'/')? + 1;
    let start = path[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let name = &path[start..end];
    (name != b"." && name != b"..").then_some((&path[..start], name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_has_a_name_of_its_own() {
        for (path, parts) in [
            ("/a/b", Some(("/a/", "b"))),
            ("/a/b//", Some(("/a/", "b"))),
            ("a", Some(("", "a"))),
            ("/", None),
            ("", None),
            ("/a/..", None),
            ("/a/.", None),
        ] {
            let parts =
                parts.map(|(folder, name): (&str, &str)| (folder.as_bytes(), name.as_bytes()));
            assert_eq!(split(path.as_bytes()), parts, "{path}");
        }
        assert_eq!((join(b"", b"x"), join(b"/", b"x")), (b"x".to_vec(), b"/x".to_vec()));
        assert_eq!(components(b"/a/./..//b").collect::<Vec<_>>(), [&b"a"[..], b"..", b"b"]);
    }
}
