//! The key that makes a member an operator: read from a file, compared in constant time, and never shown.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use constant_time_eq::constant_time_eq_n;

use crate::limits::{OPERATOR_KEY_BYTES_MAX, OPERATOR_KEY_BYTES_MIN};
use crate::wire::sanitise;

/// What stands before the key in a line.
const COMMAND: &str = "/op ";

/// Others may read the file, or change it.
const MODE_OF_OTHERS: u32 = 0o006;

#[derive(Clone, PartialEq, Eq)]
pub struct OperatorKey(Padded);

/// A text with zeros behind its end, and its length. Texts of every length are compared in the same time.
type Padded = [u8; OPERATOR_KEY_BYTES_MAX + size_of::<u16>()];

/// Why a file has no key that can be used.
#[derive(Debug)]
pub enum KeyError {
    Unreadable(io::Error),
    /// Its first line has fewer than [`OPERATOR_KEY_BYTES_MIN`] bytes.
    Short,
    /// It has more bytes than this, which is what can be typed.
    Long(usize),
    /// No line that is typed has it behind `/op`: it begins or ends with a blank, or has characters that are dropped.
    Untypable,
}

impl OperatorKey {
    /// Reads the key, which is the first line of the file without its line ending. It can be typed behind `/op` in a
    /// line of `line_bytes`. Also returns a warning where others may read or change the file.
    pub fn load(path: &Path, line_bytes: usize) -> Result<(Self, Option<String>), KeyError> {
        Self::read(File::open(path).map_err(KeyError::Unreadable)?, path, line_bytes)
    }

    /// As [`OperatorKey::load`], from a file that was opened by `path`.
    pub fn read(file: File, path: &Path, line_bytes: usize) -> Result<(Self, Option<String>), KeyError> {
        let mode = file.metadata().map_err(KeyError::Unreadable)?.mode();
        let mut read = Vec::new();
        // The key, and a line ending of two bytes.
        let bytes_max = OPERATOR_KEY_BYTES_MAX as u64 + 2;
        file.take(bytes_max).read_to_end(&mut read).map_err(KeyError::Unreadable)?;
        let line = read.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let key = Self::of(line, line_bytes)?;
        let is_of_others = mode & MODE_OF_OTHERS != 0;
        let warning = || format!("others may read or change {}: chmod o= {}", path.display(), path.display());
        Ok((key, is_of_others.then(warning)))
    }

    /// The key `text`, if it can be typed in a line of `line_bytes`.
    pub fn of(text: &[u8], line_bytes: usize) -> Result<Self, KeyError> {
        let bytes_max = OPERATOR_KEY_BYTES_MAX.min(line_bytes.saturating_sub(COMMAND.len()));
        if text.len() < OPERATOR_KEY_BYTES_MIN {
            return Err(KeyError::Short);
        }
        if text.len() > bytes_max {
            return Err(KeyError::Long(bytes_max));
        }
        let mut heard = Vec::new();
        sanitise(text, &mut heard).expect("writing to a Vec does not fail");
        let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        if heard != text || is_blank(text.first()) || is_blank(text.last()) {
            return Err(KeyError::Untypable);
        }
        Ok(Self(pad(text).expect("its length was looked at")))
    }

    /// Whether `typed` is the key, in a time that depends on `typed` alone.
    pub fn matches(&self, typed: &[u8]) -> bool {
        // A text that is longer than any key tells nothing about this one.
        pad(typed).is_some_and(|typed| constant_time_eq_n(&typed, &self.0))
    }
}

/// `None` for a text that is longer than any key.
fn pad(text: &[u8]) -> Option<Padded> {
    let mut padded = [0; _];
    padded.get_mut(..text.len()).filter(|_| text.len() <= OPERATOR_KEY_BYTES_MAX)?.copy_from_slice(text);
    let length = u16::try_from(text.len()).ok()?;
    padded[OPERATOR_KEY_BYTES_MAX..].copy_from_slice(&length.to_ne_bytes());
    Some(padded)
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorKey")
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Short => write!(f, "the key in the first line has fewer than {OPERATOR_KEY_BYTES_MIN} bytes"),
            Self::Long(bytes_max) => {
                write!(f, "the key in the first line has more than {bytes_max} bytes, which is what can be typed")
            }
            Self::Untypable => write!(
                f,
                "the key in the first line cannot be typed: it begins or ends with a blank, or is not plain text"
            ),
        }
    }
}

impl From<io::Error> for KeyError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Unreadable(error) = self { Some(error) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Loads a key from a file with these bytes and this mode.
    fn load(bytes: &[u8], mode: u32, line_bytes: usize) -> Result<(OperatorKey, Option<String>), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        OperatorKey::load(&path, line_bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn the_key_is_the_first_line() {
        for bytes in [&b"open sesame"[..], b"open sesame\n", b"open sesame\r\n", b"open sesame\nmore\xff\n"] {
            let (key, warning) = load(bytes, 0o600, 4096).unwrap();
            assert!(key.matches(b"open sesame") && warning.is_none());
        }
        let longest = [b'x'; OPERATOR_KEY_BYTES_MAX];
        let (key, _) = load(&[&longest[..], b"\r\n"].concat(), 0o600, 4096).unwrap();
        assert!(key.matches(&longest) && !key.matches(&longest[1..]) && !key.matches(&[b'x'; 1000]));
    }

    #[test]
    fn nothing_but_the_key_matches_it() {
        let key = OperatorKey::of(b"open sesame", 4096).unwrap();
        for typed in [
            &b""[..],
            b"open sesam",
            b"open sesame ",
            b"Open sesame",
            b"open sesame\0",
            &[0; OPERATOR_KEY_BYTES_MAX],
            &[0; OPERATOR_KEY_BYTES_MAX + 2],
        ] {
            assert!(!key.matches(typed), "{typed:?}");
        }
        assert_eq!(format!("{key:?}"), "OperatorKey");
    }

    #[test]
    fn a_key_that_cannot_be_typed_or_is_short_is_refused() {
        for (bytes, error) in [
            (&b""[..], "fewer than 8 bytes"),
            (b"1234567\nmore of it", "fewer than 8 bytes"),
            (&[b'x'; OPERATOR_KEY_BYTES_MAX + 1], "more than 256 bytes"),
            (&[b'x'; 5000], "more than 256 bytes"),
            (b" open sesame", "cannot be typed"),
            (b"open sesame\t", "cannot be typed"),
            (b"open\x1bsesame", "cannot be typed"),
            (b"open\xffsesame", "cannot be typed"),
            (&[0; 100], "cannot be typed"),
        ] {
            let refused = load(bytes, 0o600, 4096).unwrap_err();
            assert!(refused.contains(error), "{refused}");
        }
        assert!(load(b"0123456789ab", 0o600, 16).is_ok());
        assert!(load(b"0123456789abc", 0o600, 16).unwrap_err().contains("more than 12 bytes"));
        let missing = OperatorKey::load(Path::new("/nowhere/key"), 4096).unwrap_err();
        assert!(missing.to_string().contains("No such file"), "{missing}");
        assert!(OperatorKey::load(Path::new("/"), 4096).is_err());
    }

    #[test]
    fn a_file_of_others_is_warned_of() {
        for (mode, is_warned) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
            let (_, warning) = load(b"open sesame", mode, 4096).unwrap();
            assert_eq!(warning.is_some_and(|warning| warning.contains("chmod o= ")), is_warned, "{mode:o}");
        }
    }
}
