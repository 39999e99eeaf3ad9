//! The files for operators of a cluster: NATS takes its configuration, and uproar knows each option of the nodes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::nats::with_each_version;
use crate::support::uproar;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/cluster").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap()
}

#[test]
fn nats_takes_the_configuration() {
    with_each_version(|version| {
        // It says how often what was acknowledged is written to the disk, which Debian's cannot be told (since 2.10).
        if version.is_debians() {
            return;
        }
        let output = Command::new(version.program()).arg("-t").arg("-c").arg(file("nats.conf")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

#[test]
fn uproar_knows_the_options_of_the_nodes() {
    let help = uproar(&["serve", "--help"]).stdout(std::process::Stdio::piped()).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let compose = read("compose.yaml");
    let options: Vec<&str> = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- --"))
        .map(|option| option.split('=').next().unwrap())
        .collect();
    assert!(options.len() > 3, "{options:?}");
    for option in options {
        assert!(help.contains(&format!("--{option} ")), "--{option} is no option: {help}");
    }
}

#[test]
fn the_servers_that_nodes_are_told_of_are_those_that_are_started() {
    let (compose, nats) = (read("compose.yaml"), read("nats.conf"));
    let started: Vec<&str> = compose.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':')).collect();
    for number in 1..=3 {
        let (server, node) = (format!("nats-{number}"), format!("node-{number}"));
        assert!(started.contains(&server.as_str()) && started.contains(&node.as_str()), "{started:?}");
        assert!(
            compose.contains(&format!("nats://{server}:4222")) && nats.contains(&format!("nats-route://{server}:6222"))
        );
    }
    // YAML has no tabs, and what a merge names must be there.
    assert!(!compose.contains('\t'));
    for anchor in ["nats", "node"] {
        assert_eq!(compose.matches(&format!(": &{anchor}\n")).count(), 1);
        assert_eq!(compose.matches(&format!("<<: *{anchor}\n")).count(), 3);
    }
}
