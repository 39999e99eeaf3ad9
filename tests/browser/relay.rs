//! A network between a browser and the server that can be cut, and that can lose what is sent in one direction.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Default)]
struct State {
    /// Bytes of browsers are read and lost.
    loses_upward: AtomicBool,
    /// Bytes of the server are read and lost.
    loses_downward: AtomicBool,
    /// A connection breaks without a word when a browser sends so much at once.
    breaks_at: AtomicUsize,
    /// New connections are closed at once.
    is_down: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

pub struct Relay {
    pub address: SocketAddr,
    state: Arc<State>,
}

impl Relay {
    /// Listens until the test program ends.
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<State>::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for browser in listener.incoming().map_while(Result::ok) {
                if shared.is_down.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(server) else { continue };
                for stream in [&browser, &server] {
                    stream.set_nodelay(true).unwrap();
                    shared.streams.lock().unwrap().push(stream.try_clone().unwrap());
                }
                let (from, to) = (browser.try_clone().unwrap(), server.try_clone().unwrap());
                let state = Arc::clone(&shared);
                thread::spawn(move || forward(from, to, |bytes| state.of_browser(bytes)));
                let state = Arc::clone(&shared);
                thread::spawn(move || forward(server, browser, |_| Fate::of(&state.loses_downward)));
            }
        });
        Self { address, state }
    }

    /// From now on what browsers send is lost.
    pub fn lose_upward(&self) {
        self.state.loses_upward.store(true, Ordering::SeqCst);
    }

    /// From now on what the server sends is lost.
    pub fn lose_downward(&self) {
        self.state.loses_downward.store(true, Ordering::SeqCst);
    }

    /// From now on a connection breaks when a browser sends so many bytes at once.
    pub fn break_at(&self, bytes: usize) {
        self.state.breaks_at.store(bytes, Ordering::SeqCst);
    }

    /// Breaks all connections, and lets no new one through until [`Self::mend`].
    pub fn cut(&self) {
        self.state.is_down.store(true, Ordering::SeqCst);
        for stream in self.state.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn mend(&self) {
        for lost in [&self.state.loses_upward, &self.state.loses_downward, &self.state.is_down] {
            lost.store(false, Ordering::SeqCst);
        }
    }
}

/// What becomes of bytes.
enum Fate {
    Arrive,
    AreLost,
    BreakIt,
}

impl Fate {
    fn of(loses: &AtomicBool) -> Self {
        if loses.load(Ordering::SeqCst) { Self::AreLost } else { Self::Arrive }
    }
}

impl State {
    fn of_browser(&self, bytes: usize) -> Fate {
        let breaks_at = self.breaks_at.load(Ordering::SeqCst);
        if breaks_at != 0 && bytes >= breaks_at { Fate::BreakIt } else { Fate::of(&self.loses_upward) }
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, fate: impl Fn(usize) -> Fate) {
    let mut bytes = vec![0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        match fate(count) {
            Fate::Arrive if to.write_all(&bytes[..count]).is_ok() => {}
            Fate::AreLost => {}
            Fate::Arrive | Fate::BreakIt => break,
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
