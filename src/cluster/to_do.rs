//! Keys of the store of which an order is to be given, at once or after a while: what tables of entries share, whatever
//! their keys are.

use crate::pieces::fifo::Fifo;

#[derive(Debug)]
pub struct ToDo<K> {
    now: Fifo<K>,
    /// Those of an order whose outcome is not known, which is given again after a while.
    later: Fifo<K>,
    /// True from when the store was read until the connection breaks.
    is_up: bool,
}

impl<K> Default for ToDo<K> {
    fn default() -> Self {
        Self { now: Fifo::new(), later: Fifo::new(), is_up: false }
    }
}

impl<K> ToDo<K> {
    /// True from when the store was read until the connection breaks. Meanwhile orders can be given.
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    pub fn push(&mut self, key: K) {
        self.now.push_back(key);
    }

    pub fn push_later(&mut self, key: K) {
        self.later.push_back(key);
    }

    /// Everything was read that the store has.
    pub fn on_caught_up(&mut self) {
        self.is_up = true;
        self.try_again();
    }

    pub fn on_down(&mut self) {
        self.is_up = false;
    }

    /// Has orders given again whose outcome was not known. To be called now and then.
    pub fn try_again(&mut self) {
        while let Some(key) = self.later.pop_front() {
            self.now.push_back(key);
        }
    }

    /// Takes the next key, while orders can be given.
    pub fn take(&mut self) -> Option<K> {
        if self.is_up { self.now.pop_front() } else { None }
    }

    /// How many keys wait.
    pub fn len(&self) -> usize {
        self.now.len() + self.later.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.now.footprint() + self.later.footprint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_their_order_while_there_is_a_store_and_later_ones_after_a_while() {
        let mut to_do = ToDo::default();
        to_do.push_later(1);
        to_do.push(2);
        assert_eq!(to_do.take(), None, "there is none");
        to_do.on_caught_up();
        assert_eq!((to_do.take(), to_do.take(), to_do.take()), (Some(2), Some(1), None));
        to_do.push_later(3);
        assert_eq!(to_do.take(), None);
        to_do.try_again();
        to_do.on_down();
        assert_eq!(to_do.take(), None);
        to_do.on_caught_up();
        assert_eq!(to_do.take(), Some(3));
    }
}
