//! The server's own log on every kind of standard error: the server serves on when that is full, stopped, broken or
//! closed.

use std::fs::{self, File};
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::termios::{Action, tcflow};

use crate::support::{
    BACKENDS, PATIENCE, Person, Server, expect_stop, expect_talk, free_address, options, terminal, uproar,
};

/// A server with this standard error, at an address that it need not say.
fn start(stderr: impl Into<Stdio>, options: &[&str]) -> Server {
    let address = free_address();
    let mut command = uproar(&["serve", &address.to_string(), "--transcript", "off"]);
    command.args(crate::support::options(options)).stderr(stderr);
    Server::spawn_silent(command, address)
}

/// A pipe that is full.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let size = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    writer.write_all(&vec![b'.'; size - 1]).unwrap();
    writer.write_all(b"\n").unwrap();
    (reader, writer)
}

#[track_caller]
fn expect_waiting_writes(descriptor: impl AsFd) {
    let flags = rustix::fs::fcntl_getfl(descriptor).unwrap();
    assert!(!flags.contains(OFlags::NONBLOCK), "other programs' writes wait as before");
}

/// Has the server report more lines than it keeps.
fn flood_log(server: &Server, watcher: &mut Person, author: &mut Person) {
    let name = author.name();
    for number in 0..300 {
        server.signal("USR1");
        // One signal after the other: two of one kind are one.
        author.send(format!("{number}\n"));
        watcher.lines_until(|line| line == format!("[{name}] {number}"));
    }
}

#[test]
fn a_full_pipe_holds_up_nobody_and_is_told_what_is_missing_once_it_is_read() {
    for backend in BACKENDS {
        let (mut reader, writer) = full_pipe();
        let kept = writer.try_clone().unwrap();
        let mut server = start(writer, &["--backend", backend, "--flood-rate", "0"]);
        expect_waiting_writes(&kept);
        drop(kept);
        let (mut a, mut b) = (server.join(), server.join());
        flood_log(&server, &mut a, &mut b);
        let mut request = Person::connect(server.address);
        request.send("GET / HTTP/1.1\r\n\r\n");
        expect_talk(&server);
        // Somebody reads again, and the server has nothing else to do.
        let lines = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        thread::sleep(Duration::from_millis(500));
        expect_stop(&mut server);
        let text = lines.join().unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert!(lines[0].starts_with("uproar: listening on "), "{}", lines[0]);
        assert!(lines[lines.len() - 1].starts_with("uproar: stopped: "), "{}", lines[lines.len() - 1]);
        let count =
            |line: &&str| line.strip_suffix(" lines not logged")?.strip_prefix("uproar: ")?.parse::<usize>().ok();
        let dropped: usize = lines.iter().filter_map(count).sum();
        let statistics = lines.iter().filter(|line| line.starts_with("uproar: members=")).count();
        assert!(dropped > 0 && statistics > 0, "{backend}: {statistics} lines and {dropped} not logged");
        // The line was asked for 300 times here, and perhaps once more by `statistics`.
        assert!((300..=301).contains(&(statistics + dropped)), "{backend}: {statistics} lines, {dropped} not logged");
    }
}

#[test]
fn a_pipe_that_is_never_read_does_not_hold_up_a_stop() {
    for backend in BACKENDS {
        let (_reader, writer) = full_pipe();
        let mut server = start(writer, &["--backend", backend]);
        expect_talk(&server);
        expect_stop(&mut server);
    }
}

#[test]
fn lines_that_were_kept_are_written_although_nothing_else_happens() {
    let (mut reader, writer) = full_pipe();
    let _server = start(writer, &[]);
    let size = rustix::pipe::fcntl_getpipe_size(&reader).unwrap();
    thread::sleep(Duration::from_millis(300));
    reader.read_exact(&mut vec![0; size]).unwrap();
    let mut word = [0; 21];
    reader.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"uproar: listening on ");
}

#[test]
fn a_pipe_without_a_reader_and_a_closed_descriptor_hold_up_nobody() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut server = start(writer, &[]);
    expect_talk(&server);
    expect_stop(&mut server);

    for closed in ["2>&-", "2>&- 1>&- 0<&-", "2>/dev/null", "2</dev/null"] {
        let address = free_address();
        let mut command = Command::new("sh");
        let serve = format!("exec {} serve {address} {closed}", env!("CARGO_BIN_EXE_uproar"));
        command.args(["-c", &serve]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut server = Server::spawn_silent(command, address);
        expect_talk(&server);
        expect_stop(&mut server);
    }
}

#[test]
fn a_full_socket_holds_up_nobody() {
    let (mut reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    let mut filled = 0;
    loop {
        match writer.write(&[b'.'; 4096]) {
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    writer.set_nonblocking(false).unwrap();
    let kept = writer.try_clone().unwrap();
    let mut server = start(OwnedFd::from(writer), &[]);
    expect_talk(&server);
    expect_waiting_writes(&kept);
    reader.read_exact(&mut vec![0; filled]).unwrap();
    let mut word = [0; 21];
    reader.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"uproar: listening on ");
    expect_stop(&mut server);
}

#[test]
fn a_full_disk_holds_up_nobody() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut server = start(full, &[]);
    expect_talk(&server);
    expect_stop(&mut server);
}

#[test]
fn a_log_as_large_as_a_file_may_be_holds_up_nobody() {
    let folder = Folder::new("large");
    let log = folder.0.join("log");
    let address = free_address();
    let mut command = Command::new("sh");
    // One block of 512 bytes.
    let serve = format!("ulimit -f 1; exec {} serve {address} 2>>{}", env!("CARGO_BIN_EXE_uproar"), log.display());
    command.args(["-c", &serve]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut server = Server::spawn_silent(command, address);
    for _ in 0..5 {
        server.signal("USR1");
        expect_talk(&server);
    }
    expect_stop(&mut server);
    assert!(fs::metadata(log).unwrap().len() <= 1024);
}

#[test]
fn a_terminal_that_is_stopped_holds_up_nobody_and_shows_everything_later() {
    for backend in BACKENDS {
        let terminal = terminal(None);
        tcflow(&terminal.slave, Action::OOff).unwrap();
        let address = free_address();
        // The transcript goes there too.
        let mut command = uproar(&["serve", &address.to_string(), "--backend", backend]);
        let stream = || Stdio::from(terminal.slave.try_clone().unwrap());
        command.stdin(stream()).stdout(stream()).stderr(stream());
        let mut server = Server::spawn_silent(command, address);
        drop(terminal.slave);
        expect_talk(&server);
        expect_waiting_writes(&terminal.master);
        if backend == "epoll" {
            // Nobody starts it again.
            expect_stop(&mut server);
            continue;
        }
        let slave = terminal_of(&server);
        tcflow(&slave, Action::OOn).unwrap();
        drop(slave);
        let mut screen = Screen::of(terminal.master);
        for words in
            ["listening on ", "nothing that is typed here is read; to talk, elsewhere: uproar chat 127.0.0.1:", "] yes"]
        {
            screen.wait_for(words);
        }
        server.signal("TERM");
        screen.wait_for("uproar: stopped: ");
        assert_eq!(server.wait().code(), Some(0));
    }
}

/// The terminal of a server, opened once more.
fn terminal_of(server: &Server) -> File {
    let options = OFlags::NOCTTY.bits() as i32;
    use std::os::unix::fs::OpenOptionsExt;
    let path = format!("/proc/{}/fd/2", server.pid());
    File::options().read(true).write(true).custom_flags(options).open(path).unwrap()
}

/// What a terminal shows.
struct Screen {
    arrived: std::sync::mpsc::Receiver<Vec<u8>>,
    text: String,
}

impl Screen {
    fn of(master: OwnedFd) -> Self {
        let (sender, arrived) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let mut master = File::from(master);
            let mut bytes = [0; 4096];
            // EIO once everybody has closed the other end.
            while let Ok(count) = master.read(&mut bytes) {
                if count == 0 || sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { arrived, text: String::new() }
    }

    #[track_caller]
    fn wait_for(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.text.contains(words) {
            match self.arrived.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{words:?} is not in {:?}", self.text),
            }
        }
    }
}

#[test]
fn a_terminal_that_goes_away_does_not_take_the_server_with_it() {
    for backend in BACKENDS {
        let terminal = terminal(None);
        let address = free_address();
        let stream = || Stdio::from(terminal.slave.try_clone().unwrap());
        // As in a shell: a session of its own, whose terminal this is, so that the kernel sends SIGHUP when it goes
        // away.
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_uproar"), "serve", &address.to_string()]);
        command.args(options(&["--backend", backend]));
        command.stdin(stream()).stdout(stream()).stderr(stream());
        let mut server = Server::spawn_silent(command, address);
        drop(terminal.slave);
        expect_talk(&server);
        drop(terminal.master);
        expect_talk(&server);
        let before = server.cpu();
        thread::sleep(Duration::from_millis(500));
        assert!(server.cpu() - before < Duration::from_millis(50), "{backend}: it does not spin");
        server.signal("USR1");
        expect_talk(&server);
        expect_stop(&mut server);
    }
}

#[test]
fn the_log_of_another_user_is_written_without_waiting_too() {
    let Some(server) = AnotherUser::new() else { return };
    // A pipe that may not be opened once more.
    let (mut reader, writer) = full_pipe();
    let kept = writer.try_clone().unwrap();
    let mut stuck = server.start(&[], Stdio::from(writer), Stdio::null());
    expect_talk(&stuck);
    expect_waiting_writes(&kept);
    reader.read_exact(&mut vec![0; rustix::pipe::fcntl_getpipe_size(&kept).unwrap()]).unwrap();
    let mut word = [0; 21];
    reader.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"uproar: listening on ");
    expect_stop(&mut stuck);

    // A terminal that may not be opened once more, and is not or is the one that controls the server.
    for wrapper in [&[][..], &["setsid", "--ctty"]] {
        let terminal = terminal(None);
        tcflow(&terminal.slave, Action::OOff).unwrap();
        let stream = || Stdio::from(terminal.slave.try_clone().unwrap());
        let mut stuck = server.start(wrapper, stream(), stream());
        expect_talk(&stuck);
        expect_waiting_writes(&terminal.slave);
        tcflow(&terminal.slave, Action::OOn).unwrap();
        let mut screen = Screen::of(terminal.master);
        screen.wait_for("uproar: listening on ");
        tcflow(&terminal.slave, Action::OOff).unwrap();
        expect_stop(&mut stuck);
    }
}

/// A copy of the server that another user may run.
struct AnotherUser(Folder);

impl AnotherUser {
    fn new() -> Option<Self> {
        let setpriv = Command::new("setpriv").arg("--version").stdout(Stdio::null()).status();
        if !rustix::process::geteuid().is_root() || setpriv.is_err() {
            eprintln!("not tried: only root can start a server as another user, with setpriv");
            return None;
        }
        let folder = Folder::new("other-user");
        fs::copy(env!("CARGO_BIN_EXE_uproar"), folder.0.join("uproar")).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&folder.0, open).unwrap();
        Some(Self(folder))
    }

    fn start(&self, wrapper: &[&str], stderr: Stdio, stdin: Stdio) -> Server {
        let address = free_address();
        let program = self.0.0.join("uproar");
        let mut words = wrapper.to_vec();
        words.extend(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        let address_text = address.to_string();
        words.extend([program.to_str().unwrap(), "serve", &address_text, "--transcript", "off"]);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(stdin).stdout(Stdio::null()).stderr(stderr);
        Server::spawn_silent(command, address)
    }
}

#[test]
fn lines_in_a_file_have_their_time_and_level_and_lines_of_others_stay() {
    let folder = Folder::new("stamps");
    let log = folder.0.join("log");
    let address = free_address();
    let mut command = Command::new("sh");
    // Not opened for appending: the description is shared with what the shell writes before and after.
    let serve = format!(
        "{{ echo before; {} serve {address}; echo after; }} >{} 2>&1",
        env!("CARGO_BIN_EXE_uproar"),
        log.display()
    );
    command.args(["-c", &serve]).stdin(Stdio::null());
    let mut server = Server::spawn_silent(command, address);
    let pid = child_of(server.pid());
    Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    server.wait();
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [before, events @ .., after] = lines.as_slice() else { panic!("{text}") };
    assert_eq!((*before, *after), ("before", "after"));
    for line in events {
        let (level, _) = of_file(line);
        assert_eq!(level, if line.contains(" uproar: stopped: ") { "notice" } else { "info" }, "{line}");
    }
    assert!(events[0].contains(" uproar: listening on ") && events[events.len() - 1].contains(" uproar: stopped: "));
}

/// The level and the text of a line in a file.
#[track_caller]
fn of_file(line: &str) -> (&str, &str) {
    let (time, rest) = line.split_once(' ').unwrap();
    let age = humantime::parse_rfc3339(time).expect("the time").elapsed().unwrap_or_default();
    assert!(time.len() == 24 && age < Duration::from_secs(600), "{line}");
    let (level, rest) = rest.split_once(' ').unwrap();
    assert!(["error", "warning", "notice", "info"].contains(&level), "{line}");
    (level, rest.strip_prefix("uproar: ").unwrap_or_else(|| panic!("{line}")))
}

/// A server that writes its log to a file.
fn start_with_file(log: &Path, options: &[&str]) -> Server {
    start(Stdio::null(), &[&["--log", log.to_str().unwrap()], options].concat())
}

/// Waits until a file has a line that ends so.
#[track_caller]
fn wait_for_line(file: &Path, end: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line.ends_with(end))) {
        assert!(Instant::now() < deadline, "{end:?} is not in {:?}", fs::read_to_string(file));
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_log_file_is_its_owners_alone_and_each_line_is_in_the_old_one_or_in_the_new_one() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("file");
    let (log, old) = (folder.0.join("log"), folder.0.join("log.1"));
    let mut server = start_with_file(&log, &[]);
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    wait_for_line(&log, " of buffers for one that does not read");
    fs::rename(&log, &old).unwrap();
    server.signal("HUP");
    wait_for_line(&log, "notice uproar: SIGHUP: the log file was opened anew");
    expect_talk(&server);
    expect_stop(&mut server);
    let [old, new] = [&old, &log].map(|file| fs::read_to_string(file).unwrap());
    let texts = |text: &str| text.lines().map(|line| of_file(line).1.to_owned()).collect::<Vec<_>>();
    assert!(texts(&old)[0].starts_with("listening on 127.0.0.1:"), "{old}");
    let new = texts(&new);
    assert_eq!(new.len(), 2, "{new:?}");
    assert!(new[0].starts_with("SIGHUP: ") && new[1].starts_with("stopped: "), "{new:?}");
}

#[test]
fn a_log_file_that_cannot_be_opened_ends_the_start_and_one_that_cannot_be_opened_anew_stays() {
    let folder = Folder::new("refused");
    let (log, old, link) = (folder.0.join("log"), folder.0.join("old"), folder.0.join("link"));
    std::os::unix::fs::symlink(&old, &link).unwrap();
    for (path, error) in [(&link, "this is a symbolic link; name the file itself"), (&folder.0, "Is a directory")] {
        let output = uproar(&["serve", "127.0.0.1:0", "--log", path.to_str().unwrap()]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(&format!("uproar: --log {}: {error}", path.display())), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
    let mut server = start_with_file(&log, &[]);
    fs::rename(&log, &old).unwrap();
    std::os::unix::fs::symlink(&old, &log).unwrap();
    server.signal("HUP");
    wait_for_line(
        &old,
        "SIGHUP: the log stays as it is, not opened anew: this is a symbolic link; name the file itself",
    );
    let text = fs::read_to_string(&old).unwrap();
    assert_eq!(of_file(text.lines().last().unwrap()).0, "error");
    expect_stop(&mut server);
    assert!(fs::read_to_string(&old).unwrap().contains(" uproar: stopped: "));
}

/// A line of `--log-format json`, with every field that there is.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that they are there and of this kind is what is asserted")]
struct Line {
    time: String,
    level: String,
    event: String,
    text: String,
    door: Option<String>,
    address: Option<String>,
    back_end: Option<String>,
    members_max: Option<u64>,
    bytes: Option<u64>,
    statistics: Option<std::collections::BTreeMap<String, u64>>,
    name: Option<String>,
    id: Option<String>,
    reason: Option<String>,
    by: Option<String>,
    action: Option<String>,
    held: Option<String>,
    until: Option<String>,
    room: Option<String>,
    what: Option<String>,
    error: Option<String>,
    lines: Option<u64>,
}

#[test]
fn a_program_reads_objects_and_never_a_text() {
    let folder = Folder::new("json");
    // Its name cannot break a line.
    let key = folder.0.join("key\nuproar: stopped");
    fs::write(&key, "open sesame").unwrap();
    let key = key.to_str().unwrap();
    for addresses in ["on", "off"] {
        let log = folder.0.join(addresses);
        let options = ["--log-format", "json", "--log-addresses", addresses, "--operator-key", key];
        let mut server = start_with_file(&log, &options);
        let mut foreign = Person::connect(server.address);
        foreign.send("GET / HTTP/1.1\r\n\r\n");
        foreign.read_to_end();
        let (mut operator, mut bob) = (server.join(), server.join());
        let name = bob.name();
        operator.send("/op open sesame\n/topic about kittens\n/ban 198.51.100.7 5m\n/announce kittens\n");
        operator.lines_until(|line| line.contains("announce"));
        operator.send(format!("/kick {name} for kittens\n"));
        bob.read_to_end();
        server.signal("HUP");
        wait_for_line(&log, "\"what\":\"operator_key\"}");
        expect_stop(&mut server);
        let text = fs::read_to_string(&log).unwrap();
        assert!(!text.contains("kittens") && !text.contains("sesame"), "{text}");
        let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |event: &str| lines.iter().filter(|line| line.event == event).collect::<Vec<_>>();
        assert!(lines.iter().all(|line| humantime::parse_rfc3339(&line.time).is_ok() && !line.text.is_empty()));
        let listening = of("listening")[0];
        assert_eq!(listening.address, Some(server.address.to_string()), "where it listens stays");
        assert_eq!((listening.door.as_deref(), listening.level.as_str()), (Some("text"), "info"));
        assert!(listening.members_max.is_some_and(|members| members > 0) && listening.back_end.is_some());
        assert!(of("memory_bound")[0].bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(of("operator_key_weak").len(), 2, "at the start and on SIGHUP");
        let closed: Vec<Option<&str>> = of("closed").iter().map(|line| line.reason.as_deref()).collect();
        assert_eq!(closed, [Some("foreign"), Some("kicked")]);
        let done: Vec<Option<&str>> = of("moderation").iter().map(|line| line.action.as_deref()).collect();
        assert_eq!(done, ["operator", "topic", "ban", "announcement", "kick"].map(Some));
        let stopped = of("stopped")[0].statistics.as_ref().unwrap();
        assert_eq!((stopped["closed_kicked"], stopped["closed_foreign"]), (1, 1));
        let held = of("moderation")[2];
        assert!(held.until.is_some() && held.by.is_some());
        let gone = of("closed")[1];
        // Its own address and that of who was banned are the only ones of peers.
        if addresses == "on" {
            assert_eq!((gone.name.clone(), gone.address.as_deref()), (Some(name.to_string()), Some("127.0.0.1")));
            assert_eq!(held.held.as_deref(), Some("198.51.100.7"));
        } else {
            assert_eq!((gone.name.clone(), &gone.address), (gone.id.as_ref().map(|id| format!("guest {id}")), &None));
            assert_eq!(held.held.as_deref(), Some("an address"));
            let about_peers = text.lines().filter(|line| !line.contains("\"event\":\"listening\""));
            about_peers.for_each(|line| assert!(!line.contains("127.0.0.1") && !line.contains("198.51"), "{line}"));
        }
    }
}

#[test]
fn the_journal_of_systemd_gets_priorities_and_nobody_else_does() {
    for (offset, format) in [(0, "text"), (0, "json"), (1, "text")] {
        let (reader, writer) = UnixStream::pair().unwrap();
        let stat = rustix::fs::fstat(&writer).unwrap();
        let address = free_address();
        let mut command = uproar(&["serve", &address.to_string(), "--transcript", "off", "--log-format", format]);
        command.env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev, stat.st_ino + offset));
        command.stderr(OwnedFd::from(writer));
        let mut server = Server::spawn_silent(command, address);
        expect_stop(&mut server);
        drop(server);
        let mut text = String::new();
        // The command has the other end until it is dropped, which it was.
        { reader }.read_to_string(&mut text).unwrap();
        let (first, last) = (text.lines().next().unwrap(), text.lines().last().unwrap());
        match (offset, format) {
            (0, "text") => {
                assert!(first.starts_with("<6>listening on ") && last.starts_with("<5>stopped: "), "{text}");
            }
            (0, _) => {
                for line in text.lines() {
                    let (priority, object) = line.split_at(3);
                    assert!(["<5>", "<6>"].contains(&priority), "{line}");
                    serde_json::from_str::<Line>(object).unwrap();
                }
            }
            _ => assert!(text.lines().all(|line| line.starts_with("uproar: ")), "{text}"),
        }
    }
}

#[test]
fn the_journal_of_systemd_is_told_how_serious_an_error_of_the_start_is() {
    let (mut reader, writer) = UnixStream::pair().unwrap();
    let stat = rustix::fs::fstat(&writer).unwrap();
    let mut command = uproar(&["serve", "127.0.0.1:0", "--motd", "/nowhere/motd"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev, stat.st_ino)).stderr(OwnedFd::from(writer));
    assert_eq!(command.status().unwrap().code(), Some(1));
    drop(command);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("<3>--motd /nowhere/motd: No such file"), "{text}");
}

/// The one child of a process.
fn child_of(pid: u32) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        if let Some(child) = children.split_whitespace().next() {
            return child.to_owned();
        }
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_hangup_that_was_ignored_at_the_start_does_not_end_it_either() {
    let address = free_address();
    let mut command = Command::new("sh");
    let serve = format!("trap '' HUP; exec {} serve {address} --transcript off", env!("CARGO_BIN_EXE_uproar"));
    command.args(["-c", &serve]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = Server::spawn(command);
    server.signal("HUP");
    expect_talk(&server);
    while server.log_line() != "uproar: SIGHUP: there is no file to open or to read anew" {}
    expect_stop(&mut server);
}

/// A folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new("/tmp").join(format!("uproar-log-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
