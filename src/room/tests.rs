//! The room compared with a plain record of every message, with sockets that take as many bytes as a test lets them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::log::Position;
use super::members::Place;
use super::*;
use crate::connection::Private;
use crate::limits::{PREFIX_BYTES_MAX, SKIPS_PER_TURN_MAX, log_bytes_min};
use crate::message::Notice;
use crate::random::Permutation;
use crate::rooms::Rooms;
use crate::token::{Generation, Slot};
use crate::wire::{Addressee, framed};

const LINE_BYTES: usize = 16;

const LOG_BYTES: usize = log_bytes_min(LINE_BYTES);

/// Tables that the sockets of people are in.
const TABLES: u16 = 3;

fn settings(announce_max: usize) -> RoomSettings {
    RoomSettings {
        members_max: 8,
        log_bytes: LOG_BYTES,
        logs_bytes: 4 * LOG_BYTES,
        line_bytes: LINE_BYTES,
        announce_max,
        announce_rate: None,
        slow: SlowPolicy::Skip,
        rate: None,
    }
}

/// A room whose members' sockets take as much as a test lets them, with a plain record of every message.
struct World {
    room: Rooms,
    now: Instant,
    people: BTreeMap<u16, Person>,
    /// Everything ever said.
    said: Vec<Said>,
    /// Where the log of text ended after it.
    head: Position,
    /// Messages received by people that have left.
    received_before: usize,
    /// People that left while their sockets were full.
    left_with_full_socket: usize,
}

/// A message, as the encodings have it.
struct Said {
    author: Option<u16>,
    /// The number of it, or of the last numbered message before it.
    number: u64,
    /// As text, without the line feed.
    line: String,
    /// In a frame.
    framed: String,
}

struct Person {
    id: MemberId,
    encoding: Encoding,
    /// Length of `said` when it joined.
    joined: usize,
    received: Vec<u8>,
    /// What is meant for it alone.
    private: Private,
    /// Whether its connection breaks at the next send.
    dies: bool,
    /// Notices to it alone.
    told: usize,
    /// Bytes that its socket takes before it is full; endless when `None`.
    space: Option<usize>,
}

impl Person {
    /// Whole messages and notices among what was received, each with its number, 0 for a notice or where there is none.
    fn read(&self) -> Vec<(u64, String)> {
        match self.encoding {
            Encoding::Text => {
                let text = std::str::from_utf8(&self.received).unwrap();
                let whole = text.rfind('\n').map_or(0, |end| end + 1);
                text[..whole].lines().map(|line| (0, line.to_string())).collect()
            }
            Encoding::Json | Encoding::WebSocket | Encoding::Irc | Encoding::IrcTime => {
                unreachable!("nobody here reads it")
            }
            Encoding::Framed => {
                framed::frames(&self.received).into_iter().map(|(number, _, text)| (number, text)).collect()
            }
        }
    }

    /// Whole numbered messages among what was received.
    fn messages(&self) -> usize {
        let is_message = |line: &&(u64, String)| !line.1.starts_with(['!', '>', '<']);
        self.read().iter().filter(is_message).count()
    }
}

fn who(port: u16) -> Who {
    Who { name: name(port), id: PublicId(u64::from(port) + 1) }
}

/// Rooms, of which the lobby is open.
fn rooms(settings: RoomSettings) -> Rooms {
    Rooms::new(settings, 10, Permutation::new(1))
}

fn name(port: u16) -> Name {
    Name::first(SocketAddr::from(([127, 0, 0, 1], port)))
}

impl World {
    fn new(announce_max: usize) -> Self {
        let now = Instant::now();
        Self {
            room: rooms(settings(announce_max)),
            now,
            people: BTreeMap::new(),
            said: Vec::new(),
            head: Position::default(),
            received_before: 0,
            left_with_full_socket: 0,
        }
    }

    /// Notes the message that the room has said since, if its log has one.
    fn heard(&mut self, author: Option<u16>, line: String, framed: &str) {
        let number = self.said.last().map_or(0, |said| said.number) + u64::from(author.is_some());
        if self.room.log().head() > self.head {
            self.head = self.room.log().head();
            self.said.push(Said { author, number, line, framed: framed.to_string() });
        }
        assert_eq!(self.room.messages(), number);
    }

    fn announced(&mut self, event: Event) {
        let line = event.to_string();
        self.heard(None, line.clone(), &line);
    }

    fn join(&mut self, port: u16, space: Option<usize>) {
        self.join_as(Encoding::Text, port, space);
    }

    fn join_as(&mut self, encoding: Encoding, port: u16, space: Option<usize>) {
        let connection = ConnectionId { slot: Slot(u32::from(port)), generation: Generation::FIRST };
        let table = TableId(port % TABLES);
        let id = self.room.join(self.room.lobby(), Newcomer { connection, table, encoding, who: who(port) }, self.now);
        let online = self.room.online() as u64;
        self.announced(Event::Entered { name: name(port), online });
        let joined = self.said.len();
        let (received, private) = (Vec::new(), Private::default());
        self.people.insert(port, Person { id, encoding, joined, received, private, told: 0, dies: false, space });
        self.tell(port, Notice::Connected { online });
    }

    fn tell(&mut self, port: u16, notice: Notice<'_>) -> bool {
        let person = self.people.get_mut(&port).unwrap();
        let told = person.private.tell(notice, &Addressee::unknown(person.encoding), false);
        self.room.wake(person.id);
        told
    }

    fn leave(&mut self, port: u16) -> Person {
        let person = self.people.remove(&port).unwrap();
        self.received_before += person.messages();
        self.left_with_full_socket += usize::from(self.room.place(person.id) == Place::Parked);
        self.room.leave(person.id, who(port), self.now);
        self.announced(Event::Left { name: name(port), online: self.room.online() as u64 });
        person
    }

    fn say(&mut self, port: u16, text: &str) -> Result<(), Blocked> {
        let (person, line) = (&self.people[&port], text.as_bytes());
        let author =
            Author { member: person.id, who: who(port), has_private: !person.private.is_empty(), hears_itself: false };
        let body = Body::Line { name: name(port), text: line };
        self.room.admit(author, &body, self.now)?;
        assert!(self.room.publish(author, body, self.now));
        self.heard(Some(port), format!("[{}] {text}", name(port)), text);
        Ok(())
    }

    /// Sends one batch, each member as much as its socket takes.
    fn sweep(&mut self) {
        let people = &mut self.people;
        let mut batch = self.room.take_batch(|_, connection, gap| {
            let messages = gap.messages;
            if messages == 0 {
                return;
            }
            let person = people.get_mut(&(connection.slot.0 as u16)).unwrap();
            let to = Addressee::unknown(person.encoding);
            person.private.tell_always(Notice::Missed { messages, range: None }, &to);
        });
        let mut dead = Vec::new();
        let table = |id: &MemberId| self.room.connection(*id).slot.0 % u32::from(TABLES);
        assert!(batch.iter().all(|id| table(id) == table(&batch[0])), "a batch is of one table");
        while let Some(id) = batch.pop() {
            let port = self.room.connection(id).slot.0 as u16;
            let person = self.people.get_mut(&port).unwrap();
            if std::mem::take(&mut person.dies) {
                self.room.park(id);
                dead.push(port);
                continue;
            }
            // A member that was skipped and missed nothing that it is told of may have nothing due.
            if person.private.is_empty() && self.room.try_level(id) {
                continue;
            }
            loop {
                let private =
                    person.private.is_begun() || (!person.private.is_empty() && self.room.is_between_messages(id));
                let due = if private { person.private.due() } else { self.room.due(id) };
                assert!(!due.is_empty(), "a member of the batch has something due");
                let (length, taken) = (due.len(), due.len().min(person.space.unwrap_or(usize::MAX)));
                person.received.extend_from_slice(&due[..taken]);
                person.space = person.space.map(|space| space - taken);
                if private {
                    person.private.advance(taken);
                } else {
                    self.room.advance(id, taken);
                }
                if taken < length {
                    self.room.park(id);
                    break;
                }
                if person.private.is_empty() && self.room.try_level(id) {
                    break;
                }
            }
        }
        // Several may die in one batch, with a line said about each.
        for port in dead {
            self.leave(port);
        }
    }

    /// Begins turns until nobody has anything due, and no members are to be skipped.
    fn settle(&mut self) {
        self.room.begin_turn();
        while self.room.has_due() || self.room.has_skipped() {
            self.sweep();
            self.room.begin_turn();
        }
    }

    fn invariants(&self) {
        self.room.invariants(|id| !self.people[&(id.slot.0 as u16)].private.is_empty());
    }

    fn give_space(&mut self, port: u16, space: Option<usize>) {
        let person = self.people.get_mut(&port).unwrap();
        person.space = space;
        self.room.unpark(person.id);
    }

    /// Messages of all kinds that the log of an encoding has forgotten.
    fn forgotten(&self, encoding: Encoding) -> usize {
        let feeds = self.room.room(self.room.lobby()).feeds();
        let log = feeds.iter().find(|feed| feed.encoding() == encoding).expect("it is read").log();
        self.said.len() - log.messages_from(log.tail()).count()
    }

    /// A person has received every message since it joined except its own, each whole and with its number, and was told
    /// every gap exactly. Joins and leaves may be missing where the log has forgotten them.
    fn check(&self, port: u16) {
        let person = &self.people[&port];
        let mut read = person.read();
        assert!(read.remove(0).1.starts_with("> Connected to the chat server ("));
        let forgotten = self.forgotten(person.encoding);
        let said = self.said.iter().enumerate().skip(person.joined);
        // From the last line to the first: where a line was said twice, it is the later one that was received for sure.
        let mut expected = said.filter(|(_, said)| said.author != Some(port)).rev().peekable();
        let may_miss = |(index, said): &(usize, &Said)| *index < forgotten && said.author.is_none();
        let mut told = 0;
        for (number, line) in read.into_iter().rev() {
            if line.starts_with("! line too long") {
                told += 1;
            } else if let Some(missed) = line.strip_prefix("! you missed ") {
                let missed: usize = missed.split(' ').next().unwrap().parse().unwrap();
                assert!(missed > 0, "a gap is told when there is one");
                let mut left = missed;
                while left > 0 {
                    let (index, said) = expected.next().expect("no more is missed than was said");
                    assert!(index < forgotten, "what the log has is not missed");
                    left -= usize::from(said.author.is_some());
                }
            } else {
                let is_it = |said: &Said| match person.encoding {
                    Encoding::Json | Encoding::WebSocket | Encoding::Irc | Encoding::IrcTime => {
                        unreachable!("nobody here reads it")
                    }
                    Encoding::Text => line == said.line,
                    Encoding::Framed => (number, line.as_str()) == (said.number, said.framed.as_str()),
                };
                while expected.next_if(|next| may_miss(next) && !is_it(next.1)).is_some() {}
                let (_, said) = expected.next().expect("nothing is received that was not said");
                assert!(is_it(said), "{number} {line:?} was received, and {:?} said", said.line);
            }
        }
        assert!(expected.all(|next| may_miss(&next)), "everything was sent in the end");
        assert_eq!(told, person.told);
    }

    /// The feeds of the room have the same messages under the same numbers, as far as each keeps them.
    fn check_feeds_agree(&self) {
        let room = self.room.room(self.room.lobby());
        let mut known: BTreeMap<usize, log::Entry> = BTreeMap::new();
        for log in room.feeds().iter().map(Feed::log) {
            let kept: Vec<_> = log.messages_from(log.tail()).collect();
            for ((number, entry, _), index) in kept.iter().rev().zip((0..self.said.len()).rev()) {
                let said = &self.said[index];
                assert_eq!(*known.entry(index).or_insert(*entry), *entry, "{index} is the same in every feed");
                // What happened to a member has that as its author, and is said by nobody.
                let author = entry.author.map(|author| author.0 as u16 - 1);
                assert_eq!((said.author, said.number), (author.filter(|_| entry.kind.is_numbered()), *number));
                let name = said.line.get(1..=usize::from(entry.name_bytes)).unwrap_or_default();
                assert!(said.author.is_none_or(|port| name == self::name(port).to_string()), "{name}");
            }
            assert_eq!(log.messages(), self.said.last().map_or(0, |said| said.number));
        }
    }
}

#[test]
fn everybody_hears_everybody_else() {
    let mut world = World::new(10);
    for port in [1, 2, 3] {
        world.join(port, None);
    }
    world.say(1, "one").unwrap();
    world.say(2, "two").unwrap();
    world.say(2, "three").unwrap();
    world.settle();
    world.leave(3);
    world.settle();
    world.check(1);
    world.check(2);
    assert_eq!(
        String::from_utf8_lossy(&world.people[&2].received),
        "> Connected to the chat server (2 users online)\n\
         > New user 127.0.0.1:3 entered. (3 users online)\n\
         [127.0.0.1:1] one\n\
         < The user 127.0.0.1:3 left (2 users online)\n"
    );
    assert!(world.room.is_quiet());
}

#[test]
fn a_slow_member_is_skipped_and_told() {
    let mut world = World::new(10);
    world.join(1, None);
    world.join(2, Some(60));
    for number in 0..100 {
        world.say(1, &format!("line {number}")).unwrap();
        world.settle();
    }
    assert_eq!(world.room.parked(), 1);
    assert_eq!(world.room.skipped_messages(), 0, "it is told when it reads again");
    world.give_space(2, None);
    world.settle();
    world.check(2);
    let told = String::from_utf8_lossy(&world.people[&2].received).matches("! you missed").count();
    assert_eq!(told, 1);
    assert!(world.room.skipped_messages() > 0);
}

#[test]
fn a_member_that_missed_only_joins_and_leaves_is_told_nothing() {
    let mut world = World::new(10);
    world.join(1, None);
    world.join(2, Some(60));
    for _ in 0..100 {
        world.join(3, None);
        world.settle();
        world.leave(3);
        world.settle();
    }
    assert!(world.forgotten(Encoding::Text) > 100);
    world.give_space(2, None);
    world.settle();
    world.check(2);
    let received = String::from_utf8_lossy(&world.people[&2].received).into_owned();
    assert!(!received.contains("missed") && received.ends_with(&format!("{}\n", world.said.last().unwrap().line)));
    world.say(1, "a line").unwrap();
    world.settle();
    assert_eq!((world.room.skipped_messages(), world.room.deliveries()), (0, 1));
}

#[test]
fn a_log_is_full_until_the_sweep_has_sent_its_oldest_messages() {
    let mut world = World::new(10);
    world.join(1, None);
    world.join(2, None);
    world.settle();
    let refused = (0..1000).find(|number| world.say(1, &format!("line {number}")).is_err());
    assert!(refused.is_some_and(|number| number * LINE_BYTES < world.room.log().bytes_max()));
    world.settle();
    world.say(1, "again").unwrap();
    world.settle();
    world.check(2);
    assert_eq!(world.room.skipped_messages(), 0);
}

#[test]
fn above_the_bound_presence_is_summed_up() {
    let mut world = World::new(2);
    for port in 1..=5 {
        world.join(port, None);
    }
    world.leave(4);
    world.settle();
    let due = world.room.deadline().unwrap();
    world.room.on_deadline(due - Duration::from_millis(1));
    assert_eq!((world.room.messages(), world.said.len()), (0, 2), "the first two joins");
    world.room.on_deadline(due);
    world.settle();
    let heard = String::from_utf8_lossy(&world.people[&5].received).into_owned();
    let summary = "> 3 users entered, 1 left. (4 users online)\n";
    assert_eq!(heard, format!("> Connected to the chat server (5 users online)\n{summary}"));
    assert_eq!(world.room.deadline(), None);
}

#[test]
fn two_feeds_of_a_room_stay_in_step_and_skip_each_on_its_own() {
    let mut world = World::new(10);
    world.join(1, None);
    world.join_as(Encoding::Framed, 2, None);
    world.settle();
    world.join(3, Some(0));
    world.join_as(Encoding::Framed, 4, Some(0));
    for number in 0..200 {
        world.say(2 - number % 2, &format!("line {number}")).unwrap();
        world.settle();
        world.check_feeds_agree();
    }
    for port in [3, 4] {
        world.give_space(port, None);
    }
    world.settle();
    let gaps: Vec<String> = [3, 4]
        .map(|port| {
            world.people[&port].read().into_iter().find(|(_, line)| line.starts_with("! you missed")).unwrap().1
        })
        .to_vec();
    assert_ne!(gaps[0], gaps[1], "frames are shorter than lines, so more of them are kept");
    for port in 1..=4 {
        world.check(port);
    }
    assert!(world.people[&2].received.contains(&b'\n'), "the number of the tenth message is a line feed");
}

#[test]
fn a_feed_that_begins_later_goes_on_with_the_numbers() {
    let mut world = World::new(0);
    world.join(1, None);
    for number in 0..20 {
        world.say(1, &format!("line {number}")).unwrap();
        world.settle();
    }
    world.join_as(Encoding::Framed, 2, None);
    world.say(1, "after").unwrap();
    world.settle();
    assert_eq!(world.people[&2].read().last(), Some(&(21, "after".to_string())));
    world.check_feeds_agree();
}

#[test]
fn a_small_room_does_not_wait_for_a_large_one() {
    let now = Instant::now();
    let settings = RoomSettings { members_max: 1000, ..settings(0) };
    let mut rooms = rooms(settings);
    let small = rooms.open(RoomName::parse("small").unwrap()).unwrap();
    let lobby = rooms.lobby();
    let join = |rooms: &mut Rooms, room, port| {
        let connection = ConnectionId { slot: Slot(u32::from(port)), generation: Generation::FIRST };
        let newcomer = Newcomer { connection, table: TableId::FIRST, encoding: Encoding::Text, who: who(port) };
        rooms.join(room, newcomer, now)
    };
    let large: Vec<MemberId> = (0..500).map(|port| join(&mut rooms, lobby, port)).collect();
    let few: Vec<MemberId> = (500..505).map(|port| join(&mut rooms, small, port)).collect();
    let send_all = |rooms: &mut Rooms, batch: &Batch| {
        for id in batch {
            while !rooms.try_level(*id) {
                rooms.advance(*id, rooms.due(*id).len());
            }
        }
    };
    while rooms.has_due() {
        let batch = rooms.take_batch(|_, _, _| {});
        send_all(&mut rooms, &batch);
    }
    let author = |member, port| Author { member, who: who(port), has_private: false, hears_itself: false };
    assert!(rooms.publish(author(large[0], 0), Body::Line { name: name(0), text: b"to many" }, now));
    let first = rooms.take_batch(|_, _, _| {});
    send_all(&mut rooms, &first);
    assert!(rooms.publish(author(few[0], 500), Body::Line { name: name(500), text: b"to few" }, now));
    rooms.invariants(|_| false);
    let batches: Vec<Batch> = (0..2)
        .map(|_| {
            let batch = rooms.take_batch(|_, _, _| {});
            send_all(&mut rooms, &batch);
            batch
        })
        .collect();
    let heard = batches.iter().flatten().filter(|id| few.contains(id)).count();
    assert_eq!(heard, 4, "one batch of the large room comes first at most");
    assert!(rooms.has_due(), "the large room is not finished");
}

#[derive(Clone, Debug)]
enum Step {
    Join(Encoding, u16, Option<usize>),
    Leave(u16),
    Say(u16, String),
    TooLong(u16),
    Die(u16),
    Space(u16, Option<usize>),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let port = 0..8u16;
    let encoding = prop_oneof![Just(Encoding::Text), Just(Encoding::Framed)];
    let space = prop_oneof![Just(None), (0..PREFIX_BYTES_MAX).prop_map(Some)];
    prop_oneof![
        2 => (encoding, port.clone(), space.clone()).prop_map(|(encoding, port, space)| Step::Join(encoding, port, space)),
        1 => port.clone().prop_map(Step::Leave),
        10 => (port.clone(), "[a-z]{1,16}").prop_map(|(port, text)| Step::Say(port, text)),
        1 => port.clone().prop_map(Step::TooLong),
        1 => port.clone().prop_map(Step::Die),
        3 => (port, space).prop_map(|(port, space)| Step::Space(port, space)),
        5 => Just(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Sockets take any number of bytes at any time, in two encodings. No message is torn or sent twice, and none is
    /// missing without a notice.
    #[test]
    fn each_member_receives_the_log_or_is_told(
        steps in prop::collection::vec(step(), 1..400),
        skips_max in prop_oneof![Just(SKIPS_PER_TURN_MAX), 1..3usize],
    ) {
        let mut world = World::new(usize::MAX);
        world.room.limit_skips(skips_max);
        for step in steps {
            match step {
                Step::Join(encoding, port, space) if !world.people.contains_key(&port) => {
                    // Presence that does not fit the log is counted, which this model leaves out: make space.
                    world.settle();
                    world.join_as(encoding, port, space);
                }
                Step::Leave(port) if world.people.contains_key(&port) => {
                    // Half of them leave while a part of their bytes is not sent.
                    if port % 2 == 0 {
                        world.give_space(port, None);
                    }
                    world.settle();
                    if world.people.contains_key(&port) {
                        world.leave(port);
                    }
                }
                Step::Say(port, text)
                    if world.people.get(&port).is_some_and(|person| world.room.may_speak(person.id)) =>
                {
                    let _ = world.say(port, &text);
                }
                Step::TooLong(port) if world.people.contains_key(&port) => {
                    let told = world.tell(port, Notice::LineTooLong { line_bytes_max: LINE_BYTES });
                    world.people.get_mut(&port).unwrap().told += usize::from(told);
                }
                Step::Die(port) if world.people.contains_key(&port) => {
                    world.people.get_mut(&port).unwrap().dies = true;
                }
                Step::Space(port, space) if world.people.contains_key(&port) => world.give_space(port, space),
                Step::Sweep => {
                    world.room.begin_turn();
                    world.sweep();
                }
                _ => {}
            }
            world.invariants();
        }
        for port in world.people.keys().copied().collect::<Vec<_>>() {
            world.people.get_mut(&port).unwrap().dies = false;
            world.give_space(port, None);
        }
        world.settle();
        prop_assert!(world.room.is_quiet());
        world.check_feeds_agree();
        for port in world.people.keys() {
            world.check(*port);
        }
        prop_assert_eq!(world.room.online(), world.people.len());
        let received: usize = world.people.values().map(Person::messages).sum();
        let counted = world.room.deliveries() as usize;
        // The unfinished message of a member that was skipped counts as delivered. It never gets the end if it leaves
        // before it reads again.
        let not_received = counted - received - world.received_before;
        prop_assert!(not_received <= world.left_with_full_socket, "{counted} deliveries counted, {received} received");
    }
}
