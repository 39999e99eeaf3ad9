//! The mutants of `just mutants`: each can be put into the code as it is now. Whether a test notices it is not shown
//! here, because that needs a build for each.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use toml_edit::{Document, Table};

/// The fields of a mutant: its name, what goes wrong, the file, a text that stands in the file exactly once, and the
/// text that replaces it.
const FIELDS: [&str; 5] = ["name", "wrong", "file", "text", "instead"];

/// The arguments that have cargo run the test which notices it. Without them a seed of the simulated kernel does.
const CAUGHT_BY: &str = "caught_by";

/// Why a mutant cannot be put into the code, if it cannot.
fn objection(mutant: &Table, root: &Path) -> Option<String> {
    let field = |key: &str| mutant.get(key).and_then(|value| value.as_str());
    if let Some(missing) = FIELDS.into_iter().find(|key| field(key).is_none()) {
        return Some(format!("it has no {missing}"));
    }
    let [name, wrong, file, text, instead] = FIELDS.map(|key| field(key).expect("it was looked for"));
    let Ok(code) = fs::read_to_string(root.join(file)) else { return Some(format!("there is no {file}")) };
    let count = code.matches(text).count();
    if count != 1 {
        return Some(format!("its text stands in {file} {count} times, not once:\n{text}"));
    }
    let is_known = |(key, _): (&str, _)| key == CAUGHT_BY || FIELDS.contains(&key);
    let faults = [
        (text == instead, "it changes nothing"),
        (!name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "a name is small letters and hyphens"),
        (!wrong.ends_with('.'), "what goes wrong is a sentence"),
        (!mutant.iter().all(is_known), "it has a field that nobody reads"),
        (
            mutant.contains_key(CAUGHT_BY) && !field(CAUGHT_BY).is_some_and(|test| test.starts_with("test ")),
            "it is caught by `test` and arguments",
        ),
    ];
    faults.iter().find(|(is_fault, _)| *is_fault).map(|(_, fault)| (*fault).to_string())
}

#[test]
fn each_mutant_can_be_put_into_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut objections = Vec::new();
    let mut names = HashSet::new();
    for entry in fs::read_dir(root.join("tests/mutants")).unwrap() {
        let path = entry.unwrap().path();
        let table: Document<String> =
            fs::read_to_string(&path).unwrap().parse().unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display()));
        let mutants = table["mutant"].as_array_of_tables().expect("a file has mutants");
        for mutant in mutants {
            let name = mutant.get("name").and_then(|name| name.as_str()).unwrap_or("one without a name");
            objections.extend(objection(mutant, root).map(|objection| format!("{name}: {objection}")));
            if !names.insert(name.to_owned()) {
                objections.push(format!("{name}: another is called so"));
            }
        }
    }
    assert!(objections.is_empty(), "{} objections to mutants:\n{}", objections.len(), objections.join("\n"));
    assert!(names.len() >= 40, "{} mutants", names.len());
}
