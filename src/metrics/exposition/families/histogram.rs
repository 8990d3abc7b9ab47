//! The histograms of virtual services.

use super::{Family, Kind, Source};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "lvs_detection_seconds",
        kind: Kind::Histogram,
        help: "From the start of the first failed probe to the weight being written.",
        source: Source::Histogram(|histograms| histograms.detection.values()),
    },
    Family {
        name: "lvs_probe_duration_seconds",
        kind: Kind::Histogram,
        help: "How long probes took, from connecting to the verdict.",
        source: Source::Histogram(|histograms| histograms.probe_duration.values()),
    },
];
