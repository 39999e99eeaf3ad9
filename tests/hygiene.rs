//! What the house asks of its files, checked: each opens with what it provides, unsafe code stays in its rooms, and the
//! map names every file.

use std::fs;
use std::path::{Path, PathBuf};

/// Where `unsafe` may stand.
const UNSAFE_ROOMS: &[&str] =
    &["src/io/", "src/net.rs", "bench-client/src/sys.rs", "bench-client/src/floor/", "bench-client/src/sys/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder, relative to the root.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

fn all_files() -> Vec<PathBuf> {
    ["src", "tests", "bench-client"].into_iter().flat_map(rust_files).collect()
}

#[test]
fn every_file_opens_with_what_it_provides() {
    for file in all_files() {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with //!", file.display());
    }
}

#[test]
fn unsafe_code_stays_in_its_rooms_and_says_why_it_is_sound() {
    for file in all_files() {
        let name = file.to_str().unwrap();
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let blocks = text.lines().filter(|line| line.contains(concat!("unsafe", " {"))).count();
        let reasons = text.lines().filter(|line| line.trim_start().starts_with("// SAFETY: ")).count();
        let allowed = UNSAFE_ROOMS.iter().any(|room| name.starts_with(room));
        assert!(blocks == 0 || allowed, "{name} has unsafe code");
        assert!(reasons >= blocks, "{name} has {blocks} unsafe blocks and {reasons} SAFETY lines");
    }
}

#[test]
fn the_map_names_every_file() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for folder in ["src", "bench-client/src"] {
        for file in rust_files(folder) {
            let name = file.to_str().unwrap();
            assert!(map.contains(&format!("`{name}`")), "ARCHITECTURE.md does not name `{name}`");
        }
    }
}

#[test]
fn the_change_log_knows_this_version() {
    let changes = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changes.contains(&format!("## {}", env!("CARGO_PKG_VERSION"))), "CHANGELOG.md has no section for it");
}
