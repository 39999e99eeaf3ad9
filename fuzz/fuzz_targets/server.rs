//! The whole server on the simulated kernel; the input makes every choice that a seed would.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uproar::sim::fuzz(data));
