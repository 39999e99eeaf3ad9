//! The `costs` command: what a delivery, a line and a newcomer cost each server in processor time, and a delivery in system
//! calls.
//!
//! Latency says how long people wait; these say what a back end does meanwhile. Servers take turns, each restarted for every
//! figure. System calls are counted in runs of their own, because counting costs time at each.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};

use crate::cli::{CostsArgs, LoadArgs};
use crate::cost::{self, Sampler};
use crate::error::{Context, Error, Result, exit};
use crate::plan::Length;
use crate::report::table::{MARK, MARK_MEANS};
use crate::report::{self, table};
use crate::run::{self, Room};
use crate::server_process::{ServerProcess, free_address};
use crate::sweep::NamedServer;
use crate::sweep::folder;
use crate::sys;

/// A quiet room, and one in which each send carries many lines: lines a second, publishers, members that verify.
const QUIET: (f64, u32, Option<u64>) = (20.0, 1, None);
const BUSY: (f64, u32, Option<u64>) = (4000.0, 10, Some(16));
/// Lines a second, over all members in turn, and for how long.
const LINES_PER_S: u64 = 10_000;
const LINES: u64 = 20_000;
/// A line without a visible byte: read, split and looked at, and heard by nobody.
const LINE: &[u8] = b"\x1b\n";
const NEWCOMERS: u64 = 5_000;
/// A server that says nothing for so long is given up.
const PATIENCE_NS: u64 = 10_000_000_000;
/// What was started has been done after this long.
const SETTLE: Duration = Duration::from_millis(300);

/// What the folder holds: the figures, of which the table is made.
const FIGURES: &str = "costs.csv";

/// One figure of one server in one round.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Figure {
    what: What,
    server: String,
    members: u64,
    round: u32,
    value: f64,
    /// False when the run that it is of was INVALID.
    #[serde(default = "always")]
    valid: bool,
}

fn always() -> bool {
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    QuietDeliveryNs,
    BusyDeliveryNs,
    LineNs,
    NewcomerNs,
    QuietDeliveryCalls,
    BusyDeliveryCalls,
}

impl What {
    const ALL: [Self; 6] = [
        Self::QuietDeliveryNs,
        Self::BusyDeliveryNs,
        Self::LineNs,
        Self::NewcomerNs,
        Self::QuietDeliveryCalls,
        Self::BusyDeliveryCalls,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::QuietDeliveryNs => "CPU a delivery, 20 lines/s",
            Self::BusyDeliveryNs => "CPU a delivery, 4,000 lines/s",
            Self::LineNs => "CPU an inbound line that nobody hears",
            Self::NewcomerNs => "CPU a newcomer: accepted, welcomed, left",
            Self::QuietDeliveryCalls => "system calls a delivery, 20 lines/s",
            Self::BusyDeliveryCalls => "system calls a delivery, 4,000 lines/s",
        }
    }

    fn is_of_calls(self) -> bool {
        matches!(self, Self::QuietDeliveryCalls | Self::BusyDeliveryCalls)
    }

    fn show(self, value: f64) -> String {
        if self.is_of_calls() { format!("{value:.4}") } else { table::time(value as u64) }
    }

    /// The figure, and whether the run behind it was valid.
    fn measure(self, server: &NamedServer, members: u64, load: &LoadArgs) -> Result<(f64, bool)> {
        let room = |shape, counted| delivery(server, members, shape, load, counted);
        match self {
            Self::QuietDeliveryNs => room(QUIET, false),
            Self::BusyDeliveryNs => room(BUSY, false),
            Self::LineNs => Ok((lines(server, members, load)?, true)),
            Self::NewcomerNs => Ok((newcomers(server, load)?, true)),
            Self::QuietDeliveryCalls => room(QUIET, true),
            Self::BusyDeliveryCalls => room(BUSY, true),
        }
    }
}

/// Measures all figures; returns the exit code.
pub fn command(arguments: &CostsArgs) -> Result<u8> {
    let folder = folder::make(&arguments.out, "costs")?;
    let mut figures = Vec::new();
    for round in 1..=arguments.repeat.max(1) {
        for what in What::ALL {
            for server in &arguments.servers {
                let (value, valid) = match what.measure(server, arguments.connections, &arguments.load) {
                    Ok(measured) => measured,
                    // Not everybody may count them.
                    Err(error) if what.is_of_calls() => {
                        eprintln!("round {round}, {}, {}: {error}", server.name, what.title());
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let mark = if valid { "" } else { MARK };
                eprintln!("round {round}, {}, {}: {}{mark}", server.name, what.title(), what.show(value));
                figures.push(Figure {
                    what,
                    server: server.name.clone(),
                    members: arguments.connections,
                    round,
                    value,
                    valid,
                });
            }
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    for figure in &figures {
        writer.serialize(figure).context(|| "cannot write the figures".to_string())?;
    }
    let csv = writer.into_inner().context(|| "cannot write the figures".to_string())?;
    report::write_file(&folder.join(FIGURES), &csv)?;
    println!("{}\n{}", draw(&folder)?, folder.display());
    Ok(exit::GOOD)
}

/// True exactly when `folder` is one of costs.
pub fn is_folder(folder: &Path) -> bool {
    folder.join(FIGURES).is_file()
}

/// Makes the tables of `folder` from its figures, and returns the one for the terminal.
pub fn draw(folder: &Path) -> Result<String> {
    let path = folder.join(FIGURES);
    let mut reader = csv::Reader::from_path(&path).context(|| format!("cannot read {}", path.display()))?;
    let figures: Vec<Figure> =
        reader.deserialize().collect::<std::result::Result<_, _>>().context(|| format!("{} is odd", path.display()))?;
    let mut servers: Vec<&str> = Vec::new();
    for figure in &figures {
        if !servers.contains(&figure.server.as_str()) {
            servers.push(&figure.server);
        }
    }
    let members = figures.first().map_or(0, |figure| figure.members);
    let mut table = tabulate(&figures, &servers, true);
    table.load_style(presets::NOTHING);
    let text = format!("{}\n", table.trim_fmt());
    table.load_style(presets::ASCII_MARKDOWN);
    let count = table::count(members);
    let environment = folder::environment_of(folder)?;
    let markdown = format!(
        "{}\n\nA room of {count}. Medians of the rounds, in brackets their range. {MARK_MEANS} Client and server on one machine, \
         over loopback: {environment}.\n",
        table.trim_fmt()
    );
    report::write_file(&folder.join("table.md"), markdown.as_bytes())?;
    let mut table = tabulate(&figures, &servers, false);
    table.load_style(presets::ASCII_MARKDOWN);
    let short = format!("{}\n\nA room of {count}; medians.\n", table.trim_fmt());
    report::write_file(&folder.join(folder::SHORT), short.as_bytes())?;
    Ok(text)
}

fn delivery(
    server: &NamedServer,
    members: u64,
    (rate_per_s, publishers, verify): (f64, u32, Option<u64>),
    load: &LoadArgs,
    count_calls: bool,
) -> Result<(f64, bool)> {
    let room = Room { members: members as usize, rate_per_s, length: Length::Time(load.duration) };
    let load = LoadArgs { publishers, verify, count_calls, no_kernel_stamps: true, ..load.clone() };
    let run = run::measure(&server.target(), room, &load)?;
    if !run.summary.clean {
        return Err(Error::new(format!("{}: not every delivery was as it should be", server.name)));
    }
    let cost = run.summary.server.as_ref();
    let value = match count_calls {
        false => cost.and_then(|cost| cost.cpu_per_delivery_ns),
        true => cost.and_then(|cost| cost.calls_per_delivery),
    };
    let value = value.ok_or_else(|| Error::new(format!("{}: nothing was delivered", server.name)))?;
    Ok((value, run.summary.valid))
}

/// Processor time of a line, from all members in turn, evenly.
fn lines(server: &NamedServer, members: u64, load: &LoadArgs) -> Result<f64> {
    let (process, address) = start(server, load)?;
    let sources = run::sources(address, members as usize, load.spread)?;
    let connect = |index: usize| {
        let source = sources.get(index % sources.len().max(1)).copied();
        let socket = sys::connect(address, source, None).context(|| format!("cannot connect to {address}"))?;
        wait_for_welcome(&socket)?;
        Ok(socket)
    };
    let sockets: Vec<OwnedFd> = (0..members as usize).map(connect).collect::<Result<_>>()?;
    std::thread::sleep(SETTLE);
    let sampler = Sampler::new(Some(process.pid()));
    let before = sampler.sample();
    for line in 0..LINES {
        sys::sleep_until(before.at_ns + line * 1_000_000_000 / LINES_PER_S);
        let socket = &sockets[(line % members) as usize];
        sys::send(socket.as_fd(), LINE).context(|| "cannot send a line".to_string())?;
    }
    std::thread::sleep(SETTLE);
    per_item(&before, &sampler.sample(), LINES)
}

/// Processor time of one that comes, is welcomed and goes, one after the other into an empty room.
fn newcomers(server: &NamedServer, load: &LoadArgs) -> Result<f64> {
    let (process, address) = start(server, load)?;
    std::thread::sleep(SETTLE);
    let sampler = Sampler::new(Some(process.pid()));
    let before = sampler.sample();
    for _ in 0..NEWCOMERS {
        let socket = sys::connect(address, None, None).context(|| format!("cannot connect to {address}"))?;
        wait_for_welcome(&socket)?;
        sys::reset_on_close(socket.as_fd()).context(|| "cannot set a socket to reset".to_string())?;
    }
    std::thread::sleep(SETTLE);
    per_item(&before, &sampler.sample(), NEWCOMERS)
}

fn start(server: &NamedServer, load: &LoadArgs) -> Result<(ServerProcess, std::net::SocketAddr)> {
    if let Some(pin) = load.pin {
        cost::pin_this_thread(Some(pin.client))?;
    }
    sys::sharpen_timers();
    let address = free_address()?;
    Ok((ServerProcess::start(&server.command, address, load.pin)?, address))
}

fn wait_for_welcome(socket: &OwnedFd) -> Result<()> {
    let since_ns = sys::monotonic_ns();
    let mut buffer = [0; 256];
    while sys::monotonic_ns() - since_ns < PATIENCE_NS {
        match sys::receive(socket.as_fd(), &mut buffer) {
            Ok(bytes) if bytes > 0 => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(_) => return Err(Error::new("the server closed a newcomer's connection")),
            Err(error) => return Err(Error::new(format!("a newcomer's connection broke: {error}"))),
        }
    }
    Err(Error::new("the server did not welcome a newcomer"))
}

fn per_item(before: &cost::CostSample, after: &cost::CostSample, items: u64) -> Result<f64> {
    let (Some(before), Some(after)) = (before.server, after.server) else {
        return Err(Error::new("the server ended"));
    };
    Ok((after.cpu_ns - before.cpu_ns) as f64 / items as f64)
}

/// A row a figure, a column a server; with two servers also the ratio of the second to the first.
fn tabulate(figures: &[Figure], servers: &[&str], with_range: bool) -> Table {
    let mut table = Table::new();
    let ratio = (servers.len() == 2).then(|| format!("{} / {}", servers[1], servers[0]));
    table.set_header(["".to_string()].into_iter().chain(servers.iter().map(ToString::to_string)).chain(ratio.clone()));
    for what in What::ALL {
        let rows = |server: &str| -> Vec<&Figure> {
            figures.iter().filter(|figure| figure.what == what && figure.server == server).collect()
        };
        let of = |server: &str| rows(server).iter().map(|figure| figure.value).collect::<Vec<f64>>();
        let mut row = vec![what.title().to_string()];
        row.extend(servers.iter().map(|server| cell(what, &rows(server), with_range)));
        if ratio.is_some() {
            let medians = [servers[0], servers[1]].map(|server| table::median(of(server)));
            row.push(match medians {
                [Some(first), Some(second)] => format!("{:.2}", second / first),
                _ => "-".to_string(),
            });
        }
        table.add_row(row);
    }
    table::align_right(&mut table);
    if let Some(first) = table.column_mut(0) {
        first.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    table
}

fn cell(what: What, figures: &[&Figure], with_range: bool) -> String {
    let values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
    let Some(median) = table::median(values.iter().copied()) else { return "-".to_string() };
    let mark = if figures.iter().all(|figure| figure.valid) { "" } else { MARK };
    if !with_range {
        return format!("{}{mark}", what.show(median));
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{} [{}..{}]{mark}", what.show(median), what.show(least), what.show(largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_servers_are_put_into_a_ratio() {
        let figure = |server: &str, value| Figure {
            what: What::LineNs,
            server: server.to_string(),
            members: 1000,
            round: 1,
            value,
            valid: value < 2000.0,
        };
        let figures =
            [figure("uring", 1000.0), figure("uring", 1200.0), figure("uring", 1100.0), figure("epoll", 2200.0)];
        let text = tabulate(&figures, &["uring", "epoll"], true).to_string();
        assert!(text.contains("1.10 us [1.00 us..1.20 us] ") && text.contains("2.00"), "{text}");
        assert!(text.contains("2.20 us [2.20 us..2.20 us] !"), "{text}");
        let short = tabulate(&figures, &["uring", "epoll"], false).to_string();
        assert!(short.contains(" 1.10 us ") && short.contains("2.20 us !") && !short.contains('['), "{short}");
        assert!(text.contains("epoll / uring"), "{text}");
        assert_eq!(What::BusyDeliveryCalls.show(0.00042), "0.0004");
    }
}
