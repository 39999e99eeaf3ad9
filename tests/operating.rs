//! What operators are given beside the program: the dashboard and the alerts name figures that the server has, each alert is tried out and
//! explained, and the commands of docs/OPERATING.md are as many as it says. `.ci/packages` runs them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names of figures in a text, without what histograms append to theirs.
fn figures(text: &str) -> BTreeSet<String> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let starts = text.match_indices("uproar_").map(|(at, _)| at);
    let whole = starts.filter(|at| !text[..*at].ends_with(is_of_name));
    let names = whole.map(|at| text[at..].split(|letter: char| !is_of_name(letter)).next().unwrap_or_default());
    names
        .map(|name| ["_bucket", "_sum", "_count"].iter().fold(name, |name, end| name.trim_end_matches(end)).to_owned())
        .collect()
}

/// The names of all figures of the server: of one that runs, and of a node of a cluster, which takes NATS to run, from where they are
/// written.
fn figures_of_server() -> BTreeSet<String> {
    let mut server = Command::new(env!("CARGO_BIN_EXE_uproar"))
        .args(["serve", "127.0.0.1:0", "--web", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--backend", "epoll"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.into_iter().find(|line| line.ends_with(" (admin)")).expect("it says where its figures are");
    let address = line.split(' ').find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let named = answer.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let mut figures: BTreeSet<String> = named.map(str::to_owned).collect();
    assert!(figures.len() > 20, "{answer}");
    let source = text("src/metrics.rs");
    for name in source.split('"').filter(|word| word.starts_with("cluster_") && !word.contains(' ')) {
        let ending = if source.contains(&format!("counter(\"{name}\"")) { "_total" } else { "" };
        figures.insert(format!("uproar_{name}{ending}"));
    }
    assert!(figures.contains("uproar_cluster_reconnects_total"));
    figures
}

/// The alerts, in their order.
fn alerts() -> Vec<String> {
    let rules = text("contrib/prometheus/alerts.yml");
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_shows_every_figure_and_both_it_and_the_alerts_none_that_is_not_there() {
    let figures_of_server = figures_of_server();
    let dashboard = text("contrib/grafana/uproar.json");
    let parsed: serde_json::Value = serde_json::from_str(&dashboard).expect("a dashboard is JSON");
    let panels = parsed["panels"].as_array().unwrap();
    assert!(panels.iter().filter_map(|panel| panel["targets"].as_array()).all(|targets| !targets.is_empty()));
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have the same number");
    let shown = figures(&dashboard);
    assert_eq!(figures_of_server.difference(&shown).collect::<Vec<_>>(), [""; 0], "not in the dashboard");
    for file in [
        "contrib/grafana/uproar.json",
        "contrib/prometheus/alerts.yml",
        "contrib/prometheus/alerts_test.yml",
        "docs/OPERATING.md",
    ] {
        // `uproar_cluster_...` and the names of packages are no figures.
        let is_figure = |name: &&String| !["uproar_", "uproar_cluster_", "uproar_OLD"].contains(&name.as_str());
        let named = figures(&text(file));
        let unknown: Vec<_> = named.difference(&figures_of_server).filter(is_figure).collect();
        assert_eq!(unknown, [""; 0], "{file} names figures that the server does not have");
    }
}

#[test]
fn every_alert_is_explained_and_seen_to_fire_and_to_be_quiet() {
    let (alerts, document) = (alerts(), text("docs/OPERATING.md"));
    assert!(alerts.len() > 10);
    let (_, section) = document.split_once("\n## Alerts\n").expect("alerts have a section");
    let section = section.split("\n## ").next().unwrap();
    let explained: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(alerts, explained, "in docs/OPERATING.md");
    let tests = text("contrib/prometheus/alerts_test.yml");
    for alert in &alerts {
        assert!(tests.contains(&format!("{{alertname: {alert}, ")), "{alert} is never quiet");
        let fires = tests
            .split_once(&format!("- alertname: {alert}\n"))
            .is_some_and(|(_, rest)| rest.lines().nth(1).is_some_and(|line| line.trim() == "exp_alerts:"));
        assert!(fires, "{alert} never fires");
    }
    // The dashboard says at which picture an alert is seen.
    for named in text("contrib/grafana/uproar.json").split(|letter: char| !letter.is_ascii_alphanumeric()) {
        let is_alert = named.strip_prefix("Uproar").is_some_and(|rest| rest.starts_with(char::is_uppercase));
        assert!(!is_alert || alerts.iter().any(|alert| alert == named), "the dashboard names {named}");
    }
}

#[test]
fn promtool_accepts_the_configuration_and_the_alerts_do_what_their_tests_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/prometheus");
    for arguments in
        [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]]
    {
        let mut promtool = Command::new("promtool");
        let Ok(output) = promtool.args(arguments).current_dir(&folder).output() else {
            println!("NOT TESTED: promtool is not installed");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {arguments:?}: {said}");
    }
}

#[test]
fn five_commands_are_five() {
    let document = text("docs/OPERATING.md");
    let (_, section) = document.split_once("\n## Five commands\n").expect("they have a section");
    let block =
        section.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).expect("they stand in a block").0;
    assert_eq!(block.lines().count(), 5, "{block}");
    assert!(block.starts_with("apt-get install"), "{block}");
}

/// Every variable that the settings of the package name is one of the server's.
#[test]
fn the_settings_of_the_package_are_options_of_the_server() {
    let help = Command::new(env!("CARGO_BIN_EXE_uproar")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for (file, text) in ["contrib/default/uproar", "Containerfile", "docs/OPERATING.md", "contrib/uproar.service"]
        .map(|file| (file, text(file)))
    {
        let names = text.match_indices("UPROAR_").map(|(at, _)| {
            text[at..].split(|letter: char| !letter.is_ascii_uppercase() && letter != '_').next().unwrap_or_default()
        });
        for name in names {
            let is_known = help.contains(&format!("[env: {name}="));
            assert!(is_known || name == "UPROAR_OPTION", "{file} sets {name}, which no option reads");
        }
    }
}
