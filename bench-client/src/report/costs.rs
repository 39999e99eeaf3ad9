//! What is drawn from the figures of costs: the tables, with the ratio of each server to the first.

use std::path::Path;

use comfy_table::{CellAlignment, Table};

use crate::error::Result;
use crate::figures::{MARK, MARK_MEANS, median};
use crate::files::write_file;
use crate::quantities::count;
use crate::report::layout::{self, align_right};
use crate::results::costs::{self, Figure, What};
use crate::results::folder;

/// Makes the tables of `folder` from its figures, and returns the one for the terminal.
pub fn draw(folder: &Path) -> Result<String> {
    let figures = costs::read(folder)?;
    let mut servers: Vec<&str> = Vec::new();
    for figure in &figures {
        if !servers.contains(&figure.server.as_str()) {
            servers.push(&figure.server);
        }
    }
    let members = figures.first().map_or(0, |figure| figure.members);
    let mut table = tabulate(&figures, &servers, true);
    let text = format!("{}\n", layout::plain(&mut table));
    let count = count(members);
    let environment = folder::environment_of(folder)?;
    let markdown = format!(
        "{}\n\nA room of {count}. Medians of the rounds, in brackets their range. {MARK_MEANS}{} Client and server on one machine, \
         over loopback: {environment}.\n",
        layout::markdown(&mut table),
        wire_bytes(&figures, &servers),
    );
    write_file(&folder.join("table.md"), markdown.as_bytes())?;
    let mut table = tabulate(&figures, &servers, false);
    let short = format!("{}\n\nA room of {count}; medians.\n", layout::markdown(&mut table));
    write_file(&folder.join(folder::SHORT), short.as_bytes())?;
    Ok(text)
}

/// How many bytes a delivery has, a sentence that begins with a space; nothing if that is not known.
fn wire_bytes(figures: &[Figure], servers: &[&str]) -> String {
    let of = |server: &&str| {
        let bytes = figures.iter().filter(|figure| figure.server == **server).filter_map(|figure| figure.wire_bytes);
        bytes.max().map(|bytes| format!("{bytes} of {server}"))
    };
    let bytes: Vec<String> = servers.iter().filter_map(of).collect();
    if bytes.is_empty() { String::new() } else { format!(" Bytes of a delivery: {}.", bytes.join(", ")) }
}

/// A row a figure, a column a server; with more than one also the ratio of each to the first.
fn tabulate(figures: &[Figure], servers: &[&str], with_range: bool) -> Table {
    let mut table = Table::new();
    let others = servers.get(1..).unwrap_or_default();
    let ratios = others.iter().map(|server| format!("{server} / {}", servers[0]));
    let header = ["".to_string()].into_iter().chain(servers.iter().map(ToString::to_string)).chain(ratios);
    table.set_header(header.collect::<Vec<String>>());
    for what in What::ALL {
        let rows = |server: &str| -> Vec<&Figure> {
            figures.iter().filter(|figure| figure.what == what && figure.server == server).collect()
        };
        if servers.iter().all(|server| rows(server).is_empty()) {
            continue;
        }
        let of = |server: &str| rows(server).iter().map(|figure| figure.value).collect::<Vec<f64>>();
        let mut row = vec![what.title().to_string()];
        row.extend(servers.iter().map(|server| cell(what, &rows(server), with_range)));
        let first = median(servers.first().map_or(Vec::new(), |server| of(server)));
        row.extend(others.iter().map(|server| match (first, median(of(server))) {
            (Some(first), Some(other)) => format!("{:.2}", other / first),
            _ => "-".to_string(),
        }));
        table.add_row(row);
    }
    align_right(&mut table);
    if let Some(first) = table.column_mut(0) {
        first.set_cell_alignment(CellAlignment::Left);
    }
    table
}

fn cell(what: What, figures: &[&Figure], with_range: bool) -> String {
    let values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
    let Some(middle) = median(values.iter().copied()) else { return "-".to_string() };
    let mark = if figures.iter().all(|figure| figure.valid) { "" } else { MARK };
    if !with_range {
        return format!("{}{mark}", what.show(middle));
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{} [{}..{}]{mark}", what.show(middle), what.show(least), what.show(largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_servers_are_put_into_a_ratio() {
        let figure = |server: &str, value| Figure {
            what: What::LineNs,
            server: server.to_string(),
            members: 1000,
            round: 1,
            value,
            wire_bytes: None,
            valid: value < 2000.0,
        };
        let figures =
            [figure("uring", 1000.0), figure("uring", 1200.0), figure("uring", 1100.0), figure("epoll", 2200.0)];
        let text = tabulate(&figures, &["uring", "epoll"], true).to_string();
        assert!(text.contains("1.10 us [1.00 us..1.20 us] ") && text.contains("2.00"), "{text}");
        assert!(text.contains("2.20 us [2.20 us..2.20 us] !"), "{text}");
        let short = tabulate(&figures, &["uring", "epoll"], false).to_string();
        assert!(short.contains(" 1.10 us ") && short.contains("2.20 us !") && !short.contains('['), "{short}");
        assert!(text.contains("epoll / uring"), "{text}");
        let three = tabulate(&figures, &["uring", "epoll", "irc"], true).to_string();
        assert!(three.contains("irc / uring") && three.contains("2.00"), "{three}");
        let of_delivery = Figure { wire_bytes: Some(192), ..figure("irc", 1.0) };
        assert_eq!(wire_bytes(&[of_delivery], &["uring", "irc"]), " Bytes of a delivery: 192 of irc.");
        assert_eq!(What::BusyDeliveryCalls.show(0.00042), "0.0004");
    }
}
