//! How tables are laid out.

use comfy_table::{CellAlignment, Table, presets};

/// All columns but the first to the right.
pub fn align_right(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// The table for a terminal.
pub fn plain(table: &mut Table) -> String {
    table.load_style(presets::NOTHING);
    table.trim_fmt()
}

/// The table for a document.
pub fn markdown(table: &mut Table) -> String {
    table.load_style(presets::ASCII_MARKDOWN);
    table.trim_fmt()
}
