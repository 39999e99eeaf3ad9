//! The layers of this crate: no file imports another in a circle, what measures knows nothing of commands and reports, and
//! only commands know how options are read.

#[path = "../../tests/support/layers.rs"]
mod layers;

use std::fs;
use std::path::{Path, PathBuf};

use layers::Imports;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn imports() -> Imports {
    let imports = layers::imports(&source(), true);
    assert!(imports.len() > 50, "{} files", imports.len());
    imports
}

/// Whether a file is `name.rs` or in the folder beside it.
fn is_in(file: &str, name: &str) -> bool {
    file.strip_prefix(name).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Whether a file may know commands and options.
fn is_for_commands(file: &str) -> bool {
    ["lib", "cli", "commands"].iter().any(|name| is_in(file, name))
}

#[test]
fn no_file_imports_itself_by_way_of_others() {
    let circles = layers::circles(&imports());
    assert!(circles.is_empty(), "these import each other in a circle: {circles:#?}");
}

#[test]
fn what_measures_knows_no_command_and_no_report() {
    let low = ["engine", "recorder", "protocol", "plan", "message", "results", "summarise", "figures", "quantities"];
    let other_low = ["load", "rooms", "target", "measure", "floor", "sys"];
    for (file, imported) in imports() {
        let is_low = low.iter().chain(&other_low).any(|name| is_in(&file, name));
        for other in imported {
            assert!(!is_low || !is_in(&other, "report"), "{file} imports {other}");
            assert!(is_for_commands(&file) || !is_in(&other, "commands"), "{file} imports {other}");
            assert!(file == "lib.rs" || other != "cli.rs", "{file} imports {other}");
        }
    }
}

#[test]
fn only_commands_read_options() {
    for file in imports().keys() {
        let text = fs::read_to_string(source().join(file)).unwrap();
        let is_named = text.lines().any(|line| line.contains("clap::") && !line.trim_start().starts_with("//"));
        assert!(is_for_commands(file) || !is_named, "{file} uses clap");
    }
}
