//! `uproar`: parse, run, exit code.

use std::io::Write;
use std::process::ExitCode;
use std::{env, error, io};

use uproar::cli::{Check, Command, Serve, Variables};
use uproar::{chat, check, cli, net, outlet, serve};

type Failure = Box<dyn error::Error>;

fn main() -> ExitCode {
    let (cli, variables) = cli::parse(env::args_os()).unwrap_or_else(|wrong| wrong.exit());
    let result = match &cli.command {
        Command::Serve(serve) => {
            exit_if_wrong(serve, &variables);
            if serve.print_config { print_config() } else { serve::run(serve) }
        }
        Command::Chat(chat) => chat::run(&chat.options()),
        Command::Check(check) => {
            exit_if_wrong(&check.serve, &variables);
            if check.serve.print_config { print_config() } else { run_check(check, &variables) }
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            let is_about_address = error.is::<chat::ConnectError>() || error.is::<net::ListenError>();
            let mut note = variables.note_on(&error.to_string());
            if is_about_address {
                note += &variables.note_on_address();
            }
            // No member is served here, so this write may wait, for example for a terminal that is stopped.
            let _ = writeln!(io::stderr(), "{}{error}{note}", outlet::error_prefix());
            ExitCode::FAILURE
        }
    }
}

/// Ends the process on wrong usage that the parser cannot find, as on wrong usage that it finds.
fn exit_if_wrong(serve: &Serve, variables: &Variables) {
    if let Err(mut wrong) = serve.validate() {
        wrong += &variables.note_on(&wrong);
        cli::exit_wrong_usage(&wrong);
    }
}

fn run_check(check: &Check, variables: &Variables) -> Result<ExitCode, Failure> {
    let ready = check::run(check, variables, &mut io::stdout())?;
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_config() -> Result<ExitCode, Failure> {
    let text = cli::settings::in_force(env::args_os())?;
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
