//! Doors: the listeners of a server, each with the protocol that its connections speak.
//!
//! A door decides what a connection has to do before it is a member, in which format it is sent everything, and how it
//! is told why it is turned away. Behind the door all connections are alike.

use crate::message::Notice;
use crate::token::ListenerId;
use crate::wire::http::{self, Method, Status};
use crate::wire::{Addressee, Encoding};

/// The protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Lines of text, for people at a terminal. A connection joins the lobby at once.
    Text,
    /// HTTP: a page for browsers, and WebSockets for it and for programs.
    Web,
    /// IRC, for its clients.
    Irc,
    /// HTTP for those who run the server: figures, and whether it is well.
    Admin,
    /// Lines of text again, but a connection is asked for something and joins when it has sent any bytes. For tests.
    #[cfg(test)]
    Asking,
}

impl Door {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// Its place in a list of all doors.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name in logs and in counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Web => "web",
            Self::Irc => "irc",
            Self::Admin => "admin",
            #[cfg(test)]
            Self::Asking => "asking",
        }
    }

    /// The format in which a connection is sent everything at first.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Text | Self::Admin => Encoding::Text,
            Self::Web => Encoding::WebSocket,
            Self::Irc => Encoding::Irc,
            #[cfg(test)]
            Self::Asking => Encoding::Text,
        }
    }

    /// Writes what a newcomer is told that is not let in, or that was no member in time.
    pub fn refusal(self, notice: Notice<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Web | Self::Admin => {
                let status = match notice {
                    Notice::Banned { .. } => Status::Forbidden,
                    Notice::TooManyConnections | Notice::TooManyJoins => Status::TooManyRequests,
                    Notice::ServerFull | Notice::NoMoreRooms => Status::Unavailable,
                    Notice::HandshakeTimeout => Status::Timeout,
                    _ => Status::BadRequest,
                };
                let words = notice.to_string();
                http::refuse_with(status, words.trim_start_matches("! "), Method::Get, out);
            }
            _ => Addressee::unknown(self.encoding()).notice(notice, out),
        }
    }
}

/// The doors of a server, by [`ListenerId`]. The one for text comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doors {
    doors: [Door; Self::MAX],
    count: usize,
}

impl Doors {
    /// Most doors of a server.
    pub const MAX: usize = 4;

    /// That of text alone, or of tests.
    pub fn only(door: Door) -> Self {
        Self { doors: [door; Self::MAX], count: 1 }
    }

    /// With one more door.
    pub fn and(mut self, door: Door) -> Self {
        self.doors[self.count] = door;
        self.count += 1;
        self
    }

    pub fn at(&self, listener: ListenerId) -> Door {
        self.all()[listener.index()]
    }

    pub fn all(&self) -> &[Door] {
        &self.doors[..self.count]
    }

    /// Their listeners.
    pub fn listeners(&self) -> impl Iterator<Item = ListenerId> + use<> {
        ListenerId::first(self.count)
    }
}
