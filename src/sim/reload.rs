//! SIGHUP on the simulated kernel: files that change, cannot be read, or take long, and what newcomers and operators see
//! of it.

use super::memory_file::MemoryFile;
use super::peers::address;
use super::simulation::Simulation;
use crate::cli::Serve;
use crate::io::Signal;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::journal::{Format, Style};
use crate::limits::JOURNAL_BYTES_MAX;
use crate::moderation::memory_files::{Contents, MemoryFiles};
use crate::moderation::{Kept, OperatorKey};
use crate::motd::Motd;

const SEEDS: u64 = 40;
const STEPS: usize = 120;

/// What is told to those who are no operators. Who has come may be told behind it.
const NOT_OPERATOR: &str = "! this command is for operators\n";

/// A server whose log is objects, and its operator.
struct Run {
    simulation: Simulation,
    files: MemoryFiles,
    /// How much of the log was read.
    read: usize,
    /// What the files had when they were last read.
    found: Contents,
    /// What counts, by the lines of the log.
    in_force: Contents,
    /// Those who have shown a key, and whether it has stayed the one that counts.
    operators: Vec<(u32, bool)>,
    /// Members, who are no operators.
    member: u32,
    peers: u32,
    /// Lines about files that were read, and about the log's own file.
    read_lines: usize,
    opened_lines: usize,
}

fn contents(motd: &str, key: &str) -> Contents {
    Contents { motd: Some(motd.to_owned()), key: Some(key.to_owned()) }
}

impl Run {
    fn new(seed: u64) -> Self {
        let serve = Serve::with(&["--announce-max", "0", "--flood-rate", "0"]).expect("the options are known");
        let style = Style { format: Format::Json, addresses: true };
        let kernel = Kernel::new(Draw::seeded(seed), false);
        let log = MemoryFile::default();
        let mut simulation = Simulation::with_log(kernel, serve.config(1000), log, style, JOURNAL_BYTES_MAX);
        let first = contents("welcome", "the first key");
        let files = MemoryFiles::default();
        files.write(first.clone());
        let key = OperatorKey::of(b"the first key", usize::MAX).expect("it can be typed");
        let kept = Kept { operator_key: Some(key), motd: Some(Motd::of(b"welcome")), ..Kept::default() };
        simulation.server.keep_order_with(kept, None);
        simulation.server.reread(Box::new(files.clone()));
        let mut run = Self {
            simulation,
            files,
            read: 0,
            found: first.clone(),
            in_force: first,
            operators: Vec::new(),
            member: 0,
            peers: 0,
            read_lines: 0,
            opened_lines: 0,
        };
        run.member = run.newcomer();
        run
    }

    /// A newcomer is shown the message of the day that counts.
    fn newcomer(&mut self) -> u32 {
        let peer = self.simulation.connect(crate::token::ListenerId::FIRST, address(self.peers, false), 1 << 16);
        self.peers += 1;
        let heard = self.simulation.heard_text(peer);
        let shown: Vec<&str> = heard.lines().filter_map(|line| line.strip_prefix("! ")).collect();
        assert_eq!(shown, [self.in_force.motd.as_deref().expect("it was read once")]);
        peer
    }

    fn hears(&mut self, peer: u32, typed: &str) -> String {
        self.simulation.heard(peer);
        self.simulation.say(peer, format!("{typed}\n").as_bytes());
        self.simulation.heard_text(peer)
    }

    /// Reads what the log has said since the last time.
    fn read_log(&mut self) {
        let log = String::from_utf8(self.simulation.log.written()).expect("the log is text");
        for line in log[self.read..].lines() {
            let object: serde_json::Value = serde_json::from_str(line).expect("a line is an object");
            match (object["event"].as_str(), object["what"].as_str()) {
                (Some("reloaded"), Some("motd")) => self.in_force.motd.clone_from(&self.found.motd),
                (Some("reloaded"), Some("operator_key")) => {
                    if self.in_force.key != self.found.key {
                        self.operators.iter_mut().for_each(|(_, is_operator)| *is_operator = false);
                    }
                    self.in_force.key.clone_from(&self.found.key);
                }
                (Some("not_reloaded"), Some("motd")) => assert!(self.found.motd.is_none(), "it can be read"),
                (Some("not_reloaded"), Some("operator_key")) => {
                    assert!(self.found.key.as_ref().is_none_or(|key| key.len() < 8), "it can be read");
                }
                (Some("reloaded" | "not_reloaded"), Some("log")) => {
                    self.opened_lines += 1;
                    continue;
                }
                _ => continue,
            }
            self.read_lines += 1;
        }
        self.read = log.len();
    }

    fn turn(&mut self) {
        self.simulation.turn();
        self.read_log();
    }

    fn hang_up(&mut self) {
        self.simulation.kernel.borrow_mut().signal_after(0, Signal::Hangup);
        self.simulation.rest();
        self.read_log();
    }

    /// Reads the files, if that was asked for.
    fn work(&mut self) -> bool {
        let found = self.files.work();
        let has_worked = found.is_some();
        if let Some(found) = found {
            self.found = found;
        }
        has_worked
    }

    /// A member types the key that counts, and one that does not.
    fn show_keys(&mut self) {
        let key = self.in_force.key.clone().expect("it was read once");
        let peer = self.newcomer();
        for (typed, answer) in
            [(format!("/op {key}?"), "! this is not the key\n"), (format!("/op {key}"), "! you are an operator\n")]
        {
            let heard = self.hears(peer, &typed);
            assert!(heard.starts_with(answer), "{heard:?}");
        }
        self.operators.push((peer, true));
    }

    /// Those are operators who have shown the key that counts since it does.
    fn look_at_operators(&mut self) {
        for (peer, is_operator) in self.operators.clone() {
            let answer = self.hears(peer, "/bans");
            let refused = answer.starts_with(NOT_OPERATOR);
            assert_eq!(!refused, is_operator, "{peer} hears {answer:?}");
        }
        let member = self.member;
        let answer = self.hears(member, "/bans");
        assert!(answer.starts_with(NOT_OPERATOR), "{answer:?}");
    }
}

#[test]
fn what_sighup_reads_counts_from_its_line_of_the_log_on_and_no_signal_is_lost() {
    let (mut reads, mut refused) = (0, 0);
    for seed in 0..SEEDS {
        let mut draw = Draw::seeded(seed);
        let mut run = Run::new(seed);
        let (mut written, mut hangups) = (contents("welcome", "the first key"), 0);
        for step in 0..STEPS {
            match draw.below(8) {
                0 => {
                    let motd = (draw.below(4) > 0).then(|| format!("motd {step}"));
                    let key = draw.pick(&[None, Some("short"), Some("the first key"), Some("another key")]);
                    let key = key.map(|key| if key.len() > 12 { key.to_owned() } else { format!("{key}{}", step % 3) });
                    refused += usize::from(motd.is_none());
                    written = Contents { motd, key };
                    run.files.write(written.clone());
                }
                1 => {
                    hangups += 1;
                    run.hang_up();
                    assert_eq!(run.opened_lines, hangups, "each signal has one line on the log's own file");
                }
                2 | 3 => reads += usize::from(run.work()),
                4 => {
                    run.newcomer();
                }
                5 if run.operators.len() < 6 => run.show_keys(),
                6 => run.look_at_operators(),
                _ => run.turn(),
            }
            run.simulation.server.invariants();
        }
        // The last signal comes after the last change, and a disk is read in the end.
        run.hang_up();
        for _ in 0..200 {
            reads += usize::from(run.work());
            run.turn();
        }
        assert_eq!(run.read_lines % 2, 0, "each reading has one line on each file");
        assert_eq!(run.found, written, "what was read last was read after the last signal");
        assert!(written.motd.is_none() || run.in_force.motd == written.motd);
        run.newcomer();
        run.look_at_operators();
    }
    assert!(reads > 100 && refused > 20, "{reads} readings, {refused} files that cannot be read");
}

#[test]
fn a_disk_that_takes_long_is_asked_rarely_and_holds_up_nobody() {
    let mut run = Run::new(1);
    run.hang_up();
    let start = run.simulation.kernel.borrow().time();
    let mut turns = 0;
    while run.simulation.kernel.borrow().time() - start < std::time::Duration::from_secs(60) {
        run.turn();
        turns += 1;
    }
    assert!(turns < 200, "{turns} turns in a minute");
    let member = run.newcomer();
    assert!(run.hears(member, "/nick bob").starts_with("! you are bob\n"));
    assert!(run.work());
    while run.read_lines < 2 {
        run.turn();
    }
}

#[test]
fn where_no_file_can_be_read_anew_a_line_says_so() {
    let serve = Serve::with(&["--announce-max", "0", "--flood-rate", "0"]).expect("the options are known");
    let mut simulation = Simulation::new(Kernel::new(Draw::seeded(1), false), serve.config(100));
    simulation.log.set_is_pipe();
    simulation.kernel.borrow_mut().signal_after(0, Signal::Hangup);
    simulation.rest();
    let log = String::from_utf8(simulation.log.written()).expect("the log is text");
    assert_eq!(log, "uproar: SIGHUP: there is no file to open or to read anew\n");
}

/// What members and operators type, each with a word that must not be in the log.
const TYPED: &[&str] = &[
    "hello secret-0",
    "/topic secret-1",
    "/announce secret-2",
    "/me secret-3",
    "/msg bob secret-4",
    "/kick bob secret-5",
    "/kick nobody-secret-6 why",
    "/ban secret-7!",
    "/unban secret-8",
    "/unmute secret-9",
    "/history secret-10",
    "/join secret-11!",
    "/nosuch secret-12",
    "/resume secret-13 1",
    "GET /secret-14 HTTP/1.1",
];

/// The log of what an operator does and of what others say.
fn log_of_talk(style: Style) -> String {
    let serve = Serve::with(&["--announce-max", "10", "--flood-rate", "0"]).expect("the options are known");
    let kernel = Kernel::new(Draw::seeded(1), false);
    let mut simulation =
        Simulation::with_log(kernel, serve.config(100), MemoryFile::default(), style, JOURNAL_BYTES_MAX);
    let key = OperatorKey::of(b"the secret-15 key", usize::MAX).expect("it can be typed");
    simulation.server.keep_order_with(Kept { operator_key: Some(key), ..Kept::default() }, None);
    let mut connect =
        |number: u32| simulation.connect(crate::token::ListenerId::FIRST, address(4 * number + 3, false), 1 << 16);
    let [operator, bob, _other] = [0, 1, 2].map(&mut connect);
    simulation.say(bob, b"/nick bob\n");
    simulation.say(operator, b"/op the secret-15 kez\n/op the secret-15 key\n");
    for typed in TYPED {
        simulation.say(operator, format!("{typed}\n").as_bytes());
        let later = simulation.kernel.borrow().time() + std::time::Duration::from_secs(2);
        simulation.kernel.borrow_mut().signal_after(2_000_000_000, Signal::Statistics);
        while simulation.kernel.borrow().time() < later {
            simulation.turn();
        }
    }
    let name = address(4 * 2 + 3, false);
    let network = name.ip();
    for typed in
        [format!("/mute {name} 5m"), format!("/unmute {name}"), format!("/ban {network}"), format!("/unban {network}")]
    {
        simulation.say(operator, format!("{typed}\n").as_bytes());
    }
    simulation.say(operator, b"/ban 198.51.100.0/24\n/kick bob\n");
    String::from_utf8(simulation.log.written()).expect("the log is text")
}

#[test]
fn nothing_that_anybody_says_stands_in_the_log_and_addresses_only_where_they_may() {
    for format in [Format::Text, Format::Json] {
        let [with, without] = [true, false].map(|addresses| log_of_talk(Style { format, addresses }));
        for log in [&with, &without] {
            assert!(!log.contains("secret"), "{log}");
            for words in [
                "wrong key of operators from ",
                "is an operator",
                "set the topic of lobby",
                "made an announcement",
                "kicked bob",
            ] {
                assert!(log.contains(words), "{words:?} is not in {log}");
            }
        }
        for addresses in ["2001:db8:", "198.51.100."] {
            assert!(with.contains(addresses) && !without.contains(addresses), "{addresses}: {with}{without}");
        }
        for words in ["muted a network until ", "banned an address without end", "banned a network", "closed guest "] {
            assert!(without.contains(words), "{words:?} is not in {without}");
        }
    }
}
