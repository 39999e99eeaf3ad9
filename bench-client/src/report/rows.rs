//! Rows of rooms that were measured: one a run, the same in CSV and JSON.
//!
//! A run that was set aside and a room that could not be measured are rows too, with their reasons.

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use crate::error::{Context, Result};
use crate::files::{write_file, write_json};
use crate::results::rung::Rung;
use crate::results::summary::{Quantiles, Summary};

/// One row of a CSV or JSON file: one run. Times are in microseconds; a cell is empty when the figure is not
/// known, or has too few samples to be spoken of.
#[derive(Debug, Serialize)]
pub struct Row {
    server: String,
    members: u64,
    run: u64,
    /// `good`, `invalid`, `unclean`, `set aside` (invalid, and measured again) or `not run`.
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

/// The rows of `rungs`, in their order.
pub fn all(rungs: &[Rung]) -> Vec<Row> {
    rungs.iter().flat_map(of_rung).collect()
}

/// Writes the rows of the rooms of a sweep into its folder, as CSV and as JSON.
pub fn write_sweep(folder: &Path, rungs: &[Rung]) -> Result<()> {
    let rows = all(rungs);
    write_file(&folder.join("sweep.csv"), &csv(&rows)?)?;
    write_json(&folder.join("sweep.json"), &json!({ "schema": 1, "runs": rows }))
}

/// `rows` as CSV, a heading first.
pub fn csv(rows: &[Row]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).context(|| "cannot write rows as CSV".to_string())?;
    }
    writer.into_inner().context(|| "cannot write rows as CSV".to_string())
}

fn of_rung(rung: &Rung) -> Vec<Row> {
    let mut rows: Vec<Row> = (1..).zip(&rung.runs).map(|(number, run)| row(rung, number, Some(run))).collect();
    for run in &rung.set_aside {
        let number = rows.len() as u64 + 1;
        rows.push(Row { state: "set aside", ..row(rung, number, Some(run)) });
    }
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
        floor_send_ns: floor.and_then(|floor| floor.send).map(|send| send.mean_ns),
        floor_uring_ns: floor.and_then(|floor| floor.uring).map(|uring| uring.mean_ns),
        cost_over_send: floor.and_then(|floor| floor.ratio_to_send),
        cost_over_uring: floor.and_then(|floor| floor.ratio_to_uring),
        connect_s: run.map(|run| run.connect.elapsed_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rung_that_cannot_run_is_a_row_with_its_reason() {
        let mut rung = Rung::new("select", 5000);
        rung.not_run = Some("only 1,015 of 5000 members joined".to_string());
        let rows = of_rung(&rung);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].state, rows[0].run), ("not run", 1));
        assert!(rows[0].reason.contains("1,015"));
    }
}
