//! What is said: to a room and to one alone, between clients of IRC and members at terminals.

use super::super::{Draft, case, reads, reads_until, sends};
use super::{Steps, at_terminal, in_room, registers};

pub(super) fn talk() -> Vec<(&'static str, Draft)> {
    vec![
        (
            "RFC 2812 3.3.1; modern: PRIVMSG message",
            case(
                "irc: clients of IRC and members at terminals hear each other",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    at_terminal("t", "{~den}"),
                    vec![
                        sends("a", "PRIVMSG #{~den} :hi :there\r\nPRIVMSG #{~den} :\x01ACTION waves\x01\r\nPRIVMSG #{~den} //x\r\n"),
                        reads("t", &["[{~bob}] hi :there", "* {~bob} waves", "[{~bob}] //x"]),
                        sends("t", "/nick {~tim}\n:hello\n/me dances\n"),
                        reads_until("a", ":{?address}!~u@uproar NICK :{~tim}"),
                        reads("a", &[
                            ":{~tim}!~u@uproar PRIVMSG #{~den} ::hello",
                            ":{~tim}!~u@uproar PRIVMSG #{~den} :\x01ACTION dances\x01",
                        ]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "modern: CTCP; RFC 2812 2.3.1",
            case(
                "irc: nobody at a terminal can ask by CTCP or begin a line of their own",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    at_terminal("t", "{~den}"),
                    vec![
                        sends("t", "/nick {~tim}\n\x01VERSION\x01\nx\r:uproar 001 x\0 :y\n/me \x01x\x01\n"),
                        reads_until("a", ":{?address}!~u@uproar NICK :{~tim}"),
                        reads("a", &[
                            ":{~tim}!~u@uproar PRIVMSG #{~den} :VERSION",
                            ":{~tim}!~u@uproar PRIVMSG #{~den} :x:uproar 001 x :y",
                            ":{~tim}!~u@uproar PRIVMSG #{~den} :\x01ACTION x\x01",
                        ]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "modern: CTCP",
            case(
                "irc: of what is asked by CTCP an ACTION alone is passed on",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    in_room("b", "{~eve}", "{~den}"),
                    vec![
                        reads("a", &[":{~eve}!~u@uproar JOIN #{~den}"]),
                        sends("b", "PRIVMSG #{~den} :\x01VERSION\x01\r\nPRIVMSG {~bob} :\x01PING 1\x01\r\n"),
                        reads("b", &[":uproar NOTICE {~eve} :CTCP is not passed on, but for ACTION"; 2]),
                        sends("b", "NOTICE {~bob} :\x01VERSION x\x01\r\nPRIVMSG #{~den} :a\x01b\r\n"),
                        reads("a", &[":{~eve}!~u@uproar PRIVMSG #{~den} :ab"]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.3.1; modern: PRIVMSG message",
            case(
                "irc: something is said to one alone both ways, and to one that has chosen no name",
                [
                    registers("a", "{~bob}"),
                    at_terminal("t", "{~den}"),
                    registers("b", "{~eve}"),
                    vec![
                        sends("t", "/msg {~bob} psst\n"),
                        reads("t", &["! sent to {~bob}"]),
                        reads("a", &[":{?address}!~u@uproar PRIVMSG {~bob} :psst"]),
                        sends("a", "PRIVMSG {?address} :yes?\r\nPRIVMSG {?address} :\x01ACTION nods\x01\r\n"),
                        reads("t", &["[{~bob} to you] yes?", "[{~bob} to you] * nods"]),
                        sends("b", "PRIVMSG {~bob} :\u{200b}\r\nPRIVMSG {~bob} :hi\r\nNOTICE {~bob} :ho\r\n"),
                        reads("a", &[
                            ":{~eve}!~u@uproar PRIVMSG {~bob} :hi",
                            ":{~eve}!~u@uproar PRIVMSG {~bob} :ho",
                        ]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.3.1 (401, 403, 404, 407, 411, 412)",
            case(
                "irc: what cannot be said is answered by a number",
                [
                    in_room("b", "{~eve}", "{~den}"),
                    registers("a", "{~bob}"),
                    vec![
                        sends("a", "PRIVMSG {~nobody} :x\r\nPRIVMSG #{~none} :x\r\nPRIVMSG #{~den} :x\r\n"),
                        reads("a", &[
                            ":uproar 401 {~bob} {~nobody} :No such nick/channel",
                            ":uproar 403 {~bob} #{~none} :No such channel",
                            ":uproar 404 {~bob} #{~den} :Cannot send to channel",
                        ]),
                        sends("a", "PRIVMSG {~eve},{~bob} :x\r\nPRIVMSG\r\nPRIVMSG {~eve}\r\nPRIVMSG {~eve} :\r\n"),
                        reads("a", &[
                            ":uproar 407 {~bob} {~eve},{~bob} :Too many targets",
                            ":uproar 411 {~bob} :No recipient given (PRIVMSG)",
                            ":uproar 412 {~bob} :No text to send",
                            ":uproar 412 {~bob} :No text to send",
                        ]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.3.2; modern: NOTICE message",
            case(
                "irc: a NOTICE is said like anything else and never answered",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    in_room("b", "{~eve}", "{~den}"),
                    vec![
                        reads("a", &[":{~eve}!~u@uproar JOIN #{~den}"]),
                        sends("a", "NOTICE\r\nNOTICE x\r\nNOTICE {~nobody} :x\r\nNOTICE #{~none} :x\r\nNOTICE #{~den} :hi\r\nPING :x\r\n"),
                        reads("a", &[":uproar PONG uproar :x"]),
                        reads("b", &[":{~bob}!~u@uproar PRIVMSG #{~den} :hi"]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 2.3 (512 bytes); modern: UTF8ONLY",
            case(
                "irc: a long text of somebody at a terminal is several lines, cut between characters",
                [
                    registers("a", "bob"),
                    at_terminal("t", "den"),
                    vec![
                        sends("t", "/nick tim\n"),
                        reads_until("t", "! you are tim"),
                        sends("a", "JOIN #den\r\n"),
                        reads_until("a", ":uproar 366 bob #den :End of /NAMES list."),
                        sends("t", format!("{}\n/me {}\n", "\u{e9}".repeat(500), "x".repeat(500))),
                        // 510 bytes, of which 29 are in front of the text.
                        reads("a", &[
                            &format!(":tim!~u@uproar PRIVMSG #den :{}", "\u{e9}".repeat(240)),
                            &format!(":tim!~u@uproar PRIVMSG #den :{}", "\u{e9}".repeat(240)),
                            &format!(":tim!~u@uproar PRIVMSG #den :{}", "\u{e9}".repeat(20)),
                            &format!(":tim!~u@uproar PRIVMSG #den :\x01ACTION {}\x01", "x".repeat(472)),
                            &format!(":tim!~u@uproar PRIVMSG #den :\x01ACTION {}\x01", "x".repeat(28)),
                        ]),
                    ],
                ]
                .concat_steps(),
            )
            .alone(),
        ),
        (
            "RFC 2812 3.1.2; modern: NICK message",
            case(
                "irc: another name is told to its member and to those that are with it",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    in_room("b", "{~eve}", "{~den}"),
                    at_terminal("t", "{~den}"),
                    vec![
                        reads("a", &[":{~eve}!~u@uproar JOIN #{~den}", ":{?address}!~u@uproar JOIN #{~den}"]),
                        reads("b", &[":{?address}!~u@uproar JOIN #{~den}"]),
                        sends("a", "NICK {~rob}\r\nNICK {~rob}\r\nPRIVMSG #{~den} :it is me\r\nPING :x\r\n"),
                        reads("a", &[":{~bob}!~u@uproar NICK :{~rob}", ":uproar PONG uproar :x"]),
                        reads("b", &[
                            ":{~bob}!~u@uproar NICK :{~rob}",
                            ":{~rob}!~u@uproar PRIVMSG #{~den} :it is me",
                        ]),
                        reads_until("t", "[{~rob}] it is me"),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "modern: PRIVMSG message (a key is uproar's own)",
            case(
                "irc: what may be the operators' key is not said",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    vec![
                        sends("a", "PRIVMSG #{~den} :/op secret\r\nPRIVMSG {~bob} : /OP secret\r\n"),
                        reads("a", &[
                            ":uproar NOTICE {~bob} :this looks like the operators' key and was not said: /oper NAME KEY";
                            2
                        ]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "modern: PRIVMSG message (hidden addresses are uproar's own)",
            case(
                "irc: a line tells nothing of an address that is hidden",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    at_terminal("t", "{~den}"),
                    vec![
                        sends("t", "hi\n"),
                        reads("a", &[
                            ":guest-{?x}!~u@uproar JOIN #{~den}",
                            ":guest-{?x}!~u@uproar PRIVMSG #{~den} :hi",
                        ]),
                        sends("a", "WHOIS guest-{?x}\r\n"),
                        reads("a", &[
                            ":uproar 311 {~bob} guest-{?x} ~u uproar * :guest-{?x}",
                            ":uproar 319 {~bob} guest-{?x} :#{~den}",
                        ]),
                    ],
                ]
                .concat_steps(),
            )
            .with(&["--hide-addresses"]),
        ),
        (
            "modern: ERR_INPUTTOOLONG (417)",
            case(
                "irc: a text is no longer than --line-bytes",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    in_room("b", "{~eve}", "{~den}"),
                    vec![
                        reads("a", &[":{~eve}!~u@uproar JOIN #{~den}"]),
                        sends("a", "PRIVMSG #{~den} :12345678901234567\r\nPRIVMSG #{~den} :1234567890123456\r\n"),
                        reads("a", &[":uproar 417 {~bob} :Input line was too long"]),
                        reads("b", &[":{~bob}!~u@uproar PRIVMSG #{~den} :1234567890123456"]),
                    ],
                ]
                .concat_steps(),
            )
            .with(&["--line-bytes", "16"]),
        ),
    ]
}
