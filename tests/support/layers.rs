//! The imports between the files of a crate, read from `use` lines and paths, and the circles among them.
//!
//! Imports that are compiled for tests alone do not count. Whether imports count from the file that a file's folder is
//! named after depends on the crate: see [`imports`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files, as `room/log.rs`, each with those that it imports.
pub type Imports = BTreeMap<String, BTreeSet<String>>;

/// A path in the code, or the place of a file in the tree of modules.
type Module = Vec<String>;

/// The imports of the crate whose files stand in `source`. `room.rs` stands beside the folder `room/`: imports of it by
/// the files in that folder count if `parents_count` is true; otherwise those files are parts of it.
pub fn imports(source: &Path, parents_count: bool) -> Imports {
    let files = sources(source);
    // A program beside a library is a crate of its own.
    let root = if files.contains_key("lib.rs") { "lib.rs" } else { "main.rs" };
    let module_of = |name: &str| module(if name == root { "" } else { name });
    let modules: BTreeMap<Module, &str> = files
        .keys()
        .filter(|name| name.as_str() != "main.rs" || root == "main.rs")
        .map(|name| (module_of(name), name.as_str()))
        .collect();
    let mut only_in_tests = BTreeSet::new();
    for (module, name) in &modules {
        for child in test_modules(&files[*name]) {
            only_in_tests.insert([module.as_slice(), &[child]].concat());
        }
    }
    let counts = |module: &Module| !only_in_tests.iter().any(|tests| module.starts_with(tests));
    let imports = modules.iter().filter(|(module, _)| counts(module)).map(|(module, name)| {
        let found = paths(&files[*name]).into_iter().filter_map(|path| target(&path, module, &modules));
        let counts = |other: &Module| if parents_count { other != module } else { !module.starts_with(other) };
        let others = found.filter(|(other, _)| counts(other)).map(|(_, other)| other.to_string());
        (name.to_string(), others.collect())
    });
    imports.collect()
}

/// The files that can be reached from themselves, those of one circle together.
pub fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<String>> =
        imports.keys().map(|file| (file.as_str(), reached(imports, file))).collect();
    let mut found: Vec<Vec<String>> = Vec::new();
    for file in imports.keys().filter(|file| reached[file.as_str()].contains(*file)) {
        let is_same = |other: &String| reached[file.as_str()].contains(other) && reached[other.as_str()].contains(file);
        match found.iter_mut().find(|circle| is_same(&circle[0])) {
            Some(circle) => circle.push(file.clone()),
            None => found.push(vec![file.clone()]),
        }
    }
    found
}

/// What a file imports, and what that imports, and so on.
fn reached(imports: &Imports, file: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![file.to_string()];
    while let Some(file) = next.pop() {
        let others = imports.get(&file).into_iter().flatten();
        next.extend(others.filter(|other| found.insert(other.to_string())).cloned());
    }
    found
}

/// Every Rust file below a folder, in order.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The files of a crate by name, each with its code.
fn sources(source: &Path) -> BTreeMap<String, String> {
    let name = |file: &Path| file.strip_prefix(source).unwrap().to_str().unwrap().to_string();
    rust_files(source).iter().map(|file| (name(file), code(&fs::read_to_string(file).unwrap()))).collect()
}

/// `room/log.rs` is `room::log`.
fn module(name: &str) -> Module {
    name.trim_end_matches(".rs").split('/').filter(|part| !part.is_empty()).map(str::to_string).collect()
}

/// A file without comments and without the tests at its end.
fn code(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let tests = lines.windows(2).position(|pair| {
        let [attribute, module] = pair else { return false };
        *attribute == "#[cfg(test)]" && module.starts_with("mod ") && module.ends_with('{')
    });
    lines[..tests.unwrap_or(lines.len())].join("\n")
}

/// The modules that a file has for tests alone, each in a file of its own.
fn test_modules(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_for_tests = false;
    for line in code.lines().map(str::trim) {
        let module = line.trim_start_matches("pub ").strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
        found.extend(module.filter(|_| is_for_tests).map(str::to_string));
        is_for_tests = line == "#[cfg(test)]" || (is_for_tests && line.starts_with("#["));
    }
    found
}

/// Every path that is imported, and every other that begins at `crate`, at `super` or at a module that this file
/// declares.
fn paths(code: &str) -> Vec<Module> {
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut statement = String::new();
    let mut is_for_tests = false;
    for line in code.lines().map(str::trim) {
        let visibility = line
            .find("use ")
            .filter(|at| line[..*at].is_empty() || (line.starts_with("pub") && line[..*at].ends_with(' ')));
        if statement.is_empty() && visibility.is_none() {
            is_for_tests = line == "#[cfg(test)]";
            rest.push_str(line);
            rest.push('\n');
            continue;
        }
        let line = if statement.is_empty() { &line[visibility.unwrap_or(0) + "use ".len()..] } else { line };
        statement.push_str(line);
        if let Some(tree) = statement.strip_suffix(';') {
            if !is_for_tests {
                expand("", tree, &mut found);
            }
            statement.clear();
            is_for_tests = false;
        }
    }
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let children = rest.lines().filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
    for start in ["crate", "super"].into_iter().chain(children) {
        for (at, _) in rest.match_indices(&format!("{start}::")) {
            let is_start = !rest[..at].ends_with(|letter| is_name(letter) || letter == ':');
            let path = rest[at..].split(|letter| !is_name(letter) && letter != ':').next().unwrap_or_default();
            found.extend(is_start.then(|| segments(path)));
        }
    }
    found
}

fn segments(path: &str) -> Module {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_string).collect()
}

/// The paths of a tree of imports: `a::{b, c::d as e}` is `a::b` and `a::c::d`.
fn expand(before: &str, tree: &str, found: &mut Vec<Module>) {
    let Some((stem, group)) = tree.split_once('{') else {
        let path = format!("{before}{}", tree.split(" as ").next().unwrap_or_default());
        found.extend((!tree.trim().is_empty()).then(|| segments(&path)));
        return;
    };
    let before = format!("{before}{}", stem.trim());
    let group = group.trim_end().strip_suffix('}').expect("a group has an end");
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&before, &group[start..at], found);
                start = at + 1;
            }
            _ => {}
        }
    }
    expand(&before, &group[start..], found);
}

/// The file that a path in `module` leads to, if it is one of this crate, and its module.
fn target<'a>(path: &[String], module: &Module, modules: &BTreeMap<Module, &'a str>) -> Option<(Module, &'a str)> {
    let first = path.first()?.as_str();
    let absolute = match first {
        "crate" => path[1..].to_vec(),
        "self" => [module, &path[1..]].concat(),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            [&module[..module.len().checked_sub(up)?], &path[up..]].concat()
        }
        _ => {
            let child = [module.as_slice(), &path[..1]].concat();
            modules.contains_key(&child).then(|| [module, path].concat())?
        }
    };
    (0..=absolute.len()).rev().find_map(|length| {
        let file = modules.get(&absolute[..length])?;
        Some((absolute[..length].to_vec(), *file))
    })
}

#[test]
fn imports_are_read_from_use_lines_and_paths() {
    let code = code(
        "//! use crate::comment;\n\
         #[cfg(test)]\n\
         use crate::only_tests;\n\
         pub(crate) use crate::a::{\n    b::{self, c},\n    d as e,\n};\n\
         use log::Log;\n\
         pub(super) struct House {\n}\n\
         mod k;\n\
         fn f(x: super::g::H) { crate::i::j(); k::l(); other_k::l() }\n\
         #[cfg(test)]\n\
         mod tests {\n    use crate::other;\n}\n",
    );
    let found: Vec<String> = paths(&code).iter().map(|path| path.join("::")).collect();
    let expected =
        ["crate::a::b::self", "crate::a::b::c", "crate::a::d", "log::Log", "crate::i::j", "super::g::H", "k::l"];
    assert_eq!(found, expected);
    let modules = BTreeMap::from(["", "a.rs", "a/b.rs", "a/log.rs"].map(|name| (module(name), name)));
    let to = |path: &str, from: &str| target(&segments(path), &module(from), &modules).map(|(_, file)| file);
    assert_eq!(to("crate::a::b::c", ""), Some("a/b.rs"));
    assert_eq!(to("super::Thing", "a/b.rs"), Some("a.rs"));
    assert_eq!(to("log::Log", "a.rs"), Some("a/log.rs"));
    assert_eq!(to("std::io", "a.rs"), None);
}

#[test]
fn circles_are_found_with_all_their_files_and_nothing_else() {
    let imports = |pairs: &[(&str, &str)]| {
        let mut imports = Imports::new();
        for (file, other) in pairs {
            imports.entry(file.to_string()).or_default().insert(other.to_string());
            imports.entry(other.to_string()).or_default();
        }
        imports
    };
    assert!(circles(&imports(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    let found =
        circles(&imports(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "e"), ("e", "d"), ("e", "f")]));
    assert_eq!(found, [["b", "c"], ["d", "e"]]);
}
