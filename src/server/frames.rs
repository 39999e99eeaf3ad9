//! From frames to lines: what a member sends by WebSocket. Its messages go the way of all lines, and a ping is answered.

use std::mem;

use super::Server;
use super::speaker::Speaker;
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
        self.on_lines(id, &lines);
        lines.clear();
        self.lines = lines;
    }

    /// Takes the lines of a chunk, or has them wait behind others. Such a chunk may have brought none.
    fn on_lines(&mut self, id: ConnectionId, lines: &[u8]) {
        let connection = self.connections.at_mut(id);
        let is_held = connection.inbound.held.is_some();
        let received = connection.inbound.received.as_mut().expect("it has sent something");
        let is_first = received.input.is_empty() && !is_held;
        if !is_first {
            let before = received.input.capacity();
            received.input.extend_from_slice(lines);
            self.budget.change(before, received.input.capacity());
        }
        if !is_held && let Some(speaker) = Speaker::of(id, connection, None) {
            if is_first { self.take_chunk(speaker, lines) } else { self.take_input(speaker) }
        }
    }

    /// Answers a ping, if not too much waits for the peer already.
    fn answer_ping(&mut self, id: ConnectionId, payload: &Control) {
        let private = &self.connections.at(id).outbound.private;
        if private.is_empty() || (!private.is_full() && !self.is_buffer_short()) {
            self.change_private(id, |private, _| private.pong(payload));
        }
    }
}
