use crate::model::Weight;

/// What a real server, or somebody on its behalf, says of its share of new
/// connections, beside whether it passes its check: the answer of an agent,
/// the output of a command, the content of a file.
///
/// A piece of advice replaces the one before it as a whole, and holds until
/// the next one; an outcome without advice leaves the last one in force. It
/// speaks of a real server that is up: one that is down gets no connections
/// whatever it advises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// So many percent of the configured weight, 0 to 100; what is not 0
    /// should not be rounded down to it.
    Percent(u8),
    /// This weight in place of the configured one.
    Weight(Weight),
    /// No new connections; those that there are go on.
    Drain,
    /// The configured weight again.
    Ready,
}
