//! Which server is measured, and how it is started.

use std::net::SocketAddr;

use crate::protocol::Protocol;

/// Who is measured.
#[derive(Debug, Clone, Default)]
pub struct Target {
    pub name: String,
    pub protocol: Protocol,
    /// Starts the server for each run.
    pub command: Option<String>,
    /// Process of a server that runs already.
    pub pid: Option<u32>,
    pub address: Option<SocketAddr>,
    /// Doors that some of the members use instead.
    pub also: Vec<Also>,
    pub nodes: Nodes,
    /// Starts the server of the stream that nodes share, before them.
    pub stream_command: Option<String>,
}

/// Nodes that members are spread over, at most.
pub const NODES_MAX: usize = 100;

/// Which nodes of one cluster the members are spread over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Nodes {
    /// There is but one server.
    #[default]
    One,
    /// Those that run already, beside the one at the target's address.
    Others(Vec<SocketAddr>),
    /// As many as the target's command is to be carried out.
    Started(u32),
}

impl Nodes {
    pub fn count(&self) -> usize {
        match self {
            Self::One => 1,
            Self::Others(others) => others.len() + 1,
            Self::Started(count) => *count as usize,
        }
    }
}

/// Members that use another door of the same server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Also {
    pub protocol: Protocol,
    /// None where the command that starts the server names the door.
    pub address: Option<SocketAddr>,
    pub members: u64,
}

/// Members beside those of the room that a server is to hold: a share of it, and some.
const RESERVE_SHARE: usize = 100;
const RESERVE: usize = 32;

/// The command of a server for a room of `members`: `{members}` in it becomes that many and a reserve.
pub fn command_for(command: &str, members: usize) -> String {
    command.replace("{members}", &(members + members / RESERVE_SHARE + RESERVE).to_string())
}

/// A server with a name, and the command that starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedServer {
    pub name: String,
    pub protocol: Protocol,
    pub command: String,
    /// Starts the server of the stream that it needs as a node of a cluster.
    pub stream_command: Option<String>,
}

impl NamedServer {
    /// The server as the target of a run: it is started on a free port.
    pub fn target(&self) -> Target {
        Target {
            name: self.name.clone(),
            protocol: self.protocol,
            command: Some(self.command.clone()),
            stream_command: self.stream_command.clone(),
            ..Target::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_for_how_many_it_is_started() {
        let command = "uproar serve {addr} --members {members}";
        assert_eq!(command_for(command, 1_000_000), "uproar serve {addr} --members 1010032");
        assert_eq!(command_for(command, 100), "uproar serve {addr} --members 133");
        assert_eq!(command_for("uproar serve {addr}", 100), "uproar serve {addr}");
    }
}
