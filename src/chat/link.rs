//! The connections of a client on a terminal, one after the other, and the talk that goes on over them.
//!
//! One thread reads ([`Link::read`]) and comes back when a connection breaks, another sends ([`Link::send`]) and sees
//! that no server is waited for too long. Both block, so a server that does not read stops nothing but the sending. What
//! is to be shown goes into a channel with a bound: while nothing can be printed, nothing more is read.

use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use super::backoff::Backoff;
use super::completion::{Change, Completion};
use super::connect::Server;
use super::notices::Heard;
use super::object::Shown;
use super::receive;
use super::session::Session;
use super::stream::Stream;
use crate::limits::CHAT_SEND_BYTES;

/// How long a server may be silent before its kernel is asked whether it is still there, the pause between two such
/// questions, and how many of them without an answer end the connection.
const SILENCE_MAX: Duration = Duration::from_secs(20);
const PROBE_PAUSE: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// How long sent bytes may stay unacknowledged. The kernel's own bound is some 15 minutes.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);

/// What the thread that prints is handed.
#[derive(Debug)]
pub enum Arrival {
    Lines(Vec<Shown>),
    /// The last connection has ended. What its server has said of that.
    Ended(Heard),
}

#[derive(Debug)]
pub struct Link {
    server: Server,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    session: Session,
    completion: Completion,
    /// The latest connection.
    stream: Arc<Stream>,
    /// Counts connections.
    number: u64,
    /// True while a line that the user typed is handed to the kernel.
    is_sending: bool,
    /// The connection that took no more.
    broken: Option<u64>,
    /// True once the user has left.
    is_leaving: bool,
    /// True once there will be no further connection.
    is_over: bool,
}

impl Link {
    /// The talk begins over `stream`, which leads to `server`.
    pub fn new(server: Server, stream: Stream, mut session: Session) -> Self {
        prepare(stream.socket());
        session.connected(Instant::now());
        let stream = Arc::new(stream);
        let state = State {
            session,
            completion: Completion::default(),
            stream,
            number: 0,
            is_sending: false,
            broken: None,
            is_leaving: false,
            is_over: false,
        };
        Self { server, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the link panics")
    }

    /// Takes in a line that was typed. False when too many bytes wait already.
    pub fn type_line(&self, line: &str) -> bool {
        let is_taken = self.state().session.type_line(line);
        self.changed.notify_all();
        is_taken
    }

    /// The user leaves: what was typed is sent, then the connection is half closed.
    pub fn leave(&self) {
        self.state().is_leaving = true;
        self.changed.notify_all();
    }

    /// The room, and how many are in it; no number while there is no connection.
    pub fn status(&self) -> Option<(String, Option<u64>)> {
        self.state().session.status()
    }

    /// What Tab changes of the text before the cursor.
    pub fn complete(&self, before: &str) -> Option<Change> {
        let State { session, completion, .. } = &mut *self.state();
        completion.press(before, &session.names)
    }

    /// Waits until it is known how the server is spoken to and in which room this client is.
    pub fn wait_until_settled(&self, wait: Duration) {
        let is_open = |state: &mut State| !state.session.is_settled() && !state.is_over;
        let _ = self.changed.wait_timeout_while(self.state(), wait, is_open);
    }

    /// Lines typed that the kernel has not taken whole.
    pub fn waiting_lines(&self) -> usize {
        let state = self.state();
        state.session.waiting_lines() + usize::from(state.is_sending)
    }

    pub fn is_offline(&self) -> bool {
        self.state().session.is_offline()
    }

    /// The latest connection.
    pub fn stream(&self) -> Arc<Stream> {
        Arc::clone(&self.state().stream)
    }

    /// Reads what servers send until the last connection has ended.
    pub fn read(&self, show: &SyncSender<Arrival>) {
        let mut backoff = Backoff::default();
        loop {
            let begun = Instant::now();
            let stream = self.stream();
            receive(&stream, |lines| {
                let mut out = Vec::new();
                let mut state = self.state();
                for line in lines.lines() {
                    state.session.hear(line, Instant::now(), &mut out);
                }
                drop(state);
                self.changed.notify_all();
                tell(show, out);
                Ok(())
            });
            backoff.lasted(begun.elapsed());
            let mut out = Vec::new();
            let mut state = self.state();
            let comes_back = state.session.disconnected(Instant::now(), &mut out) && !state.is_leaving;
            drop(state);
            tell(show, out);
            if !comes_back || !self.connect_again(&mut backoff, show) {
                break;
            }
        }
        let mut state = self.state();
        state.is_over = true;
        let heard = mem::take(&mut state.session.heard);
        drop(state);
        self.changed.notify_all();
        let _ = show.send(Arrival::Ended(heard));
    }

    /// Tries to connect until it is done: true; or the user leaves. A server that does not prove who it is any more is
    /// told of once, and tried on.
    fn connect_again(&self, backoff: &mut Backoff, show: &SyncSender<Arrival>) -> bool {
        // A write that waits for a peer that is gone ends.
        let _ = self.stream().socket().shutdown(Shutdown::Both);
        let mut is_told = false;
        loop {
            // Its keys are random, in each of them.
            let wait = backoff.next(RandomState::new().hash_one(()));
            let waiting = self.changed.wait_timeout_while(self.state(), wait, |state| !state.is_leaving);
            if waiting.expect("no holder of the link panics").0.is_leaving {
                return false;
            }
            let stream = match self.server.connect() {
                Ok(stream) => stream,
                Err(error) => {
                    if let Some(why) = error.distrust().filter(|_| !is_told) {
                        tell(show, vec![Shown::dim(format!("! not connected: {why}"))]);
                        is_told = true;
                    }
                    continue;
                }
            };
            prepare(stream.socket());
            let mut state = self.state();
            state.stream = Arc::new(stream);
            state.number += 1;
            state.session.connected(Instant::now());
            drop(state);
            self.changed.notify_all();
            return true;
        }
    }

    /// Sends lines until there will be no further connection, and half closes the connection after the last line of a
    /// user that leaves.
    pub fn send(&self, show: &SyncSender<Arrival>) {
        let mut state = self.state();
        let mut closed = None;
        while !state.is_over {
            let is_usable = state.broken != Some(state.number) && closed != Some(state.number);
            let next = if is_usable { state.session.next_line() } else { None };
            let is_last = is_usable && state.is_leaving && next.is_none() && state.session.is_drained();
            // It tells the server that the name is free: a connection that only ends may come back.
            let next = next.or_else(|| (is_last && state.session.is_live()).then(|| "/quit".to_owned()));
            if next.is_none() && !is_last {
                state = self.wait(state, show);
                continue;
            }
            let (stream, number) = (Arc::clone(&state.stream), state.number);
            if let Some(mut line) = next {
                line.push('\n');
                state.is_sending = !is_last;
                drop(state);
                let is_sent = stream.write_all(line.as_bytes()).is_ok();
                state = self.state();
                state.is_sending = false;
                if !is_sent {
                    line.pop();
                    state.session.not_sent(line);
                    state.broken = Some(number);
                }
            }
            if is_last {
                // It fails when the server has closed: the thread that reads from it says so.
                let _ = stream.finish();
                closed = Some(number);
            }
        }
    }

    /// Waits for something to do, and tells the session when the server has taken too long.
    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, show: &SyncSender<Arrival>) -> MutexGuard<'a, State> {
        let Some(deadline) = state.session.deadline() else {
            return self.changed.wait(state).expect("no holder of the link panics");
        };
        let wait = deadline.saturating_duration_since(Instant::now());
        let (mut state, _) = self.changed.wait_timeout(state, wait).expect("no holder of the link panics");
        let now = Instant::now();
        if state.session.deadline().is_some_and(|deadline| deadline <= now) {
            let mut out = Vec::new();
            state.session.time_out(now, &mut out);
            drop(state);
            self.changed.notify_all();
            tell(show, out);
            state = self.state();
        }
        state
    }
}

/// The receiver is gone when this program is ending.
fn tell(show: &SyncSender<Arrival>, lines: Vec<Shown>) {
    if !lines.is_empty() {
        let _ = show.send(Arrival::Lines(lines));
    }
}

/// Sets options of a connection. Without them it works worse, and nothing else is wrong.
fn prepare(stream: &TcpStream) {
    // What waits in the session can be counted when the server goes, and what waits in the kernel cannot.
    let _ = sockopt::set_socket_send_buffer_size(stream, CHAT_SEND_BYTES);
    // A server that has vanished without a word is found.
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, SILENCE_MAX);
    let _ = sockopt::set_tcp_keepintvl(stream, PROBE_PAUSE);
    let _ = sockopt::set_tcp_keepcnt(stream, PROBES);
    let millis = u32::try_from(UNACKNOWLEDGED_MAX.as_millis()).expect("it is a minute");
    let _ = sockopt::set_tcp_user_timeout(stream, millis);
}
