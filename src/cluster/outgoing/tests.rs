//! Tests of what the stream is not known to have.

use super::*;
use crate::cluster::record::{Author, Content};
use crate::names::Name;
use crate::token::{PublicId, Serial, Slot};

const NODE: NodeId = NodeId(7);
const WINDOW: Duration = Duration::from_secs(120);

fn den() -> RoomName {
    RoomName::parse("den").unwrap()
}

fn line(text: &str) -> Record<'_> {
    let author = Author { name: Name::parse("bob").unwrap(), id: PublicId(1), slot: Slot(0), serial: Serial::FIRST };
    Record { author, content: Content::Line(text.into()) }
}

fn outgoing() -> Outgoing {
    let mut outgoing = Outgoing::new(NODE);
    outgoing.set_window(WINDOW);
    outgoing
}

/// The number of the batch that is published next, and the texts in it.
fn next(outgoing: &mut Outgoing, now: Instant) -> Option<(BatchId, Vec<String>)> {
    outgoing.invariants();
    let Order::Publish { room, id, bytes } = outgoing.next(now)? else { unreachable!() };
    outgoing.invariants();
    assert_eq!(room, den());
    let texts = record::Batch::read(&bytes).map(|(_, record)| match record.unwrap().content {
        Content::Line(text) => text.into_owned(),
        other => panic!("{other:?}"),
    });
    Some((id, texts.collect()))
}

#[test]
fn one_batch_is_under_way_and_the_next_has_all_that_came_meanwhile() {
    let (mut outgoing, now) = (outgoing(), Instant::now());
    outgoing.push(den(), &line("1"));
    let (first, texts) = next(&mut outgoing, now).unwrap();
    assert_eq!((first.number, texts), (1, vec!["1".to_owned()]));
    outgoing.push(den(), &line("2"));
    outgoing.push(den(), &line("3"));
    assert_eq!(next(&mut outgoing, now), None, "one is under way");
    outgoing.on_published(first, &Published::Stored { sequence: 9 }, now);
    assert_eq!(next(&mut outgoing, now), None, "that has still to come true");
    outgoing.on_given_back(first, now);
    let (second, texts) = next(&mut outgoing, now).unwrap();
    assert_eq!((second.number, texts), (2, vec!["2".to_owned(), "3".to_owned()]));
    outgoing.on_published(first, &Published::Unknown, now);
    assert_eq!(next(&mut outgoing, now), None, "the answer was about an earlier one");
    outgoing.on_given_back(second, now);
    assert!(outgoing.is_empty() && outgoing.bytes() == 0);
}

#[test]
fn a_batch_is_published_again_and_when_it_is_old_only_after_a_look_at_the_stream() {
    let (mut outgoing, start) = (outgoing(), Instant::now());
    outgoing.push(den(), &line("1"));
    let (id, _) = next(&mut outgoing, start).unwrap();
    outgoing.on_published(id, &Published::Unknown, start);
    assert_eq!(next(&mut outgoing, start), None, "after a pause");
    let again = start + CLUSTER_RETRY_PAUSE;
    assert_eq!(outgoing.deadline(start), Some(again));
    assert_eq!(next(&mut outgoing, again).unwrap().0, id, "it has the same number");
    let late = start + WINDOW;
    outgoing.on_published(id, &Published::Unknown, late);
    let later = late + WINDOW;
    outgoing.on_caught_up(late);
    let (look, texts) = next(&mut outgoing, later).expect("the stream would store it twice");
    assert!(look != id && texts.is_empty(), "what was read before the last attempt ended is not enough");
    assert_eq!(next(&mut outgoing, later), None, "there is one look at a time");
    outgoing.on_caught_up(later);
    assert_eq!(next(&mut outgoing, later).unwrap().0, id, "a connection was made meanwhile");
}

#[test]
fn a_look_tells_how_far_the_stream_has_to_be_read() {
    let (mut outgoing, start) = (outgoing(), Instant::now());
    outgoing.push(den(), &line("1"));
    let (id, _) = next(&mut outgoing, start).unwrap();
    let late = start + WINDOW;
    outgoing.on_published(id, &Published::Unknown, late);
    let later = late + CLUSTER_RETRY_PAUSE;
    let Some(Order::Publish { id: look, bytes, .. }) = outgoing.next(later) else { panic!("it looks") };
    assert_eq!(record::Batch::read(&bytes).id, Some(BatchId { node: NODE, number: 0 }), "nobody takes it for new");
    outgoing.on_published(look, &Published::Unknown, later);
    assert_eq!(next(&mut outgoing, later), None, "after a pause");
    let again = later + CLUSTER_RETRY_PAUSE;
    assert_eq!(outgoing.deadline(later), Some(again));
    let (look, _) = next(&mut outgoing, again).unwrap();
    outgoing.on_published(look, &Published::Stored { sequence: 9 }, again);
    outgoing.on_read(8, again);
    assert_eq!(next(&mut outgoing, again), None, "it may be what comes next");
    outgoing.on_read(9, again);
    assert_eq!(next(&mut outgoing, again).unwrap().0, id, "the stream does not have it");
}

#[test]
fn what_the_stream_had_and_forgot_is_done() {
    let (mut outgoing, now) = (outgoing(), Instant::now());
    let publish = |outgoing: &mut Outgoing, sequence| {
        outgoing.push(den(), &line("1"));
        let (id, _) = next(outgoing, now).unwrap();
        outgoing.on_published(id, &Published::Stored { sequence }, now)
    };
    assert_eq!(publish(&mut outgoing, 5), None);
    assert!(outgoing.bytes() > 0 && !outgoing.is_empty(), "it is still to come back");
    assert_eq!(outgoing.on_lost(7, now).len(), 1);
    assert!(outgoing.is_empty() && outgoing.bytes() == 0);
    assert!(publish(&mut outgoing, 6).is_some(), "the answer comes after the loss");
    assert!(outgoing.is_empty() && outgoing.bytes() == 0);
}

#[test]
fn what_was_acknowledged_and_is_not_there_is_published_again() {
    let (mut outgoing, start) = (outgoing(), Instant::now());
    outgoing.push(den(), &line("1"));
    let (id, _) = next(&mut outgoing, start).unwrap();
    outgoing.on_published(id, &Published::Stored { sequence: 5 }, start);
    outgoing.on_read(4, start);
    assert_eq!(next(&mut outgoing, start), None, "it comes next");
    // The leader that had it is gone, and another has put something else there.
    outgoing.on_read(5, start);
    assert_eq!(next(&mut outgoing, start).unwrap().0, id);
    outgoing.on_published(id, &Published::Stored { sequence: 6 }, start);
    assert_eq!(next(&mut outgoing, start), None);
    // Nothing comes behind it that would tell.
    let late = start + CLUSTER_GIVE_BACK_WAIT;
    assert_eq!(outgoing.deadline(start), Some(late));
    assert_eq!(next(&mut outgoing, late).unwrap().0, id);
    outgoing.on_published(id, &Published::Stored { sequence: 6 }, late);
    outgoing.on_given_back(id, late);
    assert!(outgoing.is_empty() && outgoing.bytes() == 0);
    outgoing.invariants();
}

#[test]
fn a_stream_that_insists_on_what_it_has_not_is_believed_at_last() {
    let (mut outgoing, start) = (outgoing(), Instant::now());
    outgoing.push(den(), &line("1"));
    let (id, _) = next(&mut outgoing, start).unwrap();
    outgoing.on_read(9, start);
    assert_eq!(outgoing.on_published(id, &Published::Stored { sequence: 5 }, start), None);
    let again = start + CLUSTER_RETRY_PAUSE;
    assert_eq!(next(&mut outgoing, again).unwrap().0, id);
    assert!(outgoing.on_published(id, &Published::Stored { sequence: 5 }, again).is_some());
    assert!(outgoing.is_empty());
    outgoing.invariants();
}

#[test]
fn what_is_held_is_bounded() {
    let (mut outgoing, now) = (outgoing(), Instant::now());
    let text = "x".repeat(1000);
    let mut count = 0;
    while outgoing.has_room(den()) {
        outgoing.push(den(), &line(&text));
        count += 1;
    }
    assert!(outgoing.bytes() < CLUSTER_BATCH_BYTES_MAX + 2000, "{}", outgoing.bytes());
    let (id, texts) = next(&mut outgoing, now).unwrap();
    assert_eq!(texts.len(), count);
    assert!(outgoing.has_room(den()), "the next one");
    outgoing.on_given_back(id, now);
    for number in 0.. {
        let room = RoomName::parse(&format!("a{number}")).unwrap();
        while outgoing.has_room(room) {
            outgoing.push(room, &line(&text));
        }
        if outgoing.bytes() >= CLUSTER_HELD_BYTES_MAX {
            break;
        }
    }
    assert!(outgoing.bytes() < CLUSTER_HELD_BYTES_MAX + 2000);
    assert!(!outgoing.has_room(den()), "all rooms share it");
}
