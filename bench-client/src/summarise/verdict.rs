//! Whether a run is valid, and what a reader should know of it. Each reason is named once, with what to do about it.

use crate::quantities::{count, plural, time};
use crate::results::summary::{Quantiles, Summary};

/// The least share of the plan that must be sent before its end.
const SENT_SHARE_MIN: f64 = 0.99;
/// A client thread busier than this is said to be.
const CLIENT_BUSY: f64 = 0.9;
/// Above this share of the delivery latency, a reader is told how long deliveries waited for this tool to read them.
const UNTIL_READ_SHARE_TOLD: f64 = 0.1;
/// Counters of the kernel's TCP that rise when connections are refused or ended for lack of room.
const DROP_COUNTERS: [&str; 2] = ["ListenDrops", "TCPAbortOnMemory"];
const STEAL_SHARE_MAX: f64 = 0.01;
/// Others on the machine busier than this are said to be.
const OTHERS_SHARE_MAX: f64 = 0.05;

/// A figure of a latency.
type Mark = fn(&Quantiles) -> Option<u64>;

/// What to do when the server limits what a publisher may say.
pub const SLOWED_CURE: &str =
    "start the server with --flood-rate 0, or offer fewer lines (-r), or from more publishers (-p)";

/// Why the run is invalid, what explains most first; empty for a valid one.
pub fn reasons(run: &Summary) -> Vec<String> {
    let mut reasons = Vec::new();
    let proof = &run.proof;
    if proof.publishers_slowed > 0 {
        let held = match proof.held_back {
            0 => String::new(),
            held => format!(", {} deliveries still waited at the end", count(held)),
        };
        reasons.push(format!(
            "the server slows {} of {} publishers down, so these figures are of its limit and not of its speed{held}; \
             {SLOWED_CURE}",
            count(proof.publishers_slowed),
            count(run.room.publishers)
        ));
    }
    if proof.told_missed > 0 {
        reasons.push(format!(
            "members fell behind and were told that they missed {}; offer fewer lines (-r), or let the server keep \
             more for them (--log-bytes)",
            plural(proof.told_missed, "message")
        ));
    }
    let share = run.sent.messages_on_plan as f64 / run.plan.messages as f64;
    if share < SENT_SHARE_MIN {
        reasons.push(format!(
            "plan not kept: {:.1} % of the messages were sent in time; offer fewer lines (-r)",
            share * 100.0
        ));
    }
    if run.is_late() {
        reasons.push(format!(
            "client-bound: messages were sent {} late at p99, the limit is {}; {}",
            time(run.client.lag_p99_ns),
            time(run.client.lag_limit_ns),
            client_cure(run)
        ));
    }
    if run.is_read_late() {
        reasons.push(format!(
            "client-bound: half of the deliveries waited {} or longer to be read, the limit is {}{}",
            time(run.latency.until_read.p50_ns.unwrap_or(0)),
            time(run.client.until_read_limit_ns),
            if run.is_late() { String::new() } else { format!("; {}", client_cure(run)) }
        ));
    }
    for (name, rise) in &run.kernel_counter_rises {
        match name.as_str() {
            "ListenDrops" => reasons.push(format!(
                "kernel counter ListenDrops rose by {rise}: newcomers were dropped; connect more slowly (--connect-rate)"
            )),
            name if DROP_COUNTERS.contains(&name) => reasons.push(format!(
                "kernel counter {name} rose by {rise}: connections were ended for want of memory; raise net.ipv4.tcp_mem"
            )),
            _ => {}
        }
    }
    if proof.disconnected > 0 {
        let why = proof.first_close_reason.as_ref().map_or(String::new(), |why| format!("; the first: {why}"));
        reasons.push(format!(
            "{} {} disconnected{why}",
            plural(proof.disconnected, "member"),
            if proof.disconnected == 1 { "was" } else { "were" }
        ));
    }
    reasons
}

/// A reason without its cure, for a table.
pub fn without_cure(reason: &str) -> &str {
    reason.split_once("; ").map_or(reason, |(reason, _)| reason)
}

/// What makes the tool less likely to be the limit.
fn client_cure(run: &Summary) -> &'static str {
    match run.client.pinned {
        false => "give the server and this tool a processor each: --pin 0,1",
        true if run.client.cpu_share > CLIENT_BUSY => {
            "let fewer members verify (--verify 16), or offer fewer lines (-r)"
        }
        true => "use a machine that does nothing else",
    }
}

/// What a reader should know, and what does not make the run invalid; nothing that `reasons` says already.
pub fn warnings(run: &Summary) -> Vec<String> {
    let mut warnings = Vec::new();
    let client = &run.client;
    if run.proof.told_missed > 0 && run.proof.counting_members_wrong > 0 {
        warnings.push(format!(
            "{} members that only count bytes lack some, and cannot tell what they were told of from what was lost; let all \
             verify (no --verify)",
            count(run.proof.counting_members_wrong)
        ));
    }
    let marks: [(&str, Mark); 2] = [("p50", |latency| latency.p50_ns), ("p99", |latency| latency.p99_ns)];
    let own: Vec<String> = marks
        .into_iter()
        .filter_map(|(name, mark)| {
            let (waited_ns, delivery_ns) = (mark(&run.latency.until_read)?, mark(&run.latency.delivery)?);
            let told = waited_ns as f64 > UNTIL_READ_SHARE_TOLD * delivery_ns as f64;
            told.then(|| format!("{} of the delivery {name}", time(waited_ns)))
        })
        .collect();
    let is_busy = client.cpu_share > CLIENT_BUSY;
    if !run.is_read_late() && (is_busy || !own.is_empty()) {
        let busy = format!("this tool used {:.0} % of a core", client.cpu_share * 100.0);
        let waited = format!("{} may be this tool's own: deliveries waited that long to be read", own.join(" and "));
        let text = match (is_busy, own.is_empty()) {
            (true, true) => format!("{busy}: latencies include its own queue"),
            (true, false) => format!("{waited}, and {busy}"),
            _ => waited,
        };
        // The reason why a late run is invalid names the cure already.
        let cure = if run.is_late() { String::new() } else { format!("; {}", client_cure(run)) };
        warnings.push(format!("{text}{cure}"));
    }
    if client.steal_share > STEAL_SHARE_MAX {
        warnings.push(format!("the hypervisor took {:.1} % of the time", client.steal_share * 100.0));
    }
    if let Some(share) = client.others_cpu_share.filter(|share| *share > OTHERS_SHARE_MAX) {
        warnings.push(format!("other processes used {:.0} % of the machine", share * 100.0));
    }
    for (name, rise) in run.kernel_counter_rises.iter().filter(|(name, _)| !DROP_COUNTERS.contains(&name.as_str())) {
        warnings.push(format!("kernel counter {name} rose by {rise}"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::results::summary::tests::good;

    #[test]
    fn a_run_is_invalid_for_each_of_its_reasons() {
        type Spoil = fn(&mut Summary);
        let cases: [(Spoil, Option<&str>); 11] = [
            (|_| {}, None),
            (
                |run| (run.room.publishers, run.proof.publishers_slowed, run.proof.held_back) = (1, 1, 1980),
                Some(
                    "the server slows 1 of 1 publishers down, so these figures are of its limit and not of its speed, 1,980 \
                     deliveries still waited at the end; start the server with --flood-rate 0, or offer fewer lines (-r), or \
                     from more publishers (-p)",
                ),
            ),
            (
                |run| run.proof.told_missed = 1204,
                Some(
                    "members fell behind and were told that they missed 1,204 messages; offer fewer lines (-r), or let the \
                     server keep more for them (--log-bytes)",
                ),
            ),
            (
                |run| run.sent.messages_on_plan = 98,
                Some("plan not kept: 98.0 % of the messages were sent in time; offer fewer lines (-r)"),
            ),
            (
                |run| run.client.lag_p99_ns = 300_000,
                Some(
                    "client-bound: messages were sent 300 us late at p99, the limit is 200 us; give the server and this tool \
                     a processor each: --pin 0,1",
                ),
            ),
            (
                |run| (run.client.lag_p99_ns, run.client.pinned) = (300_000, true),
                Some(
                    "client-bound: messages were sent 300 us late at p99, the limit is 200 us; use a machine that does \
                     nothing else",
                ),
            ),
            (
                |run| (run.proof.disconnected, run.proof.first_close_reason) = (2, Some("reset".to_string())),
                Some("2 members were disconnected; the first: reset"),
            ),
            (|run| run.client.cpu_share = 0.95, None),
            (
                |run| run.latency.until_read.p50_ns = Some(300_000),
                Some(
                    "client-bound: half of the deliveries waited 300 us or longer to be read, the limit is 200 us; give the \
                     server and this tool a processor each: --pin 0,1",
                ),
            ),
            (|run| run.latency.until_read.p50_ns = Some(100_000), None),
            (
                |run| run.kernel_counter_rises = BTreeMap::from([("ListenDrops".to_string(), 4)]),
                Some(
                    "kernel counter ListenDrops rose by 4: newcomers were dropped; connect more slowly (--connect-rate)",
                ),
            ),
        ];
        for (spoil, reason) in cases {
            let mut run = good();
            spoil(&mut run);
            assert_eq!(reasons(&run).first().map(String::as_str), reason);
        }
    }

    #[test]
    fn what_a_reader_should_know_is_a_warning() {
        let mut run = good();
        run.client.cpu_share = 0.95;
        run.client.steal_share = 0.02;
        run.client.others_cpu_share = Some(0.5);
        run.kernel_counter_rises.insert("RetransSegs".to_string(), 4);
        (run.latency.until_read.p99_ns, run.latency.delivery.p99_ns) = (Some(2000), Some(10_000));
        assert!(reasons(&run).is_empty());
        let told = warnings(&run);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].contains("95 % of a core") && told[0].ends_with("--pin 0,1"), "{told:?}");
    }

    #[test]
    fn no_cure_is_named_twice() {
        let mut run = good();
        (run.client.lag_p99_ns, run.client.cpu_share) = (300_000, 0.95);
        (run.latency.until_read.p50_ns, run.latency.delivery.p50_ns) = (Some(300_000), Some(310_000));
        let said = [reasons(&run), warnings(&run)].concat().join("\n");
        assert_eq!(said.matches("--pin 0,1").count(), 1, "{said}");
        assert_eq!(said.matches("to be read").count(), 1, "{said}");
    }
}
