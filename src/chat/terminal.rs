//! The client on a terminal: a line is edited while others' lines are printed above it.
//!
//! The line editor blocks in a thread of its own and is handed what to print while the [`Gate`] is open. One thread
//! prints arriving lines, two more are those of the [`Link`], which reads and sends, and one waits for signals: the
//! terminal's mode is restored before this program ends, however it ends. A typed line is never dropped without a word:
//! lines wait in the `session`, while there is no connection too, and those that were not sent are counted at the end.

use std::error::Error;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};
use std::{panic, thread};

use bytesize::ByteSize;
use jiff::Timestamp;
use nix::sys::signal::{SigSet, Signal, raise};
use rustix::termios::tcgetattr;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{ColorMode, CompletionType, Config, Editor, EventHandler, ExternalPrinter, KeyEvent};

use super::connect::Server;
use super::gate::{Gate, Interrupt, Suspend, Watch};
use super::link::{Arrival, Link};
use super::notices::Heard;
use super::prompt::PROMPT;
use super::rows::{WRAP_OFF, WRAP_ON};
use super::session::Session;
use super::stream::Stream;
use super::style::{Colours, Style};
use super::{
    CLOSED, EDITOR_STOP_WAIT, ESCAPE_WAIT_MS, HISTORY_LINES_MAX, LEAVE_WAIT, Options, closed_in_order, count_lines,
    page,
};
use crate::limits::CHAT_QUEUE_BYTES_MAX;
use crate::wire::sanitise;

/// Typed alone, it leaves.
const QUIT: &str = "/quit";

/// Printed on leaving, in the original's words.
const LEFT: &str = "You have been disconnected.";
const INTERRUPTED: &str = "KeyboardInterrupt";

/// Handed to the editor, it changes nothing on the screen: up into the line above, and down again.
const NOTHING: &str = "\x1b[A\n";

/// Clears the prompt of an editor that was stopped, from where it has left the cursor.
const PROMPT_OFF: &str = "\r\x1b[J";

/// How long a prompt waits for the server's answer to what decides about it: the first question, and `/join`.
const PROMPT_WAIT: Duration = Duration::from_millis(500);

/// Pieces of what has arrived that wait to be printed. While that many wait, nothing is read.
const ARRIVALS_MAX: usize = 64;

/// Exit code of a program that has panicked, as Rust's own.
const PANICKED: i32 = 101;

type LineEditor = Editor<Watch, MemHistory>;

/// How one of the threads has ended.
#[derive(Debug)]
enum Event {
    /// The user left, and the editor has ended.
    Left { words: &'static str, has_spoken: bool },
    /// The terminal cannot be read.
    EditorFailed(ReadlineError),
    /// The server closed. All of its lines are on the screen once the editor has stopped.
    ServerClosed(Heard),
    /// This program was asked to end; the editor is still at work.
    Signalled(Signal),
}

/// A terminal that lines can be edited on.
pub struct Terminal {
    editor: LineEditor,
    printer: Box<dyn ExternalPrinter + Send>,
    /// Another one, for the thread that waits for signals.
    redrawer: Box<dyn ExternalPrinter + Send>,
    gate: Arc<Gate>,
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
        // Colours are this program's own choice, but without it the editor does not tell when it draws the prompt.
        .color_mode(ColorMode::Forced)
        .completion_type(CompletionType::List)
        .build();
    let gate = Arc::new(Gate::new(tcgetattr(io::stdin()).ok()?));
    let history = MemHistory::with_config(&config);
    let mut editor = LineEditor::with_history(config, history).ok()?;
    let printer = Box::new(editor.create_external_printer().ok()?);
    let redrawer = Box::new(editor.create_external_printer().ok()?);
    Some(Terminal { editor, printer, redrawer, gate })
}

impl Terminal {
    /// Talks until the user leaves or the last connection has ended. After leaving, the server is given the time of
    /// `--wait` to take what was typed.
    pub fn run(self, server: Server, stream: Stream, options: &Options) -> Result<ExitCode, Box<dyn Error>> {
        let Self { mut editor, mut printer, mut redrawer, gate } = self;
        let session = Session::new(options.session(!options.no_reconnect), Instant::now());
        let link = Arc::new(Link::new(server, stream, session));
        let style = Style { colours: Colours::of_terminal(), times: options.time_zone() };
        editor.set_helper(Some(Watch::new(Arc::clone(&gate), Arc::clone(&link), style.clone())));
        editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(Interrupt(Arc::clone(&gate)))));
        editor.bind_sequence(KeyEvent::ctrl('Z'), EventHandler::Conditional(Box::new(Suspend)));
        let signals = SigSet::from_iter([
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
            Signal::SIGTSTP,
            Signal::SIGCONT,
        ]);
        // The threads started from here on inherit it: these signals are only ever waited for.
        signals.thread_block()?;
        restore_on_panic(&gate);
        gate.make_patient();
        let (tell, events) = mpsc::channel();
        let (show, arrivals) = mpsc::sync_channel(ARRIVALS_MAX);
        thread::spawn({
            let (gate, tell) = (Arc::clone(&gate), tell.clone());
            move || wait_for_signals(&signals, redrawer.as_mut(), &gate, &tell)
        });
        thread::spawn({
            let (gate, tell) = (Arc::clone(&gate), tell.clone());
            move || print_arrivals(&arrivals, printer.as_mut(), &style, &gate, &tell)
        });
        thread::spawn({
            let (link, show) = (Arc::clone(&link), show.clone());
            move || link.send(&show)
        });
        thread::spawn({
            let link = Arc::clone(&link);
            move || link.read(&show)
        });
        thread::spawn({
            let (gate, link) = (Arc::clone(&gate), Arc::clone(&link));
            move || {
                let _ = tell.send(edit_lines(editor, &gate, &link));
                // After the event: it lets the connection be closed, and the server may then close it first.
                link.leave();
            }
        });
        decide(&link, &events, &gate, options.wait)
    }
}

/// Has a panic of any thread restore the terminal's mode, print its message and end the program.
fn restore_on_panic(gate: &Arc<Gate>) {
    let (gate, tell) = (Arc::clone(gate), panic::take_hook());
    panic::set_hook(Box::new(move |panic| {
        gate.restore();
        tell(panic);
        process::exit(PANICKED);
    }));
}

/// Waits for what ends the talk, and says the last words.
fn decide(
    link: &Link,
    events: &Receiver<Event>,
    gate: &Gate,
    leave_wait: Duration,
) -> Result<ExitCode, Box<dyn Error>> {
    match events.recv().expect("a thread that waits for signals can always tell") {
        Event::ServerClosed(heard) => {
            gate.wait_until_stopped(EDITOR_STOP_WAIT);
            gate.restore();
            let draft = gate.draft();
            let lines = link.waiting_lines();
            let all_sent = lines == 0;
            let mut words = PROMPT_OFF.to_owned();
            if !draft.is_empty() {
                words += &format!("{PROMPT}{}\n! the line above was not sent\n", harmless(&draft));
            }
            if !all_sent {
                words += &not_sent(lines);
            }
            say(&(words + CLOSED));
            Ok(if heard.goodbye && all_sent { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Event::Signalled(signal) => {
            gate.stop();
            gate.restore();
            match signal {
                Signal::SIGINT => say(&format!("\n{INTERRUPTED}")),
                Signal::SIGQUIT => {
                    say("");
                    die_of(signal);
                }
                _ => say(&format!("\n{LEFT}")),
            }
            Ok(ExitCode::SUCCESS)
        }
        Event::Left { words, has_spoken } => {
            gate.stop();
            gate.restore();
            say(words);
            let is_taken = wait_until_taken(link, events, leave_wait, has_spoken) || !has_spoken;
            Ok(if is_taken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Event::EditorFailed(error) => {
            gate.stop();
            gate.restore();
            Err(format!("the terminal cannot be read: {error}").into())
        }
    }
}

/// After the user left, gives the server the time to take what was typed. Closing at once could discard it, because a
/// connection that is closed before all that arrived was read is reset. True when the server has taken all of it.
fn wait_until_taken(link: &Link, events: &Receiver<Event>, leave_wait: Duration, has_spoken: bool) -> bool {
    if link.is_offline() {
        let lines = link.waiting_lines();
        if lines > 0 {
            say(not_sent(lines).trim_end());
        }
        return lines == 0;
    }
    let mut end = events.recv_timeout(LEAVE_WAIT);
    if end.is_err() && has_spoken {
        let wait = humantime::format_duration(leave_wait);
        say(&format!("! the server has not taken all of your lines yet; waiting up to {wait}, Ctrl-C leaves at once"));
        end = events.recv_timeout(leave_wait);
    }
    let is_closed = matches!(end, Ok(Event::ServerClosed(_)));
    let is_taken = is_closed && link.waiting_lines() == 0 && closed_in_order(link.stream().socket());
    if !is_taken && has_spoken {
        let lines = link.waiting_lines();
        say(&format!(
            "{}! your last lines may not have been said",
            if lines > 0 { not_sent(lines) } else { String::new() }
        ));
    }
    is_taken
}

fn not_sent(lines: usize) -> String {
    format!("! {} that you typed {} not sent\n", count_lines(lines as u64), if lines == 1 { "was" } else { "were" })
}

/// A text that was typed or pasted, for the screen.
fn harmless(text: &str) -> String {
    let mut out = Vec::new();
    for line in text.split('\n') {
        if !out.is_empty() {
            out.push(b'\n');
        }
        sanitise(line.as_bytes(), &mut out).expect("writing to a Vec does not fail");
    }
    String::from_utf8(out).expect("sanitised lines are UTF-8")
}

/// Ends this program as the signal would have, had it not been waited for.
fn die_of(signal: Signal) {
    let _ = SigSet::from(signal).thread_unblock().and_then(|()| raise(signal));
}

/// Writes a line. Ignores a failure, because there is no other place to report that the terminal was closed.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn wait_for_signals(signals: &SigSet, redrawer: &mut dyn ExternalPrinter, gate: &Gate, tell: &Sender<Event>) {
    loop {
        let signal = signals.wait();
        match signal {
            Ok(Signal::SIGTSTP | Signal::SIGCONT) => {
                if signal == Ok(Signal::SIGTSTP) {
                    // The shell gets the terminal as it was. Here this program stops, unless nobody could continue it.
                    gate.restore();
                    die_of(Signal::SIGTSTP);
                    let _ = SigSet::from(Signal::SIGTSTP).thread_block();
                }
                // While this program was stopped, the shell used the terminal in a mode of its own.
                if gate.take_terminal() {
                    let _ = redrawer.print(NOTHING.to_owned());
                }
            }
            Ok(signal) => {
                let _ = tell.send(Event::Signalled(signal));
            }
            Err(_) => {}
        }
    }
}

/// Reads lines from the user until the editor ends. It is dropped when this returns, so no other thread waits for it.
fn edit_lines(mut editor: LineEditor, gate: &Gate, link: &Link) -> Event {
    let mut has_spoken = false;
    loop {
        link.wait_until_settled(PROMPT_WAIT);
        let columns = page().unwrap_or_default().columns;
        let prompt = editor.helper().expect("it was set").next_prompt(columns);
        let line = editor.readline(&prompt);
        gate.shut();
        match line {
            Ok(line) if line.is_empty() || line.trim() == QUIT => return Event::Left { words: LEFT, has_spoken },
            Ok(line) => {
                // Without it the arrow keys lack this line, that is all.
                let _ = editor.add_history_entry(&line);
                // A pasted text may be several lines. After one that found no place none is taken: the order stays.
                let mut lines = line.split('\n').filter(|line| !line.is_empty()).peekable();
                while let Some(line) = lines.peek()
                    && link.type_line(line)
                {
                    has_spoken = true;
                    lines.next();
                }
                let refused = lines.count() as u64;
                if refused > 0 {
                    let bound = ByteSize(CHAT_QUEUE_BYTES_MAX as u64);
                    say(&format!("! not sent: {}; at most {bound} may wait for the server", count_lines(refused)));
                }
            }
            Err(ReadlineError::Eof) => return Event::Left { words: LEFT, has_spoken },
            Err(ReadlineError::Interrupted) => return Event::Left { words: INTERRUPTED, has_spoken },
            Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                say("! not sent: what was typed is not UTF-8");
            }
            // The window's size changed in the middle of a key sequence.
            Err(ReadlineError::Signal(_)) => {}
            Err(error) => return Event::EditorFailed(error),
        }
    }
}

/// Prints what arrives above the line being typed until the last connection has ended. Goes on after the user has left,
/// so that the server is read from.
fn print_arrivals(
    arrivals: &Receiver<Arrival>,
    printer: &mut dyn ExternalPrinter,
    style: &Style,
    gate: &Gate,
    tell: &Sender<Event>,
) {
    let mut heard = Heard::default();
    for arrival in arrivals {
        let lines = match arrival {
            Arrival::Lines(lines) => lines,
            Arrival::Ended(last) => {
                heard = last;
                break;
            }
        };
        gate.print(|| {
            // The window may have become another one. An error says that the user has left.
            let (page, now) = (page().unwrap_or_default(), Timestamp::now());
            let rows: String = lines.iter().map(|line| style.rows(line, page, now)).collect();
            let rows = rows.strip_suffix('\n').expect("whole lines arrive");
            let _ = printer.print(format!("{WRAP_OFF}{rows}{WRAP_ON}\n"));
        });
    }
    let _ = tell.send(Event::ServerClosed(heard));
    // One print may wait for the editor, no more: when this one is accepted, all before it were taken. What was taken
    // is on the screen when the prompt is drawn the next time, and that is where the editor stops.
    gate.print(|| {
        let _ = printer.print(NOTHING.to_owned());
    });
    gate.stop();
    // The editor may have drawn the prompt for the last time before it was to stop. It is not waited for: when it has
    // stopped already, it takes nothing more.
    let _ = printer.print(NOTHING.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::pty::openpty;
    use rustix::termios::LocalModes;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::process::{Command, Stdio};
    use std::{env, iter};

    /// Set in the process that is to panic.
    const PANICS: &str = "UPROAR_TEST_PANICS";

    fn echoes(terminal: impl AsFd) -> bool {
        tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    #[test]
    fn a_panic_of_any_thread_restores_the_terminal_and_is_printed() {
        if env::var_os(PANICS).is_some() {
            let gate = Arc::new(Gate::new(tcgetattr(io::stdin()).unwrap()));
            restore_on_panic(&gate);
            gate.make_patient();
            assert!(!echoes(io::stdin()));
            let _ = thread::spawn(|| panic!("on purpose")).join();
            unreachable!("the program has ended");
        }
        let pair = openpty(None, None).unwrap();
        let terminal = || Stdio::from(pair.slave.try_clone().unwrap());
        let name = "chat::terminal::tests::a_panic_of_any_thread_restores_the_terminal_and_is_printed";
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture"]).env(PANICS, "1").env("RUST_BACKTRACE", "0");
        let status = command.stdin(terminal()).stdout(terminal()).stderr(terminal()).status().unwrap();
        assert_eq!(status.code(), Some(PANICKED));
        assert!(echoes(&pair.slave), "the terminal is what it was");
        drop((command, pair.slave));
        let mut shown = Vec::new();
        // A terminal that nobody has open any more ends with an error.
        let mut master = File::from(pair.master);
        let mut chunk = [0; 1024];
        iter::from_fn(|| {
            master.read(&mut chunk).ok().filter(|length| *length > 0).map(|length| chunk[..length].to_vec())
        })
        .for_each(|part| shown.extend(part));
        let shown = String::from_utf8_lossy(&shown);
        assert!(shown.contains("on purpose") && !shown.contains("has ended"), "{shown}");
    }
}
