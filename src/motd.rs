//! The message of the day: the lines of a file that newcomers are shown.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::{error, fmt};

use crate::limits::{MOTD_BYTES_MAX, SANITISED_GROWTH_MAX};
use crate::wire::sanitise;

/// Its lines, as others may see them, each with a line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Motd(Box<str>);

/// Why a file has no message of the day.
#[derive(Debug)]
pub enum MotdError {
    Unreadable(io::Error),
    /// It has more than [`MOTD_BYTES_MAX`].
    Large,
}

impl Motd {
    /// Most memory that it takes, in bytes.
    pub const FOOTPRINT_MAX: usize = MOTD_BYTES_MAX * SANITISED_GROWTH_MAX + 1;

    pub fn load(path: &Path) -> Result<Self, MotdError> {
        Self::read(File::open(path).map_err(MotdError::Unreadable)?)
    }

    /// Reads it from a file.
    pub fn read(file: File) -> Result<Self, MotdError> {
        let mut text = Vec::new();
        file.take(MOTD_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(MotdError::Unreadable)?;
        if text.len() > MOTD_BYTES_MAX {
            return Err(MotdError::Large);
        }
        Ok(Self::of(&text))
    }

    /// The message with the lines of `text`. Lines end as members' lines do, and blank ones at its end are left out.
    pub fn of(text: &[u8]) -> Self {
        let mut shown = Vec::new();
        let mut end = 0;
        for line in text.split(|byte| *byte == b'\n') {
            let is_visible = sanitise(line, &mut shown).expect("writing to a Vec does not fail");
            shown.push(b'\n');
            if is_visible {
                end = shown.len();
            }
        }
        shown.truncate(end);
        Self(String::from_utf8(shown).expect("a sanitised line is UTF-8").into_boxed_str())
    }

    /// The lines, without their line feeds.
    pub fn lines(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.split_terminator('\n')
    }

    /// How many bytes its lines have, as others see them.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for MotdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Large => write!(f, "the file has more than {MOTD_BYTES_MAX} bytes"),
        }
    }
}

impl From<io::Error> for MotdError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl error::Error for MotdError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        if let Self::Unreadable(error) = self { Some(error) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_line_is_what_others_may_see() {
        for (text, lines) in [
            (&b"welcome\nbe kind\n"[..], &["welcome", "be kind"][..]),
            (b"welcome\r\n\r\nbe kind", &["welcome", "", "be kind"]),
            (b"\n\nwelcome\n \n\n", &["", "", "welcome"]),
            (b"\x1b[2Jred\xff\n", &["[2Jred\u{fffd}"]),
            (b"", &[]),
            (b"\n\n", &[]),
        ] {
            let motd = Motd::of(text);
            assert_eq!(motd.lines().collect::<Vec<_>>(), lines);
            assert_eq!(motd.is_empty(), lines.is_empty());
        }
    }

    #[test]
    fn a_file_that_is_large_or_missing_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("motd");
        assert!(matches!(Motd::load(&path), Err(MotdError::Unreadable(_))));
        fs::write(&path, "\u{fffd}\n".repeat(MOTD_BYTES_MAX / 4)).unwrap();
        assert_eq!(Motd::load(&path).unwrap().lines().count(), MOTD_BYTES_MAX / 4);
        fs::write(&path, [b'x'; MOTD_BYTES_MAX + 1]).unwrap();
        assert!(matches!(Motd::load(&path), Err(MotdError::Large)));
        assert!(Motd::of(&b"\xffa".repeat(MOTD_BYTES_MAX / 2)).0.len() <= Motd::FOOTPRINT_MAX);
    }
}
