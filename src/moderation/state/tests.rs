//! Tests of the state and its file.

use proptest::prelude::*;

use super::*;
use crate::limits::{STATE_HOLD_LINE_BYTES, STATE_ROOM_LINE_BYTES};

const BEGIN: &str = "{\"kind\":\"state\",\"version\":1}\n";
const END: &str = "{\"kind\":\"end\"}\n";

fn hold(name: Option<&str>, network: Option<&str>, until: Option<u64>) -> Hold {
    Hold {
        name: name.map(|name| MemberName::parse(name).unwrap()),
        network: network.map(|network| Network::parse(network).unwrap()),
        connection: None,
        until,
        by: "alice".into(),
    }
}

fn topic(text: &str) -> Topic {
    Topic { text: text.into(), by: "bob".into(), time: UnixTime(1_732_448_000_123) }
}

fn room(name: &str, topic: Option<Topic>, slow_seconds: u64, only_operators: bool) -> RoomState {
    let name = RoomName::parse(name).unwrap();
    RoomState { name, topic, modes: Modes { slow_seconds, only_operators } }
}

fn example() -> State {
    State {
        bans: vec![hold(Some("Bob"), Some("192.0.2.7"), Some(1_732_448_000_123)), hold(None, Some("10.0.0.0/8"), None)],
        mutes: vec![hold(Some("carol"), None, None)],
        rooms: vec![room("den", Some(topic("cats \"and\" \\ dögs\t🎉")), 5, true), room("lobby", None, 0, false)],
    }
}

#[test]
fn a_state_is_a_line_each() {
    let expected = [
        r#"{"kind":"state","version":1}"#,
        r#"{"kind":"ban","name":"Bob","network":"192.0.2.7","until":1732448000123,"by":"alice"}"#,
        r#"{"kind":"ban","network":"10.0.0.0/8","by":"alice"}"#,
        r#"{"kind":"mute","name":"carol","by":"alice"}"#,
        r#"{"kind":"room","name":"den","topic":{"text":"cats \"and\" \\ dögs\t🎉","by":"bob","at":1732448000123},"slow":5,"only_operators":true}"#,
        r#"{"kind":"room","name":"lobby"}"#,
        r#"{"kind":"end"}"#,
        "",
    ];
    let bytes = example().encode();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected.join("\n"));
    assert_eq!(State::decode(&bytes), Ok(example()));
    assert_eq!(State::decode(&State::default().encode()), Ok(State::default()));
}

/// Each is refused with the line that it stands in.
#[test]
fn a_damaged_file_is_refused_with_its_line() {
    let many = |line: &str, count: usize| format!("{BEGIN}{}{END}", format!("{line}\n").repeat(count));
    let bans = many(r#"{"kind":"ban","name":"bob","by":"a"}"#, HOLDS_MAX + 1);
    let long =
        format!(r#"{BEGIN}{{"kind":"room","name":"den","topic":{{"text":"{}","by":"b","at":1}}}}"#, "x".repeat(513));
    for (text, line, what) in [
        ("", 1, "EOF"),
        ("\n", 1, "EOF"),
        (END, 1, "the first line of a state is"),
        ("{\"kind\":\"state\",\"version\":2}\n", 1, "version 2"),
        (BEGIN, 2, "the end is missing"),
        (&format!("{BEGIN}{END}\n"), 3, "behind the end"),
        (&format!("{BEGIN}{END}{END}"), 3, "behind the end"),
        (&format!("{BEGIN}{BEGIN}{END}"), 2, "a second beginning"),
        (&format!("{BEGIN}\n{END}"), 2, "EOF"),
        (&format!("{BEGIN}{{\"kind\":\"ban\",\"name\":\"bo"), 2, "EOF"),
        (&many(r#"{"kind":"ban","by":"a"}"#, 1), 2, "neither a name nor a network"),
        (&many(r#"{"kind":"ban","name":"bob"}"#, 1), 2, "missing field `by`"),
        (&many(r#"{"kind":"ban","name":"b b","by":"a"}"#, 1), 2, "is no name"),
        (&many(r#"{"kind":"ban","network":"127.0.0.0/8","by":"a"}"#, 1), 2, "all of loopback"),
        (&many(r#"{"kind":"ban","network":"10.0.0.0/7","by":"a"}"#, 1), 2, "from /8 to /32"),
        (&many(r#"{"kind":"ban","name":"bob","by":"a","until":253402300799001}"#, 1), 2, "after the year 9999"),
        (&many(r#"{"kind":"ban","name":"bob","by":"a","until":-1}"#, 1), 2, "invalid value"),
        (&many(r#"{"kind":"ban","name":"bob","by":"a","untill":1}"#, 1), 2, "unknown field `untill`"),
        (&many(r#"{"kind":"ban","name":"bob","by":"a\u001b[2J"}"#, 1), 2, "by is not plain text"),
        (&many(r#"{"kind":"ban","name":"bob","name":"bob","by":"a"}"#, 1), 2, "duplicate field"),
        (&many(r#"{"kind":"tea","name":"bob","by":"a"}"#, 1), 2, "unknown variant `tea`"),
        (&many(r#"{"kind":"room","name":"den","slow":0}"#, 1), 2, "slow is from 1 to 86400"),
        (&many(r#"{"kind":"room","name":"den","topic":{"text":"x","by":"b"}}"#, 1), 2, "missing field `at`"),
        (&many(r#"{"kind":"room","name":"den","topic":{"text":"x\ny","by":"b","at":1}}"#, 1), 2, "is not plain text"),
        (&long, 2, "more than 512 bytes"),
        (
            &format!("{BEGIN}{{\"kind\":\"room\",\"name\":\"den\"}}\n{{\"kind\":\"room\",\"name\":\"DEN\"}}"),
            3,
            "a second",
        ),
        (&bans, HOLDS_MAX + 2, "more than 10000 bans"),
        (&many(r#"{"kind":"end","version":1}"#, 1), 2, "unknown field"),
    ] {
        let error = State::decode(text.as_bytes()).expect_err(text);
        assert!(error.line == line && error.what.contains(what), "{error} for {}", &text[..text.len().min(200)]);
    }
    assert!(State::decode(b"\xff\n").is_err());
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let bytes = example().encode();
    // Without the last line feed it is whole.
    for length in 0..bytes.len() - 1 {
        assert!(State::decode(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn the_largest_state_fits_its_file_and_is_read_again() {
    let by = "\"".repeat(PREFIX_BYTES_MAX);
    let longest = "2001:db8:1111:2222:3333:4444:5555:6666/127";
    let hold = Hold {
        name: MemberName::parse(&"x".repeat(MEMBER_NAME_BYTES_MAX)),
        network: Some(Network::parse(longest).unwrap()),
        until: Some(UNTIL_MAX_MS),
        by: by.clone().into(),
        connection: None,
    };
    let largest = |number: usize| {
        let name = format!("n{number:0>width$}", width = ROOM_NAME_BYTES_MAX - 1);
        let text = "\\".repeat(TOPIC_BYTES_MAX).into();
        let topic = Topic { text, by: by.clone().into(), time: UnixTime(UNTIL_MAX_MS) };
        room(&name, Some(topic), SLOW_MAX.as_secs(), true)
    };
    let holds = vec![hold; HOLDS_MAX];
    let state = State { bans: holds.clone(), mutes: holds, rooms: (0..STATE_ROOMS_MAX).map(largest).collect() };
    let bytes = state.encode();
    println!("{} of {STATE_BYTES_MAX} bytes", bytes.len());
    assert!(bytes.len() <= STATE_BYTES_MAX);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    assert!(lines[1].len() <= STATE_HOLD_LINE_BYTES && lines[lines.len() - 2].len() <= STATE_ROOM_LINE_BYTES);
    assert!(State::decode(&bytes) == Ok(state));
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(flips in prop::collection::vec((0..400usize, any::<u8>()), 1..6)) {
        let mut bytes = example().encode();
        for (at, byte) in flips {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let _ = State::decode(&bytes);
    }
}
