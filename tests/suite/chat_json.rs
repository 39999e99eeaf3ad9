//! The terminal client through pipes, where the server speaks JSON: the server is the test, or the real one.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use crate::support::chat::{CLOSED, Piped, Server, accept, read_all, read_line, rest_of};

const TEXT_WELCOME: &str = "> Connected to the chat server (3 users online)";
const WELCOME: &str = r#"{"kind":"welcome","room":"lobby","epoch":"e1","online":3,"id":"a1","name":"x","n":10,"t":1}"#;

/// A client that has asked for JSON, and its connection.
fn piped(options: &[&str]) -> (Piped, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Piped::start_with(&listener.local_addr().unwrap().to_string(), options);
    let mut stream = accept(&listener);
    assert_eq!(read_line(&mut stream), "/format json");
    (client, stream)
}

fn say(stream: &mut TcpStream, lines: &[&str]) {
    lines.iter().for_each(|line| stream.write_all(format!("{line}\n").as_bytes()).unwrap());
}

const OBJECTS: [&str; 9] = [
    WELCOME,
    r#"{"n":11,"t":1,"kind":"message","from":"bob","id":"b","text":"hi \"all\" \u001b[2J"}"#,
    r#"{"n":12,"t":1,"kind":"action","from":"bob","id":"b","text":"waves"}"#,
    r#"{"after":12,"t":1,"kind":"entered","from":"ann","id":"c","online":4}"#,
    r#"{"after":12,"t":1,"kind":"left","from":"ann","id":"c","online":3}"#,
    r#"{"kind":"said","n":13,"t":1}"#,
    r#"{"kind":"private","t":1,"from":"ann","id":"c","text":"psst"}"#,
    r#"{"kind":"to come","x":[1]}"#,
    r#"{"kind":"notice","code":"no_topic","text":"there is no topic"}"#,
];

#[test]
fn objects_are_the_lines_of_the_text_format_in_a_pipe() {
    let (mut client, mut stream) = piped(&[]);
    client.write("hello\n");
    client.input = None;
    assert_eq!(read_all(&mut stream), "hello\n");
    say(&mut stream, &[TEXT_WELCOME]);
    say(&mut stream, &OBJECTS);
    say(&mut stream, &[r#"{"kind":"message","n":14}"#]);
    drop(stream);
    let expected = [
        TEXT_WELCOME,
        "[bob] hi \"all\" [2J",
        "* bob waves",
        "> New user ann entered. (4 users online)",
        "< The user ann left (3 users online)",
        "[ann to you] psst",
        "! there is no topic",
        r#"{"kind":"message","n":14}"#,
    ];
    client.check_end(0, &expected, &[]);
}

#[test]
fn json_passes_objects_through_and_nothing_else() {
    let (mut client, mut stream) = piped(&["--json"]);
    client.input = None;
    say(&mut stream, &[TEXT_WELCOME]);
    say(&mut stream, &OBJECTS);
    say(&mut stream, &["! the house is full"]);
    drop(stream);
    client.check_end(1, &OBJECTS, &["! the house is full"]);
}

#[test]
fn a_server_that_does_not_speak_json_is_spoken_to_plainly_in_a_pipe() {
    let (mut client, mut stream) = piped(&[]);
    client.write("hello\n");
    client.input = None;
    say(&mut stream, &["! unknown command: /format", "[bob] hi"]);
    assert_eq!(read_all(&mut stream), "hello\n");
    drop(stream);
    client.check_end(0, &["[bob] hi"], &[]);
}

#[test]
fn lines_that_the_server_refuses_are_a_failure_and_counted() {
    let (mut client, mut stream) = piped(&[]);
    client.write("hello\n/nick server\nagain\n");
    client.input = None;
    let refused = r#"{"kind":"error","code":"name_refused","text":"the name server is not allowed"}"#;
    say(&mut stream, &[WELCOME, refused, r#"{"kind":"said","n":11,"t":1}"#]);
    read_all(&mut stream);
    drop(stream);
    let told = "uproar: 1 of 3 lines was not said: the name server is not allowed";
    client.check_end(1, &["! the name server is not allowed"], &[told]);
}

#[test]
fn the_input_waits_for_the_name_and_the_room_that_were_asked_for() {
    let (mut client, mut stream) = piped(&["--nick", "bob", "--room", "den"]);
    client.write("hello\n");
    client.input = None;
    say(&mut stream, &[TEXT_WELCOME, WELCOME]);
    assert_eq!(read_line(&mut stream), "/nick bob");
    assert_eq!(read_line(&mut stream), "/join den");
    say(&mut stream, &[r#"{"kind":"notice","code":"nick","text":"you are bob"}"#, &WELCOME.replace("lobby", "den")]);
    assert_eq!(read_all(&mut stream), "hello\n");
    drop(stream);
    client.check_end(0, &[TEXT_WELCOME, "! you are bob", "> Joined den (3 users online)"], &[]);
}

#[test]
fn nothing_is_said_where_the_room_that_was_asked_for_cannot_be_joined() {
    let (mut client, mut stream) = piped(&["--room", "den"]);
    client.write("hello\n");
    client.input = None;
    say(&mut stream, &[WELCOME]);
    assert_eq!(read_line(&mut stream), "/join den");
    say(&mut stream, &[r#"{"kind":"error","code":"no_more_rooms","text":"no more rooms"}"#]);
    assert_eq!(read_all(&mut stream), "");
    client.check_end(1, &["! no more rooms"], &["uproar: nothing was sent: no more rooms"]);
}

#[test]
fn a_pipe_does_not_come_back() {
    let (client, mut stream) = piped(&[]);
    say(&mut stream, &[WELCOME]);
    drop(stream);
    client.check_end(1, &[], &[CLOSED]);
}

#[test]
fn times_stand_in_front_of_lines_where_they_are_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Piped::start_with(&listener.local_addr().unwrap().to_string(), &["--times"]);
    let mut stream = accept(&listener);
    say(&mut stream, &[WELCOME, r#"{"n":11,"t":1732448000123,"kind":"message","from":"bob","id":"b","text":"hi"}"#]);
    let line = client.next();
    assert!(line.starts_with("2024-11-24 ") && line.ends_with(" [bob] hi"), "{line}");
}

#[test]
fn clients_of_the_real_server_hear_the_same_in_every_format() {
    let server = Server::start(&[]);
    let plain = Piped::start(&server.address);
    let json = Piped::start_with(&server.address, &["--json"]);
    let welcome = json.next();
    assert!(welcome.contains(r#""kind":"welcome""#) && welcome.contains(r#""room":"lobby""#), "{welcome}");
    let text = Piped::start_with(&server.address, &[]);
    assert_eq!(text.next(), "> Connected to the chat server (3 users online)");
    let mut bob = Piped::start_with(&server.address, &["--nick", "bob"]);
    bob.write("hi\n/me waves\n/nick server\n");
    while !bob.next().starts_with("! a name is ") {}
    bob.input = None;
    assert_eq!(bob.program.exit().code(), Some(1));
    let errors = rest_of(&bob.errors);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("uproar: 1 of 3 lines was not said: a name is "), "{errors:?}");
    let last = "< The user bob left (3 users online)";
    let heard = |client: &Piped| -> Vec<String> {
        let lines: Vec<String> = std::iter::from_fn(|| Some(client.next()).filter(|line| line != last)).collect();
        lines.into_iter().skip_while(|line| !line.ends_with(" entered. (4 users online)")).collect()
    };
    let expected = heard(&plain);
    assert_eq!(expected[2..], ["[bob] hi", "* bob waves"]);
    assert_eq!(heard(&text), expected);
    let objects: Vec<String> =
        std::iter::from_fn(|| Some(json.next()).filter(|line| !line.contains(r#""left""#))).collect();
    for part in [r#""n":1,"#, r#""n":2,"#, r#""kind":"action","from":"bob","#] {
        assert_eq!(objects.iter().filter(|line| line.contains(part)).count(), 1, "{part} in {objects:#?}");
    }
}

#[test]
fn a_full_house_refuses_a_client_that_speaks_json_too() {
    let server = Server::start(&["--connections-per-address", "1", "--limit-loopback"]);
    let ann = Piped::start(&server.address);
    assert_eq!(ann.next(), "> Connected to the chat server (1 user online)");
    let mut bob = Piped::start_with(&server.address, &[]);
    bob.write("hello\n");
    bob.input = None;
    assert_eq!(bob.program.exit().code(), Some(1));
    let errors = rest_of(&bob.errors);
    assert_eq!(errors.last().unwrap(), "uproar: 1 line was not said: too many connections from your address");
}
