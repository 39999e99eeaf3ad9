//! A table of a document: laid out by tbl(1) where each column finds the space that it needs, and otherwise a list.

use clap_mangen::roff::{Inline, Roff, italic, roman};

use super::{TEXT_COLUMNS, lines, text_of};

/// Columns between two columns of a table.
const GAP_COLUMNS: usize = 3;
/// How much a wide column may be narrowed: below that it is no pleasure to read.
const COLUMN_MIN: usize = 24;
/// A first column that is wider than this makes a list easier to read than a table of two columns.
const TERM_MAX: usize = 20;

type Cell = Vec<Inline>;

#[derive(Default)]
pub struct Table {
    /// The first is that of the names.
    rows: Vec<Vec<Cell>>,
    row: Vec<Cell>,
}

impl Table {
    pub fn push(&mut self, cell: Cell) {
        self.row.push(cell);
    }

    pub fn end_row(&mut self) {
        self.rows.push(std::mem::take(&mut self.row));
    }

    /// True when it is laid out in columns, and no list.
    pub fn is_laid_out(&self) -> bool {
        self.widths().is_some()
    }

    pub fn write(self, out: &mut Roff) {
        match self.widths() {
            Some(widths) => self.write_table(&widths, out),
            None => self.write_list(out),
        }
    }

    /// The width of each column; `None` where a list is better.
    fn widths(&self) -> Option<Vec<usize>> {
        let count = self.rows[0].len();
        let natural = |column: usize| self.rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
        let natural: Vec<usize> = (0..count).map(natural).collect();
        if natural[0] > TERM_MAX {
            return None;
        }
        let space = TEXT_COLUMNS - GAP_COLUMNS * (count - 1);
        // The narrow columns have what they need; the last of the wide ones has what is left.
        let (last, before) = natural.split_last()?;
        let taken: usize = before.iter().sum();
        let left = space.checked_sub(taken)?;
        if left < COLUMN_MIN.min(*last) {
            return None;
        }
        Some(before.iter().copied().chain([left.min(*last)]).collect())
    }

    fn write_table(self, widths: &[usize], out: &mut Roff) {
        let is_headed = self.rows[0].iter().any(|cell| width(cell) > 0);
        let format: Vec<String> = widths.iter().map(|width| format!("lw({width}n)")).collect();
        out.control("TS", []);
        if is_headed {
            out.text([roman(vec!["lb"; widths.len()].join(" "))]);
        }
        out.text([roman(format!("{}.", format.join(" ")))]);
        let skipped = usize::from(!is_headed);
        for row in self.rows.into_iter().skip(skipped) {
            let mut line: Cell = Vec::new();
            for (column, cell) in row.into_iter().enumerate() {
                if column > 0 {
                    line.push(roman("\t"));
                }
                if width(&cell) <= widths[column] {
                    line.extend(cell);
                    continue;
                }
                line.push(roman("T{"));
                out.text(std::mem::take(&mut line));
                for text in lines(cell) {
                    out.text(text);
                }
                line.push(roman("T}"));
            }
            out.text(line);
        }
        out.control("TE", []);
    }

    /// An entry a row: the first cell, and behind it the others, each with the name of its column if there are several.
    fn write_list(self, out: &mut Roff) {
        let mut rows = self.rows.into_iter();
        let names: Vec<String> = rows.next().into_iter().flatten().map(|cell| plain(&cell)).collect();
        if let [first, second] = names.as_slice()
            && !first.is_empty()
            && !second.is_empty()
        {
            out.control("TP", []);
            out.text([italic(first.as_str())]);
            out.text([italic(second.as_str())]);
        }
        for row in rows {
            let mut cells = row.into_iter();
            out.control("TP", []);
            out.text(cells.next().expect("a row has cells"));
            // Whole sentences need no name, and come first.
            let filled = cells.zip(&names[1..]).filter(|(cell, _)| width(cell) > 0);
            let (sentences, others): (Vec<_>, Vec<_>) =
                filled.partition(|(cell, _)| names.len() > 2 && plain(cell).ends_with('.'));
            let is_behind_sentence = !sentences.is_empty();
            let mut text: Cell = Vec::new();
            for (place, (sentence, _)) in sentences.into_iter().enumerate() {
                if place > 0 {
                    text.push(roman(" "));
                }
                text.extend(sentence);
            }
            for (place, (cell, name)) in others.into_iter().enumerate() {
                if place > 0 {
                    text.push(roman("; "));
                } else if is_behind_sentence {
                    text.push(roman(" "));
                }
                if names.len() > 2 && !name.is_empty() {
                    let is_first = place == 0 && is_behind_sentence;
                    text.extend([italic(if is_first { name.clone() } else { name.to_lowercase() }), roman(": ")]);
                }
                text.extend(cell);
            }
            if is_behind_sentence && !plain(&text).ends_with('.') {
                text.push(roman("."));
            }
            if text.is_empty() {
                text.push(roman("\u{a0}"));
            }
            for line in lines(text) {
                out.text(line);
            }
        }
    }
}

fn plain(cell: &[Inline]) -> String {
    cell.iter().map(text_of).collect()
}

fn width(cell: &[Inline]) -> usize {
    plain(cell).chars().count()
}
