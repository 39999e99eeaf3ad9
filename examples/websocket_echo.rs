//! A WebSocket server that sends each message back, made of the same handshake and the same frames as the server's. The
//! conformance cases of Autobahn need one (`just autobahn`); the server itself never echoes.
//!
//! It listens on a port of the loopback that the system chooses, and prints its address. A thread serves each
//! connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use uproar::wire::http::{self, Method, Origins, Request, Status};
use uproar::wire::websocket::{self, Decoder, Event, Kind, Opcode, Rules};

/// More than any case sends that is about frames and not about speed.
const MESSAGE_BYTES_MAX: u32 = 1024 * 1024;

const CHUNK_BYTES: usize = 4096;

/// How long a peer is read that was sent a close, so that the system does not reset the connection before it is read.
const LINGER: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(mut received) = shake_hands(&mut stream)? else { return Ok(()) };
    let rules = Rules { message_bytes_max: MESSAGE_BYTES_MAX, binary: true };
    let (mut decoder, mut payload, mut out) = (Decoder::default(), Vec::new(), Vec::new());
    let mut chunk = [0; CHUNK_BYTES];
    let mut is_over = false;
    while !is_over {
        let mut rest = received.as_slice();
        while !is_over {
            match decoder.next(&mut rest, rules, &mut payload) {
                Ok(None) => break,
                Ok(Some(Event::End(kind))) => {
                    let opcode = if kind == Kind::Text { Opcode::Text } else { Opcode::Binary };
                    out.extend_from_slice(&websocket::header(opcode, payload.len()));
                    out.append(&mut payload);
                }
                Ok(Some(Event::Ping(payload))) => websocket::pong(&payload, &mut out),
                Ok(Some(Event::Fragment | Event::Pong)) => {}
                Ok(Some(Event::Close(code))) => {
                    websocket::close(code, &mut out);
                    is_over = true;
                }
                Err(fault) => {
                    websocket::close(Some(fault.code()), &mut out);
                    is_over = true;
                }
            }
        }
        stream.write_all(&out)?;
        out.clear();
        received.clear();
        if !is_over {
            let length = stream.read(&mut chunk)?;
            received.extend_from_slice(&chunk[..length]);
            is_over = length == 0;
        }
    }
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(LINGER))?;
    while stream.read(&mut chunk)? > 0 {}
    Ok(())
}

/// Answers the first request. Returns the bytes behind it; `None` when it is refused.
fn shake_hands(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let (mut received, mut out) = (Vec::new(), Vec::new());
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Ok(None);
        }
        received.extend_from_slice(&chunk[..length]);
        let answer: Result<_, Status> = Request::read(&received).and_then(|request| match request {
            None => Ok(None),
            Some(request) => request.websocket_key(&Origins::SameHost).map(|key| Some((key, request.bytes))),
        });
        match answer {
            Ok(None) => {}
            Ok(Some((key, bytes))) => {
                http::switch(key, &mut out);
                stream.write_all(&out)?;
                return Ok(Some(received.split_off(bytes)));
            }
            Err(status) => {
                http::refuse(status, Method::Get, &mut out);
                stream.write_all(&out)?;
                return Ok(None);
            }
        }
    }
}
