//! Attacks on text: bytes that a member may send, and exactly what the others read because of it.
//!
//! The rules are few. A line ends at a line feed, and a carriage return before it belongs to the ending. C0 but tab,
//! DEL, C1, the line and paragraph separators and format characters (general category Cf) are dropped, but the joiners
//! U+200C and U+200D, and the tags of a flag. Of combining marks in a row the ninth and later are dropped. Each run of
//! invalid bytes becomes one U+FFFD. A line with nothing to see in it is none: spaces, joiners, variation selectors,
//! fillers. Everything else is left alone: what letters look like is not a server's business, because the author's
//! address stands in front of every line.

use super::{Case, Draft, Step, about, case, reads, sends};

/// A name, what is sent without its last line feed, and the lines that come of it. All of it is shorter than any limit.
pub type Attack = (&'static str, &'static [u8], &'static [&'static str]);

/// Every attack, by the section of `docs/PROTOCOL.md` that says what comes of it.
pub const ATTACKS: &[(&str, &[Attack])] = &[
    ("line-endings", ENDINGS),
    ("unchanged-text", BLANK),
    ("control-characters", C0),
    ("control-characters", ESCAPES),
    ("control-characters", C1),
    ("invalid-utf-8", INVALID),
    ("unchanged-text", VALID),
    ("format-characters", FORMAT),
    ("combining-marks", MARKS),
    ("format-characters", DIRECTION),
    ("forging", PRETENDING),
    ("not-other-protocols", OTHER_PROTOCOLS),
];

const ENDINGS: &[Attack] = &[
    ("one line", b"hello", &["hello"]),
    ("two lines", b"one\ntwo", &["one", "two"]),
    ("windows ending", b"hello\r", &["hello"]),
    ("windows endings", b"one\r\ntwo\r", &["one", "two"]),
    ("mixed endings", b"one\r\ntwo\nthree\r", &["one", "two", "three"]),
    ("telnet's carriage return and nul", b"one\r\0two", &["onetwo"]),
    ("two carriage returns before the ending", b"hello\r\r", &["hello"]),
    ("line feed before carriage return", b"one\n\rtwo", &["one", "two"]),
    ("carriage return alone is no ending", b"one\rtwo", &["onetwo"]),
    ("a carriage return that hides what was before it", b"friend\rfoe", &["friendfoe"]),
    ("a carriage return first", b"\rhello", &["hello"]),
    ("only a carriage return", b"\r", &[]),
    ("only carriage returns", b"\r\r\r", &[]),
    ("nothing", b"", &[]),
    ("nothing twice", b"\n", &[]),
    ("nothing between lines", b"one\n\n\ntwo", &["one", "two"]),
    ("nothing in windows endings", b"one\r\n\r\n\r\ntwo", &["one", "two"]),
    ("next line is no ending", "one\u{85}two".as_bytes(), &["onetwo"]),
    ("vertical tab is no ending", b"one\x0btwo", &["onetwo"]),
    ("form feed is no ending", b"one\x0ctwo", &["onetwo"]),
    ("line separator is no ending", "one\u{2028}two".as_bytes(), &["onetwo"]),
    ("paragraph separator is no ending", "one\u{2029}two".as_bytes(), &["onetwo"]),
    ("record separator is no ending", b"one\x1etwo", &["onetwo"]),
    ("separators of all kinds alone", "\u{85}\u{2028}\u{2029}\x0b\x0c\x1c\x1d\x1e\x1f".as_bytes(), &[]),
    ("a line feed in overlong form is none", b"one\xc0\x8atwo", &["one\u{fffd}two"]),
    ("a carriage return in overlong form", b"one\xc0\x8dtwo", &["one\u{fffd}two"]),
    ("utf-16 line", b"\xff\xfeh\0i\0", &["\u{fffd}hi"]),
    ("utf-16 line, big end first", b"\xfe\xff\0h\0i", &["\u{fffd}hi"]),
];

const BLANK: &[Attack] = &[
    ("a tab stays", b"one\ttwo", &["one\ttwo"]),
    ("spaces stay", b"  one  two  ", &["  one  two  "]),
    ("a space alone is nothing", b" ", &[]),
    ("a tab alone is nothing", b"\t", &[]),
    ("no-break space", "a\u{a0}b".as_bytes(), &["a\u{a0}b"]),
    ("ideographic space", "a\u{3000}b".as_bytes(), &["a\u{3000}b"]),
    ("blanks of all kinds alone", " \u{a0}\u{1680}\u{2003}\u{3000}\u{2800}\u{3164}".as_bytes(), &[]),
    ("blanks stay beside text", "a\u{1680}\u{2800}\u{3164}b".as_bytes(), &["a\u{1680}\u{2800}\u{3164}b"]),
    ("what hides, alone", "\u{200b}\u{feff}\u{202e}\u{2060}".as_bytes(), &[]),
    ("joiners and selectors alone", "\u{200d}\u{200c}\u{fe0f}".as_bytes(), &[]),
    ("fillers of hangul alone", "\u{115f}\u{1160}\u{3164}\u{ffa0}".as_bytes(), &[]),
];

const C0: &[Attack] = &[
    ("nul", b"a\0b", &["ab"]),
    ("nuls alone", b"\0\0\0", &[]),
    ("nul in front of a word", b"\0quit", &["quit"]),
    ("start of heading", b"a\x01b", &["ab"]),
    ("end of text, which is ctrl-c", b"a\x03b", &["ab"]),
    ("end of transmission, which is ctrl-d", b"a\x04b", &["ab"]),
    ("enquiry, which terminals answer", b"a\x05b", &["ab"]),
    ("bell", b"wake\x07 up\x07", &["wake up"]),
    ("backspaces over the name", b"\x08\x08\x08\x08me", &["me"]),
    ("backspaces over text", b"yes\x08\x08\x08no ", &["yesno "]),
    ("shift out and in change the character set", b"\x0elqqk\x0f", &["lqqk"]),
    ("device controls stop a terminal", b"a\x11\x12\x13\x14b", &["ab"]),
    ("cancel and substitute", b"a\x18\x1ab", &["ab"]),
    ("delete", b"a\x7fb", &["ab"]),
    ("deletes alone", b"\x7f\x7f", &[]),
    (
        "every c0 there is",
        b"\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19",
        &[],
    ),
];

const ESCAPES: &[Attack] = &[
    ("escape alone", b"\x1b", &[]),
    ("escape at the end", b"a\x1b", &["a"]),
    ("clear the screen", b"\x1b[2J", &["[2J"]),
    ("home", b"\x1b[H", &["[H"]),
    ("colour", b"\x1b[31mred\x1b[0m", &["[31mred[0m"]),
    ("colour in 24 bits", b"\x1b[38;2;1;2;3mx", &["[38;2;1;2;3mx"]),
    ("conceal", b"\x1b[8mhidden", &["[8mhidden"]),
    ("cursor up and erase, to replace a line", b"\x1b[1A\x1b[2K[1.2.3.4:5] x", &["[1A[2K[1.2.3.4:5] x"]),
    ("cursor to a column", b"\x1b[1Gx", &["[1Gx"]),
    ("save and restore the cursor", b"\x1b7x\x1b8", &["7x8"]),
    ("full reset", b"\x1bc", &["c"]),
    ("soft reset", b"\x1b[!p", &["[!p"]),
    ("alternate screen", b"\x1b[?1049h", &["[?1049h"]),
    ("bracketed paste begins", b"\x1b[200~rm -rf", &["[200~rm -rf"]),
    ("mouse reports on", b"\x1b[?1000h", &["[?1000h"]),
    ("window title", b"\x1b]0;title\x07x", &["]0;titlex"]),
    ("window title ended by a string terminator", b"\x1b]2;title\x1b\\x", &["]2;title\\x"]),
    ("hyperlink", b"\x1b]8;;http://a\x1b\\b\x1b]8;;\x1b\\", &["]8;;http://a\\b]8;;\\"]),
    ("clipboard", b"\x1b]52;c;cm0=\x07", &["]52;c;cm0="]),
    ("notification", b"\x1b]9;hello\x07", &["]9;hello"]),
    ("palette", b"\x1b]4;1;#000\x07", &["]4;1;#000"]),
    ("device control string", b"\x1bP$q\"p\x1b\\", &["P$q\"p\\"]),
    ("application program command", b"\x1b_x\x1b\\", &["_x\\"]),
    ("privacy message", b"\x1b^x\x1b\\", &["^x\\"]),
    ("report the title, which types it back", b"\x1b[21t", &["[21t"]),
    ("report the device", b"\x1b[c", &["[c"]),
    ("report the cursor", b"\x1b[6n", &["[6n"]),
    ("answerback", b"\x05", &[]),
    ("character set", b"\x1b(0", &["(0"]),
    ("utf-8 off", b"\x1b%@", &["%@"]),
    ("scroll region", b"\x1b[1;2r", &["[1;2r"]),
    ("printer on", b"\x1b[5i", &["[5i"]),
    ("key map", b"\x1b[0;59;0;13p", &["[0;59;0;13p"]),
    ("an escape in two", b"\x1b\x1b[2J", &["[2J"]),
    ("a sequence with a nul inside", b"\x1b\0[2J", &["[2J"]),
    ("a sequence over two lines", b"\x1b\n[2J", &["[2J"]),
    ("a sequence begun and cut by the ending", b"\x1b[3\n1mx", &["[3", "1mx"]),
];

/// In UTF-8 and as bytes.
const C1: &[Attack] = &[
    ("control sequence introducer in utf-8", "\u{9b}31mred".as_bytes(), &["31mred"]),
    ("operating system command in utf-8", "\u{9d}0;t\u{9c}x".as_bytes(), &["0;tx"]),
    ("device control string in utf-8", "\u{90}x\u{9c}".as_bytes(), &["x"]),
    ("padding and high octet in utf-8", "\u{80}\u{81}".as_bytes(), &[]),
    ("single shifts in utf-8", "\u{8e}\u{8f}a".as_bytes(), &["a"]),
    ("control sequence introducer as a byte", b"\x9b31m", &["\u{fffd}31m"]),
    ("operating system command as a byte", b"\x9d0;t\x9c", &["\u{fffd}0;t\u{fffd}"]),
    ("next line as a byte", b"a\x85b", &["a\u{fffd}b"]),
    ("every c1 as a byte, some", b"\x80\x84\x88\x8d\x90\x9f", &["\u{fffd}"]),
    ("introducer in overlong form", b"\xe0\x82\x9bm", &["\u{fffd}m"]),
];

const INVALID: &[Attack] = &[
    ("a continuation alone", b"a\x80b", &["a\u{fffd}b"]),
    ("continuations alone", b"\xbf\xbf", &["\u{fffd}"]),
    ("a two-byte lead alone", b"a\xc3", &["a\u{fffd}"]),
    ("a two-byte lead before text", b"\xc3(", &["\u{fffd}("]),
    ("a three-byte lead alone", b"\xe2", &["\u{fffd}"]),
    ("two of three bytes", b"\xe2\x82", &["\u{fffd}"]),
    ("two of three bytes before text", b"a\xe2\x82b", &["a\u{fffd}b"]),
    ("one of four bytes", b"\xf0x", &["\u{fffd}x"]),
    ("two of four bytes", b"\xf0\x9fx", &["\u{fffd}x"]),
    ("three of four bytes", b"\xf0\x9f\x8ex", &["\u{fffd}x"]),
    ("a cut character before a whole one", b"\xf0\x9f\x8e\xc3\xa9", &["\u{fffd}\u{e9}"]),
    ("the last byte of a character on the next line", b"\xc3\n\xa9", &["\u{fffd}", "\u{fffd}"]),
    ("overlong slash in two", b"\xc0\xaf", &["\u{fffd}"]),
    ("overlong slash in three", b"\xe0\x80\xaf", &["\u{fffd}"]),
    ("overlong slash in four", b"\xf0\x80\x80\xaf", &["\u{fffd}"]),
    ("overlong nul", b"\xc0\x80", &["\u{fffd}"]),
    ("overlong escape", b"\xc0\x9b[2J", &["\u{fffd}[2J"]),
    ("largest overlong in two", b"\xc1\xbf", &["\u{fffd}"]),
    ("largest overlong in three", b"\xe0\x9f\xbf", &["\u{fffd}"]),
    ("largest overlong in four", b"\xf0\x8f\xbf\xbf", &["\u{fffd}"]),
    ("high surrogate", b"\xed\xa0\x80", &["\u{fffd}"]),
    ("low surrogate", b"\xed\xbf\xbf", &["\u{fffd}"]),
    ("a surrogate pair", b"\xed\xa0\xbd\xed\xb8\x80", &["\u{fffd}"]),
    ("just above unicode", b"\xf4\x90\x80\x80", &["\u{fffd}"]),
    ("a lead beyond unicode", b"\xf5\x80\x80\x80", &["\u{fffd}"]),
    ("five bytes", b"\xf8\x88\x80\x80\x80", &["\u{fffd}"]),
    ("six bytes", b"\xfc\x84\x80\x80\x80\x80", &["\u{fffd}"]),
    ("bytes that are never utf-8", b"\xfe\xff", &["\u{fffd}"]),
    ("latin-1", b"gr\xfc\xdfe", &["gr\u{fffd}e"]),
    ("latin-1, and a c1 control in utf-8", b"\xff\xfe caf\xe9 \xc2\x9b1m", &["\u{fffd} caf\u{fffd} 1m"]),
    ("invalid and forbidden in turn", b"\xff\x1b\xff\x1b", &["\u{fffd}\u{fffd}"]),
    ("a lead before an escape", b"\xc3\x1b[m", &["\u{fffd}[m"]),
    ("many invalid bytes", &[0xff; 30], &["\u{fffd}"]),
];

/// Valid UTF-8 that stays.
const VALID: &[Attack] = &[
    ("the smallest in two bytes that can be seen", "\u{a1}".as_bytes(), &["\u{a1}"]),
    ("the largest in two bytes", "\u{7ff}".as_bytes(), &["\u{7ff}"]),
    ("the smallest in three", "\u{800}".as_bytes(), &["\u{800}"]),
    ("before the surrogates", "\u{d7ff}".as_bytes(), &["\u{d7ff}"]),
    ("after the surrogates", "\u{e000}".as_bytes(), &["\u{e000}"]),
    ("the largest in three", "\u{ffff}".as_bytes(), &["\u{ffff}"]),
    ("the smallest in four", "\u{10000}".as_bytes(), &["\u{10000}"]),
    ("the largest of all", "\u{10ffff}".as_bytes(), &["\u{10ffff}"]),
    ("a non-character", "\u{fdd0}".as_bytes(), &["\u{fdd0}"]),
    ("a replacement character that was sent", "\u{fffd}".as_bytes(), &["\u{fffd}"]),
    ("a byte order mark", "\u{feff}hi".as_bytes(), &["hi"]),
    ("umlauts", "gr\u{fc}\u{df}e".as_bytes(), &["gr\u{fc}\u{df}e"]),
    ("umlauts in two parts", "u\u{308}".as_bytes(), &["u\u{308}"]),
    ("chinese", "\u{4f60}\u{597d}".as_bytes(), &["\u{4f60}\u{597d}"]),
    ("arabic", "\u{645}\u{631}\u{62d}\u{628}\u{627}".as_bytes(), &["\u{645}\u{631}\u{62d}\u{628}\u{627}"]),
    ("an emoji", "\u{1f389}".as_bytes(), &["\u{1f389}"]),
    (
        "a family of emoji",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}".as_bytes(),
        &["\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}"],
    ),
    ("a skin tone", "\u{1f44d}\u{1f3fd}".as_bytes(), &["\u{1f44d}\u{1f3fd}"]),
    ("a flag", "\u{1f1e9}\u{1f1ea}".as_bytes(), &["\u{1f1e9}\u{1f1ea}"]),
    ("a variation selector", "\u{2764}\u{fe0f}".as_bytes(), &["\u{2764}\u{fe0f}"]),
    ("a private character", "\u{e0b0}".as_bytes(), &["\u{e0b0}"]),
];

const FORMAT: &[Attack] = &[
    ("a soft hyphen", "a\u{ad}b".as_bytes(), &["ab"]),
    ("zero-width space", "a\u{200b}b".as_bytes(), &["ab"]),
    ("word joiner and invisible operators", "a\u{2060}\u{2061}\u{2062}\u{2063}\u{2064}b".as_bytes(), &["ab"]),
    ("mongolian vowel separator", "a\u{180e}b".as_bytes(), &["ab"]),
    ("interlinear annotation", "\u{fff9}a\u{fffa}b\u{fffb}".as_bytes(), &["ab"]),
    ("a language tag", "\u{e0001}\u{e0065}\u{e006e}a".as_bytes(), &["a"]),
    ("text hidden in tags", "a\u{e0049}\u{e0020}\u{e0072}".as_bytes(), &["a"]),
    (
        "the flag of england",
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}".as_bytes(),
        &["\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}"],
    ),
    ("a zero-width non-joiner", "a\u{200c}b".as_bytes(), &["a\u{200c}b"]),
];

const MARKS: &[Attack] = &[
    (
        "many accents on one letter",
        "z\u{300}\u{301}\u{302}\u{303}\u{304}".as_bytes(),
        &["z\u{300}\u{301}\u{302}\u{303}\u{304}"],
    ),
    (
        "eight accents on one letter",
        "z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}".as_bytes(),
        &["z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}"],
    ),
    (
        "a ninth accent, with joiners between",
        "z\u{300}\u{301}\u{302}\u{303}\u{200d}\u{304}\u{305}\u{306}\u{307}\u{200d}\u{308}x\u{308}".as_bytes(),
        &["z\u{300}\u{301}\u{302}\u{303}\u{200d}\u{304}\u{305}\u{306}\u{307}\u{200d}x\u{308}"],
    ),
];

/// Format characters that turn the direction of text.
const DIRECTION: &[Attack] = &[
    ("an override of direction", "a\u{202e}b".as_bytes(), &["ab"]),
    ("embeddings of direction", "\u{202a}a\u{202b}b\u{202c}".as_bytes(), &["ab"]),
    ("isolates", "\u{2066}a\u{2067}b\u{2068}c\u{2069}".as_bytes(), &["abc"]),
    ("marks of direction", "\u{200e}a\u{200f}b\u{61c}".as_bytes(), &["ab"]),
];

/// Looking like somebody else.
const PRETENDING: &[Attack] = &[
    ("a join of the server", b"> New user 1.2.3.4:5 entered.", &["> New user 1.2.3.4:5 entered."]),
    ("a leave of the server", b"< The user 1.2.3.4:5 left", &["< The user 1.2.3.4:5 left"]),
    ("a notice of the server", b"! the server is stopping", &["! the server is stopping"]),
    ("a message of somebody else", b"[1.2.3.4:5] hi", &["[1.2.3.4:5] hi"]),
    ("a notice behind a carriage return", b"hi\r! the server is stopping", &["hi! the server is stopping"]),
    ("a leave behind a carriage return", b"nice\r< The user 10.0.0.1:1 left", &["nice< The user 10.0.0.1:1 left"]),
    ("a message behind an ending", b"hi\n[1.2.3.4:5] hi", &["hi", "[1.2.3.4:5] hi"]),
    ("a message behind a nul", b"\0[1.2.3.4:5] hi", &["[1.2.3.4:5] hi"]),
    ("what the client shows of its own lines", b"[You] hi", &["[You] hi"]),
    ("an action of somebody else", b"* bob waves", &["* bob waves"]),
    ("a private line", b"[bob to you] psst", &["[bob to you] psst"]),
    ("a topic of an operator", b"> bob set the topic: x", &["> bob set the topic: x"]),
    ("an announcement of an operator", b"> announcement: x", &["> announcement: x"]),
    ("an object of the server", b"{\"kind\":\"stopping\"}", &["{\"kind\":\"stopping\"}"]),
];

/// In the middle of a conversation other protocols are text.
const OTHER_PROTOCOLS: &[Attack] = &[
    ("a web request that is no first line", b"GET / HTTP/1.1", &["GET / HTTP/1.1"]),
    ("a host header", b"Host: example.org\r", &["Host: example.org"]),
    ("a tls record that is no first byte", b"\x16\x03\x01x", &["x"]),
    ("telnet: will echo", b"\xff\xfb\x01hi", &["\u{fffd}hi"]),
    ("telnet: interrupt process", b"\xff\xf4\xff\xfd\x06", &["\u{fffd}"]),
    ("telnet: subnegotiation", b"\xff\xfa\x18\x01\xff\xf0", &["\u{fffd}\u{fffd}"]),
    ("ssh", b"SSH-2.0-OpenSSH_9.9\r", &["SSH-2.0-OpenSSH_9.9"]),
    ("smtp", b"EHLO example.org\r", &["EHLO example.org"]),
    ("redis", b"*1\r\n$4\r\nPING\r", &["*1", "$4", "PING"]),
    ("a format string", b"%s%n%x {} ${HOME} `id` $(id)", &["%s%n%x {} ${HOME} `id` $(id)"]),
    ("markup", b"<script>alert(1)</script>", &["<script>alert(1)</script>"]),
    ("a quoted end", b"'; DROP TABLE rooms; --", &["'; DROP TABLE rooms; --"]),
];

/// The attacks of every section.
pub fn attacks() -> impl Iterator<Item = &'static Attack> {
    ATTACKS.iter().flat_map(|(_, attacks)| *attacks)
}

/// Each attack between two plain lines of the same member, which another one listens to.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    ATTACKS.iter().flat_map(|(section, attacks)| about(section, attacks.iter().map(draft).collect()))
}

fn draft((name, input, expected): &Attack) -> Draft {
    let heard: Vec<String> = expected.iter().map(|line| format!("[{a}] {line}", a = "{a}")).collect();
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    let steps = vec![
        Step::Joins("b"),
        Step::Joins("a"),
        sends("a", b"begin\n"),
        reads("b", &["[{a}] begin"]),
        sends("a", [input, &b"\nend\n"[..]].concat()),
        reads("b", &heard),
        reads("b", &["[{a}] end"]),
    ];
    case(&format!("text: {name}"), steps)
}
