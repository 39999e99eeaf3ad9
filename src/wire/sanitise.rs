//! Makes a line safe for others: valid UTF-8 in which no character controls a terminal, reorders text or hides it.
//!
//! Clean text is unchanged, and sanitising twice equals sanitising once. A line of printable ASCII, which is almost
//! every line, is copied in one pass.

use std::io::{self, Write};

use unicode_general_category::{GeneralCategory, get_general_category};

/// Combining marks in a row that are kept: the longest that any language needs is some five. More of them reach into
/// the lines above and below.
const MARKS_MAX: u32 = 8;

/// The base of the flags of England, Scotland and others: the only emoji that is followed by tags (UTS #51, ED-14a).
const FLAG: char = '\u{1f3f4}';

/// How a character is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It is visible.
    Visible,
    /// It is kept, and is not visible: spaces and letters that look like a space.
    Blank,
    /// It is kept, and changes its neighbours: joiners.
    Joiner,
    /// It is drawn onto the character before it; true when it is visible there.
    Mark(bool),
    /// It is kept in a flag.
    Tag,
    Dropped,
}

fn kind(character: char) -> Kind {
    use GeneralCategory::{
        Control, EnclosingMark, Format, LineSeparator, NonspacingMark, ParagraphSeparator, SpaceSeparator, SpacingMark,
    };
    match character {
        '!'..='~' => return Kind::Visible,
        ' ' | '\t' => return Kind::Blank,
        // ZERO WIDTH NON-JOINER and JOINER, which Persian, Indian scripts and emoji are written with.
        '\u{200c}' | '\u{200d}' => return Kind::Joiner,
        '\u{e0020}'..='\u{e007f}' => return Kind::Tag,
        // COMBINING GRAPHEME JOINER, two Khmer vowels, and all variation selectors.
        '\u{34f}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180d}'
        | '\u{180f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0100}'..='\u{e01ef}' => return Kind::Mark(false),
        // The fillers of Hangul, and a braille cell without dots.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}' => return Kind::Blank,
        // Not assigned, and never to be seen (Default_Ignorable_Code_Point).
        '\u{2065}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}' => return Kind::Dropped,
        _ => {}
    }
    match get_general_category(character) {
        Control | Format | LineSeparator | ParagraphSeparator => Kind::Dropped,
        NonspacingMark | SpacingMark | EnclosingMark => Kind::Mark(true),
        SpaceSeparator => Kind::Blank,
        _ => Kind::Visible,
    }
}

/// Whether nobody sees a character, or it does something to a terminal: it has no place in a line.
pub fn is_hidden(character: char) -> bool {
    kind(character) == Kind::Dropped
}

/// What the earlier characters mean for the next one.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    /// Marks since the last character that is neither mark nor joiner.
    marks: u32,
    /// Tags since a [`FLAG`]; `None` when something else was between.
    tags: Option<u32>,
}

impl Before {
    /// True when `character` is kept. A dropped character changes nothing for those behind it.
    fn keeps(&mut self, character: char, kind: Kind) -> bool {
        match kind {
            Kind::Dropped => return false,
            Kind::Tag => {
                let kept = self.tags.is_some_and(|tags| tags < MARKS_MAX);
                self.tags = self.tags.map(|tags| tags + 1);
                return kept;
            }
            Kind::Mark(_) if self.marks == MARKS_MAX => return false,
            Kind::Mark(_) => self.marks += 1,
            Kind::Joiner => {}
            Kind::Visible | Kind::Blank => self.marks = 0,
        }
        self.tags = (character == FLAG).then_some(0);
        true
    }
}

/// Writes `line` to `out` as others may see it, and returns whether anything of it is visible.
///
/// Dropped are controls but tab (C0, DEL, C1), line and paragraph separators, format characters (general category Cf)
/// but U+200C and U+200D, code points that Unicode keeps for more of these, the ninth and later of combining marks in a
/// row (joiners between them do not count), and tags (U+E0020 to U+E007F) but the first eight behind U+1F3F4. Each run
/// of invalid bytes becomes one U+FFFD. Spaces, tabs, joiners, variation selectors and letters that look like a space
/// are kept but are not visible.
pub fn sanitise(line: &[u8], out: &mut impl Write) -> io::Result<bool> {
    // Every byte is looked at, so that the compiler looks at many at once: it would not if the loop could end early.
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    if line.iter().fold(true, |printable, byte| printable & is_printable(byte)) {
        out.write_all(line)?;
        return Ok(line.iter().fold(false, |visible, byte| visible | (*byte > b' ')));
    }
    let mut before = Before::default();
    let (mut visible, mut in_invalid) = (false, false);
    for chunk in line.utf8_chunks() {
        for character in chunk.valid().chars() {
            in_invalid = false;
            let kind = kind(character);
            if before.keeps(character, kind) {
                visible |= matches!(kind, Kind::Visible | Kind::Mark(true));
                out.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        if !chunk.invalid().is_empty() && !std::mem::replace(&mut in_invalid, true) {
            before = Before::default();
            visible = true;
            out.write_all(char::REPLACEMENT_CHARACTER.encode_utf8(&mut [0; 4]).as_bytes())?;
        }
    }
    Ok(visible)
}

/// True for characters that are always dropped.
#[cfg(test)]
pub(super) fn is_forbidden(character: char) -> bool {
    kind(character) == Kind::Dropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sanitised(line: &[u8]) -> (String, bool) {
        let mut out = Vec::new();
        let visible = sanitise(line, &mut out).expect("writing to a Vec does not fail");
        (String::from_utf8(out).expect("valid UTF-8 comes out"), visible)
    }

    #[track_caller]
    fn check(line: impl AsRef<[u8]>, expected: &str) {
        let line = line.as_ref();
        assert_eq!(sanitised(line).0, expected, "{line:?}");
    }

    #[test]
    fn nothing_that_moves_a_terminal_comes_out() {
        for (line, expected) in [
            (&b"plain ~ text"[..], "plain ~ text"),
            (b"tab\tstays", "tab\tstays"),
            ("grüße 你好 🎉".as_bytes(), "grüße 你好 🎉"),
            (b"\x1b[2J\x1b]0;title\x07x", "[2J]0;titlex"),
            (b"over\rwrite", "overwrite"),
            (b"nul\0del\x7fbs\x08", "nuldelbs"),
            ("c1\u{9b}31m nel\u{85}".as_bytes(), "c131m nel"),
            ("sep\u{2028}ara\u{2029}tor".as_bytes(), "separator"),
        ] {
            check(line, expected);
        }
    }

    #[test]
    fn each_run_of_invalid_bytes_is_replaced_once() {
        for (line, expected) in [
            (&b"raw c1 \x9b31m"[..], "raw c1 \u{fffd}31m"),
            (b"\xc3", "\u{fffd}"),
            (b"a\xe2\x82b", "a\u{fffd}b"),
            (b"overlong \xc0\xaf!", "overlong \u{fffd}!"),
            (b"surrogate \xed\xa0\x80", "surrogate \u{fffd}"),
            (b"a\xff\xfe\xc3b\xff", "a\u{fffd}b\u{fffd}"),
            (b"\xff\x1b\xff", "\u{fffd}\u{fffd}"),
            (b"\xef\xbf\xbd\xff\xef\xbf\xbd\xef\xbf\xbd", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            check(line, expected);
        }
        check([0xff; 1000], "\u{fffd}");
    }

    #[test]
    fn characters_that_reorder_or_hide_text_are_dropped() {
        for character in "\u{ad}\u{600}\u{61c}\u{6dd}\u{70f}\u{180e}\u{200b}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\
            \u{202d}\u{202e}\u{2060}\u{2061}\u{2062}\u{2063}\u{2064}\u{2065}\u{2066}\u{2067}\u{2068}\u{2069}\u{206a}\
            \u{206f}\u{feff}\u{fff0}\u{fff9}\u{fffa}\u{fffb}\u{110bd}\u{13430}\u{1bca0}\u{1d173}\u{e0001}\u{e0041}\
            \u{e007f}\u{e0080}\u{e0fff}"
            .chars()
        {
            check(format!("a{character}b"), "ab");
            check(format!("{character}"), "");
        }
    }

    #[test]
    fn joiners_selectors_and_flags_stay() {
        for text in [
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            "\u{2764}\u{fe0f}",
            "\u{845b}\u{e0100}",
            "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "\u{1f3f4}\u{200d}\u{2620}\u{fe0f}",
            "\u{fffc}\u{fdd0}\u{e000}\u{10ffff}",
            "a\u{115f}b\u{2800}c",
        ] {
            check(text, text);
        }
        check("\u{1f3f4}a\u{e0067}", "\u{1f3f4}a");
        check("\u{1f3f3}\u{e0067}", "\u{1f3f3}");
        check("\u{1f3f4}\u{200b}\u{e0067}\u{e007f}", "\u{1f3f4}\u{e0067}\u{e007f}");
        let tags = "\u{e0067}".repeat(8);
        check(format!("\u{1f3f4}{tags}\u{e0067}\u{e007f}x"), &format!("\u{1f3f4}{tags}x"));
    }

    #[test]
    fn of_marks_in_a_row_eight_are_kept() {
        let eight = "\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}";
        check(format!("z{eight}"), &format!("z{eight}"));
        check(format!("z{eight}\u{308}x{eight}\u{308}"), &format!("z{eight}x{eight}"));
        check(format!("z{}", "\u{489}".repeat(500)), &format!("z{}", "\u{489}".repeat(8)));
        // A character that is dropped or not visible does not begin a new row.
        check(format!("z{eight}\u{200b}\u{308}\x1b\u{308}"), &format!("z{eight}"));
        check(format!("z{eight}\u{200d}\u{308}\u{200c}\u{fe0f}"), &format!("z{eight}\u{200d}\u{200c}"));
        check("\u{915}\u{94d}\u{937}\u{93f}\u{901}", "\u{915}\u{94d}\u{937}\u{93f}\u{901}");
    }

    #[test]
    fn visible_and_invisible_characters_are_told_apart() {
        for line in [
            "",
            " ",
            "\t",
            " \t ",
            "\x1b",
            "\u{200b}",
            "\u{200d}\u{200c}",
            "\u{fe0f}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{115f}\u{1160}",
            "\u{2800}",
            "\u{a0}\u{3000}\u{1680}",
            "\u{34f}",
            "\u{feff} \u{2060}",
            "\u{e0041}",
        ] {
            assert!(!sanitised(line.as_bytes()).1, "{line:?}");
        }
        for line in [".", " a ", "\u{301}", "\u{fffd}", "\u{1f389}", "\u{e000}", "\u{3164}a"] {
            assert!(sanitised(line.as_bytes()).1, "{line:?}");
        }
        assert!(sanitised(b"\xff").1);
    }

    /// Text of which much is dropped or counted.
    fn text() -> impl Strategy<Value = String> {
        let character = prop_oneof![
            prop::sample::select(
                "a \u{300}\u{301}\u{489}\u{93f}\u{200b}\u{200c}\u{200d}\u{fe0f}\u{1f3f4}\u{e0067}\x1b\u{fffd}"
                    .chars()
                    .collect::<Vec<_>>()
            ),
            any::<char>(),
        ];
        prop::collection::vec(character, 0..60).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn sanitising_is_safe_and_idempotent(line: Vec<u8>) {
            let (once, visible) = sanitised(&line);
            prop_assert!(!once.chars().any(is_forbidden));
            prop_assert!(once.len() <= line.len() * crate::limits::SANITISED_GROWTH_MAX);
            prop_assert_eq!(sanitised(once.as_bytes()), (once, visible));
        }

        #[test]
        fn text_only_loses_characters(text in text()) {
            let (once, visible) = sanitised(text.as_bytes());
            prop_assert!(!once.chars().any(is_forbidden));
            prop_assert_eq!(sanitised(once.as_bytes()), (once.clone(), visible));
            let mut rest = text.chars();
            prop_assert!(once.chars().all(|kept| rest.any(|character| character == kept)));
            let rows = once.split(|character| !matches!(kind(character), Kind::Mark(_) | Kind::Joiner));
            for row in rows {
                prop_assert!(row.chars().filter(|mark| matches!(kind(*mark), Kind::Mark(_))).count() <= 8);
            }
        }

        #[test]
        fn clean_text_is_unchanged(text in "[ -~\tà-ÿ一-十]{0,60}") {
            prop_assert_eq!(sanitised(text.as_bytes()).0, text);
        }
    }
}
