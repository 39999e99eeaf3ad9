//! Requests as browsers, proxies, tools and attackers send them.

use proptest::prelude::*;
use tungstenite::handshake::derive_accept_key;

use super::*;

/// What Firefox 133 sends, without most of its cookies.
const FIREFOX: &str = "GET /ws?room=tea HTTP/1.1\r\nHost: chat.example:8080\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\
    Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nSec-WebSocket-Version: 13\r\n\
    Origin: http://chat.example:8080\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: keep-alive, Upgrade\r\nCookie: a=b\r\n\
    Sec-Fetch-Dest: empty\r\nPragma: no-cache\r\nCache-Control: no-cache\r\nUpgrade: websocket\r\n\r\n";

fn read(text: &str) -> Result<Option<Request<'_>>, Status> {
    Request::read(text.as_bytes())
}

#[track_caller]
fn request(text: &str) -> Request<'_> {
    read(text).unwrap_or_else(|status| panic!("{status:?}: {text}")).expect("it is complete")
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn room(name: &str) -> Option<RoomName> {
    Some(RoomName::parse(name).unwrap())
}

#[test]
fn a_browser_may_open_a_websocket() {
    let request = request(FIREFOX);
    assert_eq!(request.bytes, FIREFOX.len());
    assert_eq!(request.route(), Ok(Route::WebSocket(room("tea"))));
    let key = request.websocket_key(&Origins::SameHost).expect("it may");
    let mut answer = Vec::new();
    switch(key, &mut answer);
    let accepted = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert!(answer.ends_with(accepted.as_bytes()), "the example of RFC 6455, section 1.3");
    assert_eq!(accept(key), derive_accept_key(key).as_bytes(), "as tungstenite has it");
}

#[test]
fn a_head_is_complete_with_its_empty_line_and_not_before() {
    for end in 0..FIREFOX.len() {
        assert!(read(&FIREFOX[..end]).is_ok_and(|request| request.is_none()), "{end} bytes");
    }
    let with_frames = format!("{FIREFOX}\u{1}\u{2}\u{3}");
    assert_eq!(request(&with_frames).bytes, FIREFOX.len(), "what follows is not part of it");
}

#[test]
fn paths_have_pages() {
    for (target, route) in [
        ("/", Ok(Route::Page)),
        ("/?x=1", Ok(Route::Page)),
        ("/room/tea", Ok(Route::Page)),
        ("/room/tea?x", Ok(Route::Page)),
        ("/ws", Ok(Route::WebSocket(None))),
        ("/ws?", Ok(Route::WebSocket(None))),
        ("/ws?other=1", Ok(Route::WebSocket(None))),
        ("/ws?a=b&room=Tea-2&c", Ok(Route::WebSocket(room("tea-2")))),
        ("/ws?room=", Err(Status::NotFound)),
        ("/ws?room=a%20b", Err(Status::NotFound)),
        ("/ws?room=123", Err(Status::NotFound)),
        ("/ws/", Err(Status::NotFound)),
        ("/room/", Err(Status::NotFound)),
        ("/room/tea/", Err(Status::NotFound)),
        ("/room/../ws", Err(Status::NotFound)),
        ("/favicon.ico", Err(Status::NotFound)),
        ("//", Err(Status::NotFound)),
    ] {
        assert_eq!(request(&get(target)).route(), route, "{target}");
    }
}

#[test]
fn only_get_and_head_are_served() {
    for (method, page, websocket) in [
        ("GET", Ok(Route::Page), Ok(Route::WebSocket(None))),
        ("HEAD", Ok(Route::Page), Err(Status::MethodNotAllowed)),
        ("POST", Err(Status::MethodNotAllowed), Err(Status::MethodNotAllowed)),
        ("get", Err(Status::MethodNotAllowed), Err(Status::MethodNotAllowed)),
    ] {
        let of = |target: &str| format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(request(&of("/")).route(), page, "{method}");
        assert_eq!(request(&of("/ws")).route(), websocket, "{method}");
    }
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b";
    assert_eq!(request(post).route(), Err(Status::MethodNotAllowed));
}

#[test]
fn what_proxies_would_read_differently_is_refused() {
    for head in [
        "hello\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ws HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nOrigin: http://b\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "\u{16}\u{3}\u{1}",
        "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    ] {
        assert_eq!(read(head).map(|_| ()), Err(Status::BadRequest), "{head:?}");
    }
    assert_eq!(request("GET / HTTP/1.0\r\n\r\n").route(), Ok(Route::Page), "HTTP/1.0 has no Host");
    assert_eq!(request("\r\nGET / HTTP/1.1\nHost: a\n\n").route(), Ok(Route::Page), "bare line feeds are allowed");
}

#[test]
fn a_head_has_bounds() {
    let long = |head: &str| format!("{head}{}", "a".repeat(HTTP_HEAD_BYTES_MAX - head.len()));
    let (target, field) = (long("GET /"), long("GET / HTTP/1.1\r\nHost: a\r\nCookie: "));
    assert!(read(&target[1..]).is_ok_and(|head| head.is_none()) && read(&field[..field.len() - 1]).is_ok());
    assert_eq!(read(&target).map(|_| ()), Err(Status::TargetTooLong));
    assert_eq!(read(&field).map(|_| ()), Err(Status::FieldsTooLarge));
    assert_eq!(read(&format!("{field}\r\n\r\n")).map(|_| ()), Err(Status::FieldsTooLarge));
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert_eq!(request(&fields(HTTP_FIELDS_MAX)).route(), Ok(Route::Page));
    assert_eq!(read(&fields(HTTP_FIELDS_MAX + 1)).map(|_| ()), Err(Status::FieldsTooLarge));
}

#[test]
fn a_handshake_says_what_is_wrong_with_it() {
    let check = |from: &str, to: &str, expected: Result<(), Status>| {
        assert!(FIREFOX.contains(from), "{from}");
        let head = FIREFOX.replace(from, to);
        assert_eq!(request(&head).websocket_key(&Origins::SameHost).map(|_| ()), expected, "{from} -> {to}");
    };
    check("Connection: keep-alive, Upgrade", "CONNECTION: UPGRADE", Ok(()));
    check("Connection: keep-alive, Upgrade", "Connection: x\r\nConnection: ,\tupgrade ,", Ok(()));
    check("Upgrade: websocket", "Upgrade: h2c, WebSocket", Ok(()));
    check("Upgrade: websocket\r\n", "", Err(Status::UpgradeRequired));
    check("Upgrade: websocket", "Upgrade: websockets", Err(Status::UpgradeRequired));
    check("keep-alive, Upgrade", "keep-alive", Err(Status::UpgradeRequired));
    check("Version: 13", "Version: 8", Err(Status::UpgradeRequired));
    check("Sec-WebSocket-Version: 13\r\n", "", Err(Status::UpgradeRequired));
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", Err(Status::BadRequest));
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=!", Err(Status::BadRequest));
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQAA", Err(Status::BadRequest));
    check("dGhlIHNhbXBsZSBub25jZQ==", "", Err(Status::BadRequest));
    check("HTTP/1.1", "HTTP/1.0", Err(Status::BadRequest));
    check("GET /ws", "HEAD /ws", Err(Status::MethodNotAllowed));
    check("Origin: http://chat.example:8080", "Origin: http://evil.example", Err(Status::Forbidden));
}

#[test]
fn an_origin_is_the_same_host_or_one_of_the_list() {
    let allow =
        |origins: &Origins, origin: &str, host: &str| origins.allow(Some(origin.as_bytes()), Some(host.as_bytes()));
    for (origin, host, allowed) in [
        ("http://a", "a", true),
        ("https://a", "a", true),
        ("http://A", "a", true),
        ("http://a", "a:80", true),
        ("https://a:443", "a", true),
        ("https://a", "a:443", true),
        ("http://a:8080", "a:8080", true),
        ("http://[::1]:8080", "[::1]:8080", true),
        ("http://a", "a:443", false),
        ("http://a:8080", "a", false),
        ("http://a.b", "a", false),
        ("http://a@b", "b", false),
        ("http://", "", false),
        ("null", "a", false),
        ("file://", "a", false),
        ("moz-extension://a", "a", false),
        ("a", "a", false),
    ] {
        assert_eq!(allow(&Origins::SameHost, origin, host), allowed, "{origin} at {host}");
    }
    assert!(Origins::SameHost.allow(None, Some(b"a")), "what sends no origin is no browser");
    assert!(!Origins::SameHost.allow(Some(b"http://a"), None));
    let list = Origins::of(&["https://a", "http://B:8080"].map(|origin| origin.parse().unwrap()));
    for (origin, allowed) in [
        ("https://a", true),
        ("https://a:443", true),
        ("http://b:8080", true),
        ("http://a", false),
        ("https://a:8443", false),
        ("http://host", false),
        ("null", false),
    ] {
        assert_eq!(allow(&list, origin, "host"), allowed, "{origin}");
    }
    assert!(list.allow(None, Some(b"host")));
    for wrong in ["", "a", "https://", "https://a/", "ftp://a", "https://a b", "*", "https://x@y", "null"] {
        assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
    }
}

#[test]
fn a_page_is_asked_for_again_only_when_it_is_another() {
    let (tag, other) = ("\"eb1b\"", "\"0000\"");
    for (value, has) in [(tag, true), (&format!("\"x\", W/{tag}"), true), ("*", true), ("\"x\"", false), ("", false)] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: {value}\r\n\r\n");
        assert_eq!(request(&head).has(tag), has, "{value}");
        assert_eq!(request(&head).has(other), value == "*", "{value}");
    }
    assert!(!request(&get("/")).has(tag));
}

#[test]
fn responses_have_what_keeps_a_browser_safe() {
    let page = Response {
        status: Status::Ok,
        media_type: "text/html; charset=utf-8",
        policy: "default-src 'none'",
        etag: Some("\"eb1b\""),
        body: b"hello",
    };
    let mut out = Vec::new();
    page.write(Method::Get, &mut out);
    let expected = "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache\r\n\
        ETag: \"eb1b\"\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\
        Content-Security-Policy: default-src 'none'\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
        \r\nhello";
    assert_eq!(str::from_utf8(&out).unwrap(), expected);
    out.clear();
    page.write(Method::Head, &mut out);
    assert_eq!(str::from_utf8(&out).unwrap(), expected.strip_suffix("hello").unwrap(), "the same without the body");
    out.clear();
    Response { status: Status::NotModified, ..page }.write(Method::Get, &mut out);
    assert!(out.ends_with(b"\r\n\r\n") && !String::from_utf8(out).unwrap().contains("Content-Length"));
}

/// The status and the fields of a response, as another author reads it, and its body.
fn parsed(response: &[u8]) -> (u16, Vec<(String, String)>, &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(end) = head.parse(response).expect("it is HTTP") else { panic!("it has an end") };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let fields = head.headers.iter().map(|field| (field.name.to_ascii_lowercase(), text(field.value))).collect();
    (head.code.unwrap(), fields, &response[end..])
}

#[test]
fn a_refusal_says_in_text_what_is_wrong() {
    for (status, code) in [
        (Status::BadRequest, 400),
        (Status::Forbidden, 403),
        (Status::NotFound, 404),
        (Status::MethodNotAllowed, 405),
        (Status::Timeout, 408),
        (Status::TargetTooLong, 414),
        (Status::UpgradeRequired, 426),
        (Status::TooManyRequests, 429),
        (Status::FieldsTooLarge, 431),
        (Status::Unavailable, 503),
    ] {
        let mut out = Vec::new();
        refuse(status, Method::Get, &mut out);
        let (found, fields, body) = parsed(&out);
        let value = |name: &str| fields.iter().find(|field| field.0 == name).map(|field| field.1.as_str());
        assert_eq!(found, code);
        assert_eq!(body, format!("{}\n", status.line()).as_bytes());
        assert_eq!(value("content-length"), Some(body.len().to_string().as_str()));
        assert_eq!(value("connection"), Some("close"));
        assert_eq!(value("allow").is_some(), status == Status::MethodNotAllowed);
        assert_eq!(value("retry-after").is_some(), matches!(code, 429 | 503));
        assert_eq!(value("sec-websocket-version"), (code == 426).then_some("13"));
        let mut head = Vec::new();
        refuse(status, Method::Head, &mut head);
        assert_eq!([head.as_slice(), body].concat(), out);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered_or_awaited(
        head in prop::sample::select(vec!["", "GET ", "GET /ws HTTP/1.1\r\n", FIREFOX]),
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), any::<u8>()], 0..300),
    ) {
        let bytes = [head.as_bytes(), &bytes].concat();
        if let Ok(Some(request)) = Request::read(&bytes) {
            prop_assert!(request.bytes <= bytes.len());
            let _ = request.route();
            let _ = request.websocket_key(&Origins::SameHost);
            let again = Request::read(&bytes[..request.bytes]);
            prop_assert!(again.is_ok_and(|again| again.is_some_and(|again| again.bytes == request.bytes)));
        }
    }
}
