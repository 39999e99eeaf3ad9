//! How a client becomes a member, what it may ask for before, and what its lines look like.

use super::super::Step::{self, Connects, Ends, Leaves};
use super::super::{Draft, case, reads, reads_until, sends, sends_slowly};
use super::{Steps, in_room, registers};

const WELCOME: [&str; 9] = [
    ":uproar 001 {~bob} :Welcome to uproar, {~bob}!~u@uproar",
    ":uproar 002 {~bob} :Your host is uproar, running version {?version}",
    ":uproar 003 {~bob} :Rooms are channels, and you are in one at a time: /join #lobby",
    ":uproar 004 {~bob} uproar {?version} o bmnot bo",
    ":uproar 005 {~bob} CASEMAPPING=ascii CHANTYPES=# CHANLIMIT=#:1 CHANMODES=,,,mnt PREFIX=(ov)@+ NICKLEN=24 \
     CHANNELLEN=33 TOPICLEN=382 MODES=1 TARGMAX=PRIVMSG:1,NOTICE:1,WHOIS:1 NETWORK=uproar UTF8ONLY WHOX :are supported \
     by this server",
    ":uproar 251 {~bob} :There are {?users} users and 0 invisible on 1 servers",
    ":uproar 254 {~bob} {?rooms} :channels formed",
    ":uproar 255 {~bob} :I have {?users} clients and 0 servers",
    ":uproar 422 {~bob} :MOTD File is missing",
];

pub(super) fn registration() -> Vec<(&'static str, Draft)> {
    vec![
        (
            "RFC 2812 3.1 and 5.1; modern: Connection Registration",
            case(
                "irc: a client that gives a nick and a user is welcomed",
                vec![
                    Connects("a"),
                    sends("a", "NICK {~bob}\r\nUSER {~bob} 0 * :Bob B\r\n"),
                    reads("a", &WELCOME),
                    sends("a", "PING :x\r\n"),
                    reads("a", &[":uproar PONG uproar :x"]),
                ],
            ),
        ),
        (
            "RFC 2812 3.1",
            case(
                "irc: a user may come before a nick, and byte by byte",
                vec![
                    Connects("a"),
                    sends_slowly("a", b"PASS x\r\nUSER b 0 * :B\r\nNICK \r\n"),
                    reads("a", &[":uproar 431 * :No nickname given"]),
                    sends("a", "NICK {~bob}\r\n"),
                    reads("a", &WELCOME),
                ],
            ),
        ),
        (
            "RFC 2812 5.2 (451)",
            case(
                "irc: nothing is joined or said before a client is welcomed",
                vec![
                    Connects("a"),
                    sends("a", "JOIN :\r\nJOIN #{~den}\r\nPRIVMSG #{~den} :x\r\nLIST\r\nFOO\r\nPING :x\r\n"),
                    reads("a", &[":uproar 451 * :You have not registered"; 5]),
                    reads("a", &[":uproar PONG uproar :x"]),
                ],
            ),
        ),
        (
            "RFC 2812 3.1.2 (431, 432, 433)",
            case(
                "irc: a nick is a name that nobody else has",
                [
                    registers("a", "{~bob}"),
                    vec![
                        Connects("b"),
                        sends("b", "NICK\r\nNICK 123\r\nNICK a.b\r\nNICK server\r\nNICK {~bob}\r\n"),
                        reads(
                            "b",
                            &[
                                ":uproar 431 * :No nickname given",
                                ":uproar 432 * 123 :Erroneous nickname",
                                ":uproar 432 * a.b :Erroneous nickname",
                                ":uproar 432 * server :Erroneous nickname",
                                ":uproar 433 * {~bob} :Nickname is already in use",
                            ],
                        ),
                        sends("b", "NICK {~eve}\r\nUSER e 0 * :E\r\nNICK {~bob}\r\nNICK :\r\n"),
                        reads_until("b", ":uproar 422 {~eve} :MOTD File is missing"),
                        reads(
                            "b",
                            &[
                                ":uproar 433 {~eve} {~bob} :Nickname is already in use",
                                ":uproar 431 {~eve} :No nickname given",
                            ],
                        ),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.1.3 (461, 462)",
            case(
                "irc: a user has four parameters, and is told once",
                vec![
                    Connects("a"),
                    sends("a", "NICK {~bob}\r\nUSER b 0 *\r\nUSER b 0 * :B\r\nUSER b 0 * :B\r\nPASS x\r\n"),
                    reads("a", &[":uproar 461 {~bob} USER :Not enough parameters"]),
                    reads("a", &WELCOME),
                    reads("a", &[":uproar 462 {~bob} :You may not reregister"; 2]),
                ],
            ),
        ),
        (
            "RFC 2812 3.1.7; modern: QUIT message, ERROR message",
            case(
                "irc: a client that quits is told so and closed, also before it is welcomed",
                [
                    vec![Connects("a"), sends("a", "QUIT\r\n"), reads("a", &["ERROR :goodbye"]), Ends("a")],
                    registers("b", "{~bob}"),
                    vec![sends("b", "QUIT :bye\r\n"), reads("b", &["ERROR :goodbye"]), Ends("b")],
                ]
                .concat_steps(),
            ),
        ),
        (
            "modern: ERROR message",
            case(
                "irc: a client that sends a lot and does not register is closed",
                vec![
                    Connects("a"),
                    sends("a", "PING :x\r\n".repeat(64)),
                    reads_until("a", "ERROR :you sent too many lines before you joined"),
                    Ends("a"),
                ],
            ),
        ),
        (
            "RFC 2812 6 (a server is no web server)",
            case(
                "irc: a browser is told that this is no web server",
                vec![
                    Connects("a"),
                    sends("a", "POST /"),
                    reads("a", &["ERROR :this is a chat server, not a web server: use nc, telnet or uproar chat"]),
                    Ends("a"),
                ],
            ),
        ),
    ]
}

fn cap(line: &str) -> Step {
    reads("a", &[line])
}

pub(super) fn capabilities() -> Vec<(&'static str, Draft)> {
    vec![
        (
            "IRCv3: capability negotiation",
            case(
                "irc: a client that asks for capabilities is welcomed when it says that this is all",
                vec![
                    Connects("a"),
                    sends("a", "CAP LS 302\r\nNICK {~bob}\r\nUSER b 0 * :B\r\nPING :x\r\n"),
                    cap(":uproar CAP * LS :echo-message no-implicit-names server-time"),
                    cap(":uproar PONG uproar :x"),
                    sends(
                        "a",
                        "CAP REQ :server-time sasl\r\nCAP LIST\r\nCAP REQ :server-time\r\nCAP LIST\r\nCAP FOO\r\n",
                    ),
                    cap(":uproar CAP {~bob} NAK :server-time sasl"),
                    cap(":uproar CAP {~bob} LIST :"),
                    cap(":uproar CAP {~bob} ACK :server-time"),
                    cap(":uproar CAP {~bob} LIST :server-time"),
                    cap(":uproar 410 {~bob} FOO :Invalid CAP command"),
                    sends("a", "CAP END\r\n"),
                    reads("a", &WELCOME),
                ],
            ),
        ),
        (
            "IRCv3: server-time",
            case(
                "irc: who asks for server-time has it in front of what a room says",
                [
                    in_room("b", "{~bob}", "{~den}"),
                    registers("a", "{~eve}"),
                    vec![
                        sends("a", "CAP REQ :server-time\r\nJOIN #{~den}\r\n"),
                        reads_until("a", ":uproar 366 {~eve} #{~den} :End of /NAMES list."),
                        reads("b", &[":{~eve}!~u@uproar JOIN #{~den}"]),
                        sends("b", "PRIVMSG #{~den} :hi\r\n"),
                        reads("a", &["@time={?one} :{~bob}!~u@uproar PRIVMSG #{~den} :hi"]),
                        sends("a", "CAP REQ :-server-time\r\n"),
                        cap(":uproar CAP {~eve} ACK :-server-time"),
                        sends("b", "PRIVMSG #{~den} :hi\r\n"),
                        reads("a", &[":{~bob}!~u@uproar PRIVMSG #{~den} :hi"]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "IRCv3: echo-message",
            case(
                "irc: who asks for echo-message hears itself",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    vec![
                        sends("a", "PRIVMSG #{~den} :one\r\nCAP REQ :echo-message\r\nPING :x\r\n"),
                        reads("a", &[":uproar CAP {~bob} ACK :echo-message", ":uproar PONG uproar :x"]),
                        sends("a", "PRIVMSG #{~den} :two\r\nPRIVMSG #{~den} :\x01ACTION waves\x01\r\n"),
                        reads(
                            "a",
                            &[
                                ":{~bob}!~u@uproar PRIVMSG #{~den} :two",
                                ":{~bob}!~u@uproar PRIVMSG #{~den} :\x01ACTION waves\x01",
                            ],
                        ),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "IRCv3: no-implicit-names",
            case(
                "irc: who asks for no-implicit-names is sent no names when it joins",
                [
                    registers("a", "{~bob}"),
                    vec![
                        sends("a", "CAP REQ :no-implicit-names\r\n"),
                        cap(":uproar CAP {~bob} ACK :no-implicit-names"),
                        sends("a", "JOIN #{~den}\r\nPING :x\r\n"),
                        reads("a", &[":{~bob}!~u@uproar JOIN #{~den}", ":uproar PONG uproar :x"]),
                        sends("a", "NAMES #{~den}\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 353 {~bob} = #{~den} :{~bob}",
                                ":uproar 366 {~bob} #{~den} :End of /NAMES list.",
                            ],
                        ),
                    ],
                ]
                .concat_steps(),
            ),
        ),
    ]
}

pub(super) fn lines() -> Vec<(&'static str, Draft)> {
    vec![
        (
            "RFC 2812 2.3; modern: Message Format",
            case(
                "irc: tags and a prefix are passed over, a command is known in any case, and a line feed ends a line",
                [
                    registers("a", "{~bob}"),
                    vec![
                        sends(
                            "a",
                            "@a=b;+c :{~bob}!x@y  ping   :one  two \r\nPiNg three\n\r\n \r\n@a\r\n:x\r\nPING 4\r\n",
                        ),
                        reads(
                            "a",
                            &[":uproar PONG uproar :one  two ", ":uproar PONG uproar :three", ":uproar PONG uproar :4"],
                        ),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 2.3; modern: ERR_INPUTTOOLONG (417); IRCv3 message tags: Size limit",
            case(
                "irc: a line of more than 512 bytes, or of more than 4096 bytes of tags, is not taken",
                [
                    registers("a", "{~bob}"),
                    vec![
                        sends("a", format!("PING :{}\r\n", "x".repeat(504))),
                        reads("a", &[&format!(":uproar PONG uproar :{}", "x".repeat(489))]),
                        sends("a", format!("PING :{}\r\n", "x".repeat(505))),
                        reads("a", &[":uproar 417 {~bob} :Input line was too long"]),
                        sends("a", format!("@{} PING :tags\r\n", "x".repeat(4094))),
                        reads("a", &[":uproar PONG uproar :tags"]),
                        sends("a", format!("@{} PING :tags\r\n", "x".repeat(4095))),
                        reads("a", &[":uproar 417 {~bob} :Input line was too long"]),
                        sends("a", format!("{}\r\nPING :x\r\n", "x".repeat(9000))),
                        reads("a", &[":uproar 417 {~bob} :Input line was too long", ":uproar PONG uproar :x"]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 2.3 (a line ends with its line feed)",
            case(
                "irc: a piece is no line, also with --framing chunk",
                vec![
                    Connects("a"),
                    sends_slowly("a", b"NICK bob\r\nUSER bob 0 * :bob\r\nPING :one two\r\n"),
                    reads_until("a", ":uproar PONG uproar :one two"),
                    sends_slowly("a", b"PING :three\r\n"),
                    reads("a", &[":uproar PONG uproar :three"]),
                ],
            )
            .with(&["--framing", "chunk"]),
        ),
        (
            "RFC 2812 5.2 (421, 461, 409)",
            case(
                "irc: what is no command, or lacks something, is answered by a number",
                [
                    registers("a", "{~bob}"),
                    vec![
                        sends(
                            "a",
                            "FOO bar\r\n:x \u{202e}SUMMON\r\nJOIN\r\nPART\r\nKICK #a\r\nMODE\r\nPING\r\nOPER x\r\n",
                        ),
                        reads(
                            "a",
                            &[
                                ":uproar 421 {~bob} FOO :Unknown command",
                                ":uproar 421 {~bob} SUMMON :Unknown command",
                                ":uproar 461 {~bob} JOIN :Not enough parameters",
                                ":uproar 461 {~bob} PART :Not enough parameters",
                                ":uproar 461 {~bob} KICK :Not enough parameters",
                                ":uproar 461 {~bob} MODE :Not enough parameters",
                                ":uproar 409 {~bob} :No origin specified",
                                ":uproar 461 {~bob} OPER :Not enough parameters",
                            ],
                        ),
                        Leaves("a"),
                    ],
                ]
                .concat_steps(),
            ),
        ),
    ]
}
