use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
        lines.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(format: LogFormat, filter: &str) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = subscriber(format, filter, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let _span = tracing::info_span!("check", service = "web").entered();
        tracing::info!(real_server = "rs1", "up");
        tracing::debug!("hidden");
        tracing::info!(target: "hyper::proto", "hidden");
    });
    let text = lines.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

#[test]
fn text_is_a_plain_line_with_a_time_in_utc() {
    let text = logged(LogFormat::Text, DEFAULT);
    assert!(!text.contains('\x1b') && !text.contains("hidden"), "{text}");
    let (time, rest) = text.trim_end().split_once(' ').unwrap();
    assert!(time.ends_with('Z'), "{time}");
    humantime::parse_rfc3339(time).unwrap();
    assert!(rest.contains("INFO check{service=\"web\"}"), "{rest}");
    assert!(rest.contains("up real_server=\"rs1\""), "{rest}");
}

/// They name the hosts of URLs that are secrets.
#[test]
fn libraries_of_http_and_tls_log_little_unless_they_are_named() {
    let logged = |filter: &str| {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(LogFormat::Text, filter, move || writer.clone());
        tracing::subscriber::with_default(subscriber.unwrap(), || {
            tracing::trace!("own");
            tracing::trace!(target: "reqwest::connect", "starting new connection: secret.example");
            tracing::debug!(target: "hyper_util::client", "connecting to secret.example");
            tracing::debug!(target: "rustls::client::hs", "secret.example");
        });
        let text = lines.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    };
    let text = logged("trace");
    assert!(text.contains("own") && !text.contains("secret"), "{text}");
    let text = logged("info,reqwest=trace");
    assert_eq!(text.matches("secret").count(), 1, "{text}");
}

#[test]
fn json_is_one_object_a_line() {
    let text = logged(LogFormat::Json, DEFAULT);
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["fields"]["message"], "up");
    assert_eq!(line["fields"]["real_server"], "rs1");
    assert_eq!(line["span"]["service"], "web");
}

#[test]
fn a_filter_that_means_nothing_is_named() {
    let error = subscriber(LogFormat::Text, "lvs_agent=loud", io::sink)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.starts_with("LVS_AGENT_LOG=`lvs_agent=loud` is not a log filter"),
        "{error}"
    );
}

#[test]
fn the_journal_gets_a_priority_and_no_time_and_no_level() {
    let text = logged(LogFormat::Journald, DEFAULT);
    let expected =
        "<6>check{service=\"web\"}: lvs_agent::runtime::logging::tests: up real_server=\"rs1\"\n";
    assert_eq!(text, expected);
}
