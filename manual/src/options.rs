//! The options of a command, as a page lists them: the definition that the program parses by, with defaults as sentences
//! and without variables, which have a section of their own.

use clap::{Arg, ArgAction, Command};
use clap_mangen::Man;
use uproar::cli::settings::without_default;

use crate::troff::body;

/// The options and arguments that `is_listed`; those that have a heading of their own in the help follow under it.
pub fn entries(command: &Command, is_listed: impl Fn(&Arg) -> bool) -> String {
    let command = command.clone().disable_help_flag(true).disable_version_flag(true).mut_args(|arg| {
        let is_hidden = !is_listed(&arg);
        let help = sentences(&arg);
        let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
        // One text: a page has no shorter one.
        let arg = arg.help(help).long_help(None::<&str>).hide_env(true);
        // Only where there is one can it be hidden.
        let arg = if is_flag { arg } else { arg.hide_default_value(true) };
        let has_help = arg.get_possible_values().iter().any(|value| value.get_help().is_some());
        let arg = if is_flag || has_help { arg } else { arg.hide_possible_values(true) };
        if is_hidden { arg.hide(true) } else { arg }
    });
    let mut text = Vec::new();
    Man::new(command).render_options_section(&mut text).expect("writing to a vector never fails");
    let text = String::from_utf8(text).expect("it is made of text");
    let text = body(&text).replace("\\fI<", "\\fI").replace(">\\fR", "\\fR").replace("\\(ga", "\\*(Aq");
    // Values stand close together behind the help that they belong to.
    let text = text
        .replace(".br\n\n.br\n\\fIPossible values:\\fR\n.RS 14\n", ".RS\n.PD 0\n")
        .replace("\n.RE\n", "\n.PD\n.RE\n");
    text.strip_prefix(".SH OPTIONS\n").unwrap_or(&text).to_owned()
}

/// The help with its default at the end.
fn sentences(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let (help, words) = without_default(&help);
    let takes_value = !matches!(arg.get_action(), ArgAction::SetTrue);
    let value = arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
    let default = words.or_else(|| value.filter(|_| takes_value));
    let mut text = help.trim_end().trim_end_matches('.').to_owned();
    if !text.is_empty() {
        text.push('.');
    }
    let values = arg.get_possible_values();
    if takes_value && !values.is_empty() && values.iter().all(|value| value.get_help().is_none()) {
        let values: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        text += &format!(" Values: {}.", values.join(", "));
    }
    if let Some(default) = default {
        text += &format!(" Default: {default}.");
    }
    text
}

/// The variables of the options of a command, in their order.
pub fn variables(command: &Command) -> Vec<String> {
    let listed = command.get_arguments().filter(|arg| !arg.is_hide_set());
    listed.filter_map(|arg| arg.get_env()).map(|name| name.to_string_lossy().into_owned()).collect()
}
