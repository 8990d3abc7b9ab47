//! The rules of `deploy/prometheus` and the dashboards of `deploy/grafana`: metrics,
//! labels and values that the program has, and commands that it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regex::Regex;
use serde_json::Value;

use super::assert_none;
use super::commands::refused;
use super::metrics::{Labels, declared, expanded, scraped, table};
use super::page::{Piece, root, spans};
use super::source::words;

/// A query, with the place that a message names.
struct Query {
    at: String,
    text: String,
    /// Templates that may name labels of the query's result.
    templates: String,
}

fn yaml(name: &str) -> Value {
    let text = fs::read_to_string(root().join(name)).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The rules of a file of `deploy/prometheus`.
fn rules(file: &str) -> Vec<Value> {
    let rules = yaml(&format!("deploy/prometheus/{file}.yaml"));
    let groups = array(&rules["groups"]).iter();
    let rules: Vec<_> = groups
        .flat_map(|group| array(&group["rules"]).to_vec())
        .collect();
    assert!(!rules.is_empty(), "{file} has no rules");
    rules
}

/// The names of the metrics that recording rules make.
fn recorded() -> BTreeSet<String> {
    let rules = rules("recording").into_iter();
    rules
        .map(|rule| rule["record"].as_str().unwrap().to_owned())
        .collect()
}

fn queries_of_rules() -> Vec<Query> {
    let rules = rules("alerts").into_iter().chain(rules("recording"));
    let queries = rules.map(|rule| {
        let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap();
        let annotations = rule["annotations"].as_object().into_iter().flatten();
        let texts = annotations.map(|(_, text)| text.as_str().unwrap());
        Query {
            at: format!("deploy/prometheus: {name}"),
            text: rule["expr"].as_str().unwrap().to_owned(),
            templates: texts.collect::<Vec<_>>().join("\n"),
        }
    });
    queries.collect()
}

fn queries_of_dashboards() -> Vec<Query> {
    let mut queries = Vec::new();
    for name in ["overview", "service", "fleet"] {
        let file = format!("deploy/grafana/{name}.json");
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let mut add = |text: &Value, templates: &Value| {
            queries.push(Query {
                at: file.clone(),
                text: text.as_str().unwrap().to_owned(),
                templates: templates.as_str().unwrap_or_default().to_owned(),
            });
        };
        for target in array(&dashboard["panels"])
            .iter()
            .flat_map(|panel| array(&panel["targets"]))
        {
            add(&target["expr"], &target["legendFormat"]);
        }
        for annotation in array(&dashboard["annotations"]["list"]) {
            add(&annotation["expr"], &annotation["titleFormat"]);
        }
        for variable in array(&dashboard["templating"]["list"]) {
            if variable["type"] == "query" {
                add(&variable["query"]["query"], &Value::Null);
            }
        }
    }
    queries
}

/// What the program has: the labels of each metric, and their values where they are a
/// fixed set.
struct Program {
    labels: BTreeMap<String, Labels>,
}

impl Program {
    fn new() -> Self {
        let mut labels: BTreeMap<String, Labels> = BTreeMap::new();
        for name in declared() {
            labels.insert(name, Labels::new());
        }
        for (line, cells) in table().rows {
            let text = cells[0].clone();
            let names = spans(&Piece { line, text }).into_iter();
            for name in names.flat_map(|span| expanded(&span.text)) {
                let of_metric = labels.entry(name).or_default();
                for word in words(&cells[1]) {
                    of_metric.entry(word.to_owned()).or_default();
                }
                enumerated(of_metric, &cells[1]);
            }
        }
        for (name, found) in scraped() {
            let histogram = ["_bucket", "_sum", "_count"];
            let of_histogram = histogram.iter().find_map(|end| name.strip_suffix(end));
            let of_metric = labels
                .entry(of_histogram.unwrap_or(&name).to_owned())
                .or_default();
            for (label, values) in found {
                // Of other labels, the values are names, numbers and addresses of the test.
                let known = of_metric.entry(label.clone()).or_default();
                if !known.is_empty() || label == "type" {
                    known.extend(values);
                }
            }
        }
        let info = labels.get_mut("lvs_agent_info").unwrap();
        info.insert(
            "dry_run".into(),
            ["true", "false"].map(str::to_owned).into(),
        );
        info.insert(
            "table".into(),
            ["kernel", "memory"].map(str::to_owned).into(),
        );
        Self { labels }
    }

    /// The labels of a metric, without the ending of a histogram's series.
    fn of(&self, name: &str) -> Option<&Labels> {
        let histogram = ["_bucket", "_sum", "_count"].iter();
        let mut names = histogram.filter_map(|end| name.strip_suffix(end));
        let found = self.labels.get(name);
        found.or_else(|| names.find_map(|name| self.labels.get(name)))
    }
}

/// Adds the values of `label = value, value`.
fn enumerated(labels: &mut Labels, row: &str) {
    let list = Regex::new(r"\b([a-z_]+) = ([a-z_]+(?:, [a-z_]+)*)").unwrap();
    for captures in list.captures_iter(row) {
        let values = captures[2].split(", ").map(str::to_owned);
        labels
            .entry(captures[1].to_owned())
            .or_default()
            .extend(values);
    }
}

/// Labels that Prometheus adds, and those of its own series.
const OF_PROMETHEUS: [&str; 5] = ["job", "instance", "le", "alertname", "alertstate"];

/// What is wrong with the metrics and labels of a query.
fn disagreements(program: &Program, recorded: &BTreeSet<String>, query: &Query) -> Vec<String> {
    let selector =
        Regex::new(r"\b((?:[a-z_]+:)?lvs_[a-z_]+(?::[a-z0-9]+)?)\b(?:\{([^}]*)\})?").unwrap();
    let matcher = Regex::new(r#"([a-z_]+)(=~|!~|!=|=)\\?"([^"\\]*)\\?""#).unwrap();
    let grouping = Regex::new(r"\b(?:by|without|on|ignoring) \(([a-z_, ]+)\)").unwrap();
    let template = Regex::new(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}").unwrap();
    let asked = Regex::new(r"\$labels\.([a-z_]+)").unwrap();

    let mut wrong = Vec::new();
    let mut labels: BTreeSet<&str> = OF_PROMETHEUS.into();
    let whole = format!("{}\n{}", query.text, query.templates);
    for captures in selector.captures_iter(&whole) {
        let name = &captures[1];
        if name.contains(':') {
            if !recorded.contains(name) {
                wrong.push(format!("no rule records `{name}`"));
            }
            labels.extend(["service", "result", "to"]);
            continue;
        }
        let Some(known) = program.of(name) else {
            wrong.push(format!("there is no metric `{name}`"));
            continue;
        };
        labels.extend(known.keys().map(String::as_str));
        let matchers = captures.get(2).map_or("", |found| found.as_str());
        for captures in matcher.captures_iter(matchers) {
            let (label, values) = (&captures[1], &captures[3]);
            if OF_PROMETHEUS.contains(&label) || values.contains('%') {
                continue;
            }
            let Some(known) = known.get(label) else {
                wrong.push(format!("`{name}` has no label `{label}`"));
                continue;
            };
            for value in values.split('|').filter(|_| !known.is_empty()) {
                if !known.contains(value) {
                    wrong.push(format!("`{name}` never has {label}=\"{value}\""));
                }
            }
        }
    }
    let lists = grouping.captures_iter(&query.text);
    let lists: Vec<_> = lists.map(|captures| captures[1].to_owned()).collect();
    let mut used: Vec<_> = lists.iter().flat_map(|list| list.split(", ")).collect();
    for pattern in [&template, &asked] {
        let names = pattern.captures_iter(&query.templates);
        used.extend(names.map(|captures| captures.get(1).unwrap().as_str()));
    }
    let used: BTreeSet<_> = used.into_iter().filter(|name| *name != "end").collect();
    for label in used.difference(&labels) {
        wrong.push(format!("no metric of the query has the label `{label}`"));
    }
    let wrong = wrong.into_iter();
    wrong
        .map(|what| format!("{}: {what}: {}", query.at, query.text))
        .collect()
}

#[test]
fn rules_and_dashboards_name_metrics_and_labels_that_exist() {
    let (program, recorded) = (Program::new(), recorded());
    let (rules, dashboards) = (queries_of_rules(), queries_of_dashboards());
    assert!(rules.len() > 30 && dashboards.len() > 60);
    let queries = rules.iter().chain(&dashboards);
    let wrong = queries.flat_map(|query| disagreements(&program, &recorded, query));
    assert_none(&wrong.collect::<Vec<_>>());
}

#[test]
fn disagreements_of_a_query_are_found() {
    let (program, recorded) = (Program::new(), recorded());
    for (text, templates, expected) in [
        (
            "lvs_real_server_alive == 0",
            "",
            "no metric `lvs_real_server_alive`",
        ),
        (
            "lvs_condition{type=\"no_such\"} > 0",
            "",
            "never has type=\"no_such\"",
        ),
        (
            "lvs_weights_frozen{reason=~\"link|moon\"}",
            "",
            "never has reason=\"moon\"",
        ),
        (
            "lvs_agent_info{dry_run=\"yes\"}",
            "",
            "never has dry_run=\"yes\"",
        ),
        (
            "lvs_real_server_up{server=\"a\"}",
            "",
            "has no label `server`",
        ),
        (
            "sum by (server) (lvs_real_server_up)",
            "",
            "has the label `server`",
        ),
        (
            "lvs_real_server_up",
            "{{ $labels.vip }} is down",
            "has the label `vip`",
        ),
        (
            "service:lvs_load:ratio",
            "",
            "no rule records `service:lvs_load:ratio`",
        ),
    ] {
        let query = Query {
            at: "test".to_owned(),
            text: text.to_owned(),
            templates: templates.to_owned(),
        };
        let found = disagreements(&program, &recorded, &query);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn alerts_say_what_to_do_first_and_how_much_they_matter() {
    let command = Regex::new(r"`lvs-agent ([^`]+)`").unwrap();
    let template = Regex::new(r"\{\{[^}]*\}\}").unwrap();
    let mut wrong = Vec::new();
    for rule in rules("alerts") {
        let name = rule["alert"].as_str().unwrap();
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        if !["critical", "warning"].contains(&severity) {
            wrong.push(format!("{name}: the severity is {severity:?}"));
        }
        let summary = rule["annotations"]["summary"].as_str().unwrap_or_default();
        let description = rule["annotations"]["description"].as_str();
        let description = description.unwrap_or_default();
        if summary.is_empty() || !description.starts_with("Run `") {
            wrong.push(format!("{name}: the description begins with no command"));
        }
        for captures in command.captures_iter(description) {
            let line = template.replace_all(&captures[1], "name");
            if let Some(error) = refused(&line) {
                wrong.push(format!("{name}: `lvs-agent {line}` is refused: {error}"));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_alert_has_a_test_that_fires_and_one_that_does_not() {
    let mut tested: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    let directory = root().join("deploy/prometheus/tests");
    for entry in fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        for case in array(&yaml(&format!("deploy/prometheus/tests/{name}"))["tests"]) {
            let cases = array(&case["alert_rule_test"]);
            // A case that fires is often asked before that as well, which proves only `for`.
            let fires = cases
                .iter()
                .any(|case| !array(&case["exp_alerts"]).is_empty());
            for case in cases {
                let alert = case["alertname"].as_str().unwrap().to_owned();
                tested.entry(alert).or_default().insert(fires);
            }
        }
    }
    let mut wrong = Vec::new();
    for rule in rules("alerts") {
        let name = rule["alert"].as_str().unwrap();
        if tested.remove(name).is_none_or(|cases| cases.len() < 2) {
            wrong.push(format!(
                "{name}: a test that fires, or one that does not, is missing"
            ));
        }
    }
    let surplus = tested.into_keys();
    wrong.extend(surplus.map(|name| format!("{name}: there is no such alert")));
    assert_none(&wrong);
}
