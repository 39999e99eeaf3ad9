//! `print!` and `println!` for this program: a reader of the standard output that has seen enough (`| head`) is no panic, and
//! changes neither what is measured nor the exit code. They stand in for the standard ones, and any other error ends the
//! program.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process;

use crate::error::exit;

macro_rules! print {
    ($($text:tt)*) => { $crate::out::write(format_args!($($text)*)) };
}

macro_rules! println {
    ($($text:tt)*) => { $crate::out::write(format_args!("{}\n", format_args!($($text)*))) };
}

pub fn write(text: fmt::Arguments<'_>) {
    match io::stdout().lock().write_fmt(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "bench-client: standard output: {error}");
            process::exit(exit::FAILED.into());
        }
        _ => {}
    }
}
