//! The client between pipes: every line of the input is sent as it is, every line that arrives is printed.
//!
//! One thread sends and one prints; this one decides what the end of either means. At the end of the input the
//! connection is half closed, and what the server still has to say is printed until it closes too. What an exit code of
//! 0 promises is that the server read to the end of what was sent.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::{CLOSED, INPUT_LAST_WAIT, READ_BYTES, ReceiveEnd, receive};

/// What one of the threads has come to.
#[derive(Debug)]
enum Event {
    /// All of the input was handed to the kernel, and the connection is half closed.
    Sent,
    /// The connection takes no more.
    Refused,
    /// The input cannot be read.
    InputFailed(io::Error),
    Received(ReceiveEnd),
}

pub fn run(stream: TcpStream, input_end_wait: Duration) -> Result<ExitCode, Box<dyn Error>> {
    let stream = Arc::new(stream);
    let closed = Arc::new(AtomicBool::new(false));
    let (tell, events) = mpsc::channel();
    thread::spawn({
        let (stream, closed, tell) = (Arc::clone(&stream), Arc::clone(&closed), tell.clone());
        move || {
            let end = receive(&stream, |lines| {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines.as_bytes())?;
                stdout.flush()
            });
            closed.store(true, Ordering::SeqCst);
            // Nobody hears it when this program has come to its end.
            let _ = tell.send(Event::Received(end));
        }
    });
    thread::spawn(move || {
        let _ = tell.send(send_input(&stream, &closed));
    });
    decide(&events, input_end_wait)
}

/// Copies the input to the server, completes its last line, and half closes the connection.
fn send_input(mut stream: &TcpStream, closed: &AtomicBool) -> Event {
    let mut input = io::stdin().lock();
    let mut chunk = vec![0; READ_BYTES];
    let mut last = b'\n';
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
        // The kernel would take a first piece for a server that has closed.
        if closed.load(Ordering::SeqCst) || stream.write_all(bytes).is_err() {
            return Event::Refused;
        }
        last = *bytes.last().expect("something was read");
    }
    match stream.shutdown(Shutdown::Write) {
        Ok(()) => Event::Sent,
        // The server has reset the connection: it closed without reading to the end.
        Err(_) => Event::Refused,
    }
}

/// Waits for both threads, as far as both matter.
fn decide(events: &Receiver<Event>, input_end_wait: Duration) -> Result<ExitCode, Box<dyn Error>> {
    let first = events.recv().expect("each thread tells how it ended");
    let (sent, received) = match first {
        Event::InputFailed(error) => return Err(format!("standard input: {error}").into()),
        Event::Sent => (true, end_of_receiving(events, input_end_wait)),
        Event::Refused => (false, end_of_receiving(events, input_end_wait)),
        Event::Received(ReceiveEnd::Closed) => {
            let sent = matches!(events.recv_timeout(INPUT_LAST_WAIT), Ok(Event::Sent));
            (sent, Some(ReceiveEnd::Closed))
        }
        Event::Received(end) => (false, Some(end)),
    };
    match received {
        Some(ReceiveEnd::Show(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Some(ReceiveEnd::Show(error)) => Err(format!("standard output: {error}").into()),
        Some(ReceiveEnd::Closed) if sent => Ok(ExitCode::SUCCESS),
        None if sent => {
            let wait = humantime::format_duration(input_end_wait);
            Err(format!("the server has not closed within {wait}; it may not have taken the last lines").into())
        }
        Some(ReceiveEnd::Closed | ReceiveEnd::Broken) | None => {
            let _ = writeln!(io::stderr(), "{CLOSED}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// How receiving ended, or `None` when it goes on after `wait`.
fn end_of_receiving(events: &Receiver<Event>, wait: Duration) -> Option<ReceiveEnd> {
    match events.recv_timeout(wait) {
        Ok(Event::Received(end)) => Some(end),
        _ => None,
    }
}
