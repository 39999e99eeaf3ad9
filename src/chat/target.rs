//! The address that a client connects to, from the text that was typed: the port may be left out. Pure: resolves no
//! name.

use std::net::Ipv6Addr;

/// The port when none is given.
const PORT_DEFAULT: u16 = 8888;

/// The address that `text` means, with its port: `HOST` is `HOST:8888`, `::1` is `[::1]:8888`. A number alone is
/// refused, because it may be meant as a port.
pub fn complete(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(match text.parse::<u16>() {
            Ok(port) => format!("a port alone is no address; write :{port} for this machine, or HOST:{port}"),
            Err(_) => "a number is no address".to_owned(),
        });
    }
    let is_ipv6 = |text: &str| text.split('%').next().is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
    Ok(if is_ipv6(text) {
        format!("[{text}]:{PORT_DEFAULT}")
    } else if text.ends_with(']') || !(text.is_empty() || text.contains(':')) {
        format!("{text}:{PORT_DEFAULT}")
    } else {
        text.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1:8888"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("chat.example.org", "chat.example.org:8888"),
            ("localhost:1", "localhost:1"),
            ("::1", "[::1]:8888"),
            ("fe80::1%2", "[fe80::1%2]:8888"),
            ("[::1]", "[::1]:8888"),
            ("[::1]:1", "[::1]:1"),
            (":1", ":1"),
            // A wrong address stays as it is: resolving it gives the error.
            ("", ""),
            ("host:", "host:"),
            ("host:http", "host:http"),
        ] {
            assert_eq!(complete(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_number_alone_is_refused() {
        assert!(complete("8888").unwrap_err().contains("write :8888 for this machine"));
        assert_eq!(complete("99999").unwrap_err(), "a number is no address");
    }
}
