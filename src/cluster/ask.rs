//! Questions to all other nodes, and their answers. The first node that knows answers; where none has in time, nobody
//! does. Reads no clock.
//!
//! A command that asks waits, and is read again once there is an answer or none in time. So a connection has one question
//! at most, which is known here by the connection, and is asked once however often the command is read.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use super::link::NodeId;
use super::told::{Answer, Ask, Number, Question};
use crate::limits::{ANSWER_WAIT, QUESTIONS_MAX};
use crate::pieces::fifo::Fifo;
use crate::token::ConnectionId;

#[derive(Debug)]
pub struct Questions {
    node: NodeId,
    /// The count of the last question.
    count: u64,
    /// At most [`QUESTIONS_MAX`].
    asked: BTreeMap<ConnectionId, Asked>,
    /// Who waits for which answer.
    waiting: BTreeMap<u64, ConnectionId>,
    /// The counts of questions, soonest first: until when they wait. Some were answered.
    deadlines: Fifo<(Instant, u64)>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Asked {
    count: u64,
    /// Of the question: the line that has it may be long, and is kept by its connection.
    hash: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Waits,
    /// `None` when nobody has answered in time.
    Over(Option<Answer>),
}

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These bytes are to be told to all, and the question waits.
    Asked(Vec<u8>),
    Waits,
    /// The answer, or `None` when nobody has answered. It is given once.
    Over(Option<Answer>),
    /// There are as many questions as there may be.
    Full,
}

impl Questions {
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            count: 0,
            asked: BTreeMap::new(),
            waiting: BTreeMap::new(),
            deadlines: Fifo::new(),
            hasher: RandomState::new(),
        }
    }

    /// Asks the question of a connection, if that was not done yet.
    pub fn ask(&mut self, asker: ConnectionId, question: &Question, now: Instant) -> Outcome {
        let hash = self.hasher.hash_one(question);
        match self.asked.get(&asker) {
            Some(asked) if asked.hash == hash => {
                if matches!(asked.state, State::Waits) {
                    return Outcome::Waits;
                }
                let Some(Asked { state: State::Over(answer), .. }) = self.asked.remove(&asker) else { unreachable!() };
                return Outcome::Over(answer);
            }
            Some(_) => self.forget(asker),
            None => {}
        }
        if self.asked.len() >= QUESTIONS_MAX {
            return Outcome::Full;
        }
        self.count += 1;
        self.asked.insert(asker, Asked { count: self.count, hash, state: State::Waits });
        self.waiting.insert(self.count, asker);
        self.deadlines.push_back((now + ANSWER_WAIT, self.count));
        let number = Number { node: self.node, count: self.count };
        Outcome::Asked(Ask { number, question: question.clone() }.encode())
    }

    /// True when a connection has asked something whose outcome it was not given.
    pub fn has_asked(&self, asker: ConnectionId) -> bool {
        self.asked.contains_key(&asker)
    }

    /// A node has answered. Returns who goes on: nobody when the question is another node's, or has an answer, or waits
    /// no longer.
    pub fn on_answer(&mut self, answer: Answer) -> Option<ConnectionId> {
        if answer.to.node != self.node {
            return None;
        }
        let count = answer.to.count;
        self.end(count, Some(answer))
    }

    fn end(&mut self, count: u64, answer: Option<Answer>) -> Option<ConnectionId> {
        let asker = self.waiting.remove(&count)?;
        let asked = self.asked.get_mut(&asker).expect("who waits has asked");
        asked.state = State::Over(answer);
        Some(asker)
    }

    /// When [`Questions::next_late`] has something to do next.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(until, _)| *until)
    }

    /// Ends a question that nobody has answered in time. Returns who goes on; `None` when there is none left.
    pub fn next_late(&mut self, now: Instant) -> Option<ConnectionId> {
        while self.deadline().is_some_and(|until| until <= now) {
            let (_, count) = self.deadlines.pop_front().expect("it was looked at");
            let asker = self.end(count, None);
            if asker.is_some() {
                return asker;
            }
        }
        None
    }

    /// A connection has ended, or its command is not carried out.
    pub fn forget(&mut self, asker: ConnectionId) {
        if let Some(asked) = self.asked.remove(&asker) {
            self.waiting.remove(&asked.count);
        }
    }

    /// Memory in use, in bytes, at most.
    pub fn footprint(&self) -> usize {
        self.asked.len() * Self::BYTES + self.deadlines.footprint()
    }

    /// What the entries of one question take in nodes that are as empty as they may be.
    const BYTES: usize = (size_of::<(ConnectionId, Asked)>() + size_of::<(u64, ConnectionId)>()) * 11 / 5 + 64;

    /// Most memory, in bytes. A connection that has its answer asks again, so there are more deadlines than questions,
    /// but each question is a command, of which the rate is bounded.
    pub const FOOTPRINT_MAX: usize = QUESTIONS_MAX * (Self::BYTES + 4 * size_of::<(Instant, u64)>());

    /// Panics when somebody waits for nothing.
    pub fn invariants(&self) {
        let waiting = self.asked.values().filter(|asked| matches!(asked.state, State::Waits)).count();
        assert_eq!(waiting, self.waiting.len(), "each question that waits is found by its count");
        assert!(self.asked.len() <= QUESTIONS_MAX, "questions are bounded");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::cluster::told::{Reply, Word};
    use crate::names::Name;
    use crate::token::{Generation, Slot};

    const HERE: NodeId = NodeId(1);
    const THERE: NodeId = NodeId(2);

    fn asker(slot: u32) -> ConnectionId {
        ConnectionId { slot: Slot(slot), generation: Generation::FIRST }
    }

    fn question(number: u32) -> Question {
        Question::Where { name: Name::parse(&format!("a{number}")).unwrap() }
    }

    fn number(outcome: Outcome) -> Number {
        let Outcome::Asked(bytes) = outcome else { panic!("it is asked") };
        let Some(Word::Ask(ask)) = Word::parse(&bytes) else { panic!("it is a question") };
        ask.number
    }

    fn answer(to: Number, by: NodeId) -> Answer {
        Answer { to, by, reply: Reply::Nothing }
    }

    #[test]
    fn a_question_is_asked_once_and_its_first_answer_is_given_once() {
        let (start, mut questions) = (Instant::now(), Questions::new(HERE));
        let first = number(questions.ask(asker(1), &question(1), start));
        assert_eq!(first, Number { node: HERE, count: 1 });
        assert_eq!(questions.ask(asker(1), &question(1), start), Outcome::Waits);
        assert_eq!(questions.on_answer(answer(Number { node: THERE, ..first }, THERE)), None, "another node's");
        assert_eq!(questions.on_answer(answer(first, THERE)), Some(asker(1)));
        assert_eq!(questions.on_answer(answer(first, NodeId(3))), None, "the first one counts");
        assert_eq!(questions.ask(asker(1), &question(1), start), Outcome::Over(Some(answer(first, THERE))));
        assert_eq!(number(questions.ask(asker(1), &question(1), start)).count, 2, "it is asked anew");
        questions.invariants();
    }

    #[test]
    fn nobody_answers_in_time() {
        let (start, mut questions) = (Instant::now(), Questions::new(HERE));
        let late = number(questions.ask(asker(1), &question(1), start));
        assert_eq!(questions.deadline(), Some(start + ANSWER_WAIT));
        assert_eq!(questions.next_late(start + ANSWER_WAIT - Duration::from_millis(1)), None);
        assert_eq!(questions.next_late(start + ANSWER_WAIT), Some(asker(1)));
        assert_eq!(questions.on_answer(answer(late, THERE)), None);
        assert_eq!(questions.ask(asker(1), &question(1), start), Outcome::Over(None));
        assert_eq!((questions.next_late(start + 2 * ANSWER_WAIT), questions.deadline()), (None, None));
    }

    #[test]
    fn another_question_takes_the_place_of_one_that_is_not_asked_any_more() {
        let (start, mut questions) = (Instant::now(), Questions::new(HERE));
        let first = number(questions.ask(asker(1), &question(1), start));
        let second = number(questions.ask(asker(1), &question(2), start));
        assert_eq!(questions.on_answer(answer(first, THERE)), None);
        assert_eq!(questions.on_answer(answer(second, THERE)), Some(asker(1)));
        questions.forget(asker(1));
        assert!(matches!(questions.ask(asker(1), &question(2), start), Outcome::Asked(_)));
        questions.invariants();
    }

    #[test]
    fn questions_are_bounded() {
        let (start, mut questions) = (Instant::now(), Questions::new(HERE));
        for slot in 0..QUESTIONS_MAX as u32 {
            number(questions.ask(asker(slot), &question(slot), start));
        }
        let one_more = asker(QUESTIONS_MAX as u32);
        assert_eq!(questions.ask(one_more, &question(0), start), Outcome::Full);
        assert!(questions.footprint() <= Questions::FOOTPRINT_MAX);
        questions.forget(asker(0));
        number(questions.ask(one_more, &question(0), start));
        questions.invariants();
    }

    proptest! {
        /// Everybody that waits goes on exactly once: by an answer, or when it is late.
        #[test]
        fn nobody_waits_for_ever(steps in prop::collection::vec((0..6u32, 0..8u64, 0..4u8), 1..100)) {
            let (start, mut questions) = (Instant::now(), Questions::new(HERE));
            let mut waiting = BTreeSet::new();
            for (at, (slot, count, what)) in steps.into_iter().enumerate() {
                let now = start + Duration::from_millis(300 * at as u64);
                match what {
                    0 => {
                        let outcome = questions.ask(asker(slot), &question(0), now);
                        if matches!(outcome, Outcome::Asked(_)) {
                            prop_assert!(waiting.insert(asker(slot)));
                        }
                    }
                    1 => if let Some(id) = questions.on_answer(answer(Number { node: HERE, count }, THERE)) {
                        prop_assert!(waiting.remove(&id));
                    }
                    2 => while let Some(id) = questions.next_late(now) {
                        prop_assert!(waiting.remove(&id));
                    }
                    _ => {
                        questions.forget(asker(slot));
                        waiting.remove(&asker(slot));
                    }
                }
                questions.invariants();
            }
            let end = start + Duration::from_secs(3600);
            while let Some(id) = questions.next_late(end) {
                prop_assert!(waiting.remove(&id));
            }
            prop_assert!(waiting.is_empty());
        }
    }
}
