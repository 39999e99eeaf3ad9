//! The command line: options as they are typed, held to their ranges, and turned into the server's configuration.

use std::io::IsTerminal;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::limits::{
    ANNOUNCE_MAX_DEFAULT, LINE_BYTES_DEFAULT, LINE_BYTES_MAX, LINE_BYTES_MIN, LOG_BYTES_DEFAULT, LOG_BYTES_MAX,
    log_bytes_min,
};
use crate::line::Framing;

/// The address of `serve` and `chat` when none is given, as in the original.
pub const ADDRESS_DEFAULT: &str = "127.0.0.1:8888";

/// A chat server for very large rooms: one thread, one io_uring.
#[derive(Debug, Parser)]
#[command(name = "uproar", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a chat room
    Serve(Serve),
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen: IP:PORT, [IPv6]:PORT, NAME:PORT, or :PORT for every interface
    #[arg(default_value = ADDRESS_DEFAULT, env = "UPROAR_ADDR")]
    pub addr: String,

    /// How to wait for the kernel
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto, env = "UPROAR_BACKEND")]
    pub backend: BackendChoice,

    /// What ends a message: a line feed, or also the end of a received chunk for clients that send none
    #[arg(long, value_enum, default_value_t = Framing::Line, env = "UPROAR_FRAMING")]
    pub framing: Framing,

    /// Longest line that a member may type
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize(LINE_BYTES_DEFAULT as u64), env = "UPROAR_LINE_BYTES")]
    pub line_bytes: ByteSize,

    /// Cap of a room's log: how far a member may lag before it is skipped and told
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize(LOG_BYTES_DEFAULT as u64), env = "UPROAR_LOG_BYTES")]
    pub log_bytes: ByteSize,

    /// Room size up to which each join and leave is announced; above it they are summed up once a second
    #[arg(long, value_name = "MEMBERS", default_value_t = ANNOUNCE_MAX_DEFAULT, env = "UPROAR_ANNOUNCE_MAX")]
    pub announce_max: usize,

    /// Where to write what is said: - for the standard output, a file, or off [default: - on a terminal, else off]
    #[arg(long, value_name = "-|FILE|off", env = "UPROAR_TRANSCRIPT")]
    pub transcript: Option<String>,
}

/// Which back end to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendChoice {
    /// The best one that works here
    Auto,
    /// io_uring, or an error
    Uring,
}

impl Serve {
    /// Checks what the parser cannot: ranges that depend on each other.
    pub fn check(&self) -> Result<(), String> {
        let line_bytes = self.line_bytes();
        if !(LINE_BYTES_MIN..=LINE_BYTES_MAX).contains(&line_bytes) {
            return Err(format!("--line-bytes {line_bytes} is not from {LINE_BYTES_MIN} to {LINE_BYTES_MAX}"));
        }
        let log_bytes = self.log_bytes();
        let log_bytes_min = log_bytes_min(line_bytes);
        if !(log_bytes_min..=LOG_BYTES_MAX).contains(&log_bytes) {
            return Err(format!(
                "--log-bytes {log_bytes} is not from {log_bytes_min} to {LOG_BYTES_MAX}, for lines of {line_bytes} bytes"
            ));
        }
        Ok(())
    }

    pub fn line_bytes(&self) -> usize {
        usize::try_from(self.line_bytes.as_u64()).unwrap_or(usize::MAX)
    }

    pub fn log_bytes(&self) -> usize {
        usize::try_from(self.log_bytes.as_u64()).unwrap_or(usize::MAX)
    }

    /// Where the transcript goes: `-`, a file, or nowhere.
    pub fn transcript_path(&self) -> Option<&str> {
        match self.transcript.as_deref() {
            Some("off") => None,
            Some(path) => Some(path),
            None => std::io::stdout().is_terminal().then_some("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(arguments: &[&str]) -> Result<Serve, String> {
        let all = ["uproar", "serve"].iter().chain(arguments);
        let cli = Cli::try_parse_from(all).map_err(|error| error.to_string())?;
        let Command::Serve(serve) = cli.command;
        serve.check().map(|()| serve)
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let defaults = serve(&[]).unwrap();
        assert_eq!(defaults.addr, "127.0.0.1:8888");
        assert_eq!((defaults.line_bytes(), defaults.log_bytes(), defaults.announce_max), (4096, 8 << 20, 200));
        assert_eq!(defaults.framing, Framing::Line);
    }

    #[test]
    fn sizes_take_suffixes_and_are_held_to_their_ranges() {
        let sized = serve(&["--line-bytes", "1KiB", "--log-bytes", "16MiB"]).unwrap();
        assert_eq!((sized.line_bytes(), sized.log_bytes()), (1024, 16 << 20));
        for wrong in [
            &["--line-bytes", "1"][..],
            &["--line-bytes", "65KiB"],
            &["--log-bytes", "4KiB"],
            &["--log-bytes", "lots"],
            &["--framing", "words"],
            &["--backend", "kqueue"],
        ] {
            assert!(serve(wrong).is_err(), "{wrong:?}");
        }
    }
}
