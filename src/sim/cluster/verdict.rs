//! Compares what every peer was sent with the one order, and what was said with what was typed.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use super::heard::{self, Item, Typed};
use super::nodes::{Node, Nodes};
use super::order::{Author, Key, Order, Said};
use crate::io::sim::pair::Pair;
use crate::limits::CLUSTER_START_WAIT;
use crate::sim::stream::MILLISECOND;

/// Within this time a server notices that time has passed, unless it does not run.
const NOTICED_WITHIN: Duration = Duration::from_millis(10);

/// Within this time, in nanoseconds, a line that waits behind others of its author is looked at, if that reads.
const HELD_WITHIN: u64 = 2000 * MILLISECOND;

/// How often what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Figures {
    pub messages: u64,
    pub deliveries: u64,
    pub json: u64,
    pub missed: u64,
    pub cut_off: u64,
    pub refused: u64,
    pub back: u64,
    pub lost: u64,
    pub repeats: u64,
    pub past: u64,
    pub topics: u64,
    /// Lines that a node had taken and that ended with it.
    pub unsaid: u64,
}

/// A peer, and what it was told.
struct Member<'a> {
    node: &'a Node,
    author: Author,
    pair: &'a Pair,
    items: Vec<(usize, Item)>,
    /// It is there in the end, and has read everything.
    stays: bool,
    /// It reads all the time, so that none of its lines waits until it does.
    takes_at_once: bool,
    /// Rooms are freed to make place for others.
    few_rooms: bool,
}

/// One stay in a room.
struct Stay<'a> {
    room: &'a str,
    last: Option<u64>,
    online: u64,
    turn: usize,
    items: &'a [(usize, Item)],
    is_last: bool,
}

/// Panics when something is not as it must be. Every node that is here has settled.
pub fn compare(nodes: &Nodes) -> Figures {
    let stream = nodes.stream.borrow();
    let order = Order::of(&stream);
    assert_once(&order, nodes);
    let mut figures = Figures { messages: order.messages() as u64, repeats: order.repeats, ..Figures::default() };
    let kernels: Vec<_> = nodes.nodes.iter().map(|node| (node, node.kernel.borrow())).collect();
    let mut members = Vec::new();
    for (node, kernel) in &kernels {
        for (peer, pair) in kernel.pairs().iter().enumerate() {
            let stays = node.is_here() && pair.is_alive() && pair.reading && pair.accepted_in.is_some();
            let author = Author { node: node.number, peer };
            let few_rooms = nodes.setting.few_rooms;
            let takes_at_once = nodes.setting.habits.stops_reading == 0;
            members.push(Member { node, author, pair, items: heard::items(pair), stays, takes_at_once, few_rooms });
        }
    }
    let was_cut_off = |node: &Node| {
        let mut items = members.iter().filter(|member| member.node.number == node.number).flat_map(|of| &of.items);
        items.any(|(_, item)| matches!(item, Item::CutOff | Item::Refused))
    };
    for member in &members {
        let who = format!("peer {} of node {}", member.author.peer, member.author.node);
        let lost = stream.lost(member.node.number);
        let is_lost = |number: u64| lost.iter().any(|lost| lost.contains(&(number >> 12)));
        for stay in stays(&member.items) {
            let said = order.room(stay.room);
            check_stay(&who, member, &stay, said, is_lost, stream.began(member.node.number), &mut figures);
            if nodes.setting.keeps_everything {
                check_presence(&who, &stay);
            }
        }
        let outs = read_only(nodes, member.node.number);
        check_own(&who, member, &order, is_lost, &outs, was_cut_off(member.node), &mut figures);
    }
    if nodes.setting.keeps_everything {
        check_counts(&members);
    }
    // What the stream has forgotten is not told to those that begin later.
    if stream.first() == 1 && !nodes.setting.few_rooms {
        check_topics(&members, &order, &mut figures);
    }
    figures
}

/// When nothing can be said at a node. A server may notice both ends of it a little later.
fn read_only(nodes: &Nodes, node: usize) -> Vec<Range<u64>> {
    let outs = nodes.stream.borrow().outs(node).into_iter().enumerate();
    let grace = |index| if index == 0 { CLUSTER_START_WAIT } else { nodes.setting.grace };
    let late = |index| u64::try_from((grace(index) + NOTICED_WITHIN).as_nanos()).expect("it is short");
    outs.map(|(index, out)| out.start + late(index)..out.end.saturating_sub(HELD_WITHIN)).collect()
}

/// No line is in the stream twice, and every line was typed.
fn assert_once(order: &Order, nodes: &Nodes) {
    let mut seen: HashSet<Key> = HashSet::new();
    for room in super::talkers::ROOMS {
        for said in order.room(room) {
            let is_new = seen.insert(said.key);
            assert!(is_new || said.is_announcement(), "{} is said twice", said.key);
            assert!(said.key.author.node < nodes.nodes.len());
        }
    }
}

fn stays(items: &[(usize, Item)]) -> Vec<Stay<'_>> {
    let is_start = |(_, item): &(usize, Item)| matches!(item, Item::Came { .. });
    let mut stays = Vec::new();
    let mut rest = items;
    while let Some(((turn, Item::Came { room, last, online }), behind)) = rest.split_first() {
        let end = behind.iter().position(is_start).unwrap_or(behind.len());
        let items = &behind[..end];
        stays.push(Stay { room, last: *last, online: *online, turn: *turn, items, is_last: end == behind.len() });
        rest = &behind[end..];
    }
    assert!(rest.is_empty(), "a member is welcomed first: {rest:?}");
    stays
}

/// What a member was sent in a room is the order without its own lines, from where it came in, but for what it was told.
fn check_stay(
    who: &str,
    member: &Member<'_>,
    stay: &Stay<'_>,
    said: &[Said],
    is_lost: impl Fn(u64) -> bool,
    began_at: Option<u64>,
    figures: &mut Figures,
) {
    let room = stay.room;
    let places: HashMap<Key, usize> = said.iter().enumerate().map(|(place, said)| (said.key, place)).collect();
    let taken = member.node.taken.get(stay.turn).copied().unwrap_or(u64::MAX);
    let owed = |from: usize, to: usize| {
        let between = said.get(from..to).unwrap_or_default();
        // A room that was not there when something was announced does not have that.
        let is_for_it = |said: &&Said| {
            if said.is_announcement() { said.sequence > taken } else { said.key.author != member.author }
        };
        between.iter().filter(is_for_it).filter(|said| !is_lost(said.number))
    };
    let maybe = |from: usize, to: usize| {
        let between = said.get(from..to).unwrap_or_default();
        between.iter().filter(|said| said.is_announcement() && said.sequence <= taken && !is_lost(said.number)).count()
            as u64
    };
    // By text it is not known what was said last. It is owed at least what its server had not taken then.
    // A room that was freed and is there again begins anew, with what is said from then on.
    let last = stay.last.filter(|_| !member.few_rooms);
    let start = match last {
        Some(last) => said.partition_point(|said| said.number <= last),
        None => said.partition_point(|said| said.sequence <= taken),
    };
    // Who was let in before the node had everything is not told what was said before that.
    let start = start.max(said.partition_point(|said| began_at.is_none_or(|began| said.sequence <= began)));
    let is_exact = last.is_some();
    let (mut next, mut missed, mut began, mut told_lost) = (start, 0, is_exact, false);
    // Of messages of the past that are still to come: how many, and where the one before stands.
    let mut past: (u64, Option<usize>) = (0, None);
    for (_, item) in stay.items {
        match item {
            Item::Message { key, number, .. } if past.0 > 0 => {
                let place = *places.get(key).unwrap_or_else(|| panic!("{who} hears {key} of the past of {room}"));
                let from = past.1.map_or(place, |before| before + 1);
                assert!(from <= place, "{who}: the past of {room} is in order at {key}");
                assert!(number.is_none_or(|number| number == said[place].number), "{who}: {key} of the past");
                let mut between = said[from..place].iter();
                let is_unknown = |said: &Said| {
                    let is_old = began_at.is_none_or(|began| said.sequence <= began);
                    is_lost(said.number) || is_old || said.is_announcement()
                };
                assert!(between.all(is_unknown), "{who}: the past of {room} lacks something before {key}");
                past = (past.0 - 1, Some(place));
                figures.past += 1;
            }
            Item::Past { count } => past = (*count, None),
            Item::Missed { count } if past.0 > 0 => past.0 = past.0.saturating_sub(*count),
            Item::Message { key, number, kind, text } => {
                figures.deliveries += 1;
                figures.json += u64::from(number.is_some());
                let place =
                    *places.get(key).unwrap_or_else(|| panic!("{who} hears {key} in {room}, which has no such"));
                let this = &said[place];
                let is_own = key.author == member.author && !this.is_announcement();
                assert!(!is_own, "{who} hears its own {key}");
                assert!(place >= next || !began, "{who} hears {key} in {room} again, or too late");
                assert!(number.is_none_or(|number| number == this.number), "{who}: {key} is {}", this.number);
                assert_eq!((*kind, text.as_str()), (this.kind.as_str(), this.text.as_str()), "{who}: {key}");
                let gap = owed(next, place).count() as u64;
                let most = gap + maybe(next, place);
                if began {
                    assert!(
                        (gap..=most).contains(&missed),
                        "{who} was told of {missed} missed before {key} in {room}, not of {gap}: {:?}",
                        owed(next, place).map(|said| said.key.to_string()).collect::<Vec<_>>()
                    );
                } else {
                    assert!(gap <= missed, "{who} was told of {missed} missed before {key} in {room}, not of {gap}");
                }
                let has_lost = said.get(next..place).unwrap_or_default().iter().any(|said| is_lost(said.number));
                assert!(told_lost || !has_lost, "{who} is not told that what was said before {key} in {room} is lost");
                (next, missed, began, told_lost) = (place + 1, 0, true, false);
            }
            Item::Missed { count } => {
                missed += count;
                figures.missed += 1;
            }
            Item::CutOff => figures.cut_off += 1,
            Item::Refused => figures.refused += 1,
            Item::Back => figures.back += 1,
            Item::Lost => {
                told_lost = true;
                figures.lost += 1;
            }
            _ => {}
        }
    }
    if stay.is_last && member.stays {
        let gap: Vec<&Said> = owed(next, said.len()).collect();
        let most = gap.len() as u64 + maybe(next, said.len());
        let is_told = if began { (gap.len() as u64..=most).contains(&missed) } else { gap.len() as u64 <= missed };
        let keys: Vec<_> = gap.iter().map(|said| said.key.to_string()).collect();
        assert!(is_told, "{who} never hears {keys:?} in {room}, and was told of {missed}");
    }
}

/// Entered minus left is the change of the number since the last line that has one.
fn check_presence(who: &str, stay: &Stay<'_>) {
    let mut before = Some(stay.online as i64);
    let mut is_first = true;
    for (_, item) in stay.items {
        match item {
            // What was skipped may have had such lines.
            Item::Missed { .. } => before = None,
            Item::Presence { change, online } => {
                let online = *online as i64;
                // The first may count some that the welcome has counted already.
                if let Some(before) = before.filter(|_| !std::mem::take(&mut is_first)) {
                    assert_eq!(before + change, online, "{who}: the change is told exactly in {}", stay.room);
                }
                before = Some(online);
            }
            _ => {}
        }
    }
}

/// What a member typed was said once, in its order, unless it was told that it was not.
fn check_own(
    who: &str,
    member: &Member<'_>,
    order: &Order,
    is_lost: impl Fn(u64) -> bool,
    outs: &[Range<u64>],
    was_cut_off: bool,
    figures: &mut Figures,
) {
    let record = member.pair.record.as_deref().expect("it is recorded");
    let typed = heard::typed(record, &member.items);
    let own = order.by(member.author);
    let mut before: HashMap<&str, usize> = HashMap::new();
    for (room, said) in &own {
        let place = typed.iter().position(|typed| typed.key == said.key);
        let place = place.unwrap_or_else(|| panic!("{who}: {} is said, and was never typed", said.key));
        assert_eq!(typed[place].room, *room, "{who}: {} is said in the wrong room", said.key);
        let last = before.insert(room, place);
        assert!(last.is_none_or(|last| last < place), "{who}: {} is said out of order in {room}", said.key);
        let at = member.node.times[typed[place].turn];
        let is_out = outs.iter().any(|out| out.contains(&at));
        assert!(!is_out || !member.takes_at_once, "{who}: {} is said, and nothing could be said at {at}", said.key);
    }
    let is_said = |typed: &&Typed| own.iter().any(|(_, said)| said.key == typed.key);
    let unsaid: Vec<&Typed> = typed.iter().filter(|typed| !is_said(typed)).collect();
    let numbered = own.iter().filter(|(_, said)| !said.is_announcement());
    let numbers: Vec<u64> = numbered.map(|(_, said)| said.number).collect();
    let told: Vec<u64> = member.items.iter().filter_map(|(_, item)| said_number(item)).collect();
    // What its node was not given it is not told of.
    let numbers: Vec<u64> = numbers.into_iter().filter(|number| told.contains(number) || !is_lost(*number)).collect();
    assert!(numbers.starts_with(&told), "{who} is told that its lines are {told:?}, and they are {numbers:?}");
    let reads_json = member.items.iter().any(|(_, item)| matches!(item, Item::Came { last: Some(_), .. }));
    let count = |wanted: Item| member.items.iter().filter(|(_, item)| *item == wanted).count();
    let pair = member.pair;
    let leaves_in_order = pair.fin && pair.closed && !pair.peer_closed && !pair.reset && member.node.is_here();
    let comes = record
        .heard
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"/join ") || line.starts_with(b"/format "));
    let came = member.items.iter().filter(|(_, item)| matches!(item, Item::Came { .. } | Item::NoRoom)).count();
    assert!(!member.stays || came == 1 + comes.count(), "{who} still waits for a room");
    if member.stays || leaves_in_order {
        let refused = if reads_json { count(Item::Refused) } else { count(Item::CutOff) };
        // A newcomer of a room is told too, behind the topic.
        let others: Vec<&Item> =
            member.items.iter().map(|(_, item)| item).filter(|item| !matches!(item, Item::Topic { .. })).collect();
        let comes = others.windows(2).filter(|two| matches!(two, [Item::Came { .. }, Item::Refused]));
        let count = unsaid.len();
        let is_right = count <= refused && (!reads_json || refused - comes.count() <= count);
        let keys: Vec<_> = unsaid.iter().map(|typed| typed.key.to_string()).collect();
        assert!(is_right, "{who} was told that {refused} lines were not taken, and {count} were not said: {keys:?}");
        assert!(!member.stays || !reads_json || told == numbers, "{who} was told that {told:?} were said");
    } else {
        // What its node had not published, or had not taken from it, is not said: nothing behind it in its room either.
        figures.unsaid += unsaid.len() as u64;
        let is_last = |one: &&Typed| {
            let mut later = typed.iter().filter(|typed| typed.room == one.room && typed.key.line > one.key.line);
            later.all(|typed| !is_said(&typed))
        };
        let in_the_middle = unsaid.iter().find(|one| !is_last(one));
        assert!(was_cut_off || in_the_middle.is_none(), "{who}: later lines are said than {in_the_middle:?}");
    }
}

fn said_number(item: &Item) -> Option<u64> {
    if let Item::Said { number } = item { Some(*number) } else { None }
}

/// The last number that a member was told is that of all members of its room.
fn check_counts(members: &[Member<'_>]) {
    let mut online: HashMap<(usize, &str), u64> = HashMap::new();
    let mut told = Vec::new();
    for member in members.iter().filter(|member| member.stays) {
        let stays = stays(&member.items);
        let stay = stays.last().unwrap_or_else(|| panic!("{:?} was not welcomed", member.author));
        let node = if super::COUNTS_ALL { 0 } else { member.author.node };
        *online.entry((node, stay.room)).or_default() += 1;
        let presence = stay.items.iter().rev().find_map(|(_, item)| match item {
            Item::Presence { online, .. } => Some(*online),
            _ => None,
        });
        told.push((member.author, node, stay.room.to_owned(), presence.unwrap_or(stay.online)));
    }
    for (author, node, room, told) in told {
        assert_eq!(Some(&told), online.get(&(node, room.as_str())), "{author:?} was told of {told} in {room}");
    }
}

/// Who comes last is told the topic that was set last, at every node.
fn check_topics(members: &[Member<'_>], order: &Order, figures: &mut Figures) {
    for member in members.iter().filter(|member| member.stays) {
        let is_last =
            members.iter().all(|other| other.node.number != member.node.number || other.author <= member.author);
        let stays = stays(&member.items);
        let stay = stays.last().expect("it was welcomed");
        let Some((_, Item::Topic { key })) = stay.items.first() else {
            let is_set = order.room(stay.room).iter().any(|said| said.kind == "topic");
            assert!(!is_last || !is_set, "{:?} is not told the topic of {}", member.author, stay.room);
            continue;
        };
        figures.topics += 1;
        let last = order.room(stay.room).iter().rev().find(|said| said.kind == "topic").map(|said| said.key);
        assert!(!is_last || Some(*key) == last, "{:?} is told of {key}, and {last:?} was set last", member.author);
    }
}
