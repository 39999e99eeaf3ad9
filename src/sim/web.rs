//! The web door: pages, handshakes, and members that read and send frames.

use std::time::Duration;

use super::peers::address;
use super::simulation::Simulation;
use crate::cli::Serve;
use crate::config::Config;
use crate::counters::{CloseReason, Counter};
use crate::door::{Door, Doors};
use crate::io::Signal;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::limits::HEARTBEAT_AFTER;
use crate::message::Notice;
use crate::server::Flow;
use crate::token::ListenerId;
use crate::web;

const HANDSHAKE: &str = "GET /ws?room=tea HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://a\r\n\r\n";

/// What answers that.
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A server with a door for text and one for the web.
fn simulation_with(options: &[&str]) -> Simulation {
    let serve = Serve::with(&[&["--announce-max", "10"], options].concat()).expect("the options are known");
    let config = Config { doors: Doors::only(Door::Text).and(Door::Web), ..serve.config(40) };
    let mut kernel = Kernel::new(Draw::seeded(1), false);
    kernel.add_listener();
    Simulation::new(kernel, config)
}

fn simulation() -> Simulation {
    simulation_with(&[])
}

/// A peer of the web door whose socket takes `capacity` bytes, and that reads them.
fn connect_web(simulation: &mut Simulation, number: u32, capacity: usize) -> u32 {
    let web = ListenerId::first(2).last().expect("there are two");
    simulation.connect(web, address(number, false), capacity)
}

fn connect_text(simulation: &mut Simulation, number: u32) -> u32 {
    simulation.connect(ListenerId::FIRST, address(number, false), 1 << 16)
}

/// A masked frame of a client, whose mask changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("it is short");
    let length = if length < 126 { vec![0x80 | length as u8] } else { [&[0xfe][..], &length.to_be_bytes()].concat() };
    [&[first], length.as_slice(), &[0; 4], payload].concat()
}

fn line(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Frame {
    Object(String),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// Whole frames, and nothing else.
#[track_caller]
fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            short => (usize::from(*short), rest),
        };
        let (payload, rest) = rest.split_at(length);
        frames.push(match first {
            0x81 => Frame::Object(String::from_utf8(payload.to_vec()).expect("text is UTF-8")),
            0x8a => Frame::Pong(payload.to_vec()),
            0x88 => Frame::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            other => panic!("{other:02x} is no frame of a server"),
        });
        bytes = rest;
    }
    assert!(bytes.is_empty(), "{bytes:?} is no frame");
    frames
}

/// The `kind` of each object, and the other frames.
#[track_caller]
fn kinds(bytes: &[u8]) -> Vec<String> {
    let name = |frame: Frame| match frame {
        Frame::Object(text) => {
            let object: serde_json::Value = serde_json::from_str(&text).expect("a frame is one object");
            assert!(!text.contains('\n'));
            object["kind"].as_str().expect("an object has a kind").to_owned()
        }
        Frame::Pong(payload) => format!("pong {payload:?}"),
        Frame::Close(code) => format!("close {code:?}"),
    };
    frames(bytes).into_iter().map(name).collect()
}

/// A member of the room tea that has read its welcome.
fn join(simulation: &mut Simulation, number: u32) -> u32 {
    let peer = connect_web(simulation, number, 1 << 16);
    simulation.say(peer, HANDSHAKE.as_bytes());
    let welcome = simulation.heard(peer);
    let welcome = welcome.strip_prefix(SWITCHED.as_bytes()).expect("it is switched first");
    assert_eq!(kinds(welcome), ["welcome"]);
    peer
}

/// Turns until `pause` is over.
fn wait(simulation: &mut Simulation, pause: Duration) {
    let until = simulation.kernel.borrow().time() + pause;
    // Something happens at its end, so that no time-out after it comes early.
    let nanoseconds = u64::try_from(pause.as_nanos()).expect("it is short");
    simulation.kernel.borrow_mut().signal_after(nanoseconds, Signal::Statistics);
    while simulation.kernel.borrow().time() < until {
        simulation.turn();
        simulation.server.invariants();
    }
    simulation.rest();
}

#[test]
fn members_of_both_doors_hear_each_other_wherever_the_bytes_are_cut() {
    let sent = [
        HANDSHAKE.as_bytes(),
        &line("one"),
        &frame(0x01, b"tw"),
        &frame(0x89, b"?"),
        &frame(0x80, b"o\nthree"),
        &line(""),
    ]
    .concat();
    for cut in 0..=sent.len() {
        let mut simulation = simulation();
        let text = connect_text(&mut simulation, 0);
        simulation.say(text, b"/join tea\n");
        simulation.heard(text);
        let peer = connect_web(&mut simulation, 1, 1 << 16);
        simulation.say(peer, &sent[..cut]);
        simulation.say(peer, &sent[cut..]);
        let name = address(1, false);
        let expected =
            format!("> New user {name} entered. (2 users online)\n[{name}] one\n[{name}] two\n[{name}] three\n");
        assert_eq!(simulation.heard_text(text), expected, "cut at {cut}");
        let answers = simulation.heard(peer);
        let mut answers = kinds(answers.strip_prefix(SWITCHED.as_bytes()).expect("it is switched first"));
        let pong = answers.iter().position(|kind| kind == "pong [63]").expect("the ping is answered");
        answers.remove(pong);
        assert_eq!(answers, ["welcome", "said", "said", "said"], "cut at {cut}");
        simulation.say(text, b"hello\n");
        let last = frames(&simulation.heard(peer));
        let [Frame::Object(object)] = last.as_slice() else { panic!("{last:?} is not one object") };
        assert!(object.contains("\"text\":\"hello\""), "{object}");
    }
}

#[test]
fn the_page_is_sent_whole_and_the_connection_closed_behind_it() {
    for capacity in [10, 1000, 1 << 20] {
        let mut simulation = simulation();
        let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        for (number, path) in [(1, "/"), (2, "/room/tea")] {
            let peer = connect_web(&mut simulation, number, capacity);
            simulation.say(peer, get(path, "").as_bytes());
            let response = simulation.heard_text(peer);
            let (head, body) = response.split_once("\r\n\r\n").expect("a head ends");
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains(web::POLICY), "{head}");
            assert!(head.contains(&format!("Content-Length: {}\r\n", web::PAGE.len())));
            assert!(body == web::PAGE && simulation.is_closed(peer), "{capacity}");
        }
        for (number, request, status, body) in [
            (3, get("/", &format!("If-None-Match: {}\r\n", web::ETAG)), "304 Not Modified", ""),
            (4, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "200 OK", ""),
            (5, get("/favicon.ico", ""), "404 Not Found", "404 Not Found\n"),
            (6, "POST / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "405 Method Not Allowed", "405 Method Not Allowed\n"),
            (7, "hello\r\n".to_owned(), "400 Bad Request", "400 Bad Request\n"),
            (8, get("/ws", ""), "426 Upgrade Required", "426 Upgrade Required\n"),
            (9, HANDSHAKE.replace("http://a", "http://b"), "403 Forbidden", "403 Forbidden\n"),
        ] {
            let peer = connect_web(&mut simulation, number, capacity);
            simulation.say(peer, request.as_bytes());
            let response = simulation.heard_text(peer);
            let (head, got) = response.split_once("\r\n\r\n").expect("a head ends");
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
            assert!(got == body && simulation.is_closed(peer), "{status}");
        }
        assert_eq!(
            (simulation.server.closes(CloseReason::Answered), simulation.server.closes(CloseReason::BadRequest)),
            (4, 5)
        );
        assert_eq!((simulation.server.statistics().members, simulation.kernel.borrow().open_sockets()), (0, 0));
    }
}

#[test]
fn a_page_that_is_not_read_ends_with_its_time() {
    let mut simulation = simulation_with(&["--line-timeout", "5s"]);
    let peer = connect_web(&mut simulation, 1, 100);
    simulation.kernel.borrow_mut().peer_listens(peer, false);
    simulation.say(peer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!simulation.is_closed(peer));
    wait(&mut simulation, Duration::from_secs(6));
    assert!(simulation.is_closed(peer));
}

#[test]
fn without_a_room_nothing_is_joined() {
    let mut simulation = simulation();
    let peer = connect_web(&mut simulation, 1, 1 << 16);
    simulation.say(peer, HANDSHAKE.replace("?room=tea", "").as_bytes());
    assert_eq!(simulation.heard_text(peer), SWITCHED, "nothing is known of any room");
    simulation.say(peer, &line("hello"));
    assert!(frames(&simulation.heard(peer))[0] == Frame::Object(object_of(&Notice::NoRoom)));
    simulation.say(peer, &line("/join tea"));
    assert_eq!(kinds(&simulation.heard(peer)), ["welcome"]);
    simulation.say(peer, &line("/format text"));
    assert!(frames(&simulation.heard(peer))[0] == Frame::Object(object_of(&Notice::FormatFixed)));
    simulation.say(peer, &line("hello"));
    assert_eq!(kinds(&simulation.heard(peer)), ["said"]);
}

#[test]
fn there_are_always_commands_by_websocket() {
    for options in [["--commands", "off"], ["--framing", "chunk"]] {
        let mut simulation = simulation_with(&options);
        let peer = join(&mut simulation, 1);
        simulation.say(peer, &line("/token"));
        assert_eq!(kinds(&simulation.heard(peer)), ["token"], "{options:?}");
    }
}

/// A notice as an object.
fn object_of(notice: &Notice<'_>) -> String {
    let mut object = Vec::new();
    crate::wire::json::notice(*notice, &mut object).expect("writing to a Vec does not fail");
    String::from_utf8(object).expect("JSON is UTF-8").trim_end().to_owned()
}

#[test]
fn a_close_is_answered_with_its_code_behind_the_lines_before_it() {
    for (payload, code) in [(&b"\x03\xe8bye"[..], Some(1000)), (b"", None), (b"\x0f\xa0", Some(4000))] {
        let mut simulation = simulation_with(&["--flood-rate", "1", "--flood-burst", "1"]);
        let text = connect_text(&mut simulation, 0);
        simulation.say(text, b"/join tea\n");
        let peer = join(&mut simulation, 1);
        simulation.heard(text);
        let sent = [line("one"), line("two"), line("three"), frame(0x88, payload), line("never")].concat();
        simulation.kernel.borrow_mut().peer_writes(peer, &sent);
        wait(&mut simulation, Duration::from_secs(10));
        let name = address(1, false);
        let expected = format!("[{name}] one\n[{name}] two\n[{name}] three\n< The user {name} left (1 user online)\n");
        assert_eq!(simulation.heard_text(text), expected);
        let last = frames(&simulation.heard(peer)).pop().expect("it is answered");
        assert!(last == Frame::Close(code) && simulation.is_closed(peer), "{last:?}");
        assert_eq!(simulation.server.closes(CloseReason::Left), 1);
    }
}

#[test]
fn what_no_client_may_send_ends_with_its_code() {
    let long = frame(0x81, &[b'x'; 4097]);
    for (bytes, code, reason) in [
        (&b"\x81\x02hi"[..], 1002, CloseReason::WrongFrame),
        (b"\xc1", 1002, CloseReason::WrongFrame),
        (b"\x83", 1002, CloseReason::WrongFrame),
        (b"\x09", 1002, CloseReason::WrongFrame),
        (b"\x88\x81\0\0\0\0\x03", 1002, CloseReason::WrongFrame),
        (b"\x82", 1003, CloseReason::BinaryMessage),
        (b"\x81\x81\0\0\0\0\xff", 1007, CloseReason::NotUtf8),
        (&long[..4], 1009, CloseReason::MessageTooLong),
    ] {
        for before in [&b""[..], &line("before"), &frame(0x01, b"")] {
            let mut simulation = simulation();
            let text = connect_text(&mut simulation, 0);
            simulation.say(text, b"/join tea\n");
            let peer = join(&mut simulation, 1);
            simulation.heard(text);
            simulation.say(peer, before);
            simulation.say(peer, bytes);
            let last = frames(&simulation.heard(peer)).pop().expect("it is told");
            let expected = if before.first() == Some(&0x01) && matches!(bytes[0], 0x81 | 0x82) { 1002 } else { code };
            assert_eq!(last, Frame::Close(Some(expected)), "{bytes:02x?} behind {before:02x?}");
            assert!(simulation.is_closed(peer));
            assert!(expected != code || simulation.server.closes(reason) == 1);
            assert_eq!(simulation.heard_text(text).contains("before"), before.ends_with(b"before"));
        }
    }
}

#[test]
fn a_member_that_is_closed_is_told_by_its_code() {
    let mut simulation = simulation_with(&["--line-timeout", "5s"]);
    let peers = [1, 2, 3].map(|number| join(&mut simulation, number));
    simulation.say(peers[0], &line("/quit"));
    assert_eq!(kinds(&simulation.heard(peers[0])).last().unwrap(), "close Some(1000)");
    simulation.say(peers[1], &line("half")[..3]);
    wait(&mut simulation, Duration::from_secs(6));
    assert_eq!(kinds(&simulation.heard(peers[1])).last().unwrap(), "close Some(1008)");
    assert_eq!(simulation.server.closes(CloseReason::LineTimeout), 1);
    simulation.say(peers[2], &line("/token"));
    let token = frames(&simulation.heard(peers[2])).into_iter().find_map(|frame| {
        let Frame::Object(text) = frame else { return None };
        let object: serde_json::Value = serde_json::from_str(&text).expect("a frame is one object");
        object["token"].as_str().map(str::to_owned)
    });
    let other = connect_web(&mut simulation, 4, 1 << 16);
    simulation.say(other, HANDSHAKE.replace("?room=tea", "").as_bytes());
    simulation.say(other, &line(&format!("/resume {} 0", token.expect("it is given one"))));
    assert_eq!(kinds(&simulation.heard(peers[2])), ["replaced", "close Some(4002)"]);
    assert!(peers.iter().all(|peer| simulation.is_closed(*peer)));
}

#[test]
fn a_server_that_stops_closes_with_its_code_and_sends_nothing_behind() {
    let mut simulation = simulation();
    let peers = [1, 2].map(|number| join(&mut simulation, number));
    simulation.heard(peers[0]);
    // One that does not read keeps the server until its time is over.
    let slow = connect_text(&mut simulation, 3);
    simulation.say(slow, b"/join tea\n");
    simulation.heard(peers[0]);
    simulation.kernel.borrow_mut().signal_after(0, Signal::Terminate);
    simulation.turn();
    simulation.turn();
    simulation.kernel.borrow_mut().peer_resets(peers[1]);
    assert_eq!(simulation.stop(), Flow::Stop);
    assert_eq!(simulation.server.closes(CloseReason::Broken), 1, "one has left behind the goodbye");
    assert_eq!(kinds(&simulation.heard(peers[0])), ["stopping", "close Some(1001)"]);
}

#[test]
fn a_fragment_is_no_line_also_where_a_chunk_is_one() {
    let mut simulation = simulation_with(&["--framing", "chunk"]);
    let text = connect_text(&mut simulation, 0);
    let peer = connect_web(&mut simulation, 1, 1 << 16);
    simulation.say(peer, HANDSHAKE.replace("tea", "lobby").as_bytes());
    simulation.heard(text);
    simulation.say(peer, &frame(0x01, b"on"));
    simulation.say(peer, &frame(0x80, b"e"));
    assert_eq!(simulation.heard_text(text), format!("[{}] one\n", address(1, false)));
}

#[test]
fn pings_cost_what_lines_cost_and_one_answer_waits_at_most() {
    let mut simulation = simulation_with(&["--flood-rate", "1", "--flood-burst", "5"]);
    let peer = join(&mut simulation, 1);
    simulation.kernel.borrow_mut().peer_listens(peer, false);
    for number in 0..5 {
        simulation.say(peer, &frame(0x89, &[number]));
    }
    simulation.say(peer, &frame(0x89, b"late"));
    let before = simulation.server.statistics().counters[Counter::ReceivedBytes];
    for _ in 0..10 {
        simulation.say(peer, &frame(0x89, b"flood"));
    }
    let after = simulation.server.statistics().counters[Counter::ReceivedBytes];
    assert_eq!(after, before, "it is not read while it is over its rate");
    simulation.kernel.borrow_mut().peer_listens(peer, true);
    wait(&mut simulation, Duration::from_secs(3));
    simulation.say(peer, &frame(0x89, b"last"));
    let answers = frames(&simulation.heard(peer));
    assert!(answers.iter().all(|frame| matches!(frame, Frame::Pong(_))) && answers.len() <= 9, "{answers:?}");
    // A frame that goes on and on with nothing costs too.
    let peer = join(&mut simulation, 2);
    simulation.say(peer, &frame(0x01, b""));
    for _ in 0..10 {
        simulation.say(peer, &frame(0x00, b""));
    }
    let before = simulation.server.statistics().counters[Counter::ReceivedBytes];
    simulation.say(peer, &frame(0x00, b""));
    assert_eq!(simulation.server.statistics().counters[Counter::ReceivedBytes], before);
}

#[test]
fn silence_is_broken_by_a_frame_that_means_nothing_and_memory_does_not_grow() {
    let mut simulation = simulation();
    let peer = join(&mut simulation, 1);
    let hall = connect_web(&mut simulation, 2, 1 << 16);
    simulation.say(hall, HANDSHAKE.replace("?room=tea", "").as_bytes());
    simulation.heard(hall);
    let text = connect_text(&mut simulation, 3);
    simulation.say(text, b"/join tea\n");
    simulation.heard(peer);
    simulation.heard(text);
    wait(&mut simulation, HEARTBEAT_AFTER - Duration::from_secs(1));
    assert_eq!((simulation.heard(peer), simulation.heard(hall)), (vec![], vec![]));
    simulation.say(text, b"hello\n");
    assert_eq!(kinds(&simulation.heard(peer)), ["message"]);
    wait(&mut simulation, Duration::from_secs(2));
    assert_eq!((simulation.heard(peer), simulation.heard(hall)), (vec![], vec![0x8a, 0]), "only where it was silent");
    wait(&mut simulation, HEARTBEAT_AFTER);
    assert_eq!(simulation.heard(peer), [0x8a, 0]);
    let (messages, deliveries, before) = {
        let statistics = simulation.server.statistics();
        (statistics.messages, statistics.deliveries, simulation.server.footprint())
    };
    wait(&mut simulation, HEARTBEAT_AFTER * 200);
    let beats = simulation.heard(peer);
    assert!((199..=201).contains(&(beats.len() / 2)) && beats == [0x8a, 0].repeat(beats.len() / 2));
    assert_eq!(simulation.heard_text(text), "", "others hear nothing of it");
    let statistics = simulation.server.statistics();
    assert_eq!((statistics.messages, statistics.deliveries), (messages, deliveries), "it is no message");
    assert!(simulation.server.footprint() <= before + 2048, "{before} {}", simulation.server.footprint());
    simulation.say(text, b"/history 5\n");
    assert!(simulation.heard_text(text).contains("the last 1 messages"));
}

#[test]
fn newcomers_that_are_not_let_in_are_told_by_a_status() {
    let mut simulation = simulation_with(&["--connections-per-address", "1", "--line-timeout", "5s"]);
    let slow = connect_web(&mut simulation, 1, 1 << 16);
    simulation.say(slow, &HANDSHAKE.as_bytes()[..40]);
    let second = {
        let web = ListenerId::first(2).last().expect("there are two");
        let mut same = address(1, false);
        same.set_port(9);
        simulation.kernel.borrow_mut().connect_to(web, same, 1 << 16, true)
    };
    simulation.rest();
    assert!(simulation.heard_text(second).starts_with("HTTP/1.1 429 Too Many Requests\r\n"));
    wait(&mut simulation, Duration::from_secs(6));
    let told = simulation.heard_text(slow);
    assert!(told.starts_with("HTTP/1.1 408 Request Timeout\r\n") && simulation.is_closed(slow), "{told}");
    let mut one_room = simulation_with(&["--rooms-max", "1"]);
    let peer = connect_web(&mut one_room, 1, 1 << 16);
    one_room.say(peer, HANDSHAKE.as_bytes());
    assert!(one_room.heard_text(peer).starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
}

/// A line as frames that a draw chooses: in fragments, with control frames between them.
fn in_fragments(draw: &mut Draw, text: &str) -> Vec<u8> {
    let (mut rest, mut sent, mut first) = (text.as_bytes(), Vec::new(), 0x01);
    while draw.chance(100) {
        let (piece, behind) = rest.split_at(draw.between(0, rest.len()));
        rest = behind;
        sent.extend(frame(std::mem::take(&mut first), piece));
        match draw.below(8) {
            0 => sent.extend(frame(0x89, b"ping")),
            1 => sent.extend(frame(0x8a, b"")),
            _ => {}
        }
    }
    sent.extend(frame(0x80 | first, rest));
    sent
}

#[test]
fn everybody_hears_everything_once_and_in_one_order_however_frames_are_cut() {
    for seed in 0..40 {
        let mut simulation = simulation_with(&["--flood-rate", "0"]);
        let mut draw = Draw::seeded(seed);
        let text = connect_text(&mut simulation, 0);
        simulation.say(text, b"/join tea\n/format json\n");
        let peers: Vec<u32> = (1..5)
            .map(|number| {
                let peer = connect_web(&mut simulation, number, draw.between(1, 3000));
                simulation.say(peer, HANDSHAKE.as_bytes());
                peer
            })
            .collect();
        let mut unsent = vec![Vec::new(); peers.len()];
        let mut said = 0;
        for _ in 0..150 {
            let place = draw.between(0, peers.len() - 1);
            if draw.chance(150) {
                said += 1;
                unsent[place].extend(in_fragments(&mut draw, &format!("l\u{ed}ne {said}")));
            }
            let count = draw.between(0, unsent[place].len().min(30));
            let piece: Vec<u8> = unsent[place].drain(..count).collect();
            simulation.kernel.borrow_mut().peer_listens(peers[place], draw.chance(200));
            simulation.kernel.borrow_mut().peer_writes(peers[place], &piece);
            if draw.chance(128) {
                simulation.rest();
                simulation.server.invariants();
            }
        }
        for (peer, rest) in peers.iter().zip(unsent) {
            simulation.kernel.borrow_mut().peer_listens(*peer, true);
            simulation.say(*peer, &rest);
        }
        wait(&mut simulation, Duration::from_secs(1));
        let object = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("it is one object");
        let expected: Vec<(u64, String)> = simulation
            .heard_text(text)
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(object)
            .filter(|object| object["kind"] == "message")
            .map(|object| (object["n"].as_u64().unwrap(), object["text"].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(expected.len(), said, "seed {seed}");
        for peer in peers {
            let sent = simulation.heard(peer);
            let objects = frames(sent.strip_prefix(SWITCHED.as_bytes()).expect("it is switched first"));
            let objects = objects.into_iter().filter_map(|frame| match frame {
                Frame::Object(text) => Some(object(&text)),
                Frame::Pong(_) | Frame::Close(_) => None,
            });
            let heard: Vec<(u64, Option<String>)> = objects
                .filter(|object| object["kind"] == "message" || object["kind"] == "said")
                .map(|object| (object["n"].as_u64().unwrap(), object["text"].as_str().map(str::to_owned)))
                .collect();
            // What it has said itself comes without its text, and perhaps before what others had said.
            let mut numbers: Vec<u64> = heard.iter().map(|(number, _)| *number).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (1..=said as u64).collect::<Vec<u64>>(), "seed {seed}: each once");
            let others: Vec<(u64, String)> =
                heard.into_iter().filter_map(|(number, text)| Some((number, text?))).collect();
            assert!(others.is_sorted() && others.iter().all(|line| expected.contains(line)), "seed {seed}: in order");
        }
    }
}
