//! A page as troff reads it: its title, its parts, and characters written so that every formatter shows the same ones.

use clap_mangen::roff::Roff;

/// A page of the manual.
pub struct Title {
    pub name: &'static str,
    pub section: u8,
}

impl Title {
    /// The name of the page's file.
    pub fn file(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }

    /// The name of the section, as readers see it above the page.
    fn manual(&self) -> &'static str {
        match self.section {
            1 => "User Commands",
            7 => "Miscellaneous Information Manual",
            _ => "System Manager's Manual",
        }
    }
}

/// The text of a page. `'\" t` has the formatter lay out tables; lines are neither hyphenated nor stretched, because
/// what is read here are commands.
pub fn page(title: &Title, parts: &[String]) -> String {
    let Title { name, section } = title;
    let mut text = format!(
        "'\\\" t\n.\\\" Written by `just manual`: change manual/pages/ or the command line.\n\
         .TH {} {section} \"\" \"uproar {}\" \"{}\"\n.ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.nh\n.ad l\n.ss 12 0\n",
        name.to_uppercase(),
        env!("CARGO_PKG_VERSION"),
        title.manual(),
    );
    for part in parts {
        text += part;
    }
    text
}

/// The lines of a part, without what `roff` puts before them and `page` has already.
pub fn lines(roff: &Roff) -> String {
    body(&roff.render())
}

/// The same of a text that `roff` has made, with what it leaves to chance: a backslash, and characters that formatters
/// replace by finer ones, or that are not ASCII.
pub fn body(text: &str) -> String {
    let preamble = Roff::new().render();
    let text = text.strip_prefix(&preamble).unwrap_or(text);
    let mut out = String::new();
    for line in text.lines() {
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' if characters.next_if_eq(&'\\').is_some() => out += "\\e",
                '\\' => out.extend(['\\'].into_iter().chain(characters.next())),
                '^' => out += "\\(ha",
                '~' => out += "\\(ti",
                '`' => out += "\\(ga",
                _ if character.is_ascii() => out.push(character),
                _ => out += &format!("\\[u{:04X}]", u32::from(character)),
            }
        }
        out.push('\n');
    }
    out
}
