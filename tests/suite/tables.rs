//! More members than descriptors: how many a server holds, in which descriptors, and what it says about it. That
//! members in tables are served like others is played by the tests of every back end.

use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Person, Server, statistics, uproar, wait_for};

/// Descriptors that a server has open.
fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

/// A server with a descriptor limit of 400, which leaves place for 112 tables.
fn with_few_descriptors(options: &str) -> Server {
    let mut command = std::process::Command::new("sh");
    let serve =
        format!("ulimit -n 400; exec {} serve 127.0.0.1:0 --transcript off {options}", env!("CARGO_BIN_EXE_uproar"));
    command.args(["-c", &serve]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    Server::spawn(command)
}

#[test]
fn members_beyond_the_descriptor_limit_are_in_tables_and_take_no_descriptors() {
    let server = with_few_descriptors("--members 2k");
    assert!(server.before_ready.is_empty(), "{:?}", server.before_ready);
    assert!(server.ready.ends_with(" (uring, 5 tables, up to 2000 members)"), "{}", server.ready);
    let before = descriptors(&server);
    let mut people: Vec<Person> = (0..1000).map(|_| server.join()).collect();
    assert_eq!(descriptors(&server), before, "1,000 members have joined");
    let mut author = people.pop().unwrap();
    author.send("hello to all tables\n");
    let said = format!("[{}] hello to all tables", author.name());
    for person in &mut people {
        person.lines_until(|line| line == said);
    }
}

#[test]
fn up_to_the_descriptor_limit_descriptors_stay_ordinary() {
    let server = with_few_descriptors("--members 300");
    assert!(server.ready.ends_with(" (uring, up to 300 members)"), "{}", server.ready);
    let before = descriptors(&server);
    let people: Vec<Person> = (0..50).map(|_| server.join()).collect();
    assert_eq!(descriptors(&server), before + people.len());
}

#[test]
fn a_smaller_house_is_full_sooner() {
    for descriptors in ["normal", "direct"] {
        let server = Server::start(&["--members", "3", "--descriptors", descriptors, "--table-slots", "2"]);
        assert!(server.ready.ends_with("up to 3 members)"), "{}", server.ready);
        let mut people: Vec<Person> = (0..3).map(|_| server.join()).collect();
        for _ in 0..5 {
            let mut late = Person::connect(server.address);
            late.expect("! the house is full");
            late.expect_end();
        }
        people.pop().unwrap().close();
        wait_for(&server, "one has left", |statistics| statistics["members"] == 2);
        server.join();
        assert_eq!(statistics(&server)["full_house"], 5);
    }
}

#[test]
fn a_choice_that_holds_fewer_members_is_refused() {
    for (options, reason) in [
        (&["--backend", "select", "--members", "1k"][..], "--members 1000: select holds 992"),
        (&["--backend", "epoll", "--members", "15M"], "--members 15000000: epoll holds "),
        (&["--descriptors", "normal", "--members", "15M"], "--members 15000000: ordinary descriptors hold "),
        (&["--descriptors", "direct", "--backend", "epoll"], "--descriptors direct needs io_uring"),
        (
            &["--descriptors", "direct", "--table-slots", "2", "--members", "15M"],
            "--members 15000000: there is room for ",
        ),
    ] {
        let output = uproar(&[&["serve", "127.0.0.1:0"], options].concat()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with(&format!("uproar: {reason}")) && stderr.lines().count() == 1, "{stderr}");
    }
}

#[test]
fn where_tables_hold_fewer_the_server_warns_and_serves_those() {
    let server = with_few_descriptors("--table-slots 10 --members 2k");
    let warning = &server.before_ready[0];
    assert!(
        warning.starts_with("uproar: up to 1120 members instead of 2000: room for 1120 in 112 tables: "),
        "{warning}"
    );
    assert!(server.ready.ends_with(" (uring, 112 tables, up to 1120 members)"), "{}", server.ready);
}

/// A table that nobody is in keeps no memory of the kernel and no descriptor.
#[test]
fn tables_that_stay_empty_are_closed() {
    let server = Server::start(&["--members", "100", "--descriptors", "direct", "--table-slots", "10"]);
    let at_start = descriptors(&server);
    let start = Instant::now();
    while descriptors(&server) > at_start - 9 {
        assert!(start.elapsed() < Duration::from_secs(30), "{} of {at_start} are open", descriptors(&server));
        std::thread::sleep(Duration::from_millis(100));
    }
    // They are opened again when they are needed.
    let people: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    wait_for(&server, "all have joined", |statistics| statistics["members"] == 100);
    assert_eq!(descriptors(&server), at_start);
    drop(people);
}
