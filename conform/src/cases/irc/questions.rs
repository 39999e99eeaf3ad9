//! What a client may ask about members and about the server.

use super::super::{Draft, case, reads, reads_until, sends};
use super::{Steps, in_room, registers};

pub(super) fn questions() -> Vec<(&'static str, Draft)> {
    vec![
        (
            "RFC 2812 3.6.2; modern: WHOIS message (311, 312, 318, 319, 401)",
            case(
                "irc: of a member it is told which one it is, and to those that are with it where",
                [
                    in_room("a", "{~bob}", "{~den}"),
                    registers("b", "{~eve}"),
                    vec![
                        sends("b", "WHOIS {~bob}\r\nWHOIS uproar {~nobody}\r\nWHOIS\r\n"),
                        reads(
                            "b",
                            &[
                                ":uproar 311 {~eve} {~bob} ~u uproar * :{~bob}",
                                ":uproar 312 {~eve} {~bob} uproar :{?version}",
                                ":uproar 318 {~eve} {~bob} :End of /WHOIS list.",
                                ":uproar 401 {~eve} {~nobody} :No such nick/channel",
                                ":uproar 318 {~eve} {~nobody} :End of /WHOIS list.",
                                ":uproar 431 {~eve} :No nickname given",
                            ],
                        ),
                        sends("b", "JOIN #{~den}\r\n"),
                        reads_until("b", ":uproar 366 {~eve} #{~den} :End of /NAMES list."),
                        sends("b", "WHOIS {~bob}\r\n"),
                        reads_until("b", ":uproar 319 {~eve} {~bob} :#{~den}"),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 4.8, 4.9; modern: USERHOST message (302, 303)",
            case(
                "irc: which of several are here can be asked",
                [
                    registers("a", "{~bob}"),
                    registers("b", "{~eve}"),
                    vec![
                        sends(
                            "a",
                            "ISON {~eve} {~nobody} {~bob}\r\nISON :{~bob} {~eve}\r\nUSERHOST {~eve} {~nobody}\r\n",
                        ),
                        reads(
                            "a",
                            &[
                                ":uproar 303 {~bob} :{~eve} {~bob}",
                                ":uproar 303 {~bob} :{~bob} {~eve}",
                                ":uproar 302 {~bob} :{~eve}=+~u@uproar",
                            ],
                        ),
                    ],
                ]
                .concat_steps(),
            ),
        ),
        (
            "RFC 2812 3.4, 4.1; modern: LUSERS, MOTD, VERSION, TIME, AWAY messages",
            case(
                "irc: the server answers what clients ask of it",
                [
                    registers("a", "{~bob}"),
                    vec![
                        sends("a", "AWAY :out\r\nAWAY\r\nMOTD\r\nLUSERS\r\nVERSION\r\nTIME\r\n"),
                        reads(
                            "a",
                            &[
                                ":uproar 306 {~bob} :You have been marked as being away",
                                ":uproar 305 {~bob} :You are no longer marked as being away",
                                ":uproar 422 {~bob} :MOTD File is missing",
                                ":uproar 251 {~bob} :There are {?users} users and 0 invisible on 1 servers",
                                ":uproar 254 {~bob} {?rooms} :channels formed",
                                ":uproar 255 {~bob} :I have {?users} clients and 0 servers",
                                ":uproar 351 {~bob} {?version} uproar :",
                            ],
                        ),
                        reads_until("a", ":uproar 391 {~bob} uproar :{?time}"),
                    ],
                ]
                .concat_steps(),
            ),
        ),
    ]
}
