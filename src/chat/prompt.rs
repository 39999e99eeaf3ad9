//! The prompt: the room and how many are in it, and `[You] `, behind which the line typed stands as a message stands
//! behind its author. Pure: no I/O.
//!
//! A line editor takes the width of its prompt when it begins to read a line. What is shown in front of `[You] ` changes
//! meanwhile, so it is fitted into the width that it had then.

/// The line typed stands behind it, as the author of a message does in a line that arrives.
pub const PROMPT: &str = "[You] ";

/// Columns of a number of users at first, so that a few more need no more.
const ONLINE_COLUMNS: usize = 2;

/// Columns that a line has beside the prompt, or no room is shown.
const LINE_COLUMNS_MIN: usize = 40;

/// In place of a number while there is no connection.
const AWAY: &str = "..";

/// A room, and how many are in it, where that is known.
pub type Status = Option<(String, Option<u64>)>;

/// The columns of what is shown in front of [`PROMPT`] on a terminal of so many columns.
pub fn width(status: &Status, columns: usize) -> usize {
    let Some((room, online)) = status else { return 0 };
    let width = room.chars().count() + 1 + online_text(*online).len().max(ONLINE_COLUMNS) + 1;
    if width + PROMPT.len() + LINE_COLUMNS_MIN > columns { 0 } else { width }
}

/// What is shown in front of [`PROMPT`], in exactly `width` columns. Where it does not fit, the end of the room's name
/// is left out.
pub fn text(status: &Status, width: usize) -> String {
    let Some((room, online)) = status.as_ref().filter(|_| width > 2) else { return " ".repeat(width) };
    let online = online_text(*online);
    let columns = width - 1;
    let room: String = room.chars().take(columns.saturating_sub(online.len() + 1)).map(narrow).collect();
    let online = &online[..online.len().min(columns - room.len())];
    format!("{room}{online:>rest$} ", rest = columns - room.len())
}

fn online_text(online: Option<u64>) -> String {
    online.map_or(AWAY.to_owned(), |online| online.to_string())
}

/// Characters of one byte take one column each; names of rooms have no others.
fn narrow(character: char) -> char {
    if character.is_ascii_graphic() { character } else { '?' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(room: &str, online: Option<u64>) -> Status {
        Some((room.to_owned(), online))
    }

    #[test]
    fn a_room_and_its_count_are_shown_in_the_width_that_they_had_first() {
        let lobby = status("lobby", Some(3));
        let columns = width(&lobby, 80);
        for (now, expected) in [
            (lobby, "lobby  3 "),
            (status("lobby", Some(12)), "lobby 12 "),
            (status("lobby", Some(12_345)), "lo 12345 "),
            (status("lobby", None), "lobby .. "),
            (status("den", Some(1)), "den    1 "),
            (status("bridge-players", Some(1)), "bridge 1 "),
            (status("salón", Some(1)), "sal?n  1 "),
            (status("lobby", Some(u64::MAX)), "18446744 "),
            (None, "         "),
        ] {
            let text = text(&now, columns);
            assert_eq!((text.as_str(), text.len()), (expected, columns));
        }
    }

    #[test]
    fn a_narrow_terminal_and_a_server_without_rooms_have_the_bare_prompt() {
        assert_eq!(width(&None, 80), 0);
        assert_eq!((width(&status("lobby", Some(3)), 54), width(&status("lobby", Some(3)), 55)), (0, 9));
        assert_eq!(text(&status("lobby", Some(3)), 0), "");
    }
}
