//! The end of a run: everything that was sent, said and counted is compared with the model.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::memory_file::{MemoryFile, STAMP};
use super::model::log::{self, Contents};
use super::model::typed::{self, Turns};
use super::model::{self, Heard};
use super::simulation::Simulation;
use crate::config::{Config, SlowPolicy};
use crate::counters::{CloseReason, Counter, Statistics};
use crate::flood::Addresses;
use crate::io::sim::kernel::Kernel;
use crate::io::sim::pair::Pair;
use crate::limits::{BUFFER_BYTES_DEFAULT, rendered_bytes_max};
use crate::message::Event;
use crate::names::Name;
use crate::wire::Framing;

/// Up to this many lines that are too long, a member is told of each. With more, or with the rest of a line before a
/// gap, [`PRIVATE_BYTES_MAX`](crate::limits::PRIVATE_BYTES_MAX) may be reached and notices dropped.
const NOTICES_SURE: u64 = 4;

#[derive(Debug)]
pub struct Verdict {
    config: Config,
    /// Whether everything had settled before the end, so that every member must have every message.
    pub settled: bool,
    /// By connection: whether it was a member when everything had settled.
    here: Vec<bool>,
    /// Bytes of lines that the server's log had forgotten at the end.
    pub forgotten_bytes: u64,
    /// Lines that were said too late for the witness to hear them.
    pub unheard: Vec<Vec<u8>>,
    pub transcript: Option<MemoryFile>,
    /// What the server called each member, by connection.
    pub names: HashMap<u32, Name>,
    /// By connection: whether its peer opened in another protocol, so that nothing of it may be said.
    pub foreign: Vec<bool>,
    pub statistics: Option<Statistics>,
    /// When each turn was over.
    pub times: Vec<Duration>,
    /// Most lines at a time that may be said later than their rate allows.
    pub late_max: usize,
    /// Whether each turn received.
    pub receiving: Vec<bool>,
}

impl Verdict {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            settled: false,
            here: Vec::new(),
            forgotten_bytes: 0,
            unheard: Vec::new(),
            transcript: None,
            names: HashMap::new(),
            foreign: Vec::new(),
            statistics: None,
            times: Vec::new(),
            late_max: 0,
            receiving: Vec::new(),
        }
    }

    /// Everything has settled: each connection is a member, none waits for anything, and there are no other members.
    pub fn note_members(&mut self, simulation: &Simulation) {
        let kernel = simulation.kernel.borrow();
        let statistics = simulation.server.statistics();
        self.here =
            kernel.pairs().iter().map(|pair| pair.accepted_in.is_some() && !pair.shut && !pair.closed).collect();
        let here = self.here.iter().filter(|here| **here).count() as u64;
        assert_eq!(statistics.members, here, "each connection is a member");
        assert_eq!(kernel.open_sockets() as u64, here, "connections that left have been closed");
        assert_eq!(kernel.backlog(), 0, "all that came were let in");
        assert_eq!((statistics.waiting, statistics.lag_bytes_max), (0, 0), "every member has everything");
        for (peer, pair) in kernel.pairs().iter().enumerate().filter(|(peer, _)| self.here[*peer]) {
            assert!(pair.up.is_empty() && !pair.fin && !pair.peer_closed && !pair.reset, "{peer} was heard");
            assert_eq!(pair.unread == 0, pair.reading, "{peer} has read what there is");
        }
    }

    /// A peer's name: the server's name for it, or its address when it was no member.
    fn name(&self, peer: usize, pair: &Pair) -> Name {
        let peer = u32::try_from(peer).expect("connections are numbered so");
        self.names.get(&peer).copied().unwrap_or_else(|| Name::first(pair.address))
    }

    /// Every line that the witness heard, and in front of them the line about its own join.
    fn lines_of_witness(&self, kernel: &Kernel) -> Vec<Vec<u8>> {
        let witness = &kernel.pairs()[0];
        let mut log: Vec<Vec<u8>> = Vec::new();
        if self.config.room.announce_max >= 1 {
            let entered = Event::Entered { name: self.name(0, witness), online: 1 };
            log.push(format!("{entered}\n").into_bytes());
        }
        let (heard, rest) = model::lines(&model::record(witness).sent);
        assert!(rest.is_empty(), "the witness hears whole lines");
        log.extend(heard.iter().skip(1).map(|line| line.to_vec()));
        log
    }

    /// Bytes of the lines that the witness heard.
    pub fn heard_by_witness(&self, kernel: &Kernel) -> u64 {
        self.lines_of_witness(kernel).iter().map(|line| line.len() as u64).sum()
    }

    /// A server that stops says goodbye once, and no line of a member after it.
    fn compare_goodbye(&self, lines: &[Vec<u8>]) {
        let goodbye = format!("{}\n", Event::Stopping).into_bytes();
        let mut after = lines.iter().skip_while(|line| **line != goodbye);
        let said = after.next().is_some();
        assert!(said || !self.settled, "a server that stops says goodbye");
        let late = after.find(|line| line.starts_with(b"[") || **line == goodbye);
        assert!(late.is_none(), "nothing is said after the goodbye: {late:?}");
    }

    /// Compares. `said` has the bytes of lines said by the end of each turn. Returns what the server counted.
    pub fn compare(&self, kernel: &Kernel, said: &[u64]) -> Statistics {
        let statistics = self.statistics.expect("it was taken at the end");
        let line_max = rendered_bytes_max(self.config.line_bytes);
        let mut lines = self.lines_of_witness(kernel);
        assert!(self.unheard.is_empty() || !self.settled, "the witness has heard everything");
        lines.extend(self.unheard.iter().cloned());
        let ends: Vec<u64> = lines
            .iter()
            .scan(0, |end, line| {
                *end += line.len() as u64;
                Some(*end)
            })
            .collect();
        assert_eq!(ends.last(), said.last().filter(|bytes| **bytes > 0), "the witness heard every line");
        let lines_within = |bytes: u64| ends.partition_point(|end| *end <= bytes);
        let said: Vec<usize> = said.iter().map(|bytes| lines_within(*bytes)).collect();
        let forgotten = lines_within(self.forgotten_bytes);
        assert_eq!(model::numbered(&lines) as u64, statistics.messages, "what members said is counted");
        let contents = log::read(&lines, line_max).unwrap_or_else(|wrong| panic!("{wrong}"));
        self.compare_goodbye(&lines);
        let closes = self.config.room.slow == SlowPolicy::Close;
        assert!(!closes || statistics.skipped == 0, "a member that fell off the log is closed before it goes on");

        let mut total = Heard::default();
        let mut slack = 0;
        let mut refused = 0;
        let mut member_bytes = 0;
        let mut dismissals = 0;
        for (peer, pair) in kernel.pairs().iter().enumerate() {
            let here = self.here.get(peer).copied().unwrap_or(false);
            let stream = &model::record(pair).sent;
            let Some(turn) = pair.accepted_in else {
                assert!(stream.is_empty(), "what was not accepted was sent nothing");
                continue;
            };
            let told = model::is_refusal(stream);
            if told || (stream.is_empty() && pair.id.is_none()) {
                refused += u64::from(told);
                assert!(!here && pair.id.is_none(), "{peer} was turned away");
                let name = self.name(peer, pair);
                let is_members =
                    |(number, other): (usize, &Pair)| other.id.is_some() && self.name(number, other) == name;
                let spoke = contents.messages.contains_key(&name.to_string());
                assert!(
                    !spoke || kernel.pairs().iter().enumerate().any(is_members),
                    "{peer} was turned away and spoke"
                );
                continue;
            }
            let places = said[turn - 1]..=said[turn];
            let heard = model::follow_member(&lines, places, forgotten, self.name(peer, pair), stream)
                .unwrap_or_else(|wrong| panic!("{peer}: {wrong}"));
            if here {
                assert!(!heard.torn && heard.at == lines.len(), "{peer} heard {} of {} lines", heard.at, lines.len());
            }
            total.delivered += heard.delivered;
            total.missed += heard.missed;
            slack += u64::from(!here && heard.torn);
            dismissals += u64::from(heard.dismissed);
            member_bytes += pair.sent_bytes;
            self.compare_author(peer, pair, here, heard, &contents);
        }
        self.compare_rates(&contents, &said);
        self.compare_counts(&contents, &statistics, kernel);
        let counters = statistics.counters;
        let turned_away = counters[Counter::ServerFull] + counters[Counter::TurnedAway];
        assert!(refused <= turned_away, "{refused} were told that they are turned away");
        let dismissals_of = [CloseReason::LineTimeout, CloseReason::Foreign, CloseReason::Buffer];
        let dismissed = dismissals_of.iter().map(|reason| counters.closes(*reason)).sum::<u64>();
        if dismissed == 0 {
            assert_eq!(member_bytes, counters[Counter::SentBytes], "every byte was counted");
        }
        assert!(dismissals <= dismissed);
        assert!(total.missed <= statistics.skipped, "{} were told, {} counted", total.missed, statistics.skipped);
        let difference = total.delivered.abs_diff(statistics.deliveries);
        // A closed connection may lose the end of a line that counts as sent; the last notice to another may bring such
        // an end.
        let slack = slack + dismissed;
        // Members that are not level when the server stops have not been counted.
        assert!(
            difference <= slack || !self.settled,
            "{} were delivered, {} counted",
            total.delivered,
            statistics.deliveries
        );
        if slack == 0 && self.settled && counters.closes_all() == 0 {
            assert_eq!(total.missed, statistics.skipped, "every gap is told");
        }
        self.compare_transcript(&lines, forgotten);
        statistics
    }

    /// The room said the lines that an author typed, as far as the server was handed them.
    fn compare_author(&self, peer: usize, pair: &Pair, here: bool, heard: Heard, contents: &Contents) {
        let record = model::record(pair);
        let turns = Turns { times: &self.times, receiving: &self.receiving };
        let may_wait =
            self.config.flood.is_some() || self.config.room.rate.is_some() || self.config.addresses.line_rate.is_some();
        let mut typed = typed::typed(record, self.config.framing, self.config.line_bytes, turns, may_wait);
        let spoken = contents.messages.get(&self.name(peer, pair).to_string()).map(Vec::as_slice).unwrap_or_default();
        if self.foreign[peer] && self.config.framing == Framing::Line {
            assert!(
                spoken.is_empty(),
                "{peer} speaks another protocol, and it said {:?}",
                String::from_utf8_lossy(&spoken.concat())
            );
        }
        let glued;
        let spoken = if typed.cuts_unsure {
            // It is not known which pieces are one message, but it is known what they are together.
            let said = spoken.concat();
            let begun = typed.messages.concat().starts_with(&said);
            assert!(begun, "{peer} has said {:?}", String::from_utf8_lossy(&said));
            let whole = said == typed.messages.concat();
            typed.messages = if whole { vec![said.clone()] } else { vec![said.clone(), Vec::new()] };
            glued = vec![said];
            &glued
        } else {
            spoken
        };
        assert!(
            spoken.len() <= typed.messages.len(),
            "{peer} has typed {} lines, not {}",
            typed.messages.len(),
            spoken.len()
        );
        for (index, (spoken, typed)) in spoken.iter().zip(&typed.messages).enumerate() {
            let [spoken, typed] = [spoken, typed].map(|line| String::from_utf8_lossy(line));
            assert_eq!(spoken, typed, "message {index} of {peer}");
        }
        // A line may be found too long before it is recognised as another protocol.
        let too_long_most = typed.too_long + u64::from(typed.foreign);
        assert!(heard.too_long <= too_long_most, "{peer} was told of more lines that are too long than there were");
        let limited = self.config.flood.is_some() || self.config.addresses.line_rate.is_some();
        assert!(heard.slow_down <= 1 && (heard.slow_down == 0 || limited));
        // A peer that was received from until the end of its stream had nothing held back.
        if self.settled && (here || record.ended) {
            let sure = typed.messages.len() - usize::from(!here && typed.last_unsure && !typed.messages.is_empty());
            let all = sure..=typed.messages.len();
            assert!(all.contains(&spoken.len()), "{} of {all:?} lines that {peer} typed were said", spoken.len());
        }
        if here {
            assert!(!typed.foreign, "{peer} speaks another protocol and is here");
            // With little memory for all members notices are dropped.
            let spent = self.config.buffer_bytes < BUFFER_BYTES_DEFAULT;
            if typed.too_long <= NOTICES_SURE && heard.missed == 0 && !spent {
                assert_eq!(heard.too_long, typed.too_long, "{peer} was told of each line that was too long");
            }
        }
    }

    /// No author, no address and no presence has had more lines than its rate allows, at any time.
    fn compare_rates(&self, contents: &Contents, said: &[usize]) {
        // A line was said in the first turn after which the log had it.
        let time = |line: usize| self.times[said.partition_point(|lines| *lines <= line)];
        let mut authors: HashMap<&str, Vec<Duration>> = HashMap::new();
        let mut addresses: HashMap<u64, Vec<Duration>> = HashMap::new();
        for (line, author) in &contents.spoken {
            authors.entry(author).or_default().push(time(*line));
            let address = author.split('|').next().expect("a split has a first part");
            let address: SocketAddr = address.parse().expect("it was parsed before");
            addresses.entry(Addresses::share(address.ip())).or_default().push(time(*line));
        }
        if let Some(rate) = self.config.flood {
            assert!(authors.values().all(|times| rate.held(times, 0)), "an author has said more than its rate allows");
        }
        if let Some(rate) = self.config.addresses.line_rate {
            // Lines whose time has come wait for each other when the machine is late, and what a connection that breaks
            // had taken may be said at another time.
            let counters = self.statistics.expect("it was taken at the end").counters;
            let cut_off = [CloseReason::Broken, CloseReason::Stalled, CloseReason::Slow, CloseReason::Buffer];
            let slack = self.late_max + cut_off.map(|reason| counters.closes(reason) as usize).iter().sum::<usize>();
            let held = |times: &Vec<Duration>| rate.held(times, slack);
            assert!(addresses.values().all(held), "an address has said more than its rate allows");
        }
        if let Some(rate) = self.config.room.announce_rate {
            let times: Vec<Duration> = contents.announced.iter().map(|line| time(*line)).collect();
            assert!(rate.held(&times, 0), "there are more presence lines than their rate allows");
        }
    }

    fn compare_counts(&self, contents: &Contents, statistics: &Statistics, kernel: &Kernel) {
        let counters = statistics.counters;
        let let_in = counters[Counter::Accepted] + counters[Counter::ServerFull] + counters[Counter::TurnedAway];
        assert_eq!(let_in, kernel.counts.accepted, "every connection that was accepted was counted");
        assert_eq!(counters[Counter::Stale], kernel.counts.stale, "stale completions were counted");
        assert!(counters[Counter::ReceivedBytes] <= kernel.counts.received_bytes);
        let accepted = counters[Counter::Accepted];
        let closed = counters.closes_all();
        assert_eq!(accepted - closed, statistics.members, "members are the connections accepted and not closed");
        if self.settled {
            assert_eq!((contents.entered, contents.left), (accepted, closed), "every join and leave was told");
        }
    }

    /// The transcript is the log after its heading, with its gaps told.
    fn compare_transcript(&self, log: &[Vec<u8>], forgotten: usize) {
        let Some(file) = &self.transcript else { return };
        let written = file.written();
        let mut transcript = Vec::new();
        for line in written.split_inclusive(|byte| *byte == b'\n') {
            let text = if file.is_stamped() { line.strip_prefix(STAMP.as_bytes()) } else { Some(line) };
            // The last line may be cut anywhere.
            assert!(text.is_some() || STAMP.as_bytes().starts_with(line), "a line in a file has its time");
            transcript.extend_from_slice(text.unwrap_or_default());
        }
        let rest = transcript.strip_prefix(b"the transcript\n").expect("the transcript has a heading");
        let heard =
            model::follow(log, 0, forgotten, rest, b"\n").unwrap_or_else(|wrong| panic!("the transcript: {wrong}"));
        if self.settled && !file.is_broken() {
            assert!(!heard.torn && heard.at == log.len(), "the transcript is complete");
        }
    }
}
