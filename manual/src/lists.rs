//! Lists that the program itself has, as Markdown: the figures for Prometheus.

use uproar::cli::Serve;
use uproar::counters::Statistics;
use uproar::metrics::histogram::Histogram;
use uproar::metrics::{Build, ClusterMetrics, MemoryUse, Metrics, ROOM_CLASSES};

/// Each figure that Prometheus is given, from the text that it is given.
pub fn metrics() -> String {
    let histogram = Histogram::default();
    let config = Serve::with(&[]).expect("defaults are valid").config(1);
    let metrics = Metrics {
        build: Build::of(&config),
        statistics: Statistics::default(),
        doors: Vec::new(),
        in_no_room: 0,
        greeting: 0,
        rooms: [0; ROOM_CLASSES.len()],
        memory: MemoryUse::default(),
        is_running: true,
        turns: &histogram,
        sweeps: &histogram,
        sweep_nanos: 0,
        cluster: Some(ClusterMetrics {
            is_up: true,
            nodes: 0,
            members: 0,
            latency: &histogram,
            outstanding: 0,
            held: 0,
            lag: 0,
            reconnects: 0,
        }),
    };
    let text = metrics.to_string();
    let mut list = String::new();
    for (help, kind) in
        text.lines().filter(|line| line.starts_with('#')).zip(text.lines().filter(|line| line.starts_with('#')).skip(1))
    {
        let (Some(help), Some(kind)) = (help.strip_prefix("# HELP "), kind.strip_prefix("# TYPE ")) else { continue };
        let (name, help) = help.split_once(' ').expect("a figure has a help");
        let kind = kind.rsplit(' ').next().expect("a figure has a type");
        list += &format!("`{name}` ({kind})\n: {}\n\n", escaped(help));
    }
    list
}

/// Text in which nothing means anything in Markdown.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut text, character| {
        if character.is_ascii_punctuation() {
            text.push('\\');
        }
        text.push(character);
        text
    })
}
