//! Notices to one member, as the numbers that IRC has for them, or else as a NOTICE in the words of the text format.

use std::fmt::Arguments;

use super::Nick;
use super::message::{Channel, Frame, Plain};
use super::reply::{Replies, Shown};
use crate::message::{Arrival, Notice};
use crate::wire::Addressee;

/// Writes a notice.
pub fn notice(notice: Notice<'_>, to: &Addressee, out: &mut Vec<u8>) {
    let words = notice.to_string();
    let plain = Plain(&words);
    let channel = to.room.map_or_else(|| "*".to_owned(), |room| Channel(room).to_string());
    let mut replies = Replies::new(out, to.name);
    let mut numeric = |number: u16, rest: Arguments<'_>| replies.numeric(number, rest);
    match notice {
        Notice::Joined(Arrival { room, name, .. }) => replies.of_member(name, format_args!("JOIN {}", Channel(room))),
        Notice::Topic { text } => numeric(332, format_args!("{channel} :{text}")),
        Notice::NoTopic => numeric(331, format_args!("{channel} :No topic is set")),
        Notice::Motd { line } => numeric(372, format_args!(":- {line}")),
        Notice::LineTooLong { .. } => numeric(417, format_args!(":Input line was too long")),
        Notice::UnknownCommand { name } => {
            numeric(421, format_args!("{} :Unknown command", Shown(name.as_bytes())));
        }
        Notice::NameTaken { name } => {
            numeric(433, format_args!("{} :Nickname is already in use", Shown(name.as_bytes())));
        }
        Notice::Nobody { name } => numeric(401, format_args!("{} :No such nick/channel", Shown(name.as_bytes()))),
        Notice::Muted | Notice::OperatorsOnly => numeric(404, format_args!("{channel} :{plain}")),
        Notice::Operator => numeric(381, format_args!(":You are now an IRC operator")),
        Notice::WrongKey => numeric(464, format_args!(":Password incorrect")),
        Notice::NoOperators => numeric(491, format_args!(":No O-lines for your host")),
        Notice::NotOperator => numeric(481, format_args!(":Permission Denied- You're not an IRC operator")),
        Notice::Private { from, text, .. } => {
            let nick = to.name.map_or_else(|| "*".to_owned(), |name| Nick(name).to_string());
            let frame = Frame::of_member(Nick(from), "PRIVMSG", &nick);
            frame.write(text, out).expect("writing to a Vec does not fail");
        }
        // A client is told of neither: nothing else happens.
        Notice::Said { .. } | Notice::Sent { .. } => {}
        Notice::Missed { .. }
        | Notice::RoomAnew
        | Notice::SlowDown
        | Notice::SlowMode { .. }
        | Notice::History { .. }
            if to.room.is_some() =>
        {
            replies.server(format_args!("NOTICE {channel} :{plain}"));
        }
        Notice::Banned { .. } => {
            numeric(465, format_args!(":You are banned from this server"));
            replies.error(plain);
        }
        Notice::Kicked { by, why } => {
            if let (Some(name), Some(_)) = (to.name, to.room) {
                let (nick, why) = (Nick(name), if why.is_empty() { "kicked" } else { why });
                replies.of_member(by, format_args!("KICK {channel} {nick} :{why}"));
            }
            replies.error(plain);
        }
        notice if closes(&notice) => replies.error(plain),
        _ => {
            let target = to.name.map_or_else(|| "*".to_owned(), |name| Nick(name).to_string());
            let frame = Frame::of_server(&target);
            frame.write(&plain.to_string(), out).expect("writing to a Vec does not fail");
        }
    }
}

/// True for notices behind which the connection is closed.
fn closes(notice: &Notice<'_>) -> bool {
    matches!(
        notice,
        Notice::ServerFull
            | Notice::TooManyConnections
            | Notice::TooManyJoins
            | Notice::LineTimeout
            | Notice::HandshakeTimeout
            | Notice::TooManyLines
            | Notice::Foreign(_)
            | Notice::Goodbye
            | Notice::Replaced
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{MemberName, Name, RoomName};
    use crate::time::UnixTime;
    use crate::token::PublicId;
    use crate::wire::Encoding;

    fn chosen(name: &str) -> Name {
        Name::Chosen(MemberName::choose(name).expect("it may be chosen"))
    }

    fn written(told: Notice<'_>, name: Option<&str>, room: Option<&str>) -> String {
        let room = room.map(|room| RoomName::parse(room).expect("it is a name"));
        let mut out = Vec::new();
        notice(told, &Addressee { encoding: Encoding::Irc, name: name.map(chosen), room }, &mut out);
        String::from_utf8(out).expect("lines are UTF-8")
    }

    #[test]
    fn notices_have_the_numbers_that_clients_know() {
        let alice = chosen("alice");
        let arrival = Arrival {
            room: RoomName::parse("den").expect("it is a name"),
            epoch: PublicId(1),
            online: 2,
            id: PublicId(2),
            name: chosen("bob"),
            number: 3,
            time: UnixTime(4),
        };
        for (told, expected) in [
            (Notice::Joined(arrival), ":bob!~u@uproar JOIN #den\r\n"),
            (Notice::Topic { text: "tea" }, ":uproar 332 bob #den :tea\r\n"),
            (Notice::NoTopic, ":uproar 331 bob #den :No topic is set\r\n"),
            (Notice::LineTooLong { line_bytes_max: 9 }, ":uproar 417 bob :Input line was too long\r\n"),
            (Notice::NameTaken { name: "alice" }, ":uproar 433 bob alice :Nickname is already in use\r\n"),
            (Notice::Nobody { name: "a b" }, ":uproar 401 bob a :No such nick/channel\r\n"),
            (Notice::Muted, ":uproar 404 bob #den :you are muted: this line was not said\r\n"),
            (Notice::WrongKey, ":uproar 464 bob :Password incorrect\r\n"),
            (Notice::Said { number: 7, time: UnixTime(1) }, ""),
            (Notice::Sent { name: alice }, ""),
            (Notice::Missed { messages: 87, range: None }, ":uproar NOTICE #den :you missed 87 messages\r\n"),
            (Notice::NotReading { name: alice }, ":uproar NOTICE bob :alice is not reading\r\n"),
            (
                Notice::Private { from: alice, id: PublicId(1), time: UnixTime(1), text: "psst" },
                ":alice!~u@uproar PRIVMSG bob :psst\r\n",
            ),
            (
                Notice::Banned { end: "for ever" },
                ":uproar 465 bob :You are banned from this server\r\nERROR :banned for ever\r\n",
            ),
            (
                Notice::Kicked { by: alice, why: "" },
                ":alice!~u@uproar KICK #den bob :kicked\r\nERROR :kicked by alice\r\n",
            ),
            (Notice::Goodbye, "ERROR :goodbye\r\n"),
        ] {
            assert_eq!(written(told, Some("bob"), Some("den")), expected);
        }
    }

    #[test]
    fn one_that_has_no_name_and_no_room_is_told_too() {
        assert_eq!(written(Notice::ServerFull, None, None), "ERROR :the house is full\r\n");
        assert_eq!(
            written(Notice::SlowDown, None, None),
            ":uproar NOTICE * :slow down: your lines are delayed, not lost\r\n"
        );
        let kicked = Notice::Kicked { by: chosen("alice"), why: "so" };
        assert_eq!(written(kicked, Some("bob"), None), "ERROR :kicked by alice: so\r\n");
    }

    #[test]
    fn a_long_private_text_is_several_lines() {
        let from = Name::parse("[fe80:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535|255").expect("it is an address");
        let text = "\u{e9}".repeat(2048);
        let private = Notice::Private { from, id: PublicId(1), time: UnixTime(1), text: &text };
        let lines = written(private, Some("abcdefghijklmnopqrstuvwx"), None);
        let pieces: Vec<&str> = lines.split_terminator("\r\n").collect();
        assert!(pieces.iter().all(|line| line.len() <= 510));
        let texts: Vec<&str> = pieces.iter().map(|line| line.split_once(" :").expect("a text").1).collect();
        assert_eq!(texts.concat(), text);
    }
}
