//! Rooms of a cluster as a whole: who is in them here, which other nodes are told, and how many are in them on other
//! nodes, which members here are told.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Rooms;
use crate::cluster::own::Own;
use crate::cluster::peers::Change;
use crate::names::RoomName;
use crate::room::Room;
use crate::token::RoomId;

/// What a server of a cluster knows of rooms beside those that it has.
#[derive(Debug)]
pub(super) struct Whole {
    /// What the others are told.
    own: Own,
    /// How many are in a room on other nodes, also in rooms that are not here; none is 0.
    elsewhere: BTreeMap<RoomName, u64>,
}

/// A room's size as it stands in the order of sizes.
pub(super) fn rank(room: &Room) -> u32 {
    u32::try_from(room.online_everywhere()).expect("nodes are few, and so are members of each")
}

impl Rooms {
    /// From now on other nodes are told who comes and goes here.
    pub fn count_for_others(&mut self, now: Instant) {
        let mut own = Own::new(now);
        for room in self.ids().map(|id| self.room(id)) {
            (0..room.online()).for_each(|_| own.entered(room.name()));
        }
        self.whole = Some(Box::new(Whole { own, elsewhere: BTreeMap::new() }));
    }

    /// What the other nodes are told, and when; `None` without a cluster.
    pub fn own(&mut self) -> Option<&mut Own> {
        self.whole.as_deref_mut().map(|whole| &mut whole.own)
    }

    /// When [`Own::next`] is to be called, in a cluster.
    pub fn own_deadline(&self) -> Option<Instant> {
        self.whole.as_deref().map(|whole| whole.own.deadline())
    }

    /// Somebody has entered a room here, or has left it.
    pub(super) fn count_own(&mut self, room: RoomId, has_entered: bool) {
        if room == self.hall {
            return;
        }
        let name = self.room(room).name();
        match &mut self.whole {
            None => {}
            Some(whole) if has_entered => whole.own.entered(name),
            Some(whole) => whole.own.left(name),
        }
    }

    /// A room was opened: members may be in it on other nodes.
    pub(super) fn look_elsewhere(&mut self, id: RoomId) {
        let Some(whole) = &self.whole else { return };
        let room = &mut self.rooms[id.0].room;
        if let Some(online) = whole.elsewhere.get(&room.name()) {
            room.set_elsewhere(*online);
            self.ranking.set(id, rank(room));
        }
    }

    /// On other nodes members have entered a room, and have left it.
    pub fn change_elsewhere(&mut self, name: RoomName, change: Change, now: Instant) {
        let Some(whole) = &mut self.whole else { return };
        let before = whole.elsewhere.get(&name).copied().unwrap_or(0);
        let online = (before + change.entered).checked_sub(change.left).expect("those that leave have entered");
        if online > 0 {
            whole.elsewhere.insert(name, online);
        } else {
            whole.elsewhere.remove(&name);
        }
        let Some(id) = self.find(name) else { return };
        self.change(id, |room, _| room.change_elsewhere((change.entered, change.left), online, now));
        let size = rank(self.room(id));
        self.ranking.set(id, size);
    }

    /// Panics when what a server knows of other nodes does not belong together.
    pub(super) fn whole_invariants(&self) {
        let Some(whole) = &self.whole else {
            assert!(self.all().all(|room| room.elsewhere() == 0), "nobody is elsewhere");
            return;
        };
        whole.own.invariants();
        for room in self.ids().map(|id| self.room(id)) {
            let elsewhere = whole.elsewhere.get(&room.name()).copied().unwrap_or(0);
            assert_eq!(room.elsewhere(), elsewhere, "a room knows who is in it on other nodes");
            assert_eq!(whole.own.online(room.name()), room.online() as u64, "others are told who is here");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::config::{RoomSettings, SlowPolicy};
    use crate::limits::{PRESENCE_SUMMARY_INTERVAL, log_bytes_min};
    use crate::names::Name;
    use crate::random::Permutation;
    use crate::room::{MemberId, Newcomer, Who};
    use crate::token::{ConnectionId, Generation, PublicId, Slot, TableId};
    use crate::wire::Encoding;

    /// Rooms of a cluster.
    struct World {
        rooms: Rooms,
        now: Instant,
        members: Vec<(u32, MemberId)>,
        next: u32,
        /// What the first member has heard.
        heard: String,
    }

    fn who(number: u32) -> Who {
        let address = SocketAddr::from(([10, 0, 0, 1], u16::try_from(number).unwrap()));
        Who { name: Name::first(address), id: PublicId(number.into()) }
    }

    fn name(text: &str) -> RoomName {
        RoomName::parse(text).unwrap()
    }

    impl World {
        fn new(announce_max: usize) -> Self {
            let settings = RoomSettings {
                members_max: 1000,
                log_bytes: 64 * log_bytes_min(16),
                logs_bytes: 256 * log_bytes_min(16),
                line_bytes: 16,
                announce_max,
                announce_rate: None,
                slow: SlowPolicy::Skip,
                rate: None,
            };
            let now = Instant::now();
            let mut rooms = Rooms::new(settings, 10, Permutation::new(1));
            rooms.count_for_others(now);
            Self { rooms, now, members: Vec::new(), next: 1, heard: String::new() }
        }

        fn join(&mut self, room: RoomId) -> usize {
            let (number, table) = (self.next, TableId(0));
            self.next += 1;
            let connection = ConnectionId { slot: Slot(number), generation: Generation::FIRST };
            let newcomer = Newcomer { connection, table, encoding: Encoding::Text, who: who(number) };
            self.members.push((number, self.rooms.join(room, newcomer, self.now)));
            self.members.len() - 1
        }

        fn leave(&mut self, place: usize) {
            let (number, member) = self.members.remove(place);
            let room = self.rooms.leave(member, who(number), self.now);
            self.rooms.close_unused(room, &mut |_| ());
        }

        fn elsewhere(&mut self, room: &str, entered: u64, left: u64) {
            self.rooms.change_elsewhere(name(room), Change { entered, left }, self.now);
            self.rooms.invariants(|_| false);
        }

        fn wait(&mut self, time: Duration) {
            self.now += time;
            self.rooms.on_deadline(self.now);
            self.listen();
        }

        /// Everybody is sent everything.
        fn listen(&mut self) {
            loop {
                let batch = self.rooms.take_batch(|_, _, _| ());
                if batch.is_empty() {
                    break;
                }
                for member in batch {
                    let due = self.rooms.due(member).to_vec();
                    if self.members.first().is_some_and(|(_, first)| *first == member) {
                        self.heard.push_str(str::from_utf8(&due).unwrap());
                    }
                    self.rooms.advance(member, due.len());
                    if !self.rooms.try_level(member) {
                        self.rooms.put_back(member);
                    }
                }
            }
            self.rooms.invariants(|_| false);
        }

        /// The lines that the first member has heard since the last time.
        fn lines(&mut self) -> Vec<String> {
            self.listen();
            std::mem::take(&mut self.heard).lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn what_changes_elsewhere_is_counted_everywhere_and_said_by_the_summary() {
        let mut world = World::new(200);
        let lobby = world.rooms.lobby();
        world.join(lobby);
        world.elsewhere("lobby", 3, 1);
        assert_eq!(world.lines(), [""; 0], "not at once");
        world.wait(PRESENCE_SUMMARY_INTERVAL);
        assert_eq!(world.lines(), ["> 3 users entered, 1 left. (3 users online)"]);
        world.join(lobby);
        assert_eq!(world.lines(), ["> New user 10.0.0.1:2 entered. (4 users online)"]);
        world.leave(1);
        assert_eq!(world.lines(), ["< The user 10.0.0.1:2 left (3 users online)"]);
        world.elsewhere("lobby", 0, 1);
        world.join(lobby);
        assert_eq!(world.lines(), [""; 0], "a change elsewhere is untold, so the join is said with it");
        world.wait(PRESENCE_SUMMARY_INTERVAL);
        assert_eq!(world.lines(), ["> 1 user entered, 1 left. (3 users online)"]);
        assert_eq!(world.rooms.room(lobby).online(), 2, "what the room does itself counts its own");
    }

    #[test]
    fn the_size_that_counts_for_announcing_is_that_of_the_whole_room() {
        let mut world = World::new(4);
        let lobby = world.rooms.lobby();
        world.join(lobby);
        world.elsewhere("lobby", 2, 0);
        world.wait(PRESENCE_SUMMARY_INTERVAL);
        world.join(lobby);
        world.join(lobby);
        assert_eq!(
            world.lines(),
            ["> 2 users entered, 0 left. (3 users online)", "> New user 10.0.0.1:2 entered. (4 users online)"]
        );
        world.wait(PRESENCE_SUMMARY_INTERVAL);
        assert_eq!(world.lines(), ["> 1 user entered, 0 left. (5 users online)"]);
    }

    #[test]
    fn where_nobody_is_changes_elsewhere_are_only_noted() {
        let mut world = World::new(200);
        let lobby = world.rooms.lobby();
        world.elsewhere("lobby", 5, 0);
        assert_eq!(world.rooms.deadline(), None);
        world.join(lobby);
        world.join(lobby);
        assert_eq!(world.lines(), ["> New user 10.0.0.1:2 entered. (7 users online)"]);
        // What was counted while somebody was here is said of all that has changed since.
        world.elsewhere("lobby", 1, 0);
        world.leave(1);
        world.leave(0);
        world.elsewhere("lobby", 1, 3);
        world.join(lobby);
        world.wait(PRESENCE_SUMMARY_INTERVAL);
        assert_eq!(world.lines(), ["> 3 users entered, 5 left. (5 users online)"]);
    }

    #[test]
    fn rooms_are_listed_by_their_whole_size_and_a_room_that_is_opened_knows_who_is_elsewhere() {
        let mut world = World::new(200);
        let lobby = world.rooms.lobby();
        world.join(lobby);
        world.elsewhere("den", 9, 2);
        assert_eq!(world.rooms.count(), 1, "a room that only others have is not listed");
        let den = world.rooms.open(name("den")).unwrap();
        world.rooms.invariants(|_| false);
        let listed = |world: &World| -> Vec<(String, u64)> {
            let (rooms, _) = world.rooms.page(1, 20);
            rooms.map(|room| (room.name().to_string(), room.online_everywhere())).collect()
        };
        assert_eq!(listed(&world), [("den".to_owned(), 7), ("lobby".to_owned(), 1)]);
        world.elsewhere("lobby", 9, 0);
        assert_eq!(listed(&world), [("lobby".to_owned(), 10), ("den".to_owned(), 7)]);
        let place = world.join(den);
        world.leave(place);
        assert!(!world.rooms.exists(den), "nobody is in it here");
        world.rooms.invariants(|_| false);
        let again = world.rooms.open(name("den")).unwrap();
        assert_eq!(world.rooms.room(again).online_everywhere(), 7);
    }

    #[test]
    fn others_are_told_who_comes_and_goes_here() {
        let mut world = World::new(200);
        let [lobby, hall] = [world.rooms.lobby(), world.rooms.hall()];
        world.join(lobby);
        world.join(lobby);
        world.join(hall);
        world.leave(1);
        let now = world.now;
        let told = world.rooms.own().unwrap().next(now).unwrap().rooms;
        let totals: Vec<(String, u64, u64)> =
            told.into_iter().map(|(room, it)| (room.to_string(), it.entered, it.left)).collect();
        assert_eq!(totals[0], ("lobby".to_owned(), 2, 1));
        assert!(totals.iter().all(|(room, ..)| room == "lobby"), "nobody hears of the hall");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// The first member has a welcome, and from then on the lines about others add up to what each says.
        #[test]
        fn presence_adds_up_whatever_happens_where(
            steps in prop::collection::vec((0..5u8, 0..4u64, 0..4u64), 0..100),
            announce_max in 0..8usize,
        ) {
            let mut world = World::new(announce_max);
            let lobby = world.rooms.lobby();
            world.elsewhere("lobby", 2, 0);
            world.join(lobby);
            // Whom it counts itself, where it came in a line that others read.
            world.wait(PRESENCE_SUMMARY_INTERVAL);
            let mut online = world.rooms.room(lobby).online_everywhere();
            world.lines();
            let mut there = 2;
            for (what, entered, left) in steps {
                match what {
                    0 => drop(world.join(lobby)),
                    1 if world.members.len() > 1 => world.leave(1),
                    2 | 3 => {
                        let left = left.min(there + entered);
                        there = there + entered - left;
                        world.elsewhere("lobby", entered, left);
                    }
                    _ => world.wait(PRESENCE_SUMMARY_INTERVAL / 2),
                }
                for line in world.lines() {
                    let number = |word: &str| {
                        let (before, _) = line.split_once(word)?;
                        before.rsplit(' ').find_map(|word| word.trim_start_matches('(').parse::<u64>().ok())
                    };
                    if line.contains(" user entered, ") || line.contains(" users entered, ") {
                        online += number(" user").unwrap();
                        online -= number(" left.").unwrap();
                    } else if line.starts_with('>') {
                        online += 1;
                    } else {
                        online -= 1;
                    }
                    let said = line.rsplit_once('(').or(line.rsplit_once("left (")).unwrap().1;
                    prop_assert_eq!(said.split(' ').next().unwrap().parse::<u64>().unwrap(), online, "{}", line);
                }
            }
            for _ in 0..3 {
                world.wait(PRESENCE_SUMMARY_INTERVAL);
            }
            prop_assert_eq!(world.rooms.deadline(), None);
            prop_assert_eq!(world.rooms.room(lobby).online_everywhere(), there + world.members.len() as u64);
        }
    }
}
