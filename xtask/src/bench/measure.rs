//! One table: contestants run in turns, so that what the machine does meanwhile hits all alike.

use std::fmt;
use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::room;

/// What is run, under the name that the table gives it.
pub(crate) struct Contestant {
    pub(crate) name: String,
    /// Makes the command anew for each run.
    pub(crate) command: Box<dyn Fn() -> Command>,
    /// Undoes what a run left behind; not measured.
    pub(crate) reset: Box<dyn Fn() -> Result<()>>,
}

impl Contestant {
    /// A contestant that leaves nothing behind.
    pub(crate) fn new(name: &str, command: impl Fn() -> Command + 'static) -> Self {
        Self { name: name.to_owned(), command: Box::new(command), reset: Box::new(|| Ok(())) }
    }

    /// With something to undo after each run.
    pub(crate) fn reset_by(mut self, reset: impl Fn() -> Result<()> + 'static) -> Self {
        self.reset = Box::new(reset);
        self
    }

    fn run(&self) -> Result<Sample> {
        let sample = sample((self.command)()).with_context(|| self.name.clone())?;
        (self.reset)()?;
        Ok(sample)
    }
}

/// Runs a command that has to succeed. What it says goes to a file and not to a pipe, which a
/// container that stays behind would hold open. It is run by a small program, [`launcher`].
///
/// # Errors
/// It cannot be started or fails; the error has what it said.
pub(crate) fn sample(command: Command) -> Result<Sample> {
    let mut words = tempfile::tempfile().context("make a temporary file")?;
    let mut launched = Command::new(launcher());
    launched.arg(command.get_program()).args(command.get_args());
    let output = launched.stdin(Stdio::null()).stderr(words.try_clone()?).output();
    let told = String::from_utf8(output.with_context(|| format!("start {launched:?}"))?.stdout)?;
    if let Some(sample) = read(&told) {
        return Ok(sample);
    }
    let mut said = String::new();
    words.seek(SeekFrom::Start(0))?;
    words.read_to_string(&mut said)?;
    bail!("{command:?}: {told}\n{said}")
}

/// What the launcher tells of a program that has succeeded.
fn read(told: &str) -> Option<Sample> {
    let numbers: Vec<u64> = told.split_whitespace().flat_map(str::parse).collect();
    let [0, wall, cpu, peak_kib, switches] = numbers[..] else { return None };
    let (wall, cpu) = (Duration::from_nanos(wall), Duration::from_nanos(cpu));
    Some(Sample { wall, cpu, peak_kib, switches })
}

/// The program that runs what is measured: it is small, since the kernel counts what a process
/// held before it executed a program as a peak of that program.
pub(crate) fn launcher() -> PathBuf {
    room::temporary().join("usage")
}

/// What one run cost.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sample {
    /// From its start until it was waited for.
    pub(crate) wall: Duration,
    /// Of the command and of those of its descendants that were waited for.
    pub(crate) cpu: Duration,
    /// The most memory that one of them had.
    pub(crate) peak_kib: u64,
    /// How often one of them gave up or lost its CPU.
    pub(crate) switches: u64,
}

/// The medians of every contestant, the first of them ours.
pub(crate) struct Table {
    title: String,
    rounds: usize,
    rows: Vec<(String, Sample)>,
}

/// Runs each contestant `rounds` times, in turns that begin one place later each round, after a
/// first round that is not counted.
///
/// # Errors
/// A contestant fails: a number that a failure made is worth nothing.
pub(crate) fn race(title: &str, rounds: usize, contestants: &[Contestant]) -> Result<Table> {
    let mut samples: Vec<Vec<Sample>> = contestants.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        if std::io::stderr().is_terminal() {
            eprint!("\r{title}: round {round} of {rounds} ");
        }
        for turn in 0..contestants.len() {
            let place = (turn + round) % contestants.len();
            let sample = contestants[place].run()?;
            if round > 0 {
                samples[place].push(sample);
            }
        }
    }
    eprintln!();
    let rows = contestants.iter().zip(samples).map(|(c, samples)| (c.name.clone(), samples));
    Ok(Table::of(title, rounds, rows))
}

impl Table {
    /// The table of samples that were taken in turns; ours come first.
    pub(crate) fn of(
        title: &str,
        rounds: usize,
        rows: impl Iterator<Item = (String, Vec<Sample>)>,
    ) -> Self {
        let rows = rows.map(|(name, samples)| (name, medians(&samples))).collect();
        Self { title: title.to_owned(), rounds, rows }
    }
}

fn medians(samples: &[Sample]) -> Sample {
    Sample {
        wall: median(samples.iter().map(|s| s.wall)),
        cpu: median(samples.iter().map(|s| s.cpu)),
        peak_kib: median(samples.iter().map(|s| s.peak_kib)),
        switches: median(samples.iter().map(|s| s.switches)),
    }
}

fn median<T: Ord + Default + Copy>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{} (medians of {} interleaved runs; × is ours ÷ theirs)",
            self.title, self.rounds
        )?;
        writeln!(
            f,
            "{:<34} {:>10} {:>6} {:>10} {:>6} {:>9} {:>9}",
            "", "wall ms", "×", "cpu ms", "×", "peak MiB", "switches"
        )?;
        let ours = self.rows.first().map(|(_, sample)| *sample).unwrap_or_default();
        for (name, sample) in &self.rows {
            let ms = |d: Duration| d.as_secs_f64() * 1e3;
            let ratio = |ours: Duration, theirs: Duration| {
                ours.as_secs_f64() / theirs.as_secs_f64().max(1e-9)
            };
            writeln!(
                f,
                "{name:<34} {:>10.2} {:>6.2} {:>10.2} {:>6.2} {:>9.1} {:>9}",
                ms(sample.wall),
                ratio(ours.wall, sample.wall),
                ms(sample.cpu),
                ratio(ours.cpu, sample.cpu),
                mebibytes(sample.peak_kib),
                sample.switches,
            )?;
        }
        Ok(())
    }
}

/// KiB as MiB, for people.
#[expect(clippy::cast_precision_loss, reason = "a number with one digit after the point")]
fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median([5, 1, 9].into_iter()), 5);
        assert_eq!(median(std::iter::empty::<u64>()), 0);
    }

    #[test]
    fn what_fails_has_no_numbers() {
        let sample = read("0 2000 1000 64 3\n").unwrap();
        assert_eq!((sample.wall.as_nanos(), sample.cpu.as_nanos()), (2000, 1000));
        assert_eq!((sample.peak_kib, sample.switches), (64, 3));
        assert!(read("256 2000 1000 64 3\n").is_none());
        assert!(read("").is_none());
    }
}
