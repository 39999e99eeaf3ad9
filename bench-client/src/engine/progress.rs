//! Bars on the terminal, for the connect phase and for the plan. None is drawn when stderr is no terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const DRAWS_PER_SECOND: u8 = 5;

/// How many of `members` have joined, how fast, and how long the others will take.
pub fn connect_bar(members: usize, is_shown: bool) -> ProgressBar {
    bar(members, is_shown, "connected {human_pos}/{human_len}  {per_sec}  eta {eta}")
}

/// How many of `messages` were sent.
pub fn run_bar(messages: usize, is_shown: bool) -> ProgressBar {
    bar(messages, is_shown, "{elapsed} {bar:30} {msg}")
}

fn bar(length: usize, is_shown: bool, template: &str) -> ProgressBar {
    if !is_shown {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    ProgressBar::with_draw_target(Some(length as u64), target).with_style(style)
}
