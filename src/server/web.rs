//! The web door: a page for browsers, and WebSockets for it and for programs.
//!
//! A request is read once it is complete, answered, and the connection closed, unless it opens a WebSocket: then the
//! connection is a member of the room that it names, or of the hall. What it sends from then on is frames, whose
//! messages are lines like those of any member (`receive`).

use std::mem;

use super::Server;
use crate::counters::CloseReason;
use crate::io::Io;
use crate::message::Notice;
use crate::names::RoomName;
use crate::outlet::Outlet;
use crate::token::ConnectionId;
use crate::web;
use crate::wire::Encoding;
use crate::wire::http::{self, Method, Request, Response, Route, Status};

/// What a close frame says; `None` when it says nothing, because the peer's did not either.
pub type Code = Option<u16>;

/// A member left, or was closed at its own wish.
pub const CLOSE_NORMAL: Code = Some(1000);

/// What is to be done about a request.
enum Answer {
    /// Nothing yet: it is not complete.
    Wait,
    /// The page is sent, or, where the peer has it already, that it is still the same.
    Page {
        method: Method,
        is_known: bool,
    },
    /// The connection is a member from now on.
    WebSocket {
        room: Option<RoomName>,
        response: Vec<u8>,
        bytes: usize,
    },
    Refuse(Method, Status),
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// A connection of this door has sent some bytes of its handshake.
    pub(super) fn greet_web(&mut self, id: ConnectionId) {
        match self.read_request(id) {
            Answer::Wait => self.ask_for_chunk(id),
            Answer::Page { method, is_known } => {
                let mut head = Vec::new();
                let page = Response {
                    status: if is_known { Status::NotModified } else { Status::Ok },
                    media_type: "text/html; charset=utf-8",
                    policy: web::POLICY,
                    etag: Some(web::ETAG),
                    body: web::PAGE.as_bytes(),
                };
                page.head(&mut head);
                let body = if is_known || method == Method::Head { &[] } else { page.body };
                self.serve(id, head, body, CloseReason::Answered);
            }
            Answer::Refuse(method, status) => {
                let mut response = Vec::new();
                http::refuse(status, method, &mut response);
                self.serve(id, response, &[], CloseReason::BadRequest);
            }
            Answer::WebSocket { room, response, bytes } => self.open_websocket(id, room, response, bytes),
        }
    }

    fn read_request(&self, id: ConnectionId) -> Answer {
        let request = match Request::read(self.greeting_input(id)) {
            Ok(None) => return Answer::Wait,
            Ok(Some(request)) => request,
            Err(status) => return Answer::Refuse(Method::Get, status),
        };
        match request.route() {
            Ok(Route::Page) => Answer::Page { method: request.method, is_known: request.has(web::ETAG) },
            Ok(Route::WebSocket(room)) => match request.websocket_key(&self.config.web_origins) {
                Ok(key) => {
                    let mut response = Vec::new();
                    http::switch(key, &mut response);
                    Answer::WebSocket { room, response, bytes: request.bytes }
                }
                Err(status) => Answer::Refuse(request.method, status),
            },
            Err(status) => Answer::Refuse(request.method, status),
        }
    }

    /// A connection becomes a member.
    fn open_websocket(&mut self, id: ConnectionId, room: Option<RoomName>, response: Vec<u8>, bytes: usize) {
        let room = room.map_or(Some(self.rooms.hall()), |name| self.find_or_open(name));
        let Some(room) = room else {
            return self.close_with(id, Notice::NoMoreRooms, CloseReason::BadRequest);
        };
        self.use_greeting_input(id, bytes);
        let connection = self.connections.at_mut(id);
        self.budget.change_private(&mut connection.outbound.private, |private| {
            private.add(|waits| waits.extend_from_slice(&response));
        });
        if let Some(received) = &mut connection.inbound.received {
            // It has shown what it speaks.
            received.line_taken(true);
        }
        self.join(id, room);
        let received = self.connections.at_mut(id).inbound.received.as_mut();
        let behind = received.map(|received| mem::take(&mut received.input)).unwrap_or_default();
        self.budget.change(behind.capacity(), 0);
        if behind.is_empty() {
            // Most only listen from now on.
            self.free_received(id);
        } else {
            self.on_frames(id, &behind);
        }
    }

    /// The code that a member is told when it is closed for a reason. `None` when it is told nothing: it speaks no
    /// WebSocket, or is not there any more.
    pub(super) fn close_code(&self, id: ConnectionId, reason: CloseReason) -> Option<Code> {
        let connection = self.connections.at(id);
        if connection.member().is_none() || connection.inbound.encoding != Encoding::WebSocket {
            return None;
        }
        let received = connection.inbound.received.as_deref();
        let asked = received.and_then(|received| received.frames.as_deref()).and_then(|frames| frames.closed);
        Some(Some(match reason {
            CloseReason::Left => return asked,
            CloseReason::Broken => return None,
            CloseReason::Slow => 4000,
            CloseReason::Stalled => 4001,
            CloseReason::Replaced => 4002,
            CloseReason::WrongFrame => 1002,
            CloseReason::BinaryMessage => 1003,
            CloseReason::NotUtf8 => 1007,
            CloseReason::MessageTooLong => 1009,
            CloseReason::Buffer => 1013,
            CloseReason::Kicked | CloseReason::Banned | CloseReason::LineTimeout => 1008,
            CloseReason::Foreign
            | CloseReason::TurnedAway
            | CloseReason::NoProxyHeader
            | CloseReason::HandshakeTimeout
            | CloseReason::HandshakesFull
            | CloseReason::Answered
            | CloseReason::BadRequest => 1011,
        }))
    }
}
