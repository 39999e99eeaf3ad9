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
