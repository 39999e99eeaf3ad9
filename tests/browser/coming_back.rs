//! Reloads and broken connections: no gap, no repeat, each typed line said once, a draft that stays.

use std::io::Write;
use std::net::TcpStream;

use serde_json::Value;

use crate::house::{House, Page};
use crate::relay::Relay;
use crate::support::{Person, expect_stop, free_address};
use crate::webdriver::turn;

/// Says lines by a plain client, and waits until a second one has heard them: so the room has.
fn say(author: &mut Person, listener: &mut Person, lines: &[&str]) {
    for line in lines {
        author.send(format!("{line}\n"));
        listener.lines_until(|heard| heard.ends_with(&format!("] {line}")));
    }
}

#[test]
fn a_reload_resumes_without_a_gap_or_a_repeat() {
    let Some(turn) = turn("a_reload_resumes_without_a_gap_or_a_repeat") else { return };
    let house = House::open(&[]);
    let (mut bob, mut carol) = (house.join("bob"), house.join("carol"));
    let page = Page::named(&turn, house.web, "/room/lobby", "ada");
    say(&mut bob, &mut carol, &["one", "two"]);
    page.wait_for("bob: two");
    page.say("mine");
    page.wait_until_said();
    page.keys("#draft", "half a thou");
    // The page is away while more is said.
    page.open("about:blank");
    carol.lines_until(|line| line.starts_with("< The user ada left"));
    say(&mut bob, &mut carol, &["three", "four"]);
    page.back();
    page.until("return !!document.getElementById('draft')");
    page.wait_until_there();
    page.wait_for("bob: four");
    assert_eq!(page.talk(), ["bob: one", "bob: two", "ada: mine", "bob: three", "bob: four"]);
    assert_eq!(page.run("return document.getElementById('draft').value"), "half a thou");
    assert_eq!(page.run("return document.getElementById('you-name').textContent"), "ada");
    // A reload in the middle of talk, several times.
    for round in 0..3 {
        bob.send(format!("before {round}\n"));
        page.reload();
        say(&mut bob, &mut carol, &[&format!("after {round}")]);
        page.wait_until_there();
        page.wait_for(&format!("bob: after {round}"));
    }
    let expected: Vec<String> =
        (0..3).flat_map(|round| [format!("bob: before {round}"), format!("bob: after {round}")]).collect();
    assert_eq!(page.talk()[5..], expected);
    page.end_here();
}

#[test]
fn a_lost_connection_resumes_and_each_typed_line_is_said_once() {
    let Some(turn) = turn("a_lost_connection_resumes_and_each_typed_line_is_said_once") else { return };
    let house = House::open(&[]);
    let relay = Relay::start(house.web);
    let (mut bob, mut carol) = (house.join("bob"), house.join("carol"));
    let mut page = Page::named(&turn, relay.address, "/", "ada");
    page.0.expect_errors();
    page.say("heard");
    page.wait_until_said();
    // This one does not reach the server.
    relay.lose_upward();
    page.say("lost on the way");
    assert_eq!(page.run("return document.querySelectorAll('.sending').length"), 1);
    relay.cut();
    page.until("return !document.getElementById('link').hidden");
    carol.lines_until(|line| line.starts_with("< The user ada left"));
    say(&mut bob, &mut carol, &["meanwhile"]);
    page.say("typed meanwhile");
    page.keys("#draft", "half a thou");
    relay.mend();
    page.wait_until_there();
    page.wait_until_said();
    let heard = carol.lines_until(|line| line == "[ada] typed meanwhile");
    let said: Vec<&String> = heard.iter().filter(|line| line.starts_with("[ada] ")).collect();
    assert_eq!(said, ["[ada] lost on the way", "[ada] typed meanwhile"]);
    page.wait_for("bob: meanwhile");
    assert_eq!(page.talk(), ["ada: heard", "ada: lost on the way", "ada: typed meanwhile", "bob: meanwhile"]);
    assert_eq!(page.run("return document.getElementById('draft').value"), "half a thou");
    page.run("document.getElementById('draft').value = ''");
    // This one does, and the page is not told that it did.
    relay.lose_downward();
    page.say("said, and not answered");
    carol.lines_until(|line| line == "[ada] said, and not answered");
    say(&mut bob, &mut carol, &["again meanwhile"]);
    relay.cut();
    page.until("return !document.getElementById('link').hidden");
    relay.mend();
    page.wait_until_there();
    page.wait_until_said();
    page.say("the last");
    let heard = carol.lines_until(|line| line == "[ada] the last");
    assert!(!heard.iter().any(|line| line.ends_with("not answered")), "{heard:?}");
    page.wait_until_said();
    page.wait_for("bob: again meanwhile");
    page.wait_for("ada: the last");
    assert_eq!(page.talk()[4..], ["ada: said, and not answered", "bob: again meanwhile", "ada: the last"]);
    // A reload while there is no connection loses nothing either.
    relay.lose_upward();
    page.say("under way at a reload");
    relay.mend();
    page.reload();
    page.wait_until_there();
    carol.lines_until(|line| line == "[ada] under way at a reload");
    page.wait_until_said();
    page.wait_for("ada: under way at a reload");
    assert_eq!(page.talk().last().unwrap(), "ada: under way at a reload");
    page.end_here();
}

#[test]
fn a_place_that_is_gone_is_told_and_the_room_joined() {
    let Some(turn) = turn("a_place_that_is_gone_is_told_and_the_room_joined") else { return };
    let house = House::open(&["--resume-for", "1s"]);
    let relay = Relay::start(house.web);
    let (mut bob, mut carol) = (house.join("bob"), house.join("carol"));
    for person in [&mut bob, &mut carol] {
        person.send("/join den\n");
        person.lines_until(|line| line.starts_with("> Joined den"));
    }
    let mut page = Page::named(&turn, relay.address, "/room/den", "ada");
    page.0.expect_errors();
    say(&mut bob, &mut carol, &["one"]);
    page.wait_for("bob: one");
    relay.cut();
    carol.lines_until(|line| line.starts_with("< The user ada left"));
    say(&mut bob, &mut carol, &["two", "three"]);
    page.say("typed meanwhile");
    // Until the server has forgotten the place, somebody else can have the name.
    loop {
        bob.send("/nick ada\n");
        let answer = bob.lines_until(|line| line.starts_with("! "));
        if answer.last().unwrap() == "! you are ada" {
            break;
        }
    }
    bob.send("/nick bob\n");
    bob.lines_until(|line| line == "! you are bob");
    relay.mend();
    page.wait_until_there();
    page.wait_for("Connected again, without your place. 2 messages meanwhile: /history 2 shows them");
    carol.lines_until(|line| line == "[ada] typed meanwhile");
    page.say("/history 3");
    page.wait_for("bob: three");
    assert_eq!(page.run("return document.getElementById('room-name').textContent"), "den");
    page.end_here();
}

#[test]
fn what_the_log_has_forgotten_is_told_and_nothing_is_said_twice() {
    let Some(turn) = turn("what_the_log_has_forgotten_is_told_and_nothing_is_said_twice") else { return };
    let house = House::open(&["--log-bytes", "256KiB", "--flood-rate", "0"]);
    let relay = Relay::start(house.web);
    let (mut bob, mut carol) = (house.join("bob"), house.join("carol"));
    let mut page = Page::named(&turn, relay.address, "/", "ada");
    page.0.expect_errors();
    relay.lose_upward();
    page.say("said or not?");
    relay.cut();
    carol.lines_until(|line| line.starts_with("< The user ada left"));
    for number in 0..100 {
        say(&mut bob, &mut carol, &[&format!("{number} {}", "x".repeat(4000))]);
    }
    relay.mend();
    page.wait_until_there();
    let told = "return document.querySelector('.missed')?.textContent.match(/^\\d+ messages not sent to you/)?.[0]";
    let told = page.until(told);
    assert_ne!(told, "0 messages not sent to you");
    assert_eq!(page.run("return document.querySelector('.unknown .state').textContent"), "perhaps not said");
    page.say("here again");
    let heard = carol.lines_until(|line| line == "[ada] here again");
    assert!(!heard.iter().any(|line| line.contains("said or not?")), "{heard:?}");
    page.end_here();
}

#[test]
fn a_line_that_is_too_long_is_not_said_and_ends_nothing() {
    let Some(turn) = turn("a_line_that_is_too_long_is_not_said_and_ends_nothing") else { return };
    let house = House::open(&[]);
    let mut carol = house.join("carol");
    let mut page = Page::named(&turn, house.web, "/", "ada");
    page.0.expect_errors();
    page.say("before");
    page.run("const d = document.getElementById('draft'); d.value = 'x'.repeat(5000); d.form.requestSubmit()");
    page.say("behind");
    let heard = carol.lines_until(|line| line == "[ada] behind");
    assert!(heard.contains(&"[ada] before".to_owned()) && !heard.iter().any(|line| line.contains("xxx")));
    page.wait_until_said();
    assert_eq!(page.run("return document.querySelectorAll('.unsaid').length"), 1);
    page.end_here();
}

#[test]
fn a_long_line_with_which_every_connection_breaks_is_given_up() {
    let Some(turn) = turn("a_long_line_with_which_every_connection_breaks_is_given_up") else { return };
    let house = House::open(&[]);
    let relay = Relay::start(house.web);
    let mut carol = house.join("carol");
    let mut page = Page::named(&turn, relay.address, "/", "ada");
    page.0.expect_errors();
    relay.break_at(2000);
    // As when the code of the close is lost: the page is not told why. With fewer than three breaks a line is sent again.
    page.run(
        "const d = document.getElementById('draft'); \
        for (const line of ['x'.repeat(3000), 'behind']) { d.value = line; d.form.requestSubmit() }",
    );
    let heard = carol.lines_until(|line| line == "[ada] behind");
    assert_eq!(heard.iter().filter(|line| line.starts_with("< The user ada left")).count(), 3, "{heard:?}");
    page.wait_until_said();
    assert_eq!(page.run("return document.querySelectorAll('.unsaid').length"), 1);
    page.end_here();
}

#[test]
fn a_page_whose_place_was_taken_does_not_come_back_by_itself() {
    let Some(turn) = turn("a_page_whose_place_was_taken_does_not_come_back_by_itself") else { return };
    let house = House::open(&[]);
    let page = Page::named(&turn, house.web, "/", "ada");
    // What the page would leave behind for the next document has the token.
    let place = page.run(
        "window.dispatchEvent(new Event('pagehide')); const place = sessionStorage.getItem('place'); \
        sessionStorage.removeItem('place'); return place",
    );
    let place: Value = serde_json::from_str(place.as_str().unwrap()).unwrap();
    let mut other = TcpStream::connect(house.server.address).unwrap();
    let token = place["token"].as_str().unwrap();
    write!(other, "/format json\n/resume {token} {}\n", place["place"]["n"]).unwrap();
    page.until("return document.getElementById('again').textContent === 'Connect'");
    let state = page.run("return document.getElementById('state').textContent");
    assert_eq!(state, "Another tab or window has taken your place.");
    // Becoming online is no reason to.
    page.run("window.dispatchEvent(new Event('online'))");
    assert_eq!(page.run("return document.getElementById('again').textContent"), "Connect");
    page.click("#again");
    page.wait_until_there();
    page.say("/quit");
    page.until("return document.getElementById('state').textContent === 'You have left.'");
    page.end_here();
}

#[test]
fn a_server_that_is_started_anew_is_found_again() {
    let Some(turn) = turn("a_server_that_is_started_anew_is_found_again") else { return };
    let web = free_address().to_string();
    let mut house = House::open_at(&web, &[]);
    let mut page = Page::named(&turn, house.web, "/room/den", "ada");
    page.0.expect_errors();
    page.say("before");
    page.wait_until_said();
    expect_stop(&mut house.server);
    page.until("return !document.getElementById('link').hidden");
    page.say("typed meanwhile");
    let house = House::open_at(&web, &[]);
    let mut bob = house.join("bob");
    bob.send("/join den\n");
    bob.lines_until(|line| line.starts_with("> Joined den"));
    page.wait_until_there();
    page.wait_for("Connected again. The room was made anew: what was said meanwhile is gone");
    page.wait_until_said();
    bob.send("welcome back\n");
    page.wait_for("bob: welcome back");
    assert_eq!(page.run("return document.getElementById('you-name').textContent"), "ada");
    page.end_here();
}

#[test]
fn who_is_muted_or_kicked_is_told_and_does_not_come_back_by_itself() {
    let Some(turn) = turn("who_is_muted_or_kicked_is_told_and_does_not_come_back_by_itself") else { return };
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "a key of operators\n").unwrap();
    let house = House::open(&["--operator-key", key.path().to_str().unwrap()]);
    let page = Page::named(&turn, house.web, "/", "ada");
    let mut mira = house.join("mira");
    mira.send("/op a key of operators\n/mute ada 1h\n");
    page.wait_for("muted for 1h");
    page.say("can you hear me?");
    page.until("return document.querySelector('.unsaid .state')?.textContent === 'not said'");
    page.wait_for("you are muted: this line was not said");
    mira.send("/unmute ada\n");
    page.wait_for("you may speak again");
    page.say("and now?");
    mira.lines_until(|line| line == "[ada] and now?");
    mira.send("/kick ada too loud\n");
    page.until("return document.getElementById('state').textContent === 'Kicked by mira: too loud.'");
    assert_eq!(page.run("return document.getElementById('again').textContent"), "Connect");
    page.run("window.dispatchEvent(new Event('online'))");
    assert_eq!(page.run("return document.getElementById('again').textContent"), "Connect");
    // An operator's key is in no storage.
    page.click("#again");
    page.wait_until_there();
    page.keys("#draft", "/op a key of operators");
    page.run("window.dispatchEvent(new Event('pagehide'))");
    assert_eq!(page.run("return JSON.stringify(sessionStorage).includes('a key')"), false);
    page.end_here();
}

#[test]
fn a_duplicate_of_a_tab_takes_nobodys_place() {
    let Some(turn) = turn("a_duplicate_of_a_tab_takes_nobodys_place") else { return };
    let house = House::open(&[]);
    let page = Page::named(&turn, house.web, "/", "ada");
    // A copy begins with a copy of what the tab has stored.
    assert_eq!(page.run("return sessionStorage.getItem('place')"), Value::Null);
    page.say("still here");
    page.wait_until_said();
    page.end_here();
}
