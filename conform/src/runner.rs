//! Plays one case: the connections of its members, the lines that they have read, and which of these concern the case.

use std::collections::{BTreeMap, VecDeque};

use crate::cases::{Case, Cut, Step};
use crate::lines::{COUNT, Summary, concerns, is_presence, is_rename, without_count};
use crate::objects;
use crate::transport::Transport;
use crate::words::Words;

/// Whether others than the members of a case may be in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// No others: the room is empty at the start, so every line is compared when the case names every line.
    Own,
    /// Perhaps others: lines about them are skipped, and the number of users is not compared.
    Shared,
}

impl Room {
    /// Whether a line may be one that a case asks for.
    fn concerns(self, line: &str, words: &Words) -> bool {
        self == Self::Own || concerns(line, words.names())
    }
}

struct Member<C> {
    connection: C,
    /// Lines that were read while a summary of presence was waited for; they are read before those of the connection.
    aside: VecDeque<String>,
    /// Joins and leaves by the summaries read so far, less those expected since.
    summed: Summary,
}

/// A case being played.
pub struct Runner<T: Transport> {
    transport: T,
    room: Room,
    members: BTreeMap<&'static str, Member<T::Connection>>,
    /// Among them the addresses of all that ever joined in this case.
    words: Words,
}

impl<T: Transport> Runner<T> {
    pub fn new(transport: T, room: Room) -> Self {
        let words = if room == Room::Own { Words::plain() } else { Words::unique() };
        Self { transport, room, members: BTreeMap::new(), words }
    }

    /// Plays a case, with what is sent cut; an error says which step failed and how.
    pub fn play(mut self, case: &Case, cut: Cut) -> Result<(), String> {
        let everything = case.says_everything && self.room == Room::Own;
        for step in &case.steps {
            match step {
                Step::Sends(_, bytes) => self.words.learn(&String::from_utf8_lossy(bytes)),
                Step::Reads(_, lines) => lines.iter().for_each(|line| self.words.learn(line)),
                _ => {}
            }
        }
        for (number, step) in (1..).zip(&case.steps) {
            self.take(step, cut, everything).map_err(|failure| format!("step {number}, {step:?}: {failure}"))?;
        }
        let readers = case.steps.iter().filter_map(|step| match step {
            Step::Reads(who, _) if everything => Some(*who),
            _ => None,
        });
        for who in readers {
            let Some(member) = self.members.get_mut(who) else { continue };
            if let Some(line) = self.transport.surplus(&mut member.connection) {
                return Err(format!("{who} read {line:?} too"));
            }
        }
        Ok(())
    }

    fn take(&mut self, step: &Step, cut: Cut, everything: bool) -> Result<(), String> {
        match step {
            Step::Joins(who) => {
                self.connect(who)?;
                self.read(who, &format!("> Connected to the chat server {COUNT}"), everything)
            }
            Step::Connects(who) => self.connect(who),
            Step::Sends(who, bytes) => {
                let bytes = self.words.fill_bytes(bytes);
                cut.chunks(&bytes).try_for_each(|chunk| self.send(who, chunk))
            }
            Step::SendsSlowly(who, bytes) => Cut::Bytes.chunks(bytes).try_for_each(|byte| self.send(who, byte)),
            Step::SendsUntilClosed(who, bytes) => self.send_until_closed(who, bytes),
            Step::Reads(who, lines) => lines.iter().try_for_each(|line| self.read(who, line, everything)),
            Step::ReadsUntil(who, line) => self.read_until(who, line),
            Step::Agree(members, count) => self.agree(members, *count),
            Step::Ends(who) => self.ends(who),
            Step::HalfCloses(who) => {
                let member = member(&mut self.members, who)?;
                self.transport.half_close(&mut member.connection)
            }
            Step::Leaves(who) => self.leave(who),
            Step::Vanishes(who) => {
                let member = self.members.remove(who).ok_or_else(|| format!("{who} is not here"))?;
                self.transport.reset(member.connection)
            }
        }
    }

    fn connect(&mut self, who: &'static str) -> Result<(), String> {
        let connection = self.transport.connect()?;
        self.words.set_address(who, self.transport.address(&connection).to_string());
        self.members.insert(who, Member { connection, aside: VecDeque::new(), summed: Summary::default() });
        Ok(())
    }

    fn send(&mut self, who: &str, bytes: &[u8]) -> Result<(), String> {
        let member = member(&mut self.members, who)?;
        self.transport.send(&mut member.connection, bytes)
    }

    /// `who` reads `expected` next: of everything, or of what concerns this case.
    fn read(&mut self, who: &str, expected: &str, everything: bool) -> Result<(), String> {
        let expected = self.words.fill(expected);
        if everything {
            let deadline = self.transport.deadline();
            let member = member(&mut self.members, who)?;
            let line = self.transport.line(&mut member.connection, deadline)?;
            let line = if expected.ends_with(COUNT) { line.map(|line| without_count(&line)) } else { line };
            return is_as_expected(&mut self.words, who, &expected, line);
        }
        let expected = if objects::is_object(&expected) { expected } else { without_count(&expected) };
        if is_presence(&expected) {
            return self.read_presence(who, &expected);
        }
        let line = self.next_line(who, is_rename(&expected))?;
        is_as_expected(&mut self.words, who, &expected, line)
    }

    /// `who` reads lines until one is as expected.
    fn read_until(&mut self, who: &str, expected: &str) -> Result<(), String> {
        let expected = without_count(&self.words.fill(expected));
        let mut last = None;
        loop {
            let waited = |error: String| last.as_ref().map_or(error, |line: &String| differs(who, &expected, line));
            let line = self.next_line(who, false).map_err(waited)?;
            let is_end = line.is_none();
            match is_as_expected(&mut self.words, who, &expected, line.clone()) {
                Err(failure) if is_end => return Err(failure),
                Err(_) => last = line,
                Ok(()) => return Ok(()),
            }
        }
    }

    /// `who` reads next that another came or went: in a line of its own, or, where there are many of them, in a sum
    /// that is said later and may stand behind other lines.
    fn read_presence(&mut self, who: &str, expected: &str) -> Result<(), String> {
        let deadline = self.transport.deadline();
        let enters = expected.starts_with("> New user ");
        let member = member(&mut self.members, who)?;
        let mut passed: Option<String> = None;
        loop {
            let counted = if enters { &mut member.summed.entered } else { &mut member.summed.left };
            if let Some(left) = counted.checked_sub(1) {
                *counted = left;
                return Ok(());
            }
            let waited = |error: String| passed.as_ref().map_or(error, |line| differs(who, expected, line));
            let Some(line) = self.transport.line(&mut member.connection, deadline).map_err(waited)? else {
                return is_as_expected(&mut self.words, who, expected, None);
            };
            if let Some(sum) = Summary::of(&line) {
                member.summed.entered += sum.entered;
                member.summed.left += sum.left;
            } else if self.room.concerns(&line, &self.words) {
                let line = without_count(&line);
                if passed.is_none() && self.words.matches(expected, &line) {
                    return Ok(());
                }
                if is_presence(&line) {
                    return Err(differs(who, expected, &line));
                }
                passed.get_or_insert_with(|| line.clone());
                member.aside.push_back(line);
            }
        }
    }

    /// Each of `members` reads `count` messages, the same in the same order.
    fn agree(&mut self, members: &[&'static str], count: usize) -> Result<(), String> {
        let mut first: Option<Vec<String>> = None;
        for who in members {
            let mut lines = Vec::new();
            while lines.len() < count {
                lines.push(self.next_line(who, false)?.ok_or_else(|| format!("the server closed {who}"))?);
            }
            match &first {
                Some(first) if *first != lines => return Err(format!("{who} read {lines:?} and the first {first:?}")),
                Some(_) => {}
                None => first = Some(lines),
            }
        }
        Ok(())
    }

    /// The server closes the connection of `who`, which reads nothing before that but presence.
    fn ends(&mut self, who: &str) -> Result<(), String> {
        match self.next_line(who, false)? {
            None => Ok(()),
            Some(line) => Err(format!("the server should have closed {who} and said {line:?}")),
        }
    }

    /// `who` sends as much as the server takes, and is told that it speaks another protocol.
    fn send_until_closed(&mut self, who: &str, bytes: &[u8]) -> Result<(), String> {
        // Closed with bytes unread, a connection is reset, and what was said last may be lost with it.
        let whole = bytes.chunks(1000).all(|piece| self.send(who, piece).is_ok());
        let deadline = self.transport.deadline();
        let member = member(&mut self.members, who)?;
        let mut last = None;
        while let Some(line) = self.transport.line(&mut member.connection, deadline)? {
            last = Some(line);
        }
        match last {
            Some(line) if whole && !line.starts_with("! ") => Err(format!("the last that {who} read is {line:?}")),
            _ => Ok(()),
        }
    }

    /// `who` says that it is done and reads what is left: closed with bytes unread, a connection is reset.
    fn leave(&mut self, who: &str) -> Result<(), String> {
        let mut member = self.members.remove(who).ok_or_else(|| format!("{who} is not here"))?;
        self.transport.half_close(&mut member.connection)?;
        let deadline = self.transport.deadline();
        while self.transport.line(&mut member.connection, deadline)?.is_some() {}
        Ok(())
    }

    /// The next line to `who` that concerns this case, presence aside, and names that change unless one is expected;
    /// `None` at the end of the stream.
    fn next_line(&mut self, who: &str, with_renames: bool) -> Result<Option<String>, String> {
        let deadline = self.transport.deadline();
        let member = member(&mut self.members, who)?;
        if let Some(line) = member.aside.pop_front() {
            return Ok(Some(line));
        }
        loop {
            let Some(line) = self.transport.line(&mut member.connection, deadline)? else { return Ok(None) };
            if let Some(sum) = Summary::of(&line) {
                member.summed.entered += sum.entered;
                member.summed.left += sum.left;
            } else if self.room.concerns(&line, &self.words)
                && !is_presence(&line)
                && (with_renames || !is_rename(&line))
            {
                return Ok(Some(without_count(&line)));
            }
        }
    }
}

fn member<'a, C>(members: &'a mut BTreeMap<&'static str, Member<C>>, who: &str) -> Result<&'a mut Member<C>, String> {
    members.get_mut(who).ok_or_else(|| format!("{who} is not here"))
}

fn is_as_expected(words: &mut Words, who: &str, expected: &str, line: Option<String>) -> Result<(), String> {
    match line {
        Some(line) if objects::is_object(expected) => {
            let compared = objects::compare(words, expected, &line);
            compared.map_err(|difference| format!("{}: {difference}", differs(who, expected, &line)))
        }
        Some(line) if words.matches(expected, &line) => Ok(()),
        Some(line) => Err(differs(who, expected, &line)),
        None => Err(format!("{who} should have read {expected:?} and the server closed")),
    }
}

fn differs(who: &str, expected: &str, line: &str) -> String {
    format!("{who} should have read {expected:?} and read {line:?}")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use super::*;

    /// A server that has written its lines beforehand: the same to each connection.
    struct Written(&'static [&'static str]);

    impl Transport for Written {
        type Connection = (SocketAddr, VecDeque<&'static str>);

        fn connect(&mut self) -> Result<Self::Connection, String> {
            Ok((SocketAddr::from(([127, 0, 0, 1], 5)), self.0.iter().copied().collect()))
        }

        fn address(&self, connection: &Self::Connection) -> SocketAddr {
            connection.0
        }

        fn send(&mut self, _: &mut Self::Connection, _: &[u8]) -> Result<(), String> {
            Ok(())
        }

        fn deadline(&self) -> Instant {
            Instant::now()
        }

        fn line(&mut self, connection: &mut Self::Connection, _: Instant) -> Result<Option<String>, String> {
            Ok(connection.1.pop_front().map(str::to_string))
        }

        fn surplus(&mut self, connection: &mut Self::Connection) -> Option<String> {
            connection.1.pop_front().map(str::to_string)
        }

        fn half_close(&mut self, _: &mut Self::Connection) -> Result<(), String> {
            Ok(())
        }

        fn reset(&mut self, _: Self::Connection) -> Result<(), String> {
            Ok(())
        }
    }

    const WELCOME: &str = "> Connected to the chat server (2 users online)";

    #[track_caller]
    fn check(room: Room, written: &'static [&'static str], read: &[&str], failure: Option<&str>) {
        let reads = Step::Reads("a", read.iter().map(ToString::to_string).collect());
        let steps = vec![Step::Joins("a"), reads];
        let case = Case {
            name: String::new(),
            section: "",
            options: &[],
            says_everything: true,
            needs_own_server: false,
            steps,
        };
        let played = Runner::new(Written(written), room).play(&case, Cut::Whole);
        match (played, failure) {
            (Ok(()), None) => {}
            (Err(error), Some(failure)) => assert!(error.contains(failure), "{error}"),
            (played, _) => panic!("{played:?}"),
        }
    }

    #[test]
    fn alone_everything_counts() {
        let entered = "> New user {a} entered. (2 users online)";
        check(Room::Own, &[WELCOME, "! no"], &["! no"], None);
        check(Room::Own, &[WELCOME, "! no"], &["! yes"], Some("should have read \"! yes\" and read \"! no\""));
        check(Room::Own, &[WELCOME], &["! no"], Some("and the server closed"));
        check(Room::Own, &[WELCOME, "! no", "[1.2.3.4:5] hi"], &["! no"], Some("a read \"[1.2.3.4:5] hi\" too"));
        check(Room::Own, &[WELCOME, "[1.2.3.4:5] hi", "! no"], &["! no"], Some("read \"[1.2.3.4:5] hi\""));
        check(Room::Own, &[WELCOME, "> New user 127.0.0.1:5 entered. (2 users online)"], &[entered], None);
        check(Room::Own, &[WELCOME, "> New user 127.0.0.1:5 entered. (3 users online)"], &[entered], Some("(3 users"));
    }

    #[test]
    fn in_a_shared_room_strangers_are_passed_over() {
        let entered = "> New user {a} entered. (2 users online)";
        check(Room::Shared, &[WELCOME, "[1.2.3.4:5] hi", "! no", "[1.2.3.4:5] hi"], &["! no"], None);
        check(Room::Shared, &[WELCOME, "> New user 127.0.0.1:5 entered. (3 users online)"], &[entered], None);
        check(Room::Shared, &[WELCOME, "> 3 users entered, 0 left. (9 users online)"], &[entered], None);
        check(Room::Shared, &[WELCOME, "[127.0.0.1:5] hi"], &["[127.0.0.1:5] ho"], Some("read \"[127.0.0.1:5] hi\""));
    }
}
