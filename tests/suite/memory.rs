//! Memory that all members share: peers that take it and give nothing back do not keep the others from talking.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use crate::support::{BACKENDS, PATIENCE, Person, Server, wait_for};

/// Peers that begin a line of 4 kB and stop: four times as much as members may have together.
const ATTACKERS: usize = 900;

#[test]
fn peers_that_begin_long_lines_and_stop_neither_take_memory_nor_silence_the_room() {
    for backend in BACKENDS {
        // Nobody is closed for a line that is not finished, and still there is a way out.
        let options = ["--buffer-bytes", "1MiB", "--line-timeout", "0s", "--stall-timeout", "0s", "--flood-rate", "0"];
        let server = Server::start(&[&["--backend", backend, "--announce-max", "0"][..], &options].concat());
        let (mut author, mut listener) = (server.join(), server.join());
        author.send("I had ");
        let begin = |_| {
            let mut stream = TcpStream::connect(server.address).expect("the server accepts");
            stream.write_all(&[b'x'; 4000]).expect("the kernel takes it");
            stream
        };
        let before = server.memory_kib("VmRSS");
        let attackers: Vec<TcpStream> = (0..ATTACKERS).map(begin).collect();
        wait_for(&server, "memory is spent", |statistics| statistics["buffer_spent"] > 0);
        let start = Instant::now();
        author.send("begun\n");
        let said = format!("[{}] I had begun", author.name());
        listener.lines_until(|line| line == said);
        assert!(start.elapsed() < PATIENCE, "{backend}: it took {:?}", start.elapsed());
        // Newcomers are welcomed, and talk.
        let mut newcomer = Person::connect(server.address);
        newcomer.expect_start("> Connected to the chat server (");
        newcomer.send("me too\n");
        listener.lines_until(|line| line.ends_with("] me too"));
        let statistics = wait_for(&server, "some are closed", |statistics| statistics["closed_buffer"] > 0);
        assert_eq!(statistics["closed_line_timeout"] + statistics["closed_stalled"], 0, "{backend}");
        let grown = server.memory_kib("VmHWM").saturating_sub(before);
        assert!(grown < 3 * 1024, "{backend}: {ATTACKERS} peers with 4 kB each took {grown} KiB");
        drop(attackers);
    }
}
