//! The layers of this crate: no file imports another in a circle, what measures knows nothing of commands and reports, and
//! only commands know how options are read.
//!
//! Paths are found in the text of each file, in `use` lines and elsewhere: `crate::`, `super::`, `self::`, and the name of a
//! child module. A path is an import of the deepest file that it names. A `mod` line imports nothing, and tests are left out:
//! files called `tests.rs`, and what follows `#[cfg(test)]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Files by their module paths, the root of the crate being empty: `engine::read` is `engine/read.rs`.
type Sources = BTreeMap<String, String>;
/// What each file imports, by module path.
type Imports = BTreeMap<String, BTreeSet<String>>;

fn sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Sources::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let name = path.strip_prefix(&root).unwrap().with_extension("");
                let module = name.to_str().unwrap().replace('/', "::");
                let module = if module == "main" { String::new() } else { module };
                found.insert(module, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The text without comments and without the tests at its end.
fn code(text: &str) -> String {
    let production = text.split_once("#[cfg(test)]").map_or(text, |(production, _)| production);
    production.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The paths that begin with the path or the group of paths at the start of `text`, each a list of names:
/// `report::{self, block::run_line}` is `report` and `report::block::run_line`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let name_bytes = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(name_bytes);
    if let Some(group) = text.strip_prefix('{') {
        return members(group).into_iter().flat_map(paths).collect();
    }
    let mut found = Vec::new();
    match rest.strip_prefix("::") {
        Some(rest) => found.extend(paths(rest)),
        None => found.push(Vec::new()),
    }
    for path in &mut found {
        if !name.is_empty() && name != "self" {
            path.insert(0, name.to_string());
        }
    }
    found
}

/// The members of a group that begins behind its brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start) = (0, 0);
    let mut found = Vec::new();
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                found.push(group[start..at].trim());
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found
}

/// Where each path that begins with `word` and a `::` goes on in `code`.
fn behind<'a>(code: &'a str, word: &str) -> impl Iterator<Item = &'a str> {
    let start = format!("{word}::");
    let bytes = start.len();
    let places: Vec<usize> = code.match_indices(&start).map(|(at, _)| at).collect();
    places.into_iter().filter_map(move |at| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let is_whole = !before.is_alphanumeric() && !"_:".contains(before);
        is_whole.then(|| &code[at + bytes..])
    })
}

fn imports(sources: &Sources) -> Imports {
    let mut imports = Imports::new();
    for (module, text) in sources {
        let code = code(text);
        let parts: Vec<String> = module.split("::").filter(|part| !part.is_empty()).map(str::to_string).collect();
        let parent = &parts[..parts.len().saturating_sub(1)];
        let mut named: Vec<Vec<String>> = Vec::new();
        for (word, base) in [("crate", &[][..]), ("super", parent), ("self", &parts[..])] {
            let found = behind(&code, word).flat_map(paths);
            named.extend(found.map(|path| [base, path.as_slice()].concat()));
        }
        for (child, _) in code.match_indices("mod ").map(|(at, _)| code[at + 4..].split_once(';').unwrap_or_default()) {
            let base = [&parts[..], &[child.to_string()]].concat();
            named.extend(behind(&code, child).flat_map(paths).map(|path| [base.as_slice(), path.as_slice()].concat()));
        }
        let files = named.iter().map(|path| {
            let prefixes = (0..=path.len()).rev().map(|length| path[..length].join("::"));
            prefixes.into_iter().find(|prefix| sources.contains_key(prefix)).unwrap_or_default()
        });
        let files = files.filter(|file| file != module && !file.is_empty()).collect();
        imports.insert(module.clone(), files);
    }
    imports
}

/// The first circle of imports, if there is one: each file imports the next, and the last the first.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    fn visit(module: &str, imports: &Imports, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        if let Some(at) = way.iter().position(|passed| passed == module) {
            way.drain(..at);
            return true;
        }
        if done.contains(module) {
            return false;
        }
        way.push(module.to_string());
        for next in imports.get(module).into_iter().flatten() {
            if visit(next, imports, way, done) {
                return true;
            }
        }
        way.pop();
        done.insert(module.to_string());
        false
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|module| {
        let mut way = Vec::new();
        visit(module, imports, &mut way, &mut done).then_some(way)
    })
}

/// Whether `module` is `folder` or in it.
fn is_in(module: &str, folder: &str) -> bool {
    module.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn made_up(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(module, text)| (module.to_string(), text.to_string())).collect()
}

#[test]
fn no_file_imports_itself_by_way_of_others() {
    assert_eq!(circle(&imports(&sources())), None, "these import each other in a circle");
}

#[test]
fn what_measures_knows_no_command_and_no_report() {
    let low = ["engine", "recorder", "protocol", "plan", "message", "results", "summarise", "figures", "quantities"];
    let other_low = ["load", "target", "measure", "floor", "sys"];
    for (module, imported) in imports(&sources()) {
        let is_low = low.iter().chain(&other_low).any(|folder| is_in(&module, folder));
        for file in imported {
            assert!(!is_low || !is_in(&file, "report"), "{module} imports {file}");
            let may_know_commands = module.is_empty() || module == "cli" || is_in(&module, "commands");
            assert!(may_know_commands || !is_in(&file, "commands"), "{module} imports {file}");
            assert!(module.is_empty() || file != "cli", "{module} imports {file}");
        }
    }
}

#[test]
fn only_commands_read_options() {
    for (module, text) in sources() {
        let may = module.is_empty() || module == "cli" || is_in(&module, "commands");
        assert!(may || behind(&code(&text), "clap").next().is_none(), "{module} uses clap");
    }
}

#[test]
fn every_way_to_write_an_import_is_found() {
    let sources = made_up(&[
        ("", "mod a; mod b;"),
        ("a", "use crate::b::{self, c, d::{E, F}};\nuse std::b::X;"),
        ("b", "pub mod c;\npub mod d;\nfn f() { d::g() }\n// crate::a\n#[cfg(test)]\nmod tests { use crate::a; }"),
        ("b::c", "use super::d::E;\nfn f() -> crate::b::Own { }"),
        ("b::d", "use self::own;"),
    ]);
    let found = imports(&sources);
    let of = |module: &str| found[module].iter().map(String::as_str).collect::<Vec<_>>();
    assert!(of("").is_empty(), "mod lines are no imports");
    assert_eq!(of("a"), ["b", "b::c", "b::d"]);
    assert_eq!(of("b"), ["b::d"], "a child by its name; no comment, no test");
    assert_eq!(of("b::c"), ["b", "b::d"]);
    assert!(of("b::d").is_empty());
}

#[test]
fn a_circle_is_found_however_long_it_is() {
    let files =
        [("a", "use crate::b::B;"), ("b", "use crate::b::c::C;"), ("b::c", "use crate::d;"), ("d", "struct D;")];
    assert_eq!(circle(&imports(&made_up(&files))), None);
    let files = [&files[..3], &[("d", "fn f(b: &crate::b::B) {}")]].concat();
    assert_eq!(circle(&imports(&made_up(&files))).unwrap(), ["b", "b::c", "d"]);
}
