//! Names as IRC has them: those of addresses have `|` where their `:` would begin a text.

use std::fmt;
use std::io::{self, Write};

use arrayvec::ArrayVec;

use crate::limits::PREFIX_BYTES_MAX;
use crate::names::Name;

/// A name as it is shown to IRC clients.
#[derive(Clone, Copy, Debug)]
pub struct Nick(pub Name);

impl Nick {
    /// Whom a client means that typed this; `None` for what names nobody.
    pub fn parse(typed: &str) -> Option<Name> {
        if !typed.contains('|') {
            return Name::parse(typed);
        }
        // In an address of IPv6 each `|` before the bracket is a `:`. One more stands before the port. What is left is
        // the number of a member of several with this address.
        let (address, rest) = typed.split_at(typed.find(']').map_or(0, |bracket| bracket + 1));
        let shown = format!("{}{}", address.replace('|', ":"), rest.replacen('|', ":", 1));
        Name::parse(&shown)
    }

    pub fn write(self, out: &mut impl Write) -> io::Result<()> {
        if let Name::Chosen(name) = self.0 {
            return out.write_all(name.as_str().as_bytes());
        }
        let mut bytes = ArrayVec::<u8, PREFIX_BYTES_MAX>::new();
        self.0.write(&mut bytes)?;
        write_shown(&bytes, out)
    }
}

impl fmt::Display for Nick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = ArrayVec::<u8, PREFIX_BYTES_MAX>::new();
        self.write(&mut bytes).expect("a name is shorter than what stands before a text");
        f.write_str(str::from_utf8(&bytes).expect("a name is ASCII"))
    }
}

/// Writes a name that is shown already as the text format shows it.
pub fn write_shown(name: &[u8], out: &mut impl Write) -> io::Result<()> {
    let mut pieces = name.split(|byte| *byte == b':');
    out.write_all(pieces.next().unwrap_or_default())?;
    pieces.try_for_each(|piece| {
        out.write_all(b"|")?;
        out.write_all(piece)
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn a_name_is_found_by_what_irc_clients_are_shown() {
        for (shown, nick) in [
            ("127.0.0.1:63155", "127.0.0.1|63155"),
            ("127.0.0.1:63155|2", "127.0.0.1|63155|2"),
            ("[2001:db8::1]:80", "[2001|db8||1]|80"),
            ("[::1]:80|17", "[||1]|80|17"),
            ("bob", "bob"),
            ("guest-aaaabbbb", "guest-aaaabbbb"),
        ] {
            let name = Name::parse(shown).expect("it is a name");
            assert_eq!((Nick(name).to_string(), Nick::parse(nick)), (nick.to_owned(), Some(name)));
        }
        for typed in ["", "|", "]|", "[|", "127.0.0.1|63155|1", "a|b", "#bob", "\u{e9}|\u{e9}"] {
            assert_eq!(Nick::parse(typed), None, "{typed:?}");
        }
        assert_eq!(Nick::parse("127.0.0.1:1"), Some(Name::first(SocketAddr::from(([127, 0, 0, 1], 1)))));
    }
}
