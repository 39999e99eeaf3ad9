//! The handshake of a WebSocket (RFC 6455, section 4.2).

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

use super::{Method, Origins, Request, Status};

/// What a server appends to the key (RFC 6455, section 1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a key, and of a key in base64.
const KEY_BYTES: usize = 16;
const KEY_TEXT_BYTES: usize = 24;

/// A SHA-1 in base64.
const ACCEPT_BYTES: usize = 28;

impl<'a> Request<'a> {
    /// The key of a peer that may open a WebSocket, for [`switch`]. Else why it may not: the origin is looked at first,
    /// so that a page that must not ask learns nothing else.
    pub fn websocket_key(&self, origins: &Origins) -> Result<&'a [u8], Status> {
        if !origins.allow(self.origin, self.host) {
            return Err(Status::Forbidden);
        }
        if self.method != Method::Get {
            return Err(Status::MethodNotAllowed);
        }
        if !self.upgrades || self.version != Some(b"13") {
            return Err(Status::UpgradeRequired);
        }
        let key = self.key.filter(|key| is_key(key)).ok_or(Status::BadRequest)?;
        if self.is_1_1 { Ok(key) } else { Err(Status::BadRequest) }
    }
}

fn is_key(key: &[u8]) -> bool {
    let mut bytes = [0; KEY_TEXT_BYTES / 4 * 3];
    key.len() == KEY_TEXT_BYTES && BASE64.decode_mut(key, &mut bytes) == Ok(KEY_BYTES)
}

/// What proves to the peer that its request was understood.
pub fn accept(key: &[u8]) -> [u8; ACCEPT_BYTES] {
    let digest = Sha1::new().chain_update(key).chain_update(KEY_SUFFIX).finalize();
    let mut text = [0; ACCEPT_BYTES];
    BASE64.encode_mut(&digest, &mut text);
    text
}

/// Writes the response after which frames follow. No extension and no subprotocol is agreed to.
pub fn switch(key: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    out.extend_from_slice(&accept(key));
    out.extend_from_slice(b"\r\n\r\n");
}
