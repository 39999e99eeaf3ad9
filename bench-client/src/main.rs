//! The program `bench-client`, all of which is in its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    bench_client::run()
}
