//! Peers that speak another protocol: they get one clear line and the end, and no member reads their bytes.

use super::{CHUNK_FRAMING, Case, Draft, Step, about, case, reads, sends, sends_slowly, whole_case};

const TLS: &str = "! this is a plain chat server: it does not speak TLS";
const PROXY: &str = "! this is a plain chat server: it does not speak the PROXY protocol";
const STUN: &str = "! this is a plain chat server: it does not speak STUN";
const HTTP: &str = "! this is a chat server, not a web server: use nc, telnet or uproar chat";

/// What such a peer sends first, and how it is turned away.
const FOREIGN: &[(&str, &[u8], &str)] = &[
    ("a tls 1.0 hello", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", TLS),
    ("a tls hello of two bytes", b"\x16\x03", TLS),
    ("a tls hello with a line feed in it", b"\x16\x03\x03\x00\x0a\n\x01", TLS),
    ("GET", b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", HTTP),
    ("GET with a line feed alone", b"GET / HTTP/1.1\n", HTTP),
    ("GET of HTTP/1.0", b"GET /index.html HTTP/1.0\r\n", HTTP),
    ("GET with a query", b"GET /say?text=hello%20world HTTP/1.1\r\n", HTTP),
    ("GET through a proxy", b"GET http://example.org/ HTTP/1.1\r\n", HTTP),
    ("HEAD", b"HEAD / HTTP/1.1\r\n", HTTP),
    ("POST with a body", b"POST /room HTTP/1.1\r\nContent-Length: 6\r\n\r\nhello\n", HTTP),
    ("PUT", b"PUT /x HTTP/1.1\r\n", HTTP),
    ("DELETE", b"DELETE /x HTTP/1.1\r\n", HTTP),
    ("PATCH", b"PATCH /x HTTP/1.1\r\n", HTTP),
    ("OPTIONS of everything", b"OPTIONS * HTTP/1.1\r\n", HTTP),
    ("CONNECT", b"CONNECT example.org:443 HTTP/1.1\r\n", HTTP),
    ("TRACE", b"TRACE / HTTP/1.1\r\n", HTTP),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP),
    ("GET without a version", b"GET /\r\n", HTTP),
    ("GET with a word too many", b"GET / HTTP/1.1 please\r\n", HTTP),
    ("GET without an end", b"GET /", HTTP),
    ("GET behind an empty line", b"\r\nGET / HTTP/1.1\r\nCookie: id=1\r\n\r\n", HTTP),
    ("GET behind lines with nothing to see", b"\n \n\x1b\n\x07\r\nGET / HTTP/1.1\r\nCookie: id=1\r\n", HTTP),
    ("a search for devices", b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n", HTTP),
    ("CONNECT without a port", b"CONNECT example.org HTTP/1.1\r\nUpgrade-Insecure-Requests\r\n", HTTP),
    ("CONNECT without a version", b"CONNECT example.org:443\r\nHost: example.org\r\n", HTTP),
    ("CONNECT to an address of IPv6", b"CONNECT [::1]:8888 HTTP/1.1\r\nHost: x\r\n", HTTP),
    ("a method that nobody knows", b"X-SAY!_2 /x HTTP/1.1\r\nHost: x\r\n", HTTP),
    ("RTSP", b"OPTIONS rtsp://example.org/x RTSP/1.0\r\nCSeq: 1\r\n", HTTP),
    ("a tls hello behind an empty line", b"\r\n\x16\x03\x01\x00\xa5\x01\n\x00\n", TLS),
    ("a tls alert", b"\x15\x03\x03\x00\x02\x01\n", TLS),
    ("a hello of ssl 2", b"\x80\x2e\x01\x03\x01\x00\x15\n", TLS),
    ("a STUN request", b"\x00\x01\x00\x50\x21\x12\xa4\x42abc\nIresign\n", STUN),
    ("a STUN request behind a length", b"\x00\x64\x00\x01\x00\x50\x21\x12\xa4\x42abc\nIresign\n", STUN),
    ("a PROXY header", b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 8888\r\nhello\r\n", PROXY),
    ("a PROXY header of IPv6", b"PROXY TCP6 2001:db8::1 ::1 56324 8888\r\nhello\r\n", PROXY),
    ("a PROXY header of nobody", b"PROXY UNKNOWN\r\nhello\r\n", PROXY),
    (
        "a binary PROXY header",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\0\0\x01\x7f\0\0\x01\x12\x34\n\x00hello\n",
        PROXY,
    ),
];

/// Far longer than any line is: what a web page can make of a path, and what nobody can make of a method.
const LONG: usize = 70_000;

/// First lines that only look like a request: people talk about the web, and in capitals.
const TALK: &[(&str, &str)] = &[
    ("a request in small letters", "get / HTTP/1.1"),
    ("a method alone", "GET"),
    ("a method and words", "GET over here"),
    ("a version alone", "HTTP/1.1"),
    ("a target that is none", "GET real HTTP/1.1"),
    ("a request that is quoted", "try GET / HTTP/1.1"),
    ("two spaces", "GET  / now"),
    ("good wishes", "get well soon"),
    ("a method as a verb", "POST it please"),
    ("a header", "Host: that's me"),
    ("a word in asterisks", "I *love* this"),
    ("an answer in capitals", "OK... what?"),
    ("a fraction", "1 / 2"),
    ("connect as a verb", "CONNECT me with bob"),
    ("connect and a time", "CONNECT at 5:30pm"),
    ("connect and a colon", "CONNECT us: bob and me"),
    ("proxy as a noun", "PROXY is down"),
    ("quit as a word", "QUIT"),
    ("an address in a sentence", "see http://example.org/"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut foreign = Vec::new();
    for (name, bytes, notice) in FOREIGN {
        let steps = |hello: Step| {
            vec![
                Step::Joins("b"),
                Step::Joins("c"),
                Step::Connects("a"),
                hello,
                reads("a", &["> Connected to the chat server (# online)", notice]),
                Step::Ends("a"),
                sends("c", b"marker\n"),
                reads("b", &["[{c}] marker"]),
            ]
        };
        foreign.push(case(&format!("foreign: {name}"), steps(sends("a", bytes))));
    }
    for (name, bytes, notice) in FOREIGN {
        // The server may close before the last byte, so only what it needs to see is sent slowly.
        let slowly = sends_slowly("a", &bytes[..bytes.len().min(needed(bytes))]);
        let steps = vec![
            Step::Connects("a"),
            slowly,
            reads("a", &["> Connected to the chat server (# online)", notice]),
            Step::Ends("a"),
        ];
        foreign.push(case(&format!("foreign: {name}, byte by byte"), steps));
    }
    let long = "x".repeat(LONG);
    for (name, bytes) in [
        ("a request line longer than a line", format!("POST /{long} HTTP/1.1\r\nCookie: id=1\r\n\r\nI resign\n")),
        ("a request for a host with a long name", format!("CONNECT {long}:443 HTTP/1.1\r\nHost: x\r\n\r\n")),
        ("a method longer than a line", format!("{} / HTTP/1.1\r\nCookie: id=1\r\n\r\n", long.to_uppercase())),
        ("a request behind a line that is too long", format!("{long}\nGET / HTTP/1.1\r\nCookie: id=1\r\n\r\n")),
    ] {
        // Whether it is told that a line was too long depends on where the bytes were cut.
        let steps = vec![
            Step::Joins("b"),
            Step::Joins("c"),
            Step::Connects("a"),
            Step::SendsUntilClosed("a", bytes.into_bytes()),
            sends("c", b"marker\n"),
            reads("b", &["[{c}] marker"]),
        ];
        foreign.push(case(&format!("foreign: {name}"), steps));
    }
    let mut talk = Vec::new();
    for (name, line) in TALK {
        let steps = vec![
            Step::Joins("b"),
            Step::Joins("a"),
            sends("a", format!("{line}\n")),
            reads("b", &[&format!("[{{a}}] {line}")]),
        ];
        talk.push(case(&format!("talk: {name}"), steps));
    }
    let mut cases = about("other-protocols", foreign);
    cases.extend(about("not-other-protocols", talk));
    cases
}

/// How many bytes a server has to see before it can know.
fn needed(bytes: &[u8]) -> usize {
    let target = |byte: &u8| b"/*".contains(byte);
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| b" \r".contains(byte)).map(|(at, _)| at);
    let has_port = bytes.contains(&b':');
    let end = if bytes.starts_with(b"PROXY") || (bytes.starts_with(b"CONNECT") && has_port) {
        ends.nth(1)
    } else if bytes.ends_with(b"hello\n") && bytes.starts_with(b"\r\n\r\n\0") {
        Some(11)
    } else if bytes.contains(&0x42) && bytes.contains(&0x21) && bytes.contains(&0xa4) {
        bytes.iter().position(|byte| *byte == 0x42)
    } else if bytes.contains(&3) {
        bytes.iter().position(|byte| *byte == 3)
    } else {
        // A star has to be seen to be alone, and a scheme has two slashes.
        bytes.iter().position(target).map(|at| if bytes[at] == b'/' && bytes[at - 1] == b' ' { at } else { at + 1 })
    };
    end.map_or(bytes.len(), |end| end + 1)
}

/// With `--framing chunk`, where the end of a chunk ends a line too: in no cut is a byte of another protocol said, and
/// a person that sends no line feed is heard.
pub(super) fn chunk_cases() -> Vec<Case> {
    let mut foreign = Vec::new();
    let mut talk = Vec::new();
    for (name, bytes, notice) in FOREIGN {
        let seen = needed(bytes);
        let mut cuts = vec![1, seen / 2, seen - 1];
        cuts.retain(|cut| (1..seen).contains(cut));
        cuts.dedup();
        for cut in cuts {
            let steps = vec![
                Step::Joins("b"),
                Step::Joins("c"),
                Step::Connects("a"),
                sends("a", &bytes[..cut]),
                sends("a", &bytes[cut..seen]),
                reads("a", &["> Connected to the chat server (# online)", notice]),
                Step::Ends("a"),
                sends("c", b"marker\n"),
                reads("b", &["[{c}] marker"]),
            ];
            foreign.push(case(&format!("chunk: {name}, cut at {cut}"), steps));
        }
    }
    for (name, line) in TALK {
        let steps =
            vec![Step::Joins("b"), Step::Joins("a"), sends("a", line), reads("b", &[&format!("[{{a}}] {line}")])];
        talk.push(case(&format!("chunk: talk: {name}"), steps));
    }
    talk.push(case(
        "chunk: who leaves at once is heard",
        vec![Step::Joins("b"), Step::Joins("a"), sends("a", "GET"), Step::HalfCloses("a"), reads("b", &["[{a}] GET"])],
    ));
    talk.push(whole_case(
        "a client that sends no line feed is understood with --framing chunk",
        vec![
            Step::Joins("a"),
            Step::Joins("b"),
            sends("a", b"Hello"),
            reads("b", &["[{a}] Hello"]),
            sends("a", b"World"),
            reads("b", &["[{a}] World"]),
            sends("a", b"one\ntwo"),
            reads("b", &["[{a}] one", "[{a}] two"]),
        ],
    ));
    let with_framing = |drafts: Vec<Draft>| drafts.into_iter().map(|draft| draft.with(CHUNK_FRAMING)).collect();
    let mut cases = about("other-protocols", with_framing(foreign));
    cases.extend(about("chunk-framing", with_framing(talk)));
    cases
}
