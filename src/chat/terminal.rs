//! The client on a terminal: a line is edited while others' lines are printed above it.
//!
//! The line editor blocks in a thread of its own and is handed what to print. It has a weakness that the [`Gate`] makes
//! up for: what it is handed while it is not reading a line is written to the screen at once, into the middle of
//! whatever stands there. So lines are handed over only while a prompt is on the screen. It cannot be called back either;
//! when the server closes, it is stopped the next time it draws its prompt, which is when all that came before is on the
//! screen. Then this file restores the terminal itself.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, Config, Editor, ExternalPrinter, Helper};

use super::{
    CLOSED, EDITOR_STOP_WAIT, ESCAPE_WAIT_MS, HISTORY_LINES_MAX, LEAVE_WAIT, ReceiveEnd, TYPED_LINES_MAX, receive,
};

/// The line typed stands behind it, as the author of a message does in a line that arrives.
const PROMPT: &str = "[You] ";

/// Said on leaving, in the original's words.
const LEFT: &str = "You have been disconnected.";
const INTERRUPTED: &str = "KeyboardInterrupt";

/// Handed to the editor, it changes nothing on the screen: up into the line above, and down again.
const NOTHING: &str = "\x1b[A\n";

/// Ends what an editor that was stopped has begun: bracketed paste, and holding back the screen.
const MODES_OFF: &str = "\x1b[?2004l\x1b[?2026l";

/// From where an editor that was stopped has left the cursor, clears its prompt.
const PROMPT_OFF: &str = "\r\x1b[J";

type LineEditor = Editor<Watch, MemHistory>;

/// What one of the threads has come to.
#[derive(Debug)]
enum Event {
    /// The user left, and the editor has ended.
    Left(&'static str),
    /// The terminal cannot be read.
    EditorFailed(ReadlineError),
    /// The server closed. All that it said is on the screen when the editor has stopped.
    ServerClosed,
    /// This program was asked to end; the editor is still at work.
    Signalled(&'static str),
    /// After the user left, all typed lines were handed to the kernel and the connection is half closed.
    Sent,
}

/// A terminal that lines can be edited on.
pub struct Terminal {
    editor: LineEditor,
    printer: Box<dyn ExternalPrinter + Send>,
    /// Another one, for the thread that waits for signals.
    redrawer: Box<dyn ExternalPrinter + Send>,
    gate: Arc<Gate>,
    /// The terminal's mode before anything was changed.
    mode: Termios,
}

/// The terminal, when standard input and output both are one that can edit lines.
pub fn open() -> Option<Terminal> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return None;
    }
    let config = Config::builder()
        .max_history_size(HISTORY_LINES_MAX)
        .expect("any size is accepted")
        .keyseq_timeout(Some(ESCAPE_WAIT_MS))
        // Nothing is coloured, but without it the editor does not tell when it draws the prompt.
        .color_mode(ColorMode::Forced)
        .build();
    let mode = tcgetattr(io::stdin()).ok()?;
    let gate = Arc::new(Gate::default());
    let history = MemHistory::with_config(&config);
    let mut editor = LineEditor::with_history(config, history).ok()?;
    editor.set_helper(Some(Watch(Arc::clone(&gate))));
    let printer = Box::new(editor.create_external_printer().ok()?);
    let redrawer = Box::new(editor.create_external_printer().ok()?);
    Some(Terminal { editor, printer, redrawer, gate, mode })
}

impl Terminal {
    /// Talks until the user leaves or the server closes.
    pub fn run(self, stream: TcpStream) -> Result<ExitCode, Box<dyn Error>> {
        let Self { editor, mut printer, mut redrawer, gate, mode } = self;
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCONT]);
        // The threads started from here on inherit it: these signals are only ever waited for.
        signals.thread_block()?;
        // Between two lines the editor leaves raw mode for the mode it found. In this one, keys pressed then wait for it
        // as they are: they are not echoed, and Ctrl-C is a key.
        let mut patient = mode.clone();
        patient.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::IEXTEN | LocalFlags::ISIG);
        patient.input_flags.remove(InputFlags::ICRNL);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &patient)?;
        let stream = Arc::new(stream);
        let (tell, events) = mpsc::channel();
        let (typed, to_send) = mpsc::sync_channel(TYPED_LINES_MAX);
        thread::spawn({
            let (gate, tell) = (Arc::clone(&gate), tell.clone());
            move || wait_for_signals(&signals, redrawer.as_mut(), &gate, &tell)
        });
        thread::spawn({
            let (stream, gate, tell) = (Arc::clone(&stream), Arc::clone(&gate), tell.clone());
            move || print_arrivals(&stream, printer.as_mut(), &gate, &tell)
        });
        thread::spawn({
            let tell = tell.clone();
            move || send_typed(&stream, &to_send, &tell)
        });
        thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                let _ = tell.send(edit_lines(editor, &gate, &typed));
                // After the event: it lets the connection be closed, and the server may then close it first.
                drop(typed);
            }
        });
        let result = decide(&events, &gate);
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &mode);
        result
    }
}

/// Waits for what ends the talk, and says the last words.
fn decide(events: &Receiver<Event>, gate: &Gate) -> Result<ExitCode, Box<dyn Error>> {
    let end = loop {
        match events.recv().expect("a thread that waits for signals can always tell") {
            Event::Sent => {}
            end => break end,
        }
    };
    match end {
        Event::Sent => unreachable!("it ends nothing"),
        Event::ServerClosed => {
            gate.wait_until_stopped(EDITOR_STOP_WAIT);
            say(&format!("{MODES_OFF}{PROMPT_OFF}{CLOSED}"));
        }
        Event::Signalled(words) => {
            gate.stop();
            say(&format!("{MODES_OFF}\n{words}"));
        }
        Event::Left(words) => {
            gate.stop();
            say(words);
            if !wait_until_taken(events) {
                say("! the server may not have taken the last lines");
            }
        }
        Event::EditorFailed(error) => {
            gate.stop();
            return Err(format!("the terminal cannot be read: {error}").into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// After the user left, gives the server the time to take what was typed: false when it has not closed by then. Closing
/// at once could discard it, because a connection that is closed before all that arrived was read is reset.
fn wait_until_taken(events: &Receiver<Event>) -> bool {
    let deadline = Instant::now() + LEAVE_WAIT;
    let mut sent = false;
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::ServerClosed) => return true,
            Ok(Event::Sent) => sent = true,
            Ok(_) => {}
            Err(_) => return sent,
        }
    }
}

/// Writes a line. A terminal that has gone away is no reason to complain to it.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn wait_for_signals(signals: &SigSet, redrawer: &mut dyn ExternalPrinter, gate: &Gate, tell: &Sender<Event>) {
    loop {
        let words = match signals.wait() {
            Ok(Signal::SIGCONT) => {
                // While this program was stopped, the shell used the terminal in a mode of its own.
                if gate.make_raw() {
                    let _ = redrawer.print(NOTHING.to_owned());
                }
                continue;
            }
            Ok(Signal::SIGINT) => INTERRUPTED,
            Ok(_) => LEFT,
            Err(_) => continue,
        };
        let _ = tell.send(Event::Signalled(words));
    }
}

/// Reads lines from the user until it ends. The editor is gone when it returns, so nothing waits for it any more.
fn edit_lines(mut editor: LineEditor, gate: &Gate, typed: &SyncSender<Vec<u8>>) -> Event {
    loop {
        let line = editor.readline(PROMPT);
        gate.shut();
        match line {
            Ok(line) if line.is_empty() => return Event::Left(LEFT),
            Ok(line) => {
                // Without it the arrow keys lack this line, that is all.
                let _ = editor.add_history_entry(&line);
                // A pasted text may be several lines.
                for line in line.split('\n').filter(|line| !line.is_empty()) {
                    match typed.try_send(format!("{line}\n").into_bytes()) {
                        Ok(()) => {}
                        Err(TrySendError::Full(_)) => say("! not sent: the server is not taking any lines"),
                        // The connection has ended. The thread that reads from it says so.
                        Err(TrySendError::Disconnected(_)) => break,
                    }
                }
            }
            Err(ReadlineError::Eof) => return Event::Left(LEFT),
            Err(ReadlineError::Interrupted) => return Event::Left(INTERRUPTED),
            Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                say("! not sent: what was typed is not UTF-8");
            }
            // The window's size changed in the middle of a key sequence.
            Err(ReadlineError::Signal(_)) => {}
            Err(error) => return Event::EditorFailed(error),
        }
    }
}

/// Sends the lines typed, and half closes the connection after the last.
fn send_typed(mut stream: &TcpStream, lines: &Receiver<Vec<u8>>, tell: &Sender<Event>) {
    for line in lines {
        if stream.write_all(&line).is_err() {
            return;
        }
    }
    if stream.shutdown(Shutdown::Write).is_ok() {
        let _ = tell.send(Event::Sent);
    }
}

/// Prints what arrives above the line being typed until the server closes. Goes on reading after the user has left.
fn print_arrivals(stream: &TcpStream, printer: &mut dyn ExternalPrinter, gate: &Gate, tell: &Sender<Event>) {
    let mut print = |lines: &str| {
        if gate.wait_until_open() {
            // An error says that the user has left.
            let _ = printer.print(lines.to_owned());
        }
    };
    let end = receive(stream, |lines| {
        print(lines);
        Ok(())
    });
    assert!(matches!(end, ReceiveEnd::Closed | ReceiveEnd::Broken), "showing does not fail");
    let _ = tell.send(Event::ServerClosed);
    // One print may wait for the editor, no more: when this one is accepted, all before it were taken. What was taken is
    // on the screen when the prompt is drawn the next time, and that is where the editor stops.
    print(NOTHING);
    gate.stop();
    // The editor may have drawn the prompt for the last time before it was to stop. It is not waited for: when it has
    // stopped already, it takes nothing more.
    let _ = printer.print(NOTHING.to_owned());
}

/// Whether the editor takes lines to print. The one moment it cannot guard is leaving by a control key: a line that
/// arrives just then may stand behind the prompt that is left.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    /// The terminal's mode while a line is edited, from the first prompt on.
    raw: Mutex<Option<Termios>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// A line was accepted and the next prompt is not drawn yet, so what is printed would not be printed above it.
    #[default]
    Shut,
    /// A prompt is being drawn or stands on the screen, and the terminal is raw.
    Open,
    /// Nothing is to be printed any more, and the editor is to stop when it draws a prompt.
    Stopping,
    /// The editor has stopped and touches the screen no more.
    Stopped,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the gate panics")
    }

    /// The editor is about to draw its prompt. Does not return when it is to stop.
    fn open(&self) {
        let mut raw = self.raw.lock().expect("no holder of the mode panics");
        if raw.is_none() {
            *raw = tcgetattr(io::stdin()).ok();
        }
        drop(raw);
        let mut state = self.state();
        match *state {
            State::Shut | State::Open => *state = State::Open,
            State::Stopping | State::Stopped => *state = State::Stopped,
        }
        self.changed.notify_all();
        let _forever = self.changed.wait_while(state, |state| *state == State::Stopped);
    }

    /// Puts the terminal back into the mode that the editor has given it, when a line is being edited: true then.
    fn make_raw(&self) -> bool {
        let raw = self.raw.lock().expect("no holder of the mode panics");
        let open = *self.state() == State::Open;
        if open && let Some(raw) = raw.as_ref() {
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, raw);
        }
        open
    }

    fn shut(&self) {
        let mut state = self.state();
        if *state == State::Open {
            *state = State::Shut;
        }
    }

    fn stop(&self) {
        let mut state = self.state();
        if *state != State::Stopped {
            *state = State::Stopping;
        }
        self.changed.notify_all();
    }

    /// False when nothing is to be printed any more.
    fn wait_until_open(&self) -> bool {
        let state = self.changed.wait_while(self.state(), |state| *state == State::Shut);
        *state.expect("no holder of the gate panics") == State::Open
    }

    fn wait_until_stopped(&self, wait: Duration) {
        let _ = self.changed.wait_timeout_while(self.state(), wait, |state| *state != State::Stopped);
    }
}

/// What the editor calls while it works.
struct Watch(Arc<Gate>);

impl Highlighter for Watch {
    /// The editor calls it whenever it is about to draw the prompt: in raw mode, on a line that it has cleared, when
    /// everything that it has taken to print is on the screen.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        self.0.open();
        Cow::Borrowed(prompt)
    }
}

impl Validator for Watch {
    /// The editor calls it when a line is accepted, before it leaves raw mode.
    fn validate(&self, _context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.0.shut();
        Ok(ValidationResult::Valid(None))
    }
}

impl Hinter for Watch {
    type Hint = String;
}

impl Completer for Watch {
    type Candidate = String;
}

impl Helper for Watch {}
