//! The text formats, rendered from the snapshot a piece at a time.
//!
//! The prometheus crate's model of a scrape takes some hundred bytes for each
//! series, and a director of 20,000 real servers has hundreds of thousands; so the
//! series of real servers and virtual services are written straight from
//! their records, and never exist all at once.

mod families;
mod format;
mod info;
mod registry;
mod served;

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus::proto::MetricFamily;

use families::{Family, Source};
pub(crate) use format::Format;
use format::Writer;

use super::histograms::{HistogramValues, ServiceHistograms};
use crate::config::PerRealServer;
use crate::model::Statistics;
use crate::status::{RealServerRecord, ServiceRecord, Snapshot};

/// A piece ends with the first record that passes this many bytes: enough to
/// fill a socket's buffer, and rendered well within a millisecond.
const PIECE: usize = 32 * 1024;

/// For so long the compact form shows 0 for a counter that has left 0. Prometheus scrapes
/// once a minute by default.
const SHOWN_AS_ZERO: Duration = Duration::from_mins(1);

fn names<'a>(service: &'a ServiceRecord, real_server: &'a RealServerRecord) -> [Label<'a>; 2] {
    [
        ("service", &service.name),
        ("real_server", &real_server.name),
    ]
}

type Label<'a> = (&'static str, &'a str);

/// Writes the samples of one family.
struct Samples<'a> {
    writer: Writer<'a>,
    family: &'static Family,
    /// Whether `# HELP` and `# TYPE` are still to be written: before the first
    /// sample, so that a family without one does not appear.
    head_pending: &'a mut bool,
    per_real_server: PerRealServer,
    now: SystemTime,
}

/// A counter of one real server.
#[derive(Clone, Copy)]
struct Count {
    count: u64,
    /// When it left 0, as far as that is known.
    first: Option<SystemTime>,
}

impl Count {
    /// Whether a scraper may not have seen the counter yet.
    fn is_new(&self, now: SystemTime) -> bool {
        let since = self.first.map(|first| now.duration_since(first));
        since.is_some_and(|since| since.is_ok_and(|since| since < SHOWN_AS_ZERO))
    }
}

impl Samples<'_> {
    fn add(&mut self, labels: &[Label<'_>], value: impl Display) {
        let Family {
            name, kind, help, ..
        } = *self.family;
        if std::mem::take(self.head_pending) {
            self.writer.head(name, kind, help);
        }
        self.writer.sample(name, labels.iter().copied(), value);
    }

    /// A histogram of one virtual service.
    fn histogram(&mut self, service: &str, values: &HistogramValues) {
        let Family {
            name, kind, help, ..
        } = *self.family;
        if std::mem::take(self.head_pending) {
            self.writer.head(name, kind, help);
        }
        let service = ("service", service);
        let bucket = format!("{name}_bucket");
        for (bound, count) in &values.up_to {
            let bound = self.writer.bound(bound.as_secs_f64());
            self.writer
                .sample(&bucket, [service, ("le", &*bound)], count);
        }
        let all = [service, ("le", "+Inf")];
        self.writer.sample(&bucket, all, values.count);
        let sum = values.sum.as_secs_f64();
        self.writer.sample(&format!("{name}_sum"), [service], sum);
        let count = format!("{name}_count");
        self.writer.sample(&count, [service], values.count);
    }

    fn add_for(
        &mut self,
        service: &ServiceRecord,
        real_server: &RealServerRecord,
        label: Label<'_>,
        value: impl Display,
    ) {
        let [service, real_server] = names(service, real_server);
        self.add(&[service, real_server, label], value);
    }

    /// A counter of one real server. The compact form leaves out a counter that is 0, for
    /// most are. Such a counter appears with 0: Prometheus's `rate()` takes the first value
    /// of a series for its beginning, and would lose the first increments.
    fn count_for(
        &mut self,
        service: &ServiceRecord,
        real_server: &RealServerRecord,
        label: Label<'_>,
        counter: Count,
    ) {
        let is_full = self.per_real_server == PerRealServer::Full;
        if is_full || counter.count > 0 {
            let is_shown = is_full || !counter.is_new(self.now);
            let count = if is_shown { counter.count } else { 0 };
            self.add_for(service, real_server, label, count);
        }
    }

    fn count(
        &mut self,
        labels: &[Label<'_>],
        statistics: Statistics,
        counter: fn(&Statistics) -> u64,
    ) {
        self.add(labels, counter(&statistics));
    }
}

/// A point in time as Prometheus writes it.
struct Seconds(SystemTime);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since_epoch = self.0.duration_since(SystemTime::UNIX_EPOCH);
        let since_epoch = since_epoch.unwrap_or(Duration::ZERO);
        write!(
            f,
            "{}.{:03}",
            since_epoch.as_secs(),
            since_epoch.subsec_millis()
        )
    }
}

/// Where in a scrape one is.
pub(super) struct Exposition {
    format: Format,
    own: std::vec::IntoIter<MetricFamily>,
    histograms: Arc<[Arc<ServiceHistograms>]>,
    snapshot: Arc<Snapshot>,
    /// The places of the virtual services that the scrape is about, unless it is about
    /// everything.
    only: Option<Vec<usize>>,
    now: SystemTime,
    family: usize,
    head_pending: bool,
    /// How many of the wanted virtual services come before.
    service: usize,
    real_server: usize,
    is_ended: bool,
}

impl Exposition {
    /// `own` are the families that are not of virtual services and not made from the snapshot,
    /// and `histograms` those of the virtual services. With `only`, the scrape has the series of
    /// the virtual services at those places, and nothing else.
    pub(super) fn new(
        own: Vec<MetricFamily>,
        histograms: Arc<[Arc<ServiceHistograms>]>,
        snapshot: Arc<Snapshot>,
        format: Format,
        only: Option<Vec<usize>>,
        now: SystemTime,
    ) -> Self {
        Self {
            format,
            own: own.into_iter(),
            histograms,
            snapshot,
            only,
            now,
            family: 0,
            head_pending: true,
            service: 0,
            real_server: 0,
            is_ended: false,
        }
    }

    /// Renders the next record; `false` at the end.
    fn step(&mut self, out: &mut String) -> bool {
        let mut writer = Writer::new(out, self.format);
        if let Some(family) = self.own.next() {
            if self.only.is_none() {
                registry::write(&mut writer, &family);
            }
            return true;
        }
        let Some(family) = families::nth(self.family) else {
            let at_end = !std::mem::replace(&mut self.is_ended, true);
            if at_end {
                writer.end();
            }
            return at_end;
        };
        let mut samples = Samples {
            writer,
            family,
            head_pending: &mut self.head_pending,
            per_real_server: self.snapshot.per_real_server,
            now: self.now,
        };
        let place = match &self.only {
            None => Some(self.service),
            Some(only) => only.get(self.service).copied(),
        };
        let service = place.and_then(|place| self.snapshot.services.get(place));
        let histograms = place.and_then(|place| self.histograms.get(place));
        match (&family.source, service) {
            (Source::Histogram(values), _) => {
                if let Some(histograms) = histograms {
                    samples.histogram(&histograms.name, &values(histograms));
                    self.service += 1;
                } else {
                    self.next_family();
                }
            }
            (Source::Host(render), _) => {
                if self.only.is_none() {
                    render(&mut samples, &self.snapshot);
                }
                self.next_family();
            }
            (Source::Service(_) | Source::RealServer(..) | Source::Probed(..), None) => {
                self.next_family();
            }
            (Source::RealServer(from, _) | Source::Probed(from, _), Some(_))
                if *from > self.snapshot.per_real_server =>
            {
                self.next_family();
            }
            (Source::Service(render), Some(service)) => {
                render(&mut samples, service);
                self.service += 1;
            }
            (
                source @ (Source::RealServer(_, render) | Source::Probed(_, render)),
                Some(service),
            ) => {
                let with_sorry_server = matches!(source, Source::Probed(..));
                let sorry_server = service.sorry_server.as_deref().filter(|_| {
                    with_sorry_server && self.real_server == service.real_servers.len()
                });
                let real_server = service.real_servers.get(self.real_server);
                if let Some(real_server) = real_server.or(sorry_server) {
                    render(&mut samples, service, real_server);
                    self.real_server += 1;
                } else {
                    self.service += 1;
                    self.real_server = 0;
                }
            }
        }
        true
    }

    fn next_family(&mut self) {
        self.family += 1;
        self.head_pending = true;
        self.service = 0;
        self.real_server = 0;
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut piece = String::new();
        while piece.len() < PIECE && self.step(&mut piece) {}
        (!piece.is_empty()).then_some(piece)
    }
}
