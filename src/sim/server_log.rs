//! The server's own log of a run, read as a program reads it: each line has its form, and nothing that it must not say.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::memory_file::{MemoryFile, STAMP};
use super::model;
use crate::io::sim::kernel::Kernel;
use crate::journal::{Format, LogEvent, Style};
use crate::outlet::{Outlet, Place};

/// Shorter lines that peers type may stand in any text by chance.
const TELLING_BYTES: usize = 8;

/// The lines of the server's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOutcome {
    pub lines: u64,
    /// Lines that are objects, and those of logs without addresses.
    pub objects: u64,
    pub without_addresses: u64,
    /// Times that lines were not logged.
    pub gaps: u64,
    pub transcript_paused: u64,
    pub transcript_resumed: u64,
    /// Files that were opened anew.
    pub reopened: u64,
}

/// What every line for programs has. The other fields are not looked at: they are many, and so are the lines.
#[derive(Deserialize)]
struct Object<'a> {
    time: &'a str,
    level: &'a str,
    event: &'a str,
    text: String,
}

/// A line's event, where the line says it, and its text.
fn read_line(line: &str, place: Place, format: Format) -> (Option<&'static str>, String) {
    let levels = ["error", "warning", "notice", "info"];
    let rest = match place {
        Place::Journald => {
            let (priority, rest) = line.split_once('>').expect("the journal's lines have their priority");
            assert!(["<3", "<4", "<5", "<6"].contains(&priority), "the log says {line:?}");
            rest
        }
        Place::File | Place::Other => line,
    };
    if format == Format::Json {
        let object: Object<'_> = serde_json::from_str(rest).unwrap_or_else(|wrong| panic!("{wrong}: {line:?}"));
        assert!(levels.contains(&object.level) && object.time == STAMP.trim_end(), "the log says {line:?}");
        let event = LogEvent::ALL.iter().map(|event| event.row()).find(|row| row.key == object.event);
        let event = event.unwrap_or_else(|| panic!("{line:?} is of no event that there is"));
        assert_eq!(event.level.name(), object.level);
        return (Some(event.key), object.text);
    }
    let text = match place {
        Place::Journald => Some(rest),
        Place::Other => rest.strip_prefix("uproar: "),
        Place::File => rest.strip_prefix(STAMP).and_then(|rest| {
            let (level, rest) = rest.split_once(' ')?;
            rest.strip_prefix("uproar: ").filter(|_| levels.contains(&level))
        }),
    };
    (None, text.unwrap_or_else(|| panic!("the log says {line:?}")).to_owned())
}

/// Reads the log. Panics when a line is not as it must be.
pub fn read(log: &MemoryFile, style: Style, kernel: &Kernel) -> LogOutcome {
    let written = String::from_utf8(log.written()).expect("the log is text");
    let mut outcome = LogOutcome::default();
    let mut events = BTreeSet::new();
    for line in written.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let (event, text) = read_line(line, log.place(), style.format);
        outcome.lines += 1;
        outcome.objects += u64::from(event.is_some());
        outcome.without_addresses += u64::from(!style.addresses);
        outcome.gaps += u64::from(text.ends_with(" not logged"));
        outcome.transcript_paused += u64::from(text.starts_with("transcript paused"));
        outcome.transcript_resumed += u64::from(text.starts_with("transcript resumed"));
        outcome.reopened += u64::from(text.ends_with(" file was opened anew"));
        // The numbers of a line of statistics are asserted elsewhere, and there are many such lines.
        if !text.contains("members=") {
            events.insert(line.to_owned());
        }
    }
    let logged = events.into_iter().collect::<Vec<_>>().join("\n");
    expect_untold(&logged, style, kernel);
    outcome
}

/// Nothing that a peer has typed stands in the log, and where it has no addresses none of a peer.
pub fn expect_untold(logged: &str, style: Style, kernel: &Kernel) {
    for pair in kernel.pairs() {
        let address = pair.address.ip().to_string();
        assert!(style.addresses || !logged.contains(&address), "{address} stands in the log:\n{logged}");
        for typed in model::record(pair).heard.split(|byte| *byte == b'\n') {
            let Ok(typed) = str::from_utf8(typed) else { continue };
            let typed = typed.trim();
            assert!(typed.len() < TELLING_BYTES || !logged.contains(typed), "{typed:?} stands in the log:\n{logged}");
        }
    }
}
