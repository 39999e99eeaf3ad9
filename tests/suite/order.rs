//! Order is kept: operators, what they do to others, and what of it survives a restart. And what a peer that half-closes
//! is sent.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{Person, Server, expect_stop};

const KEY: &str = "a key of some length";

/// A folder with the operators' key, which goes with it.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("there is a place for temporary files"));
        fs::write(files.path("key"), format!("{KEY}\n")).unwrap();
        files
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("the path is UTF-8").to_owned()
    }

    fn serve(&self, options: &[&str]) -> Server {
        Server::start(&[&["--operator-key", &self.path("key"), "--state", &self.path("state")], options].concat())
    }
}

/// A member with a name, which has heard everything so far.
fn join(server: &Server, name: &str) -> Person {
    let mut person = server.join();
    person.send(format!("/nick {name}\n"));
    person.lines_until(|line| line == format!("! you are {name}"));
    person
}

fn operator(server: &Server) -> Person {
    let mut alice = join(server, "alice");
    alice.send(format!("/op {KEY}\n"));
    alice.expect("! you are an operator");
    alice
}

/// The next line that is no join, leave or rename.
fn next(person: &mut Person) -> String {
    loop {
        let line = person.line().expect("a line before the end");
        let presence = line.starts_with("> New user ") || line.starts_with("< The user ");
        if !presence && !line.contains(" is now known as ") {
            return line;
        }
    }
}

#[track_caller]
fn expect(person: &mut Person, expected: &str) {
    assert_eq!(next(person), expected);
}

#[test]
fn only_the_key_makes_an_operator_and_wrong_ones_are_slowed_counted_and_never_said() {
    let files = Files::new();
    let mut server = files.serve(&[]);
    let (mut bob, mut carol) = (join(&server, "bob"), join(&server, "carol"));
    bob.send("/kick carol\n/topic mine\n/announce x\n");
    (0..3).for_each(|_| expect(&mut bob, "! this command is for operators"));
    bob.send(format!(" /op {KEY}\n"));
    expect(&mut bob, "! a command begins with / and nothing before it: this line was not said");
    let start = Instant::now();
    bob.send("/op guess 1\n/op guess 2\n/op guess 3\n/op guess 4\n");
    (0..3).for_each(|_| expect(&mut bob, "! this is not the key"));
    expect(&mut bob, "! slow down: your lines are delayed, not lost");
    expect(&mut bob, "! this is not the key");
    assert!(start.elapsed() > Duration::from_millis(500), "the fourth comes later");
    assert_eq!(carol.rest_after(Duration::from_millis(200)).iter().filter(|line| line.starts_with('[')).count(), 0);
    server.signal("TERM");
    server.wait();
    let log: Vec<String> = std::iter::from_fn(|| {
        let line = server.log_line();
        (!line.starts_with("uproar: stopped")).then_some(line)
    })
    .collect();
    assert!(log.iter().all(|line| !line.contains("guess") && !line.contains(KEY)), "{log:?}");
}

#[test]
fn an_operator_kicks_mutes_and_bans() {
    let files = Files::new();
    let mut server = files.serve(&[]);
    let (mut alice, mut bob) = (operator(&server), join(&server, "bob"));
    alice.send("/mute bob 10m\n");
    let muted = next(&mut alice);
    assert!(muted.starts_with("! muted bob, one connection until 2"), "{muted}");
    expect(&mut bob, "! muted for 10m");
    bob.send("one\n/me two\n/msg alice three\n");
    (0..3).for_each(|_| expect(&mut bob, "! you are muted: this line was not said"));
    alice.send("/unmute BOB\n");
    expect(&mut alice, "! unmuted bob, one connection");
    expect(&mut bob, "! you may speak again");
    bob.send("four\n");
    expect(&mut alice, "[bob] four");
    alice.send("/kick bob for fun\n");
    expect(&mut alice, "! kicked bob");
    expect(&mut bob, "! kicked by alice: for fun");
    bob.expect_end();
    let mut bob = join(&server, "bob");
    alice.send("/ban bob 1h\n/ban 127.0.0.0/8\n/ban 192.0.2.0/24\n/bans\n");
    let banned = next(&mut alice);
    assert!(banned.starts_with("! banned bob, one connection until 2"), "{banned}");
    let line = next(&mut bob);
    assert!(line.starts_with("! banned until 2"), "{line}");
    bob.expect_end();
    expect(&mut alice, "! that is all of loopback, and so everybody on this machine");
    expect(&mut alice, "! banned 192.0.2.0/24 without end");
    let listed = next(&mut alice);
    assert!(listed.starts_with("! bob until 2") && listed.ends_with(" by alice"), "{listed}");
    expect(&mut alice, "! 192.0.2.0/24 without end by alice");
    expect(&mut alice, "! page 1 of 1");
    let mut other = server.join();
    other.send("/nick Bob\n");
    expect(&mut other, "! the name Bob is taken");
    alice.send("/unban bob\n/unban bob\n");
    expect(&mut alice, "! unbanned bob");
    expect(&mut alice, "! nothing is held of bob");
    other.send("/nick Bob\n");
    expect(&mut other, "! you are Bob");
    expect_stop(&mut server);
}

#[test]
fn a_member_of_a_banned_network_is_closed_and_no_newcomer_from_there_is_let_in() {
    let files = Files::new();
    let server = files.serve(&[]);
    let mut alice = operator(&server);
    let mut far = Person::connect_from([127, 9, 9, 9], server.address);
    far.expect_start("> Connected");
    alice.send("/ban 127.9.0.0/16 1h\n");
    assert!(next(&mut alice).starts_with("! banned 127.9.0.0/16 until 2"));
    assert!(next(&mut far).starts_with("! banned until 2"));
    far.expect_end();
    let mut again = Person::connect_from([127, 9, 1, 1], server.address);
    again.expect_start("! banned until 2");
    again.expect_end();
    let mut near = server.join();
    near.send("still here\n");
    assert!(next(&mut alice).ends_with("] still here"));
}

#[test]
fn modes_hold_lines_back_and_announcements_reach_every_room() {
    let files = Files::new();
    let server = files.serve(&[]);
    let (mut alice, mut bob, mut dave) = (operator(&server), join(&server, "bob"), join(&server, "dave"));
    dave.send("/join den\n");
    expect(&mut dave, "> Joined den (1 user online)");
    alice.send("/slow 1\n");
    expect(&mut alice, "> alice set the slow mode: one line in 1 s");
    expect(&mut bob, "> alice set the slow mode: one line in 1 s");
    let start = Instant::now();
    bob.send("one\ntwo\nthree\n");
    expect(&mut bob, "! slow mode: one line in 1 s, yours waits and is not lost");
    ["[bob] one", "[bob] two", "[bob] three"].iter().for_each(|line| expect(&mut alice, line));
    assert!(start.elapsed() >= Duration::from_millis(1900), "{:?}", start.elapsed());
    alice.send("a\nb\n/slow 0\n/only operators\n");
    expect(&mut bob, "[alice] a");
    expect(&mut bob, "[alice] b");
    expect(&mut bob, "> alice lifted the slow mode");
    expect(&mut bob, "> alice set the room to operators only");
    bob.send("x\n");
    expect(&mut bob, "! only operators may speak here: this line was not said");
    dave.send("in the den all may\n");
    alice.send("/only all\n/announce lunch  time\n");
    expect(&mut bob, "> alice opened the room to all");
    expect(&mut bob, "> announcement: lunch  time");
    expect(&mut dave, "> announcement: lunch  time");
}

#[test]
fn what_operators_have_set_survives_a_restart() {
    let files = Files::new();
    let mut server = files.serve(&[]);
    let mut alice = operator(&server);
    alice.send("/join den\n/topic of old\n/slow 7\n/mute eve 1h\n/ban mallory\n");
    alice.lines_until(|line| line.starts_with("! banned mallory"));
    expect_stop(&mut server);
    let kept = fs::read_to_string(files.path("state")).unwrap();
    for part in ["of old", "\"slow\":7", "eve", "mallory"] {
        assert!(kept.contains(part), "{kept}");
    }
    let mut server = files.serve(&[]);
    let mut bob = join(&server, "bob");
    bob.send("/nick mallory\n/join DEN\none\ntwo\n");
    expect(&mut bob, "! the name mallory is taken");
    expect(&mut bob, "> Joined den (1 user online)");
    expect(&mut bob, "! topic: of old");
    expect(&mut bob, "! slow mode: one line in 7 s, yours waits and is not lost");
    server.signal("KILL");
    server.wait();
    fs::write(files.path("state"), kept.replace("\"slow\":7", "\"slow\":x")).unwrap();
    let refused = crate::support::uproar(&["serve", "127.0.0.1:0", "--state", &files.path("state")]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("line "), "{said}");
    assert!(fs::read_to_string(files.path("state")).unwrap().contains("\"slow\":x"), "it is not overwritten");
}

#[test]
fn a_peer_that_half_closes_is_sent_its_answers_first() {
    let server = Server::start(&[]);
    let _others: Vec<Person> = (0..3).map(|_| server.join()).collect();
    for _ in 0..40 {
        let mut program = server.join();
        program.send("/format json\nhello\n/me waves\n/nick server\n");
        program.half_close();
        let mut heard = Vec::new();
        while let Some(line) = program.line() {
            heard.push(line);
        }
        let count = |part: &str| heard.iter().filter(|line| line.contains(part)).count();
        assert_eq!((count("\"said\""), count("\"name_refused\"")), (2, 1), "{heard:?}");
    }
}
