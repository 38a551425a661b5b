//! The lines of passwd and group files, as bytes that nobody vouches for.

use super::ID_LIMIT;

/// A well-formed line of a passwd file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswdLine<'a> {
    /// The user's name.
    pub name: &'a str,
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// Its home folder, as written.
    pub home: &'a str,
}

/// A well-formed line of a group file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLine<'a> {
    /// The group's name.
    pub name: &'a str,
    /// Its number.
    pub gid: u32,
    members: &'a str,
}

impl<'a> GroupLine<'a> {
    /// The names of its members.
    pub fn members(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.members.split(',').filter(|name| !name.is_empty())
    }
}

/// A line that has not the form that it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed<'a>(&'a [u8]);

impl Malformed<'_> {
    /// Whether the line would be the one of `name`.
    pub fn starts(&self, name: &str) -> bool {
        self.0.strip_prefix(name.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b':', ..]))
    }
}

/// The lines of a file: each read, or malformed. Empty lines and comments are left out.
pub type Lines<'a, T> = Box<dyn Iterator<Item = Result<T, Malformed<'a>>> + 'a>;

/// The lines of a passwd file. Source: man 5 passwd.
pub fn users(bytes: &[u8]) -> Lines<'_, PasswdLine<'_>> {
    Box::new(lines(bytes).map(|line| passwd_line(line).ok_or(Malformed(line))))
}

/// The lines of a group file. Source: man 5 group.
pub fn groups(bytes: &[u8]) -> Lines<'_, GroupLine<'_>> {
    Box::new(lines(bytes).map(|line| group_line(line).ok_or(Malformed(line))))
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.trim_ascii().is_empty() && line[0] != b'#')
}

fn passwd_line(line: &[u8]) -> Option<PasswdLine<'_>> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = name(fields.next()?)?;
    let (_password, uid, gid) = (fields.next()?, number(fields.next()?)?, number(fields.next()?)?);
    // The comment may be in any encoding; docker takes lines without the fields after the gid.
    let (_comment, home) = (fields.next(), fields.next().unwrap_or(b""));
    Some(PasswdLine { name, uid, gid, home: str::from_utf8(home).ok()? })
}

fn group_line(line: &[u8]) -> Option<GroupLine<'_>> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = name(fields.next()?)?;
    let (_password, gid) = (fields.next()?, number(fields.next()?)?);
    let members = str::from_utf8(fields.next().unwrap_or(b"")).ok()?;
    Some(GroupLine { name, gid, members })
}

/// A name; `+` and `-` begin the lines of NIS, which are nobody's.
fn name(field: &[u8]) -> Option<&str> {
    let name = str::from_utf8(field).ok()?;
    (!name.is_empty() && !name.starts_with(['+', '-'])).then_some(name)
}

/// A decimal number from 0 to [`ID_LIMIT`] with no sign and no leading zero, which some read as
/// octal.
pub(super) fn number(field: &[u8]) -> Option<u32> {
    let plain = match field {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let text = str::from_utf8(field).ok().filter(|_| plain)?;
    text.parse().ok().filter(|number| *number <= ID_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_malformed() {
        let file = b"a:x:1:2::/a:/sh\n\n#c\n  \nb:x::2\nc:x:3:4\n:x:1:1\n";
        let seen: Vec<_> = users(file).map(|line| line.map(|l| (l.name, l.uid, l.home))).collect();
        assert_eq!(seen[0], Ok(("a", 1, "/a")));
        assert!(seen[1].is_err());
        assert_eq!(seen[2], Ok(("c", 3, "")));
        assert!(seen[3].is_err());
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn a_malformed_line_knows_whose_it_would_be() {
        assert!(Malformed(b"web:x").starts("web"));
        assert!(Malformed(b"web").starts("web"));
        assert!(!Malformed(b"webs:x").starts("web"));
    }

    #[test]
    fn numbers_are_plain() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"2147483647"), Some(2_147_483_647));
        for bad in [&b""[..], b"00", b"01", b"2147483648", b"1 ", b"+1", b"\xff", b"99999999999"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }
}
