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
}

impl NamedServer {
    /// The server as the target of a run: it is started on a free port.
    pub fn target(&self) -> Target {
        Target {
            name: self.name.clone(),
            protocol: self.protocol,
            command: Some(self.command.clone()),
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
