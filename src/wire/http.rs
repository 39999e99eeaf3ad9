//! HTTP/1.1, as little as a page, a WebSocket's handshake and an operator's figures need: the head of a request is read,
//! a response is written, and the connection is closed. Pure: bytes in, bytes out.
//!
//! A request here never has a body. The head is parsed from its beginning whenever bytes were added, which
//! [`HTTP_HEAD_BYTES_MAX`] bounds; nothing is stored and nothing allocated. What is wrong with a request is a
//! [`Status`], which the peer is answered with.

mod origin;
mod response;
#[cfg(test)]
mod tests;
mod upgrade;

pub use self::origin::{Origin, Origins};
pub use self::response::{Response, Status, refuse, refuse_with};
pub use self::upgrade::{accept, switch};

use crate::limits::{HTTP_FIELDS_MAX, HTTP_HEAD_BYTES_MAX};
use crate::names::RoomName;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    /// As `GET`, and the answer has no body.
    Head,
    Other,
}

/// The head of a request, as far as anything here depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: Method,
    /// The target before its first `?`.
    pub path: &'a str,
    /// The target behind its first `?`.
    pub query: Option<&'a str>,
    /// The bytes that the head takes, its empty line included. Those behind it belong to what follows.
    pub bytes: usize,
    /// True for HTTP/1.1, false for HTTP/1.0.
    is_1_1: bool,
    host: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    if_none_match: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    /// True when `Upgrade` names `websocket`, and `Connection` names `upgrade`.
    upgrades: bool,
}

/// What a peer of the web door asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The page, which finds the room of its address itself.
    Page,
    /// A WebSocket, in that room if one is named.
    WebSocket(Option<RoomName>),
}

impl<'a> Request<'a> {
    /// Reads the head at the beginning of `bytes`, which is all that has come. `None` while it is not complete: the
    /// caller keeps the bytes, of which there are fewer than [`HTTP_HEAD_BYTES_MAX`].
    pub fn read(bytes: &'a [u8]) -> Result<Option<Self>, Status> {
        let mut fields = [httparse::EMPTY_HEADER; HTTP_FIELDS_MAX];
        let mut head = httparse::Request::new(&mut fields);
        let within = &bytes[..bytes.len().min(HTTP_HEAD_BYTES_MAX)];
        let length = match head.parse(within) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if within.len() < HTTP_HEAD_BYTES_MAX => return Ok(None),
            Ok(httparse::Status::Partial) => {
                return Err(if head.path.is_some() { Status::FieldsTooLarge } else { Status::TargetTooLong });
            }
            Err(httparse::Error::TooManyHeaders) => return Err(Status::FieldsTooLarge),
            Err(_) => return Err(Status::BadRequest),
        };
        let method = match head.method {
            Some("GET") => Method::Get,
            Some("HEAD") => Method::Head,
            _ => Method::Other,
        };
        let target = head.path.unwrap_or_default();
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let mut request = Self {
            method,
            path,
            query,
            bytes: length,
            is_1_1: head.version == Some(1),
            host: None,
            origin: None,
            if_none_match: None,
            key: None,
            version: None,
            upgrades: false,
        };
        request.take_fields(head.headers)?;
        if !target.starts_with('/') || (request.is_1_1 && request.host.is_none()) {
            return Err(Status::BadRequest);
        }
        Ok(Some(request))
    }

    fn take_fields(&mut self, fields: &[httparse::Header<'a>]) -> Result<(), Status> {
        let (mut to_websocket, mut to_upgrade) = (false, false);
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            let once = if is("Host") {
                &mut self.host
            } else if is("Origin") {
                &mut self.origin
            } else if is("Sec-WebSocket-Key") {
                &mut self.key
            } else if is("Sec-WebSocket-Version") {
                &mut self.version
            } else {
                if is("If-None-Match") {
                    self.if_none_match = Some(field.value);
                } else if is("Upgrade") {
                    to_websocket |= has_token(field.value, b"websocket");
                } else if is("Connection") {
                    to_upgrade |= has_token(field.value, b"upgrade");
                } else if is("Transfer-Encoding") || (is("Content-Length") && field.value != b"0") {
                    self.refuse_body()?;
                }
                continue;
            };
            // Proxies do not agree which of two counts, so an attacker would choose.
            if once.replace(field.value).is_some() {
                return Err(Status::BadRequest);
            }
        }
        self.upgrades = to_websocket && to_upgrade;
        Ok(())
    }

    /// A body would be read as the next request, or as a WebSocket's first frames.
    fn refuse_body(&self) -> Result<(), Status> {
        if self.method == Method::Other { Ok(()) } else { Err(Status::BadRequest) }
    }

    /// Which of the web door's pages is asked for.
    pub fn route(&self) -> Result<Route, Status> {
        let route = match self.path {
            "/" => Route::Page,
            "/ws" => Route::WebSocket(match self.asked("room") {
                None => None,
                Some(name) => Some(RoomName::parse(name).ok_or(Status::NotFound)?),
            }),
            path => {
                path.strip_prefix("/room/").and_then(RoomName::parse).ok_or(Status::NotFound)?;
                Route::Page
            }
        };
        match (self.method, route) {
            (Method::Get, _) | (Method::Head, Route::Page) => Ok(route),
            _ => Err(Status::MethodNotAllowed),
        }
    }

    /// The value of `name` in the query, which is not decoded: no name or number that anything here asks for has a byte
    /// that would be encoded.
    pub fn asked(&self, name: &str) -> Option<&'a str> {
        let pairs = self.query?.split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == name).map(|pair| pair.1)
    }

    /// True when the peer has what `etag` names (RFC 9110, section 13.1.2).
    pub fn has(&self, etag: &str) -> bool {
        let Some(list) = self.if_none_match else { return false };
        list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|tag| {
            let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
            tag == b"*" || tag == etag.as_bytes()
        })
    }
}

/// True when `token`, in lower case, is in a list of tokens, whose letters have no case (RFC 9110, section 5.6.1).
fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|entry| entry.trim_ascii().eq_ignore_ascii_case(token))
}
