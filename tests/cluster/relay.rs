//! The network between a node and its engine, which can be cut and can stand still.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// What the network does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    Works,
    /// Nothing arrives, in either direction, and nobody is told. What was sent arrives later.
    StandsStill,
    /// All connections are broken, and no new one is made.
    IsCut,
}

struct Shared {
    network: Mutex<Network>,
    changed: Condvar,
    streams: Mutex<Vec<TcpStream>>,
}

pub struct Relay {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Relay {
    /// Listens until the test program ends.
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            network: Mutex::new(Network::Works),
            changed: Condvar::new(),
            streams: Mutex::default(),
        });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for node in listener.incoming().map_while(Result::ok) {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || connect(&shared, node, to));
                }
            }
        });
        Self { address, shared }
    }

    /// From now on nothing arrives, and nobody is told.
    pub fn stand_still(&self) {
        self.become_(Network::StandsStill);
    }

    /// Breaks all connections, and lets no new one through.
    pub fn cut(&self) {
        self.become_(Network::IsCut);
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn heal(&self) {
        self.become_(Network::Works);
    }

    fn become_(&self, network: Network) {
        *self.shared.network.lock().unwrap() = network;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Waits while nothing arrives; false when the network is cut.
    fn lets_through(&self) -> bool {
        let network = self.network.lock().unwrap();
        let network = self.changed.wait_while(network, |network| *network == Network::StandsStill).unwrap();
        *network == Network::Works
    }
}

fn connect(shared: &Arc<Shared>, node: TcpStream, to: SocketAddr) {
    if !shared.lets_through() {
        return;
    }
    let Ok(engine) = TcpStream::connect(to) else { return };
    for stream in [&node, &engine] {
        stream.set_nodelay(true).unwrap();
        shared.streams.lock().unwrap().push(stream.try_clone().unwrap());
    }
    let (from, to) = (node.try_clone().unwrap(), engine.try_clone().unwrap());
    let upward = Arc::clone(shared);
    thread::spawn(move || forward(&upward, from, to));
    forward(shared, engine, node);
}

fn forward(shared: &Shared, mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = vec![0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !shared.lets_through() || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

#[test]
fn a_network_that_stands_still_delivers_later_and_one_that_is_cut_breaks_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = Relay::start(listener.local_addr().unwrap());
    let mut node = TcpStream::connect(relay.address).unwrap();
    let (mut engine, _) = listener.accept().unwrap();
    let mut bytes = [0; 3];
    node.write_all(b"one").unwrap();
    engine.read_exact(&mut bytes).unwrap();
    relay.stand_still();
    node.write_all(b"two").unwrap();
    engine.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    assert!(engine.read(&mut bytes).is_err());
    relay.heal();
    engine.set_read_timeout(None).unwrap();
    engine.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"two");
    relay.cut();
    assert_eq!(node.read(&mut bytes).unwrap_or(0), 0);
    let mut refused = TcpStream::connect(relay.address).unwrap();
    assert_eq!(refused.read(&mut bytes).unwrap_or(0), 0);
    relay.heal();
    let _node = TcpStream::connect(relay.address).unwrap();
    listener.accept().unwrap();
}
