//! Lines of IRC clients: read, shown in answers, and said to a room.

#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "the other targets use the rest")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::irc(data));
