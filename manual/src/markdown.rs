//! Markdown to troff: the written parts of the pages, and docs/PROTOCOL.md, which was not written for a terminal.
//!
//! `## ` is a section and `### ` a part of one. A table whose rows fit is a table; others are lists, an entry a row, in
//! which each cell stands behind the name of its column. Long lines of examples are broken. Links inside the document
//! lead nowhere and leave their text.

mod table;

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use table::Table;

/// Columns of text between the indentation and the right edge of a page of 80 columns.
const TEXT_COLUMNS: usize = 70;
/// Columns of a line of an example, which is indented.
const EXAMPLE_COLUMNS: usize = TEXT_COLUMNS - 4;

/// Adds a text to a page.
pub fn add(text: &str, out: &mut Roff) {
    let mut writer = Writer {
        out,
        spans: Vec::new(),
        fonts: Vec::new(),
        entries: Vec::new(),
        table: None,
        link: None,
        is_behind_heading: false,
    };
    let options = Options::ENABLE_TABLES | Options::ENABLE_DEFINITION_LIST;
    let mut events = Parser::new_ext(text, options);
    while let Some(event) = events.next() {
        if let Event::Start(Tag::CodeBlock(_)) = event {
            let lines: String = events
                .by_ref()
                .take_while(|event| !matches!(event, Event::End(TagEnd::CodeBlock)))
                .filter_map(|event| if let Event::Text(text) = event { Some(text.into_string()) } else { None })
                .collect();
            writer.example(&lines);
        } else {
            writer.on(event);
        }
    }
}

struct Writer<'a> {
    out: &'a mut Roff,
    /// Of the paragraph, heading or cell that is being read.
    spans: Vec<Inline>,
    fonts: Vec<Font>,
    /// The entries of lists that are open, innermost last; true until the first paragraph of it.
    entries: Vec<bool>,
    table: Option<Table>,
    /// Where the link leads that is being read, if outside.
    link: Option<String>,
    /// True exactly when nothing was written since a heading, which begins a paragraph itself.
    is_behind_heading: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Font {
    Bold,
    Italic,
}

impl Writer<'_> {
    fn on(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Strong) => self.fonts.push(Font::Bold),
            Event::Start(Tag::Emphasis) => self.fonts.push(Font::Italic),
            Event::End(TagEnd::Strong | TagEnd::Emphasis) => drop(self.fonts.pop()),
            Event::Text(text) => self.push(&text, self.fonts.last().copied()),
            Event::Code(text) => self.push(&text, Some(Font::Bold)),
            Event::SoftBreak | Event::HardBreak => self.push(" ", None),
            Event::Start(Tag::Link { dest_url, .. }) => {
                self.link = dest_url.contains("://").then(|| dest_url.into_string());
            }
            Event::End(TagEnd::Link) => {
                if let Some(link) = self.link.take() {
                    self.push(&format!(" <{link}>"), None);
                }
            }
            Event::End(TagEnd::Heading(level)) => {
                let heading: String = self.spans.drain(..).map(|span| text_of(&span).to_owned()).collect();
                if level as u8 <= 2 {
                    self.out.control("SH", [quoted(&heading.to_uppercase()).as_str()]);
                } else {
                    self.out.control("SS", [quoted(&heading).as_str()]);
                }
                self.is_behind_heading = true;
            }
            Event::Start(Tag::Item) => {
                // The first list inside an entry is indented.
                if !self.entries.is_empty() {
                    self.out.control("RS", []);
                }
                self.out.control("IP", ["\\(bu", "2"]);
                self.entries.push(true);
            }
            Event::End(TagEnd::Item) => {
                self.paragraph();
                self.entries.pop();
                if !self.entries.is_empty() {
                    self.out.control("RE", []);
                }
            }
            Event::Start(Tag::DefinitionListTitle) => drop(self.out.control("TP", [])),
            Event::End(TagEnd::DefinitionListTitle) => self.write_lines(),
            Event::Start(Tag::DefinitionListDefinition) => self.entries.push(true),
            Event::End(TagEnd::DefinitionListDefinition) => {
                self.paragraph();
                self.entries.pop();
            }
            Event::End(TagEnd::Paragraph) => self.paragraph(),
            Event::Start(Tag::Table(_)) => self.table = Some(Table::default()),
            Event::End(TagEnd::TableCell) => {
                let cell = std::mem::take(&mut self.spans);
                self.table.as_mut().expect("cells stand in tables").push(cell);
            }
            Event::End(TagEnd::TableHead | TagEnd::TableRow) => {
                self.table.as_mut().expect("rows stand in tables").end_row();
            }
            Event::End(TagEnd::Table) => {
                let table = self.table.take().expect("a table was begun");
                if table.is_laid_out() {
                    self.begin();
                }
                self.is_behind_heading = false;
                table.write(self.out);
            }
            _ => {}
        }
    }

    fn push(&mut self, text: &str, font: Option<Font>) {
        self.spans.push(match font {
            Some(Font::Bold) => bold(text),
            Some(Font::Italic) => italic(text),
            None => roman(text),
        });
    }

    /// Ends a paragraph, also one that nothing marks as such.
    fn paragraph(&mut self) {
        // Which test holds a statement is of interest beside the code alone.
        if let Some(at) = self.spans.iter().position(|span| text_of(span).starts_with("Tested by ")) {
            self.spans.truncate(at);
        }
        if self.spans.iter().all(|span| text_of(span).trim().is_empty()) {
            return self.spans.clear();
        }
        match self.entries.last_mut().map(std::mem::take) {
            // Behind what marks the entry.
            Some(true) => {}
            Some(false) => drop(self.out.control("IP", [])),
            None => self.begin(),
        }
        self.write_lines();
    }

    /// Begins a paragraph.
    fn begin(&mut self) {
        if !std::mem::take(&mut self.is_behind_heading) {
            self.out.control("PP", []);
        }
    }

    fn write_lines(&mut self) {
        self.is_behind_heading = false;
        for line in lines(std::mem::take(&mut self.spans)) {
            self.out.text(line);
        }
    }

    fn example(&mut self, text: &str) {
        self.paragraph();
        if self.entries.is_empty() {
            self.begin();
        } else {
            self.out.control("IP", []);
        }
        self.is_behind_heading = false;
        self.out.control("RS", ["4"]);
        self.out.control("nf", []);
        for line in example_lines(text) {
            self.out.text([roman(line)]);
        }
        self.out.control("fi", []);
        self.out.control("RE", []);
    }
}

fn text_of(span: &Inline) -> &str {
    match span {
        Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text,
        Inline::LineBreak => "",
    }
}

/// The argument of a macro in which each quote stands twice.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\"\"").replace('`', "")
}

/// A paragraph in lines that a person can read in the source, too: broken between words.
fn lines(spans: Vec<Inline>) -> Vec<Vec<Inline>> {
    let mut lines = vec![Vec::new()];
    let mut columns = 0;
    for span in spans {
        let roman_text = match span {
            Inline::Roman(text) => text,
            other => {
                columns += text_of(&other).chars().count();
                lines.last_mut().expect("there is a line").push(other);
                continue;
            }
        };
        let mut text = String::new();
        for (place, word) in roman_text.split(' ').enumerate() {
            if place > 0 {
                if columns + word.chars().count() > TEXT_COLUMNS
                    && !(text.is_empty() && lines.last().is_some_and(Vec::is_empty))
                {
                    if !text.is_empty() {
                        lines.last_mut().expect("there is a line").push(roman(std::mem::take(&mut text)));
                    }
                    lines.push(Vec::new());
                    columns = 0;
                } else {
                    text.push(' ');
                    columns += 1;
                }
            }
            text += word;
            columns += word.chars().count();
        }
        if !text.is_empty() {
            lines.last_mut().expect("there is a line").push(roman(text));
        }
    }
    lines.retain(|line| line.iter().any(|span| !text_of(span).is_empty()));
    lines
}

/// The lines of an example. Where one is too long, comments move to the left as far as they can, and then lines are
/// broken.
fn example_lines(text: &str) -> Vec<String> {
    let is_long = |line: &str| line.chars().count() > EXAMPLE_COLUMNS;
    if !text.lines().any(is_long) {
        return text.lines().map(str::to_owned).collect();
    }
    let moved = text.lines().map(|line| match line.split_once("  ;") {
        Some((before, comment)) => format!("{}  ;{comment}", before.trim_end()),
        None => line.to_owned(),
    });
    moved.flat_map(|line| broken(&line)).collect()
}

/// A line broken between two members of an object or at a space where it is too long, and continued indented.
fn broken(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line.to_owned();
    while rest.chars().count() > EXAMPLE_COLUMNS {
        let end = rest.char_indices().nth(EXAMPLE_COLUMNS).map_or(rest.len(), |(at, _)| at);
        let start = rest.len() - rest.trim_start().len() + 8;
        let last = |place: &str| rest[..end].rfind(place).filter(|at| *at > start);
        let at = last(",\"").or_else(|| last(" ")).map_or(end, |at| at + 1);
        let next = format!("    {}", rest[at..].trim_start());
        rest.truncate(at);
        found.push(rest.trim_end().to_owned());
        rest = next;
    }
    found.push(rest);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> String {
        let mut out = Roff::new();
        add(text, &mut out);
        crate::troff::lines(&out)
    }

    #[test]
    fn paragraphs_lists_and_examples_become_macros() {
        for (text, expected) in [
            ("## It is\n\nOne `-x` *y*.\n\nTwo.", ".SH \"IT IS\"\nOne \\fB\\-x\\fR \\fIy\\fR.\n.PP\nTwo.\n"),
            ("### <a id=\"a\"></a>1.1 A\n\nSee [1.2](#b).", ".SS \"1.1 A\"\nSee 1.2.\n"),
            ("[A](https://a.example)", ".PP\nA <https://a.example>\n"),
            ("a\n: one\n\n    two\n", ".TP\na\none\n.IP\ntwo\n"),
            ("- a\n- b\n", ".IP \\(bu 2\na\n.IP \\(bu 2\nb\n"),
            ("```\n.x\\y\n```", ".PP\n.RS 4\n.nf\n\\&.x\\ey\n.fi\n.RE\n"),
            ("a\n\nTested by `x`: `y`.\n", ".PP\na\n"),
            ("a\nTested by `x`: `y`.\n", ".PP\na \n"),
            ("it's ~ ^ \u{2014}", ".PP\nit\\*(Aqs \\(ti \\(ha \\[u2014]\n"),
        ] {
            assert_eq!(page(text), expected, "{text}");
        }
    }

    #[test]
    fn a_table_is_one_where_its_columns_fit_and_else_a_list() {
        let narrow = "| a | b |\n| --- | --- |\n| `x` | y |\n";
        assert_eq!(page(narrow), ".PP\n.TS\nlb lb\nlw(1n) lw(1n).\na\tb\n\\fBx\\fR\ty\n.TE\n");
        let long = format!("| a | b |\n| --- | --- |\n| {} | y |\n", "x".repeat(40));
        assert_eq!(page(&long), format!(".TP\n\\fIa\\fR\n\\fIb\\fR\n.TP\n{}\ny\n", "x".repeat(40)));
        let wide = format!("| a | b | c |\n| --- | --- | --- |\n| {} | y | z |\n", "x".repeat(40));
        let expected = format!(".TP\n{}\n\\fIb\\fR: y; \\fIc\\fR: z\n", "x".repeat(40));
        assert_eq!(page(&wide), expected);
    }

    #[test]
    fn lines_of_examples_are_as_narrow_as_the_page() {
        let object = format!("{{\"a\":\"{0} {0}\",\"b\":\"{0}\"}}", "x".repeat(25));
        assert_eq!(broken(&object), [&object[..59], &format!("    {}", &object[59..])]);
        let comment = format!("a = b{};  c", " ".repeat(70));
        assert_eq!(example_lines(&comment), ["a = b  ;  c"]);
        assert!(broken(&"x".repeat(200)).iter().all(|line| line.len() <= EXAMPLE_COLUMNS));
    }
}
