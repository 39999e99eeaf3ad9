//! Values as they stand in an environment file, which systemd (`EnvironmentFile=`, systemd.exec(5)) and a shell (`. FILE`)
//! must read alike.
//!
//! What both leave as it is stands bare. Everything else stands in single quotes, in which nothing has a meaning, also no
//! line feed; a value that has a single quote itself stands in double quotes, in which both know the same four characters
//! behind a backslash.

/// A value as it stands behind `NAME=`. An error says why no file can have it.
pub fn quoted(value: &str) -> Result<String, &'static str> {
    if value.is_empty() {
        return Err("is empty, and an empty variable counts as not set");
    }
    if value.chars().any(is_refused) {
        return Err("has a character that is not allowed in an environment file");
    }
    if value.bytes().all(is_bare) {
        return Ok(value.to_owned());
    }
    if !value.contains('\'') {
        return Ok(format!("'{value}'"));
    }
    let mut text = String::from('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    Ok(text)
}

/// What has no meaning in either format, wherever it stands. A tilde is the home of somebody to a shell.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./:,@%+=".contains(&byte)
}

/// What systemd takes for no text: Unicode's noncharacters, and the mark that says how text is encoded.
fn is_refused(character: char) -> bool {
    let number = u32::from(character);
    matches!(character, '\0' | '\u{feff}') || (0xfdd0..=0xfdef).contains(&number) || number & 0xfffe == 0xfffe
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// Reads a file as systemd.exec(5) says.
    pub fn read(text: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut rest = text.chars().peekable();
        while let Some(first) = rest.next() {
            if first == '\n' {
                continue;
            }
            if matches!(first, '#' | ';') {
                // A backslash continues a comment too.
                while let Some(next) = rest.next() {
                    match next {
                        '\\' => drop(rest.next()),
                        '\n' => break,
                        _ => {}
                    }
                }
                continue;
            }
            let name: String =
                [first].into_iter().chain(std::iter::from_fn(|| rest.next_if(|next| *next != '='))).collect();
            assert_eq!(rest.next(), Some('='), "a line has a name");
            let (mut value, mut quote, mut is_begun) = (String::new(), None, false);
            while let Some(next) = rest.next() {
                match (quote, next) {
                    (None, '\n') => break,
                    (None, '\'' | '"') if !is_begun => (quote, is_begun) = (Some(next), true),
                    (None, '\\') => value.extend(rest.next().filter(|next| *next != '\n')),
                    (None, _) => {
                        is_begun = true;
                        value.push(next);
                    }
                    (Some(end), _) if next == end => quote = None,
                    (Some('"'), '\\') => match rest.next() {
                        Some('\n') | None => {}
                        Some(next @ ('"' | '\\' | '$' | '`')) => value.push(next),
                        Some(next) => value.extend(['\\', next]),
                    },
                    _ => value.push(next),
                }
            }
            assert_eq!(quote, None, "a quote has an end");
            found.insert(name, value);
        }
        found
    }

    #[test]
    fn values_are_bare_or_quoted() {
        for (value, expected) in [
            ("127.0.0.1:8888", "127.0.0.1:8888"),
            ("/var/log/uproar/room.log", "/var/log/uproar/room.log"),
            ("a,b", "a,b"),
            ("4.0 KiB", "'4.0 KiB'"),
            ("[::1]:8888", "'[::1]:8888'"),
            ("~/x", "'~/x'"),
            ("a\nb", "'a\nb'"),
            ("$HOME", "'$HOME'"),
            ("\\", "'\\'"),
            ("it's", "\"it's\""),
            ("it's \"$x\" `\\`!", "\"it's \\\"\\$x\\\" \\`\\\\\\`!\""),
            ("é", "'é'"),
        ] {
            assert_eq!(quoted(value).as_deref(), Ok(expected));
            assert_eq!(read(&format!("# x\nA={expected}\nB=1\n")), [("A", value), ("B", "1")].map(owned).into());
        }
        for refused in ["", "a\0", "\u{feff}a", "\u{fdd0}", "\u{1ffff}"] {
            assert!(quoted(refused).is_err(), "{refused:?}");
        }
    }

    fn owned((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    /// What a shell gives its children when it has read a file.
    fn read_by(shell: &str, text: &str) -> BTreeMap<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let mut command = Command::new(shell);
        command.args(["-c", "set -a; . \"$0\"; exec env -0"]).arg(file.path()).env_clear().env("PATH", "/usr/bin:/bin");
        let output = command.output().unwrap_or_else(|error| panic!("{shell}: {error}"));
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?} of {text}");
        let output = String::from_utf8(output.stdout).unwrap();
        let pairs = output.split_terminator('\0').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| name.starts_with("UPROAR_")).map(owned).collect()
    }

    /// Texts with many of the characters that mean something to somebody.
    fn value() -> impl Strategy<Value = String> {
        let special = prop::sample::select(" '\"\\$`!#;&|*?~=%{}()\n\t\r\u{1b}é😀ab0".chars().collect::<Vec<_>>());
        let any = any::<char>().prop_filter("what is refused", |character| !is_refused(*character));
        prop::collection::vec(prop_oneof![4 => special, 1 => any], 1..12).prop_map(String::from_iter)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn systemd_and_shells_read_what_was_written(values in prop::collection::vec(value(), 1..60)) {
            let expected: BTreeMap<String, String> =
                values.iter().enumerate().map(|(at, value)| (format!("UPROAR_{at}"), value.clone())).collect();
            let text: String =
                expected.iter().map(|(name, value)| format!("# a\n{name}={}\n", quoted(value).unwrap())).collect();
            prop_assert_eq!(&read(&text), &expected);
            for shell in ["sh", "bash"] {
                prop_assert_eq!(&read_by(shell, &text), &expected, "{}", shell);
            }
        }
    }
}
