//! Tests of what a room says as lines of IRC.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::names::MemberName;
use crate::token::PublicId;
use crate::wire::sanitise;

const TIME: UnixTime = UnixTime(1_795_867_200_000);

fn bob() -> Name {
    Name::Chosen(MemberName::choose("bob").expect("it may be chosen"))
}

fn den() -> RoomName {
    RoomName::parse("den").expect("it is a name")
}

/// The longest that a name and a room's name can be.
fn longest() -> (Name, RoomName) {
    let name = Name::parse("[fe80:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535|255").expect("it is an address");
    (name, RoomName::parse(&"x".repeat(32)).expect("it is a name"))
}

fn said(body: Body<'_>, room: RoomName, timed: bool) -> String {
    let mut out = Vec::new();
    let said = Message { number: 7, time: TIME, room, author: Some(PublicId(1)), body };
    message(&said, timed, &mut out).expect("writing to a Vec does not fail");
    String::from_utf8(out).expect("lines are UTF-8")
}

#[test]
fn what_a_room_says_is_what_clients_know() {
    let name = bob();
    let address = Name::first(SocketAddr::from(([127, 0, 0, 1], 63155)));
    let alice = MemberName::choose("alice").expect("it may be chosen");
    for (body, expected) in [
        (Body::Line { name, text: b"hi :there" }, ":bob!~u@uproar PRIVMSG #den :hi :there\r\n"),
        (Body::Line { name: address, text: b"hi" }, ":127.0.0.1|63155!~u@uproar PRIVMSG #den :hi\r\n"),
        (Body::Action { name, text: b"waves" }, ":bob!~u@uproar PRIVMSG #den :\x01ACTION waves\x01\r\n"),
        (Body::Topic { name, text: b"tea" }, ":bob!~u@uproar TOPIC #den :tea\r\n"),
        (Body::Topic { name, text: b"" }, ":bob!~u@uproar TOPIC #den :\r\n"),
        (Body::Announcement { text: b"tea" }, ":uproar NOTICE #den :announcement: tea\r\n"),
        (Body::Event(Event::Entered { name, online: 2 }), ":bob!~u@uproar JOIN #den\r\n"),
        (Body::Event(Event::Left { name, online: 2 }), ":bob!~u@uproar PART #den\r\n"),
        (
            Body::Event(Event::Renamed { before: address, name: Name::Chosen(alice), online: 2 }),
            ":127.0.0.1|63155!~u@uproar NICK :alice\r\n",
        ),
        (Body::Event(Event::Only { name, operators: true }), ":bob!~u@uproar MODE #den +m\r\n"),
        (Body::Event(Event::Only { name, operators: false }), ":bob!~u@uproar MODE #den -m\r\n"),
        (
            Body::Event(Event::Slow { name, seconds: 9 }),
            ":uproar NOTICE #den :bob set the slow mode: one line in 9 s\r\n",
        ),
        (
            Body::Event(Event::Summary { entered: 12, left: 1, online: 900 }),
            ":uproar NOTICE #den :12 users entered, 1 left. (900 users online)\r\n",
        ),
        (Body::Event(Event::Stopping), "ERROR :the server is stopping\r\n"),
    ] {
        assert_eq!(said(body, den(), false), expected);
        assert_eq!(said(body, den(), true), format!("@time=2026-11-28T12:00:00.000Z {expected}"));
    }
}

#[test]
fn a_message_of_the_past_is_the_line_that_it_was() {
    for name in [bob(), longest().0] {
        for text in [&b"hi"[..], b"] [ \"", b" set the topic: x"] {
            for body in [Body::Line { name, text }, Body::Action { name, text }, Body::Topic { name, text }] {
                let live = Message { number: 7, time: TIME, room: den(), author: Some(PublicId(1)), body };
                let mut line = Vec::new();
                text::message(&live, &mut line).expect("writing to a Vec does not fail");
                let entry = Entry { time: TIME, author: live.author, kind: body.kind(), name_bytes: name.length() };
                let mut past = Vec::new();
                record(&entry, &line, den(), true, &mut past).expect("writing to a Vec does not fail");
                assert_eq!(String::from_utf8(past).expect("lines are UTF-8"), said(body, den(), true));
            }
        }
    }
}

#[test]
fn a_time_beyond_what_can_be_written_is_the_last_one() {
    let tag = TimeTag::new(Some(UnixTime(u64::MAX)));
    assert_eq!(&tag.0[..], b"@time=9999-12-31T23:59:59.000Z ");
}

#[test]
fn the_longest_messages_fit() {
    let (name, room) = longest();
    let long = MemberName::choose(&"y".repeat(24)).expect("it may be chosen");
    for typed in ["x".repeat(3000).into_bytes(), b"\xffx".repeat(1500), "\u{1f3f4}".repeat(500).into_bytes()] {
        let mut text = Vec::new();
        sanitise(&typed, &mut text).expect("writing to a Vec does not fail");
        let bodies = |text| {
            [
                Body::Line { name, text },
                Body::Action { name, text },
                Body::Topic { name, text },
                Body::Announcement { text },
            ]
        };
        for (body, typed) in bodies(&text).into_iter().zip(bodies(&typed)) {
            assert!(said(body, room, true).len() <= message_bytes_max(&typed));
        }
    }
    for event in [
        Event::Renamed { before: name, name: Name::Chosen(long), online: u64::MAX },
        Event::Entered { name, online: u64::MAX },
        Event::Only { name, operators: true },
        Event::Slow { name, seconds: u64::MAX },
        Event::Summary { entered: u64::MAX, left: u64::MAX, online: u64::MAX },
    ] {
        let body = Body::Event(event);
        assert!(said(body, room, true).len() <= message_bytes_max(&body), "{}", said(body, room, true));
    }
}

/// The text of each line, without what stands before and behind it, of lines of at most 512 bytes.
fn texts(lines: &str, head: &str, tail: &str) -> Vec<String> {
    let text = |line: &str| {
        let line = line.split_once(' ').expect("a time stands first").1;
        assert!(line.len() <= 510, "{} bytes", line.len());
        let text = line.strip_prefix(head).and_then(|line| line.strip_suffix(tail));
        text.expect("each piece has the same around it").to_owned()
    };
    lines.strip_suffix("\r\n").expect("a line ends").split("\r\n").map(text).collect()
}

proptest! {
    /// What is typed comes out as it is sanitised, in lines that are full but for a part of a character, and nobody can
    /// make a line of their own or a request by CTCP.
    #[test]
    fn any_text_is_cut_into_lines_and_can_be_put_together(
        typed in prop::collection::vec(
            prop_oneof![
                Just(b"\r\n:uproar 001 x :".to_vec()),
                Just(b"\x01VERSION\x01".to_vec()),
                Just("\u{e9}\u{1f3f4}".as_bytes().to_vec()),
                prop::collection::vec(any::<u8>(), 0..100),
                Just(vec![b'x'; 300]),
            ],
            0..12,
        ),
        action in any::<bool>(),
        longest_names in any::<bool>(),
    ) {
        let typed = typed.concat();
        let (name, room) = if longest_names { longest() } else { (bob(), den()) };
        let mut clean = Vec::new();
        sanitise(&typed, &mut clean).expect("writing to a Vec does not fail");
        prop_assert!(clean.len() <= sanitised_bytes_max(typed.len()));
        let (body, tail) = if action {
            (Body::Action { name, text: &clean }, "\x01")
        } else {
            (Body::Line { name, text: &clean }, "")
        };
        let lines = said(body, room, true);
        prop_assert!(lines.len() <= message_bytes_max(&body.with_text(&typed)));
        let start = if action { "\x01ACTION " } else { "" };
        let head = format!(":{}!~u@uproar PRIVMSG #{room} :{start}", Nick(name));
        let pieces = texts(&lines, &head, tail);
        prop_assert_eq!(pieces.concat().into_bytes(), clean);
        let full = 510 - head.len() - tail.len() - 3;
        prop_assert!(pieces.iter().rev().skip(1).all(|piece| piece.len() >= full));
        prop_assert!(!pieces.iter().any(|piece| piece.contains(['\r', '\n', '\0', '\x01'])));
    }
}
