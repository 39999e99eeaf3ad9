//! Modes, and what operators do: `+m` is that only they may speak, `+b` is a ban, and `OPER` makes one.

use super::{Nick, Server, Shown};
use crate::io::Io;
use crate::outlet::Outlet;
use crate::room::Blocked;
use crate::server::speaker::{Done, Speaker};
use crate::wire::irc::message::Channel;

/// One letter of a change, and whether it is set.
fn first_change(change: &[u8]) -> (bool, Option<u8>) {
    let letter = change.iter().copied().find(|byte| !matches!(byte, b'+' | b'-'));
    (change.first() != Some(&b'-'), letter)
}

/// Whom a mask means, as the text commands have it: a nick, or what stands behind the `@` where the nick is `*`.
fn held(mask: &[u8]) -> Option<String> {
    let mask = str::from_utf8(mask).ok()?;
    let (nick, host) = match mask.split_once('!') {
        Some((nick, rest)) => (nick, rest.split_once('@').map(|(_, host)| host)),
        None => (mask, None),
    };
    if nick != "*" {
        return Some(Nick::parse(nick).map_or_else(|| nick.to_owned(), |name| name.to_string()));
    }
    host.filter(|host| !host.is_empty() && *host != "*").map(str::to_owned)
}

impl<I: Io, W: Outlet> Server<I, W> {
    pub(super) fn irc_mode(
        &mut self,
        speaker: &mut Speaker,
        target: &[u8],
        change: Option<&[u8]>,
        argument: Option<&[u8]>,
    ) -> Result<(), Blocked> {
        if target.first() == Some(&b'#') {
            return self.irc_channel_mode(speaker, target, change, argument);
        }
        let id = speaker.id;
        let name = str::from_utf8(target).ok().and_then(Nick::parse);
        let (is_own, is_operator) = (name == Some(speaker.name), self.is_operator(id));
        // There is nothing to change. A client that asks for it, as irssi does for `+i`, is told what is.
        self.answer(id, |to| match name.is_some() {
            _ if is_own => to.numeric(221, format_args!("{}", if is_operator { "+o" } else { "+" })),
            true => to.numeric(502, format_args!(":Cant change mode for other users")),
            false => to.numeric(401, format_args!("{} :No such nick/channel", Shown(target))),
        });
        Ok(())
    }

    fn irc_channel_mode(
        &mut self,
        speaker: &mut Speaker,
        target: &[u8],
        change: Option<&[u8]>,
        argument: Option<&[u8]>,
    ) -> Result<(), Blocked> {
        let id = speaker.id;
        let Some(room) = self.irc_room_or_tell(speaker, target) else { return Ok(()) };
        let channel = Channel(room);
        let Some(change) = change else {
            let moderated = if self.rooms.room_with(speaker.member).modes().only_operators { "m" } else { "" };
            self.answer(id, |to| to.numeric(324, format_args!("{channel} +{moderated}nt")));
            return Ok(());
        };
        let (on, letter) = first_change(change);
        match (letter, argument) {
            (Some(b'b'), None) => {
                self.answer(id, |to| to.numeric(368, format_args!("{channel} :End of channel ban list")));
            }
            (Some(letter), _) if !matches!(letter, b'b' | b'm' | b'n' | b'o' | b't') => {
                let letter = Shown(&[letter]).to_string();
                self.answer(id, |to| {
                    to.numeric(472, format_args!("{letter} :is unknown mode char to me for {channel}"));
                });
            }
            _ if !self.is_operator(id) => self.tell_not_operator(id, &channel.to_string()),
            (Some(b'm'), _) => self.set_only(speaker, on)?,
            (Some(b'b'), Some(mask)) => match held(mask) {
                Some(whom) if on => self.ban(speaker, &whom, None)?,
                Some(whom) => self.unban(speaker, &whom)?,
                None => self.answer(id, |to| to.notice(format_args!("a ban needs a name, an address or a network"))),
            },
            (Some(b'o'), _) => self.answer(id, |to| {
                to.notice(format_args!("only the operators' key makes operators: /oper NAME KEY"));
            }),
            // It is so already, and cannot be otherwise.
            _ => {}
        }
        Ok(())
    }

    pub(super) fn irc_oper(&mut self, speaker: &mut Speaker, key: &[u8]) -> Result<(), Blocked> {
        let was_operator = self.is_operator(speaker.id);
        self.become_operator(speaker, &super::clean(key))?;
        if self.is_operator(speaker.id) && !was_operator && !self.is_outside(speaker.member) {
            let (channel, nick) = (Channel(self.rooms.room_with(speaker.member).name()), Nick(speaker.name));
            self.answer(speaker.id, |to| to.server(format_args!("MODE {channel} +o {nick}")));
        }
        Ok(())
    }

    pub(super) fn irc_kick(
        &mut self,
        speaker: &mut Speaker,
        channel: &[u8],
        nick: &[u8],
        why: &[u8],
    ) -> Result<Done, Blocked> {
        let id = speaker.id;
        let Some(room) = self.irc_room_or_tell(speaker, channel) else { return Ok(Done::Passed) };
        if !self.is_operator(id) {
            self.tell_not_operator(id, &Channel(room).to_string());
            return Ok(Done::Passed);
        }
        let Some(name) = str::from_utf8(nick).ok().and_then(Nick::parse) else {
            self.answer(id, |to| to.numeric(401, format_args!("{} :No such nick/channel", Shown(nick))));
            return Ok(Done::Passed);
        };
        let why = super::clean(why);
        self.kick(speaker, &name.to_string(), &why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_whom_text_commands_would_name() {
        for (mask, expected) in [
            ("bob", Some("bob")),
            ("bob!*@*", Some("bob")),
            ("*!*@192.0.2.7", Some("192.0.2.7")),
            ("*!*@192.0.2.0/24", Some("192.0.2.0/24")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("192.0.2.7|4000", Some("192.0.2.7:4000")),
            ("*!*@*", None),
            ("*", None),
        ] {
            assert_eq!(held(mask.as_bytes()).as_deref(), expected, "{mask:?}");
        }
        assert_eq!(first_change(b"+m"), (true, Some(b'm')));
        assert_eq!(first_change(b"-m"), (false, Some(b'm')));
        assert_eq!(first_change(b"b"), (true, Some(b'b')));
        assert_eq!(first_change(b"+"), (true, None));
    }
}
