//! Aligned columns.

use super::{escape, wrap};

/// Rows under a heading, laid out so that each column is as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

/// Blanks between columns, as docker has them.
const GAP: usize = 3;

impl Table {
    /// A table under `heading`.
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    /// A table without one.
    pub(crate) fn bare() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row; its cells are escaped.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.iter().map(|cell| escape(cell).into_owned()).collect());
    }

    /// Adds a row whose number of cells is known only now.
    pub(crate) fn cells(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| escape(cell).into_owned()).collect());
    }

    /// The text, one line a row, without blanks at line ends.
    pub(crate) fn render(&self) -> String {
        self.render_within(None)
    }

    /// The same where no line may be longer than `most` characters: cells that are too long go on
    /// below.
    pub(crate) fn render_within(&self, most: Option<usize>) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..columns).map(|column| self.width(column)).collect();
        if let Some(most) = most {
            widths = wrap::share(&widths, most.saturating_sub(GAP * columns.saturating_sub(1)));
        }
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| wrap::lines(cell, *width));
            let cells: Vec<Vec<String>> = cells.collect();
            for line in 0..cells.iter().map(Vec::len).max().unwrap_or(1) {
                text.push_str(line_of(&cells, line, &widths).trim_end());
                text.push('\n');
            }
        }
        text
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

/// The line of this number of a row.
fn line_of(cells: &[Vec<String>], number: usize, widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let part = cell.get(number).map_or("", String::as_str);
        line.push_str(part);
        let blanks = width.saturating_sub(part.chars().count()) + GAP;
        line.extend(std::iter::repeat_n(' ', blanks));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["NAME", "SIZE"]);
        table.row(["busybox".to_owned(), "2 MiB".to_owned()]);
        table.row(["x\n".to_owned(), String::new()]);
        assert_eq!(table.render(), "NAME      SIZE\nbusybox   2 MiB\nx\\n\n");
    }

    #[test]
    fn long_cells_go_on_below() {
        let mut table = Table::bare();
        table.row(["  a word or two".to_owned(), "more".to_owned(), "x".to_owned()]);
        let text = "  a word   more   x\n    or\n    two\n";
        assert_eq!(table.render_within(Some(19)), text);
        assert_eq!(table.render_within(Some(80)), table.render());
    }
}
