//! Lines typed on a terminal that wait for the server: bounded by their bytes, handed from the thread that reads the
//! keyboard to the one that sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use crate::limits::CHAT_QUEUE_BYTES_MAX;

/// The lines that wait, and the line that is being sent.
#[derive(Debug, Default)]
pub struct Waiting {
    bytes: AtomicUsize,
    lines: AtomicUsize,
}

impl Waiting {
    /// Lines that the kernel has not taken whole.
    pub fn lines(&self) -> usize {
        self.lines.load(Ordering::SeqCst)
    }
}

/// Where lines come in.
#[derive(Debug)]
pub struct Typed {
    waiting: Arc<Waiting>,
    lines: Sender<Vec<u8>>,
}

/// Where lines go out, in order.
#[derive(Debug)]
pub struct ToSend {
    waiting: Arc<Waiting>,
    lines: Receiver<Vec<u8>>,
}

pub fn queue() -> (Typed, ToSend, Arc<Waiting>) {
    let waiting = Arc::new(Waiting::default());
    let (send, receive) = mpsc::channel();
    (
        Typed { waiting: Arc::clone(&waiting), lines: send },
        ToSend { waiting: Arc::clone(&waiting), lines: receive },
        waiting,
    )
}

impl Typed {
    /// Takes in a line, which gets its line feed. False when too many bytes wait already.
    pub fn add(&self, line: &str) -> bool {
        let bytes = line.len() + 1;
        // Only this thread adds, so the number of waiting bytes can only fall meanwhile.
        if self.waiting.bytes.load(Ordering::SeqCst) + bytes > CHAT_QUEUE_BYTES_MAX {
            return false;
        }
        self.waiting.bytes.fetch_add(bytes, Ordering::SeqCst);
        self.waiting.lines.fetch_add(1, Ordering::SeqCst);
        // When the connection has ended, the line stays among those that wait, and is told of as not sent.
        let _ = self.lines.send(format!("{line}\n").into_bytes());
        true
    }
}

impl ToSend {
    /// Hands each line to `send` until no more lines can come, or a line cannot be sent: false then.
    pub fn drain(&self, mut send: impl FnMut(&[u8]) -> bool) -> bool {
        for line in &self.lines {
            if !send(&line) {
                return false;
            }
            self.waiting.bytes.fetch_sub(line.len(), Ordering::SeqCst);
            self.waiting.lines.fetch_sub(1, Ordering::SeqCst);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_up_to_the_bound_and_again_when_some_were_sent() {
        let (typed, to_send, waiting) = queue();
        let line = "x".repeat(CHAT_QUEUE_BYTES_MAX / 4 - 1);
        assert!((0..4).all(|_| typed.add(&line)));
        assert!(!typed.add(""), "not even a line feed");
        assert_eq!(waiting.lines(), 4);
        let mut sent = 0;
        assert!(!to_send.drain(|_| {
            sent += 1;
            sent < 3
        }));
        assert_eq!(waiting.lines(), 2, "the one that could not be sent is not");
        assert!(typed.add(&line) && typed.add(&line) && !typed.add(""));
        drop(typed);
        assert!(to_send.drain(|_| true));
    }
}
