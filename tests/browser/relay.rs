//! A network between a browser and the server that can be cut, and that can lose what is sent in one direction.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Default)]
struct State {
    /// Bytes of browsers are read and lost.
    loses_upward: AtomicBool,
    /// Bytes of the server are read and lost.
    loses_downward: AtomicBool,
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
                thread::spawn(move || forward(from, to, || state.loses_upward.load(Ordering::SeqCst)));
                let state = Arc::clone(&shared);
                thread::spawn(move || forward(server, browser, || state.loses_downward.load(Ordering::SeqCst)));
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

fn forward(mut from: TcpStream, mut to: TcpStream, is_lost: impl Fn() -> bool) {
    let mut bytes = vec![0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !is_lost() && to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
