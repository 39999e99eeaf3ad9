//! The client between pipes: every line of the input is sent as it is, every line that arrives is printed.
//!
//! One thread sends and one prints; the main thread decides what the end of either means. At the end of the input the
//! connection is half closed, and further lines are printed until the server closes too. Exit code 0 means that the
//! server read to the end of the input and refused nothing. Otherwise the lines that were not said are counted, as far
//! as that is possible (`account`). Objects are printed as the lines of the text format, or as they are (`--json`). Where
//! a name or a room was asked for, the input waits until it is known that this client has it. On a terminal long lines
//! get indented rows, as with the line editor; in a pipe lines stay as they are, and nothing is coloured.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::account::{End, Lines, Unsaid};
use super::object::{Object, Shown};
use super::session::Session;
use super::stream::Stream;
use super::style::{Colours, Style};
use super::{CLOSED, INPUT_LAST_WAIT, Options, READ_BYTES, ReceiveEnd, closed_in_order, complain, page, receive};

/// How one of the threads has ended.
#[derive(Debug)]
enum Event {
    /// All of the input was handed to the kernel, and the connection is half closed.
    Sent,
    /// The input has ended, and not all of it could be sent.
    InputEnded,
    /// The server has refused the name or the room, and nothing of the input was sent.
    StepFailed(String),
    /// The input cannot be read.
    InputFailed(io::Error),
    Received(ReceiveEnd),
}

/// The state that the threads share.
#[derive(Debug)]
struct Talk {
    session: Mutex<Session>,
    /// Told of whenever the session may have become another.
    changed: Condvar,
    lines: Mutex<Lines>,
    /// True once the server has closed. The kernel would take one more piece for it.
    closed: Mutex<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn run(stream: Stream, options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let stream = Arc::new(stream);
    let mut session = Session::new(options.session(false), Instant::now());
    session.connected(Instant::now());
    let talk = Arc::new(Talk {
        session: Mutex::new(session),
        changed: Condvar::new(),
        lines: Mutex::default(),
        closed: Mutex::default(),
    });
    let style = Style { colours: Colours::None, times: options.time_zone() };
    let (tell, events) = mpsc::channel();
    thread::spawn({
        let (stream, talk, tell) = (Arc::clone(&stream), Arc::clone(&talk), tell.clone());
        let is_raw = options.json;
        move || {
            let end = receive(&stream, |lines| {
                let mut out = Vec::new();
                let mut session = lock(&talk.session);
                lines.lines().for_each(|line| session.hear(line, Instant::now(), &mut out));
                drop(session);
                let printed = if is_raw { print_objects(lines) } else { print(&out, &style) };
                // Afterwards: what it changes may be the end, and these lines say why.
                talk.changed.notify_all();
                printed
            });
            *lock(&talk.closed) = true;
            talk.changed.notify_all();
            // The receiver is gone when this program is ending.
            let _ = tell.send(Event::Received(end));
        }
    });
    let is_held = !options.plain && (options.nick.is_some() || options.room.is_some());
    thread::spawn({
        let (stream, talk) = (Arc::clone(&stream), Arc::clone(&talk));
        move || {
            let _ = tell.send(match begin(&stream, &talk, is_held) {
                Ok(()) => send_input(&stream, &talk),
                Err(why) => Event::StepFailed(why),
            });
        }
    });
    decide(&stream, &talk, &events, options.wait)
}

fn print(lines: &[Shown], style: &Style) -> io::Result<()> {
    let (page, now) = (page(), Timestamp::now());
    let mut stdout = io::stdout().lock();
    for line in lines {
        match page {
            Some(page) => stdout.write_all(style.rows(line, page, now).as_bytes())?,
            None => writeln!(stdout, "{}", style.text(line, now))?,
        }
    }
    stdout.flush()
}

/// Prints objects as they are. Lines that are none, but for the one that each server begins with, go elsewhere: a
/// program that reads objects gets nothing else.
fn print_objects(lines: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for line in lines.lines() {
        if Object::parse(line).is_some() {
            writeln!(stdout, "{line}")?;
        } else if !line.starts_with("> ") {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
    stdout.flush()
}

/// Sends what goes before the input. Where the input `is_held`, waits until the server has answered it: an error says
/// why it was refused.
fn begin(stream: &Stream, talk: &Talk, is_held: bool) -> Result<(), String> {
    let mut session = lock(&talk.session);
    loop {
        while let Some(line) = session.next_line() {
            // It fails when the server has closed: the thread that reads from it says so.
            let _ = stream.write_all((line + "\n").as_bytes());
        }
        if let Some(why) = session.step_failed.take() {
            return Err(why);
        }
        if !is_held || session.may_say() || *lock(&talk.closed) {
            return Ok(());
        }
        let wait = session.deadline().map_or(Duration::ZERO, remaining);
        session = talk.changed.wait_timeout(session, wait).unwrap_or_else(PoisonError::into_inner).0;
        if session.deadline().is_some_and(|deadline| remaining(deadline).is_zero()) {
            session.time_out(Instant::now(), &mut Vec::new());
        }
    }
}

/// Copies the input to the server, completes its last line, and half closes the connection. When the server takes no
/// more, the rest of the input is read and counted.
fn send_input(stream: &Stream, talk: &Talk) -> Event {
    let mut input = io::stdin().lock();
    let mut chunk = vec![0; READ_BYTES];
    let mut last = b'\n';
    let mut is_taken = true;
    loop {
        let length = match input.read(&mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Event::InputFailed(error),
        };
        let bytes: &[u8] = match length {
            0 if last == b'\n' => break,
            0 => b"\n",
            _ => &chunk[..length],
        };
        lock(&talk.lines).add(bytes);
        is_taken = is_taken && !*lock(&talk.closed) && stream.write_all(bytes).is_ok();
        last = *bytes.last().expect("something was read");
    }
    // It fails when the server has reset the connection: it closed without reading to the end.
    if is_taken && stream.finish().is_ok() { Event::Sent } else { Event::InputEnded }
}

/// Waits for both threads, as far as both matter.
fn decide(
    stream: &Stream,
    talk: &Talk,
    events: &Receiver<Event>,
    input_end_wait: Duration,
) -> Result<ExitCode, Box<dyn Error>> {
    let mut sent = false;
    let mut input_ended = false;
    let mut received = None;
    let mut deadline = None;
    while !(input_ended && received.is_some()) {
        let event = match deadline {
            None => events.recv().ok(),
            Some(deadline) => events.recv_timeout(remaining(deadline)).ok(),
        };
        match event {
            Some(Event::StepFailed(why)) => return Err(format!("nothing was sent: {why}").into()),
            Some(Event::InputFailed(error)) => return Err(format!("standard input: {error}").into()),
            Some(Event::Received(ReceiveEnd::Show(error))) if error.kind() == ErrorKind::BrokenPipe => {
                return Ok(ExitCode::SUCCESS);
            }
            Some(Event::Received(ReceiveEnd::Show(error))) => return Err(format!("standard output: {error}").into()),
            Some(Event::Received(end)) => {
                received = Some(end);
                deadline = Some(Instant::now() + INPUT_LAST_WAIT);
            }
            Some(event @ (Event::Sent | Event::InputEnded)) => {
                (sent, input_ended) = (matches!(event, Event::Sent), true);
                deadline = Some(Instant::now() + input_end_wait);
            }
            None => break,
        }
    }
    let end = match received {
        Some(ReceiveEnd::Closed) if sent && closed_in_order(stream.socket()) => End::ReadWhole,
        None if sent => End::NotClosed,
        _ => End::ClosedEarly,
    };
    let heard = &lock(&talk.session).heard;
    let unsaid = Unsaid::of(&lock(&talk.lines), heard, end);
    let refused = heard.refused.is_some();
    match end {
        End::ReadWhole if unsaid.is_none() && !refused => return Ok(ExitCode::SUCCESS),
        End::ReadWhole => {}
        End::ClosedEarly => {
            let _ = writeln!(io::stderr(), "{CLOSED}");
        }
        End::NotClosed => {
            complain(format_args!("the server has not closed within {}", humantime::format_duration(input_end_wait)));
        }
    }
    if let Some(unsaid) = unsaid {
        complain(format_args!("{unsaid}"));
    }
    Ok(ExitCode::FAILURE)
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
