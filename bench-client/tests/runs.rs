//! Runs of the program as a user makes them: what they print, write and end with.

mod common;

use std::process::Command;

use common::{SHORT, json, outcome, reflect_command, reflector, run};
use serde_json::Value;

#[test]
fn a_clean_run_writes_its_files_and_ends_well() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let server = reflect_command("");
    let arguments = ["run", "-c", "40", "-p", "3", "-r", "100/s", "-n", "60", "-s", "100", "--repeat", "2", "-o", out];
    let more = ["--server-cmd", &server, "--idle", "100ms", "--expect", "lost=0,duplicate=0,room.p50<20s,sent=60"];
    let output = run(&[&arguments[..], &more, &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("room of 40") && printed.contains("2 runs"), "{printed}");
    assert!(printed.contains("order hash equal on 80/80"), "{printed}");
    assert!(json(&directory.path().join("env.json"))["kernel"].is_string());
    for number in 1..=2 {
        let files = directory.path().join(format!("run{number}"));
        let summary = json(&files.join("summary.json"));
        assert_eq!(summary["schema"], 2);
        assert_eq!((&summary["valid"], &summary["clean"]), (&Value::Bool(true), &Value::Bool(true)));
        assert_eq!(summary["room"]["wire_line_bytes"], 100 + "[127.0.0.1:40000] ".len());
        assert_eq!(summary["latency"]["room"]["samples"], 60);
        assert_eq!(summary["latency"]["delivery"]["samples"], 60 * 39);
        let stamped = &summary["latency"];
        assert_eq!(stamped["drain"]["samples"], stamped["kernel_has_it"]["samples"]);
        assert!(stamped["drain"]["samples"].as_u64().unwrap() > 60, "the kernel stamps what 40 members receive");
        assert_eq!(summary["latency"]["room"]["p99_ns"], Value::Null, "60 messages say nothing of a p99");
        assert_eq!(summary["proof"]["order_hashes_equal"], 40);
        assert!(summary["server"]["cpu_per_delivery_ns"].as_f64().unwrap() > 0.0);
        assert!(summary["server"]["idle_cpu_share"].is_f64());
        for name in ["delivery.hgrm", "delivery_uncorrected.hgrm", "room.hgrm", "intervals.hlog"] {
            assert!(files.join(name).metadata().unwrap().len() > 200, "{name}");
        }
        let messages = std::fs::read_to_string(files.join("messages.csv")).unwrap();
        assert_eq!(messages.lines().count(), 61);
        assert!(messages.lines().skip(1).all(|row| row.ends_with(",39,39")), "{messages}");
    }
}

#[test]
fn a_server_that_gives_no_sign_of_its_loop_is_missed_once_its_manager_has_waited() {
    let server = reflect_command("");
    for (patience, missed, code) in [("100ms", 1, 4), ("60s", 0, 0)] {
        let arguments = ["run", "-c", "10", "-r", "50/s", "-n", "20", "--watchdog", patience, "--format", "json"];
        let more = ["--server-cmd", &server, "--expect", "signs_missed=0"];
        let output = run(&[&arguments[..], &more, &SHORT].concat());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&summary["watchdog"]["signs"], &summary["watchdog"]["missed"]), (&0.into(), &missed.into()));
    }
}

#[test]
fn a_room_on_ipv6_with_warm_up_and_random_arrivals() {
    let (server, address) = reflector("[::1]");
    let pid = server.0.id().to_string();
    let address = address.to_string();
    let arguments = ["run", &address, "-c", "10", "-r", "100/s", "-d", "500ms", "-w", "200ms", "--arrival", "poisson"];
    let more = ["--settle", "100ms", "--lag-limit", "30s", "--server-pid", &pid, "--format", "json"];
    let output = run(&[&arguments[..], &more].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["plan"]["arrival"], "poisson");
    assert_eq!((&summary["plan"]["warmup_messages"], &summary["plan"]["messages"]), (&20.into(), &50.into()));
    assert_eq!(summary["latency"]["delivery"]["samples"], 50 * 9, "warm-up is left out");
}

#[test]
fn a_large_message_and_members_from_several_addresses() {
    let server = reflect_command("");
    let arguments = ["run", "-c", "30", "-r", "50/s", "-n", "20", "-s", "20000", "--spread", "3", "--format", "json"];
    let output = run(&[&arguments[..], &["--server-cmd", &server], &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["sent"]["messages"], 20);
}

#[test]
fn members_that_only_count_bytes_add_up() {
    let server = reflect_command("");
    let arguments = ["run", "-c", "50", "-p", "2", "-r", "500/s", "-n", "300", "--verify", "4", "--format", "json"];
    let output = run(&[&arguments[..], &["--server-cmd", &server], &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["room"]["verified_members"], &summary["proof"]["counting_members"]), (&4.into(), &46.into()));
    assert_eq!(summary["latency"]["delivery"]["samples"], 300 * 4);
    assert_eq!(summary["sent"]["deliveries"], 300 * 49, "bytes count as the deliveries they are");
}

#[test]
fn many_rooms_hear_their_own_lines_alone() {
    let server = reflect_command("");
    let arguments = ["run", "-c", "43", "--rooms", "10", "-r", "500/s", "-n", "200", "--format", "json"];
    let output = run(&[&arguments[..], &["--server-cmd", &server], &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let room = &summary["room"];
    assert_eq!((&room["rooms"], &room["members"], &room["publishers"]), (&10.into(), &43.into(), &10.into()));
    assert_eq!(summary["proof"]["order_hashes_equal"], 43);
    assert_eq!(summary["latency"]["room"]["samples"], 200);
    // Three rooms have five members, seven have four; each says 20 lines.
    assert_eq!(summary["latency"]["delivery"]["samples"], 20 * (3 * 4 + 7 * 3));
    assert_eq!(summary["sent"]["deliveries"], 20 * (3 * 4 + 7 * 3));
    let printed =
        String::from_utf8(run(&[&arguments[..9], &["--server-cmd", &server], &SHORT].concat()).stdout).unwrap();
    assert!(printed.contains("10 rooms with 43 members"), "{printed}");
}

#[test]
fn the_first_room_alone_is_asked_for_nothing_and_said_as_before() {
    let server = reflect_command("");
    let arguments = ["run", "-c", "10", "--rooms", "1", "-r", "200/s", "-n", "20", "--format", "json"];
    let output = run(&[&arguments[..], &["--server-cmd", &server], &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["room"]["rooms"], Value::Null, "one room is not spoken of");
}

#[test]
fn an_expectation_that_does_not_hold_has_its_own_code() {
    let server = reflect_command("");
    let arguments = ["run", "-c", "5", "-r", "100/s", "-n", "20", "--format", "quiet", "--server-cmd", &server];
    let expectations = ["--expect", "lost=0,room.p50<1ns,room.p99<1s"];
    let (code, stderr) = outcome(&run(&[&arguments[..], &expectations, &SHORT].concat()));
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("room.p50<1ns: it is") && stderr.contains("20 samples are too few"), "{stderr}");
}

#[test]
fn what_cannot_be_done_is_one_line_with_its_fix() {
    let cases: [(&[&str], &str); 17] = [
        (&["run", "-c", "0"], "no whole number above zero"),
        (&["run", "-r", "fast"], "no rate above zero"),
        (&["run", "--expect", "speed=1"], "is no figure"),
        (&["run", "-c", "2", "-p", "2"], "one only listen"),
        (&["run", "-c", "9", "--rooms", "5"], "a room of 1 cannot have 1 publishers"),
        (&["run", "--rooms", "2", "--verify", "10"], "leave out --verify"),
        (&["run", "--rooms", "2", "--processes", "2"], "works in one process"),
        (&["run", "--rooms", "2m"], "at most 1000000 rooms"),
        (&["run", ":1,:2", "--rooms", "2"], "members of several nodes are in one room"),
        (&["run", ":1,:2,:3", "-c", "2"], "fewer than 3 nodes"),
        (&["run", ":1,:2", "--server-cmd", "x"], "use --nodes N"),
        (&["run", "--nodes", "101", "--server-cmd", "x"], "at most 100 nodes"),
        (&["run", "-c", "10", "-s", "20"], "use -s 32 or more"),
        (&["run", "-c", "10", "-s", "100k"], "invalid digit"),
        (&["run", "-c", "900m"], "hard limit"),
        (&["run", "127.0.0.1:1", "-c", "5"], "nobody listens on 127.0.0.1:1"),
        (&["run", "-c", "5", "--server-cmd", "false {addr}"], "ended before it listened"),
    ];
    for (arguments, expected) in cases {
        let (code, stderr) = outcome(&run(arguments));
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

#[test]
fn many_rooms_on_two_servers_are_put_into_a_ratio() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().to_str().unwrap();
    let (one, other) = (format!("one={}", reflect_command("")), format!("other={}", reflect_command("")));
    let arguments =
        ["many-rooms", "-c", "30", "--rooms", "6", "-r", "200/s", "-d", "500ms", "--repeat", "2", "-o", out];
    let output = run(&[&arguments[..], &["--server", &one, "--server", &other], &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.starts_with("6 rooms with 30 members, 200 lines/s of 64 bytes in all, one every 30.0 ms"),
        "{printed}"
    );
    assert!(printed.contains("one / this") && printed.contains("1.00 [1.00..1.00]"), "{printed}");
    let folder = std::fs::read_dir(parent.path()).unwrap().next().unwrap().unwrap().path();
    assert!(folder.to_str().unwrap().ends_with("-many-rooms"), "{folder:?}");
    let table = std::fs::read_to_string(folder.join("table.md")).unwrap();
    assert!(table.contains("2 of 2 good"), "{table}");
    assert_eq!(json(&folder.join("other/c0000030/run2/summary.json"))["room"]["rooms"], 6);
    let again = run(&["report", folder.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(std::fs::read_to_string(folder.join("table.md")).unwrap(), table, "drawn again it is the same");
}

#[test]
fn a_few_are_measured_alone_and_beside_many() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().to_str().unwrap();
    let server = format!("reflect={}", reflect_command(""));
    let arguments = ["two-rooms", "-c", "100", "--deliveries", "5k", "--few-rate", "300/s", "-d", "1s", "-o", out];
    let output = run(&[&arguments[..], &["--repeat", "2", "--server", &server], &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let said = ["5 alone", "5 beside 100", "difference", "2 of 2 good", "reflect: the room of 100 heard"];
    assert!(said.iter().all(|words| printed.contains(words)), "{printed}");
    let folder = std::fs::read_dir(parent.path()).unwrap().next().unwrap().unwrap().path();
    let rounds = json(&folder.join("two_rooms.json"));
    assert_eq!(rounds.as_array().unwrap().len(), 2);
    for round in rounds.as_array().unwrap() {
        for (case, members) in [("alone", 5), ("beside", 5), ("many", 100)] {
            assert_eq!(round[case]["room"]["members"], members, "{case}");
            assert_eq!(round[case]["proof"]["order_hashes_equal"], members, "{case}");
        }
        // 300 lines to four others, and nothing of the 100.
        assert_eq!(round["beside"]["latency"]["delivery"]["samples"], 1200);
        assert_eq!(round["beside"]["proof"]["foreign"], 0);
        assert!(
            round["beside"]["latency"]["kernel_has_it"]["samples"].as_u64().unwrap() > 600,
            "all of the few are probes"
        );
    }
    let again = run(&["report", folder.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
}

#[test]
fn two_rooms_on_a_server_that_cannot_be_started_are_an_error_and_do_not_hang() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().to_str().unwrap();
    let (code, stderr) = outcome(&run(&["two-rooms", "-c", "10", "--server", "none=false {addr}", "-o", out]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("ended before it listened"), "{stderr}");
}

/// The rows of a sweep: members, server and state.
fn rows_of(sweep: &Value) -> Vec<(u64, &str, &str)> {
    let rows = sweep["runs"].as_array().unwrap().iter();
    rows.map(|row| (row["members"].as_u64().unwrap(), row["server"].as_str().unwrap(), row["state"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_sweep_has_a_row_for_each_run_and_for_each_room_that_could_not_be() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let reflect = format!("reflect={}", reflect_command(""));
    let arguments = ["sweep", "--rungs", "10,30", "--deliveries", "1k", "--repeat", "2", "-d", "400ms", "-o", out];
    let servers = ["--server", &reflect, "--server", "broken=false {addr}"];
    let output = run(&[&arguments[..], &servers, &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let folder = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let sweep = json(&folder.join("sweep.json"));
    let rows = rows_of(&sweep);
    let expected =
        |members| [(members, "reflect", "good"), (members, "reflect", "good"), (members, "broken", "not run")];
    assert_eq!(rows, [expected(10), expected(30)].concat());
    let csv = std::fs::read_to_string(folder.join("sweep.csv")).unwrap();
    assert_eq!(csv.lines().count(), 7);
    let table = std::fs::read_to_string(folder.join("table.md")).unwrap();
    assert!(table.contains("2 of 2 good") && table.contains("not run: the server ended"), "{table}");
    for name in ["room_vs_members.svg", "spectrum_0000010.svg", "spectrum_0000030.svg"] {
        let svg = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("reflect"), "{name}: {svg}");
        assert!(
            svg.contains("Linux ") && svg.contains("64-byte lines"),
            "a picture says where and under which load: {svg}"
        );
    }
    assert!(folder.join("reflect/c0000010/run2/summary.json").exists());
    assert_eq!(json(&folder.join("env.json"))["kind"], "rooms");
    assert!(folder.to_str().unwrap().ends_with("-rooms"), "{folder:?}");
    let raw = folder.join("raw");
    assert!(raw.join("reflect/c0000010/run2/messages.csv").exists());
    // What is kept is drawn anew without the raw rows.
    std::fs::remove_dir_all(&raw).unwrap();

    let drawn = ["sweep.csv", "sweep.json", "table.md", "short.md", "room_vs_members.svg", "spectrum_0000010.svg"];
    let read = || drawn.map(|name| std::fs::read(folder.join(name)).unwrap());
    let before = read();
    drawn.iter().for_each(|name| std::fs::remove_file(folder.join(name)).unwrap());
    let document = directory.path().join("document.md");
    std::fs::write(&document, "a\n<!-- rooms -->\n<!-- /rooms -->\nb\n").unwrap();
    let folder = folder.to_str().unwrap();
    let output = run(&["report", folder, "--into", document.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(before == read(), "drawn anew they are the same");
    let document = std::fs::read_to_string(&document).unwrap();
    assert!(
        document.starts_with("a\n") && document.ends_with("b\n") && document.contains("Medians of 2 runs"),
        "{document}"
    );
    let output = run(&["check", folder, folder]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1.00"), "{output:?}");
}

#[test]
fn a_sweep_of_how_far_servers_go_measures_each_in_its_largest_room() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let far = format!("far={}", reflect_command(""));
    let program = env!("CARGO_BIN_EXE_bench-client");
    // A reflector that says, behind its own line, that it holds few.
    let small = format!(
        "small=bash -c 'exec $1 reflect $0 2> >(sed -u \"s/$/ (small, up to 12 members)/\" >&2)' {{addr}} '{program}'"
    );
    let arguments =
        ["sweep", "--kind", "million", "--largest", "--rungs", "10,30,40", "--deliveries", "1k", "-d", "200ms"];
    let more =
        ["--repeat", "2", "--once-from", "40", "--lines-min", "20", "-o", out, "--server", &far, "--server", &small];
    let output = run(&[&arguments[..], &more, &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let folder = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    assert!(folder.to_str().unwrap().ends_with("-million"), "{folder:?}");
    let sweep = json(&folder.join("sweep.json"));
    let rows = rows_of(&sweep);
    let expected = [
        (10, "far", "good"),
        (10, "far", "good"),
        (10, "small", "good"),
        (10, "small", "good"),
        (12, "small", "good"),
        (12, "small", "good"),
        (30, "small", "not run"),
        (30, "far", "good"),
        (30, "far", "good"),
        (40, "far", "good"),
    ];
    assert_eq!(rows, expected, "{output:?}");
    let summary = json(&folder.join("far/c0000040/run1/summary.json"));
    assert_eq!(summary["plan"]["messages"], 20, "as long as so many lines take");
    assert_eq!(summary["plan"]["warmup_messages"], 1);
    let short = std::fs::read_to_string(folder.join("short.md")).unwrap();
    assert!(short.contains("far holds a room of 40 members") && short.contains("small ends at 12 members"), "{short}");
    let picture = std::fs::read_to_string(folder.join("reach.svg")).unwrap();
    assert!(picture.contains("the whole room has it") && picture.contains("Linux "), "{picture}");
    let document = directory.path().join("document.md");
    std::fs::write(&document, "<!-- million -->\n<!-- /million -->\n").unwrap();
    let output = run(&["report", folder.to_str().unwrap(), "--into", document.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let document = std::fs::read_to_string(&document).unwrap();
    assert!(document.contains("/reach.svg)") && document.contains(short.trim()), "{document}");
}

#[test]
fn a_floor_costs_something() {
    let output = run(&["floor", "-c", "50", "-r", "200/s", "-d", "300ms", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let floor: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(floor["send"]["min_ns"].as_f64().unwrap() > 0.0, "{floor}");
    assert!(floor["uring"].is_object() || floor["uring_refused"].is_string(), "{floor}");
    assert_eq!(floor["send_bytes"], 82);
}

#[test]
fn a_floor_past_the_descriptor_limit_is_in_tables_and_read_by_several_processes() {
    let program = env!("CARGO_BIN_EXE_bench-client");
    let command = format!("ulimit -n 100 && '{program}' floor -c 150 -r 100/s --passes 6 --format json");
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let floor: Value = serde_json::from_slice(&output.stdout).unwrap();
    if floor["uring"].is_null() {
        panic!("this test needs io_uring: {floor}");
    }
    assert_eq!((&floor["descriptors"], &floor["tables"], &floor["readers"]), (&"direct".into(), &2.into(), &3.into()));
    assert_eq!((&floor["send"], &floor["not_taken"], &floor["uring"]["passes"]), (&Value::Null, &0.into(), &5.into()));
    assert!(floor["send_refused"].as_str().unwrap().contains("no descriptors"), "{floor}");
    let pass = &floor["uring"]["pass"];
    assert!(pass["wall_median_ns"].as_f64().unwrap() >= pass["cpu_min_ns"].as_f64().unwrap(), "{floor}");

    let command = format!("ulimit -n 100 && '{program}' floor -c 150 --passes 4 --descriptors normal");
    let (code, stderr) = outcome(&Command::new("sh").args(["-c", &command]).output().unwrap());
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("--descriptors direct"), "{stderr}");
}

#[test]
fn a_search_ends_at_a_rate_that_holds() {
    let server = reflect_command("");
    let arguments = ["run", "-c", "5", "-r", "100/s", "-n", "25", "--format", "json", "--server-cmd", &server];
    // 25 messages are sent at any rate, so the condition turns where they take less than the plan's end allows.
    let output = run(&[&arguments[..], &["--search", "sent=25,deliveries_per_s<500"], &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(summary["sent"]["deliveries_per_s"].as_f64().unwrap() < 500.0, "{summary:#}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("highest rate"), "{output:?}");
    let output = run(&[&arguments[..], &["--search", "room.p99<1s"], &SHORT].concat());
    let (code, stderr) = outcome(&output);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("25 samples are too few"), "{stderr}");
}

#[test]
fn costs_are_measured_for_each_server() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (format!("one={}", reflect_command("")), format!("two={}", reflect_command("")));
    let arguments = ["costs", "-c", "20", "-d", "300ms", "--repeat", "1", "--server", &one, "--server", &two];
    let output = run(&[&arguments[..], &["-o", directory.path().to_str().unwrap()], &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("two / one") && printed.contains("CPU a newcomer"), "{printed}");
    let folder = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let rows = std::fs::read_to_string(folder.join("costs.csv")).unwrap();
    for what in ["quiet_delivery_ns", "busy_delivery_ns", "line_ns", "newcomer_ns"] {
        let values = rows.lines().filter_map(|row| row.strip_prefix(&format!("{what},")));
        let values: Vec<f64> = values.map(|row| row.split(',').nth(3).unwrap().parse().unwrap()).collect();
        assert!(matches!(values[..], [one, two] if one > 0.0 && two > 0.0), "{what}: {rows}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        common::bench_client().arg("doctor").stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), run(&["doctor"]).status.code(), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn a_headline_is_the_rate_that_all_runs_hold_at_and_its_sentence_stands_in_its_table() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let server = format!("reflect={}", reflect_command(""));
    let arguments =
        ["headline", "-c", "20", "-r", "1k", "-d", "300ms", "--repeat", "2", "--server", &server, "-o", out];
    let attempt = || run(&[&arguments[..], &SHORT, &["--drain", "500ms"]].concat());
    let mut output = attempt();
    // A machine that is busy with other tests may keep up with nothing for a while.
    for _ in 0..2 {
        if output.status.code() == Some(3) {
            output = attempt();
        }
    }
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let folders = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let folder = folders.max().unwrap();
    assert!(folder.to_str().unwrap().contains("-headline"), "{folder:?}");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(json(&folder.join("headline.json"))["runs"].as_array().unwrap().len(), 2);
    let table = read("table.md");
    assert!(table.contains(read("short.md").trim()) && table.contains("runs: min..max"), "{table}");
    for row in ["members", "lines/s offered", "deliveries/s", "counted over", "delivery p50", "server CPU, of a core"] {
        assert!(table.contains(&format!("| {row} ")), "{row}: {table}");
    }
    let document = directory.path().join("document.md");
    std::fs::write(&document, "<!-- headline -->\n<!-- /headline -->\n").unwrap();
    let output = run(&["report", folder.to_str().unwrap(), "--into", document.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(std::fs::read_to_string(&document).unwrap().contains(read("short.md").trim()));
}

#[test]
fn a_comparison_leaves_its_tables_its_picture_and_what_to_object_to() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let server = format!("reflect={}", reflect_command(""));
    let arguments = ["peers", "--rungs", "20", "--deliveries", "1k", "-d", "300ms", "--repeat", "1", "-o", out];
    let more = ["--parts", "offered", "--server", &server, "--server", "gone=/no/such/server {port}"];
    let output = run(&[&arguments[..], &more, &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let folder = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    assert!(folder.to_str().unwrap().ends_with("-peers"), "{folder:?}");
    let table = std::fs::read_to_string(folder.join("table.md")).unwrap();
    for words in ["1 of 1 good", "not run: not installed", "- reflect: bench-client", "would object to", "Linux "] {
        assert!(table.contains(words), "{words}: {table}");
    }
    assert!(
        folder.join("short.md").exists()
            && folder.join("offered/raw/gone").exists() != folder.join("offered/raw/reflect").exists()
    );
}

/// The summary of a run that ended with `code`.
fn summary(arguments: &[&str], code: i32) -> Value {
    let output = run(&[arguments, &["--format", "json"], &SHORT].concat());
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn members_and_publishers_of_one_room_are_spread_over_its_nodes() {
    // Three addresses of one server are three nodes whose members hear each other.
    let (_server, address) = reflector("0.0.0.0");
    let nodes: Vec<String> = (1..=3).map(|last| format!("127.0.0.{last}:{}", address.port())).collect();
    let several = nodes.join(",");
    let arguments = ["run", &several, "-c", "20", "-p", "6", "-r", "500/s", "-n", "120"];
    let whole = summary(&arguments, 0);
    let of_nodes = whole["doors"].as_array().unwrap();
    let members: u64 = of_nodes.iter().map(|node| node["members"].as_u64().unwrap()).sum();
    assert_eq!((of_nodes.len(), members), (3, 20));
    for (node, address) in of_nodes.iter().zip(&nodes) {
        assert_eq!(node["address"], address.as_str());
        assert!((6..=7).contains(&node["members"].as_u64().unwrap()), "{node}");
        assert_eq!(node["order_hashes_equal"], node["members"]);
    }
    assert_eq!(whole["proof"]["order_hashes_equal"], 20);
    let printed = String::from_utf8(run(&[&arguments[..], &SHORT].concat()).stdout).unwrap();
    assert!(nodes.iter().all(|node| printed.contains(&format!("at {node}: lost 0"))), "{printed}");
    assert!(printed.contains("order hash equal on 20/20"), "{printed}");
    let counting = summary(&[&arguments[..], &["--verify", "5"]].concat(), 0);
    assert_eq!((&counting["proof"]["counting_members"], &counting["proof"]["lost"]), (&15.into(), &0.into()));
    let processes = summary(&[&arguments[..], &["--processes", "3"]].concat(), 0);
    assert_eq!(processes["proof"]["order_hashes_equal"], 20);
}

#[test]
fn servers_that_are_no_cluster_lose_what_is_said_on_another() {
    let ((_one, first), (_other, second)) = (reflector("127.0.0.1"), reflector("127.0.0.1"));
    let several = format!("{first},{second}");
    let drain = ["--drain", "500ms"];
    let arguments = ["run", &several, "-c", "10", "-p", "2", "-r", "200/s", "-n", "20"];
    let output = run(&[&arguments[..], &["--format", "json"], &SHORT, &drain].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Each of the five members of a server lacks the ten lines of the publisher on the other.
    assert_eq!(summary["proof"]["lost"], 100);
    assert!(summary["doors"].as_array().unwrap().iter().all(|node| node["problems"]["lost"] == 50), "{summary}");
    // The same of two that are started for the run.
    let server = reflect_command("");
    let arguments = ["run", "-c", "10", "-p", "2", "-r", "200/s", "-n", "20", "--nodes", "2", "--server-cmd", &server];
    let (code, stderr) = outcome(&run(&[&arguments[..], &SHORT, &drain].concat()));
    assert_eq!(code, Some(2), "{stderr}");
}

/// A program that listens as a server of a stream would, and leaves a file in its folder.
const STREAM: &str = "python3 -c 'import socket, sys, time; open(sys.argv[2] + \"/store\", \"w\"); \
    server = socket.create_server((\"127.0.0.1\", int(sys.argv[1]))); time.sleep(60)' {port} {folder}";

#[test]
fn the_server_of_the_stream_is_started_before_the_nodes_and_known_to_them() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    // A server that does not get the address of the stream would not start.
    let bench_client = env!("CARGO_BIN_EXE_bench-client");
    let server = format!("sh -c 'case $0 in 127.0.0.1:*) exec \"{bench_client}\" reflect {{addr}};; esac' {{stream}}");
    let arguments = ["run", "-c", "4", "-r", "100/s", "-n", "10", "--server-cmd", &server, "--stream-cmd", STREAM];
    let (code, stderr) = outcome(&run(&[&arguments[..], &SHORT].concat()));
    assert_eq!(code, Some(0), "{stderr}");
    let alone = reflect_command("");
    let cost = ["cluster-cost", "-c", "6", "-r", "100/s", "-d", "300ms", "--repeat", "2", "-o", out, "--limit", "20s"];
    let more = ["--server-cmd", &alone, "--node-options", "--dialect lines", "--stream-cmd", STREAM];
    let output = run(&[&cost[..], &more, &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let folder = printed.trim().lines().last().unwrap();
    assert!(folder.ends_with("-cluster-cost") && printed.contains("as a node"), "{printed}");
    let again = String::from_utf8(run(&["report", folder]).stdout).unwrap();
    assert!(again.contains("difference") && printed.contains(again.trim()), "{again}");
}
