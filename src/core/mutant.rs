//! Bugs that are planted on purpose: the crash campaign has to find every one of them.
//!
//! They exist only under the feature `mutants`, and only in a thread that has planted one. Without the feature
//! [`is`] is the constant `false`, and nothing of them is in the program.

macro_rules! mutants {
    ($($mutant:ident $name:literal $what:literal,)*) => {
        /// A bug that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutant { $(#[doc = $what] $mutant,)* }

        impl Mutant {
            /// All of them, each with its name and what is wrong.
            pub const ALL: &'static [(Self, &'static str, &'static str)] = &[$((Self::$mutant, $name, $what),)*];
        }
    };
}

mutants! {
    RecordNoSync "record-no-sync" "a save of the record does without its barrier",
    RecordNoReadBack "record-no-read-back" "a save of the record is not read back",
    FirstValidCopy "first-valid-copy" "the first valid copy counts, not the newest",
    NoChecksum "no-checksum" "a copy's checksum is not looked at",
    CurrentOverwritten "current-overwritten" "a save writes the copy that is current",
    SameGeneration "same-generation" "a save does not count the generation up",
    NoBarrierBeforeTrailer "no-barrier-before-trailer" "the trailer is written before the blocks are durable",
    TrailerFirst "trailer-first" "the trailer is written before the blocks",
    BlocksNotReadBack "blocks-not-read-back" "what was written to a slot is not read back",
    HalfCompared "half-compared" "a block counts as right when its first half is",
    TrailerKept "trailer-kept" "the trailer stays while the slot is written",
    EraseNoSync "erase-no-sync" "the trailer is erased without a barrier",
    TrailerUnread "trailer-unread" "a slot is booted whatever its trailer says",
    MarkNoSync "mark-no-sync" "the confirmed mark is written without a barrier",
    SaveAfterHandoff "save-after-handoff" "the attempt is saved after the root was entered",
    NoRecordTrial "no-record-trial" "a trial goes on although it could not be counted",
    NotNamedWriting "not-named-writing" "an early apply does not name its slot writing",
    WritingInOneCopy "writing-in-one-copy" "one copy of the record still calls the slot good that is written",
    VerdictInOneCopy "verdict-in-one-copy" "one copy of the record does not know that a slot was confirmed or rejected",
    AttemptInOneCopy "attempt-in-one-copy" "one copy of the record does not know of an attempt that is begun",
    RecordBeforeMark "record-before-mark" "confirm saves the record before the mark is in the slot",
    BundleBeforeRecord "bundle-before-record" "a new bundle replaces one that the record still names",
    RecordBeforeBundle "record-before-bundle" "the record names a bundle that is not there yet",
    StagedNoSync "staged-no-sync" "a staged file gets its name before its bytes are durable",
    DirectoryNoSync "directory-no-sync" "the name of a staged file is not made durable",
    LostForgotten "lost-forgotten" "a lost record is not made anew from the slots",
    UnmarkedIsGood "unmarked-is-good" "a slot without a mark comes back as good",
    DeviceMakesBad "device-makes-bad" "a device that does not answer makes its slot bad",
    GoodMadeBad "good-made-bad" "a good slot that cannot be entered becomes bad",
    OtherGoodWritten "other-good-written" "the other good slot is written although the default is not confirmed",
    RunningWritten "running-written" "the slot that runs may be written",
    TriesNeverEnd "tries-never-end" "used-up tries do not end a trial",
    StartsNeverEnd "starts-never-end" "an apply has starts without end",
    StartsInAllGivenBack "starts-in-all-given-back" "an apply that proves a block has its starts in all again",
    StagedUnproven "staged-unproven" "early boot gives a good slot up for a bundle that it has not proven",
    StagedNotReadBack "staged-not-read-back" "a staged copy is not read back",
    HandoffsGivenBack "handoffs-given-back" "a device error gives the hand-off back",
    FloorForgotten "floor-forgotten" "a confirmation does not raise the floor",
    FloorSinks "floor-sinks" "a confirmation of an older image lowers the floor",
    ErrorMakesBad "error-makes-bad" "an apply that fails makes its image bad",
}

#[cfg(feature = "mutants")]
mod planted {
    use super::Mutant;
    use std::cell::Cell;

    thread_local!(static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) });

    /// Plants a bug in this thread, instead of the one that was.
    pub fn plant(bug: Option<Mutant>) {
        PLANTED.set(bug);
    }

    /// Whether the bug is planted in this thread.
    pub fn is(bug: Mutant) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "mutants")]
pub use planted::{is, plant};

/// Whether the bug is planted: never, in a program that people use.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn is(_: Mutant) -> bool {
    false
}
