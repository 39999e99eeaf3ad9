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
