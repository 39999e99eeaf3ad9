//! The server's statistics as Prometheus reads them: text, a figure a line (exposition format 0.0.4). Pure: no I/O.
//!
//! There is a label for each door, each class of rooms, each part of the memory and each reason for closing, and
//! deliberately none for a member, a room or an address: how many figures there are is known when the server is built.

pub mod histogram;

use std::fmt;

use crate::config::Config;
use crate::counters::{CloseReason, Figure, Statistics};
use crate::memory::MemoryBound;
use crate::time::UnixTime;
use histogram::Histogram;

/// What each name begins with.
const PREFIX: &str = "uproar";

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Classes of rooms: how many members a room of the class has at least, and how the class is shown.
pub const ROOM_CLASSES: [(usize, &str); 8] = [
    (0, "0"),
    (1, "1"),
    (2, "2-9"),
    (10, "10-99"),
    (100, "100-999"),
    (1_000, "1000-9999"),
    (10_000, "10000-99999"),
    (100_000, "100000-"),
];

/// How many rooms are of each class.
pub type RoomCounts = [usize; ROOM_CLASSES.len()];

/// Memory in use, by part; the parts are those of [`MemoryBound`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    pub logs: usize,
    pub rooms: usize,
    pub addresses: usize,
    pub members: usize,
    pub buffers: usize,
}

/// What the program is and how it was started.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The name of the back end.
    pub back_end: &'static str,
    pub started: UnixTime,
    pub bound: MemoryBound,
    /// `--buffer-bytes`.
    pub buffer_bytes_max: usize,
    /// `--members`, or what descriptors allow.
    pub members_max: usize,
    pub rooms_max: usize,
}

impl Build {
    /// Of a server that was not started by the program.
    pub fn of(config: &Config) -> Self {
        Self {
            back_end: "unknown",
            started: UnixTime::default(),
            bound: MemoryBound::of(config),
            buffer_bytes_max: config.buffer_bytes,
            members_max: config.members_max,
            rooms_max: config.rooms_max,
        }
    }
}

/// Everything that one look at a server shows.
#[derive(Clone, Debug)]
pub struct Metrics<'a> {
    pub build: Build,
    pub statistics: Statistics,
    /// The name of each door that is open, and how many members came by it.
    pub doors: Vec<(&'static str, usize)>,
    /// Members that have joined no room.
    pub in_no_room: usize,
    /// Connections whose handshake is not done.
    pub greeting: usize,
    pub rooms: RoomCounts,
    pub memory: MemoryUse,
    /// False while the server is stopping.
    pub is_running: bool,
    /// The time of each turn without what it waited.
    pub turns: &'a Histogram,
    /// From when something was said until all members of the room whose sockets take bytes had it.
    pub sweeps: &'a Histogram,
    /// How long ago the sweep began that is not over.
    pub sweep_nanos: u64,
    /// Of a node of a cluster.
    pub cluster: Option<ClusterMetrics<'a>>,
}

/// How a node and its cluster are.
#[derive(Clone, Copy, Debug)]
pub struct ClusterMetrics<'a> {
    /// True while there is a connection to the stream.
    pub is_up: bool,
    /// Nodes that are there, this one included.
    pub nodes: u64,
    /// In all rooms of all nodes.
    pub members: u64,
    /// From when a batch was published first until the stream was known to have it.
    pub latency: &'a Histogram,
    /// Batches that the stream is not known to have.
    pub outstanding: u64,
    /// Lines that wait for these.
    pub held: u64,
    /// Batches of the stream that are still to be read.
    pub lag: u64,
    pub reconnects: u64,
}

/// Writes metrics, each with its lines on it in front.
struct Writer<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Writer<'_, '_> {
    fn head(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        write!(self.0, "# HELP {PREFIX}_{name} {help}\n# TYPE {PREFIX}_{name} {kind}\n")
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.head(name, "gauge", help)?;
        writeln!(self.0, "{PREFIX}_{name} {value}")
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        write!(self.0, "# HELP {PREFIX}_{name}_total {help}\n# TYPE {PREFIX}_{name}_total counter\n")?;
        writeln!(self.0, "{PREFIX}_{name}_total {value}")
    }

    /// A value for each value of a label.
    fn labelled(
        &mut self,
        (name, kind, help): (&str, &str, &str),
        label: &str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        self.head(name, kind, help)?;
        values.into_iter().try_for_each(|(of, value)| writeln!(self.0, "{PREFIX}_{name}{{{label}=\"{of}\"}} {value}"))
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        self.head(name, "histogram", help)?;
        for (end, count) in histogram.buckets() {
            writeln!(self.0, "{PREFIX}_{name}_bucket{{le=\"{end}\"}} {count}")?;
        }
        let count = histogram.count();
        writeln!(self.0, "{PREFIX}_{name}_bucket{{le=\"+Inf\"}} {count}")?;
        writeln!(self.0, "{PREFIX}_{name}_sum {}", Seconds(histogram.nanos()))?;
        writeln!(self.0, "{PREFIX}_{name}_count {count}")
    }
}

/// Nanoseconds, shown in seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

impl fmt::Display for Metrics<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer(f);
        out.build(&self.build)?;
        out.gauge("running", "1 while the server serves, 0 while it is stopping.", self.is_running.into())?;
        out.crowd(self)?;
        out.statistics(&self.statistics)?;
        out.memory(&self.memory, &self.build)?;
        out.histogram("turn_seconds", "Time of a turn of the loop, without what it waited.", self.turns)?;
        out.histogram(
            "sweep_seconds",
            "From when something was said until all in the room whose sockets take bytes had it, one line at a time.",
            self.sweeps,
        )?;
        out.head("sweep_age_seconds", "gauge", "How long ago the sweep began that is not over.")?;
        writeln!(out.0, "{PREFIX}_sweep_age_seconds {}", Seconds(self.sweep_nanos))?;
        self.cluster.as_ref().map_or(Ok(()), |cluster| out.cluster(cluster))
    }
}

impl Writer<'_, '_> {
    fn build(&mut self, build: &Build) -> fmt::Result {
        self.head("build_info", "gauge", "Which program this is; the value is always 1.")?;
        let version = env!("CARGO_PKG_VERSION");
        writeln!(self.0, "{PREFIX}_build_info{{version=\"{version}\",back_end=\"{}\"}} 1", build.back_end)?;
        self.head("start_time_seconds", "gauge", "When the server was started, in Unix time.")?;
        let UnixTime(millis) = build.started;
        writeln!(self.0, "{PREFIX}_start_time_seconds {}.{:03}", millis / 1000, millis % 1000)
    }

    fn cluster(&mut self, cluster: &ClusterMetrics<'_>) -> fmt::Result {
        self.gauge("cluster_up", "1 while there is a connection to the cluster, 0 while not.", cluster.is_up.into())?;
        self.gauge("cluster_nodes", "Nodes of the cluster that are there, with this one.", cluster.nodes)?;
        self.gauge("cluster_members", "Members online in all rooms of all nodes.", cluster.members)?;
        let help = "From when a batch of lines was published until the stream was known to have it.";
        self.histogram("cluster_publish_seconds", help, cluster.latency)?;
        let help = "Batches of lines that the stream is not known to have.";
        self.gauge("cluster_outstanding_batches", help, cluster.outstanding)?;
        self.gauge("cluster_held_lines", "Lines accepted that wait for the batch before theirs.", cluster.held)?;
        self.gauge("cluster_lag_batches", "Batches of the stream that are still to be read.", cluster.lag)?;
        self.counter("cluster_reconnects", "How often there was a connection again.", cluster.reconnects)
    }

    fn crowd(&mut self, metrics: &Metrics<'_>) -> fmt::Result {
        let doors = metrics.doors.iter().map(|(door, members)| (*door, *members as u64));
        self.labelled(("members", "gauge", "Members online, by the door that they came by."), "door", doors)?;
        self.gauge("members_limit", "Members that the server holds at a time.", metrics.build.members_max as u64)?;
        self.gauge("roomless_members", "Members online that have joined no room.", metrics.in_no_room as u64)?;
        let help = "Connections that are not members yet: their handshake is under way.";
        self.gauge("handshakes", help, metrics.greeting as u64)?;
        let rooms = ROOM_CLASSES.iter().zip(metrics.rooms).map(|((_, class), rooms)| (*class, rooms as u64));
        self.labelled(("rooms", "gauge", "Rooms, by how many members are in them."), "members", rooms)?;
        self.gauge("rooms_limit", "Rooms that there may be at a time.", metrics.build.rooms_max as u64)
    }

    fn statistics(&mut self, statistics: &Statistics) -> fmt::Result {
        let is_closed = |figure: &Figure| figure.key.starts_with("closed_");
        for Figure { key, help, is_total, value } in statistics.figures().filter(|figure| !is_closed(figure)) {
            match (key, is_total) {
                // By door, elsewhere.
                ("members", _) => {}
                ("waiting", _) => self.gauge("waiting_members", help, value)?,
                (key, true) => self.counter(key, help, value)?,
                (key, false) => self.gauge(key, help, value)?,
            }
        }
        let closed = CloseReason::ALL.iter().map(|reason| {
            let key = reason.row().key;
            (key.strip_prefix("closed_").expect("keys of reasons begin so"), statistics.counters.closes(*reason))
        });
        let help = "Connections closed, by reason.";
        self.labelled(("closed_total", "counter", help), "reason", closed)
    }

    fn memory(&mut self, memory: &MemoryUse, build: &Build) -> fmt::Result {
        let MemoryUse { logs, rooms, addresses, members, buffers } = *memory;
        let parts =
            [("logs", logs), ("rooms", rooms), ("addresses", addresses), ("members", members), ("buffers", buffers)];
        let parts = parts.map(|(part, bytes)| (part, bytes as u64));
        let help = "User memory in use, as far as it is counted while the server runs, by part.";
        self.labelled(("memory_bytes", "gauge", help), "part", parts)?;
        let bound = build.bound.parts().map(|(part, bytes)| (part, bytes as u64));
        let help = "The most user memory that the server uses, by part, as it says when it starts.";
        self.labelled(("memory_limit_bytes", "gauge", help), "part", bound)?;
        let help = "What members may hold of unfinished lines, own lines and notices together.";
        self.gauge("buffer_limit_bytes", help, build.buffer_bytes_max as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;
    use crate::cli::Serve;
    use crate::counters::{Counter, Counters};
    use crate::limits::ADMIN_ANSWER_BYTES_MAX;

    /// A text of a server in which every value is another, counters from 1,000 on.
    fn text() -> String {
        text_of(true)
    }

    fn text_of(with_cluster: bool) -> String {
        let mut counters = Counters::default();
        for (place, counter) in Counter::ALL.iter().enumerate() {
            counters.add(*counter, 1000 + place as u64);
        }
        for (place, reason) in CloseReason::ALL.iter().enumerate() {
            (0..2000 + place).for_each(|_| counters.closed(*reason));
        }
        let statistics =
            Statistics { members: 1, messages: 2, deliveries: 3, skipped: 4, waiting: 5, lag_bytes_max: 6, counters };
        let config = Serve::with(&[]).unwrap().config(100);
        let build = Build { back_end: "uring", started: UnixTime(1_700_000_000_123), ..Build::of(&config) };
        let (mut turns, mut sweeps) = (Histogram::default(), Histogram::default());
        turns.record(Duration::from_micros(30));
        sweeps.record(Duration::from_millis(1500));
        let metrics = Metrics {
            build,
            statistics,
            doors: vec![("text", 7), ("web", 8), ("irc", 9)],
            in_no_room: 10,
            greeting: 11,
            rooms: [12, 13, 14, 15, 16, 17, 18, 19],
            memory: MemoryUse { logs: 20, rooms: 21, addresses: 22, members: 23, buffers: 24 },
            is_running: true,
            turns: &turns,
            cluster: with_cluster.then_some(ClusterMetrics {
                is_up: true,
                nodes: 25,
                members: 26,
                latency: &turns,
                outstanding: 27,
                held: 28,
                lag: 29,
                reconnects: 30,
            }),
            sweeps: &sweeps,
            sweep_nanos: 250_000_000,
        };
        metrics.to_string()
    }

    fn values() -> BTreeMap<String, String> {
        let text = text();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs: Vec<(String, String)> =
            lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(key, value)| (key.into(), value.into())).collect();
        let map: BTreeMap<String, String> = pairs.iter().cloned().collect();
        assert_eq!(map.len(), pairs.len(), "a figure stands there twice");
        map
    }

    #[test]
    fn every_counter_and_every_reason_for_closing_is_there() {
        let values = values();
        for counter in Counter::ALL {
            let key = format!("uproar_{}_total", counter.row().key);
            assert_eq!(values[&key], (1000 + *counter as usize).to_string(), "{key}");
        }
        for reason in CloseReason::ALL {
            let key = format!("uproar_closed_total{{reason=\"{}\"}}", &reason.row().key["closed_".len()..]);
            assert_eq!(values[&key], (2000 + *reason as usize).to_string(), "{key}");
        }
    }

    #[test]
    fn values_of_the_moment_are_there_with_their_labels() {
        let values = values();
        for (key, expected) in [
            ("uproar_build_info{version=\"0.1.0\",back_end=\"uring\"}", "1"),
            ("uproar_start_time_seconds", "1700000000.123"),
            ("uproar_running", "1"),
            ("uproar_members{door=\"text\"}", "7"),
            ("uproar_members{door=\"web\"}", "8"),
            ("uproar_members{door=\"irc\"}", "9"),
            ("uproar_members_limit", "100"),
            ("uproar_roomless_members", "10"),
            ("uproar_handshakes", "11"),
            ("uproar_rooms{members=\"0\"}", "12"),
            ("uproar_rooms{members=\"2-9\"}", "14"),
            ("uproar_rooms{members=\"100000-\"}", "19"),
            ("uproar_messages_total", "2"),
            ("uproar_deliveries_total", "3"),
            ("uproar_skipped_messages_total", "4"),
            ("uproar_waiting_members", "5"),
            ("uproar_lag_bytes_max", "6"),
            ("uproar_memory_bytes{part=\"logs\"}", "20"),
            ("uproar_memory_bytes{part=\"buffers\"}", "24"),
            ("uproar_memory_limit_bytes{part=\"logs\"}", "268435456"),
            ("uproar_buffer_limit_bytes", "268435456"),
            ("uproar_turn_seconds_bucket{le=\"0.000025\"}", "0"),
            ("uproar_turn_seconds_bucket{le=\"0.00005\"}", "1"),
            ("uproar_turn_seconds_bucket{le=\"+Inf\"}", "1"),
            ("uproar_turn_seconds_sum", "0.000030000"),
            ("uproar_turn_seconds_count", "1"),
            ("uproar_sweep_seconds_bucket{le=\"1\"}", "0"),
            ("uproar_sweep_seconds_bucket{le=\"2.5\"}", "1"),
            ("uproar_sweep_age_seconds", "0.250000000"),
            ("uproar_cluster_up", "1"),
            ("uproar_cluster_nodes", "25"),
            ("uproar_cluster_members", "26"),
            ("uproar_cluster_publish_seconds_count", "1"),
            ("uproar_cluster_outstanding_batches", "27"),
            ("uproar_cluster_held_lines", "28"),
            ("uproar_cluster_lag_batches", "29"),
            ("uproar_cluster_reconnects_total", "30"),
        ] {
            assert_eq!(values.get(key).map(String::as_str), Some(expected), "{key}");
        }
    }

    #[test]
    fn a_server_by_itself_shows_nothing_of_a_cluster() {
        assert!(!text_of(false).contains("cluster"));
    }

    #[test]
    fn each_name_is_explained_once_in_front_of_its_figures() {
        let mut explained = BTreeSet::new();
        let mut typed = String::new();
        for line in text().lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a name and a sentence");
                assert!(explained.insert(name.to_owned()), "{name} is explained twice");
                assert!(help.starts_with(|first: char| first.is_uppercase() || first == '1') && help.ends_with('.'));
                assert!(!help.contains('\\'), "{help}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                typed = kind.split_once(' ').unwrap().0.to_owned();
                assert!(explained.contains(&typed), "{typed}");
            } else {
                let name = line.split(['{', ' ']).next().unwrap();
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                assert!(name == typed || base == typed, "{line} stands behind the type of {typed}");
            }
        }
    }

    #[test]
    fn the_longest_text_there_can_be_has_a_bound() {
        let longest: usize = text().lines().map(|line| line.len() + u64::MAX.to_string().len() + 1).sum();
        assert!(longest < ADMIN_ANSWER_BYTES_MAX - 1024, "{longest} bytes");
    }

    #[test]
    fn promtool_finds_nothing_to_complain_of() {
        let mut command = Command::new("promtool");
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let Ok(mut promtool) = command.spawn() else {
            eprintln!("SKIPPED, promtool is not installed here: promtool_finds_nothing_to_complain_of");
            return;
        };
        promtool.stdin.take().unwrap().write_all(text().as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
}
