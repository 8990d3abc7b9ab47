use std::time::{Duration, Instant};

/// After the last probe that could not be made, how long until that counts as over.
const QUIET: Duration = Duration::from_secs(10);

/// Whether this host fails to make probes, for reasons of its own (no file
/// descriptors, no ports): told when it begins and when it is over, not for
/// every probe.
#[derive(Debug, Default)]
pub(super) struct Unmade(Option<Episode>);

#[derive(Debug)]
struct Episode {
    probes: u64,
    last: Instant,
}

impl Unmade {
    /// A probe could not be made; whether that is news.
    pub(super) fn note(&mut self, now: Instant) -> bool {
        let begins = self.0.is_none();
        let episode = self.0.get_or_insert(Episode {
            probes: 0,
            last: now,
        });
        episode.probes += 1;
        episode.last = now;
        begins
    }

    /// If it has just come to be over: how many probes could not be made.
    pub(super) fn over(&mut self, now: Instant) -> Option<u64> {
        let episode = self
            .0
            .take_if(|episode| now.saturating_duration_since(episode.last) >= QUIET)?;
        Some(episode.probes)
    }
}

#[cfg(test)]
mod tests;
