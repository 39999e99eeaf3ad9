//! Environment variables of options: an empty one counts as not set, and an error of a value that came from one names
//! it.

use std::env;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

/// The options whose values came from environment variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Vec<Set>);

/// An option, and the variable that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    id: String,
    /// The option as it is typed, such as `--backend`; empty for an argument without a name.
    option: String,
    variable: String,
}

/// Parses the command line of a program. Errors are wrong usage, and requests for help.
pub fn parse<C: CommandFactory + FromArgMatches>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(C, Variables), clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let (command, matches) = matches::<C>(&arguments)?;
    Ok((C::from_arg_matches(&matches)?, Variables::of(&command, &matches)))
}

/// What a command line and the environment have for the options of a program.
pub(super) fn matches<C: CommandFactory>(arguments: &[OsString]) -> Result<(Command, ArgMatches), clap::Error> {
    let command = with_variables(C::command(), |arg| value(arg).is_none_or(|value| !value.is_empty()));
    match command.clone().try_get_matches_from(arguments) {
        Ok(matches) => Ok((command, matches)),
        Err(error) => Err(with_name(error, &command, arguments)),
    }
}

/// Removes from options the variables that are not to count.
fn with_variables(command: Command, counts: fn(&Arg) -> bool) -> Command {
    command
        .mut_subcommands(|command| command.mut_args(|arg| if counts(&arg) { arg } else { arg.env(Resettable::Reset) }))
}

fn value(arg: &Arg) -> Option<OsString> {
    arg.get_env().and_then(env::var_os)
}

/// Names the variable in an error about a value that is not on the command line.
fn with_name(mut error: clap::Error, command: &Command, arguments: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg).cloned() else { return error };
    // Only a command that is built knows its options' names as errors give them.
    let mut built = command.clone();
    built.build();
    let variable = built.get_subcommands().flat_map(Command::get_arguments).find_map(|arg| {
        let variable = arg.get_env()?.to_string_lossy().into_owned();
        (arg.to_string() == wrong && value(arg).is_some()).then_some(variable)
    });
    let Some(variable) = variable else { return error };
    let typed = with_variables(command.clone(), |_| false).try_get_matches_from(arguments);
    let is_typed = typed.is_err_and(|typed| typed.get(ContextKind::InvalidArg) == error.get(ContextKind::InvalidArg));
    if !is_typed {
        let named = ContextValue::String(format!("{variable} (environment variable of {wrong})"));
        error.insert(ContextKind::InvalidArg, named);
    }
    error
}

impl Variables {
    fn of(command: &Command, matches: &ArgMatches) -> Self {
        let Some((name, matches)) = matches.subcommand() else { return Self::default() };
        let arguments = command.find_subcommand(name).map(Command::get_arguments).into_iter().flatten();
        let set = arguments.filter_map(|arg| {
            let id = arg.get_id().to_string();
            (matches.value_source(&id) == Some(ValueSource::EnvVariable)).then_some(())?;
            let option = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
            Some(Set { id, option, variable: arg.get_env()?.to_string_lossy().into_owned() })
        });
        Self(set.collect())
    }

    /// What to add to an error about the address: where that came from, when it was not typed.
    pub fn note_on_address(&self) -> String {
        let set = self.0.iter().find(|set| set.id == "addr");
        set.map(|set| format!("; the address is from {}", set.variable)).unwrap_or_default()
    }

    /// What to add to an error that names options: where their values came from, when they were not typed.
    pub fn note_on(&self, message: &str) -> String {
        let is_named = |option: &str| {
            let names = |rest: &str| !rest.starts_with(|next: char| next == '-' || next.is_ascii_alphanumeric());
            message.match_indices(option).any(|(at, _)| names(&message[at + option.len()..]))
        };
        let named = self.0.iter().filter(|set| !set.option.is_empty() && is_named(&set.option));
        named.map(|set| format!("; {} is from {}", set.option, set.variable)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_noted_with_the_variables_of_the_options_it_names() {
        let set = |id: &str, option: &str, variable: &str| Set {
            id: id.into(),
            option: option.into(),
            variable: variable.into(),
        };
        let variables = Variables(vec![
            set("addr", "", "UPROAR_ADDR"),
            set("line_bytes", "--line-bytes", "UPROAR_LINE_BYTES"),
            set("line", "--line", "UPROAR_LINE"),
        ]);
        assert_eq!(variables.note_on("--line-bytes 1 is too small"), "; --line-bytes is from UPROAR_LINE_BYTES");
        assert_eq!(variables.note_on("--line is wrong"), "; --line is from UPROAR_LINE");
        assert_eq!(variables.note_on("--log-bytes 1 is too small"), "");
        assert_eq!(variables.note_on_address(), "; the address is from UPROAR_ADDR");
    }

    #[test]
    fn every_option_with_a_value_has_a_variable_of_its_name() {
        for arg in crate::cli::Cli::command().get_subcommands().flat_map(Command::get_arguments) {
            let id = arg.get_id().as_str();
            // What prints something is no setting.
            if !matches!(id, "help" | "version" | "print_config") {
                let variable = format!("UPROAR_{}", id.to_uppercase());
                assert_eq!(arg.get_env().and_then(|name| name.to_str()), Some(variable.as_str()));
            }
        }
    }
}
