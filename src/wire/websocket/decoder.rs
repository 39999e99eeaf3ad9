//! Frames of a client, read byte by byte where they have a header and in runs where they have a payload.
//!
//! The state is a few words, so a connection can have one for as long as a frame or a message is under way, and needs
//! none otherwise: a decoder between two messages is like a new one. Payload is never kept here, except of a control
//! frame that arrives in pieces.

use super::utf8::Utf8;
use super::{CONTROL_BYTES_MAX, Control, Fault, Kind, Opcode, is_close_code};

/// What the caller takes. Both are looked at when a frame begins, before any of its payload.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Most payload bytes of a message, over all of its frames.
    pub message_bytes_max: u32,
    /// Whether binary messages are taken.
    pub binary: bool,
}

/// What received bytes bring, beside payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message is complete: its payload was appended by this call and those before.
    End(Kind),
    /// A frame of a message is complete, and the message is not.
    Fragment,
    /// To be answered by a pong with the same payload.
    Ping(Control),
    Pong,
    /// To be answered by a close with the same code. Nothing behind it is looked at.
    Close(Option<u16>),
}

#[derive(Debug, Default)]
pub struct Decoder {
    /// What of a frame comes next.
    next: Next,
    /// The first byte of the header of the frame that has begun.
    first: u8,
    /// The mask, turned so that its first byte is for the next byte of payload.
    mask: [u8; 4],
    /// Bytes of payload that are still to come; while the header is read, what of its length has come.
    left: u32,
    /// Payload bytes of the message by the headers of its frames so far; zero between messages.
    message_bytes: u32,
    /// The message of which frames have come and are to come.
    message: Option<Kind>,
    /// Where its text has got to.
    utf8: Utf8,
    /// What has come of the payload of a control frame. Present exactly while that arrives in pieces.
    control: Option<Box<Control>>,
}

/// A part of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    First,
    Second,
    /// Bytes of a longer length: how many there are, and how many have come.
    Length {
        of: u8,
        come: u8,
    },
    /// The mask, of which so many bytes have come.
    Mask(u8),
    Payload,
}

impl Decoder {
    /// True between two messages: the state is that of a new decoder.
    pub fn is_at_rest(&self) -> bool {
        self.next == Next::First && self.message.is_none()
    }

    /// Takes bytes off the front of `rest` up to the next event, and appends the payload of messages to `payload`. On
    /// `None` all bytes were taken. After a fault or a close it must not be called again.
    pub fn next(&mut self, rest: &mut &[u8], rules: Rules, payload: &mut Vec<u8>) -> Result<Option<Event>, Fault> {
        while self.next != Next::Payload {
            let Some((byte, behind)) = rest.split_first() else { return Ok(None) };
            *rest = behind;
            self.take_header(*byte, rules)?;
        }
        // A frame without payload ends with its header.
        if rest.is_empty() && self.left > 0 {
            return Ok(None);
        }
        let (piece, behind) = rest.split_at(rest.len().min(self.left as usize));
        *rest = behind;
        self.left -= piece.len() as u32;
        self.take_payload(piece, payload)
    }

    fn opcode(&self) -> Opcode {
        Opcode::of(self.first).expect("it was looked at when the frame began")
    }

    /// True when the frame is the last of its message.
    fn is_final(&self) -> bool {
        self.first & 0x80 != 0
    }

    fn take_header(&mut self, byte: u8, rules: Rules) -> Result<(), Fault> {
        self.next = match self.next {
            Next::First => {
                self.first = byte;
                self.begin(rules)?;
                Next::Second
            }
            Next::Second if byte & 0x80 == 0 => return Err(Fault::Protocol),
            Next::Second => {
                self.left = 0;
                match byte & 0x7f {
                    126.. if self.opcode().is_control() => return Err(Fault::Protocol),
                    126 => Next::Length { of: 2, come: 0 },
                    127 => Next::Length { of: 8, come: 0 },
                    length => {
                        self.left = length.into();
                        self.check_length(rules)?
                    }
                }
            }
            Next::Length { of, come } => self.take_length(byte, of, come, rules)?,
            Next::Mask(come) => {
                self.mask[usize::from(come)] = byte;
                if come < 3 { Next::Mask(come + 1) } else { Next::Payload }
            }
            Next::Payload => unreachable!("the header is complete"),
        };
        Ok(())
    }

    /// Looks whether a frame may begin like this here.
    fn begin(&mut self, rules: Rules) -> Result<(), Fault> {
        let reserved = self.first & 0x70 != 0;
        let opcode = Opcode::of(self.first).filter(|_| !reserved).ok_or(Fault::Protocol)?;
        let fits = match opcode {
            Opcode::Continuation => self.message.is_some(),
            Opcode::Text | Opcode::Binary => self.message.is_none(),
            Opcode::Close | Opcode::Ping | Opcode::Pong => self.is_final(),
        };
        match opcode {
            _ if !fits => return Err(Fault::Protocol),
            Opcode::Text => self.message = Some(Kind::Text),
            Opcode::Binary if !rules.binary => return Err(Fault::Binary),
            Opcode::Binary => self.message = Some(Kind::Binary),
            _ => {}
        }
        Ok(())
    }

    /// Takes a byte of a length of two or eight bytes. A length that a shorter form can hold is not allowed (RFC 6455,
    /// section 5.2), nor one with its highest bit.
    fn take_length(&mut self, byte: u8, of: u8, come: u8, rules: Rules) -> Result<Next, Fault> {
        if come == 0 && of == 8 && byte & 0x80 != 0 {
            return Err(Fault::Protocol);
        }
        // No limit is so high that a higher byte could be anything else than zero.
        let length = self.left.checked_mul(256).ok_or(Fault::TooLong)?;
        self.left = length + u32::from(byte);
        if come + 1 < of {
            return Ok(Next::Length { of, come: come + 1 });
        }
        let shorter_max = if of == 2 { 125 } else { u16::MAX.into() };
        if self.left <= shorter_max { Err(Fault::Protocol) } else { self.check_length(rules) }
    }

    /// The length is known: adds it to the message's.
    fn check_length(&mut self, rules: Rules) -> Result<Next, Fault> {
        if !self.opcode().is_control() {
            let sum = self.message_bytes.checked_add(self.left).filter(|sum| *sum <= rules.message_bytes_max);
            self.message_bytes = sum.ok_or(Fault::TooLong)?;
        }
        Ok(Next::Mask(0))
    }

    /// Takes a piece of payload, which is the last of its frame when nothing is left.
    fn take_payload(&mut self, piece: &[u8], payload: &mut Vec<u8>) -> Result<Option<Event>, Fault> {
        if self.opcode().is_control() {
            return self.take_control(piece);
        }
        let begins = payload.len();
        payload.extend_from_slice(piece);
        let piece = &mut payload[begins..];
        self.unmask(piece);
        let kind = self.message.expect("a data frame belongs to a message");
        if kind == Kind::Text && !self.utf8.goes_on(piece) {
            return Err(Fault::Utf8);
        }
        if self.left > 0 {
            return Ok(None);
        }
        self.next = Next::First;
        if !self.is_final() {
            return Ok(Some(Event::Fragment));
        }
        if !self.utf8.is_whole() {
            return Err(Fault::Utf8);
        }
        self.message = None;
        self.message_bytes = 0;
        Ok(Some(Event::End(kind)))
    }

    fn take_control(&mut self, piece: &[u8]) -> Result<Option<Event>, Fault> {
        let mut unmasked = [0; CONTROL_BYTES_MAX];
        let unmasked = &mut unmasked[..piece.len()];
        unmasked.copy_from_slice(piece);
        self.unmask(unmasked);
        let whole = "a control frame is short";
        if self.left > 0 {
            let begun = self.control.get_or_insert_default();
            begun.try_extend_from_slice(unmasked).expect(whole);
            return Ok(None);
        }
        let mut control = self.control.take().map_or_else(Control::new, |begun| *begun);
        control.try_extend_from_slice(unmasked).expect(whole);
        self.next = Next::First;
        Ok(Some(match self.opcode() {
            Opcode::Ping => Event::Ping(control),
            Opcode::Close => Event::Close(close_code(&control)?),
            _ => Event::Pong,
        }))
    }

    fn unmask(&mut self, bytes: &mut [u8]) {
        let mut words = bytes.chunks_exact_mut(4);
        for word in &mut words {
            for (byte, mask) in word.iter_mut().zip(self.mask) {
                *byte ^= mask;
            }
        }
        let odd = words.into_remainder();
        for (byte, mask) in odd.iter_mut().zip(self.mask) {
            *byte ^= mask;
        }
        self.mask.rotate_left(odd.len());
    }
}

/// The code of a close frame, of which one byte is too few. Its reason is for people and nobody is shown it.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Fault> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Fault::Protocol) };
    };
    let code = u16::from_be_bytes(*code);
    if !is_close_code(code) {
        Err(Fault::Protocol)
    } else if str::from_utf8(reason).is_err() {
        Err(Fault::Utf8)
    } else {
        Ok(Some(code))
    }
}
