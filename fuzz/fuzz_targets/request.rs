//! The head of an HTTP request, as far as it has come.

#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "the other targets use the rest")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::request(data));
