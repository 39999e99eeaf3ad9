//! A table with a row for each server of each room, and columns of what was measured there.

use comfy_table::{CellAlignment, Table};

use crate::figures::{marked, runs_cell};
use crate::quantities::count;
use crate::report::layout::align_right;
use crate::results::rung::Rung;
use crate::results::summary::Summary;

/// A column: its heading, whether the terminal has room for it, and what stands there for a room that was measured.
pub type Column = (&'static str, bool, fn(&[Summary]) -> String);

/// What stands in a cell for the runs of a room: a mark if a run is not to be quoted, `-` for none.
pub fn cell(runs: &[Summary], show: fn(&[Summary]) -> String) -> String {
    if runs.is_empty() { "-".to_string() } else { marked(runs, show(runs)) }
}

/// The table of `rungs` with those of `columns` that are wanted.
pub fn tabulate(columns: &[Column], rungs: &[Rung], wanted: fn(&Column) -> bool) -> Table {
    let columns: Vec<&Column> = columns.iter().filter(|column| wanted(column)).collect();
    let mut table = Table::new();
    let headings = columns.iter().map(|(heading, _, _)| *heading);
    table.set_header(["members", "server"].into_iter().chain(headings).chain(["runs"]));
    for rung in rungs {
        let mut row = vec![count(rung.members), rung.server.clone()];
        row.extend(columns.iter().map(|(_, _, show)| cell(&rung.runs, *show)));
        row.push(runs_cell(rung));
        table.add_row(row);
    }
    align_right(&mut table);
    // A reason may be long; to the right it would push everything else away.
    if let Some(column) = table.column_iter_mut().last() {
        column.set_cell_alignment(CellAlignment::Left);
    }
    table
}
