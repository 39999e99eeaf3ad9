//! SIGHUP: the operator's files are read again while the server runs, and the log says what became of each.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{BACKENDS, Person, Server, expect_stop, uproar};

/// A folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new("/tmp").join(format!("uproar-reload-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.0.join(name);
        let mut file =
            fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&path).expect("it is ours");
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("there is space");
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Has everything read again, and returns the lines that the log has about it.
fn reload(server: &Server, lines: usize) -> Vec<String> {
    server.signal("HUP");
    let mut said = Vec::new();
    while said.len() < lines {
        let line = server.log_line();
        let text = line.strip_prefix("uproar: ").expect("it is a line of the server");
        said.extend(text.strip_prefix("SIGHUP: ").map(str::to_owned));
    }
    said
}

/// A newcomer, and what it is shown first.
fn newcomer(server: &Server, shown: &[&str]) -> Person {
    let mut person = server.join();
    shown.iter().for_each(|line| person.expect(format!("! {line}")));
    person
}

/// Asks for something, and hears an answer in place of everything else.
fn ask(person: &mut Person, typed: &str, answer: &str) {
    person.send(format!("{typed}\n"));
    person.lines_until(|line| line == answer);
}

#[test]
fn newcomers_are_shown_what_was_read_last_and_a_new_key_makes_operators_type_it() {
    for backend in BACKENDS {
        let folder = Folder::new(backend);
        let motd = folder.write("motd", "welcome\n");
        let key = folder.write("key", "open sesame\n");
        let options = [
            "serve",
            "127.0.0.1:0",
            "--transcript",
            "off",
            "--backend",
            backend,
            "--motd",
            &motd,
            "--operator-key",
            &key,
        ];
        let mut server = Server::spawn(uproar(&options));
        let mut operator = newcomer(&server, &["welcome"]);
        ask(&mut operator, "/op open sesame", "! you are an operator");

        folder.write("motd", "be kind\n\nto all\n");
        let said = reload(&server, 2);
        let expected =
            ["the message of the day was read anew, 16 bytes", "the operators' key was read anew, and is the same"];
        assert_eq!(said, expected);
        newcomer(&server, &["be kind", "", "to all"]);
        ask(&mut operator, "/bans", "! page 1 of 1");

        folder.write("motd", &"x".repeat(10_000));
        folder.write("key", "another key\n");
        let said = reload(&server, 2);
        let expected = [
            "--motd stays as it is: the file has more than 8192 bytes",
            "the operators' key is another, and those who are operators have to type it",
        ];
        assert_eq!(said, expected);
        newcomer(&server, &["be kind", "", "to all"]);
        ask(&mut operator, "/bans", "! this command is for operators");
        ask(&mut operator, "/op another key", "! you are an operator");

        fs::remove_file(&motd).unwrap();
        folder.write("key", "short\n");
        let said = reload(&server, 2);
        assert!(said[0].starts_with("--motd stays as it is: No such file"), "{said:?}");
        let expected = "--operator-key stays as it is: the key in the first line has fewer than 8 bytes";
        assert_eq!(said[1], expected);
        ask(&mut operator, "/bans", "! page 1 of 1");
        expect_stop(&mut server);
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_does_not_hold_up_the_next_signal() {
    let folder = Folder::new("pipe");
    let motd = folder.write("motd", "welcome\n");
    let options = ["serve", "127.0.0.1:0", "--transcript", "off", "--motd", &motd];
    let mut server = Server::spawn(uproar(&options));
    fs::remove_file(&motd).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&motd).status().unwrap().success());
    assert_eq!(reload(&server, 1), ["--motd stays as it is: this is no regular file"]);
    fs::remove_file(&motd).unwrap();
    folder.write("motd", "again\n");
    assert_eq!(reload(&server, 1), ["the message of the day was read anew, 6 bytes"]);
    newcomer(&server, &["again"]);
    expect_stop(&mut server);
}
