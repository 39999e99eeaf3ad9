//! The `report` command: draws the tables, rows and pictures of a folder again, from the files of its runs.
//!
//! With `--into` the short table of the folder also becomes a block of a document, with a link to the full one: what stands
//! between `<!-- rooms -->` and `<!-- /rooms -->`, or `million`, `headline`, `peers`, `costs`, `many-rooms`, `two-rooms`, `cluster-cost`, is replaced. A comparison and a million
//! bring their pictures.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{Context, Error, Result, exit};
use crate::files::write_file;
use crate::report::{self, bars, million_table, peers_table, reach, rooms_table};
use crate::results::folder::{MANY_ROOMS, MILLION, ROOMS, SHORT, kind_of};
use crate::results::{cluster_cost, comparison, costs, headline, two_rooms};

#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Folder of a sweep or a comparison
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    /// Put the short table, and the picture of a comparison or a million, between their markers in this document too
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
}

/// Draws the folder again; returns the exit code.
pub fn command(arguments: &ReportArgs) -> Result<u8> {
    let folder = &arguments.folder;
    let (name, text) = if comparison::is_folder(folder) {
        ("peers", peers_table::text(&report::peers::draw(folder)?))
    } else if costs::is_folder(folder) {
        ("costs", report::costs::draw(folder)?)
    } else if headline::is_folder(folder) {
        ("headline", report::headline::draw(folder)?.0)
    } else if two_rooms::is_folder(folder) {
        (two_rooms::KIND, report::two_rooms::draw(folder)?)
    } else if cluster_cost::is_folder(folder) {
        (cluster_cost::KIND, report::cluster_cost::draw(folder)?)
    } else if kind_of(folder)? == MANY_ROOMS {
        (MANY_ROOMS, report::many_rooms::draw(folder)?)
    } else if kind_of(folder)? == MILLION {
        (MILLION, million_table::text(&report::million::draw(folder)?))
    } else {
        (ROOMS, rooms_table::text(&report::rooms::draw(folder)?))
    };
    print!("{text}");
    let Some(document) = &arguments.into else { return Ok(exit::GOOD) };
    let read = |path: &Path| fs::read_to_string(path).context(|| format!("cannot read {}", path.display()));
    let before = read(document)?;
    let short = read(&folder.join(SHORT))?;
    let base = document.parent().unwrap_or(Path::new(""));
    let path = folder.strip_prefix(base).unwrap_or(folder).display().to_string();
    let body = block(name, short.trim_end(), path.trim_end_matches('/'));
    let after = replace_block(&before, name, &body)
        .ok_or_else(|| Error::new(format!("{} has no <!-- {name} --> ... <!-- /{name} -->", document.display())))?;
    write_file(document, after.as_bytes())?;
    Ok(exit::GOOD)
}

/// What a document shows of the folder at `path`: its `short` form and where the rest is.
fn block(name: &str, short: &str, path: &str) -> String {
    match name {
        // One paragraph, so that the figures and what was measured stay together.
        "headline" => format!("{short} ([the runs]({path}/table.md))."),
        "peers" => {
            let picture = format!("![uproar beside its peers in a room of 1,000]({path}/{})", bars::PEERS);
            format!("{picture}\n\n{short}\n[All tables, versions, settings, and what to object to]({path}/table.md)")
        }
        MILLION => {
            let picture =
                format!("![How long until rooms of up to a million members have a line]({path}/{})", reach::REACH);
            format!("{picture}\n\n{short}\n[The full table]({path}/table.md)")
        }
        ROOMS => {
            format!("{short}\n[The full table]({path}/table.md), [as a picture]({path}/room_vs_members.svg)")
        }
        _ => format!("{short}\n[With the range of the runs]({path}/table.md)"),
    }
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
    fn a_block_links_to_the_full_table() {
        for name in ["rooms", "million", "peers", "costs", "headline", "many-rooms", "two-rooms", "cluster-cost"] {
            let text = block(name, "short", "results/x");
            assert!(text.contains("short") && text.contains("(results/x/table.md)"), "{text}");
        }
        for name in ["peers", "million"] {
            assert!(block(name, "short", "results/x").starts_with("!["), "{name} brings its picture");
        }
    }
}
