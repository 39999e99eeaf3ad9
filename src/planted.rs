//! Bugs that tests switch on, to prove that the simulated kernel finds them. In a build without tests and without the
//! feature `sim` every switch is the constant `false`, and nothing of them is left.

/// A bug, named by what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    OwnEcho,
    CursorOffByOne,
    SlotFreedTwice,
    SlotFreedInFlight,
    SlotLeaked,
    LostTailOfShortSend,
    StaleGenerationAccepted,
    WrongPresenceCount,
    LeaveNotTold,
    SkipCountOffByOne,
    TornLineAfterSkip,
    AcceptNeverResumed,
    SpinOnFullSocket,
    SegmentRetiredEarly,
    OrderSwapped,
    ReceiveArmedTwice,
    HeldForEver,
    UnreadForEver,
    FloodNotSlowed,
    DiscardPaidAgain,
    NoticeInsideLine,
    AddressForgotten,
    PresenceNotLimited,
    FirstLosesItsPlace,
    UptakeIgnored,
    NameShared,
    DroppedLineNotCounted,
    DiscardedIsSpeech,
    OpeningForgotten,
    OpeningNeverSaid,
}

#[cfg(any(test, feature = "sim"))]
impl Planted {
    pub const ALL: [Self; 30] = [
        Self::OwnEcho,
        Self::CursorOffByOne,
        Self::SlotFreedTwice,
        Self::SlotFreedInFlight,
        Self::SlotLeaked,
        Self::LostTailOfShortSend,
        Self::StaleGenerationAccepted,
        Self::WrongPresenceCount,
        Self::LeaveNotTold,
        Self::SkipCountOffByOne,
        Self::TornLineAfterSkip,
        Self::AcceptNeverResumed,
        Self::SpinOnFullSocket,
        Self::SegmentRetiredEarly,
        Self::OrderSwapped,
        Self::ReceiveArmedTwice,
        Self::HeldForEver,
        Self::UnreadForEver,
        Self::FloodNotSlowed,
        Self::DiscardPaidAgain,
        Self::NoticeInsideLine,
        Self::AddressForgotten,
        Self::PresenceNotLimited,
        Self::FirstLosesItsPlace,
        Self::UptakeIgnored,
        Self::NameShared,
        Self::DroppedLineNotCounted,
        Self::DiscardedIsSpeech,
        Self::OpeningForgotten,
        Self::OpeningNeverSaid,
    ];

    /// Switches this bug on, and the one before off, in this thread.
    pub fn plant(bug: Option<Self>) {
        PLANTED.set(bug);
    }

    pub fn is_on(self) -> bool {
        PLANTED.get() == Some(self)
    }
}

#[cfg(any(test, feature = "sim"))]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

#[cfg(not(any(test, feature = "sim")))]
impl Planted {
    #[inline(always)]
    pub const fn is_on(self) -> bool {
        false
    }
}
