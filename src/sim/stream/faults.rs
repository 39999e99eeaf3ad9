//! What goes wrong with single orders and words. Changes of leader, cuts and the like are incidents of the run.

use super::MILLISECOND;
use crate::io::sim::draw::Draw;

/// Frequencies are out of 256. All zero is an engine without faults.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Longest time that something is under way, one way, in nanoseconds.
    pub latency: u64,
    /// Longest time after which a link that has had no answer says that the outcome is unknown.
    pub patience: u64,
    /// Longest time until a link notices that its connection is gone, and until it has another.
    pub notice: u64,
    pub reconnect: u64,
    /// An order does not come to the engine.
    pub lose_order: u8,
    /// An answer does not come to the link.
    pub lose_answer: u8,
    /// An order comes to the engine after its link has said that its outcome is unknown.
    pub late_order: u8,
    /// An order comes to the engine a second time, perhaps beyond the duplicate window.
    pub twice: u8,
    /// A word does not come to a link; it comes twice; it comes later than others.
    pub lose_word: u8,
    pub repeat_word: u8,
    pub late_word: u8,
    /// A link says how far it is behind.
    pub tell_lag: u8,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency: MILLISECOND,
            patience: 2000 * MILLISECOND,
            notice: 10 * MILLISECOND,
            reconnect: 10 * MILLISECOND,
            lose_order: 0,
            lose_answer: 0,
            late_order: 0,
            twice: 0,
            lose_word: 0,
            repeat_word: 0,
            late_word: 0,
            tell_lag: 0,
        }
    }
}

impl Faults {
    pub fn draw(draw: &mut Draw) -> Self {
        let mut rate = |rates: &[u8]| if draw.chance(128) { draw.pick(rates) } else { 0 };
        let often = [4, 16, 64];
        let (lose_order, lose_answer, late_order, twice) = (rate(&often), rate(&often), rate(&often), rate(&often));
        let (lose_word, repeat_word, late_word) = (rate(&[4, 64]), rate(&[1, 8]), rate(&[1, 8]));
        Self {
            latency: draw.pick(&[1, 1, 10, 100, 1500]) * MILLISECOND,
            patience: draw.pick(&[2000, 200, 5000]) * MILLISECOND,
            notice: draw.pick(&[10, 500, 3000]) * MILLISECOND,
            reconnect: draw.pick(&[10, 1000, 4000]) * MILLISECOND,
            lose_order,
            lose_answer,
            late_order,
            twice,
            lose_word,
            repeat_word,
            late_word,
            tell_lag: draw.pick(&[0, 64]),
        }
    }
}
