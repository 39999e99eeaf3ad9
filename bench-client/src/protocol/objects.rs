//! The objects that uproar sends in the frames of its web door, one a frame. docs/PROTOCOL.md, chapter 9, has them all.
//!
//! What a member says is the line as it is typed. A message is recognised where it lies, in the order in which the server writes its
//! parts; every other object goes through a JSON parser, and so would a message in another order.

use std::borrow::Cow;

use serde::Deserialize;

use crate::protocol::piece::Piece;

/// An object as far as a run looks at it.
#[derive(Deserialize)]
struct Object<'a> {
    kind: &'a str,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    room: Option<Text<'a>>,
    count: Option<u64>,
}

/// A string that lies in the object as it is, unless there is an escape in it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A message. Another struct, because `from` of a gap is a number.
#[derive(Deserialize)]
struct Message<'a> {
    from: &'a str,
    text: &'a str,
}

/// What `object` is, in `room`, where messages have texts of `payload_bytes`.
pub(super) fn piece<'b>(object: &'b [u8], room: &str, payload_bytes: usize) -> Piece<'b> {
    match message(object, payload_bytes) {
        Some((author, payload)) => Piece::Message { author, payload },
        None => other(object, room),
    }
}

/// Author and text of a message whose text has `payload_bytes` and needs no escapes.
fn message(object: &[u8], payload_bytes: usize) -> Option<(&[u8], &[u8])> {
    let rest = object.strip_suffix(b"\"}")?;
    let (head, payload) = rest.split_at_checked(rest.len().checked_sub(payload_bytes)?)?;
    let rest = after_digits(head.strip_prefix(b"{\"n\":")?);
    let rest = after_digits(rest.strip_prefix(b",\"t\":")?);
    let (author, rest) = string(rest.strip_prefix(b",\"kind\":\"message\",\"from\":\"")?)?;
    let (_, rest) = string(rest.strip_prefix(b",\"id\":\"")?)?;
    (rest == b",\"text\":\"").then_some((author, payload))
}

fn after_digits(bytes: &[u8]) -> &[u8] {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    &bytes[digits..]
}

/// A string up to its quotation mark, and what comes behind that.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'"', bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn other<'b>(bytes: &'b [u8], room: &str) -> Piece<'b> {
    let Ok(object) = serde_json::from_slice::<Object<'_>>(bytes) else { return Piece::Strange(bytes) };
    let text = match object.text {
        Some(Text(Cow::Borrowed(text))) => text.as_bytes(),
        _ => bytes,
    };
    match object.kind {
        "message" => match serde_json::from_slice(bytes) {
            Ok(Message { from, text }) => Piece::Message { author: from.as_bytes(), payload: text.as_bytes() },
            Err(_) => Piece::Strange(bytes),
        },
        "action" | "topic" | "announcement" | "private" => Piece::Strange(bytes),
        "welcome" if object.room.is_some_and(|Text(name)| name == room) => Piece::Joined,
        "missed" => object.count.map_or(Piece::Notice(bytes), Piece::Missed),
        "entered" | "left" | "renamed" | "summary" | "slow" | "only" => Piece::Presence,
        "error" | "replaced" | "stopping" => Piece::Notice(text),
        "notice" => Piece::Word(text),
        // Its own line was said; and what a later version may add.
        _ => Piece::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Piece<'_> {
        piece(text.as_bytes(), "lobby", 2)
    }

    #[test]
    fn a_message_is_found_in_the_order_of_the_server_and_in_any_other() {
        let message = Piece::Message { author: b"127.0.0.1:63155", payload: b"hi" };
        let object =
            r#"{"n":48212,"t":1732448000123,"kind":"message","from":"127.0.0.1:63155","id":"9f3a","text":"hi"}"#;
        assert_eq!(of(object), message);
        assert!(super::message(object.as_bytes(), 2).is_some());
        let other_order = r#"{"kind":"message", "text":"hi", "from":"127.0.0.1:63155", "more":[1]}"#;
        assert_eq!(of(other_order), message);
        assert!(super::message(other_order.as_bytes(), 2).is_none());
    }

    #[test]
    fn a_text_of_another_length_is_whole_and_one_with_escapes_is_strange() {
        let with = |text: &str| format!(r#"{{"n":1,"t":1,"kind":"message","from":"a","id":"1","text":"{text}"}}"#);
        assert_eq!(of(&with("hello")), Piece::Message { author: b"a", payload: b"hello" });
        assert_eq!(of(&with("")), Piece::Message { author: b"a", payload: b"" });
        let escaped = with(r#"a\"b"#);
        assert_eq!(of(&escaped), Piece::Strange(escaped.as_bytes()));
        // A text that looks like the end of an object does not deceive.
        let forged = with(r#"x\",\"text\":\"hi"#);
        assert!(!matches!(of(&forged), Piece::Message { author: b"a", payload: b"hi" }));
    }

    #[test]
    fn the_other_objects_are_told_apart() {
        let cases = [
            (
                r#"{"n":1,"t":1,"kind":"welcome","id":"9","room":"lobby","epoch":"5","name":"a","online":3}"#,
                Piece::Joined,
            ),
            (r#"{"n":1,"t":1,"kind":"welcome","id":"9","room":"x","epoch":"5","name":"a","online":3}"#, Piece::Nothing),
            (r#"{"n":48216,"t":1732448000123,"kind":"said"}"#, Piece::Nothing),
            (r#"{"kind":"missed","from":48214,"to":48300,"count":87}"#, Piece::Missed(87)),
            (r#"{"kind":"missed"}"#, Piece::Notice(br#"{"kind":"missed"}"#)),
            (r#"{"after":4,"t":1,"kind":"entered","from":"bob","id":"9f3a","online":3}"#, Piece::Presence),
            (r#"{"after":4,"t":1,"kind":"summary","entered":1204,"left":31,"online":19000}"#, Piece::Presence),
            (r#"{"kind":"notice","code":"slow_down","text":"slow down: x"}"#, Piece::Word(b"slow down: x")),
            (
                r#"{"kind":"error","code":"server_full","text":"the house is full"}"#,
                Piece::Notice(b"the house is full"),
            ),
            (
                r#"{"n":2,"t":1,"kind":"action","from":"a","id":"1","text":"hi"}"#,
                Piece::Strange(br#"{"n":2,"t":1,"kind":"action","from":"a","id":"1","text":"hi"}"#),
            ),
            (r#"{"kind":"of_tomorrow"}"#, Piece::Nothing),
            ("hello", Piece::Strange(b"hello")),
        ];
        for (object, piece) in cases {
            assert_eq!(of(object), piece, "{object}");
        }
    }
}
