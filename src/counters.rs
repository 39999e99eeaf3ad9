//! The server's counters since its start, the reasons for closing connections, and the statistics line with all of
//! them.
//!
//! A counter is one row of a table, with its key in the line and a sentence on it; so is a reason for closing. Keys and
//! their order are a contract with scripts.

use std::fmt;
use std::ops::Index;

use crate::table::table;

/// A counter's key in the statistics line, and what it counts.
#[derive(Clone, Copy, Debug)]
pub struct CounterRow {
    pub key: &'static str,
    pub help: &'static str,
}

/// The key of a reason for closing in the statistics line, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct CloseRow {
    pub key: &'static str,
    /// How the server's log names it.
    pub words: &'static str,
    pub help: &'static str,
}

table! {
    /// The server's own counters, except for closed connections. The rooms count messages.
    Counter: CounterRow {
        Sends { key: "sends", help: "Sends handed to the kernel, whatever became of them." },
        SentBytes { key: "sent_bytes", help: "Bytes that members' sockets took." },
        ReceivedBytes { key: "received_bytes", help: "Bytes received from members." },
        Accepted { key: "accepted", help: "Newcomers that became connections." },
        ServerFull { key: "full_house", help: "Newcomers that were told that there is no descriptor for them." },
        TurnedAway {
            key: "turned_away",
            help: "Newcomers that were told that their address has joined too often, is here too often, or is banned."
        },
        BufferSpent {
            key: "buffer_spent",
            help: "Times that members were no longer read because they had spent all buffer bytes."
        },
        Commands { key: "commands", help: "Commands that members typed, wrong ones among them." },
        WrongKeys { key: "wrong_keys", help: "Wrong keys of operators that were typed." },
        Stale { key: "stale", help: "Completions that nobody waited for, dropped." },
    }
}

table! {
    /// Why a connection was closed.
    CloseReason: CloseRow {
        Left { key: "closed_left", words: "left", help: "The peer has sent its last byte." },
        Broken {
            key: "closed_broken",
            words: "connection broken",
            help: "The connection broke, or its peer no longer answers."
        },
        Slow {
            key: "closed_slow",
            words: "fell off the log",
            help: "It fell off the log, and members that do are closed here."
        },
        Stalled {
            key: "closed_stalled",
            words: "took no byte for too long",
            help: "Its full socket has taken no byte for too long."
        },
        LineTimeout {
            key: "closed_line_timeout",
            words: "did not finish a line in time",
            help: "A line was begun and not continued for too long."
        },
        Foreign {
            key: "closed_foreign",
            words: "speaks another protocol",
            help: "The peer speaks another protocol."
        },
        Buffer {
            key: "closed_buffer",
            words: "held more than its share of the spent buffer bytes",
            help: "It had more than its share of the buffer bytes of all members, and they were spent."
        },
        Kicked {
            key: "closed_kicked",
            words: "kicked by an operator",
            help: "An operator has closed it."
        },
        Banned {
            key: "closed_banned",
            words: "banned",
            help: "An operator has banned its name or where it comes from."
        },
        Replaced {
            key: "closed_replaced",
            words: "came back by another connection",
            help: "Its member has come back by another connection."
        },
        TurnedAway {
            key: "closed_turned_away",
            words: "brought by a proxy and not let in",
            help: "A proxy brought it, and its address has joined too often, is here too often, or is banned."
        },
        NoProxyHeader {
            key: "closed_no_proxy_header",
            words: "a proxy that did not say whom it brings",
            help: "It came from a proxy and did not begin with a PROXY header."
        },
        HandshakeTimeout {
            key: "closed_handshake_timeout",
            words: "was no member in time",
            help: "It did not do in time what is wanted before it is a member."
        },
        Answered {
            key: "closed_answered",
            words: "answered",
            help: "It has been answered, by a door whose answer ends a connection."
        },
        HandshakesFull {
            key: "closed_handshakes_full",
            words: "was no member when too many were not",
            help: "It was the first of too many connections that were no members yet."
        },
        BadRequest {
            key: "closed_bad_request",
            words: "request refused",
            help: "Its HTTP request was refused."
        },
        WrongFrame {
            key: "closed_wrong_frame",
            words: "sent a frame that no client may send",
            help: "It sent a WebSocket frame that no client may send."
        },
        BinaryMessage {
            key: "closed_binary_message",
            words: "sent a binary message",
            help: "It sent a binary message by WebSocket."
        },
        NotUtf8 {
            key: "closed_not_utf8",
            words: "sent text that is not UTF-8",
            help: "It sent text by WebSocket that is not UTF-8."
        },
        MessageTooLong {
            key: "closed_message_too_long",
            words: "sent a message that is too long",
            help: "It began a WebSocket message that is longer than a line may be."
        },
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().words)
    }
}

/// Everything counted, read as `counters[Counter::Sends]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    counts: [u64; Counter::ALL.len()],
    closes: [u64; CloseReason::ALL.len()],
}

impl Counters {
    pub fn add(&mut self, counter: Counter, amount: u64) {
        self.counts[counter as usize] += amount;
    }

    /// Counts a connection that was closed.
    pub fn closed(&mut self, reason: CloseReason) {
        self.closes[reason as usize] += 1;
    }

    /// Connections that were closed for `reason`.
    pub fn closes(&self, reason: CloseReason) -> u64 {
        self.closes[reason as usize]
    }

    /// Connections that were closed, for whatever reason.
    pub fn closes_all(&self) -> u64 {
        self.closes.iter().sum()
    }
}

impl Index<Counter> for Counters {
    type Output = u64;

    fn index(&self, counter: Counter) -> &u64 {
        &self.counts[counter as usize]
    }
}

/// Everything that the statistics line says. That of the default is all keys, with their sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub members: u64,
    pub messages: u64,
    pub deliveries: u64,
    pub skipped: u64,
    pub waiting: u64,
    pub lag_bytes_max: u64,
    pub counters: Counters,
}

/// One value of the statistics line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    pub key: &'static str,
    pub help: &'static str,
    /// True for a count since the start, false for a value of the moment.
    pub is_total: bool,
    pub value: u64,
}

impl Statistics {
    /// Every value, in the order of the line.
    pub fn figures(&self) -> impl Iterator<Item = Figure> {
        let total = |key, help, value| Figure { key, help, is_total: true, value };
        let now = |key, help, value| Figure { key, help, is_total: false, value };
        let counted = |counter: Counter| {
            let CounterRow { key, help } = counter.row();
            total(key, help, self.counters[counter])
        };
        let closed = move |reason: &CloseReason| {
            let CloseRow { key, help, .. } = reason.row();
            total(key, help, self.counters.closes(*reason))
        };
        let first = [
            now("members", "Members online.", self.members),
            total(
                "messages",
                "Messages said; joins, leaves and the server's own lines are not counted.",
                self.messages,
            ),
            total("deliveries", "Messages handed whole to members' sockets.", self.deliveries),
            counted(Counter::Sends),
            counted(Counter::SentBytes),
            counted(Counter::ReceivedBytes),
            total("skipped_messages", "Messages that members were told they missed.", self.skipped),
            now("waiting", "Members whose sockets are full.", self.waiting),
            now("lag_bytes_max", "Bytes that the member furthest behind has to be sent.", self.lag_bytes_max),
            counted(Counter::Accepted),
            counted(Counter::ServerFull),
            counted(Counter::TurnedAway),
        ];
        first.into_iter().chain(CloseReason::ALL.iter().map(closed)).chain([
            counted(Counter::Stale),
            counted(Counter::BufferSpent),
            counted(Counter::Commands),
            counted(Counter::WrongKeys),
        ])
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Figure { key, value, .. }) in self.figures().enumerate() {
            write!(f, "{}{key}={value}", if place == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All values differ, so that a swapped pair would show.
    fn statistics() -> Statistics {
        let mut counters = Counters::default();
        for (place, counter) in Counter::ALL.iter().enumerate() {
            counters.add(*counter, 11 + place as u64);
        }
        for (place, reason) in CloseReason::ALL.iter().enumerate() {
            (0..21 + place).for_each(|_| counters.closed(*reason));
        }
        Statistics { members: 1, messages: 2, deliveries: 3, skipped: 4, waiting: 5, lag_bytes_max: 6, counters }
    }

    #[test]
    fn the_line_is_the_one_that_scripts_read() {
        assert_eq!(
            statistics().to_string(),
            "members=1 messages=2 deliveries=3 sends=11 sent_bytes=12 received_bytes=13 skipped_messages=4 waiting=5 \
             lag_bytes_max=6 accepted=14 full_house=15 turned_away=16 closed_left=21 closed_broken=22 closed_slow=23 \
             closed_stalled=24 closed_line_timeout=25 closed_foreign=26 closed_buffer=27 \
             closed_kicked=28 closed_banned=29 closed_replaced=30 closed_turned_away=31 closed_no_proxy_header=32 \
             closed_handshake_timeout=33 closed_answered=34 closed_handshakes_full=35 closed_bad_request=36 \
             closed_wrong_frame=37 closed_binary_message=38 closed_not_utf8=39 closed_message_too_long=40 stale=20 \
             buffer_spent=17 commands=18 wrong_keys=19"
        );
    }

    #[test]
    fn everything_counted_stands_in_the_line_once_with_a_sentence_on_it() {
        let mut keys: Vec<&str> = statistics().figures().map(|figure| figure.key).collect();
        let counted = Counter::ALL.iter().map(|counter| counter.row().key);
        for key in counted.chain(CloseReason::ALL.iter().map(|reason| reason.row().key)) {
            assert!(keys.contains(&key), "the line has no {key}");
        }
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "{keys:?}");
        for Figure { key, help, .. } in statistics().figures() {
            assert!(help.starts_with(char::is_uppercase) && help.ends_with('.'), "{key}: {help:?}");
        }
    }

    #[test]
    fn each_reason_for_closing_has_words_of_its_own() {
        let words: Vec<String> = CloseReason::ALL.iter().map(ToString::to_string).collect();
        for (place, word) in words.iter().enumerate() {
            assert!(!word.is_empty() && !words[..place].contains(word), "{words:?}");
        }
        assert!(CloseReason::ALL.iter().all(|reason| reason.row().key.starts_with("closed_")));
    }
}
