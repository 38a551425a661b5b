//! The host's side of an audit: asks the prober for one row after the other, looks, and judges.

use std::io::{self, BufRead, Write};

use serde::Serialize;

use crate::answer::{Answer, Line};
use crate::inside::files;
use crate::inside::resources::WATCHES;
use crate::primitive::{Caller, Judge};
use crate::verdict::{self, Kernel, Knowledge, Outcome, Verdict};
use crate::{Change, Primitive, Stage, Surroundings, corpus, prober, stage};

/// What an audit of one container has found, a verdict for each row of the corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Examined {
    /// Who runs the audit.
    pub caller: Caller,
    /// In the order of the corpus.
    pub verdicts: Vec<Verdict>,
}

/// Why a container cannot be examined.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The prober ended, or never began.
    #[error("the prober has ended after {0} of {all} rows", all = corpus::rows().count())]
    Ended(usize),
    /// It speaks of another row than the one that was asked for.
    #[error("the prober does not say what it was asked for: {0:?}")]
    Said(String),
    /// It speaks in another way: what it said, and what is wrong with that.
    #[error("the prober says what is no answer: {0:?}")]
    Garbled(String, #[source] serde_json::Error),
    /// It is in no container.
    #[error("the prober was started outside of a container: {0}; nothing was tried")]
    Outside(String),
    /// It cannot be talked to.
    #[error("cannot talk to the prober")]
    Talk(#[from] io::Error),
}

/// Talks to the prober: `to` is its standard input, `from` its standard output.
///
/// # Errors
/// A [`SessionError`]; nothing is concluded from a part of the rows.
pub fn examine(
    stage: &mut Stage,
    mut to: impl Write,
    mut from: impl BufRead,
) -> Result<Examined, SessionError> {
    let host = prober::surroundings()?;
    let secrets = stage.secrets();
    let inside = inside(&mut from, &host)?;
    let kernel = kernel(stage, &host, &inside);
    let caller = if host.user == 0 { Caller::Root } else { Caller::User };
    // What the start of the container has changed was coffer's doing.
    stage.settle();
    let mut verdicts = Vec::new();
    for row in corpus::rows() {
        let left = (row.judge == Judge::Quota).then(stage::watches_left);
        to.write_all(b"go on\n")?;
        to.flush()?;
        let answer = answer(&mut from, row, verdicts.len())?;
        let text = compared(row);
        let (host, inside, secrets, text) = (&host, &inside, &secrets, &text);
        let mut seen = stage.look();
        seen.extend(left.and_then(used_up));
        let mut bound = None;
        if let (Judge::Held(what), Answer::Reached(_)) = (row.judge, &answer) {
            bound = stage.bound(what);
            seen.extend(stage.much(what).filter(|_| bound.is_none()));
        }
        let known = Knowledge { host, inside, kernel, secrets, text, bound };
        verdicts.push(verdict::judge(row, &answer, &seen, &known));
    }
    to.write_all(b"go on\n")?;
    to.flush()?;
    match next(&mut from, verdicts.len())? {
        Line::End => Ok(Examined { caller, verdicts }),
        other => Err(said(&other)),
    }
}

/// Where the prober says that it is, unless that is the host: until it is told to go on it does
/// nothing.
fn inside(from: &mut impl BufRead, host: &Surroundings) -> Result<Surroundings, SessionError> {
    let inside = match next(from, 0)? {
        Line::Inside(inside) => inside,
        Line::Outside(why) => return Err(SessionError::Outside(why)),
        other => return Err(said(&other)),
    };
    match inside.place.shared_with(&host.place) {
        Some(why) => Err(SessionError::Outside(why.to_owned())),
        None => Ok(inside),
    }
}

/// Whose kernel answers the prober. It is not believed that there is another one where the host's
/// has a process of it.
fn kernel(stage: &Stage, host: &Surroundings, inside: &Surroundings) -> Kernel {
    let is_own = host.kernel != inside.kernel && !stage.has_prober();
    if is_own { Kernel::Own } else { Kernel::Hosts }
}

fn answer(from: &mut impl BufRead, row: &Primitive, done: usize) -> Result<Answer, SessionError> {
    match next(from, done)? {
        Line::Row { id, answer } if id == row.id => Ok(answer),
        other => Err(said(&other)),
    }
}

/// Whether the host's user has lost what the row has taken, or nearly so: others have some too.
fn used_up(before: usize) -> Option<Change> {
    let lost = before.saturating_sub(stage::watches_left());
    let is_taken = lost > WATCHES / 2;
    is_taken.then(|| Change::new(format!("the host's user has {lost} inotify instances less")))
}

/// What the host reads in the files that a row compares with.
fn compared(row: &Primitive) -> String {
    match row.judge {
        Judge::SameText(paths) => files::join(paths),
        _ => String::new(),
    }
}

fn next(from: &mut impl BufRead, done: usize) -> Result<Line, SessionError> {
    /// A row reads 64 KiB at most, which JSON makes at most six times as long.
    const MOST: u64 = 1 << 20;
    let mut line = String::new();
    io::Read::take(from, MOST).read_line(&mut line)?;
    if line.is_empty() {
        return Err(SessionError::Ended(done));
    }
    let garbled = |cause| SessionError::Garbled(line.chars().take(80).collect(), cause);
    serde_json::from_str(&line).map_err(garbled)
}

fn said(line: &Line) -> SessionError {
    SessionError::Said(serde_json::to_string(line).unwrap_or_default())
}

impl Examined {
    /// The rows with what became of them.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Primitive, &Verdict)> {
        corpus::rows().zip(&self.verdicts)
    }

    /// Those that did more than was predicted.
    pub fn findings(&self) -> impl Iterator<Item = (&'static Primitive, &Verdict)> {
        let fate = |row: &Primitive| row.fate_of(self.caller);
        self.rows().filter(move |(row, verdict)| verdict::is_finding(fate(row), verdict.outcome))
    }

    /// Those that reached something that root inside its own ids is not meant to have.
    pub fn beyond(&self) -> impl Iterator<Item = (&'static Primitive, &Verdict)> {
        let fate = |row: &Primitive| row.fate_of(self.caller);
        self.rows().filter(move |(row, verdict)| verdict::is_beyond(fate(row), verdict.outcome))
    }

    /// In how many the host itself saw a change.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.seen).count()
    }

    /// How many came to this.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.outcome == outcome).count()
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{Mode, OFlags};

    use super::*;
    use crate::{Names, Surroundings};

    fn stage() -> (tempfile::TempDir, Stage) {
        let folder = tempfile::tempdir().unwrap();
        let stage =
            Stage::new(&Names::random().unwrap(), folder.path(), &b"no program"[..]).unwrap();
        (folder, stage)
    }

    fn lines(answers: impl Iterator<Item = Line>) -> Vec<u8> {
        let first = Line::Inside(Surroundings::default());
        let all = [first].into_iter().chain(answers).chain([Line::End]);
        all.flat_map(|line| format!("{}\n", serde_json::to_string(&line).unwrap()).into_bytes())
            .collect()
    }

    fn refused(row: &Primitive) -> Line {
        Line::Row { id: row.id.to_owned(), answer: Answer::Refused("no".to_owned()) }
    }

    #[test]
    fn a_prober_that_reaches_nothing_leaves_no_finding() {
        let (_folder, mut stage) = stage();
        let said = lines(corpus::rows().map(refused));
        let examined = examine(&mut stage, io::sink(), &said[..]).unwrap();
        assert_eq!(examined.count(Outcome::Blocked), corpus::rows().count());
        assert_eq!((examined.findings().count(), examined.beyond().count()), (0, 0));
    }

    #[test]
    fn a_prober_on_the_host_is_told_nothing() {
        let (_folder, mut stage) = stage();
        let mut lies = Surroundings { place: crate::Place::here().unwrap(), ..Default::default() };
        lies.place.mounts = None;
        for line in [Line::Outside("its root is the host's own".to_owned()), Line::Inside(lies)] {
            let said = format!("{}\n", serde_json::to_string(&line).unwrap());
            let mut told = Vec::new();
            let error = examine(&mut stage, &mut told, said.as_bytes()).unwrap_err();
            assert!(matches!(error, SessionError::Outside(_)), "{error}");
            assert!(told.is_empty(), "it was told to go on");
        }
    }

    #[test]
    fn a_prober_that_ends_or_lies_is_an_error() {
        let (_folder, mut stage) = stage();
        let said = lines(corpus::rows().map(refused).take(3));
        let error = examine(&mut stage, io::sink(), &said[..]).unwrap_err();
        assert!(matches!(error, SessionError::Said(_)), "{error}");
        let error = examine(&mut stage, io::sink(), io::empty()).unwrap_err();
        assert!(matches!(error, SessionError::Ended(0)), "{error}");
    }

    #[test]
    fn what_is_no_answer_is_an_error_with_its_cause() {
        let (_folder, mut stage) = stage();
        let error = examine(&mut stage, io::sink(), &b"{\"Inside\": 7}\n"[..]).unwrap_err();
        assert!(matches!(error, SessionError::Garbled(..)), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("line 1 column"), "{cause}");
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_seen() {
        let (folder, mut stage) = stage();
        let victim = folder.path().join("hand/victim");
        let victim = rustix::fs::open(victim, OFlags::WRONLY | OFlags::TRUNC, Mode::empty());
        rustix::io::write(victim.unwrap(), b"changed").unwrap();
        assert_eq!(stage.look(), [Change::new("a file of the host has changed")]);
        assert_eq!(stage.look(), []);
    }
}
