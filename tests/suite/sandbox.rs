//! The whole server in its sandbox, with all its files and doors, on each back end; and where a machine lacks a part of it.
//!
//! What the sandbox permits and refuses is tried from inside by the tests of `src/sandbox/`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::support::{BACKENDS, PATIENCE, Server, expect_talk, uproar};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Waits until a file has a text.
#[track_caller]
fn expect_in(path: &Path, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let has = fs::read_to_string(path).unwrap_or_default();
        if has.contains(text) {
            return;
        }
        assert!(Instant::now() < deadline, "{} has no {text:?}: {has:?}", path.display());
        thread::sleep(Duration::from_millis(5));
    }
}

/// What the kernel says of each thread of a process, by a key of `/proc/PID/task/TID/status`.
fn of_each_thread(process: u32, key: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|task| task.unwrap().path());
    let value = |status: String| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    tasks.map(|task| value(fs::read_to_string(task.join("status")).unwrap())).collect()
}

/// The line on the sandbox, which comes behind the one that says the server is ready.
fn sandbox_line(server: &Server) -> String {
    loop {
        let line = server.log_line();
        if line.starts_with("uproar: sandbox: ") {
            return line;
        }
    }
}

/// A server in `folder`, whose options name files in it as somebody types them who is there.
fn start_in(folder: &Path, more: &[&str]) -> Server {
    fs::write(folder.join("motd"), "be kind\n").unwrap();
    fs::write(folder.join("key"), KEY).unwrap();
    let options = ["serve", "127.0.0.1:0", "--motd", "motd", "--operator-key", "key", "--state", "state"];
    let transcript = if more.contains(&"--transcript") { &[][..] } else { &["--transcript", "room.log"] };
    let doors = ["--web", "127.0.0.1:0", "--irc", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut command = uproar(&[&options[..], transcript, &doors, more].concat());
    command.current_dir(folder);
    Server::spawn(command)
}

/// All that a server does with files, sockets and signals.
fn use_everything(folder: &Path, server: &mut Server) {
    let (mut a, mut b) = (server.join(), server.join());
    a.expect_start("! be kind");
    b.send("hello\n");
    a.lines_until(|line| line.ends_with("] hello"));
    expect_in(&folder.join("room.log"), "] hello");

    a.send(format!("/op {KEY}\n/ban 192.0.2.1\n/topic tea\n"));
    expect_in(&folder.join("state"), "192.0.2.1");
    expect_in(&folder.join("state"), "tea");

    fs::rename(folder.join("room.log"), folder.join("room.log.1")).unwrap();
    fs::write(folder.join("motd.new"), "be kinder\n").unwrap();
    fs::rename(folder.join("motd.new"), folder.join("motd")).unwrap();
    server.signal("HUP");
    while !server.log_line().contains("transcript file was opened anew") {}
    while !server.log_line().contains("message of the day was read anew") {}
    server.join().expect_start("! be kinder");
    b.send("written anew\n");
    expect_in(&folder.join("room.log"), "] written anew");

    for (door, request, answer) in [
        ("web", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "<!doctype html>"),
        ("admin", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "uproar_running 1"),
        ("irc", "NICK tim\r\nUSER tim 0 * :tim\r\nQUIT\r\n", " 001 tim "),
    ] {
        let mut stream = TcpStream::connect(server.door(door)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = Vec::new();
        // The end may come as a reset; what was said before that counts.
        let _ = stream.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        assert!(said.to_lowercase().contains(&answer.to_lowercase()), "{door}: {said}");
    }
    server.signal("USR1");
    while !server.log_line().starts_with("uproar: members=") {}
    drop((a, b));
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn all_that_a_server_does_with_files_works_in_the_sandbox_on_every_back_end() {
    let one_table = ["uring", "--descriptors", "direct", "--table-slots", "300", "--members", "100"];
    for back_end in BACKENDS.map(|name| vec![name]).into_iter().chain([one_table.to_vec()]) {
        let folder = tempfile::tempdir().unwrap();
        let mut server = start_in(folder.path(), &[&["--backend"], &back_end[..]].concat());
        let line = sandbox_line(&server);
        assert!(line.contains(" system calls"), "{line}");
        // The loop's, and those that write the state and read files again.
        assert_eq!(of_each_thread(server.pid(), "Seccomp:"), ["2"; 3], "{back_end:?}");
        assert_eq!(of_each_thread(server.pid(), "NoNewPrivs:"), ["1"; 3], "{back_end:?}");
        use_everything(folder.path(), &mut server);
    }
}

/// A table that has been empty for a while is closed, and a new ring is made for the next crowd.
#[test]
fn tables_are_opened_again_in_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let two = ["--backend", "uring", "--descriptors", "direct", "--table-slots", "2", "--members", "4"];
    let server = start_in(folder.path(), &two);
    if !server.ready.contains(" tables, ") {
        eprintln!("NOT TESTED: this kernel has no direct descriptors: {}", server.ready);
        return;
    }
    let open = || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
        let is_ring = |path: PathBuf| fs::read_link(path).is_ok_and(|to| to.ends_with("anon_inode:[io_uring]"));
        descriptors.filter(|descriptor| is_ring(descriptor.as_ref().unwrap().path())).count()
    };
    let wait_for = |expected: fn(usize) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        while !expected(open()) {
            assert!(Instant::now() < deadline, "{} rings", open());
            thread::sleep(Duration::from_millis(20));
        }
    };
    let before = open();
    let crowd: Vec<_> = (0..4).map(|_| server.join()).collect();
    drop(crowd);
    wait_for(|rings| rings <= 2);
    let mut crowd: Vec<_> = (0..4).map(|_| server.join()).collect();
    assert!(open() > 2 && open() <= before, "{} rings, {before} before", open());
    crowd[0].send("we are back\n");
    crowd[3].lines_until(|line| line.ends_with("] we are back"));
}

#[test]
fn without_a_sandbox_there_is_none_and_the_log_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start_in(folder.path(), &["--no-sandbox"]);
    assert_eq!(sandbox_line(&server), "uproar: sandbox: none, as --no-sandbox asks for");
    assert_eq!(of_each_thread(server.pid(), "Seccomp:"), ["0"; 3]);
    assert_eq!(of_each_thread(server.pid(), "NoNewPrivs:"), ["0"; 3]);
    use_everything(folder.path(), &mut server);
}

/// A container's filter that knows nothing of sandboxes, as a real one on the thread that starts the server.
#[test]
fn where_a_part_is_forbidden_the_server_serves_without_it_and_says_so_in_one_line() {
    let landlock = [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self];
    for (calls, errno, part) in [
        (&landlock[..], libc::ENOSYS, "sandbox: no landlock, so that files and ports are not restricted: "),
        (&landlock[..], libc::EPERM, "sandbox: no landlock, so that files and ports are not restricted: "),
        (&[libc::SYS_seccomp], libc::EPERM, "no filter of system calls: "),
    ] {
        let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
        let architecture = std::env::consts::ARCH.try_into().unwrap();
        let refuse = SeccompAction::Errno(errno as u32);
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture).unwrap();
        let program: BpfProgram = filter.try_into().unwrap();
        let refused = thread::spawn(move || {
            seccompiler::apply_filter(&program).expect("a process may restrict itself");
            let folder = tempfile::tempdir().unwrap();
            let mut server = start_in(folder.path(), &[]);
            let line = sandbox_line(&server);
            assert!(line.contains(part), "{line}");
            use_everything(folder.path(), &mut server);
        });
        refused.join().expect("the server serves");
    }
}

/// The transcript's folder may have become a link to elsewhere: opening it anew is an error with its reason then, and the
/// server goes on with the file that it has.
#[test]
fn what_cannot_be_reached_any_more_is_said() {
    let [folder, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (folder, elsewhere) = (folder.path(), elsewhere.path());
    fs::create_dir(folder.join("logs")).unwrap();
    let server = start_in(folder, &["--transcript", "logs/room.log"]);
    let line = sandbox_line(&server);
    if !line.contains("sandbox: landlock") {
        eprintln!("NOT TESTED, because this machine has no landlock: {line}");
        return;
    }
    fs::rename(folder.join("logs"), folder.join("old")).unwrap();
    symlink(elsewhere, folder.join("logs")).unwrap();
    server.signal("HUP");
    let line = loop {
        let line = server.log_line();
        if line.contains("SIGHUP") && line.contains("transcript") {
            break line;
        }
    };
    assert!(line.ends_with("only in the folder where it was at the start"), "{line}");
    assert!(!elsewhere.join("room.log").exists());
    expect_talk(&server);
    expect_in(&folder.join("old/room.log"), "] yes");
}

#[test]
fn the_preflight_says_what_there_is() {
    let output = uproar(&["check", "127.0.0.1:0", "--members", "10"]).stdout(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.lines().any(|line| line.contains("  sandbox: ")), "{said}");
    let shared = ["check", "127.0.0.1:0", "--members", "10", "--transcript", "/tmp/room.log"];
    let output = uproar(&shared).stdout(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let warned = said.lines().any(|line| line.starts_with("warn  sandbox: ") && line.contains("all of /tmp"));
    assert!(warned, "{said}");
}
