//! Members that write down all that they hear, by any door.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

use crate::support::{PATIENCE, Server};

/// How a member comes in, and what it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Text,
    /// The same port, in JSON.
    Json,
    Web,
    Irc,
}

/// A line of a test, and who is to have said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// The number of the author in its talk.
    pub author: usize,
    /// The number of the line among those of the author.
    pub number: usize,
}

impl Line {
    pub fn text(self) -> String {
        format!("author {} says {}", self.author, self.number)
    }

    fn parse(text: &str) -> Option<Self> {
        let (author, number) = text.strip_prefix("author ")?.split_once(" says ")?;
        Some(Self { author: author.parse().ok()?, number: number.parse().ok()? })
    }
}

/// What a member was sent, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A message of a talk, with its number where the format has one.
    Line(Line, Option<u64>),
    /// Everything else, as it came.
    Other(String),
}

#[derive(Default)]
struct Notes {
    heard: Vec<Heard>,
    is_over: bool,
}

pub struct Member {
    pub door: Door,
    notes: Arc<(Mutex<Notes>, Condvar)>,
    stream: TcpStream,
    /// Of a WebSocket: frames that it sends.
    web: Option<WebSocket<TcpStream>>,
}

impl Member {
    /// A newcomer that is in the lobby.
    pub fn join(server: &Server, door: Door) -> Self {
        let member = Self::connect(server, door);
        let is_in = |text: &str| match door {
            Door::Text => text.starts_with("> Connected to the chat server ("),
            Door::Json | Door::Web => text.contains(r#""kind":"welcome""#),
            Door::Irc => text.contains(" 366 "),
        };
        member.wait_for(is_in);
        member
    }

    /// One that has connected, and says what its door asks for.
    pub fn connect(server: &Server, door: Door) -> Self {
        let address = match door {
            Door::Text | Door::Json => server.address,
            Door::Web => server.door("web"),
            Door::Irc => server.door("irc"),
        };
        let mut stream = TcpStream::connect(address).expect("the node accepts");
        stream.set_nodelay(true).unwrap();
        // A name is unique in the whole cluster.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nick = format!("m{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let hello = match door {
            Door::Text | Door::Web => String::new(),
            Door::Json => "/format json\n".to_owned(),
            Door::Irc => format!("NICK {nick}\r\nUSER {nick} 0 * :{nick}\r\nJOIN #lobby\r\n"),
        };
        stream.write_all(hello.as_bytes()).unwrap();
        let notes = Arc::<(Mutex<Notes>, Condvar)>::default();
        let (reader, noted) = (stream.try_clone().unwrap(), Arc::clone(&notes));
        let mut web = None;
        if door == Door::Web {
            let url = format!("ws://{address}/ws?room=lobby");
            let (socket, _) = tungstenite::client(url, reader).expect("a WebSocket is opened");
            web = Some(WebSocket::from_raw_socket(stream.try_clone().unwrap(), Role::Client, None));
            thread::spawn(move || read_frames(socket, &noted));
        } else {
            thread::spawn(move || read_lines(reader, door, &noted));
        }
        Self { door, notes, stream, web }
    }

    /// Says `text`, or gives a command, in the way of its door. False when its connection is over.
    pub fn say(&mut self, text: &str) -> bool {
        match (&mut self.web, self.door) {
            (Some(web), _) => web.send(Message::text(text)).is_ok(),
            (None, Door::Irc) => self.stream.write_all(format!("PRIVMSG #lobby :{text}\r\n").as_bytes()).is_ok(),
            (None, _) => self.stream.write_all(format!("{text}\n").as_bytes()).is_ok(),
        }
    }

    /// Everything that it was sent so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.notes.0.lock().unwrap().heard.clone()
    }

    /// The lines of a talk that it was sent so far, with their numbers.
    pub fn lines(&self) -> Vec<(Line, Option<u64>)> {
        let line = |heard: Heard| match heard {
            Heard::Line(line, n) => Some((line, n)),
            Heard::Other(_) => None,
        };
        self.heard().into_iter().filter_map(line).collect()
    }

    /// What it was sent beside that and satisfies `is_it`.
    pub fn others(&self, is_it: impl Fn(&str) -> bool) -> Vec<String> {
        let other = |heard: Heard| match heard {
            Heard::Other(text) if is_it(&text) => Some(text),
            _ => None,
        };
        self.heard().into_iter().filter_map(other).collect()
    }

    pub fn is_over(&self) -> bool {
        self.notes.0.lock().unwrap().is_over
    }

    /// Waits for something that is no line of a talk, and returns it.
    #[track_caller]
    pub fn wait_for(&self, is_it: impl Fn(&str) -> bool) -> String {
        self.wait_within(PATIENCE, is_it).unwrap_or_else(|| {
            let heard = self.heard();
            panic!("it does not come; the last of what came: {:?}", &heard[heard.len().saturating_sub(10)..])
        })
    }

    /// The same, or `None` when it has not come after `time`.
    pub fn wait_within(&self, time: Duration, is_it: impl Fn(&str) -> bool) -> Option<String> {
        self.wait(time, |notes| {
            notes.heard.iter().find_map(|heard| match heard {
                Heard::Other(text) if is_it(text) => Some(text.clone()),
                _ => None,
            })
        })
    }

    /// Waits until it has so many lines of a talk; false when they have not come after `time`.
    pub fn wait_for_lines(&self, count: usize, time: Duration) -> bool {
        let lines = |notes: &Notes| notes.heard.iter().filter(|heard| matches!(heard, Heard::Line(..))).count();
        self.wait(time, |notes| (lines(notes) >= count).then_some(())).is_some()
    }

    fn wait<T>(&self, time: Duration, found: impl Fn(&Notes) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + time;
        let (notes, changed) = &*self.notes;
        let mut notes = notes.lock().unwrap();
        loop {
            if let Some(found) = found(&notes) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || notes.is_over {
                return None;
            }
            notes = changed.wait_timeout(notes, left).unwrap().0;
        }
    }

    /// Its connection ends with a reset, so that what it has not read is lost.
    pub fn vanish(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Its reader ends.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

fn read_lines(stream: TcpStream, door: Door, notes: &(Mutex<Notes>, Condvar)) {
    let mut answers = stream.try_clone().unwrap();
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        if door == Door::Irc
            && let Some(token) = line.strip_prefix("PING ")
        {
            let _ = answers.write_all(format!("PONG {token}\r\n").as_bytes());
        }
        note(notes, heard(door, line));
    }
    end(notes);
}

fn read_frames(mut socket: WebSocket<TcpStream>, notes: &(Mutex<Notes>, Condvar)) {
    while let Ok(message) = socket.read() {
        if let Message::Text(text) = message {
            note(notes, heard(Door::Web, text.trim_end().to_owned()));
        }
    }
    end(notes);
}

fn note((notes, changed): &(Mutex<Notes>, Condvar), heard: Heard) {
    notes.lock().unwrap().heard.push(heard);
    changed.notify_all();
}

fn end((notes, changed): &(Mutex<Notes>, Condvar)) {
    notes.lock().unwrap().is_over = true;
    changed.notify_all();
}

/// What a line of the server is.
fn heard(door: Door, line: String) -> Heard {
    let found = match door {
        Door::Text => line.strip_prefix('[').and_then(|rest| Some((Line::parse(rest.split_once("] ")?.1)?, None))),
        Door::Irc => line.split_once(" PRIVMSG #lobby :").and_then(|(_, text)| Some((Line::parse(text)?, None))),
        Door::Json | Door::Web => of_object(&line),
    };
    match found {
        Some((line, n)) => Heard::Line(line, n),
        None => Heard::Other(line),
    }
}

fn of_object(line: &str) -> Option<(Line, Option<u64>)> {
    let object: Value = serde_json::from_str(line).ok()?;
    if object["kind"] != "message" {
        return None;
    }
    let n = object["n"].as_u64();
    assert!(n.is_some_and(|n| n < 1 << 53), "a message has a number that a program can read: {line}");
    Some((Line::parse(object["text"].as_str()?)?, n))
}

#[test]
fn a_line_is_known_by_every_door() {
    let line = Line { author: 3, number: 17 };
    let text = line.text();
    assert_eq!(heard(Door::Text, format!("[127.0.0.1:5] {text}")), Heard::Line(line, None));
    assert_eq!(heard(Door::Irc, format!(":bob!bob@x PRIVMSG #lobby :{text}")), Heard::Line(line, None));
    let object = format!(r#"{{"n":48212,"t":1,"kind":"message","from":"bob","id":"9f3a","text":"{text}"}}"#);
    assert_eq!(heard(Door::Json, object), Heard::Line(line, Some(48212)));
    for other in ["[bob] hi", "> New user author 3 says 17", r#"{"n":5,"kind":"said"}"#] {
        assert_eq!(heard(Door::Text, other.to_owned()), Heard::Other(other.to_owned()));
    }
}
