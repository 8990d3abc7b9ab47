//! The families that are made from the snapshot.

mod histogram;
mod host;
mod real_server;
mod service;

use super::Samples;
use crate::config::PerRealServer;
use crate::metrics::histograms::{HistogramValues, ServiceHistograms};
use crate::status::{RealServerRecord, ServiceRecord, Snapshot};

/// One metric that is made from the snapshot.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) source: Source,
}

/// What `# TYPE` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a family has series for, and how they are written. Families of real servers appear
/// from a value of `metrics.per_real_server` on.
pub(super) enum Source {
    /// The virtual services, by what tasks have counted.
    Histogram(fn(&ServiceHistograms) -> HistogramValues),
    Host(fn(&mut Samples<'_>, &Snapshot)),
    Service(fn(&mut Samples<'_>, &ServiceRecord)),
    RealServer(
        PerRealServer,
        fn(&mut Samples<'_>, &ServiceRecord, &RealServerRecord),
    ),
    /// The real servers and the sorry server: all that is probed.
    Probed(
        PerRealServer,
        fn(&mut Samples<'_>, &ServiceRecord, &RealServerRecord),
    ),
}

/// In the order of a scrape.
const FAMILIES: [&[Family]; 4] = [
    histogram::FAMILIES,
    host::FAMILIES,
    service::FAMILIES,
    real_server::FAMILIES,
];

/// The family at this place in a scrape.
pub(super) fn nth(index: usize) -> Option<&'static Family> {
    FAMILIES.into_iter().flatten().nth(index)
}
