//! What a connection keeps of WebSocket frames: the payload of a message goes to the received bytes, as lines, and here
//! stands where the next byte belongs. A peer that sends whole messages has none of it.

use super::Received;
use crate::counters::CloseReason;
use crate::limits::ALLOCATION_BYTES;
use crate::wire::websocket::{Control, Decoder, Event, Fault, Rules};

#[derive(Debug, Default)]
pub struct Frames {
    decoder: Decoder,
    /// Chunks that brought frames and no payload, and that are still to be charged as lines.
    owed: u32,
    /// The code that the peer has closed with, if it has, for the answer.
    pub closed: Option<Option<u16>>,
}

impl Frames {
    /// Most memory that it takes, with that of a control frame that arrives in pieces.
    pub const FOOTPRINT_MAX: usize = size_of::<Self>() + size_of::<Control>() + 2 * ALLOCATION_BYTES;

    fn is_at_rest(&self) -> bool {
        self.decoder.is_at_rest() && self.owed == 0 && self.closed.is_none()
    }
}

impl Received {
    /// Takes a chunk of frames: appends the payload of messages to `lines`, each message ended by a line feed. Sets
    /// [`Received::ended`] where a frame ends it all. Returns the last ping, which is to be answered.
    pub fn take_frames(&mut self, chunk: &[u8], message_bytes_max: usize, lines: &mut Vec<u8>) -> Option<Control> {
        if self.ended.is_some() {
            return None;
        }
        let rules =
            Rules { message_bytes_max: u32::try_from(message_bytes_max).expect("lines are short"), binary: false };
        let mut frames = self.frames.take().map_or_else(Frames::default, |frames| *frames);
        let (mut rest, mut whole, mut ping) = (chunk, 0, None);
        while self.ended.is_none() {
            match frames.decoder.next(&mut rest, rules, lines) {
                Ok(None) => break,
                Ok(Some(Event::End(_))) => lines.push(b'\n'),
                Ok(Some(Event::Fragment | Event::Pong)) => whole += 1,
                Ok(Some(Event::Ping(payload))) => {
                    whole += 1;
                    ping = Some(payload);
                }
                Ok(Some(Event::Close(code))) => {
                    frames.closed = Some(code);
                    self.ended = Some(CloseReason::Left);
                }
                Err(fault) => {
                    self.ended = Some(match fault {
                        Fault::Protocol => CloseReason::WrongFrame,
                        Fault::Binary => CloseReason::BinaryMessage,
                        Fault::Utf8 => CloseReason::NotUtf8,
                        Fault::TooLong => CloseReason::MessageTooLong,
                    });
                }
            }
        }
        frames.owed += u32::from(whole > 0 && lines.is_empty());
        self.frames = (!frames.is_at_rest()).then(|| Box::new(frames));
        ping
    }

    /// True when a chunk is still to be charged as a line.
    pub fn owes(&self) -> bool {
        self.frames.as_ref().is_some_and(|frames| frames.owed > 0)
    }

    /// A chunk was charged as a line.
    pub fn pay(&mut self) {
        if let Some(frames) = &mut self.frames {
            frames.owed -= 1;
            if frames.is_at_rest() {
                self.frames = None;
            }
        }
    }

    /// True when a line or a frame was begun and not ended.
    pub fn has_begun(&self) -> bool {
        !self.input.is_empty() || self.frames.as_ref().is_some_and(|frames| !frames.decoder.is_at_rest())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::connection::Before;
    use crate::token::PublicId;

    fn received() -> Received {
        Received::new(PublicId(1), Before::default(), Instant::now())
    }

    /// A masked frame, whose mask changes nothing.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
    }

    fn take(received: &mut Received, chunk: &[u8]) -> (Vec<u8>, Option<Control>) {
        let mut lines = Vec::new();
        let ping = received.take_frames(chunk, 100, &mut lines);
        (lines, ping)
    }

    #[test]
    fn messages_are_lines_and_whole_ones_leave_nothing() {
        let mut received = received();
        let chunk = [frame(0x81, b"a"), frame(0x81, b"b\nc"), frame(0x81, b"")].concat();
        assert_eq!(take(&mut received, &chunk), (b"a\nb\nc\n\n".to_vec(), None));
        assert!(received.frames.is_none() && !received.has_begun() && received.ended.is_none());
        let message = frame(0x81, b"abc");
        assert_eq!(take(&mut received, &message[..1]).0, b"");
        assert!(received.has_begun() && !received.owes(), "a frame was begun, and costs nothing yet");
        assert_eq!(take(&mut received, &message[1..8]).0, b"ab");
        assert_eq!(take(&mut received, &message[8..]).0, b"c\n");
        assert!(received.frames.is_none());
    }

    #[test]
    fn a_chunk_of_frames_without_payload_costs_a_line() {
        for frames in [frame(0x8a, b"x"), frame(0x01, b""), [frame(0x89, b"1"), frame(0x89, b"2")].concat()] {
            let mut received = received();
            let (lines, ping) = take(&mut received, &frames);
            assert!(lines.is_empty() && received.owes(), "{frames:?}");
            assert_eq!(ping.as_deref(), frames.ends_with(b"2").then_some(&b"2"[..]), "the last one is answered");
            received.pay();
            assert!(!received.owes());
        }
        let mut received = received();
        take(&mut received, &[frame(0x89, b"1"), frame(0x81, b"a")].concat());
        assert!(!received.owes(), "the line is charged");
    }

    #[test]
    fn a_close_or_a_fault_ends_it_behind_the_lines_before() {
        for (last, reason, closed) in [
            (frame(0x88, &[0x03, 0xe8]), CloseReason::Left, Some(Some(1000))),
            (frame(0x88, b""), CloseReason::Left, Some(None)),
            (vec![0x83], CloseReason::WrongFrame, None),
            (vec![0x82], CloseReason::BinaryMessage, None),
            (frame(0x81, b"\xff"), CloseReason::NotUtf8, None),
            (vec![0x81, 0x80 | 101], CloseReason::MessageTooLong, None),
        ] {
            let mut received = received();
            let (lines, _) = take(&mut received, &[&frame(0x81, b"a")[..], &last, &frame(0x81, b"b")].concat());
            assert!(lines.starts_with(b"a\n") && !lines.ends_with(b"b\n"), "{reason:?}");
            assert_eq!(received.ended, Some(reason));
            assert_eq!(received.frames.as_ref().and_then(|frames| frames.closed), closed);
            assert_eq!(take(&mut received, &frame(0x81, b"c")), (Vec::new(), None), "nothing behind it is looked at");
        }
    }
}
