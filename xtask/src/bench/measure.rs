//! One table: contestants run in turns, so that what the machine does meanwhile hits all alike.

use std::fmt;
use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use coffer_sys::usage;

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
/// container that stays behind would hold open.
///
/// # Errors
/// It cannot be started or fails; the error has what it said.
pub(crate) fn sample(mut command: Command) -> Result<Sample> {
    let mut words = tempfile::tempfile().context("make a temporary file")?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words.try_clone()?);
    let started = Instant::now();
    let child = command.spawn().with_context(|| format!("start {command:?}"))?;
    let (status, used) = usage::wait(child)?;
    let wall = started.elapsed();
    if !status.success() {
        let mut said = String::new();
        words.seek(SeekFrom::Start(0))?;
        words.read_to_string(&mut said)?;
        bail!("{command:?}: {status}\n{said}");
    }
    Ok(Sample { wall, cpu: used.cpu, peak_kib: used.peak_kib, switches: used.switches })
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
    fn a_contestant_that_fails_ends_the_race() {
        let fails = Contestant::new("false", || Command::new("false"));
        assert!(race("test", 1, &[fails]).is_err());
    }
}
