//! A terminal in memory that the chat client runs on, and its connection to a server that is the test.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::Winsize;
use rustix::termios::{LocalModes, tcgetattr};

use super::chat::{PATIENCE, Program, accept, uproar};

/// A client on a pseudo-terminal, and its connection to a server that is this test.
pub struct Screen {
    pub program: Program,
    pub keyboard: File,
    pub terminal: OwnedFd,
    pub display: Arc<Mutex<vt100::Parser>>,
    /// Where further connections come in.
    pub listener: TcpListener,
    pub stream: TcpStream,
}

pub const COLUMNS: NonZero<u16> = NonZero::new(60).unwrap();
/// So many that nothing ever scrolls away.
pub const ROWS: NonZero<u16> = NonZero::new(2000).unwrap();

impl Screen {
    /// A client that speaks plainly.
    pub fn start() -> Self {
        Self::start_with(COLUMNS.get(), &[])
    }

    pub fn start_with(columns: u16, options: &[&str]) -> Self {
        let screen = Self::open(columns, &[&["--plain"], options].concat(), &[]);
        screen.wait_until(|screen| screen.rows().concat() == "[You]", "a prompt");
        screen
    }

    /// Starts a client, which may not have a prompt yet, with environment variables.
    pub fn open(columns: u16, options: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::open_through(columns, options, variables, str::to_owned)
    }

    /// The client is given the address that `front` makes of this test's.
    pub fn open_through(
        columns: u16,
        options: &[&str],
        variables: &[(&str, &str)],
        front: impl FnOnce(&str) -> String,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = front(&listener.local_addr().unwrap().to_string());
        let size = Winsize { ws_row: ROWS.get(), ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = crate::support::terminal(Some(&size));
        let mut command = uproar();
        command.args(["chat", &address]).args(options);
        // A terminal of the West: an ambiguous character takes one column.
        command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").envs(variables.iter().copied());
        command.stdin(pair.slave.try_clone().unwrap()).stdout(pair.slave.try_clone().unwrap());
        let program = Program(command.stderr(Stdio::piped()).spawn().unwrap());
        let display = Arc::new(Mutex::new(vt100::Parser::new(ROWS, NonZero::new(columns).unwrap(), 0)));
        let mut output = File::from(pair.master.try_clone().unwrap());
        thread::spawn({
            let display = Arc::clone(&display);
            move || {
                let mut chunk = [0; 4096];
                while let Ok(length @ 1..) = output.read(&mut chunk) {
                    display.lock().unwrap().process(&chunk[..length]);
                }
            }
        });
        let keyboard = File::from(pair.master);
        let stream = accept(&listener);
        Self { program, keyboard, terminal: pair.slave, display, listener, stream }
    }

    /// The client comes back.
    pub fn accept_again(&mut self) {
        self.stream = accept(&self.listener);
    }

    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// The server says something.
    pub fn hear(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// The rows that have something on them, without trailing spaces.
    pub fn rows(&self) -> Vec<String> {
        // A row that the terminal has broken stays two rows.
        let display = self.display.lock().unwrap();
        let rows: Vec<String> = display.screen().rows(0, display.screen().size().1.get()).collect();
        let contents = rows.join("\n");
        contents.trim_end().lines().map(|row| row.trim_end().to_owned()).collect()
    }

    pub fn wait_for(&self, rows: &[&str]) {
        self.wait_until(|screen| screen.rows() == rows, &format!("{rows:#?}"));
    }

    pub fn wait_until(&self, is_so: impl Fn(&Self) -> bool, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let rows = self.rows();
            let last = &rows[rows.len().saturating_sub(20)..];
            assert!(Instant::now() < deadline, "the screen ends with {last:#?}, not {what}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The row and the column of the cursor.
    pub fn cursor(&self) -> (u16, u16) {
        self.display.lock().unwrap().screen().cursor_position()
    }

    /// Gives the window another width.
    pub fn resize(&mut self, columns: u16) {
        self.display.lock().unwrap().screen_mut().set_size(ROWS, NonZero::new(columns).unwrap());
        let size = rustix::termios::Winsize { ws_row: ROWS.get(), ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.terminal, size).unwrap();
    }

    /// Whether the program is stopped, as its state in `/proc` tells.
    pub fn is_stopped(&self) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.program.0.id())).unwrap();
        state.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T"))
    }

    /// Whether the terminal echoes and edits lines itself, as it did at first.
    pub fn is_restored(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// The program ends, and leaves these rows and a terminal as it was.
    pub fn check_end(mut self, code: i32, rows: &[&str]) {
        assert_eq!(self.program.exit().code(), Some(code), "{:#?}", self.rows());
        assert!(self.is_restored(), "the terminal is what it was");
        self.wait_for(rows);
        let (row, column) = self.cursor();
        assert_eq!((usize::from(row), column), (rows.len(), 0), "the shell's prompt stands below");
    }
}
