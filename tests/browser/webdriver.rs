//! A small client of the WebDriver protocol: Debian's ChromeDriver speaks HTTP/1.1 and JSON on loopback
//! (W3C WebDriver, and ChromeDriver's own command for the DevTools protocol).
//!
//! A library for this brings a hundred crates and an async runtime; what these tests need of the protocol is a dozen
//! requests. All that is waited for is a condition, asked again until it holds.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PATIENCE, free_address};

/// Where Debian's packages `chromium` and `chromium-driver` put them.
const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";

/// Tests take turns: a browser uses more than one core, and some of them measure time.
static TURN: Mutex<()> = Mutex::new(());

/// A test's turn.
pub struct Turn {
    _guard: MutexGuard<'static, ()>,
}

/// Says on the terminal that a test is skipped, whatever the test harness captures, and fails where `UPROAR_BROWSER` says
/// that all of them are to run.
pub fn skip(test: &str, why: &str) {
    // At once, or the lines of several tests are mixed.
    let _ = std::io::stderr().write_all(format!("SKIPPED {test}: {why}\n").as_bytes());
    assert!(std::env::var_os("UPROAR_BROWSER").is_none(), "{why}");
}

/// Waits for this test's turn. `None` where there is no Chromium, and the test is skipped.
pub fn turn(test: &str) -> Option<Turn> {
    let missing: Vec<&str> =
        [CHROMIUM, CHROMEDRIVER].into_iter().filter(|program| !Path::new(program).exists()).collect();
    if missing.is_empty() {
        return Some(Turn { _guard: TURN.lock().unwrap_or_else(PoisonError::into_inner) });
    }
    skip(test, &format!("{} missing: apt-get install chromium chromium-driver", missing.join(", ")));
    None
}

/// The end of what the page shows, for a test that fails.
const END: &str = "return document.body.innerText.slice(-1500)";

/// Keys that have no character.
pub const ENTER: char = '\u{e007}';

/// A browser with one window, and a profile of its own that is removed afterwards.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    /// The path of all its requests.
    session: String,
    /// False once an error of the page was expected, such as a connection that a test has cut.
    is_clean: bool,
    _profile: TempDir,
}

impl Browser {
    pub fn start(_turn: &Turn) -> Self {
        let address = free_address();
        let mut driver = Command::new(CHROMEDRIVER);
        driver.arg(format!("--port={}", address.port())).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = driver.spawn().expect("chromedriver starts");
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { driver, address, session: String::new(), is_clean: true, _profile: profile };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "chromedriver does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        let profile = browser._profile.path().display();
        // Without the flags about networks it asks for hosts of its makers. As root it has no sandbox.
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1100,800",
            &format!("--user-data-dir={profile}"),
        ];
        let options = json!({ "binary": CHROMIUM, "args": arguments });
        let always = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let session = browser.post("/session", &json!({ "capabilities": { "alwaysMatch": always } }));
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session has an id"));
        browser
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        let mut stream = TcpStream::connect(self.address).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(3 * PATIENCE)).unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        let request = format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).map_err(|error| error.to_string())?;
            match line.trim_end().to_ascii_lowercase().split_once(':') {
                Some(("content-length", bytes)) => length = bytes.trim().parse().expect("a length is a number"),
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].take()),
        }
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        match self.request("POST", &format!("{}{path}", self.session), &body.to_string()) {
            Ok(value) => value,
            Err(error) => panic!("{path} {body}: {error}"),
        }
    }

    #[track_caller]
    pub fn open(&self, address: &str) {
        self.post("/url", &json!({ "url": address }));
    }

    pub fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    pub fn back(&self) {
        self.post("/back", &json!({}));
    }

    /// What a piece of JavaScript returns, a function's body.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// As [`Self::run`], for a body that awaits.
    #[track_caller]
    pub fn run_async(&self, script: &str) -> Value {
        let script =
            format!("const done = arguments[0]; (async () => {{ {script} }})().then(done, (e) => done(String(e)))");
        self.post("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Asks until what the script returns is true, or something, and returns that.
    #[track_caller]
    pub fn until(&self, script: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.run(script);
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return value;
            }
            assert!(Instant::now() < deadline, "never true: {script}\n{}", self.run(END));
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// A command of the DevTools protocol.
    #[track_caller]
    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().and_then(|members| members.values().next()).and_then(Value::as_str);
        id.expect("an element has an id").to_owned()
    }

    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.post(&format!("/element/{}/click", self.element(selector)), &json!({}));
    }

    /// Presses keys in an element.
    #[track_caller]
    pub fn keys(&self, selector: &str, text: &str) {
        self.post(&format!("/element/{}/value", self.element(selector)), &json!({ "text": text }));
    }

    /// Hides the window from sight, as behind another, or shows it again.
    pub fn hide(&self, is_hidden: bool) {
        let window = self.devtools("Browser.getWindowForTarget", json!({}))["windowId"].take();
        let bounds = json!({ "windowState": if is_hidden { "minimized" } else { "normal" } });
        self.devtools("Browser.setWindowBounds", json!({ "windowId": window, "bounds": bounds }));
        self.until(&format!("return document.hidden === {is_hidden}"));
    }

    pub fn prefer(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    pub fn screenshot(&self) -> Vec<u8> {
        let picture = self.request("GET", &format!("{}/screenshot", self.session), "").expect("a picture");
        BASE64.decode(picture.as_str().expect("a picture is a string").as_bytes()).expect("in base64")
    }

    /// From now on errors of the page are expected.
    pub fn expect_errors(&mut self) {
        self.is_clean = false;
    }

    /// What the page, or the browser about it, has complained of: errors, and what its own policy forbids.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "browser" }));
        let texts = log.as_array().into_iter().flatten().map(|entry| entry["message"].to_string());
        texts.collect()
    }

    /// Ends with what the page has to say of itself.
    #[track_caller]
    pub fn end(self) {
        if self.is_clean {
            assert_eq!(self.complaints(), Vec::<String>::new());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // So that Chromium ends too, which is a child of the driver.
        let _ = self.request("DELETE", &self.session, "");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
