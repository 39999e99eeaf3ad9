//! The log of a run, read: each line is one that the server may say, and the lines agree with each other.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::Line;
use super::shown::shown;

/// The messages, joins and leaves that the log has.
#[derive(Debug, Default)]
pub struct Contents {
    /// By author: its messages, without the author's name.
    pub messages: HashMap<String, Vec<Line>>,
    pub entered: u64,
    pub left: u64,
    /// The lines that tell of a single join or leave.
    pub announced: Vec<usize>,
    /// The lines that are messages, with their authors.
    pub spoken: Vec<(usize, String)>,
}

/// A name as it stands in a line: an address, and a number where others have the same.
fn parsed(name: &str) -> Option<String> {
    let (address, number) = name.split_once('|').map_or((name, None), |(address, number)| (address, Some(number)));
    let numbered = number.is_none_or(|number| number.parse::<u8>().is_ok_and(|number| number >= 2));
    (address.parse::<SocketAddr>().is_ok() && numbered).then(|| name.to_owned())
}

/// Reads the log: every line is well formed, the counts of users add up, and nobody speaks before entering or after
/// leaving. `line_max` is the longest line that may be in it.
pub fn read(log: &[Line], line_max: usize) -> Result<Contents, String> {
    let mut contents = Contents::default();
    let mut here: HashMap<String, bool> = HashMap::new();
    for (index, line) in log.iter().enumerate() {
        let wrong = |what: &str| Err(format!("line {index} {:?}: {what}", String::from_utf8_lossy(line)));
        let Ok(text) = str::from_utf8(line) else { return wrong("is not UTF-8") };
        let Some(text) = text.strip_suffix('\n') else { return wrong("has no end") };
        if line.len() > line_max || shown(text.as_bytes()).as_deref() != Some(text.as_bytes()) {
            return wrong("is too long or not to be shown");
        }
        if let Some((name, message)) = text.strip_prefix('[').and_then(|text| text.split_once("] ")) {
            let Some(name) = parsed(name) else { return wrong("has no author") };
            if here.get(&name) == Some(&false) {
                return wrong("is said by a member that has left");
            }
            contents.spoken.push((index, name.clone()));
            contents.messages.entry(name).or_default().push(message.into());
            continue;
        }
        if text == "! the server is stopping" {
            continue;
        }
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            [">", "New", "user", name, "entered.", ..] => {
                let Some(name) = parsed(name) else { return wrong("names nobody") };
                if contents.messages.contains_key(&name) || here.insert(name, true).is_some() {
                    return wrong("enters twice, or after speaking");
                }
                contents.entered += 1;
                contents.announced.push(index);
            }
            ["<", "The", "user", name, "left", ..] => {
                let Some(name) = parsed(name) else { return wrong("names nobody") };
                if here.insert(name, false) == Some(false) {
                    return wrong("leaves twice");
                }
                contents.left += 1;
                contents.announced.push(index);
            }
            [">", entered, _, "entered,", left, "left.", ..] => {
                let (Ok(entered), Ok(left)) = (entered.parse::<u64>(), left.parse::<u64>()) else {
                    return wrong("counts nobody");
                };
                contents.entered += entered;
                contents.left += left;
            }
            _ => return wrong("is no line of this server"),
        }
        let online = text.rsplit_once('(').and_then(|(_, online)| online.split(' ').next()?.parse().ok());
        if online != contents.entered.checked_sub(contents.left) {
            return wrong(&format!("{} entered and {} left so far", contents.entered, contents.left));
        }
    }
    Ok(contents)
}
