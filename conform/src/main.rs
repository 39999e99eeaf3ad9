//! The `uproar-conform` program: parse, play, report, exit code.
//!
//! Exit codes: 0 all passed, 1 a case failed, 2 usage, or a server that cannot be reached.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::{fmt, fs};

use clap::Parser;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use uproar_conform::cases::irc::IrcCase;
use uproar_conform::irc::{self, Doors};
use uproar_conform::{Outcome, Tcp, cases, play};

/// Plays what a client may do and must see against a running server, started with its defaults.
#[derive(Debug, Parser)]
#[command(name = "uproar-conform", version, max_term_width = 120)]
struct Arguments {
    /// Where the server listens
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:8888", value_parser = parse_address)]
    address: SocketAddr,

    /// Play the cases of IRC instead, against the server's door for it; ADDR is that for text
    #[arg(long, value_name = "IRC_ADDR", value_parser = parse_address, conflicts_with = "chunk")]
    irc: Option<SocketAddr>,

    /// Name the cases, each with its section of docs/PROTOCOL.md, and play none
    #[arg(long)]
    list: bool,

    /// Play only cases whose name holds this; may be given several times
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,

    /// Play the cases for a server that was started with `--framing chunk` instead
    #[arg(long)]
    chunk: bool,

    /// Write a JUnit report into this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// How long to wait for a line
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: std::time::Duration,
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| format!("{error}; write HOST:PORT"))?;
    addresses.next().ok_or_else(|| format!("{text:?} has no address"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_chosen = |name: &str| arguments.case.is_empty() || arguments.case.iter().any(|part| name.contains(part));
    if let Some(irc) = arguments.irc {
        return play_irc(&arguments, irc, is_chosen);
    }
    let mut cases = cases::all();
    cases.retain(|case| if arguments.chunk { case.is_for_chunks() } else { case.is_for_defaults() });
    cases.retain(|case| is_chosen(&case.name));
    if arguments.list {
        cases.iter().for_each(|case| say(format_args!("{:<20} {}", case.section, case.name)));
        return ExitCode::SUCCESS;
    }
    if cases.is_empty() {
        return fail("no case is called so; --list names them");
    }
    if let Err(error) = TcpStream::connect(arguments.address) {
        return fail(&format!("no server at {}: {error}", arguments.address));
    }
    let outcomes = cases.iter().map(|case| {
        let outcome = play(case, arguments.address, arguments.timeout);
        say_outcome(&outcome, "");
        outcome
    });
    conclude(&arguments, outcomes.collect())
}

/// Plays the cases of IRC, whose rules stand elsewhere too.
fn play_irc(arguments: &Arguments, irc: SocketAddr, is_chosen: impl Fn(&str) -> bool) -> ExitCode {
    let mut cases = cases::irc::cases();
    cases.retain(|case| case.case.is_for_defaults() && is_chosen(&case.case.name));
    if arguments.list {
        cases
            .iter()
            .for_each(|IrcCase { case, cites }| say(format_args!("{:<20} {} ({cites})", case.section, case.name)));
        return ExitCode::SUCCESS;
    }
    if cases.is_empty() {
        return fail("no case is called so; --list names them");
    }
    let patience = arguments.timeout;
    let doors = Doors { irc: Tcp { address: irc, patience }, text: Tcp { address: arguments.address, patience } };
    for address in [irc, arguments.address] {
        if let Err(error) = TcpStream::connect(address) {
            return fail(&format!("no server at {address}: {error}"));
        }
    }
    let outcomes = cases.iter().map(|case| {
        let outcome = irc::play(case, doors);
        say_outcome(&outcome, case.cites);
        outcome
    });
    conclude(arguments, outcomes.collect())
}

fn say_outcome(outcome: &Outcome, cites: &str) {
    match &outcome.failure {
        None => say(format_args!("ok    {}", outcome.name)),
        Some(failure) => {
            let (section, between) = (outcome.section, if cites.is_empty() { "" } else { " and " });
            say(format_args!(
                "FAIL  {}\n      {failure}\n      see docs/PROTOCOL.md#{section}{between}{cites}",
                outcome.name
            ));
        }
    }
}

fn conclude(arguments: &Arguments, outcomes: Vec<Outcome>) -> ExitCode {
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    say(format_args!("{} cases, {failed} failed", outcomes.len()));
    if let Some(path) = &arguments.junit {
        let written = report(&outcomes).and_then(|text| fs::write(path, text).map_err(|error| error.to_string()));
        if let Err(error) = written {
            return fail(&format!("cannot write {}: {error}", path.display()));
        }
    }
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn report(outcomes: &[Outcome]) -> Result<String, String> {
    let mut suite = TestSuite::new("uproar-conform");
    for outcome in outcomes {
        let status = match &outcome.failure {
            None => TestCaseStatus::success(),
            Some(failure) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(failure.clone());
                status
            }
        };
        let mut case = TestCase::new(outcome.name.clone(), status);
        case.set_classname(format!("uproar-conform.{}", outcome.section));
        case.set_time(outcome.took);
        suite.add_test_case(case);
    }
    let mut report = Report::new("uproar-conform");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| error.to_string())
}

/// Writes a line. A reader that has seen enough does not change what is played, nor the verdict. Any other error ends
/// the program.
fn say(line: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "uproar-conform: standard output: {error}");
            process::exit(2);
        }
        _ => {}
    }
}

fn fail(text: &str) -> ExitCode {
    eprintln!("uproar-conform: {text}");
    ExitCode::from(2)
}
