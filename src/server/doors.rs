//! Doors: from an accepted socket to a member. A newcomer is let in, or is told why not; a door may want something from
//! it first, and so may a proxy that brings it.
//!
//! Until a connection is a member it is *greeting*. Such connections hold a bounded part of all slots, beyond which the
//! one that came first is closed, and each has a bounded time, so that peers that never finish keep nobody else out.

use std::net::SocketAddr;

use super::Server;
use crate::connection::{Connection, Greeting, Queue, State};
use crate::counters::{CloseReason, Counter};
use crate::door::Door;
use crate::flood::Refusal;
use crate::io::Io;
use crate::message::Notice;
use crate::names::{Address, Guest, Origin};
use crate::outlet::Outlet;
use crate::token::{ConnectionId, ListenerId};
use crate::wire::proxy::{self, Header};

/// Why a newcomer is not let in.
enum TurnedAway {
    /// Its address is banned: until when.
    Banned(String),
    TooManyConnections,
    TooManyJoins,
}

impl TurnedAway {
    fn notice(&self) -> Notice<'_> {
        match self {
            Self::Banned(end) => Notice::Banned { end },
            Self::TooManyConnections => Notice::TooManyConnections,
            Self::TooManyJoins => Notice::TooManyJoins,
        }
    }
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// A newcomer becomes a connection, or is told why not and closed by the end of the turn.
    pub(super) fn on_accepted(&mut self, listener: ListenerId, socket: I::Socket, address: SocketAddr) {
        self.accepting.reported = false;
        let door = self.config.doors.at(listener);
        if door == Door::Admin {
            self.on_admin_accepted(socket, address);
        } else if self.connections.len() - self.admin.connections.len() >= self.config.members_max {
            self.on_server_full(listener, socket);
        } else if self.config.proxies.contains(address.ip()) {
            self.open_unknown(socket, address, door, Greeting::Proxy);
        } else {
            match self.let_in(address) {
                Ok(origin) => {
                    let id = self.open(Connection::new(socket, origin, door, Greeting::Handshake));
                    self.name_newcomer(id);
                    self.greet(id);
                }
                Err(why) => self.refuse(door, socket, why.notice()),
            }
        }
    }

    /// A newcomer has a connection that counts for nobody yet, and has to send something first.
    pub(super) fn open_unknown(
        &mut self,
        socket: I::Socket,
        address: SocketAddr,
        door: Door,
        greeting: Greeting,
    ) -> ConnectionId {
        let origin = Origin::shown(Address::first(address));
        let id = self.open(Connection::new(socket, origin, door, greeting));
        self.begin_greeting(id);
        id
    }

    fn open(&mut self, connection: Connection<I::Socket>) -> ConnectionId {
        self.counters.add(Counter::Accepted, 1);
        self.connections.insert(connection)
    }

    /// Counts a newcomer for the address that it comes from, if it may come in. Returns how it is called.
    fn let_in(&mut self, address: SocketAddr) -> Result<Origin, TurnedAway> {
        let let_in = self.ask_to_let_in(address);
        self.counters.add(Counter::TurnedAway, u64::from(let_in.is_err()));
        let_in
    }

    fn ask_to_let_in(&mut self, address: SocketAddr) -> Result<Origin, TurnedAway> {
        if let Some(hold) = self.ban_of_newcomer(address.ip()) {
            return Err(TurnedAway::Banned(hold.end_shown().to_string()));
        }
        self.addresses.join(address.ip(), self.now).map_err(|refusal| match refusal {
            Refusal::TooManyConnections => TurnedAway::TooManyConnections,
            Refusal::TooManyJoins => TurnedAway::TooManyJoins,
        })?;
        self.origin(address).ok_or_else(|| {
            self.addresses.leave(address.ip(), self.now);
            TurnedAway::TooManyConnections
        })
    }

    /// How the next connection is called, which comes from `address`. `None` when too many come from there.
    fn origin(&self, address: SocketAddr) -> Option<Origin> {
        if self.config.hide_addresses {
            let guest = Guest::of(self.connections.next_serial(), &self.numbers);
            return Some(Origin::hidden(address.ip(), guest));
        }
        self.names.find_free(address, |slot| self.connections.name_in(slot)).map(Origin::shown)
    }

    /// A connection that was let in is found by its name from now on.
    fn name_newcomer(&mut self, id: ConnectionId) {
        let name = self.connections.at(id).name();
        self.names.insert(name, id.slot, |slot| self.connections.name_in(slot));
    }

    /// A connection that was let in joins, or is asked for what its door wants first.
    fn greet(&mut self, id: ConnectionId) {
        match self.connections.at(id).inbound.door {
            Door::Text => self.join(id, self.rooms.lobby()),
            Door::Web | Door::Irc | Door::Admin => self.begin_greeting(id),
            #[cfg(test)]
            Door::Asking => {
                self.tell(id, Notice::LineTimeout);
                self.begin_greeting(id);
            }
        }
    }

    /// A connection has to send something before it is a member.
    pub(super) fn begin_greeting(&mut self, id: ConnectionId) {
        let inbound = &mut self.connections.at_mut(id).inbound;
        if self.schedule.time_handshake(id, &mut inbound.queued, self.now) {
            self.greeting += usize::from(inbound.door != Door::Admin);
        }
        while self.greeting > self.config.greeting_max() {
            let oldest = self.schedule.oldest_handshake().expect("a connection that is greeting is timed");
            self.make_room_for_greetings(oldest);
        }
        if self.connections.find(id).is_some_and(|connection| !connection.is_closing()) {
            self.ask_for_chunk(id);
        }
    }

    /// The connection that is timed for the longest is closed if it is greeting. Those of the admin door have a number of
    /// their own, and stay.
    fn make_room_for_greetings(&mut self, oldest: ConnectionId) {
        match self.connections.find(oldest) {
            Some(connection) if connection.inbound.door == Door::Admin => {
                connection.inbound.queued.remove(Queue::Handshake);
                self.schedule.time_handshake(oldest, &mut connection.inbound.queued, self.now);
            }
            _ => self.end_greeting(oldest, CloseReason::HandshakesFull),
        }
    }

    /// A connection was greeting long enough: it is closed if it still is.
    pub(super) fn end_greeting(&mut self, id: ConnectionId, reason: CloseReason) {
        if self.connections.find(id).is_none() {
            return;
        }
        self.count_greeted(id);
        let connection = self.connections.at_mut(id);
        connection.inbound.queued.remove(Queue::Handshake);
        match connection.state {
            // Its name and its address are not known, so there is no format in which it could be told.
            State::Greeting(Greeting::Proxy) => self.close(id, reason),
            State::Greeting(Greeting::Handshake) => self.close_with(id, Notice::HandshakeTimeout, reason),
            State::Greeting(Greeting::Leaving(answered)) => self.close(id, answered),
            State::Joined(_) | State::Closing(_) => {}
        }
    }

    /// A connection that is greeting has sent a chunk, which lies behind what it had sent before.
    pub(super) fn on_greeting_chunk(&mut self, id: ConnectionId) {
        match self.connections.at(id).state {
            State::Greeting(Greeting::Proxy) => self.read_proxy_header(id),
            State::Greeting(Greeting::Handshake) => self.shake_hands(id),
            State::Greeting(Greeting::Leaving(_)) => {
                self.use_greeting_input(id, usize::MAX);
                self.ask_for_chunk(id);
            }
            State::Joined(_) | State::Closing(_) => {}
        }
    }

    /// Goes on with what the door of a connection wants, if it has sent any bytes.
    fn shake_hands(&mut self, id: ConnectionId) {
        match self.connections.at(id).inbound.door {
            Door::Text => unreachable!("it has joined"),
            Door::Web => self.greet_web(id),
            Door::Irc => self.greet_irc(id),
            Door::Admin => self.greet_admin(id),
            #[cfg(test)]
            Door::Asking => {
                self.join(id, self.rooms.lobby());
                self.take_greeted(id);
            }
        }
    }

    /// A proxy says whom it brings.
    fn read_proxy_header(&mut self, id: ConnectionId) {
        match proxy::read(self.greeting_input(id)) {
            None => self.ask_for_chunk(id),
            Some(Ok((Header::Brings(address), bytes))) => {
                self.use_greeting_input(id, bytes);
                match self.let_in(address) {
                    Ok(origin) => {
                        let connection = self.connections.at_mut(id);
                        connection.origin = origin;
                        connection.state = State::Greeting(Greeting::Handshake);
                        self.name_newcomer(id);
                        self.greet(id);
                        self.take_rest_of_greeting(id);
                    }
                    Err(why) => self.close_with(id, why.notice(), CloseReason::TurnedAway),
                }
            }
            // The proxy looks whether the server is there.
            Some(Ok((Header::BringsNobody, _))) => self.close(id, CloseReason::Left),
            Some(Err(_)) => self.close(id, CloseReason::NoProxyHeader),
        }
    }

    /// Uses what a connection has sent behind the header of its proxy.
    fn take_rest_of_greeting(&mut self, id: ConnectionId) {
        if self.greeting_input(id).is_empty() {
            return;
        }
        match self.connections.at(id).state {
            State::Greeting(Greeting::Handshake) => self.shake_hands(id),
            State::Joined(_) => self.take_greeted(id),
            State::Greeting(Greeting::Proxy | Greeting::Leaving(_)) | State::Closing(_) => {}
        }
    }

    /// Sends a connection its last answer, of which all connections share `body`. It is closed behind that.
    pub(super) fn serve(&mut self, id: ConnectionId, head: Vec<u8>, body: &'static [u8], reason: CloseReason) {
        self.use_greeting_input(id, usize::MAX);
        let connection = self.connections.at_mut(id);
        connection.state = State::Greeting(Greeting::Leaving(reason));
        self.budget.change_private(&mut connection.outbound.private, |private| private.serve(head, body));
        self.greetings.push_back(id);
        // What it sends meanwhile is thrown away.
        self.ask_for_chunk(id);
    }

    /// What a connection has sent so far that is not used yet.
    pub(super) fn greeting_input(&self, id: ConnectionId) -> &[u8] {
        self.connections.at(id).inbound.received.as_ref().map_or(&[], |received| &received.input)
    }

    /// The first `bytes` of that were used, or all.
    pub(super) fn use_greeting_input(&mut self, id: ConnectionId, bytes: usize) {
        if let Some(received) = &mut self.connections.at_mut(id).inbound.received {
            let bytes = bytes.min(received.input.len());
            received.input.drain(..bytes);
        }
    }
}
