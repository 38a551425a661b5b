//! Bars for layers that arrive side by side.
//!
//! Drawn on stderr, only where it is a terminal and steps are wanted. The bars are redrawn in
//! place at most ten times a second, by whichever thread reports, and wiped when all is done: the
//! step line that follows says what came of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use coffer_oci::Digest;

use super::{Ui, bytes};

const REDRAW: Duration = Duration::from_millis(100);
/// Cells between the brackets.
const BAR: usize = 28;
/// More layers than this are counted in one line, so that the bars fit on small terminals.
const MOST_BARS: usize = 12;

/// The bars of one command.
#[derive(Debug)]
pub(crate) struct Progress {
    live: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bars: BTreeMap<Digest, Bar>,
    drawn: usize,
    last: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Bar {
    done: u64,
    total: u64,
}

impl Progress {
    /// Bars that are drawn if `ui` shows steps and stderr is a terminal.
    pub(crate) fn new(ui: &Ui) -> Self {
        let live = ui.shows_steps() && ui.is_terminal();
        let state = State { bars: BTreeMap::new(), drawn: 0, last: None };
        Self { live, state: Mutex::new(state) }
    }

    /// `done` of `total` bytes of a blob have been handled.
    pub(crate) fn report(&self, blob: &Digest, done: u64, total: u64) {
        // A thread that died while it drew has at worst left half a picture.
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.bars.insert(blob.clone(), Bar { done, total });
        let is_due = state.last.is_none_or(|last| last.elapsed() >= REDRAW);
        if self.live && is_due {
            state.last = Some(Instant::now());
            state.draw();
        }
    }

    /// Wipes the bars.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.drawn > 0 {
            write_out(&wipe(state.drawn));
            state.drawn = 0;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

impl State {
    fn draw(&mut self) {
        let mut text = wipe(self.drawn);
        let mut lines = 0;
        for (blob, bar) in self.bars.iter().filter(|(_, bar)| bar.is_open()).take(MOST_BARS) {
            // Writing to a String cannot fail.
            writeln!(text, "  {} {}", blob.short(), bar.render()).unwrap_or_default();
            lines += 1;
        }
        self.drawn = lines;
        write_out(&text);
    }
}

impl Bar {
    fn is_open(&self) -> bool {
        self.done < self.total
    }

    fn render(&self) -> String {
        let share = self.done.min(self.total).saturating_mul(BAR as u64) / self.total.max(1);
        let full = usize::try_from(share).unwrap_or(BAR);
        let (full, empty) = ("=".repeat(full), " ".repeat(BAR - full));
        format!("[{full}{empty}] {} / {}", bytes(self.done), bytes(self.total))
    }
}

/// Up over the lines drawn last, and clear to the end of the screen. Source: ECMA-48, CPL and ED.
fn wipe(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\x1b[{lines}F\x1b[J") }
}

/// A picture that cannot be drawn is not missed.
fn write_out(text: &str) {
    io::stderr().lock().write_all(text.as_bytes()).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fill() {
        let bar = |done, total| Bar { done, total }.render();
        assert!(bar(0, 100).starts_with(&format!("[{}]", " ".repeat(BAR))));
        assert!(bar(100, 100).starts_with(&format!("[{}]", "=".repeat(BAR))));
        assert!(bar(200, 100).starts_with(&format!("[{}]", "=".repeat(BAR))));
        assert!(bar(0, 0).ends_with("0 B / 0 B"));
        assert!(bar(1 << 20, 4 << 20).ends_with("1.0 MiB / 4.0 MiB"));
    }
}
