//! What a client takes: the format of metrics, and gzip (RFC 9110, sections 12.4 and 12.5).
//! Pure.

use axum::http::{HeaderMap, HeaderName, header};

use super::sink::Encoding;
use crate::metrics::Format;

/// One element of a list such as `gzip;q=0.5`.
struct Element<'a> {
    /// In the client's spelling.
    name: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// In thousandths; 0 refuses what is named.
    quality: u16,
}

impl Element<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        let found = parameters.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    }
}

/// The elements of all headers of this name. What cannot be read says nothing.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Element<'_>> {
    let values = headers.get_all(name).into_iter();
    let values = values.filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter_map(element)
}

fn element(text: &str) -> Option<Element<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let parameters = parts.filter_map(|part| {
        let (key, value) = part.split_once('=')?;
        Some((key.trim(), value.trim().trim_matches('"')))
    });
    let mut element = Element {
        name,
        parameters: parameters.collect(),
        quality: 1000,
    };
    if let Some(quality) = element.parameter("q") {
        element.quality = self::quality(quality)?;
    }
    Some(element)
}

/// `0.5` as 500.
fn quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" if is_number => Some(thousandths),
        "1" if is_number && thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// gzip where the client takes it, and likes it at least as much as no encoding.
pub(super) fn encoding(headers: &HeaderMap) -> Encoding {
    let of = |wanted: &[&str]| {
        let mut named = elements(headers, header::ACCEPT_ENCODING).filter(|element| {
            let mut wanted = wanted.iter();
            wanted.any(|name| element.name.eq_ignore_ascii_case(name))
        });
        named.next().map(|element| element.quality)
    };
    let gzip = of(&["gzip", "x-gzip"]).or_else(|| of(&["*"])).unwrap_or(0);
    let identity = of(&["identity"]).unwrap_or(0);
    if gzip > 0 && gzip >= identity {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

/// The format with the highest quality; of equal ones, the first. As in Prometheus's own
/// `expfmt.NegotiateIncludingOpenMetrics`, only who names OpenMetrics gets it: `*/*` does not.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let offered = elements(headers, header::ACCEPT).filter_map(|element| {
        let format = offered(&element)?;
        (element.quality > 0).then_some((element.quality, format))
    });
    let best = offered.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map_or(Format::Text, |(_, format)| format)
}

fn offered(element: &Element<'_>) -> Option<Format> {
    let version = element.parameter("version");
    let is = |name: &str| element.name.eq_ignore_ascii_case(name);
    if is("application/openmetrics-text") && matches!(version, None | Some("1.0.0")) {
        Some(Format::OpenMetrics)
    } else if is("text/plain") && matches!(version, None | Some("0.0.4")) {
        Some(Format::Text)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
