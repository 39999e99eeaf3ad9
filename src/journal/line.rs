//! How an event looks as a line: as text for people, or as a JSON object for programs.
//!
//! A line depends on where it goes. In a file it has its time and its level, because nobody else adds them; systemd's
//! journal adds both, of which it reads the level from a prefix; on terminals and pipes a line is its text. An object has
//! both everywhere. No name, path or error can break a line or look like another one: control characters, and those
//! that nobody sees, are written as escapes.

use std::fmt::{self, Display, Write as _};
use std::io::Write as _;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::event::{LogEvent, LogField};
use crate::counters::Statistics;
use crate::outlet::{Outlet, Place};
use crate::wire::is_hidden;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// What of an event is data.
pub type Field<'a> = (LogField, Value<'a>);

#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "a text that can be shown is all that is known of it")]
pub enum Value<'a> {
    Text(&'a dyn Display),
    Number(u64),
    /// An object with every key of the statistics line.
    Statistics(&'a Statistics),
}

/// Adds the line of an event, with its line feed.
pub(super) fn push(
    format: Format,
    outlet: &impl Outlet,
    event: LogEvent,
    text: fmt::Arguments<'_>,
    fields: &[Field<'_>],
    out: &mut Vec<u8>,
) {
    debug_assert!(
        fields.iter().all(|(field, _)| event.fields().contains(field)),
        "{event:?} does not have all of them"
    );
    let level = event.row().level;
    let place = outlet.place();
    let text = Harmless(text);
    let never = "writing to a vector never fails";
    if place == Place::Journald {
        write!(out, "<{}>", level.priority()).expect(never);
    }
    match (format, place) {
        (Format::Json, _) => {
            let object = Object { time: Rfc3339(outlet.time()), event, text: &text, fields };
            serde_json::to_writer(&mut *out, &object).expect("numbers and texts are JSON");
        }
        (Format::Text, Place::Journald) => write!(out, "{text}").expect(never),
        (Format::Text, Place::File) => {
            write!(out, "{} {} uproar: {text}", Rfc3339(outlet.time()), level.name()).expect(never);
        }
        (Format::Text, Place::Other) => write!(out, "uproar: {text}").expect(never),
    }
    out.push(b'\n');
}

/// A time as files have it: RFC 3339, UTC, with milliseconds.
struct Rfc3339(std::time::SystemTime);

impl Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.0).fmt(f)
    }
}

/// An event as a JSON object.
struct Object<'a> {
    time: Rfc3339,
    event: LogEvent,
    text: &'a dyn Display,
    fields: &'a [Field<'a>],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        let row = self.event.row();
        object.serialize_entry("time", &Shown(&self.time))?;
        object.serialize_entry("level", row.level.name())?;
        object.serialize_entry("event", row.key)?;
        object.serialize_entry("text", &Shown(&self.text))?;
        for (field, value) in self.fields {
            let key = field.row().key;
            match value {
                Value::Text(text) => object.serialize_entry(key, &Shown(&Harmless(text)))?,
                Value::Number(number) => object.serialize_entry(key, number)?,
                Value::Statistics(statistics) => object.serialize_entry(key, &Figures(statistics))?,
            }
        }
        object.end()
    }
}

/// A text that is made while it is written.
struct Shown<'a, D: Display>(&'a D);

impl<D: Display> Serialize for Shown<'_, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

struct Figures<'a>(&'a Statistics);

impl Serialize for Figures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.figures().map(|figure| (figure.key, figure.value)))
    }
}

/// A text in one line, in which every character is seen.
struct Harmless<D>(D);

impl<D: Display> Display for Harmless<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Writes control characters, and characters that nobody sees, as escapes: a line feed is `\n`.
struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.0.write_str(text);
        }
        text.chars().try_for_each(|character| match character {
            '\t' => self.0.write_str("\\t"),
            _ if is_hidden(character) => write!(self.0, "{}", character.escape_default()),
            _ => self.0.write_char(character),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outlet::test_outlet::TestOutlet;

    const STAMP: &str = "2001-09-09T01:46:40.123Z";

    fn line(format: Format, place: Place, event: fmt::Arguments<'_>, fields: &[Field<'_>]) -> String {
        let mut out = Vec::new();
        push(format, &TestOutlet { place, ..TestOutlet::default() }, LogEvent::Listening, event, fields, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_as_its_place_has_it() {
        let (event, fields) = (
            format_args!("it is \"full\""),
            [(LogField::Address, Value::Text(&"bob")), (LogField::MembersMax, Value::Number(7))],
        );
        let object = format!(
            "{{\"time\":\"{STAMP}\",\"level\":\"info\",\"event\":\"listening\",\
             \"text\":\"it is \\\"full\\\"\",\"address\":\"bob\",\"members_max\":7}}\n"
        );
        for (format, place, expected) in [
            (Format::Text, Place::Other, "uproar: it is \"full\"\n".to_owned()),
            (Format::Text, Place::File, format!("{STAMP} info uproar: it is \"full\"\n")),
            (Format::Text, Place::Journald, "<6>it is \"full\"\n".to_owned()),
            (Format::Json, Place::Other, object.clone()),
            (Format::Json, Place::File, object.clone()),
            (Format::Json, Place::Journald, format!("<6>{object}")),
        ] {
            assert_eq!(line(format, place, event, &fields), expected);
        }
    }

    #[test]
    fn no_text_breaks_a_line_or_hides_what_it_says() {
        let path = "a\nuproar: stopped\r\x1b[2J\u{7f}\u{9b}2K\u{202e}\u{2028}\tb\u{e9}\u{1f600}\0";
        let shown = "a\\nuproar: stopped\\r\\u{1b}[2J\\u{7f}\\u{9b}2K\\u{202e}\\u{2028}\\tb\u{e9}\u{1f600}\\u{0}";
        assert_eq!(line(Format::Text, Place::Other, format_args!("{path}"), &[]), format!("uproar: {shown}\n"));
        let object =
            line(Format::Json, Place::Other, format_args!("{path}"), &[(LogField::Address, Value::Text(&path))]);
        assert_eq!(object.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&object).unwrap();
        assert_eq!((&object["text"], &object["address"]), (&shown.into(), &shown.into()));
    }

    #[test]
    fn statistics_are_numbers_by_their_keys() {
        let statistics = Statistics { members: 3, lag_bytes_max: u64::MAX, ..Statistics::default() };
        let mut object = Vec::new();
        let fields = [(LogField::Statistics, Value::Statistics(&statistics))];
        let text = format_args!("{statistics}");
        push(Format::Json, &TestOutlet::default(), LogEvent::Statistics, text, &fields, &mut object);
        let object: serde_json::Value = serde_json::from_slice(&object).unwrap();
        let figures = object["statistics"].as_object().unwrap();
        assert_eq!(figures.len(), statistics.figures().count());
        assert!(statistics.figures().all(|figure| figures[figure.key] == figure.value));
    }
}
