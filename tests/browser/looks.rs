//! Pictures of the page for people to look at: light, dark, and as narrow as a phone, in `target/browser`.

use std::fs;
use std::path::PathBuf;

use crate::house::{House, Page};
use crate::webdriver::turn;

#[test]
fn pictures_for_people() {
    let Some(turn) = turn("pictures_for_people") else { return };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/browser");
    fs::create_dir_all(&folder).unwrap();
    let key = tempfile::NamedTempFile::new().unwrap();
    fs::write(key.path(), "a key of operators\n").unwrap();
    let house = House::open(&["--hide-addresses", "--operator-key", key.path().to_str().unwrap()]);
    let page = Page::named(&turn, house.web, "/room/bridges", "ada");
    let people = ["mira", "bob", "carol", "dave"].map(|name| {
        let mut person = house.join(name);
        person.send("/join bridges\n");
        person.lines_until(|line| line.starts_with("> Joined bridges"));
        person
    });
    let [mut mira, mut bob, mut carol, dave] = people;
    mira.send("/op a key of operators\n/topic Bridges of Europe: cables, arches and the odd ferry\n");
    page.until("return document.getElementById('topic').textContent.startsWith('Bridges')");
    bob.send("Good morning! Did anybody read the article about the old bridge in the harbour?\n");
    bob.send("It is at https://example.org/bridges/harbour.html, quite long but worth it.\n");
    page.wait_for("bob: It is at https://example.org/bridges/harbour.html, quite long but worth it.");
    carol.send("I did. The part on cable fatigue surprised me: 88 of them had to be replaced after two years, because of salt water\n");
    page.wait_for("carol: I did. The part on cable fatigue surprised me: 88 of them had to be replaced after two years, because of salt water");
    page.say("Not yet, I keep it for the train tonight");
    page.say("What about the pylons?");
    page.wait_until_said();
    bob.send("ada: those are fine, see the second half\n");
    page.wait_for("bob: ada: those are fine, see the second half");
    carol.send("/me looks for the drawings\n");
    page.wait_for("carol: looks for the drawings");
    bob.send("/msg ada the author is a friend of mine, shall I introduce you?\n");
    page.wait_for("bob: the author is a friend of mine, shall I introduce you?");
    page.say("/msg bob yes please!");
    page.wait_until_said();
    dave.leave();
    page.until("return document.querySelector('#list').textContent.includes('dave left')");
    mira.send("/announce A short break at noon: the server moves to a new machine\n");
    page.wait_for("A short break at noon: the server moves to a new machine");
    carol.send(
        "Found them: the deck hangs from the cables in pairs, so that one can be taken out while traffic goes on.\n",
    );
    page.until("return [...document.querySelectorAll('.message')].at(-1).textContent.includes('Found them')");
    page.until("return document.getElementById('online').textContent === '4'");
    let shoot = |name: &str| {
        page.until("return document.getAnimations().length === 0");
        fs::write(folder.join(name), page.screenshot()).unwrap();
    };
    for (width, height, name) in [(1000, 640, "wide"), (360, 740, "phone")] {
        page.resize(width, height);
        for scheme in ["light", "dark"] {
            page.prefer(scheme);
            shoot(&format!("{name}-{scheme}.png"));
            for dialog in ["room", "people", "you"] {
                page.click(&format!("#{dialog}"));
                page.until("return document.querySelector('dialog[open]')");
                shoot(&format!("{name}-{scheme}-{dialog}.png"));
                page.run("document.querySelector('dialog[open]').close()");
            }
        }
        // Nothing stands beside the window.
        assert_eq!(page.run("return document.documentElement.scrollWidth <= innerWidth"), true, "{name}");
    }
    page.end_here();
}
