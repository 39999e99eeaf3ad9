//! Rooms whose members are spread over several processes: the same proof and exact figures, and nothing left behind when one fails.

mod common;

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Listener, Process, SHORT, bench_client, json, outcome, reflect_command, reflector, run};
use serde_json::Value;

/// The summary of a run with `arguments`, and where its files are.
fn summary(arguments: &[&str], server: &str) -> (Value, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let out = ["--server-cmd", server, "-o", directory.path().to_str().unwrap()];
    let output = run(&[&["run"], arguments, &out, &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    (json(&directory.path().join("run1/summary.json")), directory)
}

#[test]
fn a_room_in_three_processes_is_proven_like_a_room_in_one() {
    let load = ["-c", "91", "-p", "1", "-r", "100/s", "-n", "60", "--probes", "10"];
    let (one, _files) = summary(&[&load[..], &["--processes", "1"]].concat(), &reflect_command(""));
    let (three, files) = summary(&[&load[..], &["--processes", "3"]].concat(), &reflect_command(""));
    assert_eq!((&one["client"]["processes"], &three["client"]["processes"]), (&1.into(), &3.into()));
    for part in ["proof", "room", "plan"] {
        assert_eq!(one[part], three[part], "{part}");
    }
    assert_eq!(three["proof"]["order_hashes_equal"], 91);
    assert_eq!(three["latency"]["delivery"]["samples"], 60 * 90);
    assert_eq!(three["latency"]["delivery_uncorrected"]["samples"], 60 * 90);
    assert_eq!(three["sent"]["deliveries"], one["sent"]["deliveries"]);
    assert!(three["latency"]["drain"]["samples"].as_u64().unwrap() > 60, "probes of all processes are added");
    assert_eq!(three["connect"]["latency"]["samples"], 91);
    assert_eq!(three["connect"]["tenths_per_s"].as_array().unwrap().len(), 10);
    assert!(three["client"]["memory_settled_bytes"].as_u64() > one["client"]["memory_settled_bytes"].as_u64());
    thresholds_rise(&files.path().join("run1/messages.csv"), 60, 90);
    for name in ["delivery.hgrm", "room.hgrm", "intervals.hlog"] {
        assert!(files.path().join("run1").join(name).metadata().unwrap().len() > 200, "{name}");
    }
}

/// Every message has all its moments, in order, and came to everybody.
fn thresholds_rise(path: &Path, messages: usize, expected: u64) {
    let rows = std::fs::read_to_string(path).unwrap();
    assert_eq!(rows.lines().count(), messages + 1);
    for row in rows.lines().skip(1) {
        let cells: Vec<u64> = row.split(',').map(|cell| cell.parse().unwrap_or_else(|_| panic!("{row}"))).collect();
        // publisher, sequence, due, sent, first, 50, 90, 99 %, last, expected, received
        assert!(cells[2..9].is_sorted(), "{row}");
        assert_eq!(cells[9..], [expected, expected], "{row}");
    }
}

#[test]
fn publishers_and_members_that_count_bytes_may_be_in_any_process() {
    let load = ["-c", "60", "-p", "4", "-r", "400/s", "-n", "200", "--processes", "3"];
    let (all, _files) = summary(&load, &reflect_command(""));
    assert_eq!(all["latency"]["delivery"]["samples"], 200 * 59);
    assert_eq!(all["proof"]["order_hashes_equal"], 60);
    let (some, _files) = summary(&[&load[..], &["--verify", "9"]].concat(), &reflect_command(""));
    assert_eq!((&some["room"]["verified_members"], &some["proof"]["counting_members"]), (&9.into(), &51.into()));
    assert_eq!(some["proof"]["counting_members_wrong"], 0);
    assert_eq!(some["latency"]["delivery"]["samples"], 200 * 9);
    assert_eq!(some["sent"]["deliveries"], 200 * 59);
}

#[test]
fn what_goes_wrong_at_one_member_is_found_in_any_process() {
    for (fault, found) in [
        ("drop", "lost 1"),
        ("duplicate", "duplicate 1"),
        ("swap", "out of order 1"),
        ("echo", "echoed 1"),
        ("corrupt", "corrupt 1"),
    ] {
        let server = reflect_command(&format!("--fault {fault} --fault-at 7"));
        let arguments = ["run", "-c", "30", "-r", "200/s", "-n", "20", "--processes", "3", "--format", "quiet"];
        let more = ["--server-cmd", &server, "--drain", "500ms"];
        let (code, stderr) = outcome(&run(&[&arguments[..], &SHORT, &more].concat()));
        assert_eq!(code, Some(2), "{fault}: {stderr}");
        assert!(stderr.contains(found), "{fault}: {stderr}");
    }
}

#[test]
fn what_the_server_tells_and_holds_back_is_told_and_held_back_for_the_whole_room() {
    for (fault, said) in [("tell", "told missed 1"), ("slow", "held back 540")] {
        let server = reflect_command(&format!("--fault {fault} --fault-at 40"));
        let arguments = ["run", "-c", "10", "-r", "200/s", "-n", "100", "--processes", "2", "--server-cmd", &server];
        let output = run(&[&arguments[..], &SHORT, &["--drain", "1s"]].concat());
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(printed.contains("lost 0") && printed.contains(said), "{fault}: {printed}");
    }
}

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let is_child = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        // A process that has ended and was not waited for is none any more.
        !after_name.starts_with('Z') && after_name.split(' ').nth(1) == Some(&parent.to_string())
    };
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

fn is_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// A run of three processes that has begun to send, and those processes.
fn running(address: &str, seconds: &str) -> (Process, Vec<u32>) {
    let mut listener = Listener::join(address.parse().unwrap());
    let child = bench_client()
        .args(["run", address, "-c", "30", "-r", "50/s", "-d", seconds, "--processes", "3", "--format", "quiet"])
        .args(SHORT)
        .args(["--drain", "500ms"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    listener.wait_for_a_message();
    let processes = children(child.id());
    assert_eq!(processes.len(), 3, "{processes:?}");
    (Process(child), processes)
}

fn signal(pid: u32, name: &str) {
    let status = std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.expect("kill is there").success(), "{name} to {pid}");
}

#[test]
fn a_process_that_dies_or_stalls_makes_the_run_invalid_and_none_is_left() {
    for (name, seconds, said) in [("KILL", "30s", "ended early (signal: 9"), ("STOP", "1s", "said nothing for 15s")] {
        let (_server, address) = reflector("127.0.0.1");
        let (mut program, processes) = running(&address.to_string(), seconds);
        let second = *processes.iter().max().unwrap();
        signal(second, name);
        let mut stderr = String::new();
        program.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let status = program.0.wait().unwrap();
        assert_eq!(status.code(), Some(3), "{name}: {stderr}");
        assert!(stderr.contains("INVALID: process ") && stderr.contains(" of 3"), "{name}: {stderr}");
        assert!(stderr.contains(said), "{name}: {stderr}");
        assert!(processes.iter().all(|&pid| is_gone(pid)), "{name}: {processes:?}");
    }
}

#[test]
fn no_process_outlives_the_one_that_started_it() {
    let (_server, address) = reflector("127.0.0.1");
    let (program, processes) = running(&address.to_string(), "60s");
    program.signal("KILL");
    let since = Instant::now();
    while !processes.iter().all(|&pid| is_gone(pid)) {
        assert!(since.elapsed() < Duration::from_secs(10), "{processes:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_several_processes_cannot_do_is_one_line_with_its_fix() {
    let cases: [(&[&str], &str); 4] = [
        (&["-c", "1k", "-r", "100k/s", "-d", "30s"], "use one process (--processes 1), lower -r"),
        (&["-c", "30", "--verify", "2"], "let more verify (--verify 6)"),
        (&["-c", "2"], "more than the 2 members"),
        (&["-c", "900m"], "hard limit"),
    ];
    let server = reflect_command("");
    for (arguments, expected) in cases {
        let more = ["--processes", "3", "--server-cmd", &server];
        let (code, stderr) = outcome(&run(&[&["run"], arguments, &more].concat()));
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

#[test]
fn visitors_have_their_own_latency_and_the_server_is_watched_when_all_have_left() {
    for processes in ["1", "2"] {
        let load = ["-c", "40", "-r", "50/s", "-d", "1s", "--churn", "20", "--processes", processes];
        let server = reflect_command("");
        let more = ["--aftermath", "500ms", "--format", "json", "--server-cmd", &server];
        let output = run(&[&["run"], &load[..], &more, &SHORT].concat());
        // A reflector repeats also the empty lines of visitors, which the others find foreign.
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let run: Value = serde_json::from_slice(&output.stdout).unwrap();
        let crowd = &run["crowd"];
        assert!(crowd["visits_welcome"]["samples"].as_u64().unwrap() >= 5, "{crowd}");
        assert_eq!((&crowd["visits_turned_away"], &crowd["visits_told_wrong"]), (&0.into(), &0.into()), "{crowd}");
        let aftermath = &run["aftermath"];
        assert!(aftermath["watched_s"].as_f64().unwrap() >= 0.5, "{aftermath}");
        assert!(aftermath["descriptors_end"].as_u64().unwrap() < 20, "{aftermath}");
        assert_eq!(aftermath["empty_after_s"], Value::Null, "a reflector would end by the signal that asks");
    }
}
