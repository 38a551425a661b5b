//! Profiles in the words of runtime-spec. Source: runtime-spec config-linux.md, "Seccomp".

use coffer_oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompRule};

use super::table::{self, NoNumber};
use super::{Action, Arch, Condition, Flag, Horizon, Logging, Profile, Rule, Test};

/// Why a profile cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Every call that no rule names is handed to a listener, or one that is needed to reach it.
    #[error(
        "SCMP_ACT_NOTIFY cannot be used for the {0} syscall: its listener could never be reached"
    )]
    Notify(String),
    /// Calls are handed to a listener, and nothing says where it is.
    #[error(
        "the system call filter hands {0} to a listener (SCMP_ACT_NOTIFY), and names no socket of one"
    )]
    NoListener(String),
    /// A flag that we do not know.
    #[error("the system call filter has the unknown flag {0:?}")]
    Flag(String),
    /// An errno is no errno.
    #[error("the system call filter has errno {0}; the largest is 4095")]
    Errno(u32),
}

/// `errno`s that profiles are answered with.
mod errno {
    pub(super) const EPERM: u32 = 1;
    pub(super) const ENOSYS: u16 = 38;
}

impl Profile {
    /// Reads the filter of a runtime-spec configuration.
    ///
    /// Of its `architectures` those count that this host runs: calls of the host's own are filtered
    /// whether it is named or not, as libseccomp does it, those of the one beside it where it is,
    /// and all others kill; x32 is never there, named or not. Where the default is to fail, calls
    /// newer than this program get `ENOSYS`.
    /// As runc does, two conditions on the same argument make two rules.
    ///
    /// # Errors
    /// A [`ProfileError`] for what cannot be had.
    pub fn from_oci(filter: &Seccomp) -> Result<Self, ProfileError> {
        let default = action(filter.default_action, filter.default_errno_ret)?;
        let mut rules = Vec::new();
        for rule in &filter.syscalls {
            add_rules(&mut rules, rule)?;
        }
        Ok(Self {
            default,
            newer: matches!(default, Action::Fail(_)).then_some(Action::Fail(errno::ENOSYS)),
            horizon: Horizon::Program,
            rules,
            beside: beside(&filter.architectures),
            logging: logging(&filter.flags)?,
            flags: filter.flags.iter().filter_map(|flag| flag_of(flag)).collect(),
        })
    }

    /// Whether it hands calls to a listener.
    ///
    /// # Errors
    /// [`ProfileError::Notify`] where it hands over what the listener itself is reached by.
    pub fn has_listener(&self) -> Result<bool, ProfileError> {
        let mut handed = self.rules.iter().filter(|rule| rule.action == Action::Notify);
        if self.default == Action::Notify {
            return Err(ProfileError::Notify("every call that no rule names".to_owned()));
        }
        match handed.find(|rule| matches!(rule.call.as_str(), "sendmsg" | "write")) {
            Some(rule) => Err(ProfileError::Notify(rule.call.clone())),
            None => Ok(self.rules.iter().any(|rule| rule.action == Action::Notify)),
        }
    }

    /// Leaves out the rules for names that are no system call on any architecture, and says which
    /// they were. Such a rule matches nothing.
    pub fn drop_unknown(&mut self) -> Vec<String> {
        let mut unknown: Vec<String> = Vec::new();
        self.rules.retain(|rule| {
            let known = table::number(&rule.call, Arch::HOST) != Err(NoNumber::Unknown);
            if !known && !unknown.contains(&rule.call) {
                unknown.push(rule.call.clone());
            }
            known
        });
        unknown
    }

    /// Writes the profile as runtime-spec has it, one rule for each call.
    pub fn to_oci(&self, arch: Arch) -> Seccomp {
        let (default_action, default_errno_ret) = oci_action(self.default);
        let mut flags = match self.logging {
            Logging::Kills => Vec::new(),
            Logging::Refusals => vec![LOG.to_owned()],
        };
        flags.extend(self.flags.iter().map(|flag| match flag {
            Flag::SpecAllow => SPEC_ALLOW.to_owned(),
            Flag::WaitKillable => WAIT_KILLABLE.to_owned(),
        }));
        Seccomp {
            default_action,
            default_errno_ret,
            architectures: [&[arch][..], &self.beside]
                .concat()
                .iter()
                .map(|a| a.oci().to_owned())
                .collect(),
            flags,
            listener_path: String::new(),
            listener_metadata: String::new(),
            syscalls: oci_rules(&self.rules),
        }
    }
}

/// The architectures beside the host's that are named.
fn beside(names: &[String]) -> Vec<Arch> {
    let named = |arch: &Arch| names.iter().any(|name| name == arch.oci());
    Arch::HOST.beside().filter(named).into_iter().collect()
}

const LOG: &str = "SECCOMP_FILTER_FLAG_LOG";

const TSYNC: &str = "SECCOMP_FILTER_FLAG_TSYNC";
const SPEC_ALLOW: &str = "SECCOMP_FILTER_FLAG_SPEC_ALLOW";
const WAIT_KILLABLE: &str = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";

/// The flags that a filter may have, by runtime-spec's names.
pub const FLAGS: [&str; 4] = [LOG, SPEC_ALLOW, TSYNC, WAIT_KILLABLE];

fn flag_of(name: &str) -> Option<Flag> {
    match name {
        SPEC_ALLOW => Some(Flag::SpecAllow),
        WAIT_KILLABLE => Some(Flag::WaitKillable),
        _ => None,
    }
}

/// One other is about threads, of which a container's first process has one.
fn logging(flags: &[String]) -> Result<Logging, ProfileError> {
    let mut logging = Logging::Kills;
    for flag in flags {
        match flag.as_str() {
            LOG => logging = Logging::Refusals,
            TSYNC | SPEC_ALLOW | WAIT_KILLABLE => {}
            _ => return Err(ProfileError::Flag(flag.clone())),
        }
    }
    Ok(logging)
}

fn add_rules(rules: &mut Vec<Rule>, rule: &SeccompRule) -> Result<(), ProfileError> {
    let action = action(rule.action, rule.errno_ret)?;
    let conditions: Vec<Condition> = rule.args.iter().map(condition).collect();
    let twice = conditions.iter().enumerate().any(|(place, condition)| {
        conditions[..place].iter().any(|before| before.argument == condition.argument)
    });
    let ways: Vec<Vec<Condition>> = if twice {
        conditions.into_iter().map(|condition| vec![condition]).collect()
    } else {
        vec![conditions]
    };
    for call in &rule.names {
        rules.extend(ways.iter().map(|when| Rule {
            call: call.clone(),
            when: when.clone(),
            action,
        }));
    }
    Ok(())
}

fn action(action: SeccompAction, number: Option<u32>) -> Result<Action, ProfileError> {
    let number = number.unwrap_or(errno::EPERM);
    let number =
        u16::try_from(number).ok().filter(|n| *n <= 4095).ok_or(ProfileError::Errno(number));
    Ok(match action {
        SeccompAction::Kill | SeccompAction::KillThread => Action::KillThread,
        SeccompAction::KillProcess => Action::KillProcess,
        SeccompAction::Trap => Action::Trap,
        SeccompAction::Errno => Action::Fail(number?),
        SeccompAction::Trace => Action::Trace(number?),
        SeccompAction::Allow => Action::Allow,
        SeccompAction::Log => Action::Log,
        SeccompAction::Notify => Action::Notify,
    })
}

fn oci_action(action: Action) -> (SeccompAction, Option<u32>) {
    match action {
        Action::Allow => (SeccompAction::Allow, None),
        Action::Log => (SeccompAction::Log, None),
        Action::Fail(errno) => (SeccompAction::Errno, Some(errno.into())),
        Action::Trap => (SeccompAction::Trap, None),
        Action::Notify => (SeccompAction::Notify, None),
        Action::Trace(number) => (SeccompAction::Trace, Some(number.into())),
        Action::KillThread => (SeccompAction::KillThread, None),
        Action::KillProcess => (SeccompAction::KillProcess, None),
    }
}

/// Calls that share their conditions and action share a rule.
fn oci_rules(rules: &[Rule]) -> Vec<SeccompRule> {
    let mut out: Vec<SeccompRule> = Vec::new();
    for rule in rules {
        let (action, errno_ret) = oci_action(rule.action);
        let args: Vec<SeccompArg> = rule.when.iter().map(oci_condition).collect();
        match out.last_mut() {
            Some(last)
                if (last.action, last.errno_ret) == (action, errno_ret) && last.args == args =>
            {
                last.names.push(rule.call.clone());
            }
            _ => out.push(SeccompRule { names: vec![rule.call.clone()], action, errno_ret, args }),
        }
    }
    out
}

fn condition(arg: &SeccompArg) -> Condition {
    let test = match arg.op {
        SeccompOperator::Equal => Test::Equal(arg.value),
        SeccompOperator::NotEqual => Test::NotEqual(arg.value),
        SeccompOperator::LessThan => Test::Less(arg.value),
        SeccompOperator::LessOrEqual => Test::LessOrEqual(arg.value),
        SeccompOperator::GreaterThan => Test::Greater(arg.value),
        SeccompOperator::GreaterOrEqual => Test::GreaterOrEqual(arg.value),
        SeccompOperator::MaskedEqual => Test::Masked { mask: arg.value, equal: arg.value_two },
    };
    Condition { argument: arg.index, test }
}

fn oci_condition(condition: &Condition) -> SeccompArg {
    let (op, value, value_two) = match condition.test {
        Test::Equal(value) => (SeccompOperator::Equal, value, 0),
        Test::NotEqual(value) => (SeccompOperator::NotEqual, value, 0),
        Test::Less(value) => (SeccompOperator::LessThan, value, 0),
        Test::LessOrEqual(value) => (SeccompOperator::LessOrEqual, value, 0),
        Test::Greater(value) => (SeccompOperator::GreaterThan, value, 0),
        Test::GreaterOrEqual(value) => (SeccompOperator::GreaterOrEqual, value, 0),
        Test::Masked { mask, equal } => (SeccompOperator::MaskedEqual, mask, equal),
    };
    SeccompArg { index: condition.argument, value, value_two, op }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(json: &str) -> Result<Profile, ProfileError> {
        Profile::from_oci(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_condition_twice_on_an_argument_is_two_rules() {
        let profile = filter(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["personality"],
            "action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"SCMP_CMP_EQ"},
            {"index":0,"value":8,"op":"SCMP_CMP_EQ"}]}]}"#,
        )
        .unwrap();
        assert_eq!(profile.rules.len(), 2);
        assert_eq!(profile.default, Action::Fail(1));
        assert_eq!(profile.newer, Some(Action::Fail(38)));
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        let default = |action: &str| filter(&format!(r#"{{"defaultAction":"{action}"}}"#));
        assert!(default("SCMP_ACT_NOTIFY").unwrap().has_listener().is_err());
        assert_eq!(default("SCMP_ACT_KILL").unwrap().newer, None);
        let flag = filter(r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["X"]}"#);
        assert_eq!(flag, Err(ProfileError::Flag("X".to_owned())));
        let errno = filter(r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":65537}"#);
        assert_eq!(errno, Err(ProfileError::Errno(65537)));
    }

    #[test]
    fn a_profile_is_the_same_after_a_round_trip() {
        let profile = crate::seccomp::default::profile(crate::capability::CapSet::DEFAULT);
        assert_eq!(Profile::from_oci(&profile.to_oci(Arch::HOST)), Ok(profile));
    }
}
