//! Each protocol on exact bytes and cut at every place.

use super::*;

const PAYLOAD: &[u8] = b"B 0 1 5000000000 abcdefghijklmno";
const HEADER: Header = Header { publisher: 0, sequence: 1, due_ns: 5_000_000_000 };
const PEERS: [Protocol; 7] = [
    Protocol::Redis,
    Protocol::Nats,
    Protocol::Mqtt,
    Protocol::Websocket,
    Protocol::WebsocketPlain,
    Protocol::WebsocketNats,
    Protocol::Irc,
];
const LINE_BYTES: usize = PAYLOAD.len() + 1;

fn wire(protocol: Protocol) -> Wire {
    Wire::new(protocol, LINE_BYTES, None)
}

fn published(wire: &Wire) -> Vec<u8> {
    let mut out = Vec::new();
    wire.publish(&Format::new(LINE_BYTES), HEADER, &mut out);
    out
}

fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// All pieces of `stream`, when it arrives cut at `cuts`; what is incomplete is kept, as the engine does.
fn pieces(wire: &Wire, stream: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut found = Vec::new();
    let mut kept = Vec::new();
    let mut frames = websocket::Frames::default();
    let ends = cuts.iter().copied().chain([stream.len()]);
    let mut start = 0;
    for end in ends {
        kept.extend_from_slice(&stream[start..end]);
        let first_of_part = start;
        start = end;
        let mut at = 0;
        if wire.protocol.streams_in_frames() {
            let kept_bytes = kept.len() - (end - first_of_part);
            let carried = frames.take_off(&mut kept[kept_bytes..]);
            kept.truncate(kept_bytes + carried);
        }
        while let Some((piece, length)) = wire.next(&kept[at..]) {
            assert!(length > 0, "{piece:?} takes nothing");
            found.push(match piece {
                Piece::Message { author, payload } => {
                    format!("message {}{}", author.escape_ascii(), payload.escape_ascii())
                }
                Piece::Notice(text) => format!("notice {}", text.escape_ascii()),
                other => format!("{other:?}").split(['(', ' ']).next().unwrap_or_default().to_lowercase(),
            });
            at += length;
        }
        kept.drain(..at);
    }
    assert!(kept.is_empty(), "left over: {}", kept.escape_ascii());
    found
}

/// `stream` is `expected`, in one piece, cut anywhere once, cut anywhere twice, and byte by byte.
fn check(protocol: Protocol, stream: &[u8], expected: &[&str]) {
    let wire = wire(protocol);
    assert_eq!(pieces(&wire, stream, &[]), expected, "whole");
    for first in 0..stream.len() {
        assert_eq!(pieces(&wire, stream, &[first]), expected, "cut at {first}");
        for second in first..stream.len() {
            assert_eq!(pieces(&wire, stream, &[first, second]), expected, "cut at {first} and {second}");
        }
    }
    assert_eq!(pieces(&wire, stream, &(0..stream.len()).collect::<Vec<_>>()), expected, "byte by byte");
}

fn message() -> String {
    format!("message {}", PAYLOAD.escape_ascii())
}

#[test]
fn uproar_publishes_a_line_and_welcomes_with_one() {
    let wire = wire(Protocol::Uproar);
    assert!(wire.hello(3, true).is_empty());
    assert_eq!(published(&wire), concat(&[PAYLOAD, b"\n"]));
    assert_eq!(wire.delivery_bytes(), LINE_BYTES);
    let welcome = b"> Connected to the chat server (1 user online)\n";
    for cut in 0..welcome.len() {
        assert!(!uproar::is_welcome(&welcome[..cut]), "{cut}");
    }
    assert!(uproar::is_welcome(welcome));
    assert!(!uproar::is_welcome(b"! the house is full\n"));
}

#[test]
fn uproar_is_asked_for_a_room_and_confirms_it() {
    let wire = Wire::new(Protocol::Uproar, LINE_BYTES, Some("b07".to_string()));
    assert!(wire.hello(3, true).is_empty());
    assert_eq!(wire.join().unwrap(), b"/join b07\n");
    assert_eq!(self::wire(Protocol::Uproar).join(), None, "the first room is nobody's wish");
    let heard = b"> Connected to the chat server (2 users online)\n> New user 127.0.0.1:5 entered. (3 users online)\n\
        < The user 127.0.0.1:5 left (2 users online)\n> Joined b07 (4 users online)\n";
    let confirmation = heard.windows(8).position(|bytes| bytes == b"> Joined").unwrap();
    for cut in 0..heard.len() {
        assert_eq!(wire.confirmation(&heard[..cut]), None, "{cut}");
    }
    assert_eq!(wire.confirmation(heard), Some(confirmation));
    assert_eq!(uproar::last_line(heard), confirmation);
    assert_eq!((uproar::last_line(b""), uproar::last_line(b"> Conn"), uproar::last_line(b"a\nb")), (0, 0, 0));
    for other in ["> Joined b070 (4 users online)\n", "! Joined b07 (4 users online)\n", "[x] > Joined b07 (4\n"] {
        assert_eq!(wire.confirmation(other.as_bytes()), None, "{other}");
    }
    assert_eq!(published(&wire), concat(&[PAYLOAD, b"\n"]), "in any room a line is a line");
}

#[test]
fn peers_have_a_channel_a_room_and_hear_no_other() {
    let rooms = ["b1", "b2"].map(|room| {
        [Protocol::Redis, Protocol::Nats, Protocol::Mqtt]
            .map(|protocol| Wire::new(protocol, LINE_BYTES, Some(room.to_string())))
    });
    assert_eq!(rooms[0][0].hello(3, false), b"*2\r\n$9\r\nSUBSCRIBE\r\n$2\r\nb1\r\n");
    assert_eq!(published(&rooms[0][1]), concat(&[b"PUB b1 32\r\n", PAYLOAD, b"\r\n"]));
    for (one, other) in rooms[0].iter().zip(&rooms[1]) {
        assert_eq!(one.join(), None);
        let delivery = concat(&[&one.delivery_head, PAYLOAD, one.delivery_end]);
        assert_eq!(one.next(&delivery), Some((Piece::unsigned(PAYLOAD), delivery.len())));
        assert!(matches!(other.next(&delivery), Some((Piece::Strange(_), _))), "{:?}", one.protocol);
        assert_eq!(one.delivery_bytes(), other.delivery_bytes());
    }
}

#[test]
fn redis_says_what_its_clients_say() {
    let wire = wire(Protocol::Redis);
    assert_eq!(wire.hello(3, false), b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nroom\r\n");
    let publisher = concat(&[
        b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n",
        b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nroom\r\n",
        b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n",
    ]);
    assert_eq!(wire.hello(3, true), publisher);
    assert_eq!(published(&wire), concat(&[b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n$32\r\n", PAYLOAD, b"\r\n"]));
}

#[test]
fn redis_is_understood_however_it_is_cut() {
    let delivery = concat(&[b"*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$32\r\n", PAYLOAD, b"\r\n"]);
    assert_eq!(wire(Protocol::Redis).delivery_bytes(), delivery.len());
    let listener = concat(&[b"*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n", &delivery, &delivery]);
    check(Protocol::Redis, &listener, &["joined", &message(), &message()]);
    let push = concat(&[b">3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$32\r\n", PAYLOAD, b"\r\n"]);
    let hello = b"%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$7\r\nmodules\r\n*0\r\n";
    let publisher = concat(&[hello, b">3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n", &push]);
    check(Protocol::Redis, &publisher, &["nothing", "joined", &message()]);
    let others =
        b"+OK\r\n$-1\r\n:1000\r\n*3\r\n$7\r\nmessage\r\n$3\r\nbar\r\n$1\r\nx\r\n-ERR max number of clients reached\r\n";
    let expected = ["nothing", "nothing", "nothing", "strange", "notice -ERR max number of clients reached"];
    check(Protocol::Redis, others, &expected);
}

#[test]
fn what_is_no_resp_is_strange() {
    for stream in [&b"hello\r\n"[..], b"*x\r\n", b"$3\r\nabcd\r\n", b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"] {
        assert!(
            matches!(wire(Protocol::Redis).next(stream), Some((Piece::Strange(_), _))),
            "{}",
            stream.escape_ascii()
        );
    }
}

#[test]
fn nats_says_what_its_clients_say() {
    let wire = wire(Protocol::Nats);
    let hello = br#"CONNECT {"verbose":false,"pedantic":false,"echo":false,"lang":"rust","version":"0","protocol":1}"#;
    assert_eq!(wire.hello(3, true), concat(&[hello, b"\r\nSUB room 1\r\nPING\r\n"]));
    assert_eq!(wire.hello(3, false), wire.hello(4, true));
    assert_eq!(published(&wire), concat(&[b"PUB room 32\r\n", PAYLOAD, b"\r\n"]));
    assert_eq!(wire.pong(b""), b"PONG\r\n");
}

#[test]
fn nats_is_understood_however_it_is_cut() {
    let delivery = concat(&[b"MSG room 1 32\r\n", PAYLOAD, b"\r\n"]);
    assert_eq!(wire(Protocol::Nats).delivery_bytes(), delivery.len());
    let stream = concat(&[b"INFO {\"server_id\":\"a b\"}\r\nPONG\r\n", &delivery, b"PING\r\n", &delivery]);
    check(Protocol::Nats, &stream, &["nothing", "joined", &message(), "ping", &message()]);
    let with_reply = concat(&[b"MSG room 1 answer 32\r\n", PAYLOAD, b"\r\n"]);
    check(Protocol::Nats, &with_reply, &[&message()]);
    let others = b"+OK\r\nMSG bar 1 1\r\nx\r\nMSG room 2 1\r\nx\r\nMSG 1\r\nHUH\r\n-ERR 'Slow Consumer'\r\n";
    let expected = ["nothing", "strange", "strange", "strange", "strange", "notice -ERR \\'Slow Consumer\\'"];
    check(Protocol::Nats, others, &expected);
}

#[test]
fn mqtt_says_what_its_clients_say() {
    let wire = wire(Protocol::Mqtt);
    let connect = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x03m12";
    let subscribe = b"\x82\x0a\x00\x01\x00\x00\x04room\x04";
    assert_eq!(wire.hello(12, false), concat(&[connect, subscribe]));
    assert_eq!(published(&wire), concat(&[b"\x30\x27\x00\x04room\x00", PAYLOAD]));
}

#[test]
fn mqtt_is_understood_however_it_is_cut() {
    let delivery = concat(&[b"\x30\x27\x00\x04room\x00", PAYLOAD]);
    assert_eq!(wire(Protocol::Mqtt).delivery_bytes(), delivery.len());
    let acknowledged = b"\x20\x06\x00\x00\x03\x22\x00\x0a\x90\x04\x00\x01\x00\x00";
    check(
        Protocol::Mqtt,
        &concat(&[acknowledged, &delivery, &delivery]),
        &["nothing", "joined", &message(), &message()],
    );
    // A property: 0x02 and four bytes, when the message expires.
    let with_property = concat(&[b"\x30\x2c\x00\x04room\x05\x02\x00\x00\x00\x09", PAYLOAD]);
    check(Protocol::Mqtt, &with_property, &[&message()]);
    let others = b"\xd0\x00\x30\x06\x00\x03bar\x00\x20\x03\x00\x87\x00\x90\x04\x00\x01\x00\x87\xe0\x02\x97\x00";
    let expected = [
        "nothing",
        "strange",
        "notice  \\x03\\x00\\x87\\x00",
        "notice \\x90\\x04\\x00\\x01\\x00\\x87",
        "notice \\xe0\\x02\\x97\\x00",
    ];
    check(Protocol::Mqtt, others, &expected);
}

#[test]
fn mqtt_lengths_take_as_many_bytes_as_they_need() {
    // The topic and the properties are seven bytes of the length.
    let cases: [(usize, &[u8]); 5] =
        [(0, &[0x07]), (120, &[0x7f]), (121, &[0x80, 1]), (16_376, &[0xff, 0x7f]), (60_000, &[0xe7, 0xd4, 3])];
    for (payload_bytes, length) in cases {
        let wire = Wire::new(Protocol::Mqtt, payload_bytes + 1, None);
        assert!(wire.delivery_head[1..].starts_with(length), "{payload_bytes}");
        let payload = vec![b'x'; payload_bytes];
        let stream = [&wire.delivery_head[..], &payload].concat();
        assert_eq!(mqtt::next(ROOM, &stream), Some((Piece::unsigned(&payload), stream.len())));
        assert_eq!(wire.next(&stream), mqtt::next(ROOM, &stream));
    }
}

const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A frame of a server.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    concat(&[&websocket::header(opcode, payload.len()), payload])
}

#[test]
fn a_browser_asks_for_the_room_and_says_a_line_in_a_masked_frame() {
    let wire = wire(Protocol::Websocket);
    let hello = String::from_utf8(wire.hello(3, true)).unwrap();
    assert!(hello.starts_with("GET /ws?room=lobby HTTP/1.1\r\nHost: ") && hello.ends_with("\r\n\r\n"), "{hello}");
    assert_eq!(wire.join(), None);
    let mut said = published(&wire);
    assert_eq!(said[..6], *b"\x81\xa0\x37\xfa\x21\x3d", "{}", said.escape_ascii());
    websocket::mask(&mut said[6..]);
    assert_eq!(said[6..], *PAYLOAD);
    let other = Wire::new(Protocol::Websocket, LINE_BYTES, Some("few".to_string()));
    assert!(other.hello(3, true).starts_with(b"GET /ws?room=few "));
    let other = Wire::new(Protocol::WebsocketPlain, LINE_BYTES, None).with(Some("/chat".to_string()), 0);
    assert!(other.hello(3, true).starts_with(b"GET /chat "));
}

#[test]
fn a_web_door_is_understood_however_it_is_cut() {
    let object = |text: &str| frame(websocket::TEXT, text.as_bytes());
    let text = String::from_utf8_lossy(PAYLOAD);
    let message =
        format!(r#"{{"n":48212,"t":1732448000123,"kind":"message","from":"127.0.0.1:5","id":"9f","text":"{text}"}}"#);
    let stream = concat(&[
        HEAD,
        &object(r#"{"n":0,"t":1,"kind":"welcome","id":"9","room":"lobby","epoch":"5","name":"a","online":3}"#),
        &object(&message),
        b"\x8a\x00\x89\x01x",
        &object(r#"{"kind":"missed","from":3,"to":4,"count":2}"#),
        b"\x88\x02\x03\xe9",
    ]);
    let said = format!("message 127.0.0.1:5{text}");
    check(Protocol::Websocket, &stream, &["nothing", "joined", &said, "presence", "ping", "missed", "closed"]);
}

#[test]
fn a_plain_websocket_is_understood_however_it_is_cut() {
    let delivery = frame(websocket::TEXT, PAYLOAD);
    assert_eq!(wire(Protocol::WebsocketPlain).delivery_bytes(), delivery.len());
    let stream = concat(&[HEAD, &delivery, &frame(websocket::BINARY, PAYLOAD), &delivery]);
    check(Protocol::WebsocketPlain, &stream, &["welcomed", &message(), &message(), &message()]);
    let refused = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    check(Protocol::WebsocketPlain, refused, &["notice HTTP/1.1 503 Service Unavailable"]);
}

#[test]
fn nats_in_frames_is_understood_however_these_divide_it() {
    let wire = wire(Protocol::WebsocketNats);
    assert!(wire.hello(3, true).starts_with(b"GET / "));
    let mut join = wire.join().unwrap();
    assert_eq!(join[..2], [0x82, 0x80 | (join.len() - 6) as u8]);
    websocket::mask(&mut join[6..]);
    assert!(join[6..].starts_with(b"CONNECT {") && join.ends_with(b"SUB room 1\r\nPING\r\n"));
    let delivery = concat(&[b"MSG room 1 32\r\n", PAYLOAD, b"\r\n"]);
    let (first, second) = delivery.split_at(20);
    let stream = concat(&[
        HEAD,
        &frame(websocket::BINARY, b"INFO {}\r\nPO"),
        &frame(websocket::BINARY, b"NG\r\n"),
        &frame(websocket::BINARY, &concat(&[&delivery, first])),
        b"\x8a\x00",
        &frame(websocket::BINARY, &concat(&[second, b"PING\r\n"])),
    ]);
    check(Protocol::WebsocketNats, &stream, &["welcomed", "nothing", "joined", &message(), &message(), "ping"]);
}

#[test]
fn irc_says_what_its_clients_say() {
    let wire = wire(Protocol::Irc).with(None, 40);
    assert_eq!(wire.hello(12, true), b"NICK b14000012\r\nUSER bench 0 * :bench\r\n");
    assert_eq!(wire.join().unwrap(), b"JOIN #lobby\r\n");
    assert_eq!(published(&wire), concat(&[b"PRIVMSG #lobby :", PAYLOAD, b"\r\n"]));
    assert_eq!(wire.pong(b"abc"), b"PONG :abc\r\n");
}

#[test]
fn irc_is_understood_however_it_is_cut() {
    let text = String::from_utf8_lossy(PAYLOAD);
    let stream = format!(
        ":irc.x NOTICE * :*** Looking up your hostname\r\nPING :cookie\r\n:irc.x 001 me :Welcome\r\n:irc.x 422 me :no MOTD\r\n\
         :me!~b@h JOIN :#lobby\r\n:irc.x 353 me = #lobby :me\r\n:irc.x 366 me #lobby :End of /NAMES list.\r\n\
         :b14000012!~b@127.0.0.1 PRIVMSG #lobby :{text}\r\n:a!b@c PRIVMSG #lobby :hello\r\n:a!b@c PRIVMSG #other :{text}\r\n\
         :irc.x NOTICE me :you missed 12 messages\r\n:irc.x NOTICE #lobby :slow down: a bit\r\n:irc.x NOTICE #lobby :3 users entered\r\n:irc.x 433 * me :in use\r\n\
         :a!b@c PRIVMSG me :{text}\r\nERROR :Closing link\r\nhuh\r\n"
    );
    let said = format!("message b14000012{text}");
    let wire = wire(Protocol::Irc);
    let expected: Vec<&str> = vec![
        "word",
        "ping",
        "welcomed",
        "nothing",
        "presence",
        "nothing",
        "joined",
        &said,
        "message ahello",
        "strange",
        "missed",
        "word",
        "presence",
        "notice :irc.x 433 * me :in use",
        "strange",
        "notice ERROR :Closing link",
        "strange",
    ];
    for cut in 0..stream.len() {
        assert_eq!(pieces(&wire, stream.as_bytes(), &[cut]), expected, "cut at {cut}");
    }
    assert_eq!(pieces(&wire, stream.as_bytes(), &(0..stream.len()).collect::<Vec<_>>()), expected, "byte by byte");
    let trick = format!(":a!b@c PRIVMSG #lobby :x PRIVMSG #lobby :{text}\r\n");
    assert!(
        matches!(wire.next(trick.as_bytes()), Some((Piece::Message { author: b"a", payload }, _)) if payload.len() > PAYLOAD.len())
    );
}

#[test]
fn no_bytes_make_a_parser_panic_or_stand_still() {
    let samples: [&[u8]; 8] = [
        b"*3\r\n$18446744073709551615\r\n",
        b"*99999999999999999999\r\n",
        b"$-2\r\n",
        b"MSG room 1 18446744073709551615\r\n",
        b"\x30\xff\xff\xff\xff\x01",
        b"\x30\x00",
        b"\r\n",
        b"\x90\x00",
    ];
    for protocol in PEERS {
        for sample in samples {
            if let Some((piece, length)) = wire(protocol).next(sample) {
                assert!(length > 0 && length <= sample.len(), "{protocol:?} {piece:?}");
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_taken_for_something(stream in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100)) {
        for protocol in PEERS {
            if let Some((_, length)) = wire(protocol).next(&stream) {
                proptest::prop_assert!(length > 0 && length <= stream.len());
            }
        }
    }
}
