//! What axe-core finds, in both schemes and with each dialog open; and that a screen reader comes to an end.
//!
//! axe-core comes from the npm registry (`.ci/browser` fetches it and checks its hash). It is not in this repository.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::house::{House, Page};
use crate::webdriver::{skip, turn};

fn axe() -> Option<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let file = std::env::var_os("UPROAR_AXE").map_or_else(|| root.join("target/browser/axe.min.js"), PathBuf::from);
    fs::read_to_string(file).ok()
}

/// What is wrong, a line each.
fn violations(page: &Page) -> Vec<String> {
    let found = page.run_async(
        "const { violations } = await axe.run(document, { resultTypes: ['violations'] }); \
        return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target} ${n.failureSummary}`))",
    );
    let found = found.as_array().unwrap_or_else(|| panic!("axe answers with a list, not with {found}"));
    found.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn axe_finds_nothing_in_either_scheme() {
    let Some(turn) = turn("axe_finds_nothing_in_either_scheme") else { return };
    let Some(axe) = axe() else {
        skip("axe_finds_nothing_in_either_scheme", "axe-core missing: .ci/browser fetches it");
        return;
    };
    let house = House::open(&[]);
    let page = Page::named(&turn, house.web, "/", "ada");
    // Every colour that a name can have, and every kind of line.
    let mut bob = house.join("bob");
    for number in 0..45 {
        bob.send(format!("/nick n{number}\nI am n{number} https://example.org/{number}\n"));
    }
    bob.send("/nick bob\n/me waves to ada\nhello ada\n/msg ada psst\n");
    page.say("hello");
    page.say("/nonsense");
    page.say("/msg nobody-here psst");
    page.wait_for("nobody is called nobody-here");
    page.wait_for("bob: psst");
    page.run(&axe);
    for scheme in ["light", "dark"] {
        page.prefer(scheme);
        for (width, height) in [(1100, 2400), (360, 3600)] {
            page.resize(width, height);
            for dialog in ["", "room", "people", "you"] {
                if !dialog.is_empty() {
                    page.click(&format!("#{dialog}"));
                    page.until("return document.getAnimations().length === 0");
                }
                assert_eq!(violations(&page), Vec::<String>::new(), "{scheme}, {width} wide, dialog {dialog:?}");
                page.run("document.querySelector('dialog[open]')?.close()");
            }
        }
    }
    page.end_here();
}

#[test]
fn every_colour_of_a_name_has_enough_contrast() {
    let Some(turn) = turn("every_colour_of_a_name_has_enough_contrast") else { return };
    let house = House::open(&[]);
    let page = Page::open(&turn, house.web, "/");
    // WCAG 2, AA for text of this size: 4.5. As the browser paints them.
    let lowest = "const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true }); \
        const style = getComputedStyle(document.documentElement); \
        const light = (colour) => { \
            canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); \
            const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255) \
                .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)); \
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05; }; \
        const of = (name) => style.getPropertyValue(name); \
        const backs = ['--back', '--panel', '--tint', '--mention', '--raised'].map((name) => light(of(name))); \
        const ratios = []; \
        for (let hue = 0; hue < 360; hue++) { \
            const name = light(`oklch(${of('--name-lightness')} ${of('--name-chroma')} ${hue})`); \
            for (const back of backs) ratios.push(Math.max(name / back, back / name)); } \
        return Math.min(...ratios)";
    for scheme in ["light", "dark"] {
        page.prefer(scheme);
        let lowest = page.run(lowest).as_f64().unwrap();
        assert!((4.5..21.0).contains(&lowest), "{scheme}: {lowest}");
        println!("{scheme}: at least {lowest:.2}");
    }
    page.end_here();
}

#[test]
fn a_screen_reader_is_told_a_number_when_it_could_not_follow() {
    let Some(turn) = turn("a_screen_reader_is_told_a_number_when_it_could_not_follow") else { return };
    let house = House::open(&["--flood-rate", "0"]);
    let page = Page::open(&turn, house.web, "/");
    let mut bob = house.join("bob");
    let live = "return document.getElementById('log').getAttribute('aria-live')";
    bob.send("one\n");
    page.wait_for("bob: one");
    assert_eq!(page.run(live), "polite");
    for number in 0..100 {
        bob.send(format!("line {number}\n"));
    }
    page.wait_for("bob: line 99");
    assert_eq!(page.run(live), "off");
    page.until("return /^10[01] new messages$/.test(document.getElementById('summary').textContent)");
    page.until(&live.replace("return ", "return 'polite' === "));
    // The switch.
    page.click("#you");
    page.click("#aloud");
    assert_eq!(page.run(live), "off");
    page.end_here();
}

#[test]
fn all_of_it_can_be_done_with_keys() {
    let Some(turn) = turn("all_of_it_can_be_done_with_keys") else { return };
    let house = House::open(&[]);
    let page = Page::open(&turn, house.web, "/");
    const TAB: char = '\u{e004}';
    const ESCAPE: char = '\u{e00c}';
    let focus = "return document.activeElement.id";
    page.keys("body", &TAB.to_string());
    for id in ["room", "people", "you", "log", "draft", "send"] {
        assert_eq!(page.run(focus), id);
        let outline = "return getComputedStyle(document.activeElement.id === 'draft' ? document.activeElement.form : \
            document.activeElement).outlineStyle";
        assert_ne!(page.run(outline), "none", "the focus on {id} can be seen");
        page.keys(&format!("#{id}"), &TAB.to_string());
    }
    page.run("document.getElementById('you').focus()");
    page.keys("#you", "\u{e007}");
    page.until("return document.getElementById('you-dialog').open");
    page.keys("#nick", &ESCAPE.to_string());
    page.until("return !document.getElementById('you-dialog').open");
    assert_eq!(page.run(focus), "you", "the focus is where it was");
    page.end_here();
}
