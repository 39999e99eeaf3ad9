//! What NATS's answers mean. Pure.

use async_nats::client::{RequestError, RequestErrorKind};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{HeaderMap, Message};

use crate::cluster::link::{Published, Stored};

/// What became of a message for a stream.
#[derive(Debug)]
pub enum Appended {
    At(u64),
    /// The last message of its subject was another one.
    Conflict,
    /// The stream will never take it.
    Refused(String),
    /// It is not known, or cannot be done now.
    Unknown(String),
}

impl Appended {
    /// The meaning of an answer to a message that was sent to a stream.
    pub fn of(answer: Result<Message, RequestError>) -> Self {
        let message = match answer {
            Ok(message) => message,
            Err(error) if error.kind() == RequestErrorKind::MaxPayloadExceeded => {
                return Self::Refused("it is larger than the NATS server takes".to_owned());
            }
            Err(error) => return Self::Unknown(reason(&error)),
        };
        match serde_json::from_slice::<Response<PublishAck>>(&message.payload) {
            // What several servers are still agreeing on is known again by its name and has no place yet (seen of NATS
            // 2.9). Whether they agree is not known: when the leader has changed meanwhile they may never.
            Ok(Response::Ok(ack)) if ack.sequence == 0 => Self::Unknown("it is not stored yet".to_owned()),
            Ok(Response::Ok(ack)) => Self::At(ack.sequence),
            Ok(Response::Err { error }) => Self::of_error(&error),
            Err(_) => Self::Unknown("an acknowledgement was not understood".to_owned()),
        }
    }

    fn of_error(error: &jetstream::Error) -> Self {
        match error.error_code() {
            ErrorCode::STREAM_WRONG_LAST_SEQUENCE => Self::Conflict,
            ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_SEALED => Self::Refused(error.to_string()),
            _ => Self::Unknown(error.to_string()),
        }
    }

    pub fn published(&self) -> Published {
        match self {
            Self::At(sequence) => Published::Stored { sequence: *sequence },
            Self::Refused(why) => Published::Refused { why: why.clone() },
            Self::Conflict | Self::Unknown(_) => Published::Unknown,
        }
    }

    pub fn stored(&self) -> Stored {
        match self {
            Self::At(sequence) => Stored::Done { revision: *sequence },
            Self::Conflict => Stored::Conflict,
            Self::Refused(_) | Self::Unknown(_) => Stored::Unknown,
        }
    }
}

/// Why a request has no answer.
pub fn reason(error: &RequestError) -> String {
    match error.kind() {
        RequestErrorKind::NoResponders => "the stream has no leader".to_owned(),
        RequestErrorKind::TimedOut => "NATS does not answer".to_owned(),
        _ => error.to_string(),
    }
}

/// What a message is to a consumer that asked for messages.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    Message,
    /// The consumer is alive.
    Heartbeat,
    /// A request has ended, with as many of its messages not sent as is told.
    Ended(Option<u64>),
    /// The consumer is not there any more, or cannot be asked.
    Gone(String),
}

impl Arrival {
    pub fn of(message: &Message) -> Self {
        let Some(status) = message.status else { return Self::Message };
        match status.as_u16() {
            100 => Self::Heartbeat,
            404 | 408 => Self::Ended(message.headers.as_ref().and_then(pending)),
            code => Self::Gone(format!("{code} {}", message.description.as_deref().unwrap_or("without a reason"))),
        }
    }
}

fn pending(headers: &HeaderMap) -> Option<u64> {
    headers.get("Nats-Pending-Messages")?.as_str().parse().ok()
}

/// True when a message of the store takes its entry away.
pub fn takes_away(headers: Option<&HeaderMap>) -> bool {
    let operation = headers.and_then(|headers| headers.get("KV-Operation"));
    operation.is_some_and(|operation| matches!(operation.as_str(), "DEL" | "PURGE"))
}

#[cfg(test)]
mod tests {
    use async_nats::StatusCode;

    use super::*;

    fn message(payload: &str, status: Option<u16>, headers: &[(&str, &str)]) -> Message {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        Message {
            subject: "x".into(),
            reply: None,
            payload: payload.to_owned().into(),
            headers: Some(map),
            status: status.map(|code| StatusCode::from_u16(code).unwrap()),
            description: None,
            length: payload.len(),
        }
    }

    fn answer(payload: &str) -> (Published, Stored) {
        let appended = Appended::of(Ok(message(payload, None, &[])));
        (appended.published(), appended.stored())
    }

    #[test]
    fn an_acknowledgement_is_one_also_for_a_duplicate() {
        for payload in [r#"{"stream":"S","seq":7}"#, r#"{"stream":"S","seq":7,"duplicate":true,"new":{}}"#] {
            let expected = (Published::Stored { sequence: 7 }, Stored::Done { revision: 7 });
            assert_eq!(answer(payload), expected);
        }
    }

    #[test]
    fn errors_are_conflicts_refusals_or_unknown() {
        let error = |code: u64| format!(r#"{{"error":{{"code":400,"err_code":{code},"description":"why"}}}}"#);
        assert_eq!(answer(&error(10_071)).1, Stored::Conflict);
        assert!(matches!(answer(&error(10_054)).0, Published::Refused { .. }));
        assert_eq!(answer(&error(10_008)), (Published::Unknown, Stored::Unknown));
        for junk in ["", "{}", "[]", "null", "\u{0}", r#"{"stream":7}"#, r#"{"stream":"S","seq":-1}"#] {
            assert_eq!(answer(junk), (Published::Unknown, Stored::Unknown), "{junk}");
        }
    }

    #[test]
    fn an_arrival_is_told_by_its_status() {
        assert_eq!(Arrival::of(&message("x", None, &[])), Arrival::Message);
        assert_eq!(Arrival::of(&message("", Some(100), &[])), Arrival::Heartbeat);
        let told = [("Nats-Pending-Messages", "30"), ("Nats-Pending-Bytes", "0")];
        assert_eq!(Arrival::of(&message("", Some(408), &told)), Arrival::Ended(Some(30)));
        assert_eq!(Arrival::of(&message("", Some(404), &[("Nats-Pending-Messages", "-1")])), Arrival::Ended(None));
        assert!(matches!(Arrival::of(&message("", Some(409), &[])), Arrival::Gone(_)));
        assert!(matches!(Arrival::of(&message("", Some(503), &[])), Arrival::Gone(_)));
    }

    #[test]
    fn a_deleted_and_a_purged_entry_are_taken_away() {
        for (operation, expected) in [("DEL", true), ("PURGE", true), ("PUT", false), ("", false)] {
            let message = message("", None, &[("KV-Operation", operation)]);
            assert_eq!(takes_away(message.headers.as_ref()), expected);
        }
        assert!(!takes_away(None));
    }
}
