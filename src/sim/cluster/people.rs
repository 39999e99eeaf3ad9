//! What people have and do over several nodes: names, lines to one alone, holds, and coming back.

use super::counts::House;

const OPERATOR: &str = "/op the key of this house\n";

/// The answer to what somebody typed, once it is there.
#[track_caller]
fn expect(house: &mut House, (node, peer): (usize, u32), typed: &str, expected: &[&str]) {
    house.say(node, peer, typed);
    house.play(500);
    let is_answer = |line: &String| !line.starts_with("> ");
    let heard: Vec<String> = house.heard(node, peer).into_iter().filter(is_answer).collect();
    assert_eq!(heard, expected, "node {node}, peer {peer}, {typed:?}");
}

fn two() -> (House, u32, u32) {
    let mut house =
        House::new(&[&["--announce-max", "0", "--resume-for", "2s"], &["--announce-max", "0", "--resume-for", "2s"]]);
    let (a, b) = (house.join(0), house.join(1));
    house.play(3000);
    house.heard(0, a);
    house.heard(1, b);
    (house, a, b)
}

#[test]
fn a_chosen_name_is_one_members_on_all_nodes_until_it_leaves_it() {
    let (mut house, a, b) = two();
    expect(&mut house, (0, a), "/nick bob\n", &["! you are bob"]);
    expect(&mut house, (1, b), "/nick Bob\n", &["! the name Bob is taken"]);
    expect(&mut house, (0, a), "/nick BOB\n", &["! you are BOB"]);
    expect(&mut house, (0, a), "/nick carol\n", &["! you are carol"]);
    expect(&mut house, (1, b), "/nick bob\n", &["! you are bob"]);
    expect(&mut house, (0, a), "/nick bob\n", &["! the name bob is taken"]);
    house.say(0, a, "/quit\n");
    house.play(500);
    expect(&mut house, (1, b), "/nick carol\n", &["! you are carol"]);
}

#[test]
fn of_two_that_ask_at_the_same_time_one_gets_the_name() {
    let (mut house, a, b) = two();
    house.say(0, a, "");
    for name in ["bob", "carol", "dave"] {
        house.write(0, a, &format!("/nick {name}\n"));
        house.write(1, b, &format!("/nick {name}\n"));
        house.play(500);
        let mut heard = [house.heard(0, a), house.heard(1, b)].concat();
        heard.sort();
        assert_eq!(heard, [format!("! the name {name} is taken"), format!("! you are {name}")]);
    }
}

#[test]
fn names_cannot_be_chosen_while_cut_off_and_one_that_was_given_to_somebody_else_is_lost() {
    let (mut house, a, b) = two();
    let other = house.join(0);
    house.play(2000);
    expect(&mut house, (0, a), "/nick bob\n", &["! you are bob"]);
    house.heard(0, other);
    house.stream.borrow_mut().set_reachable(0, false);
    house.play(15_000);
    house.heard(0, a);
    let cut_off = "! names cannot be chosen while this server is cut off from its cluster";
    expect(&mut house, (0, a), "/nick carol\n", &[cut_off]);
    // The other node takes it for gone, and its names for free.
    house.play(15_000);
    house.heard(1, b);
    expect(&mut house, (1, b), "/nick bob\n", &["! you are bob"]);
    house.stream.borrow_mut().set_reachable(0, true);
    house.play(15_000);
    let lost = "! the name bob was given to somebody else while this server was cut off: you are 192.0.2.1:10001";
    let heard = house.heard(0, a);
    assert!(heard.iter().any(|line| line == lost), "{heard:?}");
    house.say(0, other, "/who\n");
    house.play(1000);
    let who = house.heard(0, other);
    assert!(who.iter().any(|line| line == "! 192.0.2.1:10001") && !who.iter().any(|line| line == "! bob"), "{who:?}");
    expect(&mut house, (0, a), "/nick bob\n", &["! the name bob is taken"]);
}

#[test]
fn a_line_to_one_alone_reaches_it_on_another_node() {
    let (mut house, a, b) = two();
    expect(&mut house, (0, a), "/nick bob\n", &["! you are bob"]);
    expect(&mut house, (1, b), "/nick carol\n", &["! you are carol"]);
    expect(&mut house, (0, a), "/msg Carol psst\n", &["! sent to carol"]);
    assert_eq!(house.heard(1, b), ["[bob to you] psst"]);
    // Nobody answers.
    house.say(0, a, "/msg dave psst\nhello\n");
    house.play(1000);
    assert_eq!(house.heard(0, a), [""; 0], "it waits for the answer");
    house.play(3000);
    assert_eq!(house.heard(0, a), ["! nobody is called dave"]);
    assert_eq!(house.heard(1, b), ["[bob] hello"]);
}

#[test]
fn what_operators_do_to_a_member_they_do_on_every_node() {
    let (mut house, a, b) = two();
    expect(&mut house, (0, a), "/nick alice\n", &["! you are alice"]);
    expect(&mut house, (1, b), "/nick bob\n", &["! you are bob"]);
    expect(&mut house, (0, a), OPERATOR, &["! you are an operator"]);
    house.say(0, a, "/mute bob 1h\n");
    house.play(500);
    assert_eq!(house.heard(1, b), ["! muted for 1h"]);
    let heard = house.heard(0, a);
    assert!(heard.len() == 1 && heard[0].starts_with("! muted bob, 192.0.2.1 until "), "{heard:?}");
    expect(&mut house, (1, b), "hello\n", &["! you are muted: this line was not said"]);
    house.say(0, a, "/unmute bob\n");
    house.play(500);
    assert_eq!(
        (house.heard(0, a), house.heard(1, b)),
        (vec!["! unmuted bob, 192.0.2.1".into()], vec!["! you may speak again".into()])
    );
    house.say(0, a, "/ban dave\n");
    house.play(4000);
    assert_eq!(house.heard(0, a), ["! banned dave without end"]);
    expect(&mut house, (1, b), "/nick dave\n", &["! the name dave is taken"]);
    // A node that starts later, when the stream has forgotten.
    house.stream.borrow_mut().forget(1000);
    house.start(&["--announce-max", "0", "--resume-for", "2s"]);
    house.play(5000);
    let c = house.join(2);
    house.heard(2, c);
    expect(&mut house, (2, c), "/nick dave\n", &["! the name dave is taken"]);
    expect(&mut house, (2, c), OPERATOR, &["! you are an operator"]);
    expect(&mut house, (2, c), "/bans\n", &["! dave without end by alice", "! page 1 of 1"]);
    expect(&mut house, (2, c), "/unban dave\n", &["! unbanned dave"]);
    expect(&mut house, (1, b), "/nick dave\n", &["! you are dave"]);
    expect(&mut house, (0, a), "/kick dave enough\n", &["! kicked dave"]);
    assert_eq!(house.heard(1, b).last().map(String::as_str), Some("! kicked by alice: enough"));
}

#[test]
fn topics_and_modes_are_there_on_a_node_that_starts_later() {
    let (mut house, a, _) = two();
    house.say(0, a, OPERATOR);
    house.say(0, a, "/topic cats\n/only operators\n");
    house.play(1000);
    house.stream.borrow_mut().forget(1000);
    house.start(&["--announce-max", "0", "--resume-for", "2s"]);
    house.play(5000);
    let c = house.join(2);
    house.play(500);
    assert!(house.heard(2, c).contains(&"! topic: cats".to_owned()));
    expect(&mut house, (2, c), "hello\n", &["! only operators may speak here: this line was not said"]);
}

/// What was asked of a program that reads JSON, and the token that it has.
fn program(house: &mut House, node: usize) -> (u32, String) {
    let peer = house.join(node);
    house.say(node, peer, "/format json\n/nick bob\n");
    house.play(500);
    house.heard(node, peer);
    house.say(node, peer, "/token\n");
    house.play(500);
    let heard = house.heard(node, peer).concat();
    let (_, token) = heard.split_once(r#""token":""#).expect("it has a token");
    (peer, token.split('"').next().expect("it ends").to_owned())
}

fn resume(house: &mut House, node: usize, token: &str, number: u64) -> (u32, String) {
    let peer = house.join(node);
    house.say(node, peer, "/format json\n");
    house.play(500);
    house.heard(node, peer);
    house.say(node, peer, &format!("/resume {token} {number}\n"));
    house.play(4000);
    (peer, house.heard(node, peer).concat())
}

#[test]
fn a_member_comes_back_on_another_node_once_while_its_connection_is_there() {
    let (mut house, _, b) = two();
    let (old, token) = program(&mut house, 0);
    let (_, heard) = resume(&mut house, 1, &token, 0);
    assert!(heard.contains(r#""kind":"welcome""#) && heard.contains(r#""name":"bob""#), "{heard}");
    assert!(house.heard(0, old).concat().contains(r#""kind":"replaced""#));
    expect(&mut house, (1, b), "/nick bob\n", &["! the name bob is taken"]);
    for node in [0, 1] {
        let (_, heard) = resume(&mut house, node, &token, 0);
        assert!(heard.contains("resume_refused"), "{heard}");
    }
    house.play(15_000);
    let other = house.join(0);
    house.heard(0, other);
    expect(&mut house, (0, other), "/nick bob\n", &["! the name bob is taken"]);
}

#[test]
fn a_member_of_a_node_that_has_gone_comes_back_with_what_its_token_says() {
    let (mut house, _, b) = two();
    let (_, token) = program(&mut house, 0);
    let (_, unused) = program_called(&mut house, 0, "eve");
    house.say(1, b, "missed this\n");
    house.play(500);
    house.kill(0);
    let (_, heard) = resume(&mut house, 1, &token, 0);
    assert!(heard.contains(r#""name":"bob""#) && heard.contains(r#""text":"missed this""#), "{heard}");
    let (_, heard) = resume(&mut house, 1, &token, 0);
    assert!(heard.contains("resume_refused"), "it was used: {heard}");
    // When it has gone for too long no member of it comes back, and its names are free.
    house.play(40_000);
    let (_, heard) = resume(&mut house, 1, &unused, 0);
    assert!(heard.contains("resume_refused"), "{heard}");
    house.heard(1, b);
    expect(&mut house, (1, b), "/nick eve\n", &["! you are eve"]);
}

fn program_called(house: &mut House, node: usize, name: &str) -> (u32, String) {
    let (peer, _) = program(house, node);
    house.say(node, peer, &format!("/nick {name}\n/token\n"));
    house.play(1000);
    let heard = house.heard(node, peer).concat();
    let (_, token) = heard.split_once(r#""token":""#).expect("it has a token");
    (peer, token.split('"').next().expect("it ends").to_owned())
}
