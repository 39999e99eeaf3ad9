//! The commands, a file each: its options, and what it does. Options are right or wrong by themselves where they are read; what
//! they mean together is checked where it is used.

pub mod check;
pub mod cluster_cost;
pub mod costs;
pub mod doctor;
pub mod floor;
pub mod headline;
pub mod load_args;
pub mod many_rooms;
pub mod peers;
pub mod reflect;
pub mod report;
pub mod run;
pub mod sweep;
pub mod two_rooms;
mod values;

use crate::error::exit;
use crate::results::summary::Summary;

/// What the program ends with after these runs: an unclean one is worse than an invalid one.
fn exit_code_of<'a>(runs: impl IntoIterator<Item = &'a Summary>) -> u8 {
    let (mut unclean, mut invalid) = (false, false);
    for run in runs {
        unclean |= !run.clean;
        invalid |= !run.valid;
    }
    match (unclean, invalid) {
        (true, _) => exit::UNCLEAN,
        (_, true) => exit::INVALID,
        _ => exit::GOOD,
    }
}
