//! Completions for bash, zsh and fish, under the names by which those shells find them.

use clap::Command;
use clap_complete::Shell;

use crate::Written;

/// Of both programs, for each shell.
pub fn all() -> Vec<Written> {
    let programs = [("uproar", uproar_command()), ("bench-client", bench_client::command_line())];
    let mut written = Vec::new();
    for (name, command) in programs {
        for (shell, file) in [
            (Shell::Bash, format!("{name}.bash")),
            (Shell::Zsh, format!("_{name}")),
            (Shell::Fish, format!("{name}.fish")),
        ] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut command.clone(), name, &mut text);
            let mut text = String::from_utf8(text).expect("completions are text");
            if shell == Shell::Bash {
                // clap_complete 4.6 writes the name of a program that has a hyphen in two ways, which must be one.
                text = text.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
            }
            written.push(Written { path: format!("contrib/completions/{file}").into(), text });
        }
    }
    written
}

/// The command line of the server and the chat client.
pub fn uproar_command() -> Command {
    <uproar::cli::Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_bash_comes_to_has_its_words() {
        for Written { path, text } in all().iter().filter(|file| file.path.extension().is_some_and(|end| end == "bash"))
        {
            let commands = text.split("cmd=\"").skip(1).filter_map(|rest| rest.split('"').next());
            for command in commands.filter(|command| !command.is_empty()) {
                assert!(text.contains(&format!("\n        {command})\n")), "{}: {command}", path.display());
            }
        }
    }
}
