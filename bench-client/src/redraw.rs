//! The `report` command: tables, rows and pictures of a folder anew, from the files of its runs.
//!
//! With `--into` the table, and for a sweep its pictures, also become a block of a document: what stands between
//! `<!-- rooms -->` and `<!-- /rooms -->`, or `peers`, or `costs`, is replaced.

use std::fs;
use std::path::Path;

use crate::cli::ReportArgs;
use crate::error::{Context, Error, Result, exit};
use crate::report::{self, peers as peers_table, table};
use crate::{costs, peers, sweep};

/// Redraws the folder; returns the exit code.
pub fn command(arguments: &ReportArgs) -> Result<u8> {
    let folder = &arguments.folder;
    let (name, text, body) = if peers::is_folder(folder) {
        let comparison = peers::draw(folder)?;
        ("peers", peers_table::text(&comparison), peers_table::markdown(&comparison))
    } else if costs::is_folder(folder) {
        let (text, markdown) = costs::draw(folder)?;
        ("costs", text, markdown)
    } else {
        let rungs = sweep::folder::draw(folder)?;
        ("rooms", table::sweep(&rungs), table::sweep_markdown(&rungs))
    };
    print!("{text}");
    let Some(document) = &arguments.into else { return Ok(exit::GOOD) };
    let before = fs::read_to_string(document).context(|| format!("cannot read {}", document.display()))?;
    let body = format!("{body}\n{}\n", pictures(name, folder, document, arguments.spectrum));
    let after = replace_block(&before, name, body.trim_end())
        .ok_or_else(|| Error::new(format!("{} has no <!-- {name} --> ... <!-- /{name} -->", document.display())))?;
    report::write_file(document, after.as_bytes())?;
    Ok(exit::GOOD)
}

/// The pictures of a sweep, and where all its files are, as links from `document`.
fn pictures(name: &str, folder: &Path, document: &Path, spectrum: u64) -> String {
    let base = document.parent().unwrap_or(Path::new(""));
    let path = folder.strip_prefix(base).unwrap_or(folder).display();
    let mut text = String::new();
    if name == "rooms" {
        text.push_str(&format!("![Room latency against members]({path}/room_vs_members.svg)\n\n"));
        text.push_str(&format!("![Latency spectrum]({path}/spectrum_{spectrum:07}.svg)\n\n"));
    }
    text.push_str(&format!("[Every run]({path}/)"));
    text
}

/// `document` with `body` between the markers of the block `name`; `None` when it has none.
fn replace_block(document: &str, name: &str, body: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let from = document.find(&begin)? + begin.len();
    let to = from + document[from..].find(&end)?;
    Some(format!("{}{body}\n{}", &document[..from], &document[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_replaced_and_the_rest_stays() {
        let document = "a\n<!-- rooms -->\nold\n<!-- /rooms -->\nb\n";
        let once = replace_block(document, "rooms", "new").unwrap();
        assert_eq!(once, "a\n<!-- rooms -->\nnew\n<!-- /rooms -->\nb\n");
        assert_eq!(replace_block(&once, "rooms", "new").unwrap(), once);
        assert_eq!(replace_block(document, "peers", "new"), None);
        assert_eq!(replace_block("<!-- rooms -->\n", "rooms", "new"), None);
    }

    #[test]
    fn pictures_are_linked_from_where_the_document_is() {
        let text = pictures("rooms", Path::new("results/x"), Path::new("README.md"), 990);
        assert!(text.contains("(results/x/spectrum_0000990.svg)"), "{text}");
        assert!(pictures("peers", Path::new("results/x"), Path::new("README.md"), 990).starts_with("[Every run]"));
    }
}
