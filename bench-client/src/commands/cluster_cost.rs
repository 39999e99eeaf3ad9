//! The `cluster-cost` command: what a room waits longer for a line because its server is a node of a cluster, whose lines go to a
//! stream and come back from it.
//!
//! The same server is measured alone and as the one node of a cluster, in turn, several times; it is started anew for each run, and so
//! is the server of the stream.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::commands::exit_code_of;
use crate::commands::load_args::LoadArgs;
use crate::error::{Result, exit};
use crate::figures::median;
use crate::load::Room;
use crate::measure::again::again_if_spoiled;
use crate::measure::{self, Run};
use crate::plan::Length;
use crate::protocol::Protocol;
use crate::quantities::{parse_count, parse_rate, time};
use crate::report::{self, block, run_files};
use crate::results::cluster_cost::{self, Round, differences_ns};
use crate::results::folder;
use crate::target::NamedServer;

#[derive(Debug, Clone, Args)]
pub struct ClusterCostArgs {
    /// Members of the room
    #[arg(short, long, default_value = "1k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Lines a second
    #[arg(short, long, default_value = "20/s", value_name = "R", value_parser = parse_rate)]
    pub rate: f64,

    /// Rounds, each with the server alone and as a node
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub repeat: u32,

    /// The command that starts the server, {addr} and {port} replaced
    #[arg(long, required = true, value_name = "CMD")]
    pub server_cmd: String,

    /// What stands behind that command for a node, {stream} replaced by the address of the stream's server
    #[arg(long, default_value = "--cluster nats://{stream}", value_name = "OPTIONS", allow_hyphen_values = true)]
    pub node_options: String,

    /// The command that starts the server of the stream, {addr}, {port} and {folder} replaced; the folder is empty and removed afterwards
    #[arg(long, required = true, value_name = "CMD")]
    pub stream_cmd: String,

    /// How much longer the median line may take to the whole room as a node, or exit code 4
    #[arg(long, value_name = "T", value_parser = humantime::parse_duration)]
    pub limit: Option<Duration>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// The dated folder is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

impl ClusterCostArgs {
    /// The server alone, and as a node.
    fn servers(&self) -> [NamedServer; 2] {
        let server = |name: &str, command: String, stream_command| NamedServer {
            name: name.to_string(),
            protocol: Protocol::Uproar,
            command,
            stream_command,
        };
        let as_node = format!("{} {}", self.server_cmd, self.node_options);
        [server("alone", self.server_cmd.clone(), None), server("node", as_node, Some(self.stream_cmd.clone()))]
    }
}

/// Measures all rounds; returns the exit code.
pub fn command(arguments: &ClusterCostArgs) -> Result<u8> {
    let folder = folder::make(&arguments.out, cluster_cost::KIND)?;
    let servers = arguments.servers();
    let mut rounds: Vec<Round> = Vec::new();
    for number in 1..=arguments.repeat.max(1) {
        let [alone, node] = &servers;
        // Which comes first changes from round to round.
        let (alone, node) = if number.is_multiple_of(2) {
            let node = run(arguments, node, number, &folder)?;
            (run(arguments, alone, number, &folder)?, node)
        } else {
            (run(arguments, alone, number, &folder)?, run(arguments, node, number, &folder)?)
        };
        rounds.push(Round { round: number, alone: alone.summary, node: node.summary });
        // After each, so that an interrupted comparison leaves the rounds that are done.
        cluster_cost::write(&folder, &rounds)?;
    }
    println!("{}\n{}", report::cluster_cost::draw(&folder)?, folder.display());
    Ok(exit_code(&rounds, arguments.limit))
}

/// One run on `server`, made again if the client spoiled it.
fn run(arguments: &ClusterCostArgs, server: &NamedServer, number: u32, folder: &Path) -> Result<Run> {
    let length = Length::Time(arguments.load.duration);
    let room = Room { members: arguments.connections as usize, rate_per_s: arguments.rate, length };
    let measure = || measure::once(&server.target(), room, &arguments.load.load());
    let run = again_if_spoiled(measure, |run| run.summary.client_spoiled_it())?;
    let line = block::run_line(&run.summary, number as usize);
    eprint!("{}: {line}\n{}", server.name, block::problem_lines(&run.summary));
    let rows = folder::rows_directory(folder, &server.name, arguments.connections, number as usize);
    run_files::write_rows(&rows, &run.plan, &run.outcome)?;
    Ok(run)
}

/// What the program ends with after `rounds`, in which the median difference may be `limit`.
fn exit_code(rounds: &[Round], limit: Option<Duration>) -> u8 {
    let code = exit_code_of(rounds.iter().flat_map(|round| [&round.alone, &round.node]));
    if code != exit::GOOD {
        return code;
    }
    let Some(limit) = limit else { return exit::GOOD };
    match median(differences_ns(rounds)) {
        Some(difference_ns) if difference_ns <= limit.as_nanos() as i64 => exit::GOOD,
        Some(difference_ns) => {
            eprintln!("expected at most {limit:?} more at the median: it is {}", time(difference_ns.unsigned_abs()));
            exit::UNEXPECTED
        }
        None => {
            eprintln!("expected at most {limit:?} more at the median: not known, there are too few lines");
            exit::UNEXPECTED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::results::summary::Summary;
    use clap::Parser;

    #[test]
    fn a_node_is_the_same_server_with_more_options() {
        let words =
            ["bench-client", "cluster-cost", "--server-cmd", "uproar serve {addr}", "--stream-cmd", "nats -p {port}"];
        let Command::ClusterCost(arguments) = Cli::try_parse_from(words).unwrap().command else {
            panic!("another command")
        };
        let [alone, node] = arguments.servers();
        assert_eq!((alone.command.as_str(), alone.stream_command), ("uproar serve {addr}", None));
        assert_eq!(node.command, "uproar serve {addr} --cluster nats://{stream}");
        assert_eq!(node.stream_command.as_deref(), Some("nats -p {port}"));
    }

    #[test]
    fn the_median_of_the_differences_decides() {
        let run = |p50_ns: u64| {
            let mut run = Summary { valid: true, clean: true, ..Summary::default() };
            run.latency.room.p50_ns = Some(p50_ns);
            run
        };
        let round = |alone, node| Round { round: 1, alone: run(alone), node: run(node) };
        let mut rounds = vec![round(1_000_000, 9_000_000), round(1_000_000, 2_000_000), round(1_000_000, 3_000_000)];
        let limit = |ms| Some(Duration::from_millis(ms));
        assert_eq!(
            [limit(2), limit(1), None].map(|limit| exit_code(&rounds, limit)),
            [exit::GOOD, exit::UNEXPECTED, exit::GOOD]
        );
        rounds.iter_mut().for_each(|round| round.node.latency.room.p50_ns = None);
        assert_eq!(exit_code(&rounds, limit(2)), exit::UNEXPECTED);
        rounds[0].alone.valid = false;
        assert_eq!(exit_code(&rounds, limit(2)), exit::INVALID);
        rounds[1].node.clean = false;
        assert_eq!(exit_code(&rounds, None), exit::UNCLEAN);
    }
}
