//! What a server says of itself when it listens:
//! `uproar: listening on 127.0.0.1:8888 (uring, 50 tables, up to 1000000 members)`. Before that it has a line for each other door,
//! which has but the door's name in brackets.

use crate::descriptors::Descriptors;

/// Names of doors other than the first.
const OTHER_DOORS: [&str; 3] = ["(web)", "(irc)", "(admin)"];

/// Whether `line` says that the server listens, at all of its doors.
pub fn is_ready(line: &str) -> bool {
    line.contains("listening on ") && !OTHER_DOORS.iter().any(|door| line.ends_with(door))
}

/// N of a ready line that says `up to N members`.
pub fn members_max(ready_line: &str) -> Option<u64> {
    let (_, rest) = ready_line.split_once("up to ")?;
    rest.split(' ').next()?.replace(',', "").parse().ok()
}

/// What the server's sockets are in: a server that names its tables has them there.
pub fn descriptors(ready_line: &str) -> Descriptors {
    let names_tables = ready_line.split([',', '(', ')']).any(|part| {
        let words: Vec<&str> = part.split_whitespace().collect();
        matches!(words[..], [number, "table" | "tables"] if number.parse::<u64>().is_ok())
    });
    if names_tables { Descriptors::Direct } else { Descriptors::Normal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_line_names_the_ceiling() {
        let line = "uproar: listening on 127.0.0.1:8888 (select, up to 1015 members)";
        assert_eq!(members_max(line), Some(1015));
        assert_eq!(members_max("listening on 127.0.0.1:8888 (poll, up to 19,000 members)"), Some(19_000));
        assert_eq!(members_max("listening on 127.0.0.1:8888"), None);
    }

    #[test]
    fn a_server_is_ready_when_its_first_door_is() {
        assert!(!is_ready("uproar: listening on 127.0.0.1:8889 (web)") && !is_ready("uproar: commit 0123"));
        assert!(is_ready("uproar: listening on 127.0.0.1:8888 (select, up to 1015 members)"));
        assert!(is_ready("listening on 127.0.0.1:8888"));
    }

    #[test]
    fn a_ready_line_says_what_the_sockets_are_in() {
        let direct = "uproar: listening on 127.0.0.1:8888 (uring, 50 tables, up to 1000000 members)";
        assert_eq!((members_max(direct), descriptors(direct)), (Some(1_000_000), Descriptors::Direct));
        assert_eq!(
            descriptors("uproar: listening on 127.0.0.1:1 (uring, 1 table, up to 99 members)"),
            Descriptors::Direct
        );
        for normal in ["uproar: listening on 127.0.0.1:8888 (uring, up to 19968 members)", "listening on tables:1", ""]
        {
            assert_eq!(descriptors(normal), Descriptors::Normal, "{normal}");
        }
    }
}
