//! The web door on every back end: a client of another author talks with people at terminals, and attacks end with their
//! code or status while the others go on as before.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::Response;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket, client};

use crate::support::{BACKENDS, PATIENCE, Server, expect_stop, latency, statistics, wait_for};

/// How long a line may take to another member while somebody attacks, on a machine that does other things too.
const LATENCY_MAX: Duration = Duration::from_millis(500);

/// What the server may need more because of an attack, in KiB.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

fn start(backend: &str, options: &[&str]) -> Server {
    Server::start(&[&["--backend", backend, "--web", "127.0.0.1:0"], options].concat())
}

fn stream(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A program of another author.
struct Browser(WebSocket<TcpStream>);

impl Browser {
    fn open(server: &Server, path: &str) -> Self {
        let address = server.door("web");
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        request.headers_mut().insert("Origin", format!("http://{address}").parse().unwrap());
        let (socket, _): (_, Response) = client(request, stream(address)).expect("it may be opened");
        Self(socket)
    }

    fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// The next object of a kind.
    fn object(&mut self, kind: &str) -> serde_json::Value {
        loop {
            let message = self.0.read().expect("there is another");
            let Message::Text(text) = message else { continue };
            let object: serde_json::Value = serde_json::from_str(&text).expect("a frame is one object");
            if object["kind"] == kind {
                return object;
            }
        }
    }

    /// The code that it is closed with.
    fn code(mut self) -> u16 {
        loop {
            match self.0.read() {
                Ok(Message::Close(frame)) => return frame.map_or(0, |frame| frame.code.into()),
                Ok(_) => {}
                Err(error) => panic!("it is not closed by a frame: {error}"),
            }
        }
    }

    fn raw(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }
}

#[test]
fn programs_of_another_author_and_people_at_terminals_talk_on_every_back_end() {
    for backend in BACKENDS {
        let mut server = start(backend, &[]);
        let mut person = server.join();
        person.send("/join tea\n");
        person.lines_until(|line| line.contains("tea"));
        let mut browser = Browser::open(&server, "/ws?room=tea");
        assert_eq!(browser.object("welcome")["online"], 2, "{backend}");
        browser.say("/nick ann");
        browser.say("hello\nthere");
        person.lines_until(|line| line == "[ann] hello");
        person.expect("[ann] there");
        browser.0.send(Message::text("é".repeat(2000))).unwrap();
        person.expect(format!("[ann] {}", "é".repeat(2000)));
        person.send("and hello to you\n");
        assert_eq!(browser.object("message")["text"], "and hello to you");
        browser.0.send(Message::Ping(b"are you there?"[..].into())).unwrap();
        assert_eq!(browser.0.read().unwrap(), Message::Pong(b"are you there?"[..].into()), "{backend}");
        let mut hall = Browser::open(&server, "/ws");
        hall.say("hello");
        assert_eq!(hall.object("error")["code"], "no_room");
        hall.0.close(Some(CloseFrame { code: CloseCode::Library(3999), reason: "bye".into() })).unwrap();
        assert_eq!(hall.code(), 3999, "a close is answered with its code");
        server.signal("TERM");
        assert_eq!(browser.code(), 1001, "{backend}");
        assert_eq!(server.wait().code(), Some(0));
    }
}

/// Sends a request and reads the answer to its end.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = stream(address);
    // The answer may come before all of it was taken.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn the_page_comes_with_what_keeps_a_browser_safe_on_every_back_end() {
    for backend in BACKENDS {
        let server = start(backend, &[]);
        let address = server.door("web");
        let page = ask(address, b"GET /room/tea HTTP/1.1\r\nHost: a\r\n\r\n");
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body.ends_with("</html>\n"), "{backend}: {head}");
        for field in [
            "Content-Security-Policy: default-src 'none'; script-src 'sha256-",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
            "Cache-Control: no-cache",
            "Connection: close",
        ] {
            assert!(head.contains(field), "{field} is not in {head}");
        }
        let tag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("it has a tag");
        let again = format!("GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n");
        assert!(ask(address, again.as_bytes()).starts_with("HTTP/1.1 304 Not Modified\r\n"));
    }
}

#[test]
fn requests_that_are_none_are_answered_by_a_status() {
    let server = start("uring", &["--web-origin", "https://chat.example"]);
    let address = server.door("web");
    let long = |head: &str| [head.as_bytes(), &[b'a'; 64 * 1024]].concat();
    for (request, status) in [
        (b"hello\r\n".to_vec(), "400 "),
        (b"\x16\x03\x01\x02\x00\x01".to_vec(), "400 "),
        (long("GET /"), "414 "),
        (long("GET / HTTP/1.1\r\nHost: a\r\nCookie: "), "431 "),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100)).into_bytes(), "431 "),
        (b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), "426 "),
        (b"GET /ws HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\n\r\n".to_vec(), "403 "),
        (b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), "405 "),
        (b"GET /etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), "404 "),
    ] {
        let answer = ask(address, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
    }
    let refused = wait_for(&server, "all are closed", |figures| figures["closed_bad_request"] == 9);
    assert_eq!(refused["members"], 0);
}

/// A frame with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126).expect("it is short");
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[test]
fn what_no_client_may_send_ends_with_its_code_on_every_back_end() {
    for backend in BACKENDS {
        let server = start(backend, &[]);
        for (bytes, code) in [
            (b"\x81\x02hi".to_vec(), 1002),
            (vec![0xf1], 1002),
            (frame(0x8f, b""), 1002),
            (frame(0x80, b"a"), 1002),
            (vec![0x89, 0xfe, 0, 126], 1002),
            (frame(0x82, b"x"), 1003),
            (frame(0x81, b"\xc0\xaf"), 1007),
            ([frame(0x01, b"\xed"), frame(0x80, b"\xa0\x80")].concat(), 1007),
            ([&[0x81, 0xfe, 0x10, 0x01, 0, 0, 0, 0][..], &[b'x'; 100]].concat(), 1009),
            ([&[0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0][..]].concat(), 1009),
        ] {
            let mut browser = Browser::open(&server, "/ws?room=tea");
            browser.raw().write_all(&bytes).unwrap();
            assert_eq!(browser.code(), code, "{backend}: {bytes:02x?}");
        }
    }
}

#[test]
fn floods_of_frames_cost_the_others_nothing_and_no_memory() {
    let pings = frame(0x89, &[b'x'; 100]).repeat(500);
    let empty = frame(0x00, b"").repeat(5000);
    let lines = frame(0x81, b"spam").repeat(3000);
    for backend in BACKENDS {
        let server = start(backend, &[]);
        let (mut author, mut listener) = (server.join(), server.join());
        let before = server.memory_kib("VmRSS");
        let floods: Vec<_> = [&pings, &empty, &lines]
            .into_iter()
            .map(|flood| {
                let (mut browser, flood) = (Browser::open(&server, "/ws?room=tea"), flood.clone());
                // Behind the second of the floods there never is the end of this message.
                let begun = if flood[0] == 0 { frame(0x01, b"") } else { Vec::new() };
                browser.raw().write_all(&begun).unwrap();
                browser.raw().set_write_timeout(Some(Duration::from_millis(100))).unwrap();
                thread::spawn(move || {
                    let begun = Instant::now();
                    // It reads nothing, and writes as much as is taken.
                    while begun.elapsed() < Duration::from_secs(2) && browser.raw().write_all(&flood).is_ok() {}
                    browser
                })
            })
            .collect();
        // One byte at a time.
        let mut slow = Browser::open(&server, "/ws?room=tea");
        slow.raw().set_nodelay(true).unwrap();
        for byte in frame(0x81, b"one byte at a time").iter().chain(&frame(0x89, b"?")) {
            slow.raw().write_all(&[*byte]).unwrap();
        }
        let worst = latency(&mut author, &mut listener, 15);
        assert!(worst < LATENCY_MAX, "{backend}: a line took {worst:?}");
        assert_eq!(slow.object("said")["kind"], "said");
        let browsers: Vec<Browser> = floods.into_iter().map(|flood| flood.join().unwrap()).collect();
        let grown = server.memory_kib("VmRSS").saturating_sub(before);
        assert!(grown < GROWTH_KIB_MAX, "{backend}: {grown} KiB more");
        assert_eq!(statistics(&server)["closed_wrong_frame"], 0, "they are slowed, not closed");
        drop(browsers);
    }
}

#[test]
fn handshakes_that_never_end_keep_nobody_out_and_end_in_their_time() {
    for backend in BACKENDS {
        let mut server = start(backend, &["--members", "100", "--line-timeout", "2s", "--join-rate", "0"]);
        let address = server.door("web");
        let (mut author, mut listener) = (server.join(), server.join());
        let halves: Vec<TcpStream> = (0..300)
            .map(|_| {
                let mut half = stream(address);
                half.write_all(b"GET /ws HTTP/1.1\r\nHo").unwrap();
                half
            })
            .collect();
        // One that is closed keeps its place until nothing is in flight on it, so some find the house full.
        let ended = |figures: &BTreeMap<String, u64>| figures["closed_handshakes_full"] + figures["full_house"];
        let figures = wait_for(&server, "most were closed", |figures| ended(figures) >= 288);
        assert_eq!(figures["members"], 2, "{backend}");
        let mut browser = Browser::open(&server, "/ws?room=tea");
        assert_eq!(browser.object("welcome")["online"], 1);
        let worst = latency(&mut author, &mut listener, 5);
        assert!(worst < LATENCY_MAX, "{backend}: a line took {worst:?}");
        wait_for(&server, "the last have had their time", |figures| figures["closed_handshake_timeout"] > 0);
        for mut half in halves {
            let mut answer = Vec::new();
            let ended = half.read_to_end(&mut answer);
            let told = [&b"HTTP/1.1 408 Request Timeout\r\n"[..], b"HTTP/1.1 503 Service Unavailable\r\n"];
            assert!(ended.is_err() || told.iter().any(|told| answer.starts_with(told)), "{backend}: {answer:?}");
        }
        expect_stop(&mut server);
    }
}
