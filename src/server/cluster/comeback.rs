//! Coming back on another node than before. A token is recorded as used, the node that gave it is asked what its member
//! had, or, where that has gone, the token says it; and the name is taken over. Each step is done once, however often the
//! command is read.

use crate::cluster::link::NodeId;
use crate::cluster::names::Claim;
use crate::cluster::people::ComingBack;
use crate::cluster::token::{Mark, Token};
use crate::cluster::told::{Had, Question, Reply};
use crate::cluster::used::Use;
use crate::io::Io;
use crate::message::Notice;
use crate::names::MemberName;
use crate::outlet::Outlet;
use crate::room::Blocked;
use crate::server::Server;
use crate::server::speaker::Speaker;
use crate::sessions::{Key, Session};
use crate::token::ConnectionId;

impl<I: Io, W: Outlet> Server<I, W> {
    /// A token that is good on every node; `None` where nodes share no key.
    pub(in crate::server) fn seal_token(&self, id: ConnectionId, key: Key) -> Option<String> {
        let settings = &self.cluster.as_ref()?.settings;
        let secret = settings.key.as_ref()?;
        let Session { name, room, epoch } = self.session_of(id, self.connections.at(id).member()?);
        let (node, slot, serial) = (settings.node, id.slot, self.connections.serial(id));
        Some(Token { node, key, slot, serial, issued: self.rooms.time(), name, room, epoch }.seal(secret))
    }

    /// Reads a token that some node has given; `None` for another one, which may be good here alone.
    pub(in crate::server) fn open_token(&self, typed: &str) -> Option<Token> {
        let secret = self.cluster.as_ref()?.settings.key.as_ref()?;
        Token::open(typed, secret)
    }

    /// The node that has given a token, if it is another one.
    pub(in crate::server) fn node_of(&self, token: &Option<Token>) -> Option<NodeId> {
        let own = self.cluster.as_ref()?.settings.node;
        token.as_ref().map(|token| token.node).filter(|node| *node != own)
    }

    /// True when another node has recorded that a token of this one was used.
    pub(in crate::server) fn is_used_elsewhere(&mut self, token: Option<&Token>) -> bool {
        let Some((token, people)) = token.zip(self.people()) else { return false };
        people.used.is_known(Mark::of(token.key))
    }

    /// A token of this node was used here, which others are to know.
    pub(in crate::server) fn record_used(&mut self, token: Option<&Token>) {
        if let Some((token, people)) = token.zip(self.people()) {
            people.used.record(token);
        }
    }

    /// A member takes up a name that this node has kept. It does not get it where another node has it meanwhile.
    pub(in crate::server) fn keep_name(&mut self, id: ConnectionId, session: &mut Session) {
        let Some((name, people)) = session.name.zip(self.people()) else { return };
        if !people.names.keep(name) {
            self.come_back_without(id, session, name);
        }
    }

    fn come_back_without(&mut self, id: ConnectionId, session: &mut Session, name: MemberName) {
        session.name = None;
        let now = self.connections.at(id).name();
        self.tell_always(id, Notice::NameLost { name, now });
    }

    /// What a member has that had a token of another node; `None` when it is refused, of which the member is told.
    pub(in crate::server) fn take_up_elsewhere(
        &mut self,
        speaker: &Speaker,
        token: &Token,
    ) -> Result<Option<Session>, Blocked> {
        let id = speaker.id;
        let done = self.come_back(id, token);
        if matches!(done, Err(Blocked::Cluster)) {
            return Err(Blocked::Cluster);
        }
        if let Some(people) = self.people() {
            people.set_coming_back(id, None);
        }
        match done? {
            Ok(session) => Ok(Some(session)),
            Err(notice) => {
                self.tell(id, notice);
                Ok(None)
            }
        }
    }

    /// Goes on with the step that a member has come to.
    fn come_back(&mut self, id: ConnectionId, token: &Token) -> Result<Result<Session, Notice<'static>>, Blocked> {
        const REFUSED: Notice<'static> = Notice::ResumeRefused;
        let (now, now_ms) = (self.now, self.rooms.time().0);
        loop {
            let is_banned = token.name.is_some_and(|name| self.is_name_banned(name));
            let Some(people) = self.people() else { return Ok(Err(REFUSED)) };
            match people.coming_back(id) {
                None if is_banned || !people.is_good(token, now, now_ms) && people.is_silent(token.node, now) => {
                    return Ok(Err(REFUSED));
                }
                None => people.set_coming_back(id, Some(ComingBack::Using)),
                Some(ComingBack::Using) => match people.used.take(token, id) {
                    Use::First => people.set_coming_back(id, Some(ComingBack::Asking)),
                    Use::Waits | Use::Full => return Err(Blocked::Cluster),
                    Use::Again => return Ok(Err(REFUSED)),
                    Use::CutOff => return Ok(Err(Notice::NamesCutOff)),
                },
                Some(ComingBack::Asking) => {
                    let question = Question::Session { at: token.node, key: token.key };
                    let answer = self.ask(id, &question)?.map(|answer| answer.reply);
                    let Some(people) = self.people() else { return Ok(Err(REFUSED)) };
                    let had = match answer {
                        Some(Reply::Session(had)) => had,
                        // Its node does not answer: it has gone, or is cut off.
                        None if people.is_good(token, now, now_ms) => {
                            Had { name: token.name, revision: 0, room: token.room }
                        }
                        _ => return Ok(Err(REFUSED)),
                    };
                    people.set_coming_back(id, Some(ComingBack::Naming(had)));
                }
                Some(ComingBack::Naming(had)) => {
                    let mut session = Session { name: had.name, room: had.room, epoch: token.epoch };
                    let Some(name) = had.name else { return Ok(Ok(session)) };
                    let may = self.may_be_called(id, name);
                    let Some(people) = self.people().filter(|_| may) else {
                        self.come_back_without(id, &mut session, name);
                        return Ok(Ok(session));
                    };
                    let known = Some(had.revision).filter(|revision| *revision > 0);
                    match people.names.claim(name, id, known, |node| node == token.node) {
                        Claim::Yours => {}
                        Claim::Waits | Claim::Full => return Err(Blocked::Cluster),
                        Claim::Taken | Claim::CutOff => self.come_back_without(id, &mut session, name),
                    }
                    return Ok(Ok(session));
                }
            }
        }
    }
}
