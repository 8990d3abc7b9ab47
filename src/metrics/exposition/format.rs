//! The two text formats: Prometheus 0.0.4 and OpenMetrics 1.0.0.

use std::fmt::{self, Display, Write as _};

use super::families::Kind;

/// What a scraper asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus's text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The content type of an answer.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => prometheus::TEXT_FORMAT,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes heads and samples of families.
pub(super) struct Writer<'a> {
    out: &'a mut String,
    format: Format,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut String, format: Format) -> Self {
        Self { out, format }
    }

    /// `# HELP` and `# TYPE`. In OpenMetrics, a family of counters is called as its
    /// samples are without `_total`.
    pub(super) fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let name = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            (Format::OpenMetrics, Kind::Gauge | Kind::Histogram) | (Format::Text, _) => name,
        };
        let kind = kind.as_str();
        self.put(|out| {
            write!(out, "# HELP {name} ")?;
            escape(out, help)?;
            write!(out, "\n# TYPE {name} {kind}\n")
        });
    }

    pub(super) fn sample<'l>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        value: impl Display,
    ) {
        self.put(|out| {
            out.write_str(name)?;
            let mut separator = '{';
            for (label, value) in labels {
                out.write_char(separator)?;
                out.write_str(label)?;
                out.write_str("=\"")?;
                escape(out, value)?;
                out.write_char('"')?;
                separator = ',';
            }
            if separator == ',' {
                out.write_char('}')?;
            }
            writeln!(out, " {value}")
        });
    }

    /// The upper bound of a histogram's bucket, as the label `le` has it. OpenMetrics has
    /// whole numbers with a fraction.
    pub(super) fn bound(&self, bound: f64) -> String {
        match self.format {
            Format::Text => bound.to_string(),
            Format::OpenMetrics => format!("{bound:?}"),
        }
    }

    /// What follows the last family.
    pub(super) fn end(&mut self) {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
    }

    fn put(&mut self, write: impl FnOnce(&mut String) -> fmt::Result) {
        // Writing to a String cannot fail.
        let _ = write(self.out);
    }
}

fn escape(out: &mut String, mut text: &str) -> fmt::Result {
    while let Some((plain, rest)) = text
        .find(['\\', '"', '\n'])
        .and_then(|at| text.split_at_checked(at))
    {
        out.write_str(plain)?;
        let mut rest = rest.chars();
        out.write_str(match rest.next() {
            Some('"') => "\\\"",
            Some('\n') => "\\n",
            Some(_) | None => "\\\\",
        })?;
        text = rest.as_str();
    }
    out.write_str(text)
}
