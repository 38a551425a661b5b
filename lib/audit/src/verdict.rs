//! From what was said inside and what was seen outside to an outcome.

use serde::Serialize;

use crate::answer::{Answer, Surroundings};
use crate::primitive::{Effect, Fate, Judge, Namespace, Primitive, Scope};
use crate::stage::Change;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was not tried.
    Untried,
    /// It reached nothing.
    Blocked,
    /// It reached what the container has alone.
    Container,
    /// It read how the host is, and changed nothing.
    Fact,
    /// It changed something of the host, or has what can.
    Host,
}

impl Outcome {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Untried => "not tried",
            Self::Blocked => "blocked",
            Self::Container => "inside",
            Self::Fact => "fact",
            Self::Host => "HOST",
        }
    }
}

/// An outcome and how it came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Which.
    pub outcome: Outcome,
    /// Whether the host itself has seen something change.
    pub seen: bool,
    /// In a few words.
    pub how: String,
}

/// What the host knows of itself and of the prober.
#[derive(Debug)]
pub struct Knowledge<'a> {
    /// Where the host's side is.
    pub host: &'a Surroundings,
    /// Where the prober is.
    pub inside: &'a Surroundings,
    /// Whose kernel the prober runs on.
    pub kernel: Kernel,
    /// Words that only the host knows.
    pub secrets: &'a [String],
    /// What the host reads in the file of a row that compares texts.
    pub text: &'a str,
    /// The most bytes that the prober can hold of what a row takes, where a limit or a guard leaves
    /// the host room: then it has taken what is its own.
    pub bound: Option<u64>,
}

/// The kernel that answers the prober.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The host's.
    Hosts,
    /// One of its own, which has nothing of the host.
    Own,
}

/// Judges a row.
#[must_use]
pub fn judge(row: &Primitive, answer: &Answer, seen: &[Change], known: &Knowledge<'_>) -> Verdict {
    if let Some(change) = seen.first() {
        return Verdict { outcome: Outcome::Host, seen: true, how: change.to_string() };
    }
    let (outcome, how) = match answer {
        Answer::Untried(why) => (Outcome::Untried, why.clone()),
        Answer::Refused(how) => (Outcome::Blocked, how.clone()),
        Answer::Reached(evidence) => match reached(row.judge, evidence, known) {
            Outcome::Blocked => (Outcome::Blocked, "it is not the host's".to_owned()),
            Outcome::Host if row.effect == Effect::Reads => {
                (Outcome::Fact, shown(row, evidence, known))
            }
            outcome => (outcome, shown(row, evidence, known)),
        },
    };
    Verdict { outcome, seen: false, how }
}

/// How far something got that its kernel let through. What was read and is not the host's is
/// nothing that was reached.
fn reached(judge: Judge, evidence: &str, known: &Knowledge<'_>) -> Outcome {
    let read = |is_hosts: bool| if is_hosts { Outcome::Host } else { Outcome::Blocked };
    match judge {
        // A kernel of its own has nothing of the host.
        Judge::Kernel(_) | Judge::Held(_) if known.kernel == Kernel::Own => Outcome::Container,
        Judge::Kernel(Scope::Container) | Judge::Host => Outcome::Container,
        // It uses its own.
        Judge::Quota => Outcome::Blocked,
        Judge::Held(_) if known.bound.is_some() => Outcome::Container,
        // Where the host could not see it, it is taken to be so.
        Judge::Kernel(Scope::Host) | Judge::Held(_) => Outcome::Host,
        Judge::Kernel(Scope::Namespace(namespace)) if is_shared(namespace, known) => Outcome::Host,
        Judge::Kernel(Scope::Namespace(_)) => Outcome::Container,
        Judge::Secret => read(known.secrets.iter().any(|secret| evidence.contains(secret))),
        Judge::SameText(_) => read(same_line(evidence, known.text).is_some()),
    }
}

fn is_shared(namespace: Namespace, known: &Knowledge<'_>) -> bool {
    let of = |side: &Surroundings| side.namespaces.get(namespace.name()).cloned();
    // What cannot be told is taken to be shared.
    match (of(known.host), of(known.inside)) {
        (Some(host), Some(inside)) => host == inside,
        _ => true,
    }
}

/// A line that both have in common and that says something: one with a digit, no heading.
fn same_line<'a>(inside: &'a str, host: &str) -> Option<&'a str> {
    let says = |line: &&str| line.len() >= 6 && line.chars().any(|c| c.is_ascii_digit());
    let hosts: Vec<&str> = host.lines().filter(says).collect();
    inside.lines().filter(says).find(|line| hosts.contains(line))
}

/// What a row reached: of a text the line that the host has too.
fn shown(row: &Primitive, evidence: &str, known: &Knowledge<'_>) -> String {
    match row.judge {
        Judge::SameText(_) => first_line(same_line(evidence, known.text).unwrap_or(evidence)),
        Judge::Held(_) if known.bound.is_some() => {
            let most = known.bound.unwrap_or_default() >> 20;
            first_line(&format!("{evidence}, of at most {most} MiB"))
        }
        _ => first_line(evidence),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(60).collect()
}

/// Whether a row did what nobody predicted: more than its fate allows.
#[must_use]
pub fn is_finding(fate: Fate, outcome: Outcome) -> bool {
    match (fate, outcome) {
        (_, Outcome::Untried | Outcome::Blocked) | (Fate::Stays(_), _) => false,
        (Fate::Blocked, _) => true,
        (Fate::Meant, _) => outcome > Outcome::Container,
    }
}

/// Whether it reached something that root inside its own ids is not meant to have.
#[must_use]
pub fn is_beyond(fate: Fate, outcome: Outcome) -> bool {
    let meant = fate == Fate::Meant && outcome == Outcome::Container;
    outcome >= Outcome::Container && !meant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus;

    fn known<'a>(host: &'a Surroundings, inside: &'a Surroundings) -> Knowledge<'a> {
        Knowledge { host, inside, kernel: Kernel::Hosts, secrets: &[], text: "", bound: None }
    }

    fn at(net: &str) -> Surroundings {
        let namespaces = [("net".to_owned(), net.to_owned())].into();
        Surroundings { namespaces, ..Surroundings::default() }
    }

    #[test]
    fn a_shared_namespace_is_the_host() {
        let judge = Judge::Kernel(Scope::Namespace(Namespace::Net));
        let (host, own, shared) = (at("1"), at("2"), at("1"));
        assert_eq!(reached(judge, "", &known(&host, &own)), Outcome::Container);
        assert_eq!(reached(judge, "", &known(&host, &shared)), Outcome::Host);
        let unknown = Surroundings::default();
        assert_eq!(reached(judge, "", &known(&host, &unknown)), Outcome::Host);
    }

    #[test]
    fn another_kernel_is_not_the_hosts() {
        let judge = Judge::Kernel(Scope::Host);
        let (host, inside) = (at("1"), at("2"));
        let same = known(&host, &inside);
        assert_eq!(reached(judge, "", &same), Outcome::Host);
        let other = Knowledge { kernel: Kernel::Own, ..same };
        assert_eq!(reached(judge, "", &other), Outcome::Container);
    }

    #[test]
    fn what_a_limit_leaves_is_the_containers_own() {
        let here = at("1");
        let open = known(&here, &here);
        let judge = Judge::Held(crate::primitive::Held::Memory);
        assert_eq!(reached(judge, "", &open), Outcome::Host);
        let bound = Knowledge { bound: Some(1 << 30), ..open };
        assert_eq!(reached(judge, "", &bound), Outcome::Container);
        let row = corpus::rows().find(|row| row.id == "use.memory").unwrap();
        assert_eq!(shown(row, "512 MiB", &bound), "512 MiB, of at most 1024 MiB");
        assert!(is_finding(row.fate, Outcome::Host) && !is_beyond(row.fate, Outcome::Container));
    }

    #[test]
    fn what_the_host_sees_counts_whatever_is_said_inside() {
        let row = corpus::rows().next().unwrap();
        let here = at("1");
        let answer = Answer::Refused("operation not permitted".to_owned());
        let seen = [Change::new("a file of the host has changed")];
        let verdict = judge(row, &answer, &seen, &known(&here, &here));
        assert_eq!((verdict.outcome, verdict.seen), (Outcome::Host, true));
    }

    #[test]
    fn who_reads_a_number_has_changed_nothing() {
        let here = at("1");
        let known = Knowledge { text: "MemTotal: 1", ..known(&here, &here) };
        let answer = Answer::Reached("MemTotal: 1".to_owned());
        let row = corpus::rows().find(|row| row.id == "read.size").unwrap();
        let verdict = judge(row, &answer, &[], &known);
        assert_eq!((verdict.outcome, verdict.seen), (Outcome::Fact, false));
        let seen = [Change::new("a file of the host has changed")];
        assert_eq!(judge(row, &answer, &seen, &known).outcome, Outcome::Host);
    }

    #[test]
    fn secrets_and_texts_are_compared() {
        let here = at("1");
        let secrets = ["word".to_owned()];
        let known =
            Knowledge { secrets: &secrets, text: "a\nMemTotal: 1\n", ..known(&here, &here) };
        assert_eq!(reached(Judge::Secret, "the word", &known), Outcome::Host);
        assert_eq!(reached(Judge::Secret, "another", &known), Outcome::Blocked);
        assert_eq!(reached(Judge::SameText(&[]), "MemTotal: 1", &known), Outcome::Host);
        assert_eq!(reached(Judge::SameText(&[]), "MemTotal: 2", &known), Outcome::Blocked);
    }

    #[test]
    fn more_than_predicted_is_a_finding() {
        assert!(is_finding(Fate::Blocked, Outcome::Container));
        assert!(is_finding(Fate::Blocked, Outcome::Fact));
        assert!(is_finding(Fate::Meant, Outcome::Host));
        assert!(is_finding(Fate::Meant, Outcome::Fact));
        assert!(!is_finding(Fate::Meant, Outcome::Container));
        assert!(is_beyond(Fate::Stays("why"), Outcome::Container));
        assert!(!is_beyond(Fate::Meant, Outcome::Container));
    }
}
