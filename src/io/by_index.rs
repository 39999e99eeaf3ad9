//! A list with an entry for every index: a back end's data by slot or by descriptor.

/// Grows to the highest index that was asked for and never shrinks.
#[derive(Debug)]
pub struct ByIndex<T> {
    entries: Vec<T>,
    /// The value of an entry that was not set.
    vacant: T,
}

impl<T: Copy> ByIndex<T> {
    pub fn new(vacant: T) -> Self {
        Self { entries: Vec::new(), vacant }
    }

    /// A list that has address space for `entries`, so that it is not copied when it grows up to there.
    pub fn with_space_for(entries: usize, vacant: T) -> Self {
        Self { entries: Vec::with_capacity(entries), vacant }
    }

    /// The entry, without growing the list.
    pub fn at(&self, index: usize) -> T {
        self.entries.get(index).copied().unwrap_or(self.vacant)
    }

    pub fn at_mut(&mut self, index: usize) -> &mut T {
        if self.entries.len() <= index {
            self.entries.resize(index + 1, self.vacant);
        }
        &mut self.entries[index]
    }

    /// An entry that the list has already.
    pub fn find_mut(&mut self, index: usize) -> Option<&mut T> {
        self.entries.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_was_not_set_is_vacant() {
        let mut list = ByIndex::new(-1);
        assert_eq!(list.at(1000), -1);
        *list.at_mut(3) = 7;
        assert_eq!([0, 2, 3, 4].map(|index| list.at(index)), [-1, -1, 7, -1]);
    }

    #[test]
    fn reading_an_entry_does_not_grow_the_list() {
        let mut list = ByIndex::new(0);
        assert_eq!((list.at(5), list.find_mut(5)), (0, None));
        assert_eq!(list.at_mut(5), &0);
        assert_eq!(list.find_mut(4), Some(&mut 0));
        assert_eq!(list.find_mut(6), None);
    }

    #[test]
    fn entries_stay_when_it_grows() {
        let mut list = ByIndex::new(0);
        for index in 0..1000 {
            *list.at_mut(index) = index;
        }
        assert!((0..1000).all(|index| list.at(index) == index));
    }
}
