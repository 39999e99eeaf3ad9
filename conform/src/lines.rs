//! Lines of a server, as far as a case has to tell them apart: the member that each is about, and what strangers change
//! in it.

/// Stands in a line for the number of users where it does not matter, or where strangers change it.
pub const COUNT: &str = "(# online)";

/// Joins and leaves that a server says together where there are many: `> 3 users entered, 1 left. (9 users online)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub entered: u64,
    pub left: u64,
}

/// Whether a line is about one of `names`, or for one person alone. A server may slow an address from which many cases
/// were played: what it says of that concerns none of them.
pub fn concerns<'a>(line: &str, mut names: impl Iterator<Item = &'a String>) -> bool {
    let is_slowed = line.starts_with("! slow down: ") || line.contains("\"code\":\"slow_down\"");
    names.any(|name| is_about(line, name)) || (is_to_oneself(line) && !is_slowed)
}

impl Summary {
    pub fn of(line: &str) -> Option<Self> {
        let (entered, rest) = line.strip_prefix("> ")?.split_once(" entered, ")?;
        let entered = entered.strip_suffix(" users").or(entered.strip_suffix(" user"))?.parse().ok()?;
        let (left, rest) = rest.split_once(" left. (")?;
        rest.ends_with(" online)").then_some(Self { entered, left: left.parse().ok()? })
    }
}

/// Joins and leaves of others.
pub fn is_presence(line: &str) -> bool {
    line.starts_with("> New user ") || line.starts_with("< The user ")
}

/// A member has chosen a name. In a large room nobody is told.
pub fn is_rename(line: &str) -> bool {
    let named = line.strip_prefix("> ").and_then(|rest| rest.split_once(' '));
    named.is_some_and(|(_, rest)| rest.starts_with("is now known as "))
}

/// Whether a line is a message of `name`, or says what has become of it.
fn is_about(line: &str, name: &str) -> bool {
    let rest = ["[", "* ", "> New user ", "< The user ", "> "].iter().find_map(|start| line.strip_prefix(start));
    rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with([']', ' ']))
}

/// The welcome and notices are for one person. Objects are read in rooms alone that no stranger is in.
fn is_to_oneself(line: &str) -> bool {
    ["> Connected ", "> Joined ", "! ", "{"].iter().any(|start| line.starts_with(start))
}

/// `line` with `(3 users online)` made [`COUNT`].
pub fn without_count(line: &str) -> String {
    let Some((before, count)) = line.rsplit_once('(') else { return line.to_string() };
    let is_count = count
        .strip_suffix(" online)")
        .and_then(|users| users.strip_suffix(" users").or(users.strip_suffix(" user")))
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let is_of_server = is_presence(line) || is_to_oneself(line);
    if is_count && is_of_server { format!("{before}{COUNT}") } else { line.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_concern_a_case_are_told_from_others() {
        let name = "127.0.0.1:50";
        assert!(is_about("[127.0.0.1:50] hi", name));
        assert!(is_about("> New user 127.0.0.1:50 entered. (2 users online)", name));
        assert!(is_about("< The user 127.0.0.1:50 left (2 users online)", name));
        assert!(!is_about("[127.0.0.1:501] hi", name), "another port begins alike");
        assert!(!is_about("[127.0.0.1:7] [127.0.0.1:50] hi", name), "a stranger quotes");
        assert!(is_about("* 127.0.0.1:50 waves", name) && is_about("[127.0.0.1:50 to you] psst", name));
        let renamed = "> 127.0.0.1:50 is now known as bob";
        assert!(is_about(renamed, name) && is_rename(renamed) && !is_rename("[a] is now known as b"));
        assert!(is_to_oneself("! the house is full") && !is_to_oneself("[x] ! the house is full"));
    }

    #[test]
    fn a_sum_of_presence_is_recognised() {
        let sum = |line| Summary::of(line).map(|sum| (sum.entered, sum.left));
        assert_eq!(sum("> 3 users entered, 1 left. (9 users online)"), Some((3, 1)));
        assert_eq!(sum("> 1 user entered, 0 left. (1 user online)"), Some((1, 0)));
        assert_eq!(sum("> New user 127.0.0.1:5 entered. (2 users online)"), None);
        assert_eq!(sum("[127.0.0.1:5] > 3 users entered, 1 left. (9 users online)"), None);
    }

    #[test]
    fn only_the_server_counts_users() {
        assert_eq!(
            without_count("> Connected to the chat server (1 user online)"),
            "> Connected to the chat server (# online)"
        );
        assert_eq!(
            without_count("< The user 1.2.3.4:5 left (12 users online)"),
            "< The user 1.2.3.4:5 left (# online)"
        );
        for other in ["[1.2.3.4:5] hi (3 users online)", "! no (users online)", "> Connected ( users online)"] {
            assert_eq!(without_count(other), other);
        }
    }
}
