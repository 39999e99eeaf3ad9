//! The header in which a proxy says whom it brings: the PROXY protocol, versions 1 and 2, of HAProxy's specification
//! `proxy-protocol.txt`.
//!
//! The header comes before anything else on a connection. It is read from all that has arrived so far, which is little.

use std::fmt;
use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, ProxyHeader};

use crate::limits::{PROXY_HEADER_BYTES_MAX, PROXY_LINE_BYTES_MAX};

/// Whom a proxy brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// A peer with this address.
    Brings(SocketAddr),
    /// Nobody: the proxy looks whether the server is there, or does not know from where its peer comes.
    BringsNobody,
}

/// What arrived begins with no such header, or with one that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHeader;

impl fmt::Display for NoHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no PROXY header of a version that is known, or one that is too long")
    }
}

/// Reads the header that `bytes` begin with, and how long it is. `None` while more of it has to come.
pub fn read(bytes: &[u8]) -> Option<Result<(Header, usize), NoHeader>> {
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };
    match ProxyHeader::parse(bytes, config) {
        Ok((_, length)) if length > PROXY_HEADER_BYTES_MAX => Some(Err(NoHeader)),
        Ok((header, length)) => {
            let brought = header.proxied_address().map(|address| Header::Brings(unmapped(address.source)));
            Some(Ok((brought.unwrap_or(Header::BringsNobody), length)))
        }
        // Bytes that cannot begin a header are found at once, not when enough of them have come.
        Err(Error::BufferTooShort) if bytes.len() < PROXY_HEADER_BYTES_MAX && may_begin(bytes) => None,
        Err(_) => Some(Err(NoHeader)),
    }
}

/// True when a header may begin with these bytes, as far as its first ones tell. One of version 1 is a line of a bounded
/// length.
fn may_begin(bytes: &[u8]) -> bool {
    let begins = |signature: &[u8]| bytes.iter().zip(signature).all(|(byte, expected)| byte == expected);
    let is_line = || bytes.len() >= PROXY_LINE_BYTES_MAX || memchr::memmem::find(bytes, b"\r\n").is_some();
    (begins(b"PROXY ") && !is_line()) || begins(b"\r\n\r\n\0\r\nQUIT\n")
}

/// The address as the server has it of its own sockets: an IPv4 address mapped into IPv6 is that IPv4 address.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proxy_header::{ProxiedAddress, Tlv};

    use super::*;

    const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 52953 8888\r\nhello\n";

    fn v2(address: Option<&str>, tlv_bytes: usize) -> Vec<u8> {
        let address = address.map(|address| {
            let source: SocketAddr = address.parse().expect("it is an address");
            ProxiedAddress::stream(source, source)
        });
        let tlvs = (tlv_bytes > 0).then_some(Tlv::Noop(tlv_bytes));
        let mut bytes = Vec::new();
        ProxyHeader::with_tlvs(address, tlvs).encode_v2(&mut bytes).expect("a Vec takes it");
        bytes
    }

    #[test]
    fn headers_of_both_versions_tell_whom_the_proxy_brings() {
        let first = Header::Brings("192.0.2.7:52953".parse().expect("it is an address"));
        assert_eq!(read(V1), Some(Ok((first, V1.len() - b"hello\n".len()))));
        assert_eq!(read(b"PROXY UNKNOWN\r\n"), Some(Ok((Header::BringsNobody, 15))));
        for (address, expected) in [
            ("192.0.2.7:5", "192.0.2.7:5"),
            ("[2001:db8::7]:5", "[2001:db8::7]:5"),
            ("[::ffff:192.0.2.7]:5", "192.0.2.7:5"),
        ] {
            let bytes = v2(Some(address), 0);
            let expected = Header::Brings(expected.parse().expect("it is an address"));
            assert_eq!(read(&bytes), Some(Ok((expected, bytes.len()))));
        }
        let local = v2(None, 0);
        assert_eq!(read(&local), Some(Ok((Header::BringsNobody, local.len()))));
    }

    #[test]
    fn a_header_that_is_not_whole_is_waited_for_and_no_other_bytes_are() {
        for whole in [&V1[..V1.len() - 6], &v2(Some("192.0.2.7:5"), 40)] {
            for cut in 0..whole.len() {
                assert_eq!(read(&whole[..cut]), None, "{cut} bytes of {whole:?}");
            }
        }
        for wrong in [
            &b"hello\n"[..],
            b"PRIVMSG",
            b"PROXY TCP5 1 2 3 4\r\n",
            b"PROXY TCP5 x\r\n",
            b"PROXY TCP4 hello\r\n",
            b"\r\n\r\nQ",
            b"PX",
            b"\x16\x03\x01",
        ] {
            assert_eq!(read(wrong), Some(Err(NoHeader)), "{wrong:?}");
        }
    }

    #[test]
    fn a_header_is_bounded() {
        let longest = v2(Some("192.0.2.7:5"), PROXY_HEADER_BYTES_MAX - v2(Some("192.0.2.7:5"), 1).len() + 1);
        assert_eq!(longest.len(), PROXY_HEADER_BYTES_MAX);
        assert!(matches!(read(&longest), Some(Ok((Header::Brings(_), PROXY_HEADER_BYTES_MAX)))));
        let longer = v2(Some("192.0.2.7:5"), PROXY_HEADER_BYTES_MAX);
        assert_eq!(read(&longer), Some(Err(NoHeader)));
        assert_eq!(read(&longer[..PROXY_HEADER_BYTES_MAX]), Some(Err(NoHeader)));
        assert_eq!(read(&[b"PROXY TCP4 ", &[b'1'; 500][..]].concat()), Some(Err(NoHeader)));
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic_and_none_are_used_that_are_not_there(
            start in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ::", b"\r\n\r\n\0\r\nQUIT\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"]),
            rest in prop::collection::vec(any::<u8>(), 0..700),
        ) {
            let bytes = [start, &rest].concat();
            if let Some(Ok((_, length))) = read(&bytes) {
                prop_assert!(length <= bytes.len() && length <= PROXY_HEADER_BYTES_MAX);
            }
        }
    }
}
