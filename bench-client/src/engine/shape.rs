//! How many members of a room are a nuisance to it, and of which kind.

/// How many of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    pub silent: usize,
    pub slow: usize,
    /// Bytes that each slow member reads a second.
    pub slow_bytes_per_s: u64,
    /// Members that come, and as many that go, a second.
    pub churn_per_s: f64,
    pub flooders: usize,
}

impl Shape {
    /// Those that are in the room all the time.
    pub fn in_room(&self) -> usize {
        self.silent + self.slow + self.flooders
    }

    /// The part of process `number` of `processes`: the first has those that come and go, and the flooders.
    pub fn part(&self, number: usize, processes: usize) -> Self {
        let part = |count: usize| count * (number + 1) / processes - count * number / processes;
        Self {
            silent: part(self.silent),
            slow: part(self.slow),
            slow_bytes_per_s: self.slow_bytes_per_s,
            churn_per_s: if number == 0 { self.churn_per_s } else { 0.0 },
            flooders: if number == 0 { self.flooders } else { 0 },
        }
    }
}
