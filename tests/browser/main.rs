//! The page in a real browser: Debian's Chromium, driven by `webdriver`, against the built server.
//!
//! Skipped by name where there is no Chromium; `just browser` runs them, and says what is missing.

mod accessibility;
mod busy;
mod coming_back;
mod house;
mod looks;
mod relay;
#[path = "../support/mod.rs"]
mod support;
mod talk;
mod webdriver;
