//! docs/PROTOCOL.md and the code agree: each of its sections is cited by a case of `uproar-conform` or names the test
//! that shows it, each case cites a section that exists, and each line of the server stands there word for word.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use uproar_conform::cases;

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn document() -> String {
    read("docs/PROTOCOL.md")
}

/// The sections that have an anchor, by that: number and text. A section without an anchor asks for nothing.
fn sections(document: &str) -> BTreeMap<String, (String, String)> {
    let mut sections = BTreeMap::new();
    for part in document.split("\n## ").flat_map(|chapter| chapter.split("\n### ").skip(1)) {
        let (heading, text) = part.split_once('\n').expect("a section has a text");
        let (anchor, title) = heading
            .strip_prefix("<a id=\"")
            .and_then(|rest| rest.split_once("\"></a>"))
            .unwrap_or_else(|| panic!("{heading:?} has no anchor"));
        let number = title.split(' ').next().expect("a title has words").to_string();
        let before = sections.insert(anchor.to_string(), (number, text.to_string()));
        assert!(before.is_none(), "{anchor} stands twice");
    }
    assert!(sections.len() >= 55, "{}", sections.len());
    sections
}

/// What a text has between each `start` and the `end` that follows it.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).map(move |rest| rest.split(end).next().expect("a split has a first part"))
}

/// Those of IRC too.
fn all_cases() -> Vec<cases::Case> {
    cases::all().into_iter().chain(cases::irc::cases().into_iter().map(|case| case.case)).collect()
}

#[test]
fn every_case_cites_a_section_that_exists() {
    let sections = sections(&document());
    for case in all_cases() {
        assert!(sections.contains_key(case.section), "{} cites #{}, which is no section", case.name, case.section);
    }
}

#[test]
fn every_section_is_cited_by_a_case_or_names_its_test() {
    let cases = all_cases();
    for (anchor, (number, text)) in sections(&document()) {
        let cited = cases.iter().any(|case| case.section == anchor);
        let test = text.lines().find_map(|line| line.strip_prefix("Tested by `"));
        assert!(cited || test.is_some(), "{number}, #{anchor}, is held to by nothing");
        if let Some(test) = test {
            let (file, rest) = test.split_once("`: `").expect("Tested by `FILE`: `TEST`.");
            let name = rest.strip_suffix("`.").expect("Tested by `FILE`: `TEST`.");
            assert!(read(file).contains(name), "{number} names {name:?}, which is not in {file}");
        }
    }
}

#[test]
fn every_link_leads_to_the_section_of_that_number() {
    let document = document();
    let sections = sections(&document);
    for link in between(&document, "](#", ")") {
        assert!(sections.contains_key(link), "#{link} is no section");
    }
    for (anchor, (number, _)) in &sections {
        let right = document.matches(&format!("[{number}](#{anchor})")).count();
        assert_eq!(right, document.matches(&format!("](#{anchor})")).count(), "a link to {anchor} has not its number");
    }
}

/// What of `src/wire/text.rs` stands between `start` and `end`.
fn source_between(start: &str, end: &str) -> String {
    let source = read("src/wire/text.rs");
    let (_, rest) = source.split_once(start).unwrap_or_else(|| panic!("{start:?} is not there"));
    rest.split_once(end).unwrap_or_else(|| panic!("{end:?} does not follow")).0.to_owned()
}

/// Notices to members that read JSON, so that nobody reads these words.
const JSON_ALONE: [&str; 3] = ["! said as ", "! the room was made anew", "! token "];

/// The pieces of the server's lines that do not vary, from where they are written: those of events and of notices.
#[test]
fn every_line_of_the_server_stands_in_the_document() {
    let display = source_between("impl fmt::Display for Event {", "impl Notice<'_> {");
    assert!(display.contains("impl fmt::Display for Notice<'_> {"), "notices stand behind events");
    let document = document();
    let mut lines = 0;
    for line in
        between(&display, "write!(f, \"", "\"").filter(|line| !JSON_ALONE.iter().any(|start| line.starts_with(start)))
    {
        lines += 1;
        for piece in line.split('{').flat_map(|piece| piece.rsplit('}').next()) {
            assert!(document.contains(piece), "docs/PROTOCOL.md does not have {piece:?} of {line:?}");
        }
    }
    assert!(lines >= 50, "{lines} lines were found");
}

#[test]
fn every_line_of_the_list_of_commands_stands_in_the_document() {
    let document = document();
    for line in uproar::wire::command::help(true) {
        assert!(document.contains(&format!("\n! {line}\n")), "docs/PROTOCOL.md does not have {line:?}");
    }
}

/// Notices that are objects of another kind, or are never said in JSON.
const OTHER_KINDS: [&str; 6] = ["joined", "said", "missed", "private", "token", "replaced"];

/// Each code stands in a table with its kind, beside its text.
#[test]
fn every_code_stands_in_the_document_with_its_kind() {
    let codes = source_between("pub fn code(&self) -> &'static str {", "/// True when");
    let errors = source_between("pub fn is_error(&self) -> bool {", "\n}\n");
    let document = document();
    let mut found = 0;
    for arm in codes.lines().filter(|line| line.contains("=> \"")) {
        let (notices, code) = arm.split_once(" => \"").expect("it was filtered");
        let code = code.trim_end_matches("\",");
        if OTHER_KINDS.contains(&code) {
            continue;
        }
        found += 1;
        let name = notices.trim().trim_start_matches("Self::").split([' ', '(']).next().expect("a split has a part");
        let is_error = errors.split(|c: char| !c.is_alphanumeric()).any(|word| word == name);
        let row = format!("| `{code}` | {} |", if is_error { "error" } else { "notice" });
        assert!(document.contains(&row), "docs/PROTOCOL.md does not have {row:?}");
    }
    assert!(found >= 30, "{found} codes were found");
}

#[test]
fn every_object_of_the_document_is_as_the_schema_says() {
    let schema = serde_json::from_str(&read("docs/objects.schema.json")).expect("it is JSON");
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("urn:uproar:objects", schema).expect("it has a place");
    let index = compiler.compile("urn:uproar:objects", &mut schemas).expect("it is a schema");
    let document = document();
    let mut objects = 0;
    for line in document.lines().filter(|line| line.starts_with("{\"")) {
        let object = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        schemas.validate(&object, index).unwrap_or_else(|error| panic!("{line}: {error:#}"));
        objects += 1;
    }
    assert!(objects >= 18, "{objects} objects");
}

#[test]
fn every_bound_is_the_one_in_the_code() {
    use uproar::limits;
    let number = |number: usize| {
        let digits = number.to_string();
        let mut grouped = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    };
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs());
    let sections = sections(&document());
    let longest = limits::rendered_bytes_max(limits::LINE_BYTES_DEFAULT) - 1;
    for (anchor, bound) in [
        ("line-length", number(limits::LINE_BYTES_DEFAULT)),
        ("line-length", number(limits::LINE_BYTES_MIN)),
        ("line-length", number(limits::LINE_BYTES_MAX)),
        ("chunk-framing", number(limits::RECEIVE_CHUNK_BYTES)),
        ("server-lines", number(longest)),
        ("gaps", format!("{} MiB", limits::LOG_BYTES_DEFAULT >> 20)),
        ("summaries", format!("more than {} members", limits::ANNOUNCE_MAX_DEFAULT)),
        ("notices", format!("{} bytes", limits::PRIVATE_BYTES_MAX)),
        ("rates", format!("{} a second, {} at once", limits::FLOOD_RATE_DEFAULT, limits::FLOOD_BURST_DEFAULT)),
        (
            "rates",
            format!(
                "{} a second, {} at once",
                limits::ADDRESS_RATE_FACTOR * limits::FLOOD_RATE_DEFAULT,
                limits::ADDRESS_RATE_FACTOR * limits::FLOOD_BURST_DEFAULT
            ),
        ),
        (
            "admission",
            format!(
                "{} a second, {} at once",
                limits::JOIN_RATE_DEFAULT,
                limits::JOIN_RATE_DEFAULT * limits::JOIN_BURST_FACTOR
            ),
        ),
        ("summaries", format!("more such lines than {} a second", limits::ANNOUNCE_RATE_DEFAULT)),
        ("rates", format!("between {} of its own lines", limits::OWN_RANGES_MAX)),
        ("unfinished-lines", seconds(limits::LINE_TIMEOUT_DEFAULT)),
        ("closing", seconds(limits::STALL_TIMEOUT_DEFAULT)),
        ("leaving", seconds(limits::DEAD_AFTER_DEFAULT)),
        ("stopping", seconds(limits::STOP_FLUSH)),
        ("nick", format!("1 to {}", limits::MEMBER_NAME_BYTES_MAX)),
        ("rooms", format!("1*{}label", limits::ROOM_NAME_BYTES_MAX)),
        ("rooms", number(limits::ROOMS_MAX_DEFAULT)),
        ("lists", format!("{} lines", limits::LIST_PAGE_ENTRIES)),
        ("lists", number(limits::LIST_MEMBERS_MAX)),
        ("lists", format!("more than {} members", limits::ANNOUNCE_MAX_DEFAULT)),
        ("history", format!("{} without N", limits::HISTORY_DEFAULT)),
        ("history", format!("at most {}", limits::HISTORY_MAX_DEFAULT)),
        ("msg", format!("{} bytes", limits::PRIVATE_BYTES_MAX)),
        ("rates", format!("{} bytes of them", limits::PRIVATE_BYTES_MAX)),
        ("topic", format!("{} bytes", limits::TOPIC_BYTES_MAX)),
        ("server-lines", format!("{} + ", limits::PREFIX_BYTES_MAX)),
        ("server-lines", format!("{} + ", limits::JSON_PREFIX_BYTES_MAX)),
        ("answers", format!("first {} bytes", limits::UNKNOWN_NAME_BYTES_MAX)),
        ("token", format!("\"seconds\":{}", limits::RESUME_FOR_DEFAULT.as_secs())),
        ("token", format!("{} more", number(limits::SESSIONS_SLACK))),
        ("bans", format!("a /{} of IPv4", limits::NETWORK_LENGTH_MIN_V4)),
        ("bans", format!("a /{} of IPv6", limits::NETWORK_LENGTH_MIN_V6)),
    ] {
        assert!(sections[anchor].1.contains(&bound), "#{anchor} does not say {bound:?}");
    }
}
