//! Questions to other nodes about members there, and answers to theirs.

use crate::cluster::ask::Outcome;
use crate::cluster::told::{Answer, Ask, Had, Here, Question, Reply};
use crate::counters::CloseReason;
use crate::io::Io;
use crate::message::Notice;
use crate::names::{MemberName, Name};
use crate::outlet::Outlet;
use crate::room::Blocked;
use crate::server::Server;
use crate::sessions::{Holder, Key};
use crate::token::ConnectionId;

impl<I: Io, W: Outlet> Server<I, W> {
    /// Asks all other nodes for a connection, whose command waits meanwhile. `None` when nobody answers.
    pub(in crate::server) fn ask(&mut self, id: ConnectionId, question: &Question) -> Result<Option<Answer>, Blocked> {
        let now = self.now;
        let Some(cluster) = &mut self.cluster else { return Ok(None) };
        let is_alone = !cluster.is_up() || !cluster.people.has_others(now);
        if is_alone && !cluster.people.questions.has_asked(id) {
            return Ok(None);
        }
        match cluster.people.questions.ask(id, question, now) {
            Outcome::Over(answer) => Ok(answer),
            Outcome::Asked(bytes) => {
                cluster.tell(bytes);
                Err(Blocked::Cluster)
            }
            Outcome::Waits | Outcome::Full => Err(Blocked::Cluster),
        }
    }

    /// Where a member is that is not here.
    pub(in crate::server) fn ask_where(
        &mut self,
        id: ConnectionId,
        name: Option<Name>,
    ) -> Result<Option<(Answer, Here)>, Blocked> {
        let Some(name) = name else { return Ok(None) };
        let answer = self.ask(id, &Question::Where { name })?;
        Ok(answer.and_then(|answer| match answer.reply {
            Reply::Here(here) => Some((answer, here)),
            _ => None,
        }))
    }

    /// Another node asks. It is answered by the one that knows.
    pub(super) fn on_question(&mut self, ask: &Ask) {
        let reply = match &ask.question {
            Question::Msg { to, from, id, text } => self.member_called(*to).map(|member| {
                let private = Notice::Private { from: *from, id: *id, time: self.rooms.time(), text };
                let told = self.tell(member, private);
                let name = self.connections.at(member).name();
                if told { Reply::Sent { name } } else { Reply::Full { name } }
            }),
            Question::Kick { name, by, why } => self.member_called(*name).map(|member| {
                let name = self.connections.at(member).name();
                self.close_with(member, Notice::Kicked { by: *by, why }, CloseReason::Kicked);
                let (by, whom) = (self.whom(*by, None), self.whom(name, Some(self.public_id(member))));
                self.report_kick(by, whom, ", from another node");
                Reply::Kicked { name }
            }),
            Question::Where { name } => self.member_called(*name).map(|member| {
                let connection = self.connections.at(member);
                let (name, ip) = (connection.name().chosen(), connection.origin.ip);
                Reply::Here(Here { name, ip, slot: member.slot.0, serial: self.connections.serial(member).0 })
            }),
            Question::Session { at, key } => {
                let is_here = self.cluster.as_ref().is_some_and(|cluster| cluster.settings.node == *at);
                is_here.then(|| self.give_session(*key).map_or(Reply::Nothing, Reply::Session))
            }
        };
        let Some((reply, cluster)) = reply.zip(self.cluster.as_mut()) else { return };
        let answer = Answer { to: ask.number, by: cluster.settings.node, reply };
        cluster.tell(answer.encode());
    }

    /// What the member of a token has, which it takes up at another node.
    fn give_session(&mut self, key: Key) -> Option<Had> {
        let (session, other) = match self.sessions.find(key)? {
            Holder::Ended(session) => (**session, None),
            Holder::Open(other) => {
                let other = *other;
                let member = self.connections.at(other).member().expect("only a member has a token");
                (self.session_of(other, member), Some(other))
            }
        };
        let now = self.now;
        let hand_over = |server: &mut Self, name: MemberName| server.people().map(|people| people.hand_over(name, now));
        let name = session.name.filter(|name| self.people().is_some_and(|people| people.names.has(*name)));
        let revision = name.and_then(|name| hand_over(self, name)).unwrap_or(0);
        if let Some(other) = other {
            self.close_with(other, Notice::Replaced, CloseReason::Replaced);
        }
        self.sessions.take(key);
        Some(Had { name, revision, room: session.room })
    }
}
