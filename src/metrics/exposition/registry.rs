//! The families of the prometheus crate's registry: the counters of `metrics::Metrics`, and the
//! histogram that is not of virtual services.

use std::iter;

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::families::Kind;
use super::format::Writer;

/// Writes a family.
pub(super) fn write(writer: &mut Writer<'_>, family: &MetricFamily) {
    let kind = match family.get_field_type() {
        MetricType::COUNTER => Kind::Counter,
        MetricType::GAUGE => Kind::Gauge,
        MetricType::HISTOGRAM => Kind::Histogram,
        MetricType::SUMMARY | MetricType::UNTYPED => return,
    };
    writer.head(family.name(), kind, family.help());
    for metric in family.get_metric() {
        let labels = labels(metric);
        match kind {
            Kind::Counter => {
                writer.sample(family.name(), labels, metric.get_counter().get_value());
            }
            Kind::Gauge => writer.sample(family.name(), labels, metric.get_gauge().get_value()),
            Kind::Histogram => histogram(writer, family.name(), metric),
        }
    }
}

fn labels(metric: &Metric) -> impl Iterator<Item = (&str, &str)> {
    let labels = metric.get_label().iter();
    labels.map(|label| (label.name(), label.value()))
}

fn histogram(writer: &mut Writer<'_>, name: &str, metric: &Metric) {
    let histogram = metric.get_histogram();
    let bucket = format!("{name}_bucket");
    for part in histogram.get_bucket() {
        let bound = writer.bound(part.upper_bound());
        let labels = labels(metric).chain(iter::once(("le", &*bound)));
        writer.sample(&bucket, labels, part.cumulative_count());
    }
    let count = histogram.get_sample_count();
    let labels_of_all = labels(metric).chain(iter::once(("le", "+Inf")));
    writer.sample(&bucket, labels_of_all, count);
    let sum = histogram.get_sample_sum();
    writer.sample(&format!("{name}_sum"), labels(metric), sum);
    writer.sample(&format!("{name}_count"), labels(metric), count);
}
