use axum::http::HeaderValue;

use super::*;

fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[test]
fn gzip_is_for_those_who_prefer_it() {
    for (values, expected) in [
        (&[][..], Encoding::Identity),
        (&["gzip"], Encoding::Gzip),
        (&["x-gzip"], Encoding::Gzip),
        (&["GZip"], Encoding::Gzip),
        (&["deflate, gzip;q=0.5"], Encoding::Gzip),
        (&["deflate", "gzip"], Encoding::Gzip),
        (&["*"], Encoding::Gzip),
        (&["gzip;q=0"], Encoding::Identity),
        (&["gzip; q=0.000, *"], Encoding::Identity),
        (&["*;q=0"], Encoding::Identity),
        (&["deflate, br"], Encoding::Identity),
        (&["identity, gzip;q=0.5"], Encoding::Identity),
        (&["identity;q=0.5, gzip;q=0.6"], Encoding::Gzip),
        (&["identity;q=0.5, gzip;q=0.5"], Encoding::Gzip),
        (&["identity;q=0, gzip"], Encoding::Gzip),
        (&[""], Encoding::Identity),
        (&["gzip;q=2"], Encoding::Identity),
        (&["gzip;q=1.001"], Encoding::Identity),
        (&["gzip;q=.5"], Encoding::Identity),
        (&["gzip;q="], Encoding::Identity),
    ] {
        let found = encoding(&headers(&header::ACCEPT_ENCODING, values));
        assert_eq!(found, expected, "{values:?}");
    }
}

#[test]
fn openmetrics_is_for_those_who_ask_for_it() {
    for (values, expected) in [
        (&[][..], Format::Text),
        (&["*/*"], Format::Text),
        (&["text/html,*/*;q=0.8"], Format::Text),
        (&["application/openmetrics-text"], Format::OpenMetrics),
        (
            &["application/openmetrics-text; version=1.0.0; charset=utf-8"],
            Format::OpenMetrics,
        ),
        (
            &["application/openmetrics-text; version=2.0.0"],
            Format::Text,
        ),
        (&["application/openmetrics-text; q=0"], Format::Text),
        (
            &["text/plain;version=0.0.4, application/openmetrics-text;q=0.5"],
            Format::Text,
        ),
        // What Prometheus 2.53 and 3.5 send.
        (
            &["application/openmetrics-text;version=1.0.0;q=0.5,\
               application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,\
               */*;q=0.2"],
            Format::OpenMetrics,
        ),
        (
            &[
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
               application/openmetrics-text;version=0.0.1;q=0.5,\
               text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
               text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            ],
            Format::OpenMetrics,
        ),
        // The same with scrape_protocols of PrometheusText0.0.4 first.
        (
            &["text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5"],
            Format::Text,
        ),
        (
            &[
                "application/openmetrics-text;version=\"1.0.0\";q=0.9",
                "text/plain;q=0.8",
            ],
            Format::OpenMetrics,
        ),
    ] {
        let found = format(&headers(&header::ACCEPT, values));
        assert_eq!(found, expected, "{values:?}");
    }
}
