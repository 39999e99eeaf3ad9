//! Two browsers and a plain client talk: lines, names, rooms, lists, private lines, notices.

use crate::house::{House, Page};
use crate::webdriver::{ENTER, turn};

#[test]
fn two_browsers_and_a_plain_client_talk() {
    let Some(turn) = turn("two_browsers_and_a_plain_client_talk") else { return };
    let house = House::open(&[]);
    let mut carol = house.join("carol");
    let (ada, bob) = (Page::named(&turn, house.web, "/", "ada"), Page::named(&turn, house.web, "/room/lobby", "bob"));
    ada.say("good morning");
    bob.wait_for("ada: good morning");
    carol.lines_until(|line| line == "[ada] good morning");
    carol.send("and a good day\n/me waves\n");
    ada.wait_for("carol: waves");
    bob.say("//help is a command");
    carol.lines_until(|line| line == "[bob] /help is a command");
    bob.say("/me sits down");
    carol.lines_until(|line| line == "* bob sits down");
    ada.wait_for("bob: sits down");
    let all =
        ["ada: good morning", "carol: and a good day", "carol: waves", "bob: /help is a command", "bob: sits down"];
    for page in [&ada, &bob] {
        page.wait_until_said();
        assert_eq!(page.talk(), all);
    }
    // Several lines at once are several messages.
    ada.run("const d = document.getElementById('draft'); d.value = 'one\\n\\ntwo'; d.form.requestSubmit()");
    carol.lines_until(|line| line == "[ada] two");
    ada.say("/msg carol psst");
    carol.lines_until(|line| line == "[ada to you] psst");
    carol.send("/msg ada yes?\n");
    ada.wait_for("carol: yes?");
    assert_eq!(ada.run("return document.querySelector('.private .tag').textContent"), "to carol");
    assert_eq!(ada.run("return [...document.querySelectorAll('.private .tag')].at(-1).textContent"), "to you");
    assert!(!bob.talk().iter().any(|line| line.contains("psst") || line.contains("yes?")));
    ada.say("/msg nobody-here psst");
    ada.wait_for("nobody is called nobody-here");
    assert_eq!(ada.run("return document.querySelector('.unsaid .state').textContent"), "not said");
    ada.end_here();
    bob.end_here();
}

#[test]
fn names_rooms_and_lists_have_controls() {
    let Some(turn) = turn("names_rooms_and_lists_have_controls") else { return };
    let house = House::open(&[]);
    let mut carol = house.join("carol");
    carol.send("/join den\n");
    carol.lines_until(|line| line.starts_with("> Joined den"));
    let page = Page::open(&turn, house.web, "/");
    let dave = house.join("dave");
    // A name.
    page.click("#you");
    page.keys("#nick", &format!("carol{ENTER}"));
    page.until("return document.getElementById('nick-wrong').textContent === 'the name carol is taken'");
    page.run("document.getElementById('nick').value = ''");
    page.keys("#nick", &format!("ada{ENTER}"));
    page.until("return !document.getElementById('you-dialog').open");
    assert_eq!(page.run("return document.getElementById('you-name').textContent"), "ada");
    // Who is here.
    page.click("#people");
    page.until(
        "return [...document.querySelectorAll('#people-list li')].map((li) => li.textContent).join(' ') === 'adayou dave'",
    );
    page.click("#people-list li:last-child button");
    assert_eq!(page.run("return document.getElementById('draft').value"), "/msg dave ");
    page.run("document.getElementById('draft').value = ''");
    // Rooms: the list, and going there.
    page.click("#room");
    page.until("return document.querySelectorAll('#rooms-list li').length === 2");
    page.run("[...document.querySelectorAll('#rooms-list button')].find((b) => b.textContent === 'den1').click()");
    page.until("return document.getElementById('room-name').textContent === 'den'");
    assert_eq!(page.run("return location.pathname"), "/room/den");
    page.say("anybody here?");
    carol.lines_until(|line| line == "[ada] anybody here?");
    page.until("return document.getElementById('online').textContent === '2'");
    page.run("history.back()");
    page.until("return document.getElementById('room-name').textContent === 'lobby'");
    // Commands that are typed are answered among the lines.
    page.say("/who");
    page.wait_for("page 1 of 1");
    assert!(page.lines().contains(&"dave".to_owned()));
    page.say("/nonsense");
    page.wait_for("there is no command /nonsense: /help lists them, //nonsense says it");
    dave.leave();
    page.until("return [...document.querySelectorAll('.presence')].at(-1).textContent.includes('dave left')");
    page.end_here();
}

#[test]
fn what_others_say_is_text_and_nothing_else() {
    let Some(turn) = turn("what_others_say_is_text_and_nothing_else") else { return };
    let house = House::open(&[]);
    let page = Page::open(&turn, house.web, "/");
    let mut mallory = house.join("mallory");
    let lines = [
        "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>",
        "javascript:alert(1) data:text/html,x http:// https://[ HTTPS://Example.org/A?b=<i>",
        "see https://example.org/a_(b), (https://example.org/c). \"https://example.org/d\"",
    ];
    for line in lines {
        mallory.send(format!("{line}\n"));
    }
    page.wait_for(&format!("mallory: {}", lines[2]));
    assert_eq!(page.talk(), lines.map(|line| format!("mallory: {line}")));
    let foreign = page.run("return document.querySelectorAll('#list :not(div, b, span, time, a)').length");
    assert_eq!(foreign, 0);
    let links = page.run(
        "return [...document.querySelectorAll('#list a')].map((a) => \
            [a.getAttribute('href'), a.rel, a.target].join(' '))",
    );
    let safe = |address: &str| format!("{address} noopener noreferrer nofollow _blank");
    let expected =
        ["HTTPS://Example.org/A?b=", "https://example.org/a_(b)", "https://example.org/c", "https://example.org/d"];
    assert_eq!(links, serde_json::json!(expected.map(safe)));
    // The page's own policy lets nothing else run: neither an attribute nor a script that somebody adds.
    page.run(
        "document.body.setAttribute('onclick', \"document.title = 'broken'\"); document.body.click(); \
        const script = document.createElement('script'); script.textContent = \"document.title = 'broken'\"; \
        document.body.append(script)",
    );
    assert_eq!(page.run("return document.title"), "lobby · uproar");
    assert!(page.complaints().iter().any(|text| text.contains("Content Security Policy")), "the policy was broken");
}
