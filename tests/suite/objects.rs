//! Every object that the server writes is as docs/objects.schema.json says: in a talk in which each kind comes up, and
//! with every character in texts.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use tempfile::NamedTempFile;
use uproar_conform::cases;

use crate::support::{BACKENDS, Person, Server};

/// The schema, and the kinds of objects that were seen, with the codes of notices and errors.
struct Objects {
    schemas: Schemas,
    index: SchemaIndex,
    seen: BTreeSet<String>,
}

impl Objects {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/objects.schema.json");
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("urn:uproar:objects", schema).unwrap();
        let index = compiler.compile("urn:uproar:objects", &mut schemas).unwrap();
        Self { schemas, index, seen: BTreeSet::new() }
    }

    /// A line as an object that the schema allows.
    fn object(&mut self, line: &str) -> Value {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        self.schemas.validate(&object, self.index).unwrap_or_else(|error| panic!("{line:?}: {error:#}"));
        let kind = object["kind"].as_str().unwrap();
        self.seen.insert(object["code"].as_str().map_or(kind.to_owned(), |code| format!("{kind} {code}")));
        object
    }

    /// Reads objects until one of this kind, or with this code.
    #[track_caller]
    fn until(&mut self, program: &mut Person, wanted: &str) -> Value {
        loop {
            let line = program.line().unwrap_or_else(|| panic!("the end instead of {wanted:?}"));
            let object = self.object(&line);
            if object["kind"] == wanted || object["code"] == wanted {
                return object;
            }
        }
    }
}

/// A newcomer that reads objects, from the welcome on.
fn join(server: &Server, objects: &mut Objects) -> Person {
    let mut program = server.join();
    program.send("/format json\n");
    while !program.line().expect("a welcome comes").starts_with("{\"n\"") {}
    program.send("/topic\n");
    objects.until(&mut program, "no_topic");
    program
}

#[test]
fn every_object_is_as_the_schema_says() {
    let mut objects = Objects::new();
    let mut key = NamedTempFile::new().unwrap();
    writeln!(key, "{}", cases::KEY).unwrap();
    for backend in BACKENDS {
        let path = key.path().to_str().unwrap();
        let options = ["--line-bytes", "512", "--log-bytes", "16KiB", "--rooms-max", "3"];
        let rates = ["--flood-rate", "0", "--announce-max", "4", "--hide-addresses", "--history-max", "30"];
        let mut server =
            Server::start(&[&["--backend", backend, "--operator-key", path], &options[..], &rates].concat());
        talk(&server, &mut objects);
        let mut last = join(&server, &mut objects);
        server.signal("TERM");
        objects.until(&mut last, "stopping");
        last.read_to_end();
        server.wait();
    }
    for kind in [
        "message",
        "action",
        "topic",
        "announcement",
        "entered",
        "left",
        "renamed",
        "summary",
        "slow",
        "only",
        "stopping",
        "welcome",
        "said",
        "missed",
        "private",
        "token",
        "replaced",
        "notice room",
        "notice member",
        "notice page",
        "notice history",
        "notice help",
        "notice nick",
        "notice topic",
        "notice sent",
        "notice goodbye",
        "notice operator",
        "notice muted",
        "notice ban",
        "error usage",
        "error unknown_command",
        "error name_taken",
        "error resume_refused",
        "error no_more_rooms",
        "error line_too_long",
        "error kicked",
        "error banned",
        "error is_muted",
        "error operators_only",
        "error wrong_key",
    ] {
        assert!(objects.seen.contains(kind), "{kind:?} was not seen: {:?}", objects.seen);
    }
}

/// A talk of two programs and some people, in which almost every object comes up.
fn talk(server: &Server, objects: &mut Objects) {
    let (mut a, mut b) = (join(server, objects), join(server, objects));
    a.send(format!("/op wrong\n/op {}\n/nick ann\n/token\n", cases::KEY));
    let token = objects.until(&mut a, "token")["token"].as_str().unwrap().to_owned();
    objects.until(&mut b, "renamed");
    b.send("/nick ANN\n/nick you\n/nick bob\n/tell\n/join 4 2\n/join 42\n/help\n/who\n/rooms\n/topic x\n");
    objects.until(&mut b, "not_operator");
    b.send("hi\n/me waves\n/msg ann psst \"quoted\\\"\n/msg nobody x\n /op key\n/resume x 0\n");
    objects.until(&mut b, "resume_refused");
    objects.until(&mut a, "private");
    a.send(
        "/topic old bridges\n/slow 9\n/slow 0\n/only operators\n/announce a break\n/help\n/ban 192.0.2.0/24\n/bans\n",
    );
    objects.until(&mut b, "announcement");
    b.send("not said\n");
    objects.until(&mut b, "operators_only");
    a.send("/only all\n/mute bob 1h\n/ban 10.0.0.0/4\n/unban eve\n");
    objects.until(&mut b, "muted");
    b.send("not said\n");
    objects.until(&mut b, "is_muted");
    a.send("/unmute bob\n/topic -\n");
    objects.until(&mut b, "unmuted");
    every_character(&mut b, &mut a, objects);
    b.send("/history 10\n");
    objects.until(&mut b, "history");
    b.send(["x"; 600].concat() + "\n/join den\n/join two\n");
    objects.until(&mut b, "line_too_long");
    objects.until(&mut b, "welcome");
    b.send("/join lobby\n");
    objects.until(&mut b, "welcome");
    // Beyond the announced number joins and leaves are a summary.
    let crowd: Vec<Person> = (0..4).map(|_| server.join()).collect();
    objects.until(&mut a, "summary");
    drop(crowd);
    // Its own connection comes back by another one, for which the log has forgotten something.
    b.send("/join den\n");
    objects.until(&mut b, "welcome");
    for number in 0..200 {
        a.send(format!("{number} {}\n", "x".repeat(100)));
        objects.until(&mut a, "said");
    }
    let mut c = join(server, objects);
    c.send(format!("/resume {token} 0\n"));
    objects.until(&mut c, "missed");
    objects.until(&mut a, "replaced");
    a.expect_end();
    c.send("/quit\n");
    objects.until(&mut c, "goodbye");
    let mut operator = join(server, objects);
    operator.send(format!("/op {}\n/kick bob why\n/ban eve\n", cases::KEY));
    objects.until(&mut b, "kicked");
    let mut eve = join(server, objects);
    operator.send("/unban eve\n");
    objects.until(&mut operator, "has_lifted");
    eve.send("/nick eve\n");
    objects.until(&mut eve, "nick");
    operator.send("/ban eve 1h\n");
    objects.until(&mut eve, "banned");
    operator.send("/unban eve\n/topic kept\n/join one\n/topic kept\n/join two\n/topic kept\n/join three\n");
    objects.until(&mut operator, "no_more_rooms");
    operator.send("/topic -\n/join one\n/topic -\n/join lobby\n/topic -\n/topic\n/topic\n");
    for _ in 0..5 {
        objects.until(&mut operator, "no_topic");
    }
}

/// Each character of the first plane, some of the others, and each byte that is no character: `author` says them in
/// lines and actions, and what `listener` reads is an object with the text that a line of text has.
fn every_character(author: &mut Person, listener: &mut Person, objects: &mut Objects) {
    let characters: Vec<char> = (0..0x300)
        .chain(0x2000..0x2100)
        .chain(0xd7f0..0xe010)
        .chain(0xfdd0..0xfe20)
        .chain(0xfff0..0x1_0010)
        .chain(0x1_f300..0x1_f320)
        .chain(0xe_0000..0xe_0080)
        .chain(0x10_fff0..0x11_0000)
        .filter_map(char::from_u32)
        .filter(|character| *character != '\n')
        .collect();
    let mut lines: Vec<Vec<u8>> =
        characters.chunks(100).map(|some| some.iter().collect::<String>().into_bytes()).collect();
    lines.push((0x80..=0xff).flat_map(|byte| [byte, b'x']).collect());
    lines.extend(
        ["\"\\/\u{8}\u{c}\n", "\\u0000 \\n", "\"}\n{\"kind\":\"stopping\"}"].map(|text| text.as_bytes().to_vec()),
    );
    author.send("begin\n");
    while objects.until(listener, "message")["text"] != "begin" {}
    for line in lines.iter().flat_map(|line| line.split(|byte| *byte == b'\n')).filter(|line| !line.is_empty()) {
        for (start, kind) in [(&b"|"[..], "message"), (b"/me |", "action")] {
            author.send([start, line, b"|\n"].concat());
            let mut sanitised = Vec::new();
            uproar::wire::sanitise(&[b"|", line, &b"|"[..]].concat(), &mut sanitised).unwrap();
            let object = objects.until(listener, kind);
            assert_eq!(object["text"].as_str().unwrap().as_bytes(), sanitised);
            objects.until(author, "said");
        }
    }
}
