//! The admin door.

use super::Server;
use crate::counters::CloseReason;
use crate::io::Io;
use crate::message::Notice;
use crate::outlet::Outlet;
use crate::token::ConnectionId;

impl<I: Io, W: Outlet> Server<I, W> {
    /// A connection of this door has sent some bytes of its handshake.
    pub(super) fn greet_admin(&mut self, id: ConnectionId) {
        self.close_with(id, Notice::NoRoom, CloseReason::Foreign);
    }
}
