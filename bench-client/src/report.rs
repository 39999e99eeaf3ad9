//! What is written and drawn from results, for people and programs. Nothing here measures.
//!
//! A run leaves `run_files`: a summary, and its raw record as `hgrm`, `hlog` and `messages`; it prints a `block`. What a folder
//! of results shows is drawn from its runs by `rooms`, `million`, `peers`, `headline`, `costs`, `many_rooms`, `two_rooms` or `cluster_cost`, each
//! a kind of folder; `changes` compares two folders of rooms.

pub mod bars;
mod beside;
pub mod block;
pub mod captions;
pub mod changes;
pub mod cluster_cost;
pub mod costs;
pub mod headline;
pub mod hgrm;
pub mod hlog;
pub mod layout;
pub mod many_rooms;
pub mod messages;
pub mod million;
pub mod million_table;
pub mod peers;
pub mod peers_table;
pub mod plot;
pub mod reach;
pub mod rooms;
pub mod rooms_table;
pub mod rows;
pub mod run_files;
pub mod rung_columns;
pub mod short;
pub mod spectra;
pub mod two_rooms;
