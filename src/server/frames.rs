//! From frames to lines: what a member sends by WebSocket. Its messages go the way of all lines, and a ping is answered.

use std::mem;

use super::Server;
use crate::io::Io;
use crate::outlet::Outlet;
use crate::token::ConnectionId;
use crate::wire::websocket::Control;

impl<I: Io, W: Outlet> Server<I, W> {
    /// A member has sent a chunk of frames.
    pub(super) fn on_frames(&mut self, id: ConnectionId, chunk: &[u8]) {
        let mut lines = mem::take(&mut self.lines);
        let inbound = &mut self.connections.at_mut(id).inbound;
        let received = inbound.received.as_mut().expect("it has sent something");
        if let Some(ping) = received.take_frames(chunk, self.config.line_bytes, &mut lines) {
            self.answer_ping(id, &ping);
        }
        // A chunk may have brought none.
        self.on_lines(id, &lines);
        lines.clear();
        self.lines = lines;
    }

    /// Answers a ping, if not too much waits for the peer already.
    fn answer_ping(&mut self, id: ConnectionId, payload: &Control) {
        let private = &self.connections.at(id).outbound.private;
        if private.is_empty() || (!private.is_full() && !self.is_buffer_short()) {
            self.change_private(id, |private, _| private.pong(payload));
        }
    }
}
