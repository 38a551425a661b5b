//! Which user a container runs as: `--user` and the image's `USER`, looked up in the image's own
//! passwd and group files.
//!
//! The files come from the image, so nothing in them is trusted: they are bounded in size, and a
//! line is either well-formed or it is not there. docker reads a number that it cannot parse as
//! 0, which is root; here it is an error (CVE-2024-40635). Source: docker's `--user`, and man 5
//! passwd, man 5 group.

mod files;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{ContainerGid, ContainerUid};

pub use files::{GroupLine, Lines, Malformed, PasswdLine, groups, users};

/// The most bytes of a passwd or group file that are looked at; a larger file is an error.
/// (CVE-2026-47262: a group file that eats the memory of whoever reads it.)
pub const FILE_LIMIT: usize = 1 << 20;

/// The most supplementary groups of one user.
pub const GROUPS_LIMIT: usize = 1024;

/// The largest id that a name or number may stand for, as in docker.
pub const ID_LIMIT: u32 = i32::MAX as u32;

/// Who the container's process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its user.
    pub uid: ContainerUid,
    /// Its primary group.
    pub gid: ContainerGid,
    /// Its supplementary groups, the primary one first: a process that is in a group only by its
    /// gid could leave it and so get round a mode that denies the group (CVE-2022-36109).
    pub groups: Vec<ContainerGid>,
    /// Those of them that the caller has added (`--group-add`), for whoever joins the container as
    /// another user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<ContainerGid>,
    /// Its home folder, `/` when the image does not say.
    pub home: String,
}

/// Why a user could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The text has not the form `user`, `uid`, `user:group` or `uid:gid`.
    #[error("user {0:?} should look like user, uid, user:group or uid:gid")]
    Form(String),
    /// The text has not the form of a group's name or number.
    #[error("group {0:?} should look like group or gid")]
    GroupForm(String),
    /// A number is too large, or is written in a way that others read differently.
    #[error("id {0:?} is not a plain decimal number from 0 to {ID_LIMIT}")]
    Number(String),
    /// The name is not in the image.
    #[error("user {0:?} is not in the image's /etc/passwd")]
    NoUser(String),
    /// The name is not in the image.
    #[error("group {0:?} is not in the image's /etc/group")]
    NoGroup(String),
    /// The line that would answer cannot be read.
    #[error("the line of {name:?} in the image's {file} is malformed")]
    Malformed {
        /// Which file.
        file: &'static str,
        /// Whose line.
        name: String,
    },
    /// A file is larger than [`FILE_LIMIT`].
    #[error("the image's {file} has {size} bytes, more than {FILE_LIMIT}")]
    TooLarge {
        /// Which file.
        file: &'static str,
        /// Its size in bytes.
        size: usize,
    },
    /// The user is in more groups than [`GROUPS_LIMIT`].
    #[error("user {0:?} is in more than {GROUPS_LIMIT} groups of the image's /etc/group")]
    TooManyGroups(String),
}

/// A user or a group, by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Number(u32),
    Name(String),
}

/// What `--user` and `USER` take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct UserSpec {
    user: Option<Who>,
    group: Option<Who>,
}

impl FromStr for Who {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, UserError> {
        let number_like =
            text.bytes().next().is_some_and(|b| b.is_ascii_digit() || b"+-".contains(&b))
                && text.bytes().skip(1).all(|b| b.is_ascii_digit());
        if number_like {
            return files::number(text.as_bytes())
                .map(Self::Number)
                .ok_or_else(|| UserError::Number(text.to_owned()));
        }
        let plain =
            |c: char| !c.is_whitespace() && !c.is_control() && c != ':' && c != ',' && c != '/';
        if text.is_empty() || text.len() > 256 || !text.chars().all(plain) {
            return Err(UserError::Form(text.to_owned()));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl FromStr for UserSpec {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, UserError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let (user, group) = text.split_once(':').map_or((text, None), |(u, g)| (u, Some(g)));
        let form = |_| UserError::Form(text.to_owned());
        let part = |part: &str| match part.parse() {
            Err(UserError::Form(_)) => Err(form(())),
            other => other,
        };
        // `:group` is root with that group; `user:` is the user with its own group.
        let user = if user.is_empty() { None } else { Some(part(user)?) };
        let group = group.filter(|g| !g.is_empty()).map(part).transpose()?;
        if user.is_none() && group.is_none() {
            return Err(form(()));
        }
        Ok(Self { user, group })
    }
}

/// Whether `spec` has the form of a user, whoever that is in an image.
///
/// # Errors
/// A [`UserError`] where it has not.
pub fn check(spec: &str) -> Result<(), UserError> {
    spec.parse::<UserSpec>().map(drop)
}

/// Whether `text` has the form of a group.
///
/// # Errors
/// A [`UserError`] where it has not.
pub fn check_group(text: &str) -> Result<(), UserError> {
    match text.parse::<Who>() {
        Err(UserError::Form(text)) => Err(UserError::GroupForm(text)),
        other => other.map(drop),
    }
}

/// Finds out who `spec` is, as docker does.
///
/// A name must be in `passwd`; a number need not be, and then has group 0, no further groups and
/// the home `/`. An empty `spec` is user 0. An explicit group replaces the user's own and leaves
/// no supplementary ones.
///
/// # Errors
/// A [`UserError`]; a user is never guessed.
pub fn resolve(spec: &str, passwd: &[u8], group: &[u8]) -> Result<Identity, UserError> {
    check_size("/etc/passwd", passwd)?;
    check_size("/etc/group", group)?;
    let spec: UserSpec = spec.parse()?;
    let line = find_user(spec.user.as_ref().unwrap_or(&Who::Number(0)), passwd)?;
    let (uid, own_gid) = match (&line, &spec.user) {
        (Some(line), _) => (line.uid, line.gid),
        (None, Some(Who::Number(uid))) => (*uid, 0),
        (None, None) => (0, 0),
        (None, Some(Who::Name(name))) => return Err(UserError::NoUser(name.clone())),
    };
    let (gid, further) = match (&spec.group, &line) {
        (Some(who), _) => (find_group(who, group)?, Vec::new()),
        (None, Some(line)) => (own_gid, memberships(line.name, group)?),
        (None, None) => (own_gid, Vec::new()),
    };
    let home = line.map_or("", |line| line.home);
    Ok(Identity {
        uid: ContainerUid::new(uid),
        gid: ContainerGid::new(gid),
        groups: with_primary(gid, further),
        added: Vec::new(),
        home: if home.starts_with('/') { home } else { "/" }.to_owned(),
    })
}

/// Finds out which group `text` is: a number, or a name of the image's group file.
///
/// # Errors
/// A [`UserError`]; a group is never guessed.
pub fn resolve_group(text: &str, group: &[u8]) -> Result<ContainerGid, UserError> {
    check_size("/etc/group", group)?;
    find_group(&text.parse()?, group).map(ContainerGid::new)
}

impl Identity {
    /// Adds it to `groups`, but for those that it is in.
    #[must_use]
    pub fn joined_to(mut self, groups: Vec<ContainerGid>) -> Self {
        for group in &groups {
            if !self.groups.contains(group) {
                self.groups.push(*group);
            }
        }
        Self { added: groups, ..self }
    }
}

fn check_size(file: &'static str, bytes: &[u8]) -> Result<(), UserError> {
    if bytes.len() > FILE_LIMIT {
        return Err(UserError::TooLarge { file, size: bytes.len() });
    }
    Ok(())
}

/// The first line of that user. By name, a line that has the name and is malformed is an error;
/// by number, a malformed line has no number and cannot match.
fn find_user<'a>(who: &Who, passwd: &'a [u8]) -> Result<Option<PasswdLine<'a>>, UserError> {
    let name = match who {
        Who::Number(uid) => {
            return Ok(users(passwd).filter_map(Result::ok).find(|line| line.uid == *uid));
        }
        Who::Name(name) => name,
    };
    for line in users(passwd) {
        match line {
            Ok(line) if line.name == name => return Ok(Some(line)),
            Err(bad) if bad.starts(name) => {
                return Err(UserError::Malformed { file: "/etc/passwd", name: name.clone() });
            }
            _ => {}
        }
    }
    Ok(None)
}

fn find_group(who: &Who, group: &[u8]) -> Result<u32, UserError> {
    let name = match who {
        Who::Number(gid) => return Ok(*gid),
        Who::Name(name) => name,
    };
    for line in groups(group) {
        match line {
            Ok(line) if line.name == name => return Ok(line.gid),
            Err(bad) if bad.starts(name) => {
                return Err(UserError::Malformed { file: "/etc/group", name: name.clone() });
            }
            _ => {}
        }
    }
    Err(UserError::NoGroup(name.clone()))
}

/// The groups that list `user` as a member, in the order of the file.
fn memberships(user: &str, group: &[u8]) -> Result<Vec<u32>, UserError> {
    let mut gids = Vec::new();
    for line in groups(group).filter_map(Result::ok) {
        if line.members().any(|member| member == user) && !gids.contains(&line.gid) {
            gids.push(line.gid);
        }
        if gids.len() > GROUPS_LIMIT {
            return Err(UserError::TooManyGroups(user.to_owned()));
        }
    }
    Ok(gids)
}

fn with_primary(gid: u32, further: Vec<u32>) -> Vec<ContainerGid> {
    let others = further.into_iter().filter(|other| *other != gid);
    std::iter::once(gid).chain(others).map(ContainerGid::new).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        web:x:33:33:web:/var/www:/bin/sh\n\
        \n# a comment\n+::::::\n\
        bad:x:what:1::/:\n\
        huge:x:4294967295:1::/:\n\
        nohome:x:50:51:::\n";
    const GROUP: &[u8] =
        b"root:x:0:root\nweb:x:33:\ndata:x:70:web,other\nmore:x:71:other,web\nweb2:x:33:web\nbroken:x:-1:web\n";

    fn ids(spec: &str) -> Result<(u32, u32, Vec<u32>), UserError> {
        let who = resolve(spec, PASSWD, GROUP)?;
        let groups = who.groups.iter().map(|gid| gid.number()).collect();
        Ok((who.uid.number(), who.gid.number(), groups))
    }

    #[test]
    fn every_form_that_docker_takes() {
        assert_eq!(ids(""), Ok((0, 0, vec![0])));
        assert_eq!(ids("web"), Ok((33, 33, vec![33, 70, 71])));
        assert_eq!(ids("33"), Ok((33, 33, vec![33, 70, 71])));
        assert_eq!(ids("web:data"), Ok((33, 70, vec![70])));
        assert_eq!(ids("web:5"), Ok((33, 5, vec![5])));
        assert_eq!(ids("web:"), ids("web"));
        assert_eq!(ids(":data"), Ok((0, 70, vec![70])));
        assert_eq!(ids("1234"), Ok((1234, 0, vec![0])));
        assert_eq!(ids("1234:5678"), Ok((1234, 5678, vec![5678])));
        assert_eq!(ids("2147483647"), Ok((2_147_483_647, 0, vec![0])));
    }

    #[test]
    fn nothing_else_is_a_user() {
        let form = |text: &str| Err(UserError::Form(text.to_owned()));
        for text in [":", " ", "web ", "a b", "a:b:c", "web:a,b", "a/b", "web\n"] {
            assert_eq!(ids(text), form(text), "{text:?}");
        }
        assert_eq!(ids("nobody"), Err(UserError::NoUser("nobody".to_owned())));
        assert_eq!(ids("web:nobody"), Err(UserError::NoGroup("nobody".to_owned())));
    }

    /// CVE-2024-40635: an id over i32::MAX ran as root. CVE-2026-30892: `exec -u` parsed loosely.
    #[test]
    fn numbers_are_never_guessed() {
        for text in ["2147483648", "4294967296", "18446744073709551616", "-1", "+1", "007"] {
            assert_eq!(ids(text), Err(UserError::Number(text.to_owned())), "{text:?}");
            assert!(ids(&format!("0:{text}")).is_err(), "{text:?}");
        }
        for text in ["0x0", "1e3", "1_000"] {
            assert!(matches!(ids(text), Err(UserError::NoUser(_))), "{text:?}");
        }
    }

    #[test]
    fn a_malformed_line_is_an_error_for_its_name_and_nobody_for_a_number() {
        for name in ["bad", "huge"] {
            assert!(matches!(ids(name), Err(UserError::Malformed { .. })), "{name}");
        }
        assert!(matches!(ids("web:broken"), Err(UserError::Malformed { .. })));
        assert_eq!(
            resolve("bad", b"bad:x:1", b"").unwrap_err().to_string(),
            "the line of \"bad\" in the image's /etc/passwd is malformed"
        );
    }

    #[test]
    fn homes_are_absolute() {
        assert_eq!(resolve("web", PASSWD, GROUP).unwrap().home, "/var/www");
        assert_eq!(resolve("nohome", PASSWD, GROUP).unwrap().home, "/");
        assert_eq!(resolve("99", PASSWD, GROUP).unwrap().home, "/");
        assert_eq!(resolve("", PASSWD, GROUP).unwrap().home, "/root");
        assert_eq!(resolve("", b"", b"").unwrap().home, "/");
        assert_eq!(resolve("r", b"r:x:1:1::../x:", b"").unwrap().home, "/");
    }

    #[test]
    fn groups_are_added_once_and_never_guessed() {
        let file = b"wheel:x:10:root\naudio:x:29:\nbad:x:y:\n";
        let group = |text| resolve_group(text, file).map(|gid| gid.number());
        assert_eq!((group("audio"), group("4000")), (Ok(29), Ok(4000)));
        for bad in ["", "nosuch", "bad", "-1", "+7", "4294967295", "7:8"] {
            assert!(group(bad).is_err(), "{bad}");
        }
        let who = resolve("0", b"root:x:0:0::/root:/bin/sh\n", file).unwrap();
        let added = [10, 29].map(ContainerGid::new).to_vec();
        let who = who.joined_to(added.clone());
        assert_eq!(who.groups, [0, 10, 29].map(ContainerGid::new));
        assert_eq!(who.added, added);
    }

    /// CVE-2026-47262: memory of whoever reads the group file.
    #[test]
    fn files_and_groups_are_bounded() {
        let large = vec![b'a'; FILE_LIMIT + 1];
        assert!(matches!(resolve("", &large, b""), Err(UserError::TooLarge { .. })));
        assert!(matches!(resolve("", b"", &large), Err(UserError::TooLarge { .. })));
        let many: String = (0..2000).map(|gid| format!("g{gid}:x:{gid}:web\n")).collect();
        assert!(matches!(
            resolve("web", PASSWD, many.as_bytes()),
            Err(UserError::TooManyGroups(_))
        ));
    }

    proptest! {
        #[test]
        fn any_input_is_answered(spec in ".{0,20}", passwd in proptest::collection::vec(any::<u8>(), 0..200), group in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(who) = resolve(&spec, &passwd, &group) {
                prop_assert!(who.uid.number() <= ID_LIMIT && who.gid.number() <= ID_LIMIT);
                prop_assert!(who.home.starts_with('/'));
            }
        }

        #[test]
        fn root_is_only_what_says_root(spec in "[0-9a-z+: -]{1,12}") {
            if let Ok(who) = resolve(&spec, PASSWD, GROUP) && who.uid == ContainerUid::ROOT {
                let user = spec.split(':').next().unwrap_or("");
                prop_assert!(["", "0", "root"].contains(&user), "{spec:?}");
            }
        }
    }
}
