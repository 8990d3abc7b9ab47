//! Lines of the log that are alike when many real servers or services change.

/// What lines are about that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LineKind {
    Down,
    OtherDiagnosis,
    Up,
    Quiesced,
    QuiescedNoLonger,
    QuorumLost,
    QuorumMet,
    SorryServerServes,
    SorryServerServesNoLonger,
    FailOpen,
    FailOpenNoLonger,
    OtherWeight,
    AdminState,
    OperatorWeight,
    Drained,
}
