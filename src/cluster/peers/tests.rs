//! Tests of the table of nodes: rules by themselves, and histories of several nodes whose beats are lost, doubled and
//! late.

use proptest::prelude::*;

use super::*;
use crate::cluster::beat::{PROTOCOL, Span};
use crate::cluster::own::Own;
use crate::time::UnixTime;

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn about(node: u64) -> About {
    About {
        node: NodeId(node),
        name: format!("n{node}"),
        version: "0.1.0".to_owned(),
        protocol: PROTOCOL,
        options: String::new(),
        started: UnixTime(node),
        settled: true,
        members: 0,
        lag: 0,
        up: Duration::from_secs(60),
    }
}

/// A beat of node 2.
fn beat(count: u64, rooms: &[(&str, u64, u64)], span: Option<Span>) -> Counts {
    let rooms = rooms.iter().map(|(name, entered, left)| (room(name), Totals { entered: *entered, left: *left }));
    Counts { count, rooms: rooms.collect(), span }
}

/// All that has changed, as `den +2 -1`.
fn changes(peers: &mut Peers) -> String {
    peers.take_out_gone();
    let shown = std::iter::from_fn(|| peers.next_change())
        .map(|(room, Change { entered, left })| format!("{room} +{entered} -{left}"));
    shown.collect::<Vec<_>>().join(", ")
}

/// Node 1, and a clock in milliseconds.
fn peers() -> (Peers, impl Fn(u64) -> Instant) {
    let start = Instant::now();
    (Peers::new(NodeId(1), start), move |millis| start + Duration::from_millis(millis))
}

#[test]
fn what_has_changed_is_the_difference_of_totals() {
    let (mut peers, at) = peers();
    let mut hear = |beat: Counts| {
        let heard = peers.on_beat(about(2), &beat, at(0));
        (heard, changes(&mut peers))
    };
    for (beat, heard, expected) in [
        (beat(1, &[("den", 10, 4), ("empty", 3, 3)], None), Heard::New, "den +6 -0"),
        (beat(2, &[("den", 12, 5)], None), Heard::Known, "den +2 -1"),
        (beat(2, &[("den", 13, 5)], None), Heard::Ignored, ""),
        (beat(1, &[("den", 10, 4)], None), Heard::Ignored, ""),
        (beat(5, &[("den", 12, 5), ("attic", 1, 0)], None), Heard::Known, "attic +1 -0"),
        // It was forgotten there, and entered again.
        (beat(6, &[("den", 3, 1)], None), Heard::Known, "den +3 -8"),
        // Nobody is in what a span leaves out.
        (beat(7, &[("attic", 1, 0)], Some(Span { behind: None, last: Some(room("cellar")) })), Heard::Known, ""),
        (beat(8, &[], Some(Span { behind: Some(room("attic")), last: None })), Heard::Known, "den +0 -2"),
        (beat(9, &[], Some(Span::default())), Heard::Known, "attic +0 -1"),
        (beat(10, &[], Some(Span::default())), Heard::Known, ""),
    ] {
        assert_eq!(hear(beat.clone()), (heard, expected.to_owned()), "{beat:?}");
    }
    assert_eq!(peers.on_beat(about(1), &beat(1, &[("den", 1, 0)], None), at(0)), Heard::Ignored, "it is this node");
    assert!(!peers.has_work());
}

#[test]
fn a_silent_node_has_gone_and_comes_back_with_its_members() {
    let (mut peers, at) = peers();
    let silence = u64::try_from(NODE_SILENCE_MAX.as_millis()).unwrap();
    peers.on_beat(about(2), &beat(1, &[("den", 10, 4)], None), at(0));
    assert_eq!(changes(&mut peers), "den +6 -0");
    (0..silence).step_by(1000).for_each(|millis| peers.look(at(millis)));
    assert!(peers.is_living(NodeId(2)) && !peers.has_work());
    peers.look(at(silence));
    assert!(peers.has_work());
    assert_eq!((changes(&mut peers), peers.living(at(silence)).count()), ("den +0 -6".to_owned(), 0));
    let late = peers.on_beat(about(2), &beat(1, &[("den", 10, 4)], None), at(silence));
    assert_eq!((late, changes(&mut peers)), (Heard::Ignored, String::new()), "it was said before");
    let again = peers.on_beat(about(2), &beat(2, &[("den", 11, 4)], None), at(silence));
    assert_eq!((again, changes(&mut peers)), (Heard::New, "den +7 -0".to_owned()));
}

#[test]
fn a_node_that_was_stopped_itself_takes_nobody_for_silent() {
    let (mut peers, at) = peers();
    peers.on_beat(about(2), &beat(1, &[("den", 1, 0)], None), at(0));
    peers.look(at(1000));
    peers.look(at(11_000));
    assert!(peers.is_living(NodeId(2)));
    (12..19).for_each(|second| peers.look(at(second * 1000)));
    assert!(peers.is_living(NodeId(2)));
    peers.look(at(19_000));
    assert!(!peers.is_living(NodeId(2)), "it has had as long as others");
}

#[test]
fn members_of_a_node_that_ends_leave_at_once() {
    let (mut peers, at) = peers();
    peers.on_beat(about(2), &beat(3, &[("den", 1, 0)], None), at(0));
    peers.on_bye(NodeId(2), 3);
    peers.on_bye(NodeId(9), 3);
    assert_eq!(changes(&mut peers), "den +1 -0", "the goodbye is a repeat");
    peers.on_bye(NodeId(2), 4);
    assert_eq!(changes(&mut peers), "den +0 -1");
    assert_eq!(peers.on_beat(about(2), &beat(4, &[("den", 1, 0)], None), at(0)), Heard::Ignored);
}

#[test]
fn a_node_that_has_gone_is_forgotten_later_and_first_for_another() {
    let (mut peers, at) = peers();
    for node in 2..2 + NODES_MAX as u64 {
        assert_eq!(peers.on_beat(about(node), &beat(1, &[], None), at(node)), Heard::New);
    }
    assert_eq!(peers.on_beat(about(1000), &beat(1, &[], None), at(0)), Heard::Ignored, "one too many");
    peers.on_bye(NodeId(5), 2);
    peers.on_bye(NodeId(4), 2);
    assert_eq!(peers.on_beat(about(1000), &beat(1, &[], None), at(0)), Heard::New);
    assert!(!peers.nodes.contains_key(&NodeId(4)) && peers.nodes.contains_key(&NodeId(5)));
    peers.look(at(1000) + NODE_REMEMBERED);
    assert!(!peers.nodes.contains_key(&NodeId(5)), "it has been gone for long");
    peers.invariants();
}

#[test]
fn rooms_that_are_known_are_bounded_and_a_node_that_goes_is_taken_out_in_parts() {
    let (mut peers, at) = peers();
    peers.rooms_max = 3 * NODES_CHANGES_PER_TURN;
    let names: Vec<String> = (0..peers.rooms_max + 5).map(|number| format!("r{number}")).collect();
    let rooms: Vec<(&str, u64, u64)> = names.iter().map(|name| (name.as_str(), 1, 0)).collect();
    peers.on_beat(about(2), &beat(1, &rooms, None), at(0));
    peers.invariants();
    assert_eq!(std::iter::from_fn(|| peers.next_change()).count(), peers.rooms_max);
    peers.on_bye(NodeId(2), 2);
    for _ in 0..3 {
        assert!(peers.has_work());
        peers.take_out_gone();
        assert_eq!(std::iter::from_fn(|| peers.next_change()).count(), NODES_CHANGES_PER_TURN);
    }
    assert!(!peers.has_work());
    peers.invariants();
}

#[test]
fn what_is_handed_out_stays_exact_however_much_comes_and_goes() {
    let (mut peers, at) = peers();
    let most = 1 << 53;
    for count in 1..3000 {
        let totals = if count % 2 == 1 { most } else { 1 };
        peers.on_beat(about(2), &beat(count, &[("den", totals, totals - 1)], None), at(0));
    }
    let (_, Change { entered, left }) = peers.next_change().unwrap();
    assert_eq!((entered - left, entered <= most + 1), (1, true));
}

/// What happens in a history of nodes 2 to 4, as node 1 hears of it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enter {
        node: usize,
        room: usize,
    },
    Leave {
        node: usize,
        room: usize,
    },
    /// Time passes. What the nodes say then is `lost`, or doubled and late.
    Wait {
        millis: u64,
        lost: u8,
    },
    /// A node says and hears nothing for as long, or is killed.
    Stop {
        node: usize,
        seconds: u64,
    },
    Kill {
        node: usize,
    },
    End {
        node: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let [node, room] = [0..3usize, 0..6usize];
    prop_oneof![
        6 => (node.clone(), room.clone()).prop_map(|(node, room)| Step::Enter { node, room }),
        4 => (node.clone(), room).prop_map(|(node, room)| Step::Leave { node, room }),
        6 => (1..2500u64, any::<u8>()).prop_map(|(millis, lost)| Step::Wait { millis, lost }),
        1 => (node.clone(), 1..15u64).prop_map(|(node, seconds)| Step::Stop { node, seconds }),
        1 => node.clone().prop_map(|node| Step::Kill { node }),
        1 => node.prop_map(|node| Step::End { node }),
    ]
}

struct Other {
    id: u64,
    own: Own,
    members: BTreeMap<RoomName, u64>,
    stopped_until: Instant,
}

struct History {
    now: Instant,
    peers: Peers,
    others: Vec<Other>,
    /// Beats that are heard later.
    late: Vec<(About, Counts)>,
    /// What was handed out, by room.
    elsewhere: BTreeMap<RoomName, i64>,
    next_id: u64,
    turns: u64,
}

impl History {
    fn new() -> Self {
        let now = Instant::now();
        let peers = Peers::new(NodeId(1), now);
        let mut history =
            Self { now, peers, others: Vec::new(), late: Vec::new(), elsewhere: BTreeMap::new(), next_id: 2, turns: 0 };
        (0..3).for_each(|place| history.start(place));
        history
    }

    /// A node starts, in the place of one that ran.
    fn start(&mut self, place: usize) {
        let (id, now) = (self.next_id, self.now);
        self.next_id += 1;
        let other = Other { id, own: Own::new(now), members: BTreeMap::new(), stopped_until: now };
        if place < self.others.len() {
            self.others[place] = other;
        } else {
            self.others.push(other);
        }
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Enter { node, room: number } => {
                let (other, name) = (&mut self.others[node], room(&format!("r{number}")));
                if other.stopped_until <= self.now {
                    other.own.entered(name);
                    *other.members.entry(name).or_default() += 1;
                }
            }
            Step::Leave { node, room: number } => {
                let (other, name) = (&mut self.others[node], room(&format!("r{number}")));
                if let Some(members) = other.members.get_mut(&name).filter(|members| **members > 0)
                    && other.stopped_until <= self.now
                {
                    other.own.left(name);
                    *members -= 1;
                }
            }
            Step::Wait { millis, lost } => self.wait(millis, lost),
            Step::Stop { node, seconds } => self.others[node].stopped_until = self.now + Duration::from_secs(seconds),
            Step::Kill { node } => self.start(node),
            Step::End { node } => {
                let other = &mut self.others[node];
                let count = other.own.next_count();
                self.peers.on_bye(NodeId(other.id), count);
                self.start(node);
            }
        }
        self.check();
    }

    /// Time passes in steps that are shorter than the pause between two beats. Each bit of `faults` that is set spoils
    /// the word of a turn.
    fn wait(&mut self, millis: u64, faults: u8) {
        for _ in 0..millis.div_ceil(20) {
            self.now += Duration::from_millis(20);
            self.peers.look(self.now);
            for place in 0..self.others.len() {
                let other = &mut self.others[place];
                if other.stopped_until > self.now {
                    continue;
                }
                let Some(counts) = other.own.next(self.now) else { continue };
                other.own.invariants();
                self.turns += 1;
                let about = about(other.id);
                match (faults >> (self.turns % 8) & 1, self.turns % 3) {
                    (0, _) => self.hear(place, about, &counts),
                    (_, 0) => {}
                    (_, 1) => self.late.push((about, counts)),
                    _ => {
                        self.hear(place, about.clone(), &counts);
                        self.late.push((about, counts));
                    }
                }
            }
            if self.turns.is_multiple_of(5) && faults != 0 {
                for (about, counts) in std::mem::take(&mut self.late) {
                    self.peers.on_beat(about, &counts, self.now);
                }
            }
            self.peers.take_out_gone();
        }
    }

    fn hear(&mut self, place: usize, about: About, counts: &Counts) {
        if self.peers.on_beat(about, counts, self.now) == Heard::New {
            self.others[place].own.ask(self.now);
        }
    }

    /// What was handed out is what the table has.
    fn check(&mut self) {
        self.peers.invariants();
        while self.peers.has_work() {
            self.peers.take_out_gone();
            while let Some((room, change)) = self.peers.next_change() {
                *self.elsewhere.entry(room).or_default() += change.entered as i64 - change.left as i64;
            }
        }
        let mut known: BTreeMap<RoomName, i64> = BTreeMap::new();
        for node in self.peers.nodes.values() {
            assert!(!node.is_gone || node.rooms.is_empty());
            node.rooms.iter().for_each(|(room, totals)| *known.entry(*room).or_default() += totals.online() as i64);
        }
        let with_members = |sums: &BTreeMap<RoomName, i64>| -> Vec<(RoomName, i64)> {
            sums.iter().filter(|(_, sum)| **sum != 0).map(|(room, sum)| (*room, *sum)).collect()
        };
        assert_eq!(with_members(&self.elsewhere), with_members(&known), "what was handed out adds up");
    }

    /// Nothing is lost any more, and time passes. What is known is what there is.
    fn come_to_rest(&mut self) {
        self.late.clear();
        self.wait(30_000, 0);
        self.check();
        let mut there: BTreeMap<RoomName, i64> = BTreeMap::new();
        for other in &self.others {
            other.members.iter().for_each(|(room, members)| *there.entry(*room).or_default() += *members as i64);
        }
        there.retain(|_, members| *members > 0);
        self.elsewhere.retain(|_, members| *members != 0);
        assert_eq!(self.elsewhere, there, "the sum is what the living say");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn sums_are_exact_at_all_times_and_right_in_the_end(steps in prop::collection::vec(step(), 0..120)) {
        let mut history = History::new();
        steps.into_iter().for_each(|step| history.play(step));
        history.come_to_rest();
    }
}
