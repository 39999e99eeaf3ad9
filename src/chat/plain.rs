//! The client between pipes: every line of the input is sent as it is, every line that arrives is printed.
//!
//! One thread sends and one prints; the main thread decides what the end of either means. At the end of the input the
//! connection is half closed, and further lines are printed until the server closes too. Exit code 0 means that the
//! server read to the end of the input and refused nothing. Otherwise the lines that were not said are counted, as far
//! as that is possible (`account`). On a terminal long lines get indented rows, as with the line editor; in a pipe
//! lines stay as they are.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::account::{End, Lines, Unsaid};
use super::notices::Heard;
use super::{CLOSED, INPUT_LAST_WAIT, READ_BYTES, ReceiveEnd, closed_in_order, complain, page, receive};

/// How one of the threads has ended.
#[derive(Debug)]
enum Event {
    /// All of the input was handed to the kernel, and the connection is half closed.
    Sent,
    /// The input has ended, and not all of it could be sent.
    InputEnded,
    /// The input cannot be read.
    InputFailed(io::Error),
    Received(ReceiveEnd),
}

/// The state that the threads share.
#[derive(Debug, Default)]
struct Talk {
    heard: Mutex<Heard>,
    lines: Mutex<Lines>,
    /// True once the server has closed. The kernel would take one more piece for it.
    closed: Mutex<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn run(stream: TcpStream, input_end_wait: Duration) -> Result<ExitCode, Box<dyn Error>> {
    let stream = Arc::new(stream);
    let talk = Arc::new(Talk::default());
    let (tell, events) = mpsc::channel();
    thread::spawn({
        let (stream, talk, tell) = (Arc::clone(&stream), Arc::clone(&talk), tell.clone());
        move || {
            let end = receive(&stream, |lines| {
                lock(&talk.heard).add(lines);
                print(lines)
            });
            *lock(&talk.closed) = true;
            // The receiver is gone when this program is ending.
            let _ = tell.send(Event::Received(end));
        }
    });
    thread::spawn({
        let (stream, talk) = (Arc::clone(&stream), Arc::clone(&talk));
        move || {
            let _ = tell.send(send_input(&stream, &talk));
        }
    });
    decide(&stream, &talk, &events, input_end_wait)
}

fn print(lines: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match page() {
        Some(page) => stdout.write_all(page.rows(lines).as_bytes())?,
        None => stdout.write_all(lines.as_bytes())?,
    }
    stdout.flush()
}

/// Copies the input to the server, completes its last line, and half closes the connection. When the server takes no
/// more, the rest of the input is read and counted.
fn send_input(mut stream: &TcpStream, talk: &Talk) -> Event {
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
    if is_taken && stream.shutdown(Shutdown::Write).is_ok() { Event::Sent } else { Event::InputEnded }
}

/// Waits for both threads, as far as both matter.
fn decide(
    stream: &TcpStream,
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
        Some(ReceiveEnd::Closed) if sent && closed_in_order(stream) => End::ReadWhole,
        None if sent => End::NotClosed,
        _ => End::ClosedEarly,
    };
    let unsaid = Unsaid::of(&lock(&talk.lines), &lock(&talk.heard), end);
    let refused = lock(&talk.heard).refused.is_some();
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
