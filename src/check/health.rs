//! Whether a server that runs is well, asked at its admin door as a load balancer asks: `GET /healthz`. The one who asks
//! is no member, so nobody is told of it and a full house answers too.
//!
//! It waits for the answer, which nothing of a server does: this is another process.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{Finding, Level};
use crate::limits::{HEALTH_ANSWER_BYTES_MAX, HEALTH_TIME_MAX};
use crate::net;

/// Asks the server whose admin door is at `address`.
pub fn finding(address: &str) -> Finding {
    match ask(address, Instant::now() + HEALTH_TIME_MAX) {
        Ok(200) => Finding::new(Level::Ok, format!("the server at {address} is well")),
        Ok(503) => Finding::new(Level::Fail, format!("the server at {address} is stopping")),
        Ok(code) => Finding::new(
            Level::Fail,
            format!("{address} answers /healthz with {code}; is it the address of a server's --admin?"),
        ),
        Err(error) => Finding::new(Level::Fail, format!("{address}: {}", why(&error))),
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused; is the server running, and with this --admin?".to_owned(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            format!("no answer within {}", humantime::format_duration(HEALTH_TIME_MAX))
        }
        ErrorKind::InvalidData => {
            "what answers does not speak HTTP; is it the address of a server's --admin?".to_owned()
        }
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "the connection ended without an answer; is the server stopping, or is it not the address of its --admin?"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

/// The status code of the answer.
fn ask(address: &str, deadline: Instant) -> io::Result<u16> {
    let mut stream = connect(&net::resolve(address)?, deadline)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; HEALTH_ANSWER_BYTES_MAX];
    let mut length = 0;
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&answer[..length]) {
            Ok(httparse::Status::Complete(_)) => return Ok(response.code.expect("a whole head has a code")),
            Ok(httparse::Status::Partial) if length < answer.len() => {}
            _ => return Err(ErrorKind::InvalidData.into()),
        }
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut answer[length..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => length += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A connection to the first of the addresses that takes one.
fn connect(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = ErrorKind::TimedOut.into();
    for address in addresses {
        match TcpStream::connect_timeout(address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use rustix::net::{AddressFamily, SocketType};

    use super::*;

    /// What is found of a server that answers with `answer`.
    fn found(answer: &'static [u8]) -> (Level, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /healthz HTTP/1.1\r\n"));
            for piece in answer.chunks(7) {
                // One who has seen enough may be gone.
                let _ = stream.write_all(piece);
            }
        });
        let Finding { level, text } = finding(&address);
        server.join().unwrap();
        (level, text.replace(&address, "HERE"))
    }

    #[test]
    fn only_a_server_that_says_so_is_well() {
        let wrong = "HERE: what answers does not speak HTTP; is it the address of a server's --admin?";
        let ended = "HERE: the connection ended without an answer; is the server stopping, or is it not the address of its \
                     --admin?";
        for (answer, level, text) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"[..], Level::Ok, "the server at HERE is well"),
            (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", Level::Fail, "the server at HERE is stopping"),
            (
                b"HTTP/1.1 404 Not Found\r\n\r\n",
                Level::Fail,
                "HERE answers /healthz with 404; is it the address of a server's --admin?",
            ),
            (b"> Connected to the chat server (1 user online)\n", Level::Fail, wrong),
            (b"HTTP/1.1 200 OK\r\nnever: ends", Level::Fail, ended),
            (b"", Level::Fail, ended),
        ] {
            assert_eq!(found(answer), (level, text.to_owned()));
        }
    }

    #[test]
    fn an_answer_is_waited_for_no_longer_than_until_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let begun = Instant::now();
        let error = ask(&address, begun + Duration::from_millis(50)).unwrap_err();
        assert!(why(&error).starts_with("no answer within"), "{error:?}");
        assert!(begun.elapsed() < HEALTH_TIME_MAX);
    }

    #[test]
    fn where_nobody_listens_the_question_is_refused() {
        // A port that this test holds, so that no other test can listen there meanwhile.
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap().to_string();
        let Finding { level, text } = finding(&address);
        assert!(level == Level::Fail && text.starts_with(&format!("{address}: connection refused")), "{text}");
    }
}
