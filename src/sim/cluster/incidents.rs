//! What goes wrong with nodes and with the engine, and when.

use crate::io::sim::draw::Draw;
use crate::sim::stream::MILLISECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Incident {
    /// The way between a node and the engine is cut, or healed.
    Cut {
        node: usize,
        is_cut: bool,
    },
    /// The engine, or its leader, goes away or comes back.
    Engine {
        is_there: bool,
    },
    /// A node is given nothing of the stream for a while.
    Silence {
        node: usize,
        nanoseconds: u64,
    },
    /// A node does not run for a while.
    Pause {
        node: usize,
        nanoseconds: u64,
    },
    /// A node ends without a word. Another may be started later.
    Kill {
        node: usize,
    },
    /// A node is told to stop.
    Stop {
        node: usize,
    },
    Start,
    /// The stream forgets its oldest batches.
    Forget {
        batches: u64,
    },
}

/// How often incidents of each kind are drawn.
const MIX: [u8; 12] = [0, 0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 0];

/// The incidents of a run of `span` nanoseconds with `nodes` nodes, in order.
pub fn draw(draw: &mut Draw, nodes: usize, span: u64) -> Vec<(u64, Incident)> {
    let mut incidents = Vec::new();
    if draw.chance(32) {
        // Nodes start without an engine.
        incidents.push((0, Incident::Engine { is_there: false }));
        let back = draw.below(20_000) * MILLISECOND;
        incidents.push((back, Incident::Engine { is_there: true }));
    }
    let count = draw.pick(&[2, 0, 1, 6]);
    // Half of the runs have one kind of incident alone.
    let kind = if draw.chance(128) { Some(draw.pick(&MIX)) } else { None };
    for _ in 0..count {
        let at = draw.below(span);
        let node = draw.below(nodes as u64) as usize;
        let lasts = draw.pick(&[500, 50, 3000, 15_000, 40_000]) * MILLISECOND;
        let lasts = lasts / 2 + draw.below(lasts);
        match kind.unwrap_or_else(|| draw.pick(&MIX)) {
            0 => {
                incidents.push((at, Incident::Cut { node, is_cut: true }));
                incidents.push((at + lasts, Incident::Cut { node, is_cut: false }));
            }
            1 => {
                incidents.push((at, Incident::Engine { is_there: false }));
                incidents.push((at + lasts, Incident::Engine { is_there: true }));
            }
            2 => incidents.push((at, Incident::Silence { node, nanoseconds: lasts })),
            3 => incidents.push((at, Incident::Pause { node, nanoseconds: lasts.min(15_000 * MILLISECOND) })),
            4 => {
                let stops = draw.chance(64);
                incidents.push((at, if stops { Incident::Stop { node } } else { Incident::Kill { node } }));
                if draw.chance(200) {
                    incidents.push((at + lasts.min(20_000 * MILLISECOND), Incident::Start));
                }
            }
            _ => incidents.push((at, Incident::Forget { batches: draw.below(40) })),
        }
    }
    incidents.sort_by_key(|(at, _)| *at);
    incidents
}
