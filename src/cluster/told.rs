//! Words: what a node tells all others, which hear it now or never. One JSON object each.
//!
//! ```text
//! {"k":"ask","v":1,"node":"00000000000000aa","count":17,"ask":{"q":"msg","to":"carol","from":"bob","id":"1f","text":"hi"}}
//! {"k":"answer","v":1,"node":"00000000000000bb","to":"00000000000000aa","count":17,"answer":{"a":"sent","name":"carol"}}
//! ```
//!
//! A word of an unknown kind or version, or with a question of an unknown kind, is ignored, so that nodes can be upgraded
//! one by one.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::link::NodeId;
use super::shown;
use crate::limits::WORD_BYTES_MAX;
use crate::names::{MemberName, Name, RoomName};
use crate::sessions::Key;
use crate::token::PublicId;

/// Of words that this program tells and understands.
const VERSION: u32 = 1;

/// What a node hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Ask(Ask),
    Answer(Answer),
}

/// What a question is known by: whose it is, and its count there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    pub node: NodeId,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub number: Number,
    pub question: Question,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question.
    pub to: Number,
    /// The node that answers.
    pub by: NodeId,
    pub reply: Reply,
}

/// What is asked of the node that knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "q", rename_all = "lowercase")]
pub enum Question {
    /// Something is to be told to one member alone.
    Msg {
        #[serde(with = "shown")]
        to: Name,
        #[serde(with = "shown")]
        from: Name,
        #[serde(with = "shown")]
        id: PublicId,
        #[serde(deserialize_with = "shown::text::deserialize")]
        text: Box<str>,
    },
    /// The connection of a member is to be closed.
    Kick {
        #[serde(with = "shown")]
        name: Name,
        #[serde(with = "shown")]
        by: Name,
        #[serde(deserialize_with = "shown::text::deserialize")]
        why: Box<str>,
    },
    /// Where is a member?
    Where {
        #[serde(with = "shown")]
        name: Name,
    },
    /// A member has come back with the token of this key, which was recorded as used: what it had, it is to have at the
    /// node that asks. Its connection is closed.
    Session {
        /// The node that gave the token.
        #[serde(with = "shown")]
        at: NodeId,
        #[serde(with = "shown")]
        key: Key,
    },
}

/// The answer of the node that knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "a", rename_all = "lowercase")]
pub enum Reply {
    Sent {
        #[serde(with = "shown")]
        name: Name,
    },
    /// It has so much waiting that it was not told.
    Full {
        #[serde(with = "shown")]
        name: Name,
    },
    Kicked {
        #[serde(with = "shown")]
        name: Name,
    },
    Here(Here),
    Session(Had),
    /// The token is not good, or not any more.
    Nothing,
}

/// Where a member is, which the node that answers has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    #[serde(default, with = "shown::option", skip_serializing_if = "Option::is_none")]
    pub name: Option<MemberName>,
    #[serde(with = "shown")]
    pub ip: IpAddr,
    pub slot: u32,
    pub serial: u64,
}

/// What a member had at the node that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Had {
    /// With the revision of its entry in the store, which that node leaves as it is.
    #[serde(default, with = "shown::option", skip_serializing_if = "Option::is_none")]
    pub name: Option<MemberName>,
    #[serde(default)]
    pub revision: u64,
    #[serde(with = "shown")]
    pub room: RoomName,
}

#[derive(Deserialize)]
struct Head {
    k: Box<str>,
    v: u32,
}

/// What each word has: the node that tells it.
#[derive(Deserialize)]
struct Teller {
    #[serde(with = "shown")]
    node: NodeId,
}

/// The node that tells a word, of whatever kind.
pub fn teller(bytes: &[u8]) -> Option<NodeId> {
    serde_json::from_slice(bytes).ok().map(|Teller { node }| node)
}

#[derive(Serialize, Deserialize)]
struct AskWord {
    k: Box<str>,
    v: u32,
    #[serde(with = "shown")]
    node: NodeId,
    count: u64,
    ask: Question,
}

#[derive(Serialize, Deserialize)]
struct AnswerWord {
    k: Box<str>,
    v: u32,
    #[serde(with = "shown")]
    node: NodeId,
    #[serde(with = "shown")]
    to: NodeId,
    count: u64,
    answer: Reply,
}

impl Word {
    /// Reads what another node tells. `None` for what is not understood, or is understood elsewhere.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > WORD_BYTES_MAX {
            return None;
        }
        let head: Head = serde_json::from_slice(bytes).ok()?;
        match (&*head.k, head.v) {
            ("ask", VERSION) => {
                let AskWord { node, count, ask, .. } = serde_json::from_slice(bytes).ok()?;
                Some(Self::Ask(Ask { number: Number { node, count }, question: ask }))
            }
            ("answer", VERSION) => {
                let AnswerWord { node, to, count, answer, .. } = serde_json::from_slice(bytes).ok()?;
                Some(Self::Answer(Answer { to: Number { node: to, count }, by: node, reply: answer }))
            }
            _ => None,
        }
    }
}

impl Ask {
    /// The bytes that are told.
    pub fn encode(&self) -> Vec<u8> {
        let Number { node, count } = self.number;
        json(&AskWord { k: "ask".into(), v: VERSION, node, count, ask: self.question.clone() })
    }
}

impl Answer {
    /// The bytes that are told.
    pub fn encode(&self) -> Vec<u8> {
        let Number { node: to, count } = self.to;
        json(&AnswerWord { k: "answer".into(), v: VERSION, node: self.by, to, count, answer: self.reply.clone() })
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers are JSON")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::{LINE_BYTES_MAX, sanitised_bytes_max};

    const ASKER: Number = Number { node: NodeId(0xaa), count: 17 };
    const OTHER: NodeId = NodeId(u64::MAX);

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn questions() -> Vec<Question> {
        let (bob, carol) = (name("bob"), name("127.0.0.1:63155|2"));
        vec![
            Question::Msg { to: carol, from: bob, id: PublicId(u64::MAX), text: "hi \"you\" \\ \t é".into() },
            Question::Kick { name: name("guest-abcdefgh"), by: bob, why: "".into() },
            Question::Where { name: name("[2001:db8::1]:80") },
            Question::Session { at: OTHER, key: Key::new([7; 16]) },
        ]
    }

    fn replies() -> Vec<Reply> {
        let ip = "2001:db8::1".parse().unwrap();
        let room = RoomName::parse("den").unwrap();
        vec![
            Reply::Sent { name: name("carol") },
            Reply::Full { name: name("carol") },
            Reply::Kicked { name: name("127.0.0.1:1") },
            Reply::Here(Here { name: MemberName::parse("bob"), ip, slot: 7, serial: u64::MAX }),
            Reply::Here(Here { name: None, ip, slot: 0, serial: 1 }),
            Reply::Session(Had { name: MemberName::parse("bob"), revision: 5, room }),
            Reply::Session(Had { name: None, revision: 0, room }),
            Reply::Nothing,
        ]
    }

    #[test]
    fn what_is_told_is_heard() {
        for question in questions() {
            let ask = Ask { number: ASKER, question };
            assert_eq!(Word::parse(&ask.encode()), Some(Word::Ask(ask.clone())));
        }
        for reply in replies() {
            let answer = Answer { to: ASKER, by: OTHER, reply };
            assert_eq!(Word::parse(&answer.encode()), Some(Word::Answer(answer.clone())));
        }
        assert_eq!(Word::parse(br#"{"k":"beat","v":1,"node":"00000000000000aa"}"#), None, "it is read elsewhere");
    }

    #[test]
    fn a_question_looks_as_it_is_described() {
        let question = Question::Msg { to: name("carol"), from: name("bob"), id: PublicId(0x1f), text: "hi".into() };
        let told = Ask { number: ASKER, question }.encode();
        let expected = r#"{"k":"ask","v":1,"node":"00000000000000aa","count":17,"ask":{"q":"msg","to":"carol","from":"bob","id":"1f","text":"hi"}}"#;
        assert_eq!(String::from_utf8(told).unwrap(), expected);
    }

    #[test]
    fn the_longest_line_can_be_told() {
        let text = "\\".repeat(sanitised_bytes_max(LINE_BYTES_MAX)).into_boxed_str();
        let longest = name("[1111:2222:3333:4444:5555:6666:7777:8888]:65535|255");
        let question = Question::Msg { to: longest, from: longest, id: PublicId(u64::MAX), text };
        let ask = Ask { number: Number { node: OTHER, count: u64::MAX }, question };
        let told = ask.encode();
        assert!(told.len() <= WORD_BYTES_MAX, "{}", told.len());
        assert_eq!(Word::parse(&told), Some(Word::Ask(ask)));
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        let good = r#"{"k":"ask","v":1,"node":"00000000000000aa","count":17,"ask":{"q":"where","name":"bob"}}"#;
        assert!(Word::parse(good.as_bytes()).is_some());
        for (right, wrong) in [
            ("ask\",", "shout\","),
            ("\"v\":1", "\"v\":2"),
            ("00000000000000aa", "aa"),
            ("00000000000000aa", "+0000000000000aa"),
            ("17", "-1"),
            ("17", "1e400"),
            ("where", "when"),
            ("bob", "b b"),
            ("bob", "b\\u0000b"),
            ("}}", "}"),
        ] {
            let word = good.replacen(right, wrong, 1);
            assert!(word != good && Word::parse(word.as_bytes()).is_none(), "{word}");
        }
        let text = r#"{"k":"ask","v":1,"node":"00000000000000aa","count":1,"ask":{"q":"msg","to":"carol","from":"bob","id":"1","text":"TEXT"}}"#;
        assert!(Word::parse(text.as_bytes()).is_some());
        for control in ["a\\nb", "\\u001b[2J", "\\u202e"] {
            assert_eq!(Word::parse(text.replace("TEXT", control).as_bytes()), None, "no line of its own: {control}");
        }
        assert_eq!(Word::parse(&vec![b' '; WORD_BYTES_MAX + 1]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes: Vec<u8>) {
            let _ = Word::parse(&bytes);
        }

        /// Words with a byte changed are words, or are not.
        #[test]
        fn no_change_of_a_word_is_a_panic(which in 0..12usize, at: prop::sample::Index, byte: u8) {
            let asks = questions().into_iter().map(|question| Ask { number: ASKER, question }.encode());
            let answers = replies().into_iter().map(|reply| Answer { to: ASKER, by: OTHER, reply }.encode());
            let mut word = asks.chain(answers).nth(which).unwrap();
            let at = at.index(word.len());
            word[at] = byte;
            let _ = Word::parse(&word);
        }
    }
}
