//! Text that arrives in pieces: whether it is UTF-8, known at the first byte after which it cannot be.

/// The start of a character whose other bytes are still to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8 {
    start: [u8; 3],
    length: u8,
}

impl Utf8 {
    /// True as long as the text may be UTF-8 with these bytes behind those before.
    pub fn goes_on(&mut self, mut bytes: &[u8]) -> bool {
        while self.length > 0 {
            let Some((byte, rest)) = bytes.split_first() else { return true };
            bytes = rest;
            let mut character = [self.start[0], self.start[1], self.start[2], 0];
            let length = usize::from(self.length);
            character[length] = *byte;
            self.length = 0;
            if !self.check(&character[..=length]) {
                return false;
            }
        }
        self.check(bytes)
    }

    /// True when no character lacks bytes.
    pub fn is_whole(self) -> bool {
        self.length == 0
    }

    /// Checks bytes that begin with a character, and keeps the last one if it lacks bytes.
    fn check(&mut self, bytes: &[u8]) -> bool {
        let Err(error) = str::from_utf8(bytes) else { return true };
        if error.error_len().is_some() {
            return false;
        }
        let start = &bytes[error.valid_up_to()..];
        self.start[..start.len()].copy_from_slice(start);
        self.length = start.len() as u8;
        true
    }
}
