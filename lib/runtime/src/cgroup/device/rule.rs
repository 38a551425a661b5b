//! One rule about devices. Source: runtime-spec config-linux.md, "Allowed Device list";
//! admin-guide/cgroup-v1/devices.rst.

use std::fmt;

use coffer_oci::runtime::DeviceRule;

use super::super::CgroupError;

/// One rule; what is `None` matches all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Rule {
    /// Whether it allows or denies.
    pub(in super::super) verdict: Verdict,
    /// Which kind of device.
    pub(in super::super) kind: Kind,
    /// Which major number.
    pub(in super::super) major: Option<u32>,
    /// Which minor number.
    pub(in super::super) minor: Option<u32>,
    /// Which ways of use.
    pub(in super::super) access: Access,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
}

/// Which kind of device a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// Both.
    All,
    /// Character devices.
    Char,
    /// Block devices.
    Block,
}

/// A set of `BPF_DEVCG_ACC_*`. Source: linux/bpf.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Access(pub(in super::super) u32);

impl Access {
    /// Making a node.
    pub(in super::super) const MAKE: Self = Self(1);
    /// Reading.
    pub(in super::super) const READ: Self = Self(2);
    /// Writing.
    pub(in super::super) const WRITE: Self = Self(4);
    /// All three.
    pub(in super::super) const ALL: Self = Self(7);

    const LETTERS: [(char, Self); 3] = [('r', Self::READ), ('w', Self::WRITE), ('m', Self::MAKE)];
}

/// The nodes that every container has: they hold nothing of the host's.
/// Source: runtime-spec config-linux.md, "Default Devices".
const STANDARD: [(u32, Option<u32>); 8] = [
    (1, Some(3)), // null
    (1, Some(5)), // zero
    (1, Some(7)), // full
    (1, Some(8)), // random
    (1, Some(9)), // urandom
    (5, Some(0)), // tty: the caller's own terminal
    (5, Some(2)), // ptmx, of the container's own devpts
    (136, None),  // the terminals in it
];

impl Rule {
    /// "Nothing is allowed."
    const NOTHING: Self = Self {
        verdict: Verdict::Deny,
        kind: Kind::All,
        major: None,
        minor: None,
        access: Access::ALL,
    };

    /// The rules of a container of coffer's own: nothing, the standard nodes, then what was asked.
    pub(in super::super) fn for_flags(asked: &[DeviceRule]) -> Result<Vec<Self>, CgroupError> {
        let mut rules = vec![Self::NOTHING];
        rules.extend(standard());
        let is_nothing = |rule: &DeviceRule| {
            !rule.allow && matches!(rule.kind.as_str(), "" | "a") && rule.major.is_none()
        };
        for (at, rule) in asked.iter().enumerate().filter(|(_, rule)| !is_nothing(rule)) {
            rules.push(Self::parse(at, rule)?);
        }
        Ok(rules)
    }

    /// The rules of a bundle: what it lists, and after it what runc lets every container have: the
    /// standard nodes, and `mknod` of any, which by itself opens nothing.
    pub(in super::super) fn for_bundle(listed: &[DeviceRule]) -> Result<Vec<Self>, CgroupError> {
        let mut rules = vec![Self::NOTHING];
        for (at, rule) in listed.iter().enumerate() {
            rules.push(Self::parse(at, rule)?);
        }
        let make =
            |kind| Self { verdict: Verdict::Allow, kind, access: Access::MAKE, ..Self::NOTHING };
        rules.extend([make(Kind::Char), make(Kind::Block)]);
        rules.extend(standard());
        Ok(rules)
    }

    fn parse(at: usize, rule: &DeviceRule) -> Result<Self, CgroupError> {
        let path = |field: &str| format!("devices[{at}].{field}");
        let kind = match rule.kind.as_str() {
            "" | "a" => Kind::All,
            "c" | "u" => Kind::Char,
            "b" => Kind::Block,
            other => {
                let why = format_args!("{other:?} is no type of device");
                return Err(CgroupError::invalid(&path("type"), why));
            }
        };
        let number = |field, number: Option<i64>| match number {
            None | Some(-1) => Ok(None),
            Some(n) => u32::try_from(n).map(Some).map_err(|_| {
                CgroupError::invalid(&path(field), format_args!("{n} is no device number"))
            }),
        };
        // Who takes away with the letter of the kernel's for everything means it; to be given
        // more than r, w and m say is not had for a mistake.
        let access = if !rule.allow && rule.access.contains('a') {
            Some(Access::ALL)
        } else {
            Access::parse(&rule.access)
        };
        let access = access.ok_or_else(|| {
            let why = format_args!("{:?} is not of the letters r, w, m", rule.access);
            CgroupError::invalid(&path("access"), why)
        })?;
        let verdict = if rule.allow { Verdict::Allow } else { Verdict::Deny };
        let (major, minor) = (number("major", rule.major)?, number("minor", rule.minor)?);
        Ok(match kind {
            // The kernel's own reading of `a`: everything, whatever numbers stand beside it.
            Kind::All => Self { verdict, ..Self::NOTHING },
            kind => Self { verdict, kind, major, minor, access },
        })
    }

    /// Whether both are about the same devices, in the same words.
    pub(in super::super) fn is_of(&self, other: &Self) -> bool {
        (self.kind, self.major, self.minor) == (other.kind, other.major, other.minor)
    }

    /// Whether there is a use of a device that both are about.
    pub(in super::super) fn overlaps(&self, other: &Self) -> bool {
        let meet = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        let kind = self.kind == other.kind || self.kind == Kind::All || other.kind == Kind::All;
        kind && meet(self.major, other.major)
            && meet(self.minor, other.minor)
            && self.access.0 & other.access.0 != 0
    }

    /// Whether it is about all devices and every way to use them.
    pub(in super::super) fn is_total(&self) -> bool {
        Self { verdict: Verdict::Deny, ..*self } == Self::NOTHING
    }
}

fn standard() -> impl Iterator<Item = Rule> {
    STANDARD.into_iter().map(|(major, minor)| Rule {
        verdict: Verdict::Allow,
        kind: Kind::Char,
        major: Some(major),
        minor,
        access: Access::ALL,
    })
}

impl Access {
    /// No letter is all letters.
    fn parse(letters: &str) -> Option<Self> {
        let one = |letter| Self::LETTERS.into_iter().find(|(l, _)| *l == letter).map(|(_, a)| a.0);
        match letters {
            "" => Some(Self::ALL),
            letters => letters.chars().try_fold(0, |set, l| Some(set | one(l)?)).map(Self),
        }
    }
}

/// As `devices.allow` and `devices.deny` read it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::All => return f.write_str("a"),
            Kind::Char => 'c',
            Kind::Block => 'b',
        };
        let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
        write!(f, "{kind} {}:{} ", number(self.major), number(self.minor))?;
        let letters = Access::LETTERS.into_iter().filter(|(_, a)| self.access.0 & a.0 != 0);
        f.write_str(&letters.map(|(letter, _)| letter).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_one_line() {
        let rule = DeviceRule {
            allow: true,
            kind: "c".to_owned(),
            major: Some(10),
            minor: None,
            access: "wr".to_owned(),
        };
        let line = |rule: &DeviceRule| Rule::parse(0, rule).map(|rule| rule.to_string());
        let taken = DeviceRule { allow: false, access: "rwa".to_owned(), ..rule.clone() };
        assert_eq!(line(&taken).unwrap(), "c 10:* rwm");
        assert_eq!(line(&rule).unwrap(), "c 10:* rw");
        for bad in [
            DeviceRule { access: "rwa".to_owned(), ..rule.clone() },
            DeviceRule { kind: "x".to_owned(), ..rule.clone() },
            DeviceRule { minor: Some(-2), ..rule.clone() },
            DeviceRule { major: Some(1 << 32), ..rule },
        ] {
            assert!(line(&bad).unwrap_err().to_string().starts_with("linux.resources.devices[0]."));
        }
        assert_eq!(line(&DeviceRule::default()).unwrap(), "a");
    }

    #[test]
    fn a_bundle_has_the_standard_nodes_last() {
        let rules = Rule::for_bundle(&[DeviceRule::default()]).unwrap();
        assert!(rules[1].is_total());
        assert_eq!(rules.last().unwrap().to_string(), "c 136:* rwm");
        assert_eq!(rules[2].to_string(), "c *:* m");
    }
}
