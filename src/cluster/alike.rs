//! Options that all nodes of a cluster must have alike, because they decide what members share: as a text that each
//! tells the others, and how two of them differ. Pure.

use std::fmt;

use super::beat::About;

/// An option that two nodes have set otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub option: String,
    pub here: String,
    pub there: String,
    /// What the other node is called.
    pub node: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, here, there, node } = self;
        write!(f, "nodes of a cluster need the same --{option}: it is {here} here and {there} at {node}")
    }
}

/// The text that a node tells others: `name=value`, with a space between two. Spaces in values become `_`.
pub fn text(options: &[(&str, String)]) -> String {
    let one = |(name, value): &(&str, String)| format!("{name}={}", value.replace(' ', "_"));
    options.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The first option that both have and not alike. One that only one of them has is of another version of the program.
fn difference(here: &About, there: &About) -> Option<Difference> {
    let options = |text: &'_ str| -> Vec<(String, String)> {
        let split = text.split(' ').filter_map(|option| option.split_once('='));
        split.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let theirs = options(&there.options);
    options(&here.options).into_iter().find_map(|(option, here)| {
        let (_, other) = theirs.iter().find(|(name, _)| *name == option)?;
        (*other != here).then(|| Difference { option, here, there: other.clone(), node: there.name.clone() })
    })
}

/// True when this node is the one of two that has to end: the one that has not settled, or where both have, the one that
/// was started later by its clock. Both come to the same result, since a node that has settled stays so, and what else
/// is compared does not change. Two that have not settled wait: one of them may have to end for the sake of others.
fn gives_way(here: &About, there: &About) -> bool {
    there.settled && (!here.settled || (here.started, here.node) > (there.started, there.node))
}

/// Why this node has to end, of two of which one has to.
pub fn conflict(here: &About, there: &About) -> Option<Difference> {
    difference(here, there).filter(|_| gives_way(here, there))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::link::NodeId;
    use crate::time::UnixTime;

    fn about(node: u64, options: &str, started: u64, settled: bool) -> About {
        About {
            node: NodeId(node),
            name: format!("n{node}"),
            version: String::new(),
            protocol: 1,
            options: options.to_owned(),
            started: UnixTime(started),
            settled,
            members: 0,
            lag: 0,
            up: Duration::ZERO,
        }
    }

    #[test]
    fn a_difference_names_the_option_and_both_values() {
        let here = about(1, &text(&[("line-bytes", "4096".to_owned()), ("history", "20".to_owned())]), 2, false);
        let there = about(2, "line-bytes=4096 history=30 colour=red", 1, true);
        let found = conflict(&here, &there).unwrap();
        assert_eq!(found.to_string(), "nodes of a cluster need the same --history: it is 20 here and 30 at n2");
        assert_eq!(conflict(&about(1, "line-bytes=4096 taste=sour", 2, false), &there), None, "each has one more");
        assert_eq!(conflict(&about(1, "", 2, false), &there), None);
    }

    #[test]
    fn of_two_that_differ_exactly_one_gives_way_once_one_has_settled() {
        let all: Vec<About> = [(1, 5, false), (2, 5, false), (3, 4, true), (4, 9, true), (5, 1, false)]
            .map(|(node, started, settled)| about(node, &format!("history={node}"), started, settled))
            .into();
        for here in &all {
            for there in all.iter().filter(|there| there.node != here.node) {
                let give_way = [conflict(here, there), conflict(there, here)].into_iter().flatten().count();
                assert_eq!(give_way, usize::from(here.settled || there.settled), "{here:?} {there:?}");
            }
        }
        let gives_way = |here: usize, there: usize| conflict(&all[here], &all[there]).is_some();
        assert!(gives_way(4, 3), "it has not settled, whatever its clock says");
        assert!(gives_way(3, 2), "it was started later");
    }
}
