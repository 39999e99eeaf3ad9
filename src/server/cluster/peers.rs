//! What this node tells the others of itself, and what follows from what they tell: counts of whole rooms, and whether
//! this node may stay.

use crate::cluster::beat::Word;
use crate::cluster::link::NodeId;
use crate::cluster::peers::Heard;
use crate::io::Io;
use crate::limits::{LIST_PAGE_ENTRIES, NODES_CHANGES_PER_TURN};
use crate::message::Notice;
use crate::metrics::ClusterMetrics;
use crate::outlet::Outlet;
use crate::room::Blocked;
use crate::server::Server;
use crate::server::requests::start_of_page;
use crate::server::speaker::Speaker;
use crate::token::RoomId;

impl<I: Io, W: Outlet> Server<I, W> {
    /// In a cluster: operators and other nodes know this one by a name.
    pub fn name_node(&mut self, name: &str) {
        if let Some(cluster) = &mut self.cluster {
            cluster.nodes.set_name(name);
        }
    }

    /// The server is a node from now on.
    pub(super) fn introduce_node(&mut self) {
        self.rooms.count_for_others(self.now);
        let Some(cluster) = &mut self.cluster else { return };
        cluster.nodes.set_started(self.io.unix_time());
    }

    /// There is a connection: the others are told of this node, and asked for themselves.
    pub(super) fn greet_nodes(&mut self) {
        let now = self.now;
        let Some(cluster) = &mut self.cluster else { return };
        cluster.nodes.on_up(now);
        let node = cluster.settings.node;
        self.ask_node(node, None);
        if let Some(own) = self.rooms.own() {
            own.ask(now);
        }
    }

    fn ask_node(&mut self, node: NodeId, to: Option<NodeId>) {
        self.tell_nodes(&Word::Hello { node, to });
    }

    fn tell_nodes(&mut self, word: &Word) {
        if let Some(cluster) = &mut self.cluster {
            cluster.tell(word.write());
        }
    }

    /// Another node tells of itself.
    pub(super) fn on_node(&mut self, word: Word) {
        let now = self.now;
        let Some(cluster) = &mut self.cluster else { return };
        let own = cluster.settings.node;
        match word {
            Word::Hello { node, to } => {
                if node != own
                    && to.is_none_or(|to| to == own)
                    && let Some(own) = self.rooms.own()
                {
                    own.ask(now);
                }
            }
            Word::Bye { node, count } => cluster.nodes.peers.on_bye(node, count),
            Word::Beat(about, counts) => {
                let node = about.node;
                if node != own
                    && let Some(difference) = cluster.nodes.conflict(&about, cluster.has_begun(), now)
                {
                    return self.fail_in_cluster(&difference.to_string());
                }
                if cluster.nodes.peers.on_beat(*about, &counts, now) == Heard::New {
                    self.ask_node(own, Some(node));
                }
            }
        }
    }

    /// Once a turn: tells the others what is due, looks who is silent, and puts some of what has changed elsewhere into
    /// rooms.
    pub(super) fn run_nodes(&mut self) {
        let (now, members) = (self.now, self.rooms.online() as u64);
        let Some(cluster) = &mut self.cluster else { return };
        let is_due = self.rooms.own_deadline().is_some_and(|due| due <= now);
        if is_due {
            cluster.nodes.peers.look(now);
            let tells = !cluster.nodes.has_left() && cluster.can_tell();
            if let Some(own) = self.rooms.own() {
                if !tells {
                    own.wait(now);
                } else if let Some(counts) = own.next(now) {
                    let about = cluster.nodes.about(members, cluster.has_begun(), now);
                    cluster.tell(Word::Beat(Box::new(about), counts).write());
                }
            }
        }
        let peers = &mut cluster.nodes.peers;
        peers.take_out_gone();
        for _ in 0..NODES_CHANGES_PER_TURN {
            let Some((room, change)) = peers.next_change() else { break };
            self.rooms.change_elsewhere(room, change, now);
        }
    }

    /// The server stops: the members that it has leave now, for the others.
    pub(in crate::server) fn leave_nodes(&mut self) {
        let Some(cluster) = &mut self.cluster else { return };
        let node = cluster.settings.node;
        if cluster.nodes.leave()
            && let Some(own) = self.rooms.own()
        {
            let count = own.next_count();
            self.tell_nodes(&Word::Bye { node, count });
        }
    }

    /// Members of all nodes, those that have joined no room here too, and how many nodes there are.
    pub(in crate::server) fn in_all_nodes(&self) -> (u64, u64) {
        let here = (self.rooms.online() + self.rooms.outside()) as u64;
        let Some(cluster) = &self.cluster else { return (here, 1) };
        let nodes = cluster.nodes.peers.living(self.now).count() as u64 + 1;
        (cluster.nodes.members(here, self.now), nodes)
    }

    pub(in crate::server) fn cluster_metrics(&self) -> Option<ClusterMetrics<'_>> {
        let cluster = self.cluster.as_ref()?;
        let nodes = &cluster.nodes;
        Some(ClusterMetrics {
            is_up: cluster.is_up(),
            nodes: nodes.peers.living(self.now).count() as u64 + 1,
            members: nodes.members(self.rooms.online() as u64, self.now),
            latency: cluster.outgoing.latency(),
            outstanding: cluster.outgoing.under_way() as u64,
            held: cluster.outgoing.waiting() as u64,
            lag: nodes.lag(),
            reconnects: nodes.reconnects(),
        })
    }

    /// How many are in a room on other nodes, as an entry of its list of members.
    pub(in crate::server) fn listed_elsewhere(&self, room: RoomId) -> Option<Notice<'static>> {
        let online = self.rooms.room(room).elsewhere();
        (online > 0).then_some(Notice::Elsewhere { online })
    }

    /// Lists the nodes to an operator, this one first.
    pub(in crate::server) fn list_nodes(&mut self, speaker: &Speaker, page: u64) -> Result<(), Blocked> {
        self.await_empty(speaker.id)?;
        let Some(cluster) = &self.cluster else {
            self.tell(speaker.id, Notice::NoCluster);
            return Ok(());
        };
        let own = cluster.nodes.about(self.rooms.online() as u64, cluster.has_begun(), self.now);
        let others = cluster.nodes.peers.living(self.now);
        let others = others.map(|node| (node.about.clone(), node.up));
        let all: Vec<_> = std::iter::once((own.clone(), own.up)).chain(others).collect();
        let listed: Vec<Notice<'_>> = all
            .iter()
            .map(|(about, up)| Notice::NodeListed {
                name: &about.name,
                node: about.node,
                members: about.members,
                behind: about.lag,
                up: *up,
            })
            .collect();
        let of_page = listed.iter().skip(start_of_page(page)).take(LIST_PAGE_ENTRIES).copied().collect::<Vec<_>>();
        self.tell_page(speaker.id, &of_page, page, listed.len());
        Ok(())
    }
}
