//! Placeholders: what stands for a name in what is sent and read, and which words they stand for.

use std::collections::BTreeMap;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Words for placeholders, while a case is played.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// By placeholder, braces included: addresses, names that nobody else has, and words that were read.
    known: BTreeMap<String, String>,
    /// Stands behind names that nobody else has.
    suffix: String,
}

impl Words {
    /// For a server that nobody else is connected to, where names stay as they are.
    pub fn plain() -> Self {
        Self::default()
    }

    /// For a server where strangers may have any name.
    pub fn unique() -> Self {
        static PLAYED: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
        let mixed = (now ^ u64::from(process::id()) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        // Digits and letters whose case does not matter.
        let suffix = format!("-{mixed:06x}{:x}", PLAYED.fetch_add(1, Ordering::Relaxed));
        Self { known: BTreeMap::new(), suffix }
    }

    /// The member `who` has this address.
    pub fn set_address(&mut self, who: &str, address: String) {
        self.known.insert(format!("{{{who}}}"), address);
    }

    /// Names that are about members of the case, as they are known so far.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.known.iter().filter(|(placeholder, _)| !placeholder.starts_with("{?")).map(|(_, word)| word)
    }

    /// Learns the names that nobody else has and that stand in `text`.
    pub fn learn(&mut self, text: &str) {
        for piece in text.split("{~").skip(1) {
            if let Some((name, _)) = piece.split_once('}') {
                self.known.insert(format!("{{~{name}}}"), format!("{name}{}", self.suffix));
            }
        }
    }

    /// `text` with its placeholders replaced, but for those of words that were not read yet.
    pub fn fill(&self, text: &str) -> String {
        self.known.iter().fold(text.to_string(), |text, (placeholder, word)| text.replace(placeholder, word))
    }

    /// The same of bytes that may be no text.
    pub fn fill_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        str::from_utf8(bytes).map_or_else(|_| bytes.to_vec(), |text| self.fill(text).into_bytes())
    }

    /// Whether `line` is `pattern`. If it is, the words that were read first in it are known from now on.
    pub fn matches(&mut self, pattern: &str, line: &str) -> bool {
        let mut words = self.clone();
        let found = words.read(pattern, line);
        if found {
            *self = words;
        }
        found
    }

    fn read(&mut self, pattern: &str, line: &str) -> bool {
        let pattern = self.fill(pattern);
        let Some((before, rest)) = pattern.split_once("{?") else { return pattern == line };
        let Some((name, after)) = rest.split_once('}') else { return pattern == line };
        let Some(line) = line.strip_prefix(before) else { return false };
        // The word ends where what stands behind it begins.
        let next = after.split("{?").next().expect("a split has a first part");
        let length = if next.is_empty() { Some(line.len()) } else { line.find(next) };
        let Some((word, line)) = length.map(|length| line.split_at(length)) else { return false };
        if word.is_empty() || word.contains(' ') {
            return false;
        }
        self.known.insert(format!("{{?{name}}}"), word.to_string());
        self.read(after, line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_same_from_the_second_time_on() {
        let mut words = Words::plain();
        assert!(words.matches("> New user guest-{?x} entered.", "> New user guest-ab2 entered."));
        assert!(
            words.matches("[guest-{?x}] hi", "[guest-ab2] hi") && !words.matches("[guest-{?x}] hi", "[guest-c] hi")
        );
        assert_eq!(words.fill("/msg guest-{?x} {?y}"), "/msg guest-ab2 {?y}");
        assert!(!words.matches("[{?z}] hi", "[a b] hi"), "a word has no space");
        assert!(words.matches("{?one}-{?two}", "1-2") && words.fill("{?two}{?one}") == "21");
        assert!(!words.matches("{?three} {?one}", "3 4") && words.fill("{?three}") == "{?three}", "nothing is learnt");
    }

    #[test]
    fn names_are_unique_where_strangers_may_have_them() {
        let (mut plain, mut one, mut other) = (Words::plain(), Words::unique(), Words::unique());
        let names = [&mut plain, &mut one, &mut other].map(|words| {
            words.learn("/nick {~bob}");
            words.fill("{~bob}")
        });
        assert!(names[0] == "bob" && names[1] != names[2] && names[1].starts_with("bob-"), "{names:?}");
        assert!(names[1].len() <= 20 && one.names().any(|name| *name == names[1]));
        assert_eq!(plain.fill_bytes(b"\xff{~bob}"), b"\xff{~bob}", "bytes that are no text are left alone");
    }
}
