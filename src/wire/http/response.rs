//! Responses: a status, what a browser must know to be safe with the body, and the body. The connection is closed behind
//! it.

use std::io::Write;

use super::Method;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    /// The peer has what it asked for.
    NotModified,
    /// What cannot be read as a request, or is one that proxies would read differently.
    BadRequest,
    /// A page of another origin.
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// The target alone is larger than a head may be.
    TargetTooLong,
    /// Not a WebSocket's handshake, or one of another version.
    UpgradeRequired,
    TooManyRequests,
    /// The request was not complete in time.
    Timeout,
    /// The head is too large, or has too many fields.
    FieldsTooLarge,
    /// The server is full, or stops.
    Unavailable,
}

impl Status {
    /// The code and the words of the status line.
    pub fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::NotModified => "304 Not Modified",
            Self::BadRequest => "400 Bad Request",
            Self::Forbidden => "403 Forbidden",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::TargetTooLong => "414 URI Too Long",
            Self::UpgradeRequired => "426 Upgrade Required",
            Self::Timeout => "408 Request Timeout",
            Self::TooManyRequests => "429 Too Many Requests",
            Self::FieldsTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }

    /// Fields that this status alone has.
    fn fields(self) -> &'static str {
        match self {
            Self::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            Self::UpgradeRequired => "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            Self::TooManyRequests | Self::Unavailable => "Retry-After: 5\r\n",
            _ => "",
        }
    }
}

/// A response with a body.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    pub status: Status,
    /// `text/html; charset=utf-8`, say.
    pub media_type: &'a str,
    /// `Content-Security-Policy`: what a page may load and run. Without a page that is nothing.
    pub policy: &'a str,
    /// A name for the body, in quotes, by which a browser asks whether it is still the same.
    pub etag: Option<&'a str>,
    pub body: &'a [u8],
}

impl Response<'_> {
    /// For what is no page.
    pub const POLICY_NOTHING: &'static str = "default-src 'none'; frame-ancestors 'none'";

    /// Writes the head alone. It says how long the body is that follows, unless the status has none.
    pub fn head(&self, out: &mut Vec<u8>) {
        self.write_head(out).expect("writing to a Vec does not fail");
    }

    /// Writes the head, and the body unless `method` asks for the head alone.
    pub fn write(&self, method: Method, out: &mut Vec<u8>) {
        self.head(out);
        if method != Method::Head && self.status != Status::NotModified {
            out.extend_from_slice(self.body);
        }
    }

    fn write_head(&self, out: &mut Vec<u8>) -> std::io::Result<()> {
        write!(out, "HTTP/1.1 {}\r\nConnection: close\r\nCache-Control: no-cache\r\n", self.status.line())?;
        out.write_all(self.status.fields().as_bytes())?;
        if let Some(etag) = self.etag {
            write!(out, "ETag: {etag}\r\n")?;
        }
        if self.status != Status::NotModified {
            write!(out, "Content-Type: {}\r\nContent-Length: {}\r\n", self.media_type, self.body.len())?;
        }
        write!(out, "Content-Security-Policy: {}\r\n", self.policy)?;
        out.write_all(b"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\r\n")
    }
}

/// Writes a response that says why a request is not served, in one line of text.
pub fn refuse(status: Status, method: Method, out: &mut Vec<u8>) {
    refuse_with(status, status.line(), method, out);
}

/// The same with `words` for people.
pub fn refuse_with(status: Status, words: &str, method: Method, out: &mut Vec<u8>) {
    let body = format!("{words}\n");
    let response = Response {
        status,
        media_type: "text/plain; charset=utf-8",
        policy: Response::POLICY_NOTHING,
        etag: None,
        body: body.as_bytes(),
    };
    response.write(method, out);
}
