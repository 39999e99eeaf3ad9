//! Private bytes: bytes for one peer alone, such as notices. A connection may have them in any state.
//!
//! They are sent only between two messages of the log. Once a part of them was sent, the rest is sent before the log
//! goes on. Bytes that are the same for all peers, such as a page, are not copied.

use crate::limits::{PRIVATE_BYTES_KEPT, PRIVATE_BYTES_MAX};
use crate::message::Notice;
use crate::wire::{Addressee, websocket};

/// Empty for almost every connection, and then it takes no memory of its own.
#[derive(Debug, Default)]
pub struct Private(Option<Box<Unsent>>);

#[derive(Debug, Default)]
struct Unsent {
    bytes: Vec<u8>,
    /// How many of `bytes` were sent, always fewer than all, but while something follows.
    sent: u32,
    /// True once a pong is among them.
    has_pong: bool,
    /// What is to follow these bytes.
    follows: Follows,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Follows {
    #[default]
    Nothing,
    /// Messages of the past.
    Past(Past),
    /// Bytes that all connections share, of which some may have been sent. There are always some.
    Page(&'static [u8]),
}

/// Numbered messages of the past that a member is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// The next of them.
    pub next: u64,
    /// The last of them.
    pub last: u64,
}

impl Private {
    /// Size of the box that holds them, for the memory bound.
    pub const UNSENT_BYTES: usize = size_of::<Unsent>();

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// True when a part was sent and the rest was not.
    pub fn is_begun(&self) -> bool {
        self.0.as_deref().is_some_and(|unsent| unsent.sent > 0 || matches!(unsent.follows, Follows::Page(_)))
    }

    /// Adds a notice. False, and nothing added, when [`PRIVATE_BYTES_MAX`] bytes wait already, or, while memory is
    /// `short`, any bytes.
    pub fn tell(&mut self, notice: Notice<'_>, to: &Addressee, short: bool) -> bool {
        let most = if short { 0 } else { PRIVATE_BYTES_MAX };
        let full = self.0.as_deref().is_some_and(|unsent| unsent.bytes.len() >= most);
        if !full {
            self.tell_always(notice, to);
        }
        !full
    }

    /// Adds a notice that must not be dropped, however many bytes wait.
    pub fn tell_always(&mut self, notice: Notice<'_>, to: &Addressee) {
        self.add(|bytes| to.notice(notice, bytes));
    }

    /// Adds what `write` writes behind what waits, which may be nothing.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let unsent = self.0.get_or_insert_default();
        let bytes = &mut unsent.bytes;
        write(bytes);
        // Beyond what is reckoned for everybody there is space for all that may wait, so it grows once.
        if bytes.len() > PRIVATE_BYTES_KEPT {
            bytes.reserve_exact((2 * PRIVATE_BYTES_MAX).saturating_sub(bytes.len()));
        }
        if bytes.is_empty() && unsent.follows == Follows::Nothing {
            self.0 = None;
        }
    }

    /// Adds the answer to a WebSocket's ping, unless one waits already: a peer that does not read has one at most.
    pub fn pong(&mut self, payload: &[u8]) {
        if !self.0.as_deref().is_some_and(|unsent| unsent.has_pong) {
            self.add(|bytes| websocket::pong(payload, bytes));
            self.0.get_or_insert_default().has_pong = true;
        }
    }

    /// Adds `head`, which something shared follows: nothing else waits, and nothing else is added.
    pub fn serve(&mut self, head: Vec<u8>, page: &'static [u8]) {
        assert!(self.is_empty() && !head.is_empty(), "it is all that a peer is sent");
        let follows = if page.is_empty() { Follows::Nothing } else { Follows::Page(page) };
        self.0 = Some(Box::new(Unsent { bytes: head, follows, ..Unsent::default() }));
    }

    /// True when another notice would be dropped.
    pub fn is_full(&self) -> bool {
        self.0.as_deref().is_some_and(|unsent| unsent.bytes.len() >= PRIVATE_BYTES_MAX)
    }

    /// Has messages of the past follow what waits.
    pub fn repeat(&mut self, next: u64, last: u64) {
        self.0.get_or_insert_default().follows = Follows::Past(Past { next, last });
    }

    /// True while messages of the past follow.
    pub fn has_past(&self) -> bool {
        self.0.as_deref().is_some_and(|unsent| matches!(unsent.follows, Follows::Past(_)))
    }

    /// The messages of the past that follow, once all bytes before them were sent.
    pub fn past_due(&self) -> Option<Past> {
        let unsent = self.0.as_deref().filter(|unsent| unsent.sent as usize == unsent.bytes.len())?;
        match unsent.follows {
            Follows::Past(past) => Some(past),
            Follows::Nothing | Follows::Page(_) => None,
        }
    }

    /// Replaces the bytes, which were all sent, by those of some more of the past. `past` is what follows them.
    pub fn refill(&mut self, past: Option<Past>, bytes: Vec<u8>) {
        let unsent = self.0.get_or_insert_default();
        let follows = past.map_or(Follows::Nothing, Follows::Past);
        **unsent = Unsent { bytes, follows, ..Unsent::default() };
        if unsent.bytes.is_empty() {
            assert!(past.is_none(), "more of the past follows some of it");
            self.0 = None;
        }
    }

    /// The bytes that are to be sent.
    pub fn due(&self) -> &[u8] {
        let Some(unsent) = self.0.as_deref() else { return &[] };
        match (&unsent.bytes[unsent.sent as usize..], unsent.follows) {
            ([], Follows::Page(page)) => page,
            (bytes, _) => bytes,
        }
    }

    /// Notes that the first `bytes` of [`Private::due`] were sent.
    pub fn advance(&mut self, bytes: usize) {
        let Some(unsent) = self.0.as_deref_mut() else { return };
        let own = bytes.min(unsent.bytes.len() - unsent.sent as usize);
        unsent.sent += u32::try_from(own).expect("private bytes are few");
        let of_page = bytes - own;
        match &mut unsent.follows {
            Follows::Page(page) => *page = &page[of_page..],
            Follows::Nothing | Follows::Past(_) => assert_eq!(of_page, 0, "no more is sent than there is"),
        }
        let is_over = match unsent.follows {
            Follows::Nothing => unsent.sent as usize == unsent.bytes.len(),
            Follows::Past(_) => false,
            Follows::Page(page) => page.is_empty(),
        };
        if is_over {
            self.0 = None;
        }
    }

    /// Memory that counts against the buffer bytes of all members: what is beyond that reckoned for each.
    pub fn buffer_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |unsent| unsent.bytes.capacity().saturating_sub(PRIVATE_BYTES_KEPT))
    }

    /// Memory beyond the connection itself, in bytes.
    pub fn footprint(&self) -> usize {
        self.0.as_deref().map_or(0, |unsent| Self::UNSENT_BYTES + unsent.bytes.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Encoding;

    const TEXT: Addressee = Addressee { encoding: Encoding::Text, name: None, room: None };

    #[test]
    fn bytes_that_were_sent_are_forgotten() {
        let mut private = Private::default();
        assert!(private.is_empty() && private.due().is_empty() && private.footprint() == 0);
        assert!(private.tell(Notice::SlowDown, &TEXT, false));
        private.advance(2);
        assert!(private.is_begun());
        assert_eq!(private.due(), b"slow down: your lines are delayed, not lost\n");
        private.advance(private.due().len());
        assert!(private.is_empty() && !private.is_begun() && private.footprint() == 0);
    }

    #[test]
    fn a_page_follows_its_head_and_is_not_copied() {
        static PAGE: [u8; 1000] = [b'x'; 1000];
        let mut private = Private::default();
        private.serve(b"head".to_vec(), &PAGE);
        assert!(private.footprint() < 200 && private.is_begun(), "nothing may come between");
        private.advance(3);
        assert_eq!(private.due(), b"d");
        private.advance(1);
        assert!(std::ptr::eq(private.due(), PAGE.as_slice()));
        private.advance(999);
        assert_eq!(private.due(), b"x");
        private.advance(1);
        assert!(private.is_empty() && private.due().is_empty());
        private.serve(b"head".to_vec(), &[]);
        private.advance(4);
        assert!(private.is_empty());
    }

    #[test]
    fn one_pong_waits_at_most() {
        let mut private = Private::default();
        private.pong(b"1");
        private.pong(b"2");
        assert_eq!(private.due(), [0x8a, 1, b'1']);
        private.advance(3);
        private.pong(b"3");
        assert_eq!(private.due(), [0x8a, 1, b'3']);
    }

    #[test]
    fn notices_to_a_peer_that_does_not_read_are_bounded_but_those_of_missed_messages() {
        let mut private = Private::default();
        let told = (0..100).filter(|_| private.tell(Notice::LineTimeout, &TEXT, false)).count();
        let bytes = private.due().len();
        assert!(
            (PRIVATE_BYTES_MAX..2 * PRIVATE_BYTES_MAX).contains(&bytes) && told < 100,
            "{told} times, {bytes} bytes"
        );
        private.tell_always(Notice::Missed { messages: 7, range: None }, &TEXT);
        assert!(private.due().ends_with(b"! you missed 7 messages\n"));
    }

    #[test]
    fn it_is_full_exactly_while_another_notice_would_be_dropped() {
        let mut private = Private::default();
        while private.tell(Notice::SlowDown, &TEXT, false) {}
        private.advance(private.due().len() - 10);
        let is_full = private.is_full();
        assert!(is_full && !private.tell(Notice::SlowDown, &TEXT, false), "a part of it was sent");
        private.advance(10);
        assert!(!private.is_full() && private.tell(Notice::SlowDown, &TEXT, false));
    }

    #[test]
    fn the_first_notice_counts_against_no_budget_and_is_told_also_while_memory_is_short() {
        let mut private = Private::default();
        assert!(private.tell(Notice::Connected { online: 1_000_000 }, &TEXT, true));
        assert_eq!(private.buffer_bytes(), 0);
        let waits = private.due().len();
        assert!(!private.tell(Notice::SlowDown, &TEXT, true) && private.due().len() == waits);
        while private.due().len() <= PRIVATE_BYTES_KEPT {
            assert!(private.tell(Notice::SlowDown, &TEXT, false));
        }
        assert_eq!(private.buffer_bytes(), 2 * PRIVATE_BYTES_MAX - PRIVATE_BYTES_KEPT, "it grows once");
        while private.tell(Notice::SlowDown, &TEXT, false) {}
        assert_eq!(private.buffer_bytes(), 2 * PRIVATE_BYTES_MAX - PRIVATE_BYTES_KEPT);
        private.tell_always(Notice::Missed { messages: 7, range: None }, &TEXT);
        assert_eq!(private.buffer_bytes(), 2 * PRIVATE_BYTES_MAX - PRIVATE_BYTES_KEPT, "there is space for it");
        private.advance(private.due().len());
        assert_eq!(private.buffer_bytes(), 0);
    }
}
