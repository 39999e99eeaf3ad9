//! Whether a node of the cluster could be here: NATS, its JetStream, the stream, and how long a message takes.

use super::{Finding, Level};
use crate::cli::Serve;
use crate::cluster::engine::Seen;
use crate::cluster::start;

/// None where the server is to be no node.
pub fn findings(serve: &Serve) -> Vec<Finding> {
    let seen = serve.cluster.engine().map(|engine| start::look(&engine)).unwrap_or_default();
    let finding = |seen| match seen {
        Seen::Right(text) => Finding::new(Level::Ok, text),
        Seen::Doubtful(text) => Finding::new(Level::Warn, text),
        Seen::Wrong(text) => Finding::new(Level::Fail, text),
    };
    seen.into_iter().map(finding).collect()
}
