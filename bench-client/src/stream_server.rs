//! The server of the stream that the nodes of a cluster share, as a process: it is started before the nodes and stopped after them.
//!
//! Its command has `{addr}` or `{port}`, and `{folder}` for what it stores: a folder of its own, which is removed with it. The
//! commands of the nodes have its address as `{stream}`.

use std::net::SocketAddr;

use crate::error::Result;
use crate::pinning::Pin;
use crate::scratch::Scratch;
use crate::server_process::{ServerProcess, free_addresses};

/// A running one; dropping it stops it.
#[derive(Debug)]
pub struct StreamServer {
    address: SocketAddr,
    // Dropped in this order: what writes into the folder has ended when that is removed.
    _process: ServerProcess,
    _folder: Scratch,
}

impl StreamServer {
    /// Starts `command` on a free port, and waits until it listens there. It runs on any processor: it is not what is measured.
    pub fn start(command: &str, pin: Option<Pin>) -> Result<Self> {
        let folder = Scratch::new()?;
        let address = free_addresses(1)?[0];
        let command = command.replace("{folder}", &folder.path().display().to_string());
        let process = ServerProcess::start(&command, address, pin.map(|pin| Pin { server: None, ..pin }))?;
        Ok(Self { address, _process: process, _folder: folder })
    }

    /// `command` of a node with the address of the stream filled in.
    pub fn fill(&self, command: &str) -> String {
        command.replace("{stream}", &self.address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_told_where_the_stream_is_and_the_folder_goes_with_it() {
        let command = "sh -c 'touch {folder}/store && echo listening on {addr} >&2 && exec sleep 60'";
        let stream = StreamServer::start(command, None).unwrap();
        let folder = stream._folder.path().to_owned();
        assert_eq!(
            stream.fill("serve --cluster nats://{stream}"),
            format!("serve --cluster nats://{}", stream.address)
        );
        assert!(folder.join("store").is_file());
        drop(stream);
        assert!(!folder.exists());
    }
}
