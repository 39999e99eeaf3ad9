//! The service manager of the server of a run: it waits for the signs by which a server says that its loop turns
//! (`WATCHDOG=1`, sd_notify(3)), and notes how far apart they are.
//!
//! A pause is the time from one sign to the next; the first begins with the server's start, or where it says `READY=1`, and the
//! last ends when it says that it stops. One longer than the patience is a miss: systemd would have ended the server.

use std::ffi::OsString;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Context, Result};
use crate::results::summary::WatchdogPart;
use crate::scratch::Scratch;

/// Longer than what a server says at a time; what is cut off is not looked at.
const MESSAGE_BYTES_MAX: usize = 4096;

/// A manager that listens.
#[derive(Debug)]
pub struct Watchdog {
    patience: Duration,
    path: PathBuf,
    socket: Arc<UnixDatagram>,
    reader: Option<JoinHandle<Signs>>,
    _folder: Scratch,
}

impl Watchdog {
    /// Waits for signs that are at most `patience` apart.
    pub fn new(patience: Duration) -> Result<Self> {
        let folder = Scratch::new()?;
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).context(|| format!("cannot listen on {}", path.display()))?;
        let socket = Arc::new(socket);
        let heard = Arc::clone(&socket);
        let reader = std::thread::spawn(move || read(&heard, Signs::new(patience, Instant::now())));
        Ok(Self { patience, path, socket, reader: Some(reader), _folder: folder })
    }

    /// What the server's environment needs.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let microseconds = self.patience.as_micros().to_string();
        vec![("NOTIFY_SOCKET", self.path.clone().into()), ("WATCHDOG_USEC", microseconds.into())]
    }

    /// What was heard, now that the server has ended.
    pub fn finish(mut self) -> WatchdogPart {
        self.hang_up();
        let reader = self.reader.take().expect("it is there until the end");
        let signs = reader.join().expect("the reader does not panic");
        WatchdogPart {
            patience_s: self.patience.as_secs_f64(),
            signs: signs.count,
            missed: signs.missed,
            longest_pause_s: signs.longest.as_secs_f64(),
        }
    }

    /// Has the reader end once it has read what was sent.
    fn hang_up(&self) {
        // It fails for no socket that is bound.
        let _ = self.socket.shutdown(Shutdown::Read);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.hang_up();
    }
}

fn read(socket: &UnixDatagram, mut signs: Signs) -> Signs {
    let mut message = [0; MESSAGE_BYTES_MAX];
    loop {
        // An error of the socket would come again and again.
        let count = socket.recv(&mut message).unwrap_or(0);
        let now = Instant::now();
        if count == 0 {
            signs.end(now);
            return signs;
        }
        for line in message[..count].split(|byte| *byte == b'\n') {
            signs.hear(line, now);
        }
    }
}

/// The signs so far.
#[derive(Debug, Clone, Copy)]
struct Signs {
    patience: Duration,
    count: u64,
    missed: u64,
    longest: Duration,
    /// When the pause began that has not ended; `None` once the server stops.
    since: Option<Instant>,
}

impl Signs {
    fn new(patience: Duration, now: Instant) -> Self {
        Self { patience, count: 0, missed: 0, longest: Duration::ZERO, since: Some(now) }
    }

    /// Hears a line of a message.
    fn hear(&mut self, line: &[u8], now: Instant) {
        match line {
            b"READY=1" if self.count == 0 => self.since = Some(now),
            b"WATCHDOG=1" if self.since.is_some() => {
                self.count += 1;
                self.end(now);
                self.since = Some(now);
            }
            b"STOPPING=1" => self.end(now),
            _ => {}
        }
    }

    /// Ends a pause.
    fn end(&mut self, now: Instant) {
        let Some(since) = self.since.take() else { return };
        let pause = now - since;
        self.longest = self.longest.max(pause);
        self.missed += u64::from(pause > self.patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_is_too_long_is_missed_wherever_it_is() {
        let start = Instant::now();
        let heard = |lines: &[(u64, &str)], end_ms| {
            let at = |ms| start + Duration::from_millis(ms);
            let mut signs = Signs::new(Duration::from_millis(100), start);
            lines.iter().for_each(|(ms, line)| signs.hear(line.as_bytes(), at(*ms)));
            signs.end(at(end_ms));
            (signs.count, signs.missed, signs.longest.as_millis())
        };
        assert_eq!(heard(&[(50, "READY=1"), (150, "WATCHDOG=1"), (250, "WATCHDOG=1")], 300), (2, 0, 100));
        assert_eq!(heard(&[(150, "READY=1"), (200, "WATCHDOG=1")], 250), (1, 0, 50), "its start is no pause");
        assert_eq!(heard(&[(50, "WATCHDOG=1"), (151, "WATCHDOG=1")], 200), (2, 1, 101), "between two signs");
        assert_eq!(heard(&[(50, "WATCHDOG=1")], 151), (1, 1, 101), "behind the last sign");
        assert_eq!(heard(&[], 200), (0, 1, 200), "none at all");
        let stops = [(50, "WATCHDOG=1"), (60, "STOPPING=1"), (500, "WATCHDOG=1")];
        assert_eq!(heard(&stops, 900), (1, 0, 50), "nobody waits for a server that stops");
    }

    #[test]
    fn what_a_server_says_is_heard_until_it_has_ended() {
        let watchdog = Watchdog::new(Duration::from_secs(60)).unwrap();
        let environment = watchdog.environment();
        assert_eq!(environment[1], ("WATCHDOG_USEC", "60000000".into()));
        let server = UnixDatagram::unbound().unwrap();
        for message in ["READY=1\nSTATUS=0 members", "WATCHDOG=1", "STATUS=1 member\nWATCHDOG=1"] {
            server.send_to(message.as_bytes(), &environment[0].1).unwrap();
        }
        let WatchdogPart { patience_s, signs, missed, longest_pause_s } = watchdog.finish();
        assert_eq!((patience_s, signs, missed), (60.0, 2, 0));
        assert!(longest_pause_s > 0.0 && longest_pause_s < 60.0);
        assert!(!PathBuf::from(&environment[0].1).exists());
    }
}
