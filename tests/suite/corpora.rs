//! The inputs that fuzzing found worth keeping, replayed without a fuzzer. Those of the whole server are replayed by
//! the tests of the simulated kernel.

#[path = "../../fuzz/properties.rs"]
mod properties;

use std::fs;
use std::path::Path;

/// Calls `property` with each input of `target`, of which there must be some.
fn replay(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs = fs::read_dir(&folder).expect("a target has a corpus").map(|entry| entry.unwrap().path());
    let mut count = 0;
    for path in inputs {
        println!("{}", path.display());
        property(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 10, "{target}: {count} inputs");
}

#[test]
fn lines() {
    replay("line", properties::line);
}

#[test]
fn foreign_protocols() {
    replay("foreign", properties::foreign);
}

#[test]
fn lines_of_irc_clients() {
    replay("irc", properties::irc);
}

#[test]
fn websocket_frames() {
    replay("frames", properties::frames);
}

#[test]
fn headers_of_proxies() {
    replay("proxy", properties::proxy);
}

#[test]
fn http_requests() {
    replay("request", properties::request);
}
