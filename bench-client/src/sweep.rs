//! The `sweep` command: the same number of deliveries a second into rooms of growing size, every server in turn.
//!
//! Each run restarts its server; servers take turns within each repeat, so that what the machine does meanwhile meets them
//! all alike. A room that cannot be measured is a row with its reason, not a gap. Everything goes into one dated folder.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;

use crate::cli::SweepArgs;
use crate::environment;
use crate::error::{Context, Error, Result, exit};
use crate::plan::Length;
use crate::protocol::Protocol;
use crate::recorder::figures::Latency;
use crate::report::plot::{self, Spectrum};
use crate::report::summary::{Quantiles, Summary};
use crate::report::{self, table};
use crate::run::{self, Room, Target};

/// A server of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedServer {
    pub name: String,
    pub protocol: Protocol,
    pub command: String,
}

/// A room of one size on one server: its runs, or why there are none.
#[derive(Debug)]
pub struct Rung {
    pub server: String,
    pub members: u64,
    pub runs: Vec<Summary>,
    /// Latencies of each run, for the spectrum.
    latencies: Vec<(Latency, Latency)>,
    pub not_run: Option<String>,
}

/// One row of `sweep.csv` and `sweep.json`: one run. Times are in microseconds; a cell is empty when the figure is not
/// known, or has too few samples to be spoken of.
#[derive(Debug, Serialize)]
struct Row {
    server: String,
    members: u64,
    run: u64,
    /// `good`, `invalid`, `unclean` or `not run`.
    state: &'static str,
    reason: String,
    rate_per_s: Option<f64>,
    messages: Option<u64>,
    deliveries: Option<u64>,
    deliveries_per_s: Option<f64>,
    room_p50_us: Option<f64>,
    room_p90_us: Option<f64>,
    room_p99_us: Option<f64>,
    room_max_us: Option<f64>,
    /// True when some message never reached the whole room: the figures above are then lower bounds.
    room_is_at_least: Option<bool>,
    spread_p50_us: Option<f64>,
    delivery_p50_us: Option<f64>,
    delivery_p90_us: Option<f64>,
    delivery_p99_us: Option<f64>,
    delivery_p99_9_us: Option<f64>,
    delivery_max_us: Option<f64>,
    delivery_uncorrected_p99_us: Option<f64>,
    lag_p99_us: Option<f64>,
    lost: Option<u64>,
    duplicate: Option<u64>,
    out_of_order: Option<u64>,
    echoed: Option<u64>,
    corrupt: Option<u64>,
    foreign: Option<u64>,
    server_cpu_share: Option<f64>,
    server_cpu_per_delivery_ns: Option<f64>,
    server_deliveries_per_cpu_s: Option<f64>,
    server_memory_per_member_bytes: Option<f64>,
    server_idle_cpu_share: Option<f64>,
    client_cpu_share: Option<f64>,
    others_cpu_share: Option<f64>,
    floor_send_ns: Option<f64>,
    floor_uring_ns: Option<f64>,
    cost_over_send: Option<f64>,
    cost_over_uring: Option<f64>,
    connect_s: Option<f64>,
}

/// Carries out the sweep; returns its exit code.
pub fn command(arguments: &SweepArgs) -> Result<u8> {
    let folder = folder(&arguments.out);
    report::write_json(&folder.join("env.json"), &environment::describe())?;
    let mut rungs = Vec::new();
    for &members in &arguments.rungs {
        let mut level: Vec<Rung> = arguments.servers.iter().map(|server| Rung::new(&server.name, members)).collect();
        for repeat in 1..=arguments.repeat.max(1) {
            for (server, rung) in arguments.servers.iter().zip(&mut level) {
                if rung.not_run.is_none() {
                    measure(arguments, server, rung, repeat, &folder)?;
                }
            }
        }
        rungs.extend(level);
    }
    write(&folder, &rungs)?;
    print!("{}", table::sweep(&rungs));
    println!("\n{}", folder.display());
    Ok(verdict(&rungs))
}

/// A folder of its own for every sweep: when, on which kernel, from which commit.
fn folder(parent: &std::path::Path) -> PathBuf {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(':', "-");
    parent.join(format!("{now}_{}_{}", environment::kernel_release(), environment::git_commit()))
}

impl Rung {
    fn new(server: &str, members: u64) -> Self {
        Self { server: server.to_string(), members, runs: Vec::new(), latencies: Vec::new(), not_run: None }
    }
}

/// One run of `rung`; a run that cannot be made leaves its reason there.
fn measure(
    arguments: &SweepArgs,
    server: &NamedServer,
    rung: &mut Rung,
    repeat: u32,
    folder: &std::path::Path,
) -> Result<()> {
    let room = Room {
        members: rung.members as usize,
        rate_per_s: arguments.deliveries / rung.members as f64,
        length: Length::Time(arguments.load.duration),
    };
    let target = Target {
        name: server.name.clone(),
        protocol: server.protocol,
        command: Some(server.command.clone()),
        ..Target::default()
    };
    let run = match run::measure(&target, room, &arguments.load) {
        Ok(run) => run,
        Err(error) => {
            // Told at once too: a sweep takes minutes.
            eprintln!("{} members, {}: not run: {error}", table::count(rung.members), server.name);
            rung.not_run = Some(error.to_string());
            return Ok(());
        }
    };
    let directory = folder.join(&server.name).join(format!("c{:07}", rung.members)).join(format!("run{repeat}"));
    report::write_run(&directory, &run.plan, &run.outcome, &run.summary)?;
    eprintln!("{}", table::run_line(&run.summary, repeat));
    eprint!("{}", table::problem_lines(&run.summary));
    let figures = run.outcome.record.figures;
    rung.latencies.push((figures.room, figures.delivery));
    rung.runs.push(run.summary);
    Ok(())
}

fn write(folder: &std::path::Path, rungs: &[Rung]) -> Result<()> {
    let rows: Vec<Row> = rungs.iter().flat_map(rows).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in &rows {
        writer.serialize(row).context(|| "cannot write sweep.csv".to_string())?;
    }
    let csv = writer.into_inner().context(|| "cannot write sweep.csv".to_string())?;
    report::write_file(&folder.join("sweep.csv"), &csv)?;
    report::write_json(&folder.join("sweep.json"), &json!({ "schema": 1, "runs": rows }))?;
    report::write_file(&folder.join("table.md"), table::sweep_markdown(rungs).as_bytes())?;
    report::write_file(&folder.join("room_vs_members.svg"), plot::room_vs_members(rungs)?.as_bytes())?;
    let mut sizes: Vec<u64> = rungs.iter().map(|rung| rung.members).collect();
    sizes.dedup();
    for members in sizes {
        let spectra: Vec<Spectrum<'_>> =
            rungs.iter().filter(|rung| rung.members == members).filter_map(Rung::spectrum).collect();
        if !spectra.is_empty() {
            let svg = plot::spectrum(members, &spectra)?;
            report::write_file(&folder.join(format!("spectrum_{members:07}.svg")), svg.as_bytes())?;
        }
    }
    Ok(())
}

impl Rung {
    /// The spectrum of the run whose median room latency is the median of all runs'.
    fn spectrum(&self) -> Option<Spectrum<'_>> {
        let median_of = |(room, _): &(Latency, Latency)| room.histogram.value_at_quantile(0.5);
        let median = table::median(self.latencies.iter().map(median_of))?;
        let (room, delivery) = self.latencies.iter().find(|latencies| median_of(latencies) == median)?;
        Some(Spectrum { server: &self.server, room, delivery })
    }
}

fn verdict(rungs: &[Rung]) -> u8 {
    let mut runs = rungs.iter().flat_map(|rung| &rung.runs).peekable();
    if runs.peek().is_none() {
        return exit::FAILED;
    }
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

fn rows(rung: &Rung) -> Vec<Row> {
    let mut rows: Vec<Row> = (1..).zip(&rung.runs).map(|(number, run)| row(rung, number, Some(run))).collect();
    if rung.not_run.is_some() {
        rows.push(row(rung, rows.len() as u64 + 1, None));
    }
    rows
}

fn row(rung: &Rung, number: u64, run: Option<&Summary>) -> Row {
    let state = match run {
        None => "not run",
        Some(run) if !run.clean => "unclean",
        Some(run) if !run.valid => "invalid",
        Some(_) => "good",
    };
    let reason = match run {
        None => rung.not_run.clone().unwrap_or_default(),
        Some(run) => run.reasons.join("; "),
    };
    let us = |ns: Option<u64>| ns.map(|ns| ns as f64 / 1e3);
    let latency =
        |of: fn(&Summary) -> &Quantiles, mark: fn(&Quantiles) -> Option<u64>| us(run.and_then(|run| mark(of(run))));
    let proof = run.map(|run| &run.proof);
    let server = run.and_then(|run| run.server.as_ref());
    let floor = run.and_then(|run| run.floor.as_ref());
    Row {
        server: rung.server.clone(),
        members: rung.members,
        run: number,
        state,
        reason,
        rate_per_s: run.map(|run| run.plan.rate_per_s),
        messages: run.map(|run| run.sent.messages),
        deliveries: run.map(|run| run.sent.deliveries),
        deliveries_per_s: run.map(|run| run.sent.deliveries_per_s),
        room_p50_us: latency(|run| &run.latency.room, |room| room.p50_ns),
        room_p90_us: latency(|run| &run.latency.room, |room| room.p90_ns),
        room_p99_us: latency(|run| &run.latency.room, |room| room.p99_ns),
        room_max_us: latency(|run| &run.latency.room, |room| room.max_ns),
        room_is_at_least: run.map(|run| run.latency.room.censored > 0),
        spread_p50_us: latency(|run| &run.latency.spread, |spread| spread.p50_ns),
        delivery_p50_us: latency(|run| &run.latency.delivery, |delivery| delivery.p50_ns),
        delivery_p90_us: latency(|run| &run.latency.delivery, |delivery| delivery.p90_ns),
        delivery_p99_us: latency(|run| &run.latency.delivery, |delivery| delivery.p99_ns),
        delivery_p99_9_us: latency(|run| &run.latency.delivery, |delivery| delivery.p99_9_ns),
        delivery_max_us: latency(|run| &run.latency.delivery, |delivery| delivery.max_ns),
        delivery_uncorrected_p99_us: latency(|run| &run.latency.delivery_uncorrected, |delivery| delivery.p99_ns),
        lag_p99_us: us(run.map(|run| run.client.lag_p99_ns)),
        lost: proof.map(|proof| proof.lost),
        duplicate: proof.map(|proof| proof.duplicate),
        out_of_order: proof.map(|proof| proof.out_of_order),
        echoed: proof.map(|proof| proof.echoed),
        corrupt: proof.map(|proof| proof.corrupt),
        foreign: proof.map(|proof| proof.foreign),
        server_cpu_share: server.map(|server| server.cpu_share),
        server_cpu_per_delivery_ns: server.and_then(|server| server.cpu_per_delivery_ns),
        server_deliveries_per_cpu_s: server.and_then(|server| server.deliveries_per_cpu_s),
        server_memory_per_member_bytes: server.map(|server| server.memory_per_member_bytes),
        server_idle_cpu_share: server.and_then(|server| server.idle_cpu_share),
        client_cpu_share: run.map(|run| run.client.cpu_share),
        others_cpu_share: run.and_then(|run| run.client.others_cpu_share),
        floor_send_ns: floor.map(|floor| floor.send.mean_ns),
        floor_uring_ns: floor.and_then(|floor| floor.uring).map(|uring| uring.mean_ns),
        cost_over_send: floor.and_then(|floor| floor.ratio_to_send),
        cost_over_uring: floor.and_then(|floor| floor.ratio_to_uring),
        connect_s: run.map(|run| run.connect.elapsed_s),
    }
}

/// `NAME=COMMAND` or `NAME:PROTOCOL=COMMAND`; the name becomes a folder.
pub fn parse_server(text: &str) -> std::result::Result<NamedServer, String> {
    let wrong = || {
        Error::new(format!(
            "{text:?} is no NAME=COMMAND; write for example uproar='target/release/uproar serve {{addr}}'"
        ))
    };
    let (name, command) = text.split_once('=').ok_or_else(|| wrong().to_string())?;
    let (name, protocol) = match name.split_once(':') {
        None => (name, Protocol::Uproar),
        Some((name, protocol)) => (name, Protocol::from_str(protocol, false)?),
    };
    let is_plain =
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    if !is_plain || name.starts_with('.') || command.trim().is_empty() {
        return Err(wrong().to_string());
    }
    Ok(NamedServer { name: name.to_string(), protocol, command: command.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_name_that_can_be_a_folder() {
        let server = parse_server("uproar-uring=bin/uproar serve {addr} --x=y").unwrap();
        assert_eq!((server.name.as_str(), server.command.as_str()), ("uproar-uring", "bin/uproar serve {addr} --x=y"));
        let peer = parse_server("redis-7:redis=redis-server --port {port}").unwrap();
        assert_eq!((peer.name.as_str(), peer.protocol), ("redis-7", Protocol::Redis));
        for wrong in ["", "uproar", "a:b=x", "=x", "a/b=x", "..=x", "a= "] {
            assert!(parse_server(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rung_that_cannot_run_is_a_row_with_its_reason() {
        let mut rung = Rung::new("select", 5000);
        rung.not_run = Some("only 1,015 of 5000 members joined".to_string());
        let rows = rows(&rung);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].state, rows[0].run), ("not run", 1));
        assert!(rows[0].reason.contains("1,015"));
        assert_eq!(verdict(&[rung]), exit::FAILED);
    }
}
