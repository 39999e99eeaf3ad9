//! A client's WebSocket frames, in chunks that the input chooses.

#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "the other targets use the rest")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::frames(data));
