//! Peers that take the server for something else: one clear line and the end, and nobody reads what they sent.

use super::{Case, Step, about, case, reads, sends, sends_slowly};

const TLS: &str = "! this is a plain chat server: it does not speak TLS";
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
];

/// First lines that only look like a request: people talk about the web.
const TALK: &[(&str, &str)] = &[
    ("a request in small letters", "get / HTTP/1.1"),
    ("a method alone", "GET"),
    ("a method and a path", "GET /"),
    ("a request with a word too many", "GET / HTTP/1.1 please"),
    ("a version alone", "HTTP/1.1"),
    ("a target that is none", "GET real HTTP/1.1"),
    ("a request that is quoted", "try GET / HTTP/1.1"),
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
    for (name, bytes, notice) in [FOREIGN[0], FOREIGN[3]] {
        // The server may close before the last byte, so only what it needs to see is sent slowly.
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(2, |end| end + 1);
        let hello = sends_slowly("a", &bytes[..end]);
        let steps = vec![
            Step::Connects("a"),
            hello,
            reads("a", &["> Connected to the chat server (# online)", notice]),
            Step::Ends("a"),
        ];
        foreign.push(case(&format!("foreign: {name}, byte by byte"), steps));
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
