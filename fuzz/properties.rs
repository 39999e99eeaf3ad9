//! What must hold for any bytes: shared by the fuzz targets and by the ordinary tests that replay their corpora.

use std::net::SocketAddr;

use uproar::limits::PROXY_HEADER_BYTES_MAX;
use uproar::message::{Body, Message};
use uproar::names::{Name, RoomName};
use uproar::time::UnixTime;
use uproar::wire::http::{self, Method, Origins, Route, switch};
use uproar::wire::irc::reply::{Replies, Shown};
use uproar::wire::irc::{self, Request};
use uproar::wire::proxy::{self, Header};
use uproar::wire::text;
use uproar::wire::websocket::{Control, Decoder, Event, Fault, Kind, Rules, is_close_code};
use uproar::wire::{Foreign, Framing, Item, Opening, Splitter, Verdict, sanitise};

/// Largest limit on a line that an input can ask for.
const LIMIT_MAX: usize = 64;
const CHUNK_MAX: usize = 16;

/// The first byte of `data` chooses the limit, the second the chunks, the third the framing; the rest is what is
/// received.
pub fn line(data: &[u8]) {
    let [limit, chunk, framing, bytes @ ..] = data else { return };
    let limit = 1 + usize::from(*limit) % LIMIT_MAX;
    let chunk = 1 + usize::from(*chunk) % CHUNK_MAX;
    let whole = split(&[bytes], limit);
    let pieces: Vec<&[u8]> = bytes.chunks(chunk).collect();
    assert_eq!(split(&pieces, limit), whole, "the same lines in any chunks");
    for line in whole.iter().flatten() {
        assert!(line.len() <= limit && !line.contains(&b'\n'), "a line is one, and within its limit");
        shown(line);
    }
    let framing = if framing % 2 == 0 { Framing::Line } else { Framing::Chunk };
    if framing == Framing::Chunk {
        let mut rest = bytes;
        let mut splitter = Splitter::default();
        while splitter.next(&mut rest, limit).is_some() {}
        splitter.finish(&mut rest);
        assert!(rest.is_empty() && splitter == Splitter::default(), "nothing is left of a chunk");
    }
}

/// Lines, `None` for one that is too long, of `chunks` as a connection takes them.
fn split(chunks: &[&[u8]], limit: usize) -> Vec<Option<Vec<u8>>> {
    let (mut splitter, mut kept, mut items) = (Splitter::default(), Vec::new(), Vec::new());
    for chunk in chunks {
        kept.extend_from_slice(chunk);
        let mut rest = kept.as_slice();
        while let Some(item) = splitter.next(&mut rest, limit) {
            items.push(match item {
                Item::Line(line) => Some(line.to_vec()),
                Item::TooLong => None,
            });
        }
        assert!(rest.len() <= limit + 1, "an incomplete line stays within its bound");
        kept = rest.to_vec();
    }
    items
}

/// True when others may see something of a line.
fn is_visible(line: &[u8]) -> bool {
    sanitise(line, &mut Vec::new()).expect("writing to a Vec does not fail")
}

/// What others may see of a line.
fn shown(line: &[u8]) {
    let mut clean = Vec::new();
    sanitise(line, &mut clean).expect("writing to a Vec does not fail");
    let seen = std::str::from_utf8(&clean).expect("valid UTF-8 comes out");
    assert!(!seen.chars().any(is_banned), "nothing comes out that moves a terminal: {seen:?}");
    let mut twice = Vec::new();
    sanitise(&clean, &mut twice).expect("writing to a Vec does not fail");
    assert_eq!(twice, clean, "sanitising twice is sanitising once");
    let plain = |character: char| character < '\u{300}' && !is_banned(character);
    if std::str::from_utf8(line).is_ok_and(|text| text.chars().all(plain)) {
        assert_eq!(clean, line, "clean input is unchanged");
    }
    let author = Name::first(SocketAddr::from(([127, 0, 0, 1], 63155)));
    let mut message = Vec::new();
    let visible = text::line(author, line, &mut message).expect("writing to a Vec does not fail");
    assert_eq!(message, [b"[127.0.0.1:63155] ".as_slice(), &clean, b"\n"].concat());
    assert!(visible || !clean.iter().any(u8::is_ascii_graphic), "what can be seen is said: {seen:?}");
    assert!(!visible || seen.chars().any(|character| !character.is_whitespace()), "spaces alone are not said");
}

fn is_banned(character: char) -> bool {
    let controls = (character.is_control() && character != '\t') || matches!(character, '\u{2028}' | '\u{2029}');
    controls
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff0}'..='\u{fffb}' | '\u{e0001}')
}

/// How a peer begins is the same in any chunks, and nothing of another protocol is said.
pub fn foreign(data: &[u8]) {
    let (verdict, said) = converse(&[data]);
    for size in [1, 2, 3, 7] {
        let chunks: Vec<&[u8]> = data.chunks(size).collect();
        assert_eq!(converse(&chunks), (verdict, said), "in chunks of {size}");
    }
    assert!(said == 0 || verdict == Verdict::Plain, "{said} lines of another protocol are said");
    let first = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let word = first.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    if word > 0 && first[word..].starts_with(b" /") {
        assert_eq!(verdict, Verdict::Foreign(Foreign::Http), "{first:?}");
    }
    if first.starts_with(&[0x16, 0x03]) {
        assert_eq!(verdict, Verdict::Foreign(Foreign::Tls), "{first:?}");
    }
    if first.first().is_some_and(u8::is_ascii_lowercase) && first.len() < data.len() && first.len() <= OPENING_LIMIT {
        assert_eq!(verdict, Verdict::Plain, "{first:?}");
    }
}

/// Limit on lines in [`foreign`]: many methods are longer than it.
const OPENING_LIMIT: usize = 12;

/// Takes `chunks` as a connection does. Returns the decision, and the number of lines said.
fn converse(chunks: &[&[u8]]) -> (Verdict, usize) {
    let (mut opening, mut splitter) = (Opening::default(), Splitter::default());
    let mut kept = Vec::new();
    for chunk in chunks {
        kept.extend_from_slice(chunk);
        let mut rest = kept.as_slice();
        loop {
            if let verdict @ Verdict::Foreign(_) = opening.look(rest) {
                return (verdict, 0);
            }
            if splitter.is_discarding() {
                splitter.discard(&mut rest);
                opening.pass_over(splitter.is_discarding());
                if splitter.is_discarding() {
                    break;
                }
                continue;
            }
            match splitter.next(&mut rest, OPENING_LIMIT) {
                None => break,
                Some(Item::Line(line)) if is_visible(line) => {
                    return (Verdict::Plain, 1);
                }
                Some(_) => opening.pass_over(splitter.is_discarding()),
            }
        }
        kept = rest.to_vec();
    }
    (opening.look(&kept), 0)
}

/// Lines of an IRC client are read, whatever they are. What is shown of them in an answer is one word, what is said of
/// them is lines of at most 512 bytes that begin as the server begins them, and nobody can ask another client by CTCP.
pub fn irc(data: &[u8]) {
    let author = Name::first(SocketAddr::from(([127, 0, 0, 1], 63155)));
    let room = RoomName::parse("den").expect("it is a name");
    for line in data.split(|byte| *byte == b'\n') {
        let parts = irc::parse::parts(line);
        assert!(parts.command.len() <= line.len() && !parts.command.contains(&b' '));
        for parameter in &parts.parameters {
            let mut answer = Vec::new();
            Replies::new(&mut answer, Some(author)).numeric(401, format_args!("{} :No such nick", Shown(parameter)));
            let answer = std::str::from_utf8(&answer).expect("an answer is UTF-8");
            assert!(answer.len() <= 512 && answer.split(' ').count() == 7, "{answer:?}");
            assert!(answer.starts_with(":uproar 401 127.0.0.1|63155 ") && answer.ends_with(" :No such nick\r\n"));
        }
        let Ok(Request::Privmsg { text, .. }) = irc::parse::parse(line) else { continue };
        let (action, text) = match irc::parse::ctcp(text).map(irc::parse::action) {
            None => (false, text),
            Some(Some(text)) => (true, text),
            Some(None) => continue,
        };
        let mut clean = Vec::new();
        if !sanitise(text, &mut clean).expect("writing to a Vec does not fail") {
            continue;
        }
        let of_text =
            |text| if action { Body::Action { name: author, text } } else { Body::Line { name: author, text } };
        let said = Message { number: 1, time: UnixTime(1), room, author: None, body: of_text(&clean) };
        let mut lines = Vec::new();
        irc::message(&said, false, &mut lines).expect("writing to a Vec does not fail");
        assert!(lines.len() <= irc::message_bytes_max(&of_text(text)));
        let (head, tail) = if action { ("\x01ACTION ", "\x01") } else { ("", "") };
        let head = format!(":127.0.0.1|63155!~u@uproar PRIVMSG #den :{head}");
        let lines = std::str::from_utf8(&lines).expect("lines are UTF-8");
        let mut seen = Vec::new();
        for line in lines.strip_suffix("\r\n").expect("a line ends").split("\r\n") {
            assert!(line.len() <= 510, "{} bytes", line.len());
            let piece = line.strip_prefix(&head).and_then(|line| line.strip_suffix(tail)).expect("a line begins so");
            assert!(!piece.contains(['\r', '\n', '\0', '\x01']), "{piece:?}");
            seen.extend_from_slice(piece.as_bytes());
        }
        assert_eq!(seen, clean, "nothing is lost and nothing is added");
    }
}

/// The first byte of `data` chooses the limit and whether binary messages are taken, the second the chunks; the rest is
/// what a client sends.
pub fn frames(data: &[u8]) {
    let [rules, chunk, bytes @ ..] = data else { return };
    let rules = Rules { message_bytes_max: u32::from(rules / 2) * 4, binary: rules % 2 == 1 };
    let chunk = 1 + usize::from(*chunk) % CHUNK_MAX;
    let whole = decode(&[bytes], rules);
    let pieces: Vec<&[u8]> = bytes.chunks(chunk).collect();
    assert_eq!(decode(&pieces, rules), whole, "the same frames in any chunks");
}

/// What comes of frames, as far as a server does something about it.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Message(Vec<u8>),
    Ping(Control),
    Pong,
    Close(Option<u16>),
    Fault(Fault),
}

fn decode(chunks: &[&[u8]], rules: Rules) -> Vec<Frame> {
    let (mut decoder, mut payload, mut frames) = (Decoder::default(), Vec::new(), Vec::new());
    for chunk in chunks {
        let mut rest = *chunk;
        loop {
            let event = decoder.next(&mut rest, rules, &mut payload);
            assert!(payload.len() <= rules.message_bytes_max as usize, "no byte beyond the limit is kept");
            frames.push(match event {
                Ok(None) => {
                    assert!(rest.is_empty(), "all bytes were taken");
                    break;
                }
                Ok(Some(Event::End(kind))) => {
                    assert!(rules.binary || kind == Kind::Text);
                    assert!(kind == Kind::Binary || std::str::from_utf8(&payload).is_ok(), "text is UTF-8");
                    Frame::Message(std::mem::take(&mut payload))
                }
                Ok(Some(Event::Ping(control))) => Frame::Ping(control),
                Ok(Some(Event::Fragment)) => continue,
                Ok(Some(Event::Pong)) => Frame::Pong,
                Ok(Some(Event::Close(code))) => {
                    assert!(code.is_none_or(is_close_code));
                    frames.push(Frame::Close(code));
                    return frames;
                }
                Err(fault) => {
                    assert!(is_close_code(fault.code()));
                    frames.push(Frame::Fault(fault));
                    return frames;
                }
            });
        }
    }
    frames
}

/// The header of a proxy is awaited, then it is there or it is none, and stays what it is when more arrives.
pub fn proxy(data: &[u8]) {
    let mut decided = None;
    for cut in 0..=data.len() {
        let read = proxy::read(&data[..cut]);
        if decided.is_some() {
            assert_eq!(read, decided, "{cut} bytes decide otherwise than fewer did");
            continue;
        }
        match read {
            None => {
                assert!(cut < PROXY_HEADER_BYTES_MAX, "{cut} bytes are enough");
                let is_line = data.starts_with(b"PROXY ") && data[..cut].ends_with(b"\r\n");
                assert!(!is_line, "a line that is whole is a header, or none");
            }
            Some(Ok((header, bytes))) => {
                assert_eq!(bytes, cut, "it is there with its last byte and not before");
                if let Header::Brings(address) = header {
                    assert_eq!(address.ip(), address.ip().to_canonical());
                }
            }
            Some(Err(_)) => {}
        }
        decided = read;
    }
}

/// A head is awaited, then complete, or refused, and stays what it is when more arrives.
pub fn request(data: &[u8]) {
    let Ok(Some(request)) = http::Request::read(data) else { return };
    assert!(request.bytes <= data.len());
    let again = http::Request::read(&data[..request.bytes]).expect("it is the same without what follows");
    let again = again.expect("it is complete");
    assert_eq!((again.bytes, again.route()), (request.bytes, request.route()));
    let before = http::Request::read(&data[..request.bytes - 1]);
    assert!(before.is_ok_and(|before| before.is_none()), "it is complete with its last byte and not before");
    if let Ok(Route::WebSocket(room)) = request.route() {
        assert!(request.method == Method::Get && (room.is_none() || request.query.is_some()));
        if let Ok(key) = request.websocket_key(&Origins::SameHost) {
            let mut answer = Vec::new();
            switch(key, &mut answer);
            assert!(answer.is_ascii() && answer.ends_with(b"\r\n\r\n"));
        }
    }
}
