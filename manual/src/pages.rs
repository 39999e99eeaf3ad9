//! The pages: which there are, and what each is made of.

use std::fs;

use clap::{Arg, Command};
use clap_mangen::roff::Roff;

use crate::completions::uproar_command;
use crate::troff::{self, Title};
use crate::{Written, lists, markdown, options, root};

/// All pages.
pub fn all() -> Vec<Written> {
    let uproar = uproar_command();
    let of = |name: &str| uproar.find_subcommand(name).expect("there is such a command").clone();
    let (serve, chat, check) = (of("serve"), of("chat"), of("check"));
    let bench_client = bench_client::command_line();
    [
        page(("uproar", 1), &|_| None),
        page(("uproar-chat", 1), &|marker| of_command(&chat, marker)),
        page(("uproar-serve", 8), &|marker| match marker {
            "log" => Some(chapters("docs/LOG.md", 1)),
            "metrics" => Some(written(&lists::metrics())),
            _ => of_command(&serve, marker),
        }),
        page(("uproar-check", 8), &|marker| match marker {
            "options" => {
                let is_shared = |id: &str| serve.get_arguments().any(|arg| arg.get_id() == id);
                Some(options::entries(&check, |arg| !is_shared(arg.get_id().as_str())))
            }
            _ => None,
        }),
        page(("bench-client", 1), &|marker| (marker == "commands").then(|| commands(&bench_client))),
        page(("uproar-protocol", 7), &|marker| (marker == "protocol").then(|| chapters("docs/PROTOCOL.md", 0))),
    ]
    .into()
}

/// A page from its written parts, and from those that stand there as `{{NAME}}`.
fn page((name, section): (&'static str, u8), part: &dyn Fn(&str) -> Option<String>) -> Written {
    let title = Title { name, section };
    let path = root().join("manual/pages").join(format!("{}.md", title.file()));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once("{{") {
        let (marker, behind) = behind.split_once("}}").expect("a marker has an end");
        parts.push(written(before));
        parts.push(part(marker).unwrap_or_else(|| panic!("{}: {marker} is nothing", path.display())));
        rest = behind;
    }
    parts.push(written(rest));
    Written { path: format!("contrib/man/{}", title.file()).into(), text: troff::page(&title, &parts) }
}

fn written(text: &str) -> String {
    let mut out = Roff::new();
    markdown::add(text, &mut out);
    troff::lines(&out)
}

fn of_command(command: &Command, marker: &str) -> Option<String> {
    match marker {
        "arguments" => Some(options::entries(command, |arg| arg.is_positional())),
        "options" => Some(options::entries(command, |arg| !arg.is_positional())),
        "variables" => {
            let names: Vec<String> = options::variables(command).into_iter().map(|name| format!("`{name}`")).collect();
            Some(written(&format!("{}.", names.join(", "))))
        }
        _ => None,
    }
}

/// How many commands must have an option, word for word, so that it stands in a section for all of them.
const COMMON_COMMANDS: usize = 4;

/// A section for each command: what it does, and its options. Those that many have are listed once.
fn commands(program: &Command) -> String {
    let is_listed = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    let commands: Vec<&Command> = program.get_subcommands().filter(is_listed).collect();
    let all: Vec<&Arg> = commands.iter().flat_map(|command| command.get_arguments()).collect();
    let is_common = |arg: &Arg| {
        arg.get_long().is_some() && all.iter().filter(|other| is_same(other, arg)).count() >= COMMON_COMMANDS
    };
    let mut common: Vec<&Arg> = Vec::new();
    for arg in all.iter().filter(|arg| is_common(arg)) {
        if !common.iter().any(|other| is_same(other, arg)) {
            common.push(arg);
        }
    }
    let mut text = String::new();
    for command in commands {
        let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
        let mut about: String = about
            .unwrap_or_default()
            .split("\n\n")
            .map(|paragraph| format!("{}.\n\n", paragraph.trim_end().trim_end_matches('.')))
            .collect();
        let of_many = command.get_arguments().filter(|arg| is_common(arg));
        let of_many: Vec<String> = of_many.filter_map(|arg| Some(format!("`--{}`", arg.get_long()?))).collect();
        if !of_many.is_empty() {
            about += &format!("It takes these common options: {}.", of_many.join(", "));
        }
        let heading = format!("{} {}", program.get_name(), command.get_name());
        text += &written(&format!("## {heading}\n\n{about}\n"));
        text += &options::entries(command, |arg| !is_common(arg));
    }
    text += &written("## Common options\n");
    text + &options::entries(&Command::new("common").args(common), |_| true)
}

fn is_same(one: &Arg, other: &Arg) -> bool {
    let help = |arg: &Arg| arg.get_help().map(ToString::to_string);
    one.get_long() == other.get_long()
        && help(one) == help(other)
        && one.get_default_values() == other.get_default_values()
}

/// A document from its first chapter on, whose headings are `lower` levels lower on the page.
fn chapters(file: &str, lower: usize) -> String {
    let path = root().join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let start = text.find("\n## ").expect("there are chapters");
    let heading = format!("\n{}## ", "#".repeat(lower));
    written(&text[start..].replace("\n## ", &heading))
}
