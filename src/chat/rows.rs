//! Lines to rows of a terminal: a line that does not fit into one row goes on in the next, indented. Pure: no I/O.
//!
//! A terminal breaks a long line by itself, and the next row then begins with text that the line's author has chosen:
//! padded to the right width, `[10.0.0.9:4242] I resign` stands at the left edge as if another member had said it. So
//! rows are broken here, and every row of a line but its first begins with spaces. Where a terminal counts columns in
//! another way, characters behind the last column do not go on in the next row ([`WRAP_OFF`]).
//!
//! Two cases are not covered: a terminal breaks rows anew when its window is made narrower later; and a terminal of one
//! column has no space for an indentation.

use unicode_width::UnicodeWidthChar;

/// Spaces in front of each further row of a line, where the terminal is wide enough for them.
const INDENT_COLUMNS: usize = 4;

/// Columns between two stops of the tabulator, on any terminal.
const TAB_COLUMNS: usize = 8;

/// Columns of a terminal that does not report them.
const COLUMNS_UNKNOWN: usize = 80;

/// Printed for a character that is wider than a row.
const TOO_WIDE: char = '?';

/// What a terminal does with a character behind the last column of a row (DECAWM): put it into the last column, or into
/// the first of the next row, as at first.
pub const WRAP_OFF: &str = "\x1b[?7l";
pub const WRAP_ON: &str = "\x1b[?7h";

/// The properties of a terminal that decide where rows end.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub columns: usize,
    /// True for a terminal that shows characters of ambiguous width (UAX 11) in two columns.
    pub ambiguous_is_wide: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self::new(COLUMNS_UNKNOWN, false)
    }
}

impl Page {
    pub fn new(columns: usize, ambiguous_is_wide: bool) -> Self {
        Self { columns: if columns == 0 { COLUMNS_UNKNOWN } else { columns }, ambiguous_is_wide }
    }

    /// The rows of `lines`, each with its line feed. Nothing changes but tabs, which become spaces, where all lines
    /// fit.
    pub fn rows(&self, lines: &str) -> String {
        let mut out = String::with_capacity(lines.len() + lines.len() / 8);
        for line in lines.lines() {
            self.add_rows(line, &mut out);
            out.push('\n');
        }
        out
    }

    fn add_rows(&self, line: &str, out: &mut String) {
        let indent = INDENT_COLUMNS.min(self.columns / 2);
        // Where this row's text begins, and where the next character stands.
        let (mut start, mut column) = (0, 0);
        // Behind the last space of this row: where in `out`, and in which column.
        let mut gap = None;
        for character in line.chars() {
            let mut width = self.width(character, column);
            if column + width > self.columns && column > start {
                let tail = gap.take().filter(|(_, from)| {
                    let tail = column - from;
                    *from > self.columns / 2 && indent + tail + width <= self.columns
                });
                let (at, from) = tail.unwrap_or((out.len(), column));
                let tail = out.split_off(at);
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                out.push_str(&tail);
                (start, column) = (indent, indent + column - from);
                width = self.width(character, column);
            }
            match character {
                '\t' => out.extend(std::iter::repeat_n(' ', width)),
                _ if width > self.columns - column => {
                    width = 1;
                    out.push(TOO_WIDE);
                }
                _ => out.push(character),
            }
            column += width;
            if matches!(character, ' ' | '\t') {
                gap = Some((out.len(), column));
            }
        }
    }

    /// Columns that a character takes from `column` on, or more: of what may be drawn as one with its neighbours, each
    /// is counted by itself.
    fn width(&self, character: char, column: usize) -> usize {
        match character {
            // Up to the next stop, or to the end of the row.
            '\t' => (TAB_COLUMNS - column % TAB_COLUMNS).min(self.columns.saturating_sub(column).max(1)),
            // Behind a narrow character it asks for its picture, which is wide.
            '\u{fe0f}' => 1,
            // Two of them are a flag, which is wide, and each may be drawn by itself.
            '\u{1f1e6}'..='\u{1f1ff}' => 2,
            _ if self.ambiguous_is_wide => character.width_cjk().unwrap_or(0),
            _ => character.width().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(columns: usize, line: &str, expected: &[&str]) {
        let page = Page::new(columns, false);
        assert_eq!(
            page.rows(&format!("{line}\n")).lines().collect::<Vec<_>>(),
            expected,
            "{line:?} in {columns} columns"
        );
    }

    #[test]
    fn a_line_that_does_not_fit_goes_on_in_an_indented_row() {
        check(10, "", &[""]);
        check(10, "0123456789", &["0123456789"]);
        check(10, "0123456789a", &["0123456789", "    a"]);
        check(10, "0123456789abcdefghi", &["0123456789", "    abcdef", "    ghi"]);
        check(20, "[a:1] some words that are long", &["[a:1] some words ", "    that are long"]);
        check(12, "[a:1] hi    [b:2] I resign", &["[a:1] hi    ", "    [b:2] I ", "    resign"]);
    }

    #[test]
    fn wide_and_invisible_characters_and_tabs_are_counted() {
        check(10, "漢漢漢漢漢", &["漢漢漢漢漢"]);
        check(11, "漢漢漢漢漢漢", &["漢漢漢漢漢", "    漢"]);
        check(4, "e\u{301}e\u{301}e\u{301}e\u{301}", &["e\u{301}e\u{301}e\u{301}e\u{301}"]);
        check(10, "a\tb", &["a       b"]);
        check(10, "a\t\tb", &["a         ", "    b"]);
        check(10, "👨\u{200d}👩\u{200d}👧\u{200d}👦", &["👨\u{200d}👩\u{200d}👧\u{200d}👦"]);
        check(8, "❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}", &["❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}"]);
        let narrow = Page::new(8, false).rows("■■■■■");
        let wide = Page::new(8, true).rows("■■■■■");
        assert_eq!((narrow.as_str(), wide.as_str()), ("■■■■■\n", "■■■■\n    ■\n"));
    }

    #[test]
    fn a_narrow_terminal_gets_what_fits() {
        check(1, "abc", &["a", "b", "c"]);
        check(1, "漢a\t", &["?", "a", " "]);
        check(2, "漢漢a", &["漢", " ?", " a"]);
        check(3, "a漢", &["a漢"]);
        check(3, "ab漢", &["ab", " 漢"]);
        check(0, &"x".repeat(81), &[&"x".repeat(80), "    x"]);
    }

    proptest! {
        #[test]
        fn no_row_is_too_wide_and_none_but_the_first_begins_at_the_edge(
            line in prop::collection::vec(prop_oneof![
                Just('a'), Just(' '), Just('\t'), Just('漢'), Just('\u{301}'), Just('\u{200d}'), Just('👩'),
                Just('\u{fe0f}'), Just('🇩'), any::<char>().prop_filter("a line has none", |c| !c.is_control()
                    && !matches!(c, '\u{2028}' | '\u{2029}')),
            ], 0..200),
            columns in 1usize..40,
            ambiguous_is_wide: bool,
        ) {
            let line: String = line.into_iter().collect();
            let page = Page::new(columns, ambiguous_is_wide);
            let rows = page.rows(&line);
            for (number, row) in rows.lines().enumerate() {
                let width: usize = row.chars().map(|character| page.width(character, 0)).sum();
                prop_assert!(width <= columns, "{row:?} takes {width} of {columns}");
                prop_assert!(number == 0 || columns == 1 || row.starts_with(' '), "{row:?} begins at the edge");
            }
            if columns >= 4 {
                let visible = |text: &str| text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n')).collect::<String>();
                prop_assert_eq!(visible(&rows), visible(&line), "nothing is lost");
            }
        }
    }
}
