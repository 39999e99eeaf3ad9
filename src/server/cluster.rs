//! What a server does as a node of a cluster.

use crate::io::Io;
use crate::outlet::Outlet;
use crate::server::Server;

impl<I: Io, W: Outlet> Server<I, W> {
    /// The link may have news.
    pub(super) fn on_link(&mut self) {}
}
