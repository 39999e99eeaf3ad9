//! The times of one message: when it was due, when it was sent, and when which part of the room had it.

/// How much of the room has a message, in the order the marks are passed.
pub const MARKS: usize = 5;
/// The last mark: the whole room has it.
pub const WHOLE: usize = 4;
/// Per cent of the expected members that each mark stands for; 0 is the first member.
pub const MARK_PERCENT: [u32; MARKS] = [0, 50, 90, 99, 100];

/// When the first member got a message of a slowed publisher less than this before the end, the message was still on its way to
/// the others.
const JUST_HEARD_NS: u64 = 1_000_000_000;

/// One message of the plan: when it was due and sent, and how the room got it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Message {
    /// Planned moment, absolute.
    pub due_ns: u64,
    /// Moment just before its bytes were handed to the kernel; 0 until then.
    pub sent_ns: u64,
    /// When each mark was passed; 0 until then.
    pub marks_ns: [u64; MARKS],
    /// Verified members in the room when it was sent, its author left out.
    pub expected: u32,
    /// Those of them that have it.
    pub received: u32,
    /// `received` at which the next mark is passed; `u32::MAX` once all are.
    mark_rank: u32,
    /// Marks passed.
    marks_passed: u8,
}

impl Message {
    /// It is due at `due_ns`.
    pub(super) fn due_at(due_ns: u64) -> Self {
        Self { due_ns, ..Self::default() }
    }

    /// It was handed over at `sent_ns`, and `expected` members are to get it.
    pub(super) fn expect(&mut self, sent_ns: u64, expected: u32) {
        self.sent_ns = sent_ns;
        self.expected = expected;
        self.mark_rank = if expected == 0 { u32::MAX } else { 1 };
    }

    /// One more member got it, at `now_ns`.
    pub(super) fn deliver(&mut self, now_ns: u64) {
        self.received += 1;
        if self.received == self.mark_rank {
            self.pass_marks(now_ns);
        }
    }

    /// At `ended_ns` nobody has it, or the first has it only just.
    pub(super) fn is_hardly_heard(&self, ended_ns: u64) -> bool {
        let first_ns = self.marks_ns[0];
        first_ns == 0 || first_ns + JUST_HEARD_NS > ended_ns
    }

    fn pass_marks(&mut self, now_ns: u64) {
        self.mark_rank = u32::MAX;
        while let Some(percent) = MARK_PERCENT.get(usize::from(self.marks_passed)) {
            let rank = mark_rank(self.expected, *percent);
            if self.received < rank {
                self.mark_rank = rank;
                break;
            }
            self.marks_ns[usize::from(self.marks_passed)] = now_ns;
            self.marks_passed += 1;
        }
    }
}

/// Members that make `percent` of `expected`: at least one, rounded up.
pub(super) fn mark_rank(expected: u32, percent: u32) -> u32 {
    ((u64::from(expected) * u64::from(percent)).div_ceil(100) as u32).max(1)
}
