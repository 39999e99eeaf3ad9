//! The IRC door: what its clients may send and must see, alone and with members at terminals.
//!
//! Members whose letter is `s` or later come by the door for text, all others by that of IRC. Lines are compared without
//! their carriage returns. Each case names what it holds a server to: a section of RFC 2812, of the modern IRC
//! specification (modern.ircdocs.horse), or of IRCv3.

mod channels;
mod operators;
mod questions;
mod registration;
mod talk;

use super::Step::{Connects, Joins};
use super::{Case, Draft, Step, about, reads_until, sends};

/// A case, and where its rule stands.
#[derive(Debug)]
pub struct IrcCase {
    pub case: Case,
    pub cites: &'static str,
}

/// True for members that come by the door for text.
pub fn is_at_terminal(who: &str) -> bool {
    who >= "s"
}

/// Every case.
pub fn cases() -> Vec<IrcCase> {
    let sections = [
        about_irc("irc-registration", registration::registration()),
        about_irc("irc-capabilities", registration::capabilities()),
        about_irc("irc-lines", registration::lines()),
        about_irc("irc-channels", channels::channels()),
        about_irc("irc-large-rooms", channels::large_rooms()),
        about_irc("irc-talk", talk::talk()),
        about_irc("irc-questions", questions::questions()),
        about_irc("irc-operators", operators::operators()),
    ];
    sections.into_iter().flatten().collect()
}

fn about_irc(section: &'static str, drafts: Vec<(&'static str, Draft)>) -> Vec<IrcCase> {
    let (cites, drafts): (Vec<_>, Vec<_>) = drafts.into_iter().unzip();
    cites.into_iter().zip(about(section, drafts)).map(|(cites, case)| IrcCase { case, cites }).collect()
}

/// A client that is called `name` and was welcomed.
fn registers(who: &'static str, name: &str) -> Vec<Step> {
    vec![
        Connects(who),
        sends(who, format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\nPING :ready\r\n")),
        reads_until(who, ":uproar PONG uproar :ready"),
    ]
}

/// The same, in a room, of which it has read the names.
fn in_room(who: &'static str, name: &str, room: &str) -> Vec<Step> {
    let joins = vec![
        sends(who, format!("JOIN #{room}\r\n")),
        reads_until(who, &format!(":uproar 366 {name} #{room} :End of /NAMES list.")),
    ];
    [registers(who, name), joins].concat_steps()
}

/// A member at a terminal in a room.
fn at_terminal(who: &'static str, room: &str) -> Vec<Step> {
    vec![Joins(who), sends(who, format!("/join {room}\n")), reads_until(who, &format!("> Joined {room} (# online)"))]
}

/// Steps one after another.
trait Steps {
    fn concat_steps(self) -> Vec<Step>;
}

impl<const N: usize> Steps for [Vec<Step>; N] {
    fn concat_steps(self) -> Vec<Step> {
        self.into_iter().flatten().collect()
    }
}
