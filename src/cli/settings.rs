//! The options of `uproar serve` that are in force as an environment file, each with where its value comes from.
//!
//! A value is written as it was typed. So a file that is given back, by `EnvironmentFile=` or a shell, makes the same
//! configuration.

use std::ffi::OsString;

use bytesize::ByteSize;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory};

use super::environment_file::quoted;
use super::{Cli, Serve, variables};

/// Columns of a comment.
const COMMENT_COLUMNS: usize = 100;

/// The settings in force of a server whose command line this is, which was found to be right.
pub fn in_force(arguments: impl IntoIterator<Item = OsString>) -> Result<String, String> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let (_, matches) = variables::matches::<Cli>(&arguments).map_err(|wrong| wrong.to_string())?;
    let (name, matches) = matches.subcommand().ok_or("there is no command")?;
    // The one that was parsed by has lost the variables that are empty.
    let command = Cli::command();
    let command = command.find_subcommand(name).ok_or("there is no such command")?;
    let serve = <Serve as clap::FromArgMatches>::from_arg_matches(matches).map_err(|wrong| wrong.to_string())?;
    if serve.cluster.has_secret() {
        return Err("--cluster has a user, whose password is not printed: it belongs in a file, --cluster-creds".into());
    }
    let mut text = format!(
        "# The settings of uproar serve, version {}: for EnvironmentFile= of a systemd unit, or for a\n\
         # shell that gives them to its children: set -a; . FILE\n",
        env!("CARGO_PKG_VERSION")
    );
    for arg in options(command) {
        let setting = Setting::of(arg, &serve);
        match given(arg, matches)? {
            Some((value, source)) => setting.write(&mut text, &source, "", &value),
            // A hidden option is for those who know it.
            None if arg.is_hide_set() => {}
            None => match &setting.default {
                Some(value) if setting.is_fixed => setting.write(&mut text, "default", "", value),
                value => {
                    let words = setting.words.as_ref();
                    let source = words.map_or("not set".to_owned(), |words| format!("default ({words})"));
                    let value = value.as_deref().unwrap_or_default();
                    setting.write(&mut text, &source, "#", value);
                }
            },
        }
    }
    Ok(text)
}

/// The options that are settings, in the order of the help: those with a variable.
fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_env().is_some())
}

/// What was typed or stands in a variable, quoted, and which of them it was.
fn given(arg: &Arg, matches: &ArgMatches) -> Result<Option<(String, String)>, String> {
    let id = arg.get_id().as_str();
    let name = arg.get_long().map_or("the address".to_owned(), |long| format!("--{long}"));
    let source = match matches.value_source(id) {
        Some(ValueSource::CommandLine) if arg.get_long().is_some() => format!("flag {name}"),
        Some(ValueSource::CommandLine) => "argument".to_owned(),
        Some(ValueSource::EnvVariable) => "environment".to_owned(),
        _ => return Ok(None),
    };
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return Ok(Some((matches.get_flag(id).to_string(), source)));
    }
    let values: Result<Vec<&str>, _> = matches
        .get_raw(id)
        .into_iter()
        .flatten()
        .map(|value| value.to_str().ok_or_else(|| format!("{name} is no UTF-8, and an environment file is")))
        .collect();
    let delimiter = arg.get_value_delimiter().map(String::from).unwrap_or_default();
    let value = quoted(&values?.join(&delimiter)).map_err(|wrong| format!("{name} {wrong}"))?;
    Ok(Some((value, source)))
}

/// What is said of an option.
struct Setting {
    variable: String,
    help: String,
    /// What the help says of a default that is no value, such as what it depends on.
    words: Option<String>,
    /// The value where nothing is given, quoted.
    default: Option<String>,
    /// True when that value is the same whatever the other options are.
    is_fixed: bool,
}

impl Setting {
    fn of(arg: &Arg, serve: &Serve) -> Self {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let (help, words) = without_default(&help);
        let first = help.split_once(". ").map_or(help.as_str(), |(first, _)| first);
        let mut help = format!("{}.", first.trim_end().trim_end_matches('.'));
        let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
        if !is_flag {
            let values = arg.get_possible_values();
            let values: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
            if !values.is_empty() {
                help += &format!(" Values: {}.", values.join(", "));
            }
        }
        let fixed = if is_flag {
            Some("false".to_owned())
        } else {
            arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned())
        };
        let is_fixed = fixed.is_some();
        let default = fixed.or_else(|| computed(arg.get_id().as_str(), serve));
        let default = default.map(|value| quoted(&value).expect("a default can be written"));
        let variable = arg.get_env().unwrap_or_default().to_string_lossy().into_owned();
        Self { variable, help, words, default, is_fixed }
    }

    /// `mark` is what keeps a line from being a setting, or nothing.
    fn write(&self, text: &mut String, source: &str, mark: &str, value: &str) {
        *text += "\n";
        comment(text, &self.help);
        comment(text, &format!("Source: {source}."));
        *text += &format!("{mark}{}={value}\n", self.variable);
    }
}

/// What an option comes to that has no value of its own, where that is known before the server starts.
fn computed(id: &str, serve: &Serve) -> Option<String> {
    match id {
        "logs_bytes" => Some(size(serve.logs_bytes())),
        // Without a rate of members there is none of addresses.
        "address_rate" => Some(serve.address_rate().to_string()),
        _ => serve.cluster.default_of(id),
    }
}

/// A help text without what it says of the default, and that.
pub fn without_default(help: &str) -> (String, Option<String>) {
    let parts = help.split_once("[default: ").and_then(|(before, rest)| Some((before, rest.split_once(']')?)));
    match parts {
        Some((before, (words, behind))) => (format!("{}{behind}", before.trim_end()), Some(words.to_owned())),
        None => (help.to_owned(), None),
    }
}

/// As it is typed: with a unit where that is exact.
fn size(bytes: usize) -> String {
    let bytes = ByteSize(bytes as u64);
    let text = bytes.to_string();
    if text.parse() == Ok(bytes) { text } else { bytes.as_u64().to_string() }
}

fn comment(text: &mut String, words: &str) {
    let mut columns = usize::MAX;
    for word in words.split_whitespace() {
        if columns.saturating_add(1 + word.len()) > COMMENT_COLUMNS {
            *text += if columns == usize::MAX { "#" } else { "\n#" };
            columns = 1;
        }
        *text += " ";
        *text += word;
        columns += 1 + word.len();
    }
    *text += "\n";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::*;
    use crate::cli::environment_file::tests::read;

    fn printed(options: &[&str]) -> Result<String, String> {
        in_force(["uproar", "serve"].iter().chain(options).map(OsString::from))
    }

    /// The options that the variables of a file stand for, as they would be typed.
    fn typed(file: &BTreeMap<String, String>) -> Vec<String> {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        let option = |(variable, value): (&String, &String)| {
            let arg = options(serve).find(|arg| arg.get_env().unwrap() == variable.as_str()).unwrap();
            match (arg.get_long(), arg.get_action()) {
                (Some(long), ArgAction::SetTrue) => (value == "true").then(|| format!("--{long}")),
                (Some(long), _) => Some(format!("--{long}={value}")),
                (None, _) => Some(value.clone()),
            }
        };
        file.iter().filter_map(option).collect()
    }

    /// One option for each, with values that stand between spaces.
    const GIVEN: [&str; 43] = [
        "0.0.0.0:7777",
        "[::1]:7777",
        "--web=:8080",
        "--web-origin=https://chat.example,https://example.org:8443",
        "--web-origin=https://one.example --web-origin=https://two.example,https://three.example",
        "--irc=[::]:6667",
        "--admin=:9187",
        "--proxy-from=127.0.0.1,192.0.2.0/24",
        "--backend=epoll",
        "--members=1.5k",
        "--descriptors=normal",
        "--table-slots=500",
        "--no-sandbox",
        "--framing=chunk",
        "--commands=off",
        "--history=20",
        "--history-max=7",
        "--rooms-max=1k",
        "--resume-for=1h",
        "--hide-addresses",
        "--line-bytes=1KiB",
        "--log-bytes=1000001",
        "--log-bytes=300MiB",
        "--logs-bytes=1GiB",
        "--buffer-bytes=10MB",
        "--slow=close",
        "--stall-timeout=1m",
        "--dead-after=90s",
        "--line-timeout=0s",
        "--flood-rate=0",
        "--flood-burst=7",
        "--address-rate=100",
        "--room-rate=1GB",
        "--join-rate=3",
        "--limit-loopback",
        "--stats-interval=10s",
        "--transcript=/var/log/it's\u{a0}here.log",
        "--log=/var/log/a b",
        "--log-format=json",
        "--log-addresses=off",
        "--operator-key=~/key",
        "--state=$STATE/\"state\"",
        "--motd=\\motd\n",
    ];

    #[test]
    fn a_file_that_is_given_back_makes_the_same_configuration() {
        let mut runner = proptest::test_runner::TestRunner::default();
        let run = runner.run(&subsequence(&GIVEN[..], 0..GIVEN.len()), |given| {
            let given: Vec<&str> = given.into_iter().flat_map(|given| given.split(' ')).collect();
            // Some cannot be given together.
            let Ok(serve) = Serve::with(&given) else { return Ok(()) };
            let text = printed(&given).unwrap();
            let again = typed(&read(&text));
            let again: Vec<&str> = again.iter().map(String::as_str).collect();
            let serve_again = Serve::with(&again).unwrap();
            prop_assert_eq!(format!("{serve:?}"), format!("{serve_again:?}"));
            prop_assert_eq!(format!("{:?}", serve.config(9)), format!("{:?}", serve_again.config(9)));
            // What is printed then says the same, but that all of it is given.
            let values = |text: &str| -> Vec<String> {
                text.lines().filter(|line| !line.starts_with("# Source: ")).map(str::to_owned).collect()
            };
            let flags = |text: &str| read(text).into_iter().filter(|(_, value)| value != "false").collect::<Vec<_>>();
            prop_assert_eq!(flags(&text), flags(&printed(&again).unwrap()));
            prop_assert_eq!(values(&text), values(&printed(&again).unwrap()));
            Ok(())
        });
        run.unwrap();
    }

    #[test]
    fn every_option_can_be_given_alone_and_is_in_the_file() {
        for given in GIVEN {
            let given: Vec<&str> = given.split(' ').collect();
            Serve::with(&given).unwrap_or_else(|wrong| panic!("{given:?}: {wrong}"));
            assert!(printed(&given).unwrap().contains("# Source: "), "{given:?}");
        }
        let command = Cli::command();
        let command = command.find_subcommand("serve").unwrap();
        let text = printed(&[]).unwrap();
        for arg in options(command) {
            let line = format!("{}=", arg.get_env().unwrap().to_str().unwrap());
            let count = text.lines().filter(|text| text.trim_start_matches('#').starts_with(&line)).count();
            assert_eq!(count, usize::from(!arg.is_hide_set()), "{line}");
        }
    }

    /// What the file has of an option, with the comment before it.
    fn entry(text: &str, variable: &str) -> String {
        let entry = text.split("\n\n").find(|entry| entry.contains(&format!("{variable}=")));
        entry.unwrap_or_else(|| panic!("{variable} in {text}")).trim_end().to_owned()
    }

    #[test]
    fn each_setting_says_where_it_comes_from() {
        let text = printed(&["--backend", "epoll", "--flood-rate", "3", "--log-bytes", "300MiB"]).unwrap();
        for (variable, expected) in [
            ("UPROAR_ADDR", "# Source: default.\nUPROAR_ADDR=127.0.0.1:8888"),
            (
                "UPROAR_BACKEND",
                "# How to wait for the kernel. Values: auto, uring, epoll, select.\n# Source: flag --backend.\n\
                 UPROAR_BACKEND=epoll",
            ),
            ("UPROAR_WEB", "# Source: not set.\n#UPROAR_WEB="),
            ("UPROAR_MEMBERS", "# Source: default (what descriptors allow; check: 19000).\n#UPROAR_MEMBERS="),
            ("UPROAR_ADDRESS_RATE", "# Source: default (4 times --flood-rate).\n#UPROAR_ADDRESS_RATE=12"),
            (
                "UPROAR_LOGS_BYTES",
                "# Source: default (256 MiB, or --log-bytes where that is more).\n#UPROAR_LOGS_BYTES='300.0 MiB'",
            ),
            ("UPROAR_CLUSTER_HISTORY", "# Source: default (256MiB).\n#UPROAR_CLUSTER_HISTORY='256.0 MiB'"),
        ] {
            let entry = entry(&text, variable);
            assert!(entry.ends_with(expected), "{entry}");
        }
        assert!(text.lines().all(|line| line.len() <= COMMENT_COLUMNS && !line.ends_with('\\')));
        assert!(printed(&["localhost:1"]).unwrap().contains("# Source: argument.\nUPROAR_ADDR=localhost:1\n"));
    }

    #[test]
    fn a_help_says_its_default_anywhere() {
        for (help, expected, words) in [
            ("One. Two [default: none]", "One. Two", Some("none")),
            ("One [default: 1]. Two", "One. Two", Some("1")),
            ("One [IPv6]", "One [IPv6]", None),
        ] {
            assert_eq!(without_default(help), (expected.to_owned(), words.map(str::to_owned)), "{help}");
        }
    }

    #[test]
    fn what_no_variable_can_say_is_refused() {
        for (given, expected) in
            [(&["--web="][..], "--web is empty"), (&["--transcript=\u{feff}x"], "--transcript has a character")]
        {
            assert!(printed(given).unwrap_err().starts_with(expected), "{given:?}");
        }
        use std::os::unix::ffi::OsStringExt;
        let given = ["uproar".into(), "serve".into(), OsString::from_vec(b"--motd=\xff".to_vec())];
        assert!(in_force(given).unwrap_err().starts_with("--motd is no UTF-8"));
    }
}
