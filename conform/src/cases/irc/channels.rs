//! Channels, which are rooms: joining and leaving, who is there, topics, lists, and rooms that are large.

use super::super::Step::{Joins, Leaves};
use super::super::{Draft, case, reads, reads_until, sends};
use super::{Steps, at_terminal, in_room, registers};

pub(super) fn channels() -> Vec<(&'static str, Draft)> {
    vec![
        (
            "RFC 2812 3.2.1; modern: JOIN message",
            case(
                "irc: who joins is told so, and those that are there are",
                [
                    registers("a", "{~bob}"),
                    vec![
                        sends("a", "JOIN #{~den}\r\n"),
                        reads(
                            "a",
                            &[
                                ":{~bob}!~u@uproar JOIN #{~den}",
                                ":uproar 353 {~bob} = #{~den} :{~bob}",
                                ":uproar 366 {~bob} #{~den} :End of /NAMES list.",
                            ],
                        ),
                    ],
                    registers("b", "{~eve}"),
                    vec![
                        sends("b", "JOIN #{~den}\r\n"),
                        reads(
                            "b",
                            &[
                                ":{~eve}!~u@uproar JOIN #{~den}",
                                ":uproar 353 {~eve} = #{~den} :{~bob} {~eve}",
                                ":uproar 366 {~eve} #{~den} :End of /NAMES list.",
                            ],
                        ),
                        reads("a", &[":{~eve}!~u@uproar JOIN #{~den}"]),
                        sends("b", "PART #{~den} :why\r\n"),
                        reads("b", &[":{~eve}!~u@uproar PART #{~den}"]),
                        reads("a", &[":{~eve}!~u@uproar PART #{~den}"]),
                        sends("b", "JOIN #{~den}\r\n"),
                        reads("a", &[":{~eve}!~u@uproar JOIN #{~den}"]),
                        Leaves("b"),
                        reads("a", &[":{~eve}!~u@uproar PART #{~den}"]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.2.1; modern: CHANLIMIT, ERR_TOOMANYCHANNELS (405)",
            case(
                "irc: a client is in one channel at a time",
                [
                    registers("a", "{~bob}"),
                    vec![
                        sends("a", "JOIN #{~one},#{~two}\r\n"),
                        reads_until("a", ":uproar 366 {~bob} #{~one} :End of /NAMES list."),
                        reads("a", &[":uproar 405 {~bob} #{~two} :You have joined too many channels"]),
                        sends("a", "JOIN #{~two}\r\nJOIN #{~one}\r\nJOIN 0\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 405 {~bob} #{~two} :You have joined too many channels",
                                ":{~bob}!~u@uproar PART #{~one}",
                            ],
                        ),
                        sends("a", "JOIN 0\r\nJOIN #{~two}\r\n"),
                        reads("a", &[":{~bob}!~u@uproar JOIN #{~two}"]),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.2.1, 3.2.2 (403, 442)",
            case(
                "irc: a channel that cannot be, or in which one is not, is answered by a number",
                [
                    in_room("b", "{~eve}", "{~den}"),
                    registers("a", "{~bob}"),
                    vec![
                        sends("a", "JOIN lobby\r\nJOIN #1\r\nJOIN #a.b\r\nJOIN &x\r\nPART #{~den}\r\nPART #{~two}\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 403 {~bob} lobby :No such channel",
                                ":uproar 403 {~bob} #1 :No such channel",
                                ":uproar 403 {~bob} #a.b :No such channel",
                                ":uproar 403 {~bob} &x :No such channel",
                                ":uproar 442 {~bob} #{~den} :You're not on that channel",
                                ":uproar 403 {~bob} #{~two} :No such channel",
                            ],
                        ),
                        sends("a", "TOPIC #{~den}\r\nMODE #{~den}\r\nNAMES #{~den}\r\nWHO #{~den}\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 442 {~bob} #{~den} :You're not on that channel",
                                ":uproar 442 {~bob} #{~den} :You're not on that channel",
                                ":uproar 366 {~bob} #{~den} :End of /NAMES list.",
                                ":uproar 315 {~bob} #{~den} :End of /WHO list.",
                            ],
                        ),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 2.2; modern: CASEMAPPING",
            case(
                "irc: letters of channels and nicks compare without regard to case",
                [
                    in_room("a", "{~Bob}", "{~Den}"),
                    registers("b", "{~eve}"),
                    vec![
                        sends("b", "JOIN #{~dEN}\r\n"),
                        reads(
                            "b",
                            &[
                                ":{~eve}!~u@uproar JOIN #{~Den}",
                                ":uproar 353 {~eve} = #{~Den} :{~Bob} {~eve}",
                                ":uproar 366 {~eve} #{~Den} :End of /NAMES list.",
                            ],
                        ),
                        reads("a", &[":{~eve}!~u@uproar JOIN #{~Den}"]),
                        sends("b", "PRIVMSG #{~DEN} :hi\r\nPRIVMSG {~bOB} :psst\r\n"),
                        reads_until("a", ":{~eve}!~u@uproar PRIVMSG {~Bob} :psst"),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.2.4 (331, 482)",
            case(
                "irc: a channel without a topic says so, and only operators set one",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    vec![
                        sends("a", "TOPIC #{~den}\r\nTOPIC #{~den} :tea\r\nTOPIC #{~den} :\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 331 {~bob} #{~den} :No topic is set",
                                ":uproar 482 {~bob} #{~den} :You're not channel operator",
                                ":uproar 482 {~bob} #{~den} :You're not channel operator",
                            ],
                        ),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.1.5, 3.2.3 (221, 324, 368, 472, 482, 502)",
            case(
                "irc: modes can be asked for, and not changed",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    registers("b", "{~eve}"),
                    vec![
                        sends("a", "MODE #{~den}\r\nMODE #{~den} b\r\nMODE #{~den} +b\r\nMODE #{~den} +k x\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 324 {~bob} #{~den} +nt",
                                ":uproar 368 {~bob} #{~den} :End of channel ban list",
                                ":uproar 368 {~bob} #{~den} :End of channel ban list",
                                ":uproar 472 {~bob} k :is unknown mode char to me for #{~den}",
                            ],
                        ),
                        sends("a", "MODE #{~den} +m\r\nMODE #{~den} +b {~eve}!*@*\r\nMODE #{~den} +o {~bob}\r\n"),
                        reads("a", &[":uproar 482 {~bob} #{~den} :You're not channel operator"; 3]),
                        sends("a", "MODE {~bob}\r\nMODE {~bob} +i\r\nMODE {~eve}\r\nMODE a.b\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 221 {~bob} +",
                                ":uproar 221 {~bob} +",
                                ":uproar 502 {~bob} :Cant change mode for other users",
                                ":uproar 401 {~bob} a.b :No such nick/channel",
                            ],
                        ),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.2.5, 3.2.6; modern: LIST message (321, 322, 323)",
            case(
                "irc: channels are listed, and those that are named alone",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    vec![
                        sends("a", "LIST #{~den},#{~none}\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 321 {~bob} Channel :Users  Name",
                                ":uproar 322 {~bob} #{~den} 1 :",
                                ":uproar 323 {~bob} :End of /LIST",
                            ],
                        ),
                        sends("a", "LIST >0\r\n"),
                        reads_until("a", ":uproar 323 {~bob} :End of /LIST"),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.6.1; modern: WHO message, WHOX (352, 354, 315)",
            case(
                "irc: who is in a channel can be asked for, with the fields that a client wants",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    at_terminal("t", "{~den}"),
                    vec![
                        sends("t", "/nick {~tim}\n"),
                        reads_until("t", "! you are {~tim}"),
                        reads_until("a", ":{?address}!~u@uproar NICK :{~tim}"),
                        sends("a", "WHO #{~den}\r\nWHO #{~den} %tcuhnfar,42\r\nWHO {~tim}\r\nWHO *\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 352 {~bob} #{~den} ~u uproar uproar {~bob} H :0 {~bob}",
                                ":uproar 352 {~bob} #{~den} ~u uproar uproar {~tim} H :0 {~tim}",
                                ":uproar 315 {~bob} #{~den} :End of /WHO list.",
                                ":uproar 354 {~bob} 42 #{~den} ~u uproar {~bob} H 0 :{~bob}",
                                ":uproar 354 {~bob} 42 #{~den} ~u uproar {~tim} H 0 :{~tim}",
                                ":uproar 315 {~bob} #{~den} :End of /WHO list.",
                                ":uproar 352 {~bob} * ~u uproar uproar {~tim} H :0 {~tim}",
                                ":uproar 315 {~bob} {~tim} :End of /WHO list.",
                                ":uproar 315 {~bob} * :End of /WHO list.",
                            ],
                        ),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "modern: JOIN message (history is uproar's own)",
            case(
                "irc: who joins is sent what was said before, as it was",
                [
                    at_terminal("t", "{~den}"),
                    vec![sends("t", "/nick {~tim}\none\n/me waves\nthree\n"), reads_until("t", "! you are {~tim}")],
                    registers("a", "{~bob}"),
                    vec![
                        sends("a", "JOIN #{~den}\r\n"),
                        reads_until("a", ":uproar 366 {~bob} #{~den} :End of /NAMES list."),
                        reads(
                            "a",
                            &[
                                ":{~tim}!~u@uproar PRIVMSG #{~den} :\x01ACTION waves\x01",
                                ":{~tim}!~u@uproar PRIVMSG #{~den} :three",
                            ],
                        ),
                    ],
                ]
                .concat_steps(),
            )
            .with(&["--history", "2"]),
        ),
        (
            "modern: RPL_ENDOFNAMES (366), ERR_UNAVAILRESOURCE (437)",
            case(
                "irc: there are no more channels than --rooms-max",
                [
                    registers("a", "{~bob}"),
                    vec![
                        sends("a", "JOIN #{~den}\r\n"),
                        reads("a", &[":uproar 437 {~bob} #{~den} :There are as many channels as there may be"]),
                    ],
                ]
                .concat_steps(),
            )
            .with(&["--rooms-max", "1"]),
        ),
    ]
}

pub(super) fn large_rooms() -> Vec<(&'static str, Draft)> {
    vec![(
        "modern: NAMES message (a server may leave members out)",
        case(
            "irc: in a large room joins are summed up, and the names are those of the asker alone",
            [
                in_room("a", "{~bob}", "lobby"),
                vec![
                    Joins("t"),
                    reads("a", &[":{?t}!~u@uproar JOIN #lobby"]),
                    Joins("u"),
                    reads("a", &[":uproar NOTICE #lobby :1 user entered, 0 left. (3 users online)"]),
                    sends("a", "NAMES #lobby\r\nWHO #lobby\r\n"),
                    reads(
                        "a",
                        &[
                            ":uproar 353 {~bob} = #lobby :{~bob}",
                            ":uproar 366 {~bob} #lobby :End of /NAMES list.",
                            ":uproar 352 {~bob} #lobby ~u uproar uproar {~bob} H :0 {~bob}",
                            ":uproar 315 {~bob} #lobby :End of /WHO list.",
                        ],
                    ),
                    sends("u", "/nick {~tim}\nhi\n"),
                    reads("a", &[":{~tim}!~u@uproar PRIVMSG #lobby :hi"]),
                ],
            ]
            .concat_steps(),
        )
        .with(&["--announce-max", "2"]),
    )]
}
