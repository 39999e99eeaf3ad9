//! Where io_uring is refused: epoll takes over and says why; with `--backend uring` the error says what would allow it.
//!
//! The refusal is real: a seccomp filter like a container's, put on the thread that starts the server.

use std::thread;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::support::{Server, uproar};

/// Every system call of io_uring. A container's default profile refuses them all.
const RING_CALLS: [(&str, libc::c_long); 3] = [
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
];

/// Runs `test` in a thread whose children get `errno` from each of `calls`.
fn where_refused(calls: &[libc::c_long], errno: i32, test: impl FnOnce() + Send + 'static) {
    let refuse = SeccompAction::Errno(errno as u32);
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let architecture = std::env::consts::ARCH.try_into().expect("seccomp knows this machine");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    let refused = thread::spawn(move || {
        seccompiler::apply_filter(&program).expect("a process may restrict itself");
        test();
    });
    refused.join().expect("the test in the restricted thread passes");
}

fn check(call: libc::c_long, errno: i32, name: &'static str, fix: &'static str) {
    where_refused(&[call], errno, move || {
        let server = Server::start(&["--backend", "auto"]);
        let fallback = format!("uproar: using epoll, io_uring cannot be used here: {name}: ");
        assert!(server.before_ready[0].starts_with(&fallback), "{:?}", server.before_ready);
        assert!(server.ready.contains(" (epoll, up to "), "{}", server.ready);
        let (mut a, mut b) = (server.join(), server.join());
        a.expect_start("> New user ");
        b.send("all the same\n");
        a.expect(format!("[{}] all the same", b.name()));

        let output = uproar(&["serve", "127.0.0.1:0", "--backend", "uring"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with(&format!("uproar: io_uring cannot be used here: {name}: ")), "{stderr}");
        assert!(stderr.contains(fix) && stderr.lines().count() == 1, "{stderr}");
    });
}

#[test]
fn a_container_that_forbids_the_set_up() {
    check(libc::SYS_io_uring_setup, libc::EPERM, "io_uring_setup", "allow io_uring_setup, io_uring_enter");
}

#[test]
fn a_kernel_without_io_uring() {
    check(libc::SYS_io_uring_setup, libc::ENOSYS, "io_uring_setup", "Linux 6.1 or later is needed");
}

#[test]
fn a_filter_that_allows_the_set_up_and_nothing_more() {
    check(libc::SYS_io_uring_enter, libc::EPERM, "io_uring_enter", "allow io_uring_setup, io_uring_enter");
}

/// The calls that `contrib/seccomp-io-uring.json` adds to a container's profile are enough, and none can be left out.
#[test]
fn the_addition_to_a_container_profile_is_exactly_what_is_needed() {
    let addition = include_str!("../../contrib/seccomp-io-uring.json");
    let allowed: Vec<&str> = addition.split('"').filter(|word| word.starts_with("io_uring_")).collect();
    let refused = |left_out: Option<&str>| -> Vec<libc::c_long> {
        let refused = RING_CALLS.iter().filter(|(name, _)| !allowed.contains(name) || left_out == Some(*name));
        refused.map(|(_, call)| *call).collect()
    };
    let ring = || uproar(&["serve", "127.0.0.1:0", "--backend", "uring"]);
    assert!(refused(None).is_empty(), "the addition names every call");
    for name in allowed.iter().copied() {
        where_refused(&refused(Some(name)), libc::EPERM, move || {
            let output = ring().output().unwrap();
            assert_eq!(output.status.code(), Some(1), "without {name}: {output:?}");
        });
    }
    let server = Server::spawn(ring());
    assert!(server.ready.contains(" (uring, up to "), "{}", server.ready);
}

/// Without io_uring there are no tables either.
#[test]
fn a_server_for_more_members_than_epoll_holds_warns_and_serves_fewer() {
    where_refused(&[libc::SYS_io_uring_setup], libc::EPERM, || {
        let server = Server::start(&["--members", "15M"]);
        assert!(server.before_ready[0].starts_with("uproar: using epoll, "), "{:?}", server.before_ready);
        let warning = &server.before_ready[1];
        assert!(warning.contains(" members instead of 15000000: epoll holds "), "{warning}");
        assert!(server.ready.contains(" (epoll, up to "), "{}", server.ready);
        let output = uproar(&["serve", "127.0.0.1:0", "--members", "10", "--descriptors", "direct"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("--descriptors direct needs io_uring"), "{stderr}");
    });
}

#[test]
fn auto_takes_io_uring_where_it_works() {
    let server = Server::start(&["--backend", "auto"]);
    assert!(server.ready.contains(" (uring, up to "), "{}", server.ready);
    assert!(server.before_ready.is_empty());
}
