//! Rules for the files of this repository, asserted: each opens with what it provides, unsafe code stands in few of
//! them, the map names every file, and figures in README.md stand in the runs that it links to.

#[path = "support/layers.rs"]
mod layers;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where `unsafe` may stand.
const UNSAFE_ROOMS: &[&str] =
    &["src/io/", "bench-client/src/sys.rs", "bench-client/src/floor/", "bench-client/src/sys/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder, relative to the root.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let found = layers::rust_files(&root().join(folder));
    let found: Vec<PathBuf> = found.iter().map(|file| file.strip_prefix(root()).unwrap().to_owned()).collect();
    assert!(!found.is_empty());
    found
}

fn all_files() -> Vec<PathBuf> {
    ["src", "tests", "bench-client", "conform", "manual", "examples"].into_iter().flat_map(rust_files).collect()
}

#[test]
fn every_file_opens_with_what_it_provides() {
    for file in all_files() {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with //!", file.display());
    }
}

#[test]
fn unsafe_code_stays_in_its_files_and_says_why_it_is_sound() {
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

/// Only the command line imports clap.
#[test]
fn clap_stays_in_the_command_line() {
    for file in rust_files("src") {
        let name = file.to_str().unwrap();
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let is_named = text.lines().any(|line| line.contains("clap::") && !line.trim_start().starts_with("//"));
        assert!(!is_named || name == "src/cli.rs" || name.starts_with("src/cli/"), "{name} uses clap");
    }
}

/// Files and folders of `src/`, and those that they never import.
const LAYERS: &[(&[&str], &[&str])] = &[
    (&["io"], &["sim", "server", "rooms", "room", "connections", "connection", "wire", "message", "cli", "chat"]),
    (
        &[
            "wire",
            "message",
            "moderation",
            "motd",
            "rooms",
            "room",
            "flood",
            "names",
            "token",
            "limits",
            "timeouts",
            "counters",
            "config",
        ],
        &["server", "io", "net", "connections", "connection", "journal", "outlet", "transcript", "cli", "chat"],
    ),
];

#[test]
fn io_and_the_pure_parts_never_import_the_server() {
    let is_in =
        |file: &str, room: &&str| file.strip_prefix(room).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'));
    for (file, imports) in layers::imports(&root().join("src"), false) {
        for (rooms, others) in LAYERS {
            let is_of_layer = rooms.iter().any(|room| is_in(&file, room));
            let wrong = imports.iter().find(|import| is_of_layer && others.iter().any(|other| is_in(import, other)));
            assert!(wrong.is_none(), "src/{file} imports src/{}", wrong.unwrap());
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = layers::circles(&layers::imports(&root().join("src"), false));
    assert!(circles.is_empty(), "these files of src/ import each other: {circles:#?}");
}

/// Folders whose names the map has, with all that they hold.
const MAPPED: [&str; 5] = ["src", "bench-client/src", "conform/src", "manual/src", "tests"];

#[test]
fn the_map_names_every_folder_and_nothing_else() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, map) = text.split_once("## Code map").expect("there is a map");
    let (map, _) = map.split_once("\n## ").expect("something follows the map");
    let folders: BTreeSet<PathBuf> =
        MAPPED.into_iter().flat_map(rust_files).map(|file| file.parent().unwrap().to_owned()).collect();
    for folder in folders.iter().filter(|folder| *folder != Path::new("tests")) {
        assert!(
            map.contains(&format!("`{}/`", folder.display())),
            "ARCHITECTURE.md does not name `{}/`",
            folder.display()
        );
    }
    for name in map.split('`').skip(1).step_by(2).filter(|name| name.ends_with('/') && name.contains("src")) {
        assert!(root().join(name).is_dir(), "ARCHITECTURE.md names {name}, which is not there");
    }
}

#[test]
fn the_change_log_knows_this_version() {
    let changes = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changes.contains(&format!("## {}", env!("CARGO_PKG_VERSION"))), "CHANGELOG.md has no section for it");
}

/// What a results folder may hold outside `raw/`, which git ignores.
const SET_BYTES_MAX: u64 = 3_000_000;
/// Words that are a unit when they stand behind a figure.
const UNITS: &[&str] = &["ns", "us", "ms", "s", "%", "B", "KiB", "MiB", "GiB", "thousand", "million", "billion"];

/// The folders of measurements.
fn sets() -> Vec<PathBuf> {
    let mut sets: Vec<PathBuf> = fs::read_dir(root().join("results"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    sets.sort();
    sets
}

/// Every file below a set, its raw rows left out.
fn files_of(set: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![set.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("raw") => {}
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found
}

#[test]
fn a_set_of_results_is_small_says_what_it_is_and_holds_no_raw_rows() {
    for set in sets() {
        let name = set.file_name().unwrap().to_str().unwrap();
        let files = files_of(&set);
        let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
        assert!(bytes <= SET_BYTES_MAX, "{name} has {bytes} bytes");
        for file in &files {
            let shown = file.display();
            let last = file.file_name().unwrap().to_str().unwrap();
            assert!(last != "messages.csv" && last != "samples.csv" && !last.ends_with(".hlog"), "raw rows: {shown}");
            assert!(
                !last.ends_with(".hgrm") || file.parent().unwrap().ends_with("spectra"),
                "one spectrum a room: {shown}"
            );
        }
        let environment = fs::read_to_string(set.join("env.json")).unwrap_or_else(|_| panic!("{name} has no env.json"));
        let kind = environment.split_once("\"kind\": \"").and_then(|(_, rest)| rest.split('"').next());
        if let Some(kind) = kind {
            assert!(name.ends_with(&format!("-{kind}")) || name.contains(&format!("-{kind}-")), "{name} holds {kind}");
        }
    }
}

/// The paragraphs of a document, code blocks and tables left out.
fn paragraphs(document: &str) -> Vec<String> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for line in document.lines() {
        in_code ^= line.trim_start().starts_with("```");
        let is_prose = !in_code && !line.starts_with('|') && !line.contains("```") && !line.starts_with("<!--");
        lines.push(if is_prose { line } else { "" });
    }
    lines.join("\n").split("\n\n").map(str::to_string).filter(|paragraph| !paragraph.trim().is_empty()).collect()
}

/// The files below `results/` that a paragraph links to.
fn linked_results(paragraph: &str) -> Vec<String> {
    let paragraph = paragraph.replace("](../results/", "](results/");
    let links = paragraph.split("](results/").skip(1);
    links.map(|rest| format!("results/{}", rest.split([')', '#']).next().unwrap_or_default())).collect()
}

/// The prose of a paragraph: no targets of links, no code.
fn prose(paragraph: &str) -> String {
    let mut text = String::new();
    for (index, part) in paragraph.split('`').enumerate() {
        let mut rest = if index % 2 == 0 { part } else { " " };
        while let Some((before, after)) = rest.split_once("](") {
            text.push_str(before);
            text.push_str("] ");
            rest = after.split_once(')').map_or("", |(_, after)| after);
        }
        text.push_str(rest);
    }
    text
}

/// The figures of a text, each with its unit: `54.7 million`, `5.4 ms`, `1,000`.
fn figures(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut before = ' ';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if !first.is_ascii_digit() || before.is_alphanumeric() || "-_.".contains(before) {
            before = first;
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let length = rest.find(|letter: char| !letter.is_ascii_digit() && letter != ',' && letter != '.');
        let (number, after) = rest.split_at(length.unwrap_or(rest.len()));
        let number = number.trim_end_matches(['.', ',']);
        let words = after.trim_start().split(|letter: char| !letter.is_alphanumeric() && letter != '%');
        let unit = words.into_iter().next().unwrap_or_default();
        let has_unit = UNITS.contains(&unit) && after.starts_with(char::is_whitespace);
        found.push(if has_unit { format!("{number} {unit}") } else { number.to_string() });
        before = '0';
        rest = after;
    }
    found
}

/// Whether `figure` stands in `text`, not as a part of a longer one.
fn states(text: &str, figure: &str) -> bool {
    text.match_indices(figure).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let mut after = text[at + figure.len()..].chars();
        let (next, second) = (after.next(), after.next());
        let goes_on = next.is_some_and(char::is_alphanumeric)
            || (matches!(next, Some('.' | ',')) && second.is_some_and(|digit| digit.is_ascii_digit()));
        !before.is_some_and(|letter| letter.is_alphanumeric() || ".,".contains(letter)) && !goes_on
    })
}

/// Figures that `document` claims and that do not stand in the files that it links to; `read` gives those files.
fn unfounded(document: &str, read: impl Fn(&str) -> String) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in document.lines() {
        in_block = (in_block || line.starts_with("<!-- ")) && !line.starts_with("<!-- /");
        let claims = figures(line).into_iter().filter(|figure| figure.ends_with("illion"));
        if line.starts_with('|') && !in_block {
            found.extend(claims.map(|figure| format!("{figure}: in a table that no run wrote")));
        }
    }
    for paragraph in paragraphs(document) {
        let files: Vec<String> = linked_results(&paragraph)
            .into_iter()
            .filter(|file| file.ends_with(".md"))
            .map(|file| read(&file))
            .collect();
        for figure in figures(&prose(&paragraph)) {
            if files.is_empty() {
                // A large number is a claim, and a claim has a run behind it.
                found.extend(figure.ends_with("illion").then(|| format!("{figure}: no link to a run")));
            } else if !files.iter().any(|file| states(file, &figure)) {
                found.push(format!("{figure}: not in the run that is linked"));
            }
        }
    }
    found
}

#[test]
fn a_claim_is_compared_with_the_run_that_it_links_to() {
    let run = |_: &str| "| deliveries/s | 53,912,345 |\n53.9 million, 5.40 ms, room of 1,000".to_string();
    let check = |document: &str| unfounded(document, run);
    let link = "([the run](results/x/table.md))";
    assert!(check(&format!("In a room of 1,000 it made 53.9 million, after 5.40 ms {link}.")).is_empty());
    assert!(check("With Rust 1.85 and `8888` and 200 names.").is_empty(), "no claim of a run");
    assert_eq!(check(&format!("It made 54.7 million {link}.")), ["54.7 million: not in the run that is linked"]);
    assert_eq!(check(&format!("After 5.40 s {link}.")), ["5.40 s: not in the run that is linked"], "another unit");
    assert_eq!(check(&format!("Of 53,912 {link}.")), ["53,912: not in the run that is linked"], "a part of a number");
    assert_eq!(check("It made 54.7 million."), ["54.7 million: no link to a run"]);
    assert_eq!(check("| 4.0 million |"), ["4.0 million: in a table that no run wrote"]);
    assert!(check("<!-- peers -->\n| 4.0 million |\n<!-- /peers -->").is_empty(), "which another test compares");
}

#[test]
fn every_figure_that_a_document_claims_of_a_run_stands_in_that_run() {
    for name in ["README.md", "docs/OPERATING.md"] {
        let document = fs::read_to_string(root().join(name)).unwrap();
        for file in linked_results(&document) {
            assert!(root().join(&file).exists(), "{name} links to {file}");
        }
        let unfounded = unfounded(&document, |file| fs::read_to_string(root().join(file)).unwrap());
        assert!(unfounded.is_empty(), "{name} claims {unfounded:#?}");
    }
}

#[test]
fn the_tables_of_readme_are_those_of_the_sets_that_they_link_to() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for name in ["headline", "million", "rooms", "peers", "costs"] {
        let Some((_, rest)) = readme.split_once(&format!("<!-- {name} -->\n")) else { continue };
        let block = rest.split_once(&format!("<!-- /{name} -->")).expect("a block has an end").0;
        // The place of a set that was not measured yet.
        if block.is_empty() {
            continue;
        }
        let set =
            linked_results(block).into_iter().next().unwrap_or_else(|| panic!("the block {name} links to no set"));
        let set = root().join(set.split('/').take(2).collect::<Vec<_>>().join("/"));
        // Sets of before the tool wrote it have none.
        let Ok(short) = fs::read_to_string(set.join("short.md")) else { continue };
        assert!(
            block.contains(short.trim()),
            "the block {name} is not {}/short.md: bench-client report",
            set.display()
        );
    }
}

/// The first number in the row of a table whose cells begin with `cells`.
fn cell_after(table: &str, cells: &[&str]) -> Option<Vec<f64>> {
    table.lines().find_map(|line| {
        let row: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let numbers =
            || row[cells.len()..].iter().map(|cell| cell.replace(',', "").parse().unwrap_or(f64::NAN)).collect();
        row.starts_with(cells).then(numbers)
    })
}

#[test]
fn sets_that_measured_the_same_agree() {
    let newest = |kind: &str| {
        let set = sets().into_iter().rfind(|set| set.to_str().unwrap().contains(&format!("-{kind}")))?;
        fs::read_to_string(set.join("table.md")).ok()
    };
    let (Some(headline), Some(peers)) = (newest("headline"), newest("peers")) else { return };
    let (_, ceilings) =
        peers.split_once("What each keeps up with").expect("peers are searched for what they keep up with");
    let here = cell_after(&headline, &["deliveries/s"]).expect("a headline has deliveries")[0];
    let there = cell_after(ceilings, &["1,000", "uproar"]).expect("uproar is among its peers")[1];
    // The step of the search among the peers is 15 %, and machines are noisy.
    assert!((here / there).max(there / here) < 1.3, "the headline says {here} deliveries/s, the peers' table {there}");
}
