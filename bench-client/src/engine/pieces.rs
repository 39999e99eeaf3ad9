//! What is done with the bytes of every protocol but uproar's own lines: they come in pieces, which the protocol's parser finds.

use crate::engine::members::{Engine, TAIL_BYTES_MAX};
use crate::protocol::piece::Piece;

/// What is left to do with a member after a piece.
enum Next {
    Goes,
    /// It is closed, or was refused: nothing more is looked at.
    Stops,
}

impl Engine<'_> {
    /// Member `index` received `bytes` behind the `kept` in the buffer.
    pub(super) fn on_framed(
        &mut self,
        index: usize,
        (kept, mut bytes): (usize, usize),
        counting_publisher: Option<u32>,
        now_ns: u64,
    ) {
        let counting = self.members[index].counting().filter(|_| self.members[index].joined);
        if let Some(frames) = self.frames.get_mut(index) {
            bytes = frames.take_off(&mut self.buffer[kept..kept + bytes]);
            if let Some(counting) = counting {
                // Headers of frames are not counted: there is one for as many deliveries as happened to be sent together.
                self.counting[counting] += bytes as u64;
                self.counted_bytes += bytes as u64;
                return;
            }
        }
        match counting_publisher.zip(counting) {
            Some((publisher, counting)) => self.on_counted_pieces(index, (publisher, counting), kept + bytes, now_ns),
            None => self.on_pieces(index, kept + bytes, now_ns),
        }
    }

    /// What the first `filled` bytes of the buffer hold, piece by piece; keeps the rest.
    fn on_pieces(&mut self, index: usize, filled: usize, now_ns: u64) {
        let verified = self.members[index].verified().map(|verified| verified as usize);
        let wire = self.wire_of(index);
        let own = self.members[index].publisher().filter(|_| self.wires[wire].echoes());
        let is_sample = self.sample.member == Some(index);
        let mut start = 0;
        while let Some((piece, length)) = self.wires[wire].next(&self.buffer[start..filled]) {
            match (piece, verified) {
                (Piece::Message { author, payload }, Some(verified)) => {
                    let publisher = self.recorder.on_payload(verified, (author, payload), own, now_ns);
                    if let Some(publisher) = publisher.filter(|_| is_sample) {
                        self.sample.on_delivery(publisher, length);
                    }
                }
                // Instead of a confirmation it is a refusal: kept, to be quoted when the server closes.
                (Piece::Notice(_) | Piece::Strange(_), _) if !self.members[index].joined => break,
                (Piece::Presence, Some(verified)) => self.recorder.on_presence(verified, length),
                (Piece::Missed(messages), Some(verified)) => self.recorder.on_missed(verified, messages),
                (Piece::Word(text) | Piece::Notice(text), Some(verified)) if self.members[index].joined => {
                    self.recorder.on_word(verified, text);
                }
                (Piece::Notice(text), _) => self.recorder.on_notice(text),
                (Piece::Strange(bytes), Some(_)) => self.recorder.on_other_line(bytes),
                (Piece::Message { .. } | Piece::Presence | Piece::Missed(_) | Piece::Word(_), _) => {}
                (Piece::Strange(_) | Piece::Nothing, _) => {}
                (Piece::Welcomed | Piece::Joined | Piece::Ping(_) | Piece::Closed { .. }, _) => {
                    if let Next::Stops = self.on_other_piece(index, (start, filled), now_ns) {
                        return;
                    }
                }
            }
            start += length;
        }
        self.keep(index, (start, filled));
    }

    /// The same of a publisher that verifies nothing: counts the bytes of what everybody is sent, and finds the notices to it.
    fn on_counted_pieces(&mut self, index: usize, (publisher, counting): (u32, usize), filled: usize, now_ns: u64) {
        let wire = self.wire_of(index);
        let mut start = 0;
        while let Some((piece, length)) = self.wires[wire].next(&self.buffer[start..filled]) {
            match piece {
                Piece::Message { .. } | Piece::Presence | Piece::Strange(_) => {
                    self.counting[counting] += length as u64;
                    self.counted_bytes += length as u64;
                }
                Piece::Word(text) | Piece::Notice(text) => self.recorder.on_notice_to_publisher(publisher, text),
                Piece::Nothing | Piece::Missed(_) => {}
                Piece::Welcomed | Piece::Joined | Piece::Ping(_) | Piece::Closed { .. } => {
                    if let Next::Stops = self.on_other_piece(index, (start, filled), now_ns) {
                        return;
                    }
                }
            }
            start += length;
        }
        self.keep(index, (start, filled));
    }

    /// A piece that says something of the connection of member `index` is the first in that part of the buffer.
    fn on_other_piece(&mut self, index: usize, (start, filled): (usize, usize), now_ns: u64) -> Next {
        let wire = self.wire(index);
        let Some((piece, _)) = wire.next(&self.buffer[start..filled]) else { return Next::Goes };
        let is_entering = !self.members[index].joined;
        match piece {
            Piece::Welcomed if is_entering => match wire.join() {
                Some(join) => self.ask_for_room(index, &join),
                None => self.on_joined(index, now_ns),
            },
            Piece::Joined if is_entering => self.on_joined(index, now_ns),
            Piece::Ping(asked) => self.pong(index, &wire.pong(asked)),
            Piece::Closed { code, reason } => {
                let code = code.map_or("no code".to_string(), |code| code.to_string());
                let reason = format!("the server closed with {code}: {}", reason.escape_ascii());
                self.members[index].tail = Box::default();
                self.on_closed(index, reason, now_ns);
                return Next::Stops;
            }
            _ => {}
        }
        Next::Goes
    }

    /// Keeps that part of the buffer, which is the beginning of a piece whose end has not come.
    fn keep(&mut self, index: usize, (mut start, filled): (usize, usize)) {
        if filled - start > TAIL_BYTES_MAX {
            self.recorder.on_other_line(&self.buffer[start..filled]);
            start = filled;
        }
        self.members[index].tail = self.buffer[start..filled].into();
    }
}
