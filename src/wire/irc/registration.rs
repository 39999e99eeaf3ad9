//! How an IRC client becomes a member: it gives a name and a user, and may ask for capabilities before (IRCv3 capability
//! negotiation). What its name may be the server decides.

use super::reply::CAPABILITIES;
use crate::names::MemberName;

/// What a client is sent otherwise than others because it asked for it. Times in front of lines are an encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Its own lines come back to it.
    pub echo_message: bool,
    /// It is sent no list of members when it joins.
    pub no_implicit_names: bool,
}

/// How far a client has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// It has told its user.
    pub has_user: bool,
    /// It has asked for capabilities and not said yet that this is all.
    pub negotiates: bool,
    /// Lines that it has sent.
    pub lines: u32,
    /// A name of which the cluster has not said whether it may have it.
    pub asks_for: Option<MemberName>,
}

/// Which capabilities a client wants: those and no others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub capabilities: Capabilities,
    pub server_time: bool,
}

impl Wanted {
    /// What is wanted after a `CAP REQ`, of which nothing is done where one word is not known.
    pub fn after(mut self, words: &[u8]) -> Option<Self> {
        for word in words.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
            let (on, name) = word.strip_prefix(b"-").map_or((true, word), |name| (false, name));
            match name {
                b"echo-message" => self.capabilities.echo_message = on,
                b"no-implicit-names" => self.capabilities.no_implicit_names = on,
                b"server-time" => self.server_time = on,
                _ => return None,
            }
        }
        Some(self)
    }

    /// Their names, as in [`CAPABILITIES`].
    pub fn names(self) -> String {
        let is_wanted = |name: &&str| match *name {
            "echo-message" => self.capabilities.echo_message,
            "no-implicit-names" => self.capabilities.no_implicit_names,
            _ => self.server_time,
        };
        CAPABILITIES.split(' ').filter(is_wanted).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_asked_for_is_done_or_nothing() {
        let all = Wanted::default().after(CAPABILITIES.as_bytes()).expect("they are known");
        assert_eq!(all.names(), CAPABILITIES);
        let fewer = all.after(b" -echo-message  -server-time").expect("they are known");
        assert_eq!(fewer.names(), "no-implicit-names");
        assert_eq!(fewer.after(b""), Some(fewer));
        assert_eq!(all.after(b"-echo-message sasl"), None);
        assert_eq!(all.after(b"Server-Time"), None);
    }
}
