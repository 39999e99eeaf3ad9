//! The recorder of a process that has some members of a room while other processes have the others.
//!
//! What the publishers of other processes sent, and when, is not known while it records. So it keeps every arrival instead of
//! histograms, and its members are proven once that is known. `join.rs` makes one record of all shares.

use std::collections::HashSet;
use std::io::{self, Write};

use crate::recorder::arrivals::Arrivals;
use crate::recorder::join::{RoomSent, SharePart, Stopped};
use crate::recorder::{Recorder, Share};

impl Recorder<'_> {
    /// The same where other processes have other members: `members_before` verified ones joined before these, and `elsewhere` says of
    /// each publisher whether another process has it.
    pub fn of_share(mut self, members_before: usize, elsewhere: Vec<bool>) -> Self {
        self.proofs[0].number_from(members_before);
        self.share = Some(Share { elsewhere, arrivals: Arrivals::new(self.plan.len()), measured: 0 });
        self
    }

    /// What the process that joins the results needs to know before the shares can be proven, but for the arrivals.
    pub fn stopped(&self) -> Stopped {
        let here = |publisher: &u32| !self.share.as_ref().is_some_and(|share| share.elsewhere[*publisher as usize]);
        let sent_ns = |publisher: u32| {
            let of_publisher = self.messages.iter().skip(publisher as usize).step_by(self.plan.publishers() as usize);
            of_publisher.map(|message| message.sent_ns).collect()
        };
        Stopped {
            sent_ns: (0..self.plan.publishers())
                .filter(here)
                .map(|publisher| (publisher, sent_ns(publisher)))
                .collect(),
            slowed: (0..self.plan.publishers()).filter(|&publisher| self.slowed[publisher as usize]).collect(),
            author_bytes: self.authors.iter().map(|author| author.len() as u64).collect(),
            presence_bytes: self.presence_bytes(),
            order: self.proofs[0].order().to_vec(),
            verified: self.proofs[0].members(),
            left_ns: self.proofs[0].left_ns(),
            deliveries: self.deliveries,
        }
    }

    /// Writes when each message came to each of these members.
    pub fn write_arrivals(&self, to: &mut impl Write) -> io::Result<()> {
        self.share.as_ref().map_or(Ok(()), |share| share.arrivals.write(to))
    }

    /// Proves these members' part, when it is known what all publishers sent and what the server held back of it.
    pub fn prove_share(&mut self, sent: &RoomSent) -> SharePart {
        for (message, &sent_ns) in self.messages.iter_mut().zip(&sent.sent_ns) {
            message.sent_ns = sent_ns;
        }
        let held: HashSet<u32> = sent.held_back.iter().copied().collect();
        SharePart {
            proven: self.prove(|_, index| held.contains(&(index as u32))),
            words: self.words.clone(),
            stamped: (&self.stamped).into(),
        }
    }
}
