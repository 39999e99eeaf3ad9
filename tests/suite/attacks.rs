//! Attacks on text, as data: bytes that a member may send, and exactly what the others read because of it.
//!
//! Every case goes through the splitter and the sanitiser whole, cut in two at every place and byte by byte, and
//! through a running server on every back end. So do the openings of other protocols. Most attacks are those that
//! `uproar-conform` plays; the ones on the length of a line need a certain limit and stand here.

mod commands;
mod irc;

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use uproar::names::Name;
use uproar::wire::text::line as render_line;
use uproar::wire::{Item, Splitter};
use uproar_conform::cases::text::{self, Attack};

use crate::support::{BACKENDS, Person, Server};

/// The limit on lines in all cases, in bytes.
const LIMIT: usize = 40;
/// Stands for the refusal of a line that is too long.
const REFUSED: &str = "\n";

/// Characters that are dropped count too, because a line is measured as it was sent.
const LENGTHS: &[Attack] = &[
    ("one below the limit", b"123456789012345678901234567890123456789", &["123456789012345678901234567890123456789"]),
    ("at the limit", b"1234567890123456789012345678901234567890", &["1234567890123456789012345678901234567890"]),
    (
        "at the limit, windows ending",
        b"1234567890123456789012345678901234567890\r",
        &["1234567890123456789012345678901234567890"],
    ),
    ("one above the limit", b"12345678901234567890123456789012345678901", &[REFUSED]),
    ("one above the limit, windows ending", b"12345678901234567890123456789012345678901\r", &[REFUSED]),
    ("two carriage returns above the limit", b"1234567890123456789012345678901234567890\r\r", &[REFUSED]),
    ("escapes above the limit", &[0x1b; 41], &[REFUSED]),
    ("escapes at the limit", &[0x1b; 40], &[]),
    ("nuls above the limit", &[0; 300], &[REFUSED]),
    ("ten times the limit", &[b'x'; 400], &[REFUSED]),
    ("too long, and then a line", b"1234567890123456789012345678901234567890123\nhi", &[REFUSED, "hi"]),
    ("a line, and then too long", b"hi\n1234567890123456789012345678901234567890123", &["hi", REFUSED]),
    (
        "too long twice",
        b"1234567890123456789012345678901234567890123\n1234567890123456789012345678901234567890123",
        &[REFUSED, REFUSED],
    ),
    ("invalid bytes at the limit are replaced once", &[0xff; 40], &["\u{fffd}"]),
    (
        "invalid bytes at the limit grow",
        b"\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa\xffa",
        &[
            "\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a\u{fffd}a",
        ],
    ),
    (
        "characters of four bytes at the limit",
        "\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}".as_bytes(),
        &["\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}\u{1f389}"],
    ),
    ("a character across the limit", "123456789012345678901234567890123456789\u{e9}".as_bytes(), &[REFUSED]),
];

fn attacks() -> impl Iterator<Item = &'static Attack> {
    text::attacks().chain(LENGTHS)
}

fn author() -> Name {
    Name::first(SocketAddr::from(([127, 0, 0, 1], 63155)))
}

/// The lines of `chunks`, as a connection takes them: the rest of one chunk goes in front of the next.
fn lines(chunks: &[&[u8]]) -> Vec<String> {
    let (mut splitter, mut kept, mut lines) = (Splitter::default(), Vec::new(), Vec::new());
    let mut rendered = Vec::new();
    for chunk in chunks {
        kept.extend_from_slice(chunk);
        let mut rest = kept.as_slice();
        while let Some(item) = splitter.next(&mut rest, LIMIT) {
            match item {
                Item::TooLong => lines.push(REFUSED.to_string()),
                Item::Line(line) => {
                    rendered.clear();
                    if render_line(author(), line, &mut rendered).unwrap() {
                        let line = String::from_utf8(rendered.clone()).expect("valid UTF-8 comes out");
                        let text = line.strip_prefix(&format!("[{}] ", author())).expect("the author stands in front");
                        lines.push(text.strip_suffix('\n').expect("a line ends").to_string());
                    }
                }
            }
        }
        kept = rest.to_vec();
    }
    assert!(kept.is_empty(), "everything was lines");
    lines
}

#[test]
fn the_lines_of_an_attack_are_the_same_wherever_the_bytes_are_cut() {
    assert!(attacks().count() >= 150);
    for (name, input, expected) in attacks() {
        let bytes = [input, &b"\n"[..]].concat();
        assert_eq!(lines(&[&bytes]), *expected, "{name}");
        for cut in 1..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(lines(&[head, tail]), *expected, "{name}, cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(lines(&single), *expected, "{name}, byte by byte");
    }
}

#[test]
fn no_name_stands_twice() {
    let mut names: Vec<&str> = attacks().map(|(name, _, _)| *name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// Each control character by itself, between two letters.
#[test]
fn every_control_character_is_dropped() {
    for character in (0..=0x9f).filter_map(char::from_u32).filter(|character| character.is_control()) {
        let expected: &[&str] = match character {
            '\n' => &["a", "b"],
            '\t' => &["a\tb"],
            _ => &["ab"],
        };
        assert_eq!(lines(&[format!("a{character}b\n").as_bytes()]), *expected, "{character:?}");
    }
}

/// Every byte that cannot stand alone, between two letters.
#[test]
fn every_byte_that_is_no_character_is_replaced() {
    for byte in 0x80..=0xff {
        assert_eq!(lines(&[&[b'a', byte, b'b', b'\n']]), ["a\u{fffd}b"], "{byte:#x}");
    }
}

#[test]
fn the_same_comes_of_it_through_a_server_on_every_back_end() {
    for backend in BACKENDS {
        let limit = LIMIT.to_string();
        let server = Server::start(&["--backend", backend, "--flood-rate", "0", "--line-bytes", &limit]);
        let mut listener = server.join();
        let mut attacker = server.join();
        listener.expect_start("> New user ");
        let prefix = format!("[{}] ", attacker.name());
        let refusal = format!("! line too long: it was not sent, at most {LIMIT} bytes are");
        for (index, (name, input, expected)) in attacks().enumerate() {
            let end = format!("\nend of case {index}\n");
            attacker.send([input, end.as_bytes()].concat());
            for line in *expected {
                if *line == REFUSED {
                    assert_eq!(attacker.line().as_deref(), Some(refusal.as_str()), "{name} on {backend}");
                } else {
                    assert_eq!(listener.line(), Some(format!("{prefix}{line}")), "{name} on {backend}");
                }
            }
            assert_eq!(listener.line(), Some(format!("{prefix}end of case {index}")), "{name} on {backend}");
        }
    }
}

/// The first bytes of peers that speak another protocol. Some look like lines, and none of them is said.
fn openings() -> Vec<Vec<u8>> {
    let long = "a".repeat(3 * LIMIT);
    let mut openings: Vec<Vec<u8>> = [
        "GET / HTTP/1.1\r\n",
        "GET /\n",
        "\r\nGET / HTTP/1.1\r\n",
        "M-SEARCH * HTTP/1.1\r\n",
        "CONNECT a.example:443\r\n",
        "CONNECT a.example HTTP/1.1\r\n",
        "GET http://a.example/\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n",
        "PROXY UNKNOWN\r\n",
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\n",
        "\x16\x03\x01\0\n",
        "\n\x16\x03\x01\0\n",
    ]
    .map(|opening| opening.as_bytes().to_vec())
    .to_vec();
    openings.push(format!("POST /{long} HTTP/1.1\r\n").into_bytes());
    openings.push(format!("{} / HTTP/1.1\r\n", long.to_uppercase()).into_bytes());
    openings
}

/// If the last byte follows the first within this time, the end of a chunk is certainly not taken for the end of a
/// line: half of the time for which such an end is kept.
const HASTE: Duration = Duration::from_millis(100);

/// Sends `pieces` one after the other; false when that took so long that nothing is known about chunks.
fn send_pieces(server: &Server, pieces: &[&[u8]]) -> bool {
    let mut attacker = Person::connect(server.address);
    let start = Instant::now();
    for piece in pieces {
        // The server may have closed it by now.
        if attacker.stream().write_all(piece).is_err() {
            break;
        }
        std::thread::yield_now();
    }
    let in_time = start.elapsed() < HASTE;
    let rest = attacker.stream().write_all(b"Host: x\r\nCookie: id=1\r\n\r\nI resign\n").is_ok();
    // Waits until it is closed; another test looks at the line that it is told.
    if rest {
        attacker.read_to_end();
    }
    in_time
}

#[test]
fn nothing_of_another_protocol_is_said_wherever_the_bytes_are_cut() {
    for (backend, framing) in BACKENDS.iter().flat_map(|backend| [(*backend, "line"), (*backend, "chunk")]) {
        let limit = LIMIT.to_string();
        let options = ["--backend", backend, "--framing", framing, "--line-bytes", &limit];
        let server = Server::start(&[&options[..], &["--announce-max", "0", "--flood-rate", "0"]].concat());
        let mut listener = server.join();
        let mut speaker = server.join();
        let mut openings = openings();
        if framing == "line" {
            // With chunk framing a piece of the long line may be a person's line.
            openings.push([&[b'a'; 2 * LIMIT][..], b"\nGET / HTTP/1.1\r\n"].concat());
        }
        for opening in openings {
            let single: Vec<&[u8]> = opening.chunks(1).collect();
            let halves = (1..opening.len()).map(|cut| vec![&opening[..cut], &opening[cut..]]);
            for pieces in halves.chain([vec![&opening[..]], single]) {
                let in_time = send_pieces(&server, &pieces);
                speaker.send("marker\n");
                let heard = listener.lines_until(|line| line == format!("[{}] marker", speaker.name()));
                let said: Vec<&String> = heard.iter().filter(|line| line.starts_with('[')).collect();
                let slow = framing == "chunk" && !in_time;
                assert!(said.len() == 1 || slow, "{backend}, {framing}: {pieces:?}: {said:?}");
            }
        }
    }
}

#[test]
fn a_chunk_that_could_become_a_request_is_said_after_a_moment() {
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend, "--framing", "chunk"]);
        let mut listener = server.join();
        for text in ["GET", "OK", "M-SEARCH *", "CONNECT a:80", "PROXY TCP4", "SEE http:/"] {
            let mut speaker = server.join();
            listener.expect_start("> New user ");
            let start = Instant::now();
            speaker.send(text);
            listener.expect(format!("[{}] {text}", speaker.name()));
            assert!(start.elapsed() >= Duration::from_millis(200), "{text} is held");
            // The lines of a member that has spoken are not kept.
            let mut times = Vec::new();
            for _ in 0..5 {
                let start = Instant::now();
                speaker.send(text);
                listener.expect(format!("[{}] {text}", speaker.name()));
                times.push(start.elapsed());
            }
            assert!(times.iter().any(|time| *time < Duration::from_millis(150)), "{text}: {times:?}");
            speaker.leave();
            listener.expect_start("< The user ");
        }
        // A peer that sends such a line and leaves at once is heard.
        let mut speaker = server.join();
        listener.expect_start("> New user ");
        let name = speaker.name();
        speaker.send("BYE");
        speaker.leave();
        listener.expect(format!("[{name}] BYE"));
    }
}
