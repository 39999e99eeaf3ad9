//! What the operator's files have at the start: the key, the message of the day, and what is held.

use std::time::Instant;

use super::Failure;
use crate::cli::Serve;
use crate::journal::{Journal, LogEvent};
use crate::moderation::{Kept, OperatorKey, StateFile};
use crate::motd::Motd;
use crate::outlet::Descriptor;

/// Reads the files that the options name.
pub fn load(serve: &Serve, journal: &mut Journal<Descriptor>) -> Result<Kept, Failure> {
    let mut kept = Kept::default();
    if let Some(path) = &serve.operator_key {
        let wrong = |error| format!("--operator-key {}: {error}", path.display());
        let (key, warning) = OperatorKey::load(path, serve.line_bytes()).map_err(wrong)?;
        if let Some(warning) = warning {
            journal.report(LogEvent::OperatorKeyWeak, Instant::now(), format_args!("--operator-key: {warning}"));
        }
        kept.operator_key = Some(key);
    }
    if let Some(path) = &serve.motd {
        kept.motd = Some(Motd::load(path).map_err(|error| format!("--motd {}: {error}", path.display()))?);
    }
    if let Some(path) = &serve.state {
        let wrong = |error| format!("--state {}: {error}", path.display());
        let (file, state) = StateFile::open(path).map_err(wrong)?;
        (kept.state_file, kept.state) = (Some(file), state);
    }
    Ok(kept)
}
