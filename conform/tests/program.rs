//! The program itself: a reader of its output that has seen enough ends nothing.

use std::io;
use std::process::{Command, Stdio};

#[test]
fn a_reader_of_the_list_may_go() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_uproar-conform"));
    let output = command.arg("--list").stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}
