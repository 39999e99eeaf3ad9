//! Which web pages may open a WebSocket here. A browser lets any page open one to any server and says which page asks
//! (`Origin`); the server alone can refuse. What is no browser sends none.

use std::fmt;
use std::str::FromStr;

/// A scheme, a host and perhaps a port, as a browser writes them (RFC 6454, section 6.2): `https://chat.example:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// The origins that are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// The host that the request was sent to.
    #[default]
    SameHost,
    /// Those of `--web-origin`, and no other.
    These(&'static [Origin]),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let valid = text.split_once("://").is_some_and(|(scheme, authority)| {
            default_port(scheme).is_some()
                && !authority.is_empty()
                && authority.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@,\\\"<>".contains(&byte))
        });
        if valid {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!("{text:?} is no origin; one is https://chat.example, without a path"))
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Origins {
    /// Those of a list, which is kept as long as the program runs; without one, the same host.
    pub fn of(list: &[Origin]) -> Self {
        if list.is_empty() { Self::SameHost } else { Self::These(Box::leak(list.to_vec().into_boxed_slice())) }
    }

    /// True when a page of `origin` may open a WebSocket that was asked for at `host`.
    pub(super) fn allow(&self, origin: Option<&[u8]>, host: Option<&[u8]>) -> bool {
        let Some(origin) = origin else { return true };
        match self {
            Self::SameHost => host.is_some_and(|host| is_same_host(origin, host)),
            Self::These(origins) => origins.iter().any(|allowed| is_same_origin(origin, allowed.0.as_bytes())),
        }
    }
}

fn is_same_origin(one: &[u8], other: &[u8]) -> bool {
    match (split(one), split(other)) {
        (Some((scheme, one)), Some((other_scheme, other))) => {
            scheme.eq_ignore_ascii_case(other_scheme) && is_same_authority(one, other, scheme)
        }
        _ => false,
    }
}

/// The scheme is not compared: whether a proxy has ended TLS is not known here.
fn is_same_host(origin: &[u8], host: &[u8]) -> bool {
    split(origin).is_some_and(|(scheme, authority)| is_same_authority(authority, host, scheme))
}

fn is_same_authority(one: &[u8], other: &[u8], scheme: &str) -> bool {
    let port = default_port(scheme).unwrap_or_default().as_bytes();
    let (one, other) = (one.strip_suffix(port).unwrap_or(one), other.strip_suffix(port).unwrap_or(other));
    !one.is_empty() && one.eq_ignore_ascii_case(other)
}

fn split(origin: &[u8]) -> Option<(&str, &[u8])> {
    let (scheme, authority) = str::from_utf8(origin).ok()?.split_once("://")?;
    default_port(scheme).map(|_| (scheme, authority.as_bytes()))
}

/// The port that an authority of `scheme` may leave out, with its colon. `None` for schemes that are not HTTP.
fn default_port(scheme: &str) -> Option<&'static str> {
    if scheme.eq_ignore_ascii_case("https") {
        Some(":443")
    } else if scheme.eq_ignore_ascii_case("http") {
        Some(":80")
    } else {
        None
    }
}
