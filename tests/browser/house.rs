//! A server with its door for browsers, and a browser that looks at its page.

use std::net::SocketAddr;
use std::ops::Deref;

use serde_json::Value;

use crate::support::{Person, Server};
use crate::webdriver::{Browser, ENTER, Turn};

/// A server with a door for plain clients and one for browsers.
pub struct House {
    pub server: Server,
    pub web: SocketAddr,
}

impl House {
    pub fn open(options: &[&str]) -> Self {
        Self::open_at("127.0.0.1:0", options)
    }

    /// With its door for browsers at an address that was chosen before.
    pub fn open_at(web: &str, options: &[&str]) -> Self {
        let server = Server::start(&[&["--web", web], options].concat());
        let web = server.door("web");
        Self { server, web }
    }

    /// Somebody with a plain client, who has taken a name.
    pub fn join(&self, name: &str) -> Person {
        let mut person = self.server.join();
        person.send(format!("/nick {name}\n"));
        person.lines_until(|line| line == format!("! you are {name}"));
        person
    }
}

/// A browser that shows the page.
pub struct Page(pub Browser);

impl Deref for Page {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.0
    }
}

/// The text of a line on the page, with who said it.
const TEXT_OF: &str = "(row) => [row.querySelector('.name')?.textContent, row.querySelector('.text')?.firstChild && \
    [...row.querySelector('.text').childNodes].filter((n) => !['state', 'tag'].includes(n.className)) \
    .map((n) => n.textContent).join('').trim()].filter(Boolean).join(': ')";

impl Page {
    /// Opens the page and waits until it is in its room.
    pub fn open(turn: &Turn, web: SocketAddr, path: &str) -> Self {
        let page = Self(Browser::start(turn));
        page.0.open(&format!("http://{web}{path}"));
        page.wait_until_there();
        page
    }

    /// Waits until the page is where it wants to be.
    #[track_caller]
    pub fn wait_until_there(&self) {
        self.until(
            "return document.getElementById('link').hidden && document.getElementById('you-name').textContent !== '…'",
        );
    }

    /// The same under a name.
    pub fn named(turn: &Turn, web: SocketAddr, path: &str, name: &str) -> Self {
        let page = Self::open(turn, web, path);
        page.say(&format!("/nick {name}"));
        page.until(&format!("return document.getElementById('you-name').textContent === '{name}'"));
        page
    }

    /// Types a line and sends it.
    pub fn say(&self, line: &str) {
        self.keys("#draft", &format!("{line}{ENTER}"));
    }

    /// The lines on the page as `NAME: TEXT`, or `TEXT` of those that nobody said.
    #[track_caller]
    pub fn lines(&self) -> Vec<String> {
        let lines = self.run(&format!("return [...document.querySelectorAll('.line')].map({TEXT_OF})"));
        lines.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Those of them that somebody said.
    #[track_caller]
    pub fn talk(&self) -> Vec<String> {
        let talk = ".line.message, .line.action, .line.private";
        let lines = self.run(&format!("return [...document.querySelectorAll('{talk}')].map({TEXT_OF})"));
        lines.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Waits until a line is on the page.
    #[track_caller]
    pub fn wait_for(&self, line: &str) {
        let line = Value::from(line);
        self.until(&format!("return [...document.querySelectorAll('.line')].map({TEXT_OF}).includes({line})"));
    }

    /// Waits until what the page knows is drawn, and has its size.
    #[track_caller]
    pub fn wait_for_frames(&self) {
        self.run_async("await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
    }

    /// Waits until nothing of what was typed here waits for its number.
    #[track_caller]
    pub fn wait_until_said(&self) {
        self.wait_for_frames();
        self.until("return !document.querySelector('.sending')");
    }
}

impl Page {
    /// Ends, and the page has complained of nothing.
    #[track_caller]
    pub fn end_here(self) {
        self.0.end();
    }
}
