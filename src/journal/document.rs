//! docs/LOG.md has every event, every field, every statistic and every reason for closing, as the tables of the code have
//! them.

use std::fmt::Write;

use super::event::{LogEvent, LogField};
use crate::counters::{CloseReason, Statistics};

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
    let mut table = row(&heads);
    writeln!(table, "|{}", " --- |".repeat(heads.len())).expect("writing to a text never fails");
    rows.for_each(|cells| table += &row(&cells));
    table
}

fn code(key: &str) -> String {
    format!("`{key}`")
}

/// The tables that the document must have, word for word.
fn tables() -> [String; 4] {
    let events = LogEvent::ALL.iter().map(|event| {
        let row = event.row();
        let fields: Vec<String> = event.fields().iter().map(|field| code(field.row().key)).collect();
        vec![code(row.key), row.level.name().to_owned(), row.help.to_owned(), fields.join(", ")]
    });
    let fields = LogField::ALL.iter().map(|field| vec![code(field.row().key), field.row().help.to_owned()]);
    let statistics = Statistics::default();
    let statistics = statistics.figures().map(|figure| {
        let kind = if figure.is_total { "since the start" } else { "now" };
        vec![code(figure.key), kind.to_owned(), figure.help.to_owned()]
    });
    let reasons = CloseReason::ALL.iter().map(|reason| {
        let row = reason.row();
        let key = row.key.strip_prefix("closed_").expect("a reason's key begins so");
        vec![code(key), row.words.to_owned(), row.help.to_owned()]
    });
    [
        table(&["Event", "Level", "What it says", "Fields"], events),
        table(&["Field", "What it has"], fields),
        table(&["Key", "Counts", "What"], statistics),
        table(&["Reason", "In a text", "Why"], reasons),
    ]
}

#[test]
fn the_document_has_every_row_of_every_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/LOG.md");
    let document = std::fs::read_to_string(path).expect("the document is there");
    for table in tables() {
        assert!(document.contains(&table), "docs/LOG.md has another table than:\n\n{table}");
    }
}
