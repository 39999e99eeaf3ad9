//! JSON objects of a server, compared member by member.

use serde_json::{Map, Value};

use crate::words::Words;

/// Members that an object may have unnamed: they are other ones each time.
pub const FREE: [&str; 4] = ["t", "id", "epoch", "token"];

/// True for a line that is to be compared as an object.
pub fn is_object(line: &str) -> bool {
    line.starts_with("{\"")
}

/// Whether `line` is an object with the members of `expected`; an error says what is different.
pub fn compare(words: &mut Words, expected: &str, line: &str) -> Result<(), String> {
    let filled = words.fill(expected);
    let expected: Map<String, Value> = serde_json::from_str(&filled).map_err(|error| format!("{filled}: {error}"))?;
    let object: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| format!("{line:?} is no object: {error}"))?;
    for (member, value) in &expected {
        let is_equal = match (value, object.get(member)) {
            (Value::String(pattern), Some(Value::String(text))) => words.matches(pattern, text),
            (Value::String(pattern), Some(Value::Number(number))) => words.matches(pattern, &number.to_string()),
            (value, found) => found == Some(value),
        };
        if !is_equal {
            return Err(format!("{member:?} is not {value}"));
        }
    }
    let surplus = object.keys().find(|member| !expected.contains_key(*member) && !FREE.contains(&member.as_str()));
    surplus.map_or(Ok(()), |member| Err(format!("it has {member:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_compared_and_some_may_be_unnamed() {
        let line = r#"{"n":7,"t":5,"kind":"message","from":"bob","id":"9f","text":"hi"}"#;
        let mut words = Words::plain();
        let mut check = |expected| compare(&mut words, expected, line).err();
        assert_eq!(check(r#"{"kind":"message","n":7,"from":"bob","text":"hi"}"#), None);
        assert_eq!(check(r#"{"kind":"message","n":"{?n}","from":"bob","id":"{?id}","text":"hi"}"#), None);
        assert_eq!(check(r#"{"kind":"message","n":8,"from":"bob","text":"hi"}"#).as_deref(), Some("\"n\" is not 8"));
        assert_eq!(check(r#"{"kind":"message","n":7,"text":"hi"}"#).as_deref(), Some("it has \"from\""));
        assert!(check(r#"{"kind":"message","n":7,"from":"bob","text":"hi","to":"x"}"#).is_some());
        assert_eq!(words.fill("{?n} {?id}"), "7 9f");
    }
}
