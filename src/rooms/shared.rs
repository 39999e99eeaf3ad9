//! Tests of what rooms share: the memory of all logs, and how little of it a small room takes.

use std::net::SocketAddr;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::config::SlowPolicy;
use crate::limits::{ANNOUNCE_MAX_DEFAULT, LINE_BYTES_DEFAULT, LOG_BYTES_DEFAULT, LOGS_BYTES_DEFAULT, ROOM_BYTES};
use crate::limits::{LOG_SEGMENT_BYTES_MIN, log_bytes_min};
use crate::names::Name;
use crate::room::Batch;
use crate::token::{Generation, Slot};

const LINE_BYTES: usize = 16;

/// Cap of a log. Its largest segment is four times the smallest.
const LOG_BYTES: usize = 16 * LOG_SEGMENT_BYTES_MIN;
const _: () = assert!(LOG_BYTES >= log_bytes_min(LINE_BYTES));

fn settings(logs_bytes: usize) -> RoomSettings {
    RoomSettings {
        members_max: 1000,
        log_bytes: LOG_BYTES,
        logs_bytes,
        line_bytes: LINE_BYTES,
        // Joins and leaves are counted, and not told.
        announce_max: 0,
        announce_rate: None,
        slow: SlowPolicy::Skip,
        rate: None,
    }
}

struct Person {
    id: MemberId,
    room: RoomId,
    /// Messages of the room before it joined.
    joined: u64,
    /// Bytes that its socket takes before it is full.
    space: usize,
    received: Vec<u8>,
    missed: u64,
    said: u64,
}

impl Person {
    /// The numbers that the lines it has received say.
    fn heard(&self) -> Vec<u64> {
        let text = std::str::from_utf8(&self.received).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        text[..whole].lines().map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
    }
}

/// Rooms whose members' sockets take as much as a test lets them.
struct World {
    rooms: Rooms,
    people: Vec<Person>,
    now: Instant,
}

fn who(number: usize) -> Who {
    let name = Name::first(SocketAddr::from(([10, 0, 0, 1], number as u16)));
    Who { name, id: PublicId(number as u64 + 1) }
}

impl World {
    fn new(settings: RoomSettings) -> Self {
        let rooms = Rooms::new(settings, 200_000, Permutation::new(1));
        Self { rooms, people: Vec::new(), now: Instant::now() }
    }

    fn open(&mut self, number: usize) -> RoomId {
        self.rooms.open(RoomName::parse(&format!("room{number}")).unwrap()).unwrap()
    }

    fn join(&mut self, room: RoomId, encoding: Encoding) -> usize {
        let number = self.people.len();
        let connection = ConnectionId { slot: Slot(number as u32), generation: Generation::FIRST };
        let newcomer = Newcomer { connection, table: TableId(number as u16 % 3), encoding, who: who(number) };
        let id = self.rooms.join(room, newcomer, self.now);
        let joined = self.rooms.room(room).messages();
        let space = usize::MAX;
        self.people.push(Person { id, room, joined, space, received: Vec::new(), missed: 0, said: 0 });
        number
    }

    fn leave(&mut self, person: usize) {
        self.rooms.leave(self.people[person].id, who(person), self.now);
    }

    /// Says a line whose text is its number. False when it has to wait.
    fn say(&mut self, person: usize) -> bool {
        let Person { id, room, .. } = self.people[person];
        let text = format!("{}", self.rooms.room(room).messages() + 1);
        let body = Body::Line { name: who(person).name, text: text.as_bytes() };
        self.say_body(id, person, body)
    }

    fn say_body(&mut self, member: MemberId, person: usize, body: Body<'_>) -> bool {
        let author = Author { member, who: who(person), has_private: false, hears_itself: false };
        let admitted = self.rooms.admit(author, &body, self.now).is_ok();
        if admitted {
            assert!(self.rooms.publish(author, body, self.now));
            self.people[person].said += 1;
        }
        admitted
    }

    fn sweep(&mut self) {
        let people = &mut self.people;
        let mut batch: Batch = self.rooms.take_batch(|_, id, gap| people[id.slot.0 as usize].missed += gap.messages);
        while let Some(id) = batch.pop() {
            let person = &mut self.people[self.rooms.connection(id).slot.0 as usize];
            while !self.rooms.try_level(id) {
                let due = self.rooms.due(id);
                let taken = due.len().min(person.space);
                person.received.extend_from_slice(&due[..taken]);
                let is_full = taken < due.len();
                person.space -= if person.space == usize::MAX { 0 } else { taken };
                self.rooms.advance(id, taken);
                if is_full {
                    self.rooms.park(id);
                    break;
                }
            }
        }
    }

    fn settle(&mut self) {
        self.rooms.begin_turn();
        while self.rooms.has_due() || self.rooms.has_skipped() {
            self.sweep();
            self.rooms.begin_turn();
        }
    }

    fn give_space(&mut self, person: usize, space: usize) {
        self.people[person].space = space;
        self.rooms.unpark(self.people[person].id);
    }

    fn log_bytes_of(&self, room: RoomId) -> usize {
        self.rooms.room(room).log_bytes()
    }
}

#[test]
fn the_quietest_room_forgets_first_and_only_what_was_sent() {
    let mut world = World::new(settings(6 * LOG_SEGMENT_BYTES_MIN));
    let rooms: Vec<RoomId> = (0..4).map(|number| world.open(number)).collect();
    let authors: Vec<usize> = rooms.iter().map(|room| world.join(*room, Encoding::Text)).collect();
    let waits = world.join(rooms[1], Encoding::Text);
    for author in [1, 2, 0, 2] {
        assert!(world.say(authors[author]));
    }
    let before: Vec<usize> = rooms.iter().map(|room| world.log_bytes_of(*room)).collect();
    assert!(before[..3].iter().all(|bytes| *bytes == LOG_SEGMENT_BYTES_MIN) && before[3] == 0, "{before:?}");
    // The fourth takes what is left, and then what the others can do without: the first was quiet for longer than the
    // third, and the second has a line to send.
    let mut emptied = Vec::new();
    for _ in 0..200 {
        if !world.say(authors[3]) {
            break;
        }
        for (number, room) in rooms[..3].iter().enumerate() {
            if world.log_bytes_of(*room) == 0 && !emptied.contains(&number) {
                emptied.push(number);
            }
        }
        world.rooms.invariants(|_| false);
    }
    assert_eq!(emptied, [0, 2]);
    world.settle();
    assert_eq!(world.people[waits].heard(), [1]);
    while world.log_bytes_of(rooms[1]) > 0 {
        assert!(world.say(authors[3]), "there is always somebody who can forget something");
        world.settle();
    }
}

#[test]
fn a_feed_goes_with_its_last_reader_and_gives_its_memory_back() {
    let mut world = World::new(settings(LOGS_BYTES_DEFAULT));
    let room = world.open(0);
    let (author, program) = (world.join(room, Encoding::Text), world.join(room, Encoding::Json));
    assert!(world.say(author));
    world.settle();
    let both = world.rooms.log_bytes();
    let deliveries = world.rooms.deliveries();
    world.leave(program);
    assert_eq!((both, world.rooms.log_bytes()), (2 * LOG_SEGMENT_BYTES_MIN, LOG_SEGMENT_BYTES_MIN));
    assert_eq!((deliveries, world.rooms.deliveries()), (1, 1), "what was counted stays");
    world.rooms.invariants(|_| false);
    world.leave(author);
    assert!(world.rooms.close_unused(room, &mut |_| {}));
    assert_eq!((world.rooms.log_bytes(), world.rooms.messages()), (0, 1));
    world.rooms.invariants(|_| false);
}

/// Bytes that are allocated in a room, as the mean of many. `fill` does what is done in each.
fn bytes_per_room(announce_max: usize, fill: impl Fn(&mut World, RoomId)) -> usize {
    const ROOMS: usize = 500;
    let settings = RoomSettings {
        log_bytes: LOG_BYTES_DEFAULT,
        line_bytes: LINE_BYTES_DEFAULT,
        announce_max,
        members_max: 10_000,
        ..settings(LOGS_BYTES_DEFAULT)
    };
    let mut world = World::new(settings);
    world.people.reserve(10 * ROOMS);
    let measured = allocation_counter::measure(|| {
        for number in 0..ROOMS {
            let room = world.open(number);
            fill(&mut world, room);
            world.people.clear();
        }
    });
    world.rooms.invariants(|_| false);
    // The slab of the rooms was there before.
    usize::try_from(measured.bytes_current).unwrap() / ROOMS + size_of::<Entry>()
}

#[test]
fn a_room_that_nobody_has_spoken_in_takes_two_kib_at_most() {
    let joined = bytes_per_room(ANNOUNCE_MAX_DEFAULT, |world, room| {
        world.join(room, Encoding::Text);
    });
    let left = bytes_per_room(ANNOUNCE_MAX_DEFAULT, |world, room| {
        let person = world.join(room, Encoding::Text);
        world.settle();
        world.leave(person);
    });
    println!("{joined} bytes with a member, {left} once it has left");
    assert!(joined.max(left) <= 2048, "{joined} bytes with a member, {left} once it has left");
}

#[test]
fn a_room_of_five_with_twenty_lines_takes_eight_kib_at_most() {
    let bytes = bytes_per_room(ANNOUNCE_MAX_DEFAULT, |world, room| {
        let people: Vec<usize> = (0..5).map(|_| world.join(room, Encoding::Text)).collect();
        for number in 0..20 {
            let person = people[number % 5];
            let body = Body::Line { name: who(person).name, text: &[b'x'; 64] };
            assert!(world.say_body(world.people[person].id, person, body));
            world.settle();
        }
    });
    println!("{bytes} bytes");
    assert!(bytes <= 8192, "{bytes} bytes");
}

#[test]
fn a_room_beside_its_log_takes_what_is_reckoned() {
    let bytes = bytes_per_room(0, |world, room| {
        for number in 0..5 {
            let encoding = if number == 0 { Encoding::Json } else { Encoding::Text };
            world.join(room, encoding);
        }
    });
    println!("{bytes} bytes");
    assert!(bytes <= ROOM_BYTES, "{bytes} bytes");
}

#[derive(Clone, Debug)]
enum Step {
    Say(usize),
    Space(usize, usize),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..12usize).prop_map(Step::Say),
        2 => (0..12usize, 0..300usize).prop_map(|(person, space)| Step::Space(person, space)),
        4 => Just(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Rooms that share very little memory: each member is sent every line of its room, or is told how many it missed,
    /// and everybody can speak in the end.
    #[test]
    fn rooms_share_a_small_budget(steps in prop::collection::vec(step(), 1..600), skips_max in 1..3usize) {
        let mut world = World::new(settings(LOG_BYTES));
        world.rooms.limit_skips(skips_max);
        let rooms: Vec<RoomId> = (0..4).map(|number| world.open(number)).collect();
        for person in 0..12 {
            world.join(rooms[person % 4], Encoding::Text);
        }
        for step in steps {
            match step {
                Step::Say(person) => {
                    if world.rooms.may_speak(world.people[person].id) {
                        world.say(person);
                    }
                }
                Step::Space(person, space) => world.give_space(person, space),
                Step::Sweep => {
                    world.rooms.begin_turn();
                    world.sweep();
                }
            }
            world.rooms.invariants(|_| false);
            prop_assert!(world.rooms.log_bytes() <= LOG_BYTES);
        }
        // Half of them do not read any more.
        for person in 0..6 {
            world.give_space(person, usize::MAX);
        }
        for person in (0..6).cycle().take(100) {
            let spoke = (0..100).any(|_| {
                world.settle();
                world.say(person)
            });
            prop_assert!(spoke, "a room can speak in the end");
            world.rooms.invariants(|_| false);
        }
        for person in 0..12 {
            world.give_space(person, usize::MAX);
        }
        world.settle();
        for person in &world.people {
            let heard = person.heard();
            prop_assert!(heard.is_sorted_by(|one, other| one < other), "in order, none twice");
            let said = world.rooms.room(person.room).messages() - person.joined;
            prop_assert_eq!(heard.len() as u64 + person.missed + person.said, said, "every message is sent or told of");
        }
    }
}

#[test]
fn a_survey_in_pieces_counts_each_room_once_while_rooms_go() {
    // Which rooms are freed after how many pieces.
    for freed_at in 0..9 {
        let mut world = World::new(settings(LOGS_BYTES_DEFAULT));
        let rooms: Vec<RoomId> = (0..6).map(|number| world.open(number)).collect();
        let authors: Vec<usize> = rooms.iter().map(|room| world.join(*room, Encoding::Text)).collect();
        let reads_nothing = world.join(rooms[5], Encoding::Text);
        world.people[reads_nothing].space = 0;
        for author in &authors {
            (0..=*author).for_each(|_| assert!(world.say(*author)));
        }
        world.settle();
        let statistics = |rooms: &Rooms| (rooms.messages(), rooms.deliveries(), rooms.skipped_messages());
        let expected = (statistics(&world.rooms), world.rooms.parked(), world.rooms.lag_bytes_max());
        assert_eq!((expected.0.0, expected.1), (21, 1));
        let mut pieces = 0;
        let found = loop {
            if pieces == freed_at {
                for number in [0, 4] {
                    world.leave(authors[number]);
                    assert!(world.rooms.close_unused(rooms[number], &mut |_| {}));
                }
            }
            pieces += 1;
            if let Some(found) = world.rooms.survey(1) {
                break found;
            }
        };
        let Counts { messages, deliveries, skipped } = found.counts;
        let seen = ((messages, deliveries, skipped), found.parked, found.lag_bytes_max);
        assert_eq!(seen, expected, "freed after {freed_at} pieces");
        assert!(pieces > 6, "there are as many pieces as rooms");
        let whole = world.rooms.survey(u32::MAX).expect("all at once").counts;
        assert_eq!((whole.messages, whole.deliveries), (21, expected.0.1), "the next begins anew");
    }
}

#[test]
fn a_mark_is_reached_once_all_that_take_bytes_have_what_was_before_it() {
    let mut world = World::new(settings(LOGS_BYTES_DEFAULT));
    let room = world.open(0);
    let author = world.join(room, Encoding::Text);
    let others: Vec<usize> = (0..150).map(|_| world.join(room, Encoding::Text)).collect();
    world.people[others[0]].space = 0;
    world.settle();
    assert!(world.rooms.mark().is_none(), "nobody is behind");
    let appended = world.rooms.appended();
    assert!(world.say(author) && world.rooms.appended() > appended);
    let mark = world.rooms.mark().expect("many are behind");
    let mut sweeps = 0;
    while !world.rooms.is_past(&mark) {
        // Whatever is said meanwhile.
        assert!(world.say(author));
        world.sweep();
        sweeps += 1;
    }
    let readers = || others[1..].iter().map(|other| world.people[*other].heard().len());
    assert!(sweeps >= 2 && readers().all(|lines| lines >= 1), "after {sweeps} batches");
    assert!(world.rooms.has_due() && readers().any(|lines| lines < sweeps), "more is to be sent");
    for other in others {
        world.leave(other);
    }
    world.leave(author);
    assert!(world.rooms.close_unused(room, &mut |_| {}) && world.rooms.is_past(&mark), "it is gone");
}
