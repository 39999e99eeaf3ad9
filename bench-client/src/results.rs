//! What was measured, as data, and the folders that hold it. Nothing here measures, draws or prints.

pub mod cluster_cost;
pub mod comparison;
pub mod costs;
pub mod doors;
pub mod folder;
pub mod headline;
pub mod rung;
pub mod summary;
pub mod two_rooms;
