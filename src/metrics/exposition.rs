//! The text format, rendered from the snapshot a piece at a time.
//!
//! The prometheus crate's model of a scrape takes some hundred bytes for each
//! series, and a director of 20,000 real servers has half a million; so the
//! series of real servers and virtual services are written straight from
//! their records, and never exist all at once.

mod families;
mod info;
mod served;

use std::fmt::{self, Display, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;

use families::{FAMILIES, Family, Source};

use crate::model::Statistics;
use crate::status::{RealServerRecord, ServiceRecord, Snapshot};

/// A piece ends with the first record that passes this many bytes: enough to
/// fill a socket's buffer, and rendered well within a millisecond.
const PIECE: usize = 32 * 1024;

fn names<'a>(service: &'a ServiceRecord, real_server: &'a RealServerRecord) -> [Label<'a>; 2] {
    [
        ("service", &service.name),
        ("real_server", &real_server.name),
    ]
}

type Label<'a> = (&'static str, &'a str);

/// Writes the samples of one family.
struct Samples<'a> {
    out: &'a mut String,
    family: &'static Family,
    /// Whether `# HELP` and `# TYPE` are still to be written: before the first
    /// sample, so that a family without one does not appear.
    head_pending: &'a mut bool,
}

impl Samples<'_> {
    fn add(&mut self, labels: &[Label<'_>], value: impl Display) {
        // Writing to a String cannot fail.
        let _ = self.write(labels, value);
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

    fn count(
        &mut self,
        service: &ServiceRecord,
        real_server: &RealServerRecord,
        counter: fn(&Statistics) -> u64,
    ) {
        let count = counter(&real_server.live.lock().statistics);
        self.add(&names(service, real_server), count);
    }

    fn count_all(&mut self, service: &ServiceRecord, counter: fn(&Statistics) -> u64) {
        let count = counter(&service.statistics.lock());
        self.add(&[("service", &service.name)], count);
    }

    fn write(&mut self, labels: &[Label<'_>], value: impl Display) -> fmt::Result {
        let Family {
            name, kind, help, ..
        } = self.family;
        if std::mem::take(self.head_pending) {
            write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n")?;
        }
        self.out.write_str(name)?;
        let mut separator = '{';
        for (label, value) in labels {
            write!(self.out, "{separator}{label}=\"")?;
            for character in value.chars() {
                match character {
                    '\\' => self.out.write_str("\\\\")?,
                    '"' => self.out.write_str("\\\"")?,
                    '\n' => self.out.write_str("\\n")?,
                    plain => self.out.write_char(plain)?,
                }
            }
            self.out.write_char('"')?;
            separator = ',';
        }
        if !labels.is_empty() {
            self.out.write_char('}')?;
        }
        writeln!(self.out, " {value}")
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
    own: std::vec::IntoIter<MetricFamily>,
    snapshot: Arc<Snapshot>,
    family: usize,
    head_pending: bool,
    service: usize,
    real_server: usize,
}

impl Exposition {
    /// `own` are the families that are not made from the snapshot.
    pub(super) fn new(own: Vec<MetricFamily>, snapshot: Arc<Snapshot>) -> Self {
        Self {
            own: own.into_iter(),
            snapshot,
            family: 0,
            head_pending: true,
            service: 0,
            real_server: 0,
        }
    }

    /// Renders the next record; `false` at the end.
    fn step(&mut self, out: &mut String) -> bool {
        if let Some(family) = self.own.next() {
            if let Err(error) = TextEncoder::new().encode_utf8(&[family], out) {
                tracing::warn!(%error, "a metric is left out of this scrape");
            }
            return true;
        }
        let Some(family) = FAMILIES.get(self.family) else {
            return false;
        };
        let mut samples = Samples {
            out,
            family,
            head_pending: &mut self.head_pending,
        };
        let service = self.snapshot.services.get(self.service);
        match (&family.source, service) {
            (Source::Host(render), _) => {
                render(&mut samples, &self.snapshot);
                self.next_family();
            }
            (Source::Service(_) | Source::RealServer(_) | Source::Probed(_), None) => {
                self.next_family();
            }
            (Source::Service(render), Some(service)) => {
                render(&mut samples, service);
                self.service += 1;
            }
            (source @ (Source::RealServer(render) | Source::Probed(render)), Some(service)) => {
                let with_sorry_server = matches!(source, Source::Probed(_));
                let sorry_server = service.sorry_server.as_ref().filter(|_| {
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
