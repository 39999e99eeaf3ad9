//! Busy rooms: the page answers keys, keeps its memory, and leaves a reader who has scrolled up where he is.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::house::{House, Page};
use crate::support::Person;
use crate::webdriver::{Browser, turn};

const LINES_PER_SECOND: u32 = 2000;

/// How long the page is given; `UPROAR_BUSY_SECONDS` says otherwise.
const BUSY: Duration = Duration::from_secs(10);

/// Longest wait, at the 99th percentile, from a key until the next frame. A page that draws every line anew, or keeps
/// all of them, takes seconds.
const KEY_WAIT_MAX: f64 = 200.0;

/// How much the heap may be larger at the end than in the middle.
const GROWTH_MAX: f64 = 6.0e6;

/// Measures, for each key, how long after the browser has got it the frame is drawn that shows it. A message is handled
/// behind the frame whose callback has posted it.
const MEASURE: &str = "window.waits = []; const after = new MessageChannel(); const starts = []; \
    after.port1.onmessage = () => { window.waits.push(performance.now() - starts.shift()); }; \
    document.getElementById('draft').addEventListener('keydown', (event) => { \
        starts.push(event.timeStamp); requestAnimationFrame(() => after.port2.postMessage(0)); });";

fn heap(page: &Browser) -> f64 {
    page.devtools("HeapProfiler.collectGarbage", json!({}));
    let metrics = page.devtools("Runtime.getHeapUsage", json!({}));
    metrics["usedSize"].as_f64().expect("a heap has a size")
}

/// Says lines at that rate until told to stop, and returns how many.
fn flood(mut author: Person, time: Duration) -> u32 {
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < time {
        let due = (start.elapsed().as_secs_f64() * f64::from(LINES_PER_SECOND)) as u32;
        for number in sent..due {
            // Some take several rows.
            let words = "as lines in a large room are, ".repeat(if number % 10 == 0 { 12 } else { 1 });
            author.send(format!("line {number}, of some length, {words}\n"));
        }
        sent = due;
        // Its pace, not a wait for something.
        thread::sleep(Duration::from_millis(10));
    }
    author.send("the last one\n");
    author.leave();
    sent
}

#[test]
fn two_thousand_lines_a_second_leave_the_page_answering_and_its_memory_flat() {
    let Some(turn) = turn("two_thousand_lines_a_second_leave_the_page_answering_and_its_memory_flat") else { return };
    let seconds = std::env::var("UPROAR_BUSY_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let time = seconds.map_or(BUSY, Duration::from_secs);
    let house = House::open(&["--flood-rate", "0"]);
    let page = Page::named(&turn, house.web, "/", "ada");
    page.run(MEASURE);
    let author = house.join("bob");
    let flood = thread::spawn(move || flood(author, time));
    let start = Instant::now();
    // As many as the page keeps come in three seconds; afterwards nothing may grow.
    let mut heaps = Vec::new();
    let mut keys = 0;
    while start.elapsed() + Duration::from_millis(500) < time {
        page.keys("#draft", "a");
        keys += 1;
        if start.elapsed() > time * (heaps.len() as u32 + 2) / 5 {
            heaps.push(heap(&page));
        }
    }
    let sent = flood.join().unwrap();
    page.wait_for("bob: the last one");
    heaps.push(heap(&page));
    let waits = page.run("return window.waits.sort((a, b) => a - b)");
    let waits: Vec<f64> = waits.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
    let nodes = page.devtools("Memory.getDOMCounters", json!({}))["nodes"].as_u64().unwrap();
    let megabytes: Vec<String> = heaps.iter().map(|bytes| format!("{:.1}", bytes / 1e6)).collect();
    println!(
        "{sent} lines in {time:?}; {keys} keys, until the next frame p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms; heap {} MB; \
        {nodes} nodes",
        at(0.5),
        at(0.99),
        at(1.0),
        megabytes.join(", "),
    );
    assert_eq!(page.run("return document.getElementById('draft').value.length"), keys, "each key was taken");
    assert_eq!(page.run("return document.querySelectorAll('#list > *').length"), 500);
    let last = page.run("return [...document.querySelectorAll('#list > .message')].at(-2).textContent");
    assert!(last.as_str().unwrap().contains(&format!("line {}", sent - 1)), "{last}");
    let missed = page.run("return document.querySelectorAll('.missed').length");
    assert_eq!(missed, 0, "the page keeps up");
    let below =
        page.run("const l = document.getElementById('log'); return l.scrollHeight - l.scrollTop - l.clientHeight");
    assert!(below.as_f64().unwrap() < 2.0, "the last line is in sight: {below}");
    assert!(at(0.99) < KEY_WAIT_MAX, "p99 {} ms", at(0.99));
    assert!(heaps.last().unwrap() - heaps[0] < GROWTH_MAX, "the heap grows: {megabytes:?} MB");
    assert!(nodes < 20_000, "{nodes} nodes");
    page.end_here();
}

#[test]
fn who_has_scrolled_up_reads_on_and_is_told_how_many_are_new() {
    let Some(turn) = turn("who_has_scrolled_up_reads_on_and_is_told_how_many_are_new") else { return };
    let house = House::open(&["--flood-rate", "0"]);
    let page = Page::open(&turn, house.web, "/");
    let mut bob = house.join("bob");
    for number in 0..2000 {
        bob.send(format!("line {number}\n"));
    }
    page.wait_for("bob: line 1999");
    let log = "const log = document.getElementById('log');";
    let told = |news: u32| {
        format!(
            "const newer = document.getElementById('newer'); return !newer.hidden && newer.textContent === '{news} new ↓'"
        )
    };
    // The line in sight at the top, and how far from the top it stands.
    let top = format!(
        "{log} const top = log.getBoundingClientRect().top; \
        const row = [...document.querySelectorAll('.line')].find((r) => r.getBoundingClientRect().bottom > top); \
        return [row.textContent.slice(0, 14), Math.round(row.getBoundingClientRect().top - top)]"
    );
    page.run(&format!("{log} log.scrollTop = log.scrollHeight / 2"));
    // Rows that were never in sight are as high as they are from the next frame on.
    page.wait_for_frames();
    let before = page.run(&top);
    for number in 2000..2037 {
        bob.send(format!("line {number}\n"));
    }
    page.until(&told(37));
    assert_eq!(page.run(&top), before, "what is read stays where it is");
    // Near the first that is drawn, earlier ones are drawn above it, and it stays where it is too.
    let first = "document.querySelector('.message').textContent.split(' ')[2]";
    let before = page.run(&format!("document.getElementById('log').scrollTop = 280; return {first}"));
    page.until(&format!("return {first} < {before}"));
    page.wait_for_frames();
    let place = "const log = document.getElementById('log'); \
        const row = [...document.querySelectorAll('.message')].find((r) => r.textContent.split(' ')[2] === FIRST); \
        return Math.abs(row.getBoundingClientRect().top - log.getBoundingClientRect().top + 280)";
    let moved = page.run(&place.replace("FIRST", &before.to_string())).as_f64().unwrap();
    assert!(moved < 100.0, "what is read stays where it is, but for heights that were not known: {moved}");
    // A few points are enough not to be pulled down again by the next lines.
    page.click("#newer");
    page.wait_for_frames();
    page.run(&format!("{log} log.scrollTop -= 5"));
    bob.send("what comes next\n");
    page.until(&told(1));
    // Up to the first of all, in steps.
    page.until(&format!(
        "{log} log.scrollTop = 0; return [...document.querySelectorAll('.message')][0].textContent.includes('line 0 ')"
    ));
    assert!(page.run("return document.querySelectorAll('#list > *').length").as_u64().unwrap() <= 500);
    // And down again to the last.
    page.until(&format!("{log} log.scrollTop = log.scrollHeight; return document.getElementById('newer').hidden"));
    assert_eq!(page.talk().last().unwrap(), "bob: what comes next");
    // The lines of the whole way stand without a gap.
    let numbers = page.run(
        "return [...document.querySelectorAll('.message')].slice(0, -1).map((row) => +/line (\\d+)/.exec(row.textContent)[1]) \
        .every((n, i, all) => i === 0 || n === all[i - 1] + 1)",
    );
    assert_eq!(numbers, true);
    // The button goes to the end at once.
    page.run(&format!("{log} log.scrollTop = 0"));
    bob.send("one more\n");
    page.until(&told(1));
    page.click("#newer");
    page.until(&format!("{log} return log.scrollHeight - log.scrollTop - log.clientHeight < 2"));
    assert_eq!(page.talk().last().unwrap(), "bob: one more");
    page.end_here();
}

#[test]
fn a_hidden_page_draws_nothing_until_it_is_looked_at() {
    let Some(turn) = turn("a_hidden_page_draws_nothing_until_it_is_looked_at") else { return };
    let house = House::open(&["--flood-rate", "0"]);
    let page = Page::open(&turn, house.web, "/");
    let (mut bob, mut carol) = (house.join("bob"), house.join("carol"));
    bob.send("before\n");
    page.wait_for("bob: before");
    page.hide(true);
    for number in 0..1000 {
        bob.send(format!("line {number}\n"));
    }
    carol.lines_until(|line| line == "[bob] line 999");
    page.until("return document.title === '(1,000) lobby · uproar'");
    assert_eq!(page.talk(), ["bob: before"]);
    page.hide(false);
    page.wait_for("bob: line 999");
    page.until("return document.title === 'lobby · uproar'");
    page.end_here();
}
