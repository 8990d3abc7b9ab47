//! The queries of the dashboards in `deploy/grafana`, asked as Grafana asks them.

use std::fs;

use serde_json::Value;

use super::prometheus::{Prometheus, deployed};
use super::until;

/// What Grafana replaces before it sends a query.
const VARIABLES: &[(&str, &str)] = &[
    ("$__rate_interval", "10s"),
    ("$__range", "5m"),
    ("$job", "lvs-agent"),
    ("$instance", ".+"),
    ("$service", "web"),
];

/// How Grafana asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Instant,
    Range,
    LabelValues,
}

#[derive(Debug)]
pub(crate) struct Query {
    /// Dashboard and panel, annotation or variable.
    pub(crate) of: String,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

fn query(of: String, kind: Kind, text: &Value) -> Query {
    let mut text = text.as_str().expect("the text of a query").to_owned();
    for (name, value) in VARIABLES {
        text = text.replace(name, value);
    }
    assert!(!text.contains('$'), "{of}: an unknown variable in {text}");
    Query { of, kind, text }
}

/// Every query of the dashboards.
pub(crate) fn all_queries() -> Vec<Query> {
    let names = ["overview", "service", "fleet"].into_iter();
    let all: Vec<_> = names.flat_map(queries).collect();
    assert!(all.len() > 60, "only {} queries were found", all.len());
    all
}

/// Every query of a dashboard.
fn queries(name: &str) -> Vec<Query> {
    let text = fs::read_to_string(deployed(&format!("grafana/{name}.json"))).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let mut queries = Vec::new();
    for panel in list(&dashboard["panels"]) {
        let title = panel["title"].as_str().unwrap();
        let targets = list(&panel["targets"]);
        assert!(!targets.is_empty(), "{name}: {title} has no query");
        for target in targets {
            let kind = if target["instant"] == true {
                Kind::Instant
            } else {
                Kind::Range
            };
            queries.push(query(format!("{name}: {title}"), kind, &target["expr"]));
        }
    }
    for annotation in list(&dashboard["annotations"]["list"]) {
        let of = format!("{name}: annotation {}", annotation["name"]);
        queries.push(query(of, Kind::Range, &annotation["expr"]));
    }
    for variable in list(&dashboard["templating"]["list"]) {
        if variable["type"] == "query" {
            let of = format!("{name}: variable {}", variable["name"]);
            let text = &variable["query"]["query"];
            assert_eq!(variable["definition"], *text, "{of}");
            queries.push(query(of, Kind::LabelValues, text));
        }
    }
    queries
}

impl Query {
    /// What Prometheus answers: series, or values of a label.
    pub(crate) fn ask(&self, prometheus: &Prometheus) -> Result<Vec<Value>, String> {
        match self.kind {
            Kind::Instant => prometheus.query(&self.text),
            Kind::Range => prometheus.query_range(&self.text),
            Kind::LabelValues => prometheus.label_values(&self.text),
        }
    }
}

/// Waits until every query of the dashboards has had data but those that must have none.
/// Some data come with a later scrape or evaluation, and an instant query has none after a
/// scrape that failed.
pub(crate) fn wait_for_data(prometheus: &Prometheus, must_be_empty: impl Fn(&Query) -> bool) {
    let (empty, mut left): (Vec<_>, Vec<_>) = all_queries().into_iter().partition(must_be_empty);
    until(prometheus.deadline(), "data for every query", || {
        let mut wrong = Vec::new();
        left.retain(|query| {
            let what = match query.ask(prometheus) {
                Err(error) => error,
                Ok(data) if data.is_empty() => "no data".to_owned(),
                Ok(_) => return false,
            };
            wrong.push(format!("{}: {what}: {}", query.of, query.text));
            true
        });
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    });
    for query in empty {
        let data = query.ask(prometheus);
        assert_eq!(data, Ok(Vec::new()), "{}", query.of);
    }
}
