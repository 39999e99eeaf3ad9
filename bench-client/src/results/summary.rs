//! `summary.json` as data: the figures of one run and the judgement on it. `summarise.rs` works them out.
//!
//! Schema 2. Fields are only added; a field that changes its meaning changes the schema number. Units are in the names.
//! A quantile is null when there are fewer than `10 / (1 - q)` samples; a figure that is only a lower bound is marked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::Arrival;
use crate::protocol::Protocol;
use crate::recorder::latency::{LATENCY_NS_MAX, Latency};
use crate::recorder::proven::Problems;
use crate::results::doors::DoorPart;

pub const SCHEMA: u32 = 2;

/// One run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// 2; before that `sent.deliveries` were those of the whole time that the server's cost was taken over.
    pub schema: u32,
    /// The tool and its version.
    pub tool: String,
    /// Name of the server, as given to a sweep; else its program.
    pub server_name: String,
    /// What it speaks.
    #[serde(default)]
    pub protocol: Protocol,
    /// The command that started the server, if this tool did.
    pub server_command: Option<String>,
    /// The line that the server said it listens with.
    pub server_ready_line: Option<String>,
    /// False when the figures are not to be quoted, because they are not those of the plan or of the server; `reasons` says why.
    pub valid: bool,
    pub reasons: Vec<String>,
    /// False when any delivery was not as it should be; `proof` counts them.
    pub clean: bool,
    /// What a reader should know, and what does not make the run invalid.
    pub warnings: Vec<String>,
    pub room: RoomPart,
    pub plan: PlanPart,
    pub sent: SentPart,
    pub proof: ProofPart,
    pub latency: LatencyPart,
    pub connect: ConnectPart,
    /// Null when no server process is known.
    pub server: Option<ServerPart>,
    pub client: ClientPart,
    #[serde(default)]
    pub kernel: KernelPart,
    /// Null without `--aftermath`.
    #[serde(default)]
    pub aftermath: Option<AftermathPart>,
    /// Null without `--watchdog`.
    #[serde(default)]
    pub watchdog: Option<WatchdogPart>,
    /// Null without `--silent`, `--slow`, `--churn` and `--flood`.
    #[serde(rename = "crowd")]
    pub nuisances: Option<NuisancesPart>,
    /// The proof and the latency by doors, where members came in by several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doors: Vec<DoorPart>,
    /// Counters of the kernel's TCP, of the whole machine, that rose during the run.
    pub kernel_counter_rises: BTreeMap<String, u64>,
    /// What a bare loop of sends costs on this machine, measured just before and after the run.
    pub floor: Option<FloorPart>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RoomPart {
    /// Members, of all rooms together.
    pub members: u64,
    /// Rooms that they are in, in turn; left out where it is one.
    #[serde(default = "one_room", skip_serializing_if = "is_one_room")]
    pub rooms: u64,
    /// Members that also send.
    pub publishers: u64,
    /// Members that looked at every line; latencies are theirs. The others counted bytes.
    pub verified_members: u64,
    /// A line as a publisher sends it, newline included.
    pub line_bytes: u64,
    /// The same as members receive it, behind its author.
    pub wire_line_bytes: u64,
}

fn one_room() -> u64 {
    1
}

fn is_one_room(rooms: &u64) -> bool {
    *rooms <= 1
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PlanPart {
    pub arrival: Arrival,
    pub seed: u64,
    pub rate_per_s: f64,
    pub warmup_s: f64,
    pub window_s: f64,
    pub drain_s: f64,
    pub warmup_messages: u64,
    /// Measured messages.
    pub messages: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SentPart {
    /// Measured messages that were sent at all.
    pub messages: u64,
    /// Those sent before the plan's end.
    pub messages_on_plan: u64,
    /// The latter a second of the window.
    pub rate_per_s: f64,
    /// Deliveries a second that the plan calls for.
    pub deliveries_planned_per_s: f64,
    /// Deliveries of measured messages to all members.
    pub deliveries: u64,
    /// The time that they are counted over: from when the first was due to the plan's end, or to the last delivery if the room
    /// lagged behind.
    #[serde(default)]
    pub deliveries_over_s: f64,
    /// Deliveries a second of that time: never more than the plan calls for.
    pub deliveries_per_s: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ProofPart {
    pub lost: u64,
    pub duplicate: u64,
    pub out_of_order: u64,
    pub echoed: u64,
    pub corrupt: u64,
    pub foreign: u64,
    /// Deliveries that did not come and that the member was told it missed; not in `lost`. Members that verify, alone.
    #[serde(default)]
    pub told_missed: u64,
    /// Members whose order hash is not the room's only because of that, or of what was held back.
    #[serde(default)]
    pub members_excused: u64,
    /// Publishers that the server told to slow down, and deliveries that it therefore still held back when the run ended; not
    /// in `lost`.
    #[serde(default)]
    pub publishers_slowed: u64,
    #[serde(default)]
    pub held_back: u64,
    /// Verified members that lost nothing and whose order hash is the room's.
    pub order_hashes_equal: u64,
    /// Hash of the room's order, hexadecimal.
    pub order_hash: String,
    /// Members that counted bytes, and those of them whose count was wrong.
    pub counting_members: u64,
    pub counting_members_wrong: u64,
    /// Members whose connection ended before the run did.
    pub disconnected: u64,
    /// Why the first of them was closed.
    #[serde(default, rename = "first_farewell")]
    pub first_close_reason: Option<String>,
    /// The first few problems, described.
    pub examples: Vec<String>,
    /// The first few foreign and corrupt lines.
    pub strange_lines: Vec<String>,
    /// Joins, leaves and summaries of them, read by verified members from their welcome on.
    pub presence_lines: u64,
    /// Notices of the server to single members, and the first few of them.
    pub notice_lines: u64,
    pub notices: Vec<String>,
}

/// Quantiles of one kind of latency, nanoseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Quantiles {
    pub samples: u64,
    pub min_ns: Option<u64>,
    pub p50_ns: Option<u64>,
    pub p90_ns: Option<u64>,
    pub p99_ns: Option<u64>,
    pub p99_9_ns: Option<u64>,
    pub p99_99_ns: Option<u64>,
    pub max_ns: Option<u64>,
    /// Samples that are only known to be at least their value: messages or deliveries that never came.
    pub censored: u64,
    /// Figures from here on are "at least"; null when all are exact.
    pub at_least_from_ns: Option<u64>,
    /// Samples above 60 s, recorded as 60 s.
    pub saturated: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LatencyPart {
    /// From the due time until the whole room has the message; one sample a message.
    pub room: Quantiles,
    /// Until the first member, and until 50, 90 and 99 % of the members have it.
    pub room_first: Quantiles,
    pub room_50: Quantiles,
    pub room_90: Quantiles,
    pub room_99: Quantiles,
    /// From a message's first delivery to its last.
    pub spread: Quantiles,
    /// From the due time to each delivery.
    pub delivery: Quantiles,
    /// From the send time to each delivery.
    pub delivery_uncorrected: Quantiles,
    /// Deliveries to probes: from the due time until the kernel has it for the member, which is the server's part.
    #[serde(default)]
    pub kernel_has_it: Quantiles,
    /// From there until it was read: this tool's part.
    #[serde(default, rename = "drain")]
    pub until_read: Quantiles,
    /// From due time to send time.
    pub schedule_lag: Quantiles,
    /// How long the client's thread was away from its sockets at a time, warm-up and drain included.
    pub client_round: Quantiles,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ConnectPart {
    pub elapsed_s: f64,
    pub rate_per_s: f64,
    /// Joins a second while each tenth of the room joined, the first first; none of a room of fewer than ten.
    #[serde(default)]
    pub tenths_per_s: Vec<f64>,
    /// From the start of a connect to the welcome.
    pub latency: Quantiles,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ServerPart {
    /// Deliveries while its costs were taken: from just before the first measured message was due to the last delivery, those of
    /// the warm-up that came late among them.
    #[serde(default)]
    pub deliveries: u64,
    /// Processor time in the window.
    pub cpu_s: f64,
    /// The same as a share of one core.
    pub cpu_share: f64,
    /// Shares of the processor time, from clock ticks.
    pub user_share: Option<f64>,
    pub deliveries_per_cpu_s: Option<f64>,
    pub cpu_per_delivery_ns: Option<f64>,
    /// System calls in the window over the deliveries; null unless they were counted.
    #[serde(default)]
    pub calls_per_delivery: Option<f64>,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    /// Memory of its own before the first connect, and with all members in a quiet room.
    pub memory_before_bytes: u64,
    pub memory_settled_bytes: u64,
    pub memory_per_member_bytes: f64,
    /// Memory of its own just before the first measured message, and when the last delivery was in.
    pub memory_window_start_bytes: u64,
    pub memory_window_end_bytes: u64,
    /// Share of a core with all members connected and nobody speaking; null unless asked for.
    pub idle_cpu_share: Option<f64>,
    /// What the whole machine did meanwhile, the kernel's probes among it, as a share of one core; null unless asked for.
    #[serde(default)]
    pub idle_machine_cpu_share: Option<f64>,
    /// Open descriptors with all members in a quiet room.
    #[serde(default)]
    pub descriptors: Option<u64>,
}

/// Memory of the kernel, of the whole machine: both ends of every connection, if both are on it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct KernelPart {
    /// Before the first connect, and with all members in a quiet room.
    pub slab_before_bytes: u64,
    pub slab_settled_bytes: u64,
    pub slab_per_member_bytes: f64,
    /// What TCP accounts for as unread or unacknowledged.
    pub tcp_before_bytes: u64,
    pub tcp_settled_bytes: u64,
}

/// The server after all members had left at once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AftermathPart {
    /// How long it was watched.
    pub watched_s: f64,
    /// When it first said, asked for its statistics, that it has no members; null if it cannot be asked or did not say so.
    pub empty_after_s: Option<f64>,
    /// The longest that an answer took; a second that brought none counts as one.
    pub answer_s_max: Option<f64>,
    /// When at most a tenth of what its memory had grown by was left; null if more was left at the end.
    pub memory_back_after_s: Option<f64>,
    /// Memory of its own before the first connect, when the plan was over, and at the end.
    pub memory_before_bytes: u64,
    pub memory_full_bytes: u64,
    pub memory_end_bytes: u64,
    /// Open descriptors when it was first looked at after the members had left, and at the end.
    pub descriptors_full: u64,
    pub descriptors_end: u64,
    /// Its processor time, and that of the whole machine, as shares of one core.
    pub cpu_share: f64,
    pub machine_cpu_share: f64,
}

/// The signs by which the server said to its service manager that its loop turns, from its start to its stop.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct WatchdogPart {
    /// How long the manager waits for a sign.
    pub patience_s: f64,
    pub signs: u64,
    /// Pauses between two signs that were longer than that: the manager would have ended the server.
    pub missed: u64,
    pub longest_pause_s: f64,
}

/// Members beside those that are measured, which read nothing or little, came and went, or flooded, while messages were sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NuisancesPart {
    pub silent_members: u64,
    pub slow_members: u64,
    pub slow_bytes_per_s: u64,
    pub churn_per_s: f64,
    /// Members that, when they read again, got whole lines in order and were told of every gap exactly.
    pub members_exact: u64,
    pub members_inexact: u64,
    /// Members that the server closed.
    pub members_closed: u64,
    /// Messages that they received, and that they were told they missed, all together.
    pub messages_received: u64,
    pub messages_told_missed: u64,
    pub visits: u64,
    pub visits_turned_away: u64,
    /// Visits that were welcomed with a number of members that cannot be right.
    #[serde(default)]
    pub visits_told_wrong: u64,
    /// From the start of a visit's connect until the kernel had the welcome.
    #[serde(default)]
    pub visits_welcome: Quantiles,
    /// Members that sent as fast as the server took it, and how much it took.
    pub flooders: u64,
    pub flood_bytes: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ClientPart {
    /// Processes that had the members between them.
    #[serde(default)]
    pub processes: u64,
    /// Memory of its own of all of them, with all members in a quiet room, and when the last delivery was in.
    #[serde(default)]
    pub memory_settled_bytes: u64,
    #[serde(default)]
    pub memory_window_end_bytes: u64,
    /// Share of one core that the measuring threads used in the window.
    pub cpu_share: f64,
    pub involuntary_switches: u64,
    /// Share of all processors that neither the server nor this thread used, but others did; null when the server's
    /// process is not known.
    pub others_cpu_share: Option<f64>,
    /// Share of all processors that the hypervisor gave to others in the window.
    pub steal_share: f64,
    /// The p99 of the schedule lag, however few the samples: what is held against the limit.
    pub lag_p99_ns: u64,
    /// The p99 of the schedule lag that was allowed.
    pub lag_limit_ns: u64,
    /// How long half of the deliveries may have waited to be read.
    #[serde(default, rename = "drain_limit_ns")]
    pub until_read_limit_ns: u64,
    /// Server and tool each kept to a processor.
    #[serde(default)]
    pub pinned: bool,
}

/// Cost of a bare send to each of as many sockets as the room has members, nanoseconds of processor time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FloorPart {
    /// Null with direct descriptors, which `send` cannot be called with.
    pub send: Option<SendCost>,
    /// A batch of 64 io_uring sends an enter; null where io_uring is refused.
    pub uring: Option<SendCost>,
    /// Server time per delivery over the mean of each.
    pub ratio_to_send: Option<f64>,
    pub ratio_to_uring: Option<f64>,
}

/// Processor time of one send, over passes to all sockets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SendCost {
    pub passes: u64,
    pub min_ns: f64,
    pub median_ns: f64,
    pub mean_ns: f64,
    /// How long a whole pass took; null before the tool noted it.
    #[serde(default)]
    pub pass: Option<PassTime>,
}

/// How long one pass to all sockets took, on the clock and of the sender's processor time, nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PassTime {
    pub wall_min_ns: f64,
    pub wall_median_ns: f64,
    pub cpu_min_ns: f64,
    pub cpu_median_ns: f64,
}

impl From<&Latency> for Quantiles {
    fn from(latency: &Latency) -> Self {
        let histogram = &latency.histogram;
        let at_least = latency.at_least_from_ns;
        Self {
            samples: histogram.len(),
            min_ns: (!histogram.is_empty()).then(|| histogram.min()),
            p50_ns: latency.quantile_ns(0.5),
            p90_ns: latency.quantile_ns(0.9),
            p99_ns: latency.quantile_ns(0.99),
            p99_9_ns: latency.quantile_ns(0.999),
            p99_99_ns: latency.quantile_ns(0.9999),
            max_ns: latency.max_ns(),
            censored: latency.censored,
            at_least_from_ns: (at_least != u64::MAX).then(|| histogram.lowest_equivalent(at_least)),
            saturated: latency.saturated,
        }
    }
}

impl Quantiles {
    /// The figures with their names, in the order of tables.
    pub fn named(&self) -> [(&'static str, Option<u64>); 7] {
        [
            ("min", self.min_ns),
            ("p50", self.p50_ns),
            ("p90", self.p90_ns),
            ("p99", self.p99_ns),
            ("p99.9", self.p99_9_ns),
            ("p99.99", self.p99_99_ns),
            ("max", self.max_ns),
        ]
    }

    /// True exactly when `value_ns`, one of the figures, is only a lower bound.
    pub fn is_at_least(&self, value_ns: u64) -> bool {
        self.at_least_from_ns.is_some_and(|from_ns| value_ns >= from_ns) || value_ns >= LATENCY_NS_MAX
    }
}

impl ProofPart {
    /// Whether everything came once and undamaged to all of `verified` members, and in one order for all where that is promised.
    pub fn is_clean(&self, one_order: bool, verified: u64) -> bool {
        let order = if one_order { self.out_of_order } else { 0 };
        Problems { out_of_order: order, ..self.problems() }.is_clean()
            && (!one_order || self.order_hashes_equal + self.members_excused == verified)
    }

    /// The counts as the recorder keeps them.
    pub fn problems(&self) -> Problems {
        Problems {
            lost: self.lost,
            duplicate: self.duplicate,
            out_of_order: self.out_of_order,
            echoed: self.echoed,
            corrupt: self.corrupt,
            foreign: self.foreign,
        }
    }
}

impl Summary {
    /// True exactly when the figures are to be quoted: the run is valid, and every delivery was as it should be.
    pub fn is_good(&self) -> bool {
        self.valid && self.clean
    }

    /// True exactly when the run is invalid because of this tool or of the machine alone: measured again it may be valid.
    pub fn client_spoiled_it(&self) -> bool {
        !self.valid && self.proof.disconnected == 0 && (self.is_late() || self.is_read_late())
    }

    /// Messages were sent later than allowed.
    pub fn is_late(&self) -> bool {
        self.client.lag_p99_ns > self.client.lag_limit_ns
    }

    /// Deliveries waited longer than allowed to be read.
    pub fn is_read_late(&self) -> bool {
        self.latency.until_read.p50_ns.is_some_and(|waited_ns| waited_ns > self.client.until_read_limit_ns)
    }

    /// Puts the floor beside the server's cost.
    pub fn set_floor(&mut self, send: Option<SendCost>, uring: Option<SendCost>) {
        let cost_ns = self.server.as_ref().and_then(|server| server.cpu_per_delivery_ns);
        let ratio = |floor: SendCost| cost_ns.map(|cost_ns| cost_ns / floor.mean_ns);
        self.floor =
            Some(FloorPart { send, uring, ratio_to_send: send.and_then(ratio), ratio_to_uring: uring.and_then(ratio) });
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    const LIMIT_NS: u64 = 200_000;

    /// A run that is as it should be.
    pub fn good() -> Summary {
        let mut summary = Summary { clean: true, ..Summary::default() };
        summary.plan.messages = 100;
        summary.sent.messages_on_plan = 100;
        summary.client.lag_limit_ns = LIMIT_NS;
        summary.client.until_read_limit_ns = LIMIT_NS;
        summary
    }

    #[test]
    fn the_cost_is_put_over_the_floor() {
        let mut summary = good();
        summary.server = Some(ServerPart { cpu_per_delivery_ns: Some(4400.0), ..ServerPart::default() });
        summary.set_floor(Some(SendCost { mean_ns: 4000.0, ..SendCost::default() }), None);
        let floor = summary.floor.unwrap();
        assert_eq!((floor.ratio_to_send, floor.ratio_to_uring), (Some(1.1), None));
    }

    #[test]
    fn a_summary_is_read_back() {
        let json = serde_json::to_string(&good()).unwrap();
        let summary: Summary = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&summary).unwrap(), json);
    }
}
