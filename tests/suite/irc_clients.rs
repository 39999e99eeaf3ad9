//! IRC as people use it: irssi in a terminal of tmux, and WeeChat without one, talk with a member at a terminal.
//!
//! `just irc-clients` plays these. Where a program is not installed that is said loudly, and its test passes.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{PATIENCE, Person, Server, raise_descriptor_limit};

/// Members of a large room, beside those that talk.
const CROWD: usize = 5000;

/// Lines a second in it, and for how long.
const LINES_PER_SECOND: u32 = 50;
const SECONDS: u32 = 5;

/// How long a client in it may take to show a line that somebody says, and to say one, on a machine that does other
/// things too. By default both clients wait two seconds between lines of their own; here they do not.
const USABLE: Duration = Duration::from_secs(2);

/// True when a program is there. Where it is not, says so.
fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!(
            "NOT TESTED: {program} is not installed (Debian: apt-get install irssi weechat-headless weechat-plugins tmux)"
        );
    }
    found
}

/// A client that a test types into and whose screen, or log, it reads.
trait Client {
    /// Types a line where the talk of the room is shown.
    fn says(&mut self, line: &str);

    /// Has what somebody says alone, or what a room says, shown.
    fn turns_to(&mut self, _name: &str) {}

    /// What is shown.
    fn shown(&mut self) -> String;

    /// Waits until something is shown. Returns how long that took.
    #[track_caller]
    fn expect(&mut self, text: &str) -> Duration {
        let start = Instant::now();
        loop {
            let shown = self.shown();
            if shown.contains(text) {
                return start.elapsed();
            }
            assert!(start.elapsed() < PATIENCE, "{text:?} was not shown:\n{shown}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// irssi in a terminal of a tmux server of its own.
struct Irssi {
    home: TempDir,
    socket: String,
}

impl Irssi {
    fn start(server: &Server, nick: &str) -> Self {
        let home = TempDir::new().unwrap();
        let socket = format!("uproar-{}-{nick}", std::process::id());
        let irc = server.door("irc");
        let command = format!("irssi --home={} -n {nick} -c {} -p {}", home.path().display(), irc.ip(), irc.port());
        let mut irssi = Self { home, socket };
        irssi.tmux(&["new-session", "-d", "-x", "200", "-y", "60", &command]);
        irssi.expect("Rooms are channels");
        irssi.says("/set cmd_queue_speed 10msec");
        irssi
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket, "-f", "/dev/null"]).args(arguments).env("TERM", "xterm");
        let output = command.env("LANG", "C.UTF-8").env("TMUX_TMPDIR", self.home.path()).output().unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Client for Irssi {
    fn says(&mut self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.tmux(&["send-keys", "Enter"]);
    }

    fn turns_to(&mut self, name: &str) {
        self.says(&format!("/window goto {name}"));
    }

    fn shown(&mut self) -> String {
        self.tmux(&["capture-pane", "-p", "-J"])
    }
}

impl Drop for Irssi {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        let _ = command.args(["-L", &self.socket, "kill-server"]).env("TMUX_TMPDIR", self.home.path()).status();
    }
}

/// WeeChat, typed into by a pipe of its own, and read by its logs.
struct WeeChat {
    home: TempDir,
    child: Child,
    /// Where what is typed goes: `irc.server.uproar` or `irc.uproar.#room`.
    buffer: String,
}

impl WeeChat {
    fn start(server: &Server, nick: &str) -> Self {
        let home = TempDir::new().unwrap();
        let irc = server.door("irc");
        let set_up = format!(
            "/set logger.file.flush_delay 0;/set fifo.file.enabled on;/set weechat.network.gnutls_ca_system off;\
             /set irc.server_default.anti_flood_prio_high 0;/set irc.server_default.anti_flood_prio_low 0;\
             /server add uproar {}/{} -notls -ssl=off -nicks={nick};/set irc.server.uproar.reconnect_delay 1;\
             /connect uproar",
            irc.ip(),
            irc.port()
        );
        let child = Command::new("weechat-headless")
            .args(["--dir", home.path().to_str().unwrap(), "--run-command", &set_up])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut weechat = Self { home, child, buffer: "irc.server.uproar".to_owned() };
        weechat.expect("Rooms are channels");
        weechat
    }

    /// The pipe into which lines are typed, in its folder. There is none where WeeChat has no plugin for it.
    fn pipe(&self) -> Option<PathBuf> {
        let mut entries = fs::read_dir(self.home.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.find(|path| path.file_name().unwrap().to_string_lossy().contains("fifo_"))
    }
}

impl Client for WeeChat {
    fn says(&mut self, line: &str) {
        let mut pipe = OpenOptions::new().append(true).open(self.pipe().expect("WeeChat has a pipe")).unwrap();
        writeln!(pipe, "{} *{line}", self.buffer).unwrap();
        if let Some(room) = line.strip_prefix("/join ") {
            self.buffer = format!("irc.uproar.{room}");
        }
    }

    fn shown(&mut self) -> String {
        let Ok(logs) = fs::read_dir(self.home.path().join("logs")) else { return String::new() };
        logs.map(|log| fs::read_to_string(log.unwrap().path()).unwrap_or_default()).collect()
    }
}

impl Drop for WeeChat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server() -> Server {
    raise_descriptor_limit();
    Server::start(&["--irc", "127.0.0.1:0", "--join-rate", "0", "--flood-rate", "0"])
}

/// What a client and somebody at a terminal do together.
fn talks(server: &Server, client: &mut impl Client, nick: &str) {
    let mut person = server.join();
    person.send("/nick tim\n/join den\n");
    person.lines_until(|line| line.starts_with("> Joined den"));
    client.says("/join #den");
    person.lines_until(|line| line.starts_with(&format!("> New user {nick} entered.")));
    client.expect("tim");
    person.send("hello from a terminal\n/me waves\n");
    client.expect("hello from a terminal");
    client.expect("waves");
    client.says("hello from a client");
    person.lines_until(|line| line == format!("[{nick}] hello from a client"));
    client.says("/me nods");
    person.lines_until(|line| line == format!("* {nick} nods"));
    client.says("/msg tim psst");
    person.lines_until(|line| line == format!("[{nick} to you] psst"));
    person.send(format!("/msg {nick} yes, what is it?\n"));
    client.turns_to("tim");
    client.expect("yes, what is it?");
    client.turns_to("#den");
    client.says("/topic");
    client.expect("No topic");
    client.says("/nick another");
    person.lines_until(|line| line == format!("> {nick} is now known as another"));
    client.says(&format!("/nick {nick}"));
    person.lines_until(|line| line == format!("> another is now known as {nick}"));
    person.send("/nick tom\n");
    client.expect("tom");
}

/// The server forgets the connection, and the client comes back by itself or when it is told to.
fn comes_back(server: &Server, client: &mut impl Client, nick: &str, again: &str) {
    let mut person = server.join();
    person.send("/join den\n");
    client.says(again);
    person.lines_until(|line| line.starts_with(&format!("< The user {nick} left")));
    client.says("/join #den");
    person.lines_until(|line| line.starts_with(&format!("> New user {nick} entered.")));
    client.says("here again");
    person.lines_until(|line| line == format!("[{nick}] here again"));
}

/// In a room of thousands, at many lines a second, a client says and shows lines at once.
fn stays_usable(server: &Server, client: &mut impl Client, nick: &str) {
    let crowd: Vec<TcpStream> = (0..CROWD).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    client.says("/join #lobby");
    let mut person = server.join();
    person.send("/nick listener\n");
    let mut speaker = Person::connect(server.address);
    let pause = Duration::from_secs(1) / LINES_PER_SECOND;
    let told = Instant::now();
    let talk = thread::spawn(move || {
        for number in 0..LINES_PER_SECOND * SECONDS {
            speaker.send(format!("line {number} of many\n"));
            thread::sleep((told + pause * number).saturating_duration_since(Instant::now()));
        }
        speaker
    });
    client.expect("of many");
    for number in 0..SECONDS - 1 {
        let asked = Instant::now();
        client.says(&format!("is it well {number}"));
        let said = format!("[{nick}] is it well {number}");
        person.lines_until(|line| line == said);
        let said = asked.elapsed();
        person.send(format!("it is well {number}\n"));
        let shown = client.expect(&format!("it is well {number}"));
        println!("{nick}: said after {said:?} and shown after {shown:?}");
        assert!(said < USABLE && shown < USABLE, "said after {said:?} and shown after {shown:?}");
        thread::sleep(Duration::from_secs(1).saturating_sub(asked.elapsed()));
    }
    drop((talk.join().unwrap(), crowd));
}

#[test]
fn irssi_talks_with_a_terminal_and_stays_usable_in_a_crowd() {
    if !has("irssi") || !has("tmux") {
        return;
    }
    let server = server();
    let mut irssi = Irssi::start(&server, "irma");
    talks(&server, &mut irssi, "irma");
    comes_back(&server, &mut irssi, "irma", "/reconnect");
    irssi.says("/part");
    stays_usable(&server, &mut irssi, "irma");
}

#[test]
fn weechat_talks_with_a_terminal_and_stays_usable_in_a_crowd() {
    if !has("weechat-headless") {
        return;
    }
    let server = server();
    let mut weechat = WeeChat::start(&server, "wanda");
    if weechat.pipe().is_none() {
        eprintln!("NOT TESTED: WeeChat's plugin fifo is not installed (Debian: apt-get install weechat-plugins)");
        return;
    }
    talks(&server, &mut weechat, "wanda");
    comes_back(&server, &mut weechat, "wanda", "/reconnect uproar");
    weechat.says("/part");
    stays_usable(&server, &mut weechat, "wanda");
}
