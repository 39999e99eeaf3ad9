//! A line as others are shown it: a second implementation of the rules in `docs/PROTOCOL.md`.

use super::Line;

/// A line as others are shown it; `None` when nothing of it can be seen.
pub fn shown(line: &[u8]) -> Option<Line> {
    let mut text: Vec<char> = Vec::new();
    // One replacement for each run of invalid bytes.
    let mut valid = true;
    for chunk in line.utf8_chunks() {
        valid |= !chunk.valid().is_empty();
        text.extend(chunk.valid().chars());
        if !chunk.invalid().is_empty() && std::mem::replace(&mut valid, false) {
            text.push('\u{fffd}');
        }
    }
    text.retain(|character| !is_dropped(*character));
    let is_joiner = |character: char| matches!(character, '\u{200c}' | '\u{200d}');
    let mut kept: Vec<char> = Vec::new();
    for character in text {
        let row = kept.iter().rev().take_while(|before| is_mark(**before) || is_joiner(**before));
        let marks = row.filter(|before| is_mark(**before)).count();
        let tags = kept.iter().rev().take_while(|before| is_tag(**before)).count();
        let in_flag = kept.len() > tags && kept[kept.len() - tags - 1] == '\u{1f3f4}';
        if (is_mark(character) && marks >= 8) || (is_tag(character) && (tags >= 8 || !in_flag)) {
            continue;
        }
        kept.push(character);
    }
    let seen = |character: &char| {
        !(character.is_whitespace()
            || is_joiner(*character)
            || is_tag(*character)
            || ('\u{fe00}'..='\u{fe0f}').contains(character)
            || ('\u{e0100}'..='\u{e01ef}').contains(character)
            || "\u{34f}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180c}\u{180d}\u{180f}\u{2800}\u{3164}\u{ffa0}"
                .contains(*character))
    };
    let visible = kept.iter().any(seen);
    visible.then(|| String::from_iter(kept).into_bytes())
}

fn is_tag(character: char) -> bool {
    ('\u{e0020}'..='\u{e007f}').contains(&character)
}

fn is_mark(character: char) -> bool {
    use unicode_general_category::GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    let category = unicode_general_category::get_general_category(character);
    matches!(category, EnclosingMark | NonspacingMark | SpacingMark)
}

/// Control and format characters of Unicode 16, written down from its list, and code points kept for more of them.
fn is_dropped(character: char) -> bool {
    !is_tag(character)
        && !('\u{e0100}'..='\u{e01ef}').contains(&character)
        && match u32::from(character) {
            0x09 | 0x200c | 0x200d => false,
            0..0x20 | 0x7f..0xa0 | 0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890 | 0x891 | 0x8e2 | 0x180e => {
                true
            }
            0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff0..=0xfffb | 0x110bd | 0x110cd => true,
            0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff => true,
            _ => false,
        }
}
