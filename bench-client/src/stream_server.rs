//! The server of the stream that the nodes of a cluster share, as a process: it is started before the nodes and stopped after them.
//!
//! Its command has `{addr}` or `{port}`, and `{folder}` for what it stores: a folder of its own, which is removed with it. The
//! commands of the nodes have its address as `{stream}`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::pinning::Pin;
use crate::server_process::{ServerProcess, free_addresses};
use crate::sys;

/// A running one; dropping it stops it.
#[derive(Debug)]
pub struct StreamServer {
    address: SocketAddr,
    // Dropped in this order: what writes into the folder has ended when that is removed.
    _process: ServerProcess,
    _folder: Folder,
}

impl StreamServer {
    /// Starts `command` on a free port, and waits until it listens there. It runs on any processor: it is not what is measured.
    pub fn start(command: &str, pin: Option<Pin>) -> Result<Self> {
        let folder = Folder::new()?;
        let address = free_addresses(1)?[0];
        let command = command.replace("{folder}", &folder.0.display().to_string());
        let process = ServerProcess::start(&command, address, pin.map(|pin| Pin { server: None, ..pin }))?;
        Ok(Self { address, _process: process, _folder: folder })
    }

    /// `command` of a node with the address of the stream filled in.
    pub fn fill(&self, command: &str) -> String {
        command.replace("{stream}", &self.address.to_string())
    }
}

/// A new empty folder, which is removed with all that is in it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let name = format!("bench-client-{}-{}", std::process::id(), sys::monotonic_ns());
        let path = std::env::temp_dir().join(name);
        let failed = |path: &Path| format!("cannot make {}", path.display());
        fs::create_dir(&path).context(|| failed(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_told_where_the_stream_is_and_the_folder_goes_with_it() {
        let command = "sh -c 'touch {folder}/store && echo listening on {addr} >&2 && exec sleep 60'";
        let stream = StreamServer::start(command, None).unwrap();
        let folder = stream._folder.0.clone();
        assert_eq!(
            stream.fill("serve --cluster nats://{stream}"),
            format!("serve --cluster nats://{}", stream.address)
        );
        assert!(folder.join("store").is_file());
        drop(stream);
        assert!(!folder.exists());
    }
}
