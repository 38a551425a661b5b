//! SELinux contexts of containers. Sources: "The SELinux Notebook", "Security Context"; docker's
//! `run` reference, "Security configuration".
//!
//! A container has a pair of categories that no other has: what one may read and write, another of
//! the same type may not.

use std::fmt;

/// The type, user and role of containers in the policies of distributions.
const PROCESS: [&str; 3] = ["system_u", "system_r", "container_t"];
/// The same of their files.
const FILES: [&str; 3] = ["system_u", "object_r", "container_file_t"];

/// How many categories a policy has: `c0` to `c1023`.
const CATEGORIES: u32 = 1024;

/// A context: user, role, type, level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    user: String,
    role: String,
    kind: String,
    level: String,
}

/// `--security-opt label=`: what of the usual context the caller changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// `label=user:`.
    pub user: Option<String>,
    /// `label=role:`.
    pub role: Option<String>,
    /// `label=type:`.
    pub kind: Option<String>,
    /// `label=level:`.
    pub level: Option<String>,
}

impl Changes {
    /// Whether the caller changes something.
    pub fn are_some(&self) -> bool {
        *self != Self::default()
    }

    /// The context of the container's processes, where `level` is its own.
    pub fn of_processes(&self, level: &str) -> Context {
        let [user, role, kind] = PROCESS;
        Context {
            user: chosen(self.user.as_deref(), user),
            role: chosen(self.role.as_deref(), role),
            kind: chosen(self.kind.as_deref(), kind),
            level: chosen(self.level.as_deref(), level),
        }
    }

    /// The context of its files. Role and type are those of files, whatever the processes have.
    pub fn of_files(&self, level: &str) -> Context {
        let [user, role, kind] = FILES.map(str::to_owned);
        let user = chosen(self.user.as_deref(), &user);
        Context { user, role, kind, level: chosen(self.level.as_deref(), level) }
    }
}

fn chosen(asked: Option<&str>, usual: &str) -> String {
    asked.unwrap_or(usual).to_owned()
}

/// The context of files that all containers share (`:z`): no categories.
pub fn shared_files() -> Context {
    Changes::default().of_files("s0")
}

/// The context of the layers of images, which all containers share and none writes: the kernel
/// looks at the files behind an overlay too where they are mapped into memory.
pub fn layers() -> Context {
    let context = shared_files();
    Context { kind: "container_ro_file_t".to_owned(), ..context }
}

/// The level of the container with this number: the pairs of different categories, counted
/// through. Different numbers below 523,776 have different pairs.
pub fn level(number: u32) -> String {
    let (mut low, mut rest) = (0, number % (CATEGORIES * (CATEGORIES - 1) / 2));
    while rest >= CATEGORIES - 1 - low {
        rest -= CATEGORIES - 1 - low;
        low += 1;
    }
    format!("s0:c{low},c{}", low + 1 + rest)
}

impl fmt::Display for Changes {
    /// As the flag has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            ("user", &self.user),
            ("role", &self.role),
            ("type", &self.kind),
            ("level", &self.level),
        ];
        let said =
            all.iter().filter_map(|(name, value)| Some(format!("{name}:{}", value.as_ref()?)));
        f.write_str(&said.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, role, kind, level } = self;
        write!(f, "{user}:{role}:{kind}:{level}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_container_has_another_pair() {
        let all: BTreeSet<String> = (0..CATEGORIES * (CATEGORIES - 1) / 2).map(level).collect();
        assert_eq!(all.len(), 523_776);
        assert_eq!(level(0), "s0:c0,c1");
        assert_eq!(level(1022), "s0:c0,c1023");
        assert_eq!(level(1023), "s0:c1,c2");
        assert_eq!(level(523_775), "s0:c1022,c1023");
    }

    #[test]
    fn what_is_not_changed_is_usual() {
        let changes = Changes { kind: Some("web_t".to_owned()), ..Changes::default() };
        let level = "s0:c1,c2";
        assert_eq!(changes.of_processes(level).to_string(), "system_u:system_r:web_t:s0:c1,c2");
        let files = changes.of_files(level).to_string();
        assert_eq!(files, "system_u:object_r:container_file_t:s0:c1,c2");
        let level = Changes { level: Some("s0:c5".to_owned()), ..Changes::default() };
        assert!(level.of_files("s0:c1,c2").to_string().ends_with(":s0:c5"));
    }
}
