//! Frames as clients send them, whole and in pieces: made by tungstenite where they are right, by hand where they are
//! wrong.

use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{Control as ControlCode, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

use super::*;

const LIMIT: u32 = 300;
const RULES: Rules = Rules { message_bytes_max: LIMIT, binary: false };
const WITH_BINARY: Rules = Rules { binary: true, ..RULES };

/// A message with its payload, or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    Fault(Fault),
}

/// What comes of `chunks`: all events, and the fault that ends them.
fn decode(chunks: &[&[u8]], rules: Rules) -> (Vec<Seen>, Decoder) {
    let (mut decoder, mut payload, mut seen) = (Decoder::default(), Vec::new(), Vec::new());
    for chunk in chunks {
        let mut rest = *chunk;
        loop {
            let before = payload.len();
            let event = decoder.next(&mut rest, rules, &mut payload);
            assert!(payload.len() - before <= chunk.len(), "no more payload comes out than bytes went in");
            assert!(payload.len() <= rules.message_bytes_max as usize, "no byte beyond the limit is kept");
            seen.push(match event {
                Ok(None) => {
                    assert!(rest.is_empty(), "all bytes were taken");
                    break;
                }
                Ok(Some(Event::End(kind))) => Seen::Message(kind, std::mem::take(&mut payload)),
                Ok(Some(Event::Ping(control))) => Seen::Ping(control.to_vec()),
                Ok(Some(Event::Fragment)) => continue,
                Ok(Some(Event::Pong)) => Seen::Pong,
                Ok(Some(Event::Close(code))) => {
                    seen.push(Seen::Close(code));
                    return (seen, decoder);
                }
                Err(fault) => {
                    seen.push(Seen::Fault(fault));
                    return (seen, decoder);
                }
            });
        }
    }
    (seen, decoder)
}

/// The same whole, cut in two at every place, and byte by byte.
#[track_caller]
fn check_with(rules: Rules, bytes: &[u8], expected: &[Seen]) {
    assert_eq!(decode(&[bytes], rules).0, expected, "{bytes:02x?}");
    for cut in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(decode(&[head, tail], rules).0, expected, "{bytes:02x?} cut at {cut}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&single, rules).0, expected, "{bytes:02x?} byte by byte");
}

#[track_caller]
fn check(bytes: &[u8], expected: &[Seen]) {
    check_with(RULES, bytes, expected);
}

#[track_caller]
fn check_fault(bytes: &[u8], fault: Fault) {
    check(bytes, &[Seen::Fault(fault)]);
}

/// A frame with a mask, by hand: `first` is its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        0..126 => bytes.push(0x80 | payload.len() as u8),
        126..65536 => {
            bytes.push(0x80 | 126);
            bytes.extend((payload.len() as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn text(payload: &str) -> Seen {
    Seen::Message(Kind::Text, payload.as_bytes().to_vec())
}

#[test]
fn messages_are_whole_or_in_fragments_with_control_frames_between() {
    check(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58], &[text("Hello")]); // RFC 6455, section 5.7
    check(&frame(0x81, b""), &[text("")]);
    check(&[frame(0x81, b"a"), frame(0x81, b"b")].concat(), &[text("a"), text("b")]);
    check(&frame(0x81, &[b'x'; 126]), &[text(&"x".repeat(126))]);
    let pieces = [frame(0x01, b"a"), frame(0x00, b""), frame(0x89, b"?"), frame(0x8a, b"late"), frame(0x80, b"b\nc")];
    check(&pieces.concat(), &[Seen::Ping(b"?".to_vec()), Seen::Pong, text("ab\nc")]);
    check(&frame(0x89, &[7; 125]), &[Seen::Ping(vec![7; 125])]);
    check(&frame(0x89, b""), &[Seen::Ping(Vec::new())]);
    let binary = [frame(0x02, &[0xff]), frame(0x80, &[0xfe])].concat();
    check_with(WITH_BINARY, &binary, &[Seen::Message(Kind::Binary, vec![0xff, 0xfe])]);
}

#[test]
fn frames_that_no_client_may_send_end_the_connection() {
    check_fault(&[0x81, 0x05], Fault::Protocol); // no mask
    check_fault(&[0x89, 0x00], Fault::Protocol);
    for reserved in [0x40, 0x20, 0x10, 0x70] {
        check_fault(&[0x81 | reserved], Fault::Protocol);
        check_fault(&[0x89 | reserved], Fault::Protocol);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        check_fault(&[0x80 | opcode], Fault::Protocol);
    }
    for control in [0x08, 0x09, 0x0a] {
        check_fault(&[control], Fault::Protocol); // in fragments
        check_fault(&[0x80 | control, 0x80 | 126], Fault::Protocol); // too long
        check_fault(&[0x80 | control, 0x80 | 127], Fault::Protocol);
    }
    check_fault(&[0x80], Fault::Protocol); // goes on with nothing
    check_fault(&[0x00], Fault::Protocol);
    check_fault(&[frame(0x01, b"a"), vec![0x81]].concat(), Fault::Protocol); // a message within another
    check(&[frame(0x81, b"a"), vec![0x80]].concat(), &[text("a"), Seen::Fault(Fault::Protocol)]);
    check_fault(&[0x81, 0xfe, 0, 125], Fault::Protocol); // a length in more bytes than it needs
    check_fault(&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Fault::Protocol);
    check_fault(&[0x81, 0xff, 0x80], Fault::Protocol);
    check_fault(&[0x82], Fault::Binary);
    check_fault(&[0x02], Fault::Binary);
}

#[test]
fn a_message_over_the_limit_is_refused_before_a_byte_of_it_has_come() {
    let limit = LIMIT as usize;
    check(&frame(0x81, &vec![b'x'; limit]), &[text(&"x".repeat(limit))]);
    check_fault(&frame(0x81, &vec![b'x'; limit + 1])[..4], Fault::TooLong);
    check_fault(&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], Fault::TooLong);
    check_fault(&[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff], Fault::TooLong);
    let (first, second) = (frame(0x01, &vec![b'x'; limit - 3]), frame(0x80, b"abcd"));
    check_fault(&[first.as_slice(), &second[..2]].concat(), Fault::TooLong);
    let pings = [first.as_slice(), &frame(0x89, &[0; 125]), &second[..2]].concat();
    check(&pings, &[Seen::Ping(vec![0; 125]), Seen::Fault(Fault::TooLong)]);
    let fits = [first, frame(0x80, b"abc"), frame(0x81, &vec![b'x'; limit])].concat();
    let whole = "x".repeat(limit);
    check(&fits, &[text(&format!("{}abc", &whole[3..])), text(&whole)]);
}

#[test]
fn text_is_utf_8_or_the_connection_ends_at_the_first_byte_that_cannot_be() {
    check(&frame(0x81, "κόσμε \u{10ffff}".as_bytes()), &[text("κόσμε \u{10ffff}")]);
    let euro = "€".as_bytes();
    let cut = [frame(0x01, &euro[..1]), frame(0x89, b""), frame(0x00, &euro[1..2]), frame(0x80, &euro[2..])].concat();
    check(&cut, &[Seen::Ping(Vec::new()), text("€")]);
    // The last byte here is the first that no text can have at its place. The frames are longer.
    for bytes in [
        &b"\xff"[..],
        b"a\x80",
        b"\xc0",
        b"\xe0\x80",
        b"\xed\xa0",
        b"\xf4\x90",
        b"\xf5",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90",
    ] {
        let frame = frame(0x81, &[bytes, b"\x80\x80\x80"].concat());
        let end = frame.len() - 3;
        check_fault(&frame[..end], Fault::Utf8);
        assert_eq!(decode(&[&frame[..end - 1]], RULES).0, [], "{bytes:02x?}: without it there may be");
    }
    check_fault(&frame(0x81, &euro[..2]), Fault::Utf8);
    check_fault(&[frame(0x01, &euro[..2]), frame(0x80, b"")].concat(), Fault::Utf8);
    check_fault(&[frame(0x01, &euro[..2]), frame(0x80, b"a")].concat(), Fault::Utf8);
    let binary = frame(0x82, &euro[..2]);
    check_with(WITH_BINARY, &binary, &[Seen::Message(Kind::Binary, euro[..2].to_vec())]);
}

#[test]
fn a_close_has_no_code_or_one_that_may_be_sent() {
    check(&frame(0x88, b""), &[Seen::Close(None)]);
    check_fault(&frame(0x88, &[3]), Fault::Protocol);
    for code in 0..=5001_u16 {
        let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let expected = if valid { Seen::Close(Some(code)) } else { Seen::Fault(Fault::Protocol) };
        assert_eq!(decode(&[&frame(0x88, &code.to_be_bytes())], RULES).0, [expected], "{code}");
    }
    let with_reason = |reason: &[u8]| frame(0x88, &[&1000_u16.to_be_bytes(), reason].concat());
    check(&with_reason("tschüß".as_bytes()), &[Seen::Close(Some(1000))]);
    check(&with_reason(&[b'x'; 123]), &[Seen::Close(Some(1000))]);
    check_fault(&with_reason(b"\xff"), Fault::Utf8);
    let between = [frame(0x01, b"a"), frame(0x88, &1001_u16.to_be_bytes()), frame(0x80, b"b")].concat();
    check(&between, &[Seen::Close(Some(1001))]);
}

#[test]
fn a_decoder_is_small_and_is_needed_only_within_a_message_or_frame() {
    assert!(size_of::<Decoder>() <= 32, "{} bytes", size_of::<Decoder>());
    let messages = [frame(0x89, b"a"), frame(0x01, b"b"), frame(0x80, b"c")].concat();
    for end in 0..=messages.len() {
        let (_, decoder) = decode(&[&messages[..end]], RULES);
        let between = [0, frame(0x89, b"a").len(), messages.len()].contains(&end);
        assert_eq!(decoder.is_at_rest(), between, "after {end} bytes");
    }
}

#[test]
fn what_a_server_sends_has_the_shortest_header() {
    for (length, expected) in [
        (0, &[0x81, 0][..]),
        (125, &[0x81, 125]),
        (126, &[0x81, 126, 0, 126]),
        (65535, &[0x81, 126, 0xff, 0xff]),
        (65536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        assert_eq!(header(Opcode::Text, length).as_slice(), expected);
    }
    let mut out = Vec::new();
    pong(b"hi", &mut out);
    close(Some(1001), &mut out);
    close(None, &mut out);
    assert_eq!(out, [0x8a, 2, b'h', b'i', 0x88, 2, 3, 0xe9, 0x88, 0]);
    assert_eq!(
        [Fault::Protocol, Fault::Binary, Fault::Utf8, Fault::TooLong].map(Fault::code),
        [1002, 1003, 1007, 1009]
    );
}

/// Something that a client of another author sends.
#[derive(Clone, Debug)]
enum Sent {
    /// A message in fragments, each with what comes between it and the next.
    Text(Vec<(String, Option<Vec<u8>>)>),
    Binary(Vec<u8>),
}

fn sent() -> impl Strategy<Value = Sent> {
    let control = prop::option::of(prop::collection::vec(any::<u8>(), 0..=CONTROL_BYTES_MAX));
    prop_oneof![
        4 => prop::collection::vec(("\\PC{0,20}", control), 1..4).prop_map(Sent::Text),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Sent::Binary),
    ]
}

/// Its frames as tungstenite writes them, and what must come of them. Text is cut `shift` bytes into each fragment.
fn written(all: &[Sent], mask: [u8; 4]) -> (Vec<u8>, Vec<Seen>) {
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    let mut write = |payload: &[u8], opcode, is_final| {
        let header = FrameHeader { is_final, opcode, mask: Some(mask), ..FrameHeader::default() };
        let frame = Frame::from_payload(header, payload.to_vec().into());
        frame.format(&mut bytes).expect("writing to a Vec does not fail");
    };
    for sent in all {
        match sent {
            Sent::Text(fragments) => {
                let text: String = fragments.iter().map(|fragment| fragment.0.as_str()).collect();
                // All fragments but the last end in the middle of a character, where there is one.
                let mut rest = text.as_bytes();
                for (index, (fragment, between)) in fragments.iter().enumerate() {
                    let is_last = index + 1 == fragments.len();
                    let length = if is_last { rest.len() } else { fragment.len().saturating_sub(1).min(rest.len()) };
                    let (piece, behind) = rest.split_at(length);
                    rest = behind;
                    write(piece, OpCode::Data(if index == 0 { Data::Text } else { Data::Continue }), is_last);
                    if let Some(payload) = between {
                        write(payload, OpCode::Control(ControlCode::Ping), true);
                        if !is_last {
                            expected.push(Seen::Ping(payload.clone()));
                        }
                    }
                }
                expected.push(Seen::Message(Kind::Text, text.into_bytes()));
                if let Some((_, Some(payload))) = fragments.last() {
                    expected.push(Seen::Ping(payload.clone()));
                }
            }
            Sent::Binary(payload) => {
                write(payload, OpCode::Data(Data::Binary), true);
                expected.push(Seen::Message(Kind::Binary, payload.clone()));
            }
        }
    }
    (bytes, expected)
}

proptest! {
    #[test]
    fn what_another_author_writes_is_read(
        all in prop::collection::vec(sent(), 0..5),
        mask in any::<[u8; 4]>(),
        sizes in prop::collection::vec(1usize..40, 1..10),
    ) {
        let (bytes, expected) = written(&all, mask);
        let (mut chunks, mut rest, mut sizes) = (Vec::new(), bytes.as_slice(), sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, behind) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            chunks.push(chunk);
            rest = behind;
        }
        let (seen, decoder) = decode(&chunks, WITH_BINARY);
        prop_assert_eq!(seen, expected);
        prop_assert!(decoder.is_at_rest());
    }

    #[test]
    fn it_is_the_same_wherever_the_bytes_are_cut(
        all in prop::collection::vec(sent(), 0..4),
        wrong in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        tail in prop::collection::vec(any::<u8>(), 0..20),
        binary in any::<bool>(),
        size in 1usize..20,
    ) {
        let (mut bytes, _) = written(&all, [1, 2, 3, 4]);
        for (place, byte) in wrong {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        bytes.extend(tail);
        let rules = Rules { binary, ..RULES };
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(decode(&chunks, rules).0, decode(&[&bytes], rules).0);
    }

    #[test]
    fn what_a_server_writes_another_author_reads(length in prop_oneof![0usize..300, 65_500usize..65_600]) {
        use tungstenite::protocol::{Role, WebSocket};
        let payload = "x".repeat(length);
        let mut bytes = header(Opcode::Text, length).to_vec();
        bytes.extend_from_slice(payload.as_bytes());
        close(Some(4000), &mut bytes);
        let mut client = WebSocket::from_raw_socket(std::io::Cursor::new(bytes), Role::Client, None);
        let message = client.read().expect("it is a message");
        prop_assert_eq!(message.to_text().expect("it is text"), payload);
        let close = client.read().expect("it is a close");
        prop_assert!(matches!(close, tungstenite::Message::Close(Some(frame)) if u16::from(frame.code) == 4000));
    }
}
