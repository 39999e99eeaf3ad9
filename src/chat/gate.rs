//! Whether the line editor takes lines to print, the text being typed in it, and the terminal's mode.
//!
//! While the editor is not reading a line, it writes a line that it is handed into the middle of the screen's last row.
//! So the [`Gate`] is open only while a prompt is on the screen. A running editor cannot be stopped from another
//! thread: it is stopped the next time it draws its prompt, when all earlier lines are on the screen. The gate cannot
//! guard the moment of leaving by Ctrl-D: a line that arrives just then may stand behind the prompt that is left.

use std::borrow::Cow;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{InputModes, LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Cmd, ConditionalEventHandler, Context, Event, EventContext, Helper, Movement, RepeatCount};
use unicode_width::UnicodeWidthStr;

use super::link::Link;
use super::page;
use super::prompt::{self, PROMPT};
use super::rows::WRAP_ON;
use super::style::Style;

/// How long an accepted line waits for a print that has begun.
const PRINT_WAIT: Duration = Duration::from_millis(10);

/// Switches bracketed paste on, as the editor does while a line is edited. For a terminal that another program has used
/// in between.
const MODES_ON: &str = "\x1b[?2004h";

/// Switches it off, and the synchronized update that a print which was cut short may have begun.
const MODES_OFF: &str = "\x1b[?2004l\x1b[?2026l";

#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    /// True exactly while something is handed to the editor to print.
    printing: AtomicBool,
    /// The text being typed, as the editor has last reported it.
    draft: Mutex<String>,
    /// The terminal's mode before anything was changed.
    original: Termios,
    /// Its mode between two lines: keys pressed then wait for the editor. They are not echoed, and Ctrl-C is a key.
    patient: Termios,
    /// Its mode while a line is edited, from the first prompt on.
    raw: Mutex<Option<Termios>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// A line was accepted and the next prompt is not drawn yet, so what is printed would not be printed above it.
    #[default]
    Shut,
    /// A prompt is being drawn or stands on the screen, and the terminal is raw.
    Open,
    /// No more lines are printed, and the editor is to stop when it draws a prompt.
    Stopping,
    /// The editor has stopped and touches the screen no more.
    Stopped,
}

impl Gate {
    /// For a terminal whose mode is `original`.
    pub fn new(original: Termios) -> Self {
        let mut patient = original.clone();
        patient.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN | LocalModes::ISIG);
        patient.input_modes.remove(InputModes::ICRNL);
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            printing: AtomicBool::new(false),
            draft: Mutex::default(),
            original,
            patient,
            raw: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the gate panics")
    }

    /// The text being typed.
    pub fn draft(&self) -> String {
        self.draft.lock().expect("no holder of the draft panics").clone()
    }

    fn set_draft(&self, text: &str) {
        let mut draft = self.draft.lock().expect("no holder of the draft panics");
        draft.clear();
        draft.push_str(text);
    }

    /// The terminal is made ready for the editor, which goes back to this mode between two lines.
    pub fn make_patient(&self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.patient);
    }

    /// The terminal becomes what it was before anything was changed. Waits for nothing.
    pub fn restore(&self) {
        write_raw(&[MODES_OFF, WRAP_ON]);
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.original);
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

    /// After the shell has used the terminal, gives it the mode that belongs to what the editor is doing: true when a
    /// line is being edited.
    pub fn take_terminal(&self) -> bool {
        let raw = self.raw.lock().expect("no holder of the mode panics");
        let open = *self.state() == State::Open;
        match raw.as_ref().filter(|_| open) {
            Some(raw) => {
                let _ = tcsetattr(io::stdin(), OptionalActions::Drain, raw);
                write_raw(&[MODES_ON]);
            }
            None => self.make_patient(),
        }
        open
    }

    /// A line was accepted. A print that has begun is awaited: once the terminal is not raw, it would go ahead of what
    /// the editor has taken before and not printed yet. One that waits for the editor itself is not awaited for long.
    pub fn shut(&self) {
        let mut state = self.state();
        if *state == State::Open {
            *state = State::Shut;
            let _ = self.changed.wait_timeout_while(state, PRINT_WAIT, |_| self.printing.load(Ordering::SeqCst));
        }
    }

    /// Prints as soon as the gate is open. False when no more lines are printed.
    pub fn print(&self, print: impl FnOnce()) -> bool {
        let state = self.changed.wait_while(self.state(), |state| *state == State::Shut);
        let state = state.expect("no holder of the gate panics");
        if *state != State::Open {
            return false;
        }
        self.printing.store(true, Ordering::SeqCst);
        drop(state);
        print();
        self.printing.store(false, Ordering::SeqCst);
        drop(self.state());
        self.changed.notify_all();
        true
    }

    pub fn stop(&self) {
        let mut state = self.state();
        if *state != State::Stopped {
            *state = State::Stopping;
        }
        self.changed.notify_all();
    }

    pub fn wait_until_stopped(&self, wait: Duration) {
        let _ = self.changed.wait_timeout_while(self.state(), wait, |state| *state != State::Stopped);
    }
}

/// Writes to the terminal without a lock that a thread may hold for ever.
fn write_raw(pieces: &[&str]) {
    for piece in pieces {
        let _ = rustix::io::write(rustix::stdio::stdout(), piece.as_bytes());
    }
}

/// Called by the editor while it works.
pub struct Watch {
    pub gate: Arc<Gate>,
    pub link: Arc<Link>,
    pub style: Style,
    /// The columns in front of [`PROMPT`], as the editor has counted them.
    width: AtomicUsize,
    /// True from when a line is accepted until the next is read.
    is_accepted: AtomicBool,
}

impl Watch {
    pub fn new(gate: Arc<Gate>, link: Arc<Link>, style: Style) -> Self {
        Self { gate, link, style, width: AtomicUsize::new(0), is_accepted: AtomicBool::new(false) }
    }

    /// The prompt of the next line, without colours. The editor counts its columns.
    pub fn next_prompt(&self, columns: usize) -> String {
        let status = self.link.status();
        let width = prompt::width(&status, columns);
        self.width.store(width, Ordering::SeqCst);
        self.is_accepted.store(false, Ordering::SeqCst);
        prompt::text(&status, width) + PROMPT
    }
}

impl Highlighter for Watch {
    /// The editor calls it whenever it is about to draw the prompt: in raw mode, on a line that it has cleared, when
    /// everything that it has taken to print is on the screen.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        if self.is_accepted.load(Ordering::SeqCst) {
            return Cow::Borrowed(PROMPT);
        }
        self.gate.open();
        let width = self.width.load(Ordering::SeqCst);
        if !default || width == 0 {
            return Cow::Borrowed(prompt);
        }
        Cow::Owned(self.style.dim(&prompt::text(&self.link.status(), width)) + PROMPT)
    }
}

impl Validator for Watch {
    /// The editor calls it when a line is accepted, before it leaves raw mode. A line of one row is drawn once more,
    /// without the room: that is for the line being typed.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.gate.shut();
        let width = self.width.load(Ordering::SeqCst);
        let columns = width + PROMPT.len() + context.input().width();
        let is_one_row = !context.input().contains(['\n', '\t']) && columns < page().unwrap_or_default().columns;
        if width == 0 || !is_one_row {
            return Ok(ValidationResult::Valid(None));
        }
        self.is_accepted.store(true, Ordering::SeqCst);
        Ok(ValidationResult::Valid(Some(String::new())))
    }
}

impl Hinter for Watch {
    type Hint = String;

    /// The editor calls it after each change of the line. There are no hints.
    fn hint(&self, line: &str, _position: usize, _context: &Context<'_>) -> Option<String> {
        self.gate.set_draft(line);
        None
    }
}

impl Completer for Watch {
    type Candidate = String;

    /// Of several candidates the editor is told one, and the next when Tab is pressed again: with more of them it would
    /// wait for a key, and print nothing that arrives meanwhile.
    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let change = line.get(..position).and_then(|before| self.link.complete(before));
        Ok(change.map_or((position, Vec::new()), |change| (position - change.remove, vec![change.insert])))
    }
}

impl Helper for Watch {}

/// Ctrl-C: the line that is being typed is cleared, and an empty one leaves.
pub struct Interrupt(pub Arc<Gate>);

impl ConditionalEventHandler for Interrupt {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        if context.line().is_empty() {
            self.0.shut();
            Some(Cmd::Interrupt)
        } else {
            Some(Cmd::Kill(Movement::WholeBuffer))
        }
    }
}

/// Ctrl-Z: asks the group of processes to stop, as the terminal would. The thread that waits for signals does the rest.
pub struct Suspend;

impl ConditionalEventHandler for Suspend {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        let _ = kill_current_process_group(Signal::TSTP);
        Some(Cmd::Noop)
    }
}
