//! Talks in which every line of the server is written down, and what the client says and shows.

use super::*;

/// A session, and what it has shown since the test looked last.
struct Talk {
    session: Session,
    now: Instant,
    shown: Vec<Shown>,
}

fn welcome(room: &str, epoch: &str, id: &str, n: u64) -> String {
    format!(r#"{{"kind":"welcome","room":"{room}","epoch":"{epoch}","online":3,"id":"{id}","name":"x","n":{n},"t":1}}"#)
}

fn message(n: u64, from: &str, id: &str, text: &str) -> String {
    format!(r#"{{"n":{n},"t":1,"kind":"message","from":"{from}","id":"{id}","text":"{text}"}}"#)
}

fn said(n: u64) -> String {
    format!(r#"{{"kind":"said","n":{n},"t":1}}"#)
}

const TEXT_WELCOME: &str = "> Connected to the chat server (3 users online)";
const TOKEN: &str = r#"{"kind":"token","token":"T1","seconds":60}"#;
const REFUSED: &str = r#"{"kind":"error","code":"resume_refused","text":"the token is too old"}"#;
const BROKE: &str = "! the connection broke; coming back";

impl Talk {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        let mut session = Session::new(settings, now);
        session.connected(now);
        Self { session, now, shown: Vec::new() }
    }

    /// In the lobby, with a token, up to message 10.
    fn begun() -> Self {
        let mut talk = Self::new(Settings { speaks_json: true, comes_back: true, ..Settings::default() });
        talk.begin();
        talk
    }

    fn begin(&mut self) {
        assert_eq!(self.sent(), ["/format json"]);
        self.hear(&[TEXT_WELCOME, &welcome("lobby", "e1", "a1", 10)]);
        assert_eq!(self.shows(), [TEXT_WELCOME]);
        assert!(self.sent().ends_with(&["/token".to_owned()]));
        self.hear(&[TOKEN]);
        assert_eq!(self.shows(), [""; 0]);
    }

    fn hear(&mut self, lines: &[&str]) {
        lines.iter().for_each(|line| self.session.hear(line, self.now, &mut self.shown));
    }

    fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.session.next_line()).collect()
    }

    fn shows(&mut self) -> Vec<String> {
        self.shown.drain(..).map(|shown| shown.text).collect()
    }

    fn say(&mut self, lines: &[&str]) -> Vec<String> {
        assert!(lines.iter().all(|line| self.session.type_line(line)));
        self.sent()
    }

    fn breaks(&mut self) -> bool {
        self.session.disconnected(self.now, &mut self.shown)
    }

    /// The connection breaks, another one stands, and the server is asked to resume from `n`.
    fn come_back(&mut self, n: u64) {
        assert!(self.breaks());
        assert_eq!(self.shows(), [BROKE]);
        self.reconnect();
        assert_eq!(self.sent(), [format!("/resume T1 {n}")]);
    }

    fn reconnect(&mut self) {
        self.session.connected(self.now);
        assert_eq!(self.sent(), ["/format json"]);
        self.hear(&[TEXT_WELCOME, &welcome("lobby", "e1", "b0", 99), &message(100, "eve", "z", "in the lobby")]);
        assert_eq!(self.shows(), [""; 0], "nothing of the lobby before this client is where it was");
    }

    fn time_out(&mut self) {
        let deadline = self.session.deadline().expect("something is waited for");
        self.session.time_out(deadline, &mut self.shown);
    }
}

#[test]
fn lines_typed_before_the_server_has_answered_wait_for_it() {
    let mut talk = Talk::new(Settings { speaks_json: true, ..Settings::default() });
    assert_eq!(talk.say(&["hi"]), ["/format json"]);
    talk.hear(&[&welcome("lobby", "e1", "a1", 0)]);
    assert_eq!(talk.sent(), ["hi"], "no token is asked for when there is no coming back");
    assert_eq!(talk.session.status(), Some(("lobby".into(), Some(3))));
}

#[test]
fn a_server_that_does_not_answer_is_spoken_to_plainly() {
    for lines in [&["! unknown command: /format"][..], &["[bob] hi"], &["hello, what is your name?"]] {
        let mut talk = Talk::new(Settings { speaks_json: true, comes_back: true, ..Settings::default() });
        assert_eq!(talk.say(&["hi"]), ["/format json"]);
        talk.hear(&[TEXT_WELCOME]);
        assert_eq!(talk.sent(), [""; 0]);
        talk.hear(lines);
        assert_eq!(talk.sent(), ["hi"]);
        let shown = if lines[0].starts_with('!') { 1 } else { 2 };
        assert_eq!(talk.shows().len(), shown, "that it does not know /format is no news");
        assert!(!talk.breaks(), "there is no coming back");
    }
    let mut talk = Talk::new(Settings { speaks_json: true, ..Settings::default() });
    talk.say(&["hi"]);
    talk.time_out();
    assert_eq!((talk.sent(), talk.session.status()), (vec!["hi".to_owned()], None));
    talk.hear(&[&welcome("lobby", "e1", "a1", 0)]);
    assert!(talk.session.is_live(), "a late answer counts");
    let mut plain = Talk::new(Settings { nick: Some("bob".into()), room: Some("den".into()), ..Settings::default() });
    assert_eq!(plain.say(&["hi"]), ["/nick bob", "/join den", "hi"]);
    let line = message(1, "bob", "a", "hi");
    plain.hear(&[&line]);
    assert_eq!(plain.shows(), [line], "with --plain an object is a line");
}

#[test]
fn who_comes_before_the_server_has_answered_does_not_cost_the_name() {
    let mut talk = Talk::new(Settings { speaks_json: true, nick: Some("bob".into()), ..Settings::default() });
    assert_eq!(talk.say(&["hi"]), ["/format json"]);
    talk.hear(&[TEXT_WELCOME, "> New user 127.0.0.1:2 entered. (2 users online)", "[127.0.0.1:2] hi"]);
    assert_eq!((talk.session.step_failed.take(), talk.sent()), (None, vec![]));
    talk.hear(&[&welcome("lobby", "e1", "a1", 2)]);
    assert_eq!(talk.sent(), ["/nick bob"]);
    let mut talk = Talk::new(Settings { speaks_json: true, nick: Some("bob".into()), ..Settings::default() });
    talk.hear(&["[eve] this server never answers"]);
    talk.time_out();
    assert!(talk.session.step_failed.take().is_some());
}

#[test]
fn a_malformed_object_is_a_line_and_an_unknown_kind_none() {
    let mut talk = Talk::begun();
    talk.hear(&["{", r#"{"kind":"message","n":11}"#, r#"{"kind":"new"}"#, r#"{"kind":"new","text":"so"}"#]);
    assert_eq!(talk.shows(), ["{", r#"{"kind":"message","n":11}"#, "so"]);
}

#[test]
fn name_and_room_are_asked_for_before_anything_is_said() {
    let settings = Settings { speaks_json: true, comes_back: true, nick: Some("bob".into()), room: Some("den".into()) };
    let mut talk = Talk::new(settings);
    talk.hear(&[&welcome("lobby", "e1", "a1", 10)]);
    assert_eq!(talk.say(&["hi"]), ["/format json", "/nick bob", "/join den", "/token"]);
    talk.hear(&[r#"{"kind":"notice","code":"nick","text":"you are bob"}"#]);
    assert_eq!(talk.sent(), [""; 0]);
    talk.hear(&[&welcome("den", "e2", "a1", 5)]);
    assert_eq!(talk.sent(), ["/token", "hi"]);
    assert_eq!(talk.shows(), ["! you are bob", "> Joined den (3 users online)"]);
    let mut talk = Talk::new(Settings { speaks_json: true, room: Some("den".into()), ..Settings::default() });
    talk.hear(&[
        &welcome("lobby", "e1", "a1", 10),
        r#"{"kind":"error","code":"no_more_rooms","text":"no more rooms"}"#,
    ]);
    assert_eq!(talk.session.step_failed.as_deref(), Some("no more rooms"));
}

#[test]
fn a_resume_shows_what_was_missed_and_sends_again_what_was_not_said() {
    let mut talk = Talk::begun();
    talk.hear(&[&message(11, "ann", "z", "one")]);
    assert_eq!(talk.say(&["first", "second", "third", "/msg ann x", "fourth"]).len(), 5);
    // The first is answered; the second and the third are under way when the connection breaks.
    talk.hear(&[&said(14), &message(12, "ann", "z", "two")]);
    assert_eq!(talk.shows(), ["[ann] one", "[ann] two"]);
    assert!(talk.breaks());
    assert_eq!(talk.say(&["typed meanwhile"]), [""; 0]);
    assert_eq!(talk.session.status(), Some(("lobby".into(), None)));
    assert_eq!(talk.shows(), [BROKE]);
    talk.reconnect();
    assert_eq!(talk.sent(), ["/resume T1 12"]);
    let mut left = r#"{"after":13,"t":1,"kind":"left","from":"x","id":"a1","online":2}"#.to_owned();
    talk.hear(&[
        &welcome("lobby", "e1", "b1", 17),
        &message(13, "ann", "z", "three"),
        &message(14, "x", "a1", "first"),
        &left,
        &message(15, "x", "a1", "second"),
        &message(16, "ann", "z", "four"),
    ]);
    assert_eq!(talk.shows(), ["! connected again", "[ann] three", "[ann] four"]);
    assert_eq!(talk.sent(), ["/token"], "nothing is said before all has come");
    talk.hear(&[TOKEN, &message(17, "ann", "z", "five")]);
    let command = "! not known whether it was carried out: /msg";
    assert_eq!(talk.shows(), ["[ann] five", command, "! 2 lines that had not been said are sent again"]);
    assert_eq!(talk.sent(), ["third", "fourth", "typed meanwhile"]);
    // A second break finds them, or not, in the same way.
    talk.hear(&[&said(18)]);
    talk.come_back(18);
    left = left.replace("a1", "b1");
    talk.hear(&[&welcome("lobby", "e1", "c1", 19), &left, &message(19, "x", "b1", "fourth")]);
    assert_eq!(talk.shows(), ["! connected again", "! 1 line that had not been said is sent again"]);
    assert_eq!(talk.sent(), ["/token", "typed meanwhile"]);
}

#[test]
fn a_resume_without_anything_missed_is_complete_at_once() {
    let mut talk = Talk::begun();
    talk.say(&["one"]);
    talk.come_back(10);
    talk.hear(&[&welcome("lobby", "e1", "b1", 10)]);
    assert_eq!(talk.shows(), ["! connected again", "! 1 line that had not been said is sent again"]);
    assert_eq!(talk.sent(), ["/token", "one"]);
}

#[test]
fn own_numbers_count_as_heard_only_when_all_before_them_were() {
    let mut talk = Talk::begun();
    talk.say(&["one", "two"]);
    talk.hear(&[&said(11)]);
    assert_eq!(talk.session.place.as_ref().unwrap().n, 11);
    // Two messages of others are still on their way.
    talk.hear(&[&said(14), &message(12, "ann", "z", "x")]);
    assert_eq!(talk.session.place.as_ref().unwrap().n, 12);
    talk.hear(&[&message(13, "ann", "z", "y")]);
    assert_eq!((talk.session.place.as_ref().unwrap().n, talk.session.said.len()), (14, 0));
    talk.hear(&[&said(u64::MAX), &message(u64::MAX, "ann", "z", "y"), &said(u64::MAX)]);
    assert_eq!(talk.session.said.len(), 0);
}

#[test]
fn where_a_part_is_missing_for_good_nothing_is_sent_again() {
    let missed = r#"{"kind":"missed","from":11,"to":20,"count":9}"#;
    let mut talk = Talk::begun();
    talk.say(&["one", "two"]);
    talk.come_back(10);
    talk.hear(&[&welcome("lobby", "e1", "b1", 22), missed, &message(21, "x", "a1", "one")]);
    talk.hear(&[&message(22, "ann", "z", "x")]);
    let unknown = "! not known whether it was said: two";
    assert_eq!(talk.shows(), ["! connected again", "! you missed 9 messages", "[ann] x", unknown]);
    assert_eq!(talk.say(&["three"]), ["/token", "three"]);
    // The room was made anew.
    talk.hear(&[TOKEN]);
    talk.come_back(22);
    talk.hear(&[&welcome("lobby", "e2", "c1", 2), r#"{"kind":"missed"}"#]);
    let unknown = "! not known whether it was said: three";
    assert_eq!(talk.shows(), ["! connected again", unknown, "! the room was made anew: what was said before is gone"]);
    talk.hear(&[&message(3, "ann", "z", "x")]);
    assert_eq!(talk.shows(), ["[ann] x"]);
    assert_eq!(talk.session.place.as_ref().unwrap().n, 3);
}

#[test]
fn after_a_refused_resume_name_and_room_are_asked_for_again() {
    let mut talk = Talk::begun();
    talk.say(&["/nick bob", "/join den"]);
    talk.hear(&[r#"{"kind":"notice","code":"nick","text":"you are bob"}"#, &welcome("den", "e2", "a1", 5), TOKEN]);
    assert_eq!(talk.sent(), ["/token"]);
    talk.say(&["one"]);
    talk.shows();
    talk.come_back(5);
    assert_eq!(talk.say(&["two"]), [""; 0]);
    talk.hear(&[REFUSED]);
    let unknown = "! not known whether it was said: one";
    assert_eq!(talk.shows(), ["! connected again, but not where you were: the token is too old", unknown]);
    assert_eq!(talk.sent(), ["/nick bob", "/join den"]);
    talk.hear(&[&message(100, "eve", "z", "lobby"), r#"{"kind":"notice","code":"nick","text":"you are bob"}"#]);
    assert_eq!((talk.shows(), talk.sent()), (vec!["! you are bob".to_owned()], vec![]));
    talk.hear(&[&welcome("den", "e3", "b1", 1)]);
    assert_eq!(talk.shows(), ["> Joined den (3 users online)"]);
    assert_eq!(talk.sent(), ["/token", "two"]);
}

#[test]
fn lines_for_a_room_that_cannot_be_joined_again_are_said_in_no_other() {
    let mut talk = Talk::begun();
    talk.hear(&[&welcome("den", "e2", "a1", 5), TOKEN]);
    talk.sent();
    talk.shows();
    talk.come_back(5);
    talk.say(&["two"]);
    talk.hear(&[REFUSED]);
    assert_eq!(talk.sent(), ["/join den"]);
    talk.hear(&[r#"{"kind":"error","code":"no_more_rooms","text":"no more rooms"}"#]);
    let lost = "! not sent: 1 line, because your room cannot be joined: no more rooms";
    assert_eq!(talk.shows()[1..], [lost, "! no more rooms"]);
    assert_eq!(talk.say(&["three"]), ["/token", "three"]);
}

#[test]
fn a_server_that_says_why_it_closes_is_not_come_back_to() {
    for last in [
        r#"{"kind":"replaced","text":"another connection has resumed this one"}"#,
        r#"{"kind":"stopping","text":"the server is stopping"}"#,
        r#"{"kind":"error","code":"kicked","text":"kicked by ann"}"#,
        r#"{"kind":"error","code":"banned","text":"banned until tomorrow"}"#,
        r#"{"kind":"notice","code":"goodbye","text":"goodbye"}"#,
    ] {
        let mut talk = Talk::begun();
        talk.say(&["one"]);
        talk.hear(&[last]);
        assert!(!talk.breaks(), "{last}");
        assert_eq!(talk.shows()[1..], ["! not known whether it was said: one"]);
        assert_eq!(talk.session.heard.goodbye, last.contains("stopping"));
    }
    let mut talk = Talk::new(Settings { speaks_json: true, ..Settings::default() });
    talk.begin_without_token();
    assert!(!talk.breaks(), "--no-reconnect");
}

impl Talk {
    fn begin_without_token(&mut self) {
        self.hear(&[&welcome("lobby", "e1", "a1", 10)]);
        assert_eq!(self.sent(), ["/format json"]);
    }
}

#[test]
fn a_full_house_is_tried_again_once_this_client_was_in_it() {
    let mut talk = Talk::begun();
    assert!(talk.breaks());
    talk.session.connected(talk.now);
    talk.hear(&["! the house is full"]);
    assert!(talk.breaks(), "the others come back too");
    assert_eq!(talk.shows(), [BROKE, "! the house is full"]);
    talk.session.connected(talk.now);
    talk.hear(&["! banned until tomorrow"]);
    assert!(!talk.breaks());
}

#[test]
fn a_server_that_answers_no_resume_is_not_waited_for_for_ever() {
    let mut talk = Talk::begun();
    talk.say(&["one"]);
    talk.come_back(10);
    talk.say(&["two"]);
    talk.time_out();
    assert_eq!(talk.sent(), ["/token", "two"]);
    assert_eq!(talk.shows().len(), 2);
    let mut talk = Talk::begun();
    talk.say(&["one"]);
    talk.come_back(10);
    talk.hear(&[&welcome("lobby", "e1", "b1", 12)]);
    talk.time_out();
    assert_eq!(talk.shows(), ["! connected again", "! not known whether it was said: one"]);
    assert_eq!(talk.session.deadline(), None);
}

#[test]
fn what_a_user_types_by_hand_is_shown_and_what_this_program_asks_is_not() {
    let mut talk = Talk::begun();
    talk.say(&["/token"]);
    talk.hear(&[&TOKEN.replace("T1", "T2")]);
    assert_eq!(talk.shows(), ["! token: T2"]);
    talk.hear(&[&message(9, "x", "a1", "old"), &message(10, "ann", "z", "old")]);
    assert_eq!(talk.shows(), ["[x] old", "[ann] old"], "history, own lines too");
    talk.say(&["one", "/format text"]);
    talk.hear(&["> Joined lobby (3 users online)", "[ann] hi"]);
    assert_eq!(talk.shows(), ["> Joined lobby (3 users online)", "[ann] hi"]);
    assert_eq!((talk.say(&["two"]), talk.session.status()), (vec!["two".to_owned()], None));
}

#[test]
fn a_refused_line_is_not_sent_again() {
    let mut talk = Talk::begun();
    talk.say(&["one", "/nick ann", "two", "three"]);
    talk.hear(&[r#"{"kind":"error","code":"is_muted","text":"you are muted: this line was not said"}"#]);
    talk.hear(&[r#"{"kind":"error","code":"name_taken","text":"the name ann is taken"}"#, &said(11)]);
    assert_eq!(talk.session.heard.refused_lines, 2);
    talk.shows();
    talk.come_back(11);
    talk.hear(&[&welcome("lobby", "e1", "b1", 11)]);
    assert_eq!(talk.sent(), ["/token", "three"]);
}

#[test]
fn lines_are_taken_up_to_the_bound_and_again_when_some_were_sent() {
    let mut talk = Talk::new(Settings::default());
    let line = "x".repeat(CHAT_QUEUE_BYTES_MAX / 4 - 1);
    assert!((0..4).all(|_| talk.session.type_line(&line)));
    assert!(!talk.session.type_line(""), "not even a line feed");
    let sent = talk.session.next_line().expect("it is sent");
    assert_eq!(talk.session.waiting_lines(), 3);
    talk.session.not_sent(sent);
    assert_eq!(talk.session.waiting_lines(), 4, "the one that could not be sent is not");
    assert_eq!(talk.sent().len(), 4);
    assert!(talk.session.type_line(&line));
}
