//! The `two-rooms` command: what a few people in a room of their own notice of a large room that is busy on the same server.
//!
//! The few are measured alone and beside the large room, each several times and in turn; the server is restarted for each.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::commands::exit_code_of;
use crate::commands::load_args::LoadArgs;
use crate::commands::values::parse_server;
use crate::engine::shape::Shape;
use crate::error::Result;
use crate::load::{Load, Room};
use crate::measure::Run;
use crate::measure::again::again_if_spoiled;
use crate::measure::beside::{self, Both};
use crate::plan::Length;
use crate::quantities::{parse_count, parse_rate};
use crate::report::{self, block, run_files};
use crate::results::folder;
use crate::results::two_rooms::{self, Round};
use crate::rooms::Rooms;
use crate::target::NamedServer;

/// What the room of the few is called.
const ROOM: &str = "few";

#[derive(Debug, Clone, Args)]
pub struct TwoRoomsArgs {
    /// Members of the large room
    #[arg(short, long, default_value = "19k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Deliveries a second in the large room: its lines are this over its members
    #[arg(long, default_value = "200k/s", value_name = "R", value_parser = parse_rate)]
    pub deliveries: f64,

    /// Members of the small room, all of which verify
    #[arg(long, default_value = "5", value_name = "N", value_parser = parse_count)]
    pub few: u64,

    /// Lines a second in the small room, from one of them
    #[arg(long, default_value = "100/s", value_name = "R", value_parser = parse_rate)]
    pub few_rate: f64,

    /// Rounds: the few alone and beside the large room, on each server, which is restarted each time
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub repeat: u32,

    /// A server and the command that starts it, {addr} and {port} replaced; may be given several times
    #[arg(long = "server", required = true, value_name = "NAME[:PROTOCOL]=CMD", value_parser = parse_server)]
    pub servers: Vec<NamedServer>,

    /// Of the large room, where there is a choice; length, warm-up and bytes of a line are of both
    #[command(flatten)]
    pub load: LoadArgs,

    /// The dated folder is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

impl TwoRoomsArgs {
    fn many(&self) -> (Room, Load) {
        let members = self.connections as usize;
        let rate_per_s = self.deliveries / members as f64;
        (Room { members, rate_per_s, length: Length::Time(self.load.duration) }, self.load.load())
    }

    fn few(&self) -> (Room, Load) {
        let load = self.load.load();
        let room =
            Room { members: self.few as usize, rate_per_s: self.few_rate, length: Length::Time(self.load.duration) };
        let load = Load {
            rooms: Rooms::Named(ROOM.to_string()),
            publishers: 1,
            verify: None,
            processes: None,
            probes: if load.probes == 0 { 0 } else { room.members },
            nuisances: Shape::default(),
            idle: None,
            aftermath: None,
            floor: false,
            progress: false,
            ..load
        };
        (room, load)
    }
}

/// Measures all rounds; returns the exit code.
pub fn command(arguments: &TwoRoomsArgs) -> Result<u8> {
    let folder = folder::make(&arguments.out, two_rooms::KIND)?;
    let mut rounds: Vec<Round> = Vec::new();
    for number in 1..=arguments.repeat.max(1) {
        for server in &arguments.servers {
            rounds.push(round(arguments, server, number, &folder)?);
            // After each, so that an interrupted comparison leaves the rounds that are done.
            two_rooms::write(&folder, &rounds)?;
        }
    }
    println!("{}\n{}", report::two_rooms::draw(&folder)?, folder.display());
    Ok(exit_code(&rounds))
}

/// One round on `server`. Which comes first changes from round to round.
fn round(arguments: &TwoRoomsArgs, server: &NamedServer, number: u32, folder: &Path) -> Result<Round> {
    let alone_now = || few_alone(arguments, server);
    let beside_now = || few_beside(arguments, server);
    let (alone, both) = if number.is_multiple_of(2) {
        let both = beside_now()?;
        (alone_now()?, both)
    } else {
        (alone_now()?, beside_now()?)
    };
    for (case, run) in [("alone", &alone), ("beside", &both.few), ("many", &both.many)] {
        let members = run.summary.room.members;
        let rows = folder::rows_directory(&folder.join(case), &server.name, members, number as usize);
        run_files::write_rows(&rows, &run.plan, &run.outcome)?;
        let warnings = block::problem_lines(&run.summary);
        eprint!("{case}: {}\n{warnings}", block::run_line(&run.summary, number as usize));
    }
    Ok(Round {
        server: server.name.clone(),
        round: number,
        alone: alone.summary,
        beside: both.few.summary,
        many: both.many.summary,
    })
}

fn few_alone(arguments: &TwoRoomsArgs, server: &NamedServer) -> Result<Run> {
    let (room, load) = arguments.few();
    again_if_spoiled(|| beside::alone(&server.target(), (room, &load)), |run| run.summary.client_spoiled_it())
}

fn few_beside(arguments: &TwoRoomsArgs, server: &NamedServer) -> Result<Both> {
    let ((few, few_load), (many, many_load)) = (arguments.few(), arguments.many());
    again_if_spoiled(
        || beside::both(&server.target(), (few, &few_load), (many, &many_load)),
        |both| both.few.summary.client_spoiled_it() || both.many.summary.client_spoiled_it(),
    )
}

fn exit_code(rounds: &[Round]) -> u8 {
    exit_code_of(rounds.iter().flat_map(|round| [&round.alone, &round.beside, &round.many]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    #[test]
    fn the_few_have_a_room_of_their_own_and_all_of_them_verify() {
        let words = "bench-client two-rooms -c 1k --deliveries 50k --few 7 --verify 16 -p 3 --server a=b -d 3s";
        let Command::TwoRooms(arguments) = Cli::try_parse_from(words.split(' ')).unwrap().command else {
            panic!("another command")
        };
        let ((few, few_load), (many, many_load)) = (arguments.few(), arguments.many());
        assert_eq!((few.members, few.rate_per_s, few_load.publishers, few_load.verify), (7, 100.0, 1, None));
        assert_eq!((few_load.rooms.name(0).unwrap().as_str(), few_load.probes), (ROOM, 7));
        assert_eq!((many.members, many.rate_per_s, many_load.publishers, many_load.verify), (1000, 50.0, 3, Some(16)));
        assert_eq!((many_load.rooms, few.length), (Rooms::First, many.length));
    }

    #[test]
    fn what_the_client_spoiled_is_measured_once_more() {
        let mut times = 0;
        let mut measure = || {
            times += 1;
            Ok(times)
        };
        assert_eq!(again_if_spoiled(&mut measure, |_| false).unwrap(), 1);
        assert_eq!(again_if_spoiled(&mut measure, |_| true).unwrap(), 3);
    }
}
