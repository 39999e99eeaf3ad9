//! What must hold for any bytes: shared by the fuzz targets and by the ordinary tests that replay their corpora.

use std::net::SocketAddr;

use uproar::line::{Foreign, Framing, Item, Splitter, render_message, sanitise};
use uproar::names::Name;

/// Largest limit on a line that an input can ask for.
const LIMIT_MAX: usize = 64;
const CHUNK_MAX: usize = 16;

/// The first byte of `data` chooses the limit, the second the chunks, the third the framing; the rest is what is received.
pub fn line(data: &[u8]) {
    let [limit, chunk, framing, bytes @ ..] = data else { return };
    let limit = 1 + usize::from(*limit) % LIMIT_MAX;
    let chunk = 1 + usize::from(*chunk) % CHUNK_MAX;
    let whole = split(&[bytes], limit);
    let pieces: Vec<&[u8]> = bytes.chunks(chunk).collect();
    assert_eq!(split(&pieces, limit), whole, "the same lines in any chunks");
    for line in whole.iter().flatten() {
        assert!(line.len() <= limit && !line.contains(&b'\n'), "a line is one, and within its limit");
        text(line);
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

/// What others may see of a line.
fn text(line: &[u8]) {
    let mut clean = Vec::new();
    sanitise(line, &mut clean);
    let seen = std::str::from_utf8(&clean).expect("valid UTF-8 comes out");
    assert!(!seen.chars().any(is_banned), "nothing comes out that moves a terminal: {seen:?}");
    let mut twice = Vec::new();
    sanitise(&clean, &mut twice);
    assert_eq!(twice, clean, "sanitising twice is sanitising once");
    if std::str::from_utf8(line).is_ok_and(|text| !text.chars().any(is_banned)) {
        assert_eq!(clean, line, "clean input is unchanged");
    }
    let author = Name::first(SocketAddr::from(([127, 0, 0, 1], 63155)));
    let mut message = Vec::new();
    let visible = render_message(author, line, &mut message);
    assert_eq!(message, [b"[127.0.0.1:63155] ".as_slice(), &clean, b"\n"].concat());
    assert_eq!(visible, !clean.is_empty());
}

fn is_banned(character: char) -> bool {
    (character.is_control() && character != '\t') || matches!(character, '\u{2028}' | '\u{2029}')
}

/// A first line is a request exactly when it is three words of the right form, and a hello exactly when it begins like one.
pub fn foreign(data: &[u8]) {
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let expected = matches!(words[..], [method, target, version]
        if !method.is_empty()
            && method.iter().all(|byte: &u8| byte.is_ascii_uppercase())
            && (target == b"*" || target.iter().any(|byte| b"/:".contains(byte)))
            && version.starts_with(b"HTTP/"));
    assert_eq!(Foreign::is_http_request(line), expected, "{line:?}");
    assert_eq!(Foreign::is_tls_hello(data), data.first() == Some(&0x16) && data.get(1) == Some(&0x03));
}
