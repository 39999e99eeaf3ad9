//! The tool does not flatter: a server that stalls is seen to have stalled, a tool that stalls says so, and each way of
//! spoiling a delivery is found and named.

mod common;

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Listener, Process, SHORT, bench_client, json, outcome, reflect_command, reflector, run};
use serde_json::Value;

/// How long something is stopped in mid-run; a little over what is asserted.
const STOP: Duration = Duration::from_millis(1100);
const RATE_PER_S: f64 = 100.0;

/// A run of 50 members and 100 messages a second for 4 s, with `stopped` halted for [`STOP`] in the middle of it.
fn run_with_a_stop(stopped: &str, options: &[&str]) -> (Option<i32>, Value, Vec<Vec<u64>>) {
    let (server, address) = reflector("127.0.0.1");
    let mut listener = Listener::join(address);
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let child = bench_client()
        .args(["run", &address.to_string(), "-c", "50", "-r", "100/s", "-d", "4s", "-w", "0s", "--settle", "100ms"])
        .args(["--format", "quiet", "-o", out])
        .args(options)
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut client = Process(child);
    listener.wait_for_a_message();
    sleep(Duration::from_millis(500));
    let halted = if stopped == "server" { &server } else { &client };
    halted.signal("STOP");
    sleep(STOP);
    halted.signal("CONT");
    let status = client.0.wait().expect("the run ends");
    let summary = json(&directory.path().join("run1/summary.json"));
    let mut messages = csv::Reader::from_path(directory.path().join("run1/messages.csv")).unwrap();
    let rows = messages.records().map(|row| row.unwrap().iter().map(|cell| cell.parse().unwrap()).collect());
    (status.code(), summary, rows.collect())
}

fn ns(summary: &Value, latency: &str, figure: &str) -> f64 {
    summary["latency"][latency][figure].as_f64().unwrap_or_else(|| panic!("{latency}.{figure} in {summary:#}"))
}

#[test]
fn a_server_that_stops_for_a_second_is_seen_by_every_message_that_was_due() {
    let (code, summary, rows) = run_with_a_stop("server", &["--lag-limit", "30s"]);
    assert_eq!(code, Some(0), "{summary:#}");
    assert!(ns(&summary, "room", "max_ns") >= 1e9, "{summary:#}");
    assert!(ns(&summary, "delivery", "p99_ns") >= 0.9e9, "{summary:#}");
    // A tool that waits for the server sends one message into the stall. This one keeps to its plan: whatever was due in
    // the first half of the stall took more than the other half.
    let half = STOP.as_nanos() as u64 / 2;
    let slow = rows.iter().filter(|row| row[8] - row[2] > half).count() as f64;
    let due_in_half = RATE_PER_S * STOP.as_secs_f64() / 2.0;
    assert!(slow >= due_in_half * 0.9, "{slow} slow messages, {due_in_half} were due in half of the stall");
}

#[test]
fn a_tool_that_stops_for_a_second_counts_from_the_due_time_and_calls_its_run_invalid() {
    let (code, summary, _) = run_with_a_stop("client", &[]);
    assert_eq!(code, Some(3), "{summary:#}");
    assert_eq!(summary["valid"], false);
    assert!(summary["reasons"][0].as_str().unwrap().contains("client-bound"), "{summary:#}");
    // What was due while it was stopped left a second late, and quickly after that: only the corrected figure knows.
    let (corrected, uncorrected) = (ns(&summary, "delivery", "p99_ns"), ns(&summary, "delivery_uncorrected", "p99_ns"));
    assert!(corrected >= 1e9, "{summary:#}");
    assert!(corrected > 3.0 * uncorrected, "corrected {corrected}, uncorrected {uncorrected}");
}

/// Ways of spoiling a delivery, and how each is named.
const FAULTS: [(&str, &str); 5] = [
    ("drop", "lost 1"),
    ("duplicate", "duplicate 1"),
    ("swap", "out of order 1"),
    ("echo", "echoed 1"),
    ("corrupt", "corrupt 1"),
];

#[test]
fn each_way_of_spoiling_a_delivery_is_found_and_named() {
    for (fault, name) in FAULTS {
        let server = reflect_command(&format!("--fault {fault} --fault-at 40"));
        let arguments = ["run", "-c", "10", "-r", "200/s", "-n", "100", "--format", "quiet", "--server-cmd", &server];
        let (code, stderr) = outcome(&run(&[&arguments[..], &SHORT, &["--drain", "1s"]].concat()));
        assert_eq!(code, Some(2), "{fault}: {stderr}");
        assert!(stderr.contains("NOT CLEAN") && stderr.contains(name), "{fault}: {stderr}");
    }
}

#[test]
fn a_line_that_is_heard_in_another_room_too_is_found_and_named() {
    for (fault, name) in [("stray", "foreign 1"), ("drop", "lost 1"), ("duplicate", "duplicate 1")] {
        let server = reflect_command(&format!("--fault {fault} --fault-at 40"));
        let arguments = ["run", "-c", "20", "--rooms", "4", "-r", "200/s", "-n", "100", "--format", "quiet"];
        let server = ["--server-cmd", &server];
        let (code, stderr) = outcome(&run(&[&arguments[..], &server, &SHORT, &["--drain", "1s"]].concat()));
        assert_eq!(code, Some(2), "{fault}: {stderr}");
        assert!(stderr.contains("NOT CLEAN") && stderr.contains(name), "{fault}: {stderr}");
    }
}

/// The doors of uproar beside lines: what the load generator and the reflector call them.
const DOORS: [(&str, &str); 2] = [("websocket", "objects"), ("irc", "irc")];

#[test]
fn each_way_to_spoil_a_delivery_is_found_at_every_door() {
    for ((protocol, dialect), (fault, name)) in DOORS.iter().flat_map(|door| FAULTS.map(|fault| (door, fault))) {
        let server = reflect_command(&format!("--dialect {dialect} --fault {fault} --fault-at 40"));
        let arguments = ["run", "-c", "10", "-r", "200/s", "-n", "100", "--format", "quiet", "--protocol", protocol];
        let server = ["--server-cmd", &server];
        let (code, stderr) = outcome(&run(&[&arguments[..], &server, &SHORT, &["--drain", "1s"]].concat()));
        assert_eq!(code, Some(2), "{protocol}, {fault}: {stderr}");
        assert!(stderr.contains("NOT CLEAN") && stderr.contains(name), "{protocol}, {fault}: {stderr}");
    }
}

#[test]
fn what_a_member_was_told_it_missed_is_understood_at_every_door() {
    for (protocol, dialect) in DOORS {
        let server = reflect_command(&format!("--dialect {dialect} --fault tell --fault-at 40"));
        let arguments =
            ["run", "-c", "10", "-r", "200/s", "-n", "100", "--protocol", protocol, "--server-cmd", &server];
        let output = run(&[&arguments[..], &SHORT].concat());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.contains("lost 0") && printed.contains("told missed 1"), "{protocol}: {printed}");
    }
}

#[test]
fn members_that_only_count_bytes_are_right_at_every_door_and_a_slowed_publisher_is_told() {
    for (protocol, dialect) in DOORS {
        for (fault, code, said) in [
            // Numbers of messages have one digit, two and three.
            ("", 0, "byte count right on 8/8"),
            ("--fault drop --fault-at 40 --fault-member 1", 2, "lost 1"),
            ("--fault duplicate --fault-at 40 --fault-member 1", 2, "duplicate 1"),
            ("--fault slow --fault-at 40", 3, "the server slows 1 of 1 publishers down"),
        ] {
            let server = reflect_command(&format!("--dialect {dialect} {fault}"));
            let arguments = ["run", "-c", "10", "-r", "200/s", "-n", "120", "--verify", "2", "--protocol", protocol];
            let server = ["--server-cmd", &server];
            let output = run(&[&arguments[..], &server, &SHORT, &["--drain", "1s"]].concat());
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.code(), Some(code), "{protocol} {fault}: {printed}");
            assert!(printed.contains(said), "{protocol} {fault}: {printed}");
        }
    }
}

#[test]
fn members_that_only_count_bytes_notice_a_loss_and_a_repeat() {
    for (fault, name) in [("drop", "lost 1"), ("duplicate", "duplicate 1")] {
        // Of ten members the first and the last listener are verified; the fault strikes the second.
        let server = reflect_command(&format!("--fault {fault} --fault-at 40 --fault-member 1"));
        let arguments = ["run", "-c", "10", "-r", "200/s", "-n", "100", "--verify", "2", "--format", "quiet"];
        let server = ["--server-cmd", &server];
        let (code, stderr) = outcome(&run(&[&arguments[..], &server, &SHORT, &["--drain", "1s"]].concat()));
        assert_eq!(code, Some(2), "{fault}: {stderr}");
        assert!(stderr.contains(name), "{fault}: {stderr}");
    }
}

#[test]
fn the_last_delivery_is_watched_for_a_repeat() {
    let server = reflect_command("--fault duplicate --fault-at 19");
    let arguments = ["run", "-c", "5", "-r", "200/s", "-n", "20", "--format", "quiet", "--server-cmd", &server];
    let (code, stderr) = outcome(&run(&[&arguments[..], &SHORT].concat()));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("duplicate 1"), "{stderr}");
}

#[test]
fn a_server_that_dies_in_mid_run_leaves_a_run_that_says_so() {
    let (server, address) = reflector("127.0.0.1");
    let mut listener = Listener::join(address);
    let child = bench_client()
        .args(["run", &address.to_string(), "-c", "10", "-r", "50/s", "-d", "3s", "--drain", "1s", "--format", "quiet"])
        .args(["-w", "0s", "--settle", "100ms", "--lag-limit", "30s"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    listener.wait_for_a_message();
    server.signal("KILL");
    let output = child.wait_with_output().expect("the run ends");
    let (code, stderr) = outcome(&output);
    // What was in flight is lost or not, as it happens; what was never sent makes the run invalid in any case.
    assert!(matches!(code, Some(2 | 3)), "{code:?}: {stderr}");
    assert!(stderr.contains("plan not kept") && stderr.contains("10 members were disconnected"), "{stderr}");
}

#[test]
fn messages_that_a_member_was_told_it_missed_are_not_lost_and_not_waited_for() {
    let server = reflect_command("--fault tell --fault-at 40");
    let arguments = ["run", "-c", "10", "-r", "200/s", "-n", "100", "--server-cmd", &server];
    let since = Instant::now();
    let output = run(&[&arguments[..], &SHORT, &["--drain", "60s"]].concat());
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("INVALID: members fell behind and were told that they missed 1 message"), "{printed}");
    assert!(printed.contains("lost 0") && printed.contains("told missed 1"), "{printed}");
    assert!(since.elapsed() < Duration::from_secs(40), "the drain time was waited out: {:?}", since.elapsed());
}

#[test]
fn a_server_that_slows_the_publisher_is_told_in_the_first_line_with_what_to_do() {
    // All verified; and only some listeners, so that the publisher counts bytes alone.
    for verify in ["10", "2"] {
        let server = reflect_command("--fault slow --fault-at 40");
        let arguments = ["run", "-c", "10", "-r", "200/s", "-n", "100", "--verify", verify, "--server-cmd", &server];
        let output = run(&[&arguments[..], &SHORT, &["--drain", "1s"]].concat());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let first = printed.lines().next().unwrap();
        assert!(first.starts_with("INVALID: the server slows 1 of 1 publishers down"), "{printed}");
        assert!(["--flood-rate 0", "-r", "-p"].iter().all(|cure| first.contains(cure)), "{printed}");
        assert!(printed.contains("lost 0") && printed.contains("held back 540"), "{printed}");
    }
}

#[test]
fn deliveries_a_second_are_never_more_than_the_plan_calls_for() {
    for verify in ["20", "3"] {
        let server = reflect_command("");
        let arguments =
            ["run", "-c", "20", "-p", "2", "-r", "2k/s", "-d", "500ms", "--verify", verify, "--format", "json"];
        let output = run(&[&arguments[..], &["--server-cmd", &server], &SHORT, &["-w", "300ms"]].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sent = &summary["sent"];
        assert_eq!(sent["deliveries"], 1000 * 19, "measured messages alone: {sent}");
        assert!(sent["deliveries_over_s"].as_f64().unwrap() >= 0.5, "{sent}");
        let figure = |name: &str| sent[name].as_f64().unwrap();
        assert!(figure("deliveries_per_s") <= figure("deliveries_planned_per_s"), "{sent}");
    }
}
