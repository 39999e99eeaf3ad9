//! What operators do by IRC.

use super::super::Step::Ends;
use super::super::{Draft, KEY_FILE, Step, case, reads, reads_until, sends};
use super::{Steps, at_terminal, in_room, registers};

const WITH_KEY: &[&str] = &["--operator-key", KEY_FILE];

/// A client is an operator from now on.
fn is_operator(who: &'static str, name: &str) -> Vec<Step> {
    vec![
        sends(who, format!("OPER {name} :correct horse battery\r\n")),
        reads_until(who, &format!(":uproar 381 {name} :You are now an IRC operator")),
    ]
}

pub(super) fn operators() -> Vec<(&'static str, Draft)> {
    vec![
        (
            "RFC 2812 3.1.4 (491)",
            case(
                "irc: without a key there are no operators",
                [
                    registers("a", "{~bob}"),
                    vec![
                        sends("a", "OPER {~bob} :correct horse battery\r\n"),
                        reads("a", &[":uproar 491 {~bob} :No O-lines for your host"]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.1.4, 3.2.3 (381, 464, 221)",
            case(
                "irc: the key makes an operator, of whom the room is told when it asks",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    vec![
                        sends("a", "OPER {~bob} wrong\r\n"),
                        reads("a", &[":uproar 464 {~bob} :Password incorrect"]),
                        sends("a", "OPER {~bob} :correct horse battery\r\n"),
                        reads(
                            "a",
                            &[":uproar 381 {~bob} :You are now an IRC operator", ":uproar MODE #{~den} +o {~bob}"],
                        ),
                        sends("a", "MODE {~bob}\r\nNAMES #{~den}\r\nWHO #{~den}\r\nMODE #{~den} +o {~bob}\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 221 {~bob} +o",
                                ":uproar 353 {~bob} = #{~den} :@{~bob}",
                                ":uproar 366 {~bob} #{~den} :End of /NAMES list.",
                                ":uproar 352 {~bob} #{~den} ~u uproar uproar {~bob} H*@ :0 {~bob}",
                                ":uproar 315 {~bob} #{~den} :End of /WHO list.",
                                ":uproar NOTICE {~bob} :only the operators' key makes operators: /oper NAME KEY",
                            ],
                        ),
                    ],
                ]
                .concat_steps(),
            )
            .with(WITH_KEY),
        ),
        (
            "RFC 2812 3.2.4 (332, 333)",
            case(
                "irc: an operator sets the topic, and all are told",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    in_room("b", "{~eve}", "{~den}"),
                    vec![reads("a", &[":{~eve}!~u@uproar JOIN #{~den}"])],
                    is_operator("a", "{~bob}"),
                    vec![
                        reads("a", &[":uproar MODE #{~den} +o {~bob}"]),
                        sends("a", "TOPIC #{~den} :tea\r\nTOPIC #{~den}\r\n"),
                        reads(
                            "a",
                            &[
                                ":{~bob}!~u@uproar TOPIC #{~den} :tea",
                                ":uproar 332 {~bob} #{~den} :tea",
                                ":uproar 333 {~bob} #{~den} {~bob}!~u@uproar {?time}",
                            ],
                        ),
                        reads("b", &[":{~bob}!~u@uproar TOPIC #{~den} :tea"]),
                    ],
                    registers("c", "{~cat}"),
                    vec![
                        sends("c", "JOIN #{~den}\r\n"),
                        reads(
                            "c",
                            &[
                                ":{~cat}!~u@uproar JOIN #{~den}",
                                ":uproar 332 {~cat} #{~den} :tea",
                                ":uproar 333 {~cat} #{~den} {~bob}!~u@uproar {?time}",
                                ":uproar 353 {~cat} = #{~den} :@{~bob} {~eve} {~cat}",
                            ],
                        ),
                        sends("a", "TOPIC #{~den} :\r\n"),
                        reads_until("b", ":{~bob}!~u@uproar TOPIC #{~den} :"),
                        sends("b", "TOPIC #{~den}\r\n"),
                        reads("b", &[":uproar 331 {~eve} #{~den} :No topic is set"]),
                    ],
                ]
                .concat_steps(),
            )
            .with(WITH_KEY),
        ),
        (
            "RFC 2812 3.2.3 (+m, 404)",
            case(
                "irc: +m is a room in which operators alone may speak",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    in_room("b", "{~eve}", "{~den}"),
                    at_terminal("t", "{~den}"),
                    vec![reads("a", &[":{~eve}!~u@uproar JOIN #{~den}", ":{?t}!~u@uproar JOIN #{~den}"])],
                    is_operator("a", "{~bob}"),
                    vec![
                        reads("a", &[":uproar MODE #{~den} +o {~bob}"]),
                        reads("b", &[":{?t}!~u@uproar JOIN #{~den}"]),
                        sends("a", "MODE #{~den} +m\r\nMODE #{~den}\r\n"),
                        reads("a", &[":uproar 324 {~bob} #{~den} +mnt", ":{~bob}!~u@uproar MODE #{~den} +m"]),
                        reads("b", &[":{~bob}!~u@uproar MODE #{~den} +m"]),
                        reads("t", &["> {~bob} set the room to operators only"]),
                        sends("b", "PRIVMSG #{~den} :x\r\nNOTICE #{~den} :x\r\n"),
                        reads(
                            "b",
                            &[":uproar 404 {~eve} #{~den} :only operators may speak here: this line was not said"],
                        ),
                        sends("a", "PRIVMSG #{~den} :mine\r\nMODE #{~den} -m\r\n"),
                        reads("b", &[":{~bob}!~u@uproar PRIVMSG #{~den} :mine", ":{~bob}!~u@uproar MODE #{~den} -m"]),
                    ],
                ]
                .concat_steps(),
            )
            .with(WITH_KEY),
        ),
        (
            "RFC 2812 3.2.8, 3.7.1; modern: KICK message",
            case(
                "irc: who is kicked is told by whom and closed",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    in_room("b", "{~eve}", "{~den}"),
                    vec![
                        sends("b", "KICK #{~den} {~bob}\r\n"),
                        reads("b", &[":uproar 482 {~eve} #{~den} :You're not channel operator"]),
                        reads("a", &[":{~eve}!~u@uproar JOIN #{~den}"]),
                    ],
                    is_operator("a", "{~bob}"),
                    vec![
                        reads("a", &[":uproar MODE #{~den} +o {~bob}"]),
                        sends("a", "KICK #{~den} {~nobody}\r\nKICK #{~den} {~eve} :out\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 401 {~bob} {~nobody} :No such nick/channel",
                                ":uproar NOTICE {~bob} :kicked {~eve}",
                                ":{~eve}!~u@uproar PART #{~den}",
                            ],
                        ),
                        reads("b", &[":{~bob}!~u@uproar KICK #{~den} {~eve} :out", "ERROR :kicked by {~bob}: out"]),
                        Ends("b"),
                    ],
                ]
                .concat_steps(),
            )
            .with(WITH_KEY),
        ),
        (
            "RFC 2812 3.2.3 (+b), 5.2 (465)",
            case(
                "irc: +b is a ban, and -b lifts it",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    is_operator("a", "{~bob}"),
                    vec![
                        reads("a", &[":uproar MODE #{~den} +o {~bob}"]),
                        sends("a", "MODE #{~den} +b {~eve}!*@*\r\nMODE #{~den} +b *!*@*\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar NOTICE {~bob} :banned {~eve} without end",
                                ":uproar NOTICE {~bob} :a ban needs a name, an address or a network",
                            ],
                        ),
                    ],
                    registers("b", "{~cat}"),
                    vec![
                        sends("b", "NICK {~eve}\r\n"),
                        reads("b", &[":uproar 433 {~cat} {~eve} :Nickname is already in use"]),
                        sends("a", "MODE #{~den} -b {~eve}\r\n"),
                        reads("a", &[":uproar NOTICE {~bob} :unbanned {~eve}"]),
                        sends("b", "NICK {~eve}\r\n"),
                        reads("b", &[":{~cat}!~u@uproar NICK :{~eve}"]),
                        sends("a", "MODE #{~den} +b {~eve}\r\n"),
                        reads("b", &[":uproar 465 {~eve} :You are banned from this server"]),
                        reads_until("b", "ERROR :banned without end"),
                        Ends("b"),
                    ],
                ]
                .concat_steps(),
            )
            .with(WITH_KEY),
        ),
    ]
}
