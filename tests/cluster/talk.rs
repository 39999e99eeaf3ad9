//! Authors on all nodes that say numbered lines, and the proof that all members of all nodes have heard them in one order, none
//! twice and none lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::member::{Door, Line, Member};
use crate::node::Node;

/// How long a line may take to all members once nothing is in its way.
const PATIENCE: Duration = Duration::from_secs(40);
/// A repeat would come within this time.
const LAST_LOOK: Duration = Duration::from_millis(400);

/// A member of a talk, and the node that it is on.
pub struct Seat {
    pub node: usize,
    pub member: Member,
    /// Its number among the authors, if it is one.
    pub author: Option<usize>,
}

#[derive(Default)]
pub struct Talk {
    pub seats: Vec<Seat>,
    /// How many lines each author has said.
    said: Vec<usize>,
    /// Lines that an author was told are not said.
    refused: BTreeSet<Line>,
    /// Nodes that are gone, with lines that they had not published.
    dead: BTreeSet<usize>,
}

impl Talk {
    /// On each node an author and a listener that read text, and an author and a listener that read JSON.
    pub fn gather(nodes: &[Node]) -> Self {
        let mut talk = Self::default();
        for (number, node) in nodes.iter().enumerate() {
            for door in [Door::Text, Door::Json] {
                talk.add(number, node, door, true);
                talk.add(number, node, door, false);
            }
        }
        talk
    }

    /// Another member, which has joined when this returns.
    pub fn add(&mut self, number: usize, node: &Node, door: Door, is_author: bool) {
        let author = is_author.then_some(self.said.len());
        self.said.extend(author.map(|_| 0));
        self.seats.push(Seat { node: number, member: node.join(door), author });
    }

    /// The authors of a node.
    pub fn authors_on(&self, node: usize) -> Vec<usize> {
        self.seats.iter().filter(|seat| seat.node == node).filter_map(|seat| seat.author).collect()
    }

    pub fn members_on(&self, node: usize) -> impl Iterator<Item = &Member> {
        self.seats.iter().filter(move |seat| seat.node == node).map(|seat| &seat.member)
    }

    /// `author` says so many lines.
    pub fn say(&mut self, author: usize, count: usize) {
        let seat = self.seats.iter_mut().find(|seat| seat.author == Some(author)).expect("there is such an author");
        for _ in 0..count {
            let line = Line { author, number: self.said[author] };
            // A line that the socket of a dead node did not take is lost with it.
            if !seat.member.say(&line.text()) {
                return;
            }
            self.said[author] += 1;
        }
    }

    /// `author` says a line, and is told that nothing can be said.
    #[track_caller]
    pub fn say_in_vain(&mut self, author: usize, notice: &str) {
        let seat = |talk: &Self| talk.seats.iter().position(|seat| seat.author == Some(author)).unwrap();
        let told = |talk: &Self| talk.seats[seat(talk)].member.others(|text| text.contains(notice)).len();
        let before = told(self);
        self.refused.insert(Line { author, number: self.said[author] });
        self.say(author, 1);
        let deadline = Instant::now() + PATIENCE;
        while told(self) == before {
            assert!(Instant::now() < deadline, "author {author} is not told {notice:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// All authors say a line each `every`, while `meanwhile` is done and for `after` longer.
    pub fn during<T>(&mut self, every: Duration, after: Duration, meanwhile: impl FnOnce() -> T) -> T {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            // Also when it fails, so that the failure is told and the talk does not go on.
            let _guard = SetWhenDropped(&is_over);
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    (0..self.said.len()).for_each(|author| self.say(author, 1));
                    thread::sleep(every);
                }
            });
            let done = meanwhile();
            thread::sleep(after);
            done
        })
    }

    /// The members of a node are gone with it, and what their authors said last may be too.
    pub fn node_is_dead(&mut self, node: usize) {
        self.dead.insert(node);
    }

    fn is_dead(&self, author: usize) -> bool {
        self.seats.iter().any(|seat| seat.author == Some(author) && self.dead.contains(&seat.node))
    }

    /// The lines that must be heard: all that were said and not refused, but for those of the dead.
    fn owed(&self) -> Vec<Line> {
        let of_author = |author: usize| (0..self.said[author]).map(move |number| Line { author, number });
        let living = (0..self.said.len()).filter(|author| !self.is_dead(*author));
        living.flat_map(of_author).filter(|line| !self.refused.contains(line)).collect()
    }

    /// Every member has heard every line of others, in the one order of the room, once; what the authors of dead nodes said
    /// is heard by all or by none, and without a gap.
    #[track_caller]
    pub fn expect_all_heard(&self) {
        let owed = self.owed();
        let living: Vec<&Seat> = self.seats.iter().filter(|seat| !self.dead.contains(&seat.node)).collect();
        for seat in &living {
            assert!(!seat.member.is_over(), "{} was cut off: {:?}", name(seat), seat.member.others(|_| true).last());
            self.wait_for_owed(seat, &owed);
        }
        thread::sleep(LAST_LOOK);
        let listener = living.iter().find(|seat| seat.author.is_none()).expect("there is a listener");
        let order: Vec<Line> = listener.member.lines().iter().map(|(line, _)| *line).collect();
        self.check_order(&order, &owed);
        for seat in &self.seats {
            let heard: Vec<Line> = seat.member.lines().iter().map(|(line, _)| *line).collect();
            let expected: Vec<Line> = order.iter().filter(|line| Some(line.author) != seat.author).copied().collect();
            if self.dead.contains(&seat.node) {
                assert!(expected.starts_with(&heard), "{}, which is dead, had another order", name(seat));
            } else if heard != expected {
                panic!("{} has not heard what others have: {}", name(seat), difference(&heard, &expected));
            }
            let notices = seat.member.others(|text| text.contains("you missed") || text.contains(r#""kind":"missed""#));
            assert!(notices.is_empty(), "{} missed something: {notices:?}", name(seat));
        }
        self.check_numbers();
    }

    /// The order of a member that only listens has all that is owed, once, and the lines of each author one after another.
    fn check_order(&self, order: &[Line], owed: &[Line]) {
        let heard: BTreeSet<Line> = order.iter().copied().collect();
        assert_eq!(heard.len(), order.len(), "a line came twice");
        let refused: Vec<&Line> = self.refused.intersection(&heard).collect();
        assert!(refused.is_empty(), "what was refused is heard: {refused:?}");
        let lost: Vec<&Line> = owed.iter().filter(|line| !heard.contains(line)).collect();
        assert!(lost.is_empty(), "{} lines are lost, the first is {:?}", lost.len(), lost[0]);
        let mut last: BTreeMap<usize, usize> = BTreeMap::new();
        for line in order {
            let before = last.insert(line.author, line.number);
            let next = (before.map_or(0, |before| before + 1)..)
                .find(|number| !self.refused.contains(&Line { author: line.author, number: *number }));
            assert_eq!(next, Some(line.number), "the lines of author {} are not in their order", line.author);
        }
    }

    /// Every message has the same number for all who are told numbers, and later messages have larger ones.
    fn check_numbers(&self) {
        let mut known: BTreeMap<Line, u64> = BTreeMap::new();
        for seat in &self.seats {
            let numbered: Vec<(Line, u64)> =
                seat.member.lines().into_iter().filter_map(|(line, n)| Some((line, n?))).collect();
            assert!(numbered.windows(2).all(|two| two[0].1 < two[1].1), "{}: a number does not rise", name(seat));
            for (line, n) in numbered {
                let other = *known.entry(line).or_insert(n);
                assert_eq!(other, n, "{}: {line:?} has another number elsewhere", name(seat));
            }
        }
    }

    #[track_caller]
    fn wait_for_owed(&self, seat: &Seat, owed: &[Line]) {
        let of_others: BTreeSet<Line> = owed.iter().filter(|line| Some(line.author) != seat.author).copied().collect();
        let deadline = Instant::now() + PATIENCE;
        let mut count = of_others.len();
        loop {
            let has_come = seat.member.wait_for_lines(count, deadline.saturating_duration_since(Instant::now()));
            let heard: BTreeSet<Line> = seat.member.lines().iter().map(|(line, _)| *line).collect();
            let missing: Vec<&Line> = of_others.difference(&heard).collect();
            if missing.is_empty() {
                return;
            }
            let told = || -> Vec<(String, Vec<String>)> {
                let notices = |seat: &Seat| seat.member.others(|text| text.contains(" cluster"));
                self.seats.iter().map(|seat| (name(seat), notices(seat).into_iter().take(3).collect())).collect()
            };
            assert!(
                has_come && Instant::now() < deadline,
                "{} has not heard {} of {} lines, the first is {:?}; of the cluster were told {:#?}",
                name(seat),
                missing.len(),
                of_others.len(),
                missing[0],
                told()
            );
            // Lines of the dead are among those that came, or a line came twice.
            count = seat.member.lines().len() + 1;
        }
    }

    /// The order of the room by a member that only listens.
    pub fn order(&self) -> Vec<Line> {
        let listener = self.seats.iter().find(|seat| seat.author.is_none() && !self.dead.contains(&seat.node));
        listener.expect("there is a listener").member.lines().iter().map(|(line, _)| *line).collect()
    }
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn name(seat: &Seat) -> String {
    let who = seat.author.map_or("a listener".to_owned(), |author| format!("author {author}"));
    format!("{who} on node {} ({:?})", seat.node, seat.member.door)
}

/// Where two orders part.
fn difference(heard: &[Line], expected: &[Line]) -> String {
    let at =
        heard.iter().zip(expected).position(|(one, other)| one != other).unwrap_or(heard.len().min(expected.len()));
    let around = |lines: &[Line]| lines[at.saturating_sub(2).min(lines.len())..(at + 3).min(lines.len())].to_vec();
    format!(
        "{} lines instead of {}, from place {at} on: {:?} instead of {:?}",
        heard.len(),
        expected.len(),
        around(heard),
        around(expected)
    )
}
