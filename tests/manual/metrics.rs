//! Metrics and their labels.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regex::Regex;

use super::assert_none;
use super::limits::files;
use super::page::{Piece, Table, page, pages, root, spans};
use super::site::Site;
use super::source::{source, words};

/// The metrics that the source declares: a name, followed by its help or kind.
pub(crate) fn declared() -> BTreeSet<String> {
    let declaration = Regex::new(r#""(lvs_[a-z_]+)",\s*(kind:|"[A-Z])"#).unwrap();
    let source = source();
    let found = declaration.captures_iter(&source);
    found.map(|captures| captures[1].to_owned()).collect()
}

/// Every series of a director's scrape: the metric, its labels with their values.
pub(crate) type Labels = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn scraped() -> BTreeMap<String, Labels> {
    let site = Site::new();
    let check = "interval: 1s, timeout: 500ms, fall: 1";
    let service = site.service("web", 1, check, &[1, 2]);
    let rest = "    sorry_server: { address: 192.0.2.9 }\n    slow_start: 5s\n\
                notify: [{ exec: [/bin/true] }]\n";
    site.configure(&(service + rest));
    assert!(fs::exists(site.configuration()).unwrap());
    let _agent = site.agent();
    site.wait_for(&["down", "down"]);
    let sample = Regex::new(r"^(lvs_[a-z_]+)(?:\{(.*)\})? ").unwrap();
    let label = Regex::new(r#"([a-z0-9_]+)="([^"]*)""#).unwrap();
    let mut metrics: BTreeMap<String, Labels> = BTreeMap::new();
    for line in site.get("/metrics").body.lines() {
        let Some(captures) = sample.captures(line) else {
            continue;
        };
        let labels = metrics.entry(captures[1].to_owned()).or_default();
        let text = captures.get(2).map_or("", |found| found.as_str());
        for captures in label.captures_iter(text) {
            let values = labels.entry(captures[1].to_owned()).or_default();
            values.insert(captures[2].to_owned());
        }
    }
    metrics
}

/// `a_{b,c}_total` as `a_b_total` and `a_c_total`.
pub(crate) fn expanded(name: &str) -> Vec<String> {
    match (name.split_once('{'), name.split_once('}')) {
        (Some((before, rest)), Some((_, after))) => {
            let names = rest.split_once('}').map_or("", |(names, _)| names);
            let names = names.split(',');
            names.map(|name| format!("{before}{name}{after}")).collect()
        }
        _ => vec![name.to_owned()],
    }
}

/// The metrics that a piece of text names.
fn named(piece: &Piece) -> Vec<(usize, String)> {
    let spans = spans(piece).into_iter();
    let metrics = spans.filter(|span| span.text.starts_with("lvs_"));
    metrics
        .flat_map(|span| {
            let names = expanded(&span.text).into_iter();
            names.map(move |name| (span.line, name)).collect::<Vec<_>>()
        })
        .collect()
}

pub(crate) fn table() -> Table {
    let tables = page("deploy/manual/metrics.md").tables().into_iter();
    let mut tables = tables.filter(|table| table.head[0] == "metric");
    tables.next().unwrap()
}

#[test]
fn named_metrics_exist() {
    let declared = declared();
    let mut wrong = Vec::new();
    for page in pages() {
        for paragraph in page.paragraphs() {
            for (line, name) in named(&paragraph) {
                // Keys of keepalived begin so as well.
                let foreign = ["lvs_sched", "lvs_method", "lvs_timeouts"].contains(&&*name);
                if !declared.contains(&name) && !foreign {
                    wrong.push(format!("{}: there is no metric `{name}`", page.at(line)));
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_metric_is_in_the_table_with_its_labels() {
    let (declared, table) = (declared(), table());
    assert!(declared.len() > 40, "the source declares metrics otherwise");
    let mut rows = BTreeMap::new();
    for (line, cells) in &table.rows {
        let piece = Piece {
            line: *line,
            text: cells[0].clone(),
        };
        for (line, name) in named(&piece) {
            rows.insert(name, (line, cells[1].clone()));
        }
    }
    let mut wrong = Vec::new();
    let at = |line| format!("deploy/manual/metrics.md:{line}");
    for name in &declared {
        if !rows.contains_key(name) {
            let at = at(table.line);
            wrong.push(format!("{at}: the table lacks the metric `{name}`"));
        }
    }
    for (name, labels) in scraped() {
        let histogram = ["_bucket", "_sum", "_count"];
        let of_histogram = histogram.iter().find_map(|end| name.strip_suffix(end));
        let metric = of_histogram.unwrap_or(&name);
        assert!(
            declared.contains(metric),
            "no declaration of {metric} was found"
        );
        let Some((line, row)) = rows.get(metric) else {
            continue;
        };
        let reported = words(row);
        for (label, values) in labels {
            if label != "le" && !reported.contains(&*label) {
                let at = at(*line);
                wrong.push(format!("{at}: `{metric}` has the label `{label}` as well"));
            }
            // `label = value, value`: all values are listed.
            if !row.contains(&format!("{label} = ")) {
                continue;
            }
            for value in values.iter().filter(|value| value.parse::<u32>().is_err()) {
                if !reported.contains(&**value) {
                    let at = at(*line);
                    wrong.push(format!("{at}: `{metric}` has {label}=\"{value}\" as well"));
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn diagnoses_are_listed() {
    let page = page("deploy/manual/vip-probes.md");
    let tables = page.tables();
    let table = tables.iter().find(|table| table.head[0] == "diagnosis");
    let table = table.unwrap();
    let listed = table.rows.iter().map(|(_, row)| row[0].replace('`', ""));
    let listed: BTreeSet<_> = listed.collect();
    let source = fs::read_to_string(root().join("src/model/diagnosis.rs")).unwrap();
    let declaration = Regex::new(r#"Self::\w+ => "([a-z_]+)""#).unwrap();
    let causes = declaration.captures_iter(&source);
    let causes = &causes.map(|captures| captures[1].to_owned()).collect();
    let shown = &scraped()["lvs_real_server_diagnosis"]["cause"];
    assert!(
        shown.is_subset(causes),
        "the source declares diagnoses otherwise"
    );
    let at = page.at(table.line);
    let missing = causes.difference(&listed);
    let missing = missing.map(|cause| format!("{at}: the table lacks the diagnosis `{cause}`"));
    let surplus = listed.difference(causes);
    let surplus = surplus.map(|cause| format!("{at}: there is no diagnosis `{cause}`"));
    assert_none(&missing.chain(surplus).collect::<Vec<_>>());
}

#[test]
fn events_are_listed() {
    let declaration = Regex::new(r#"Self::\w+ => "([a-z_]+)""#).unwrap();
    let events = files(&root().join("src"), "event.rs");
    let events: String = events
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let events = declaration.captures_iter(&events);
    let events: BTreeSet<_> = events.map(|captures| captures[1].to_owned()).collect();
    assert!(events.len() > 5, "the source declares events otherwise");
    let page = page("deploy/manual/metrics.md");
    let mut paragraphs = page.paragraphs().into_iter();
    let before = paragraphs.find(|paragraph| paragraph.text.ends_with("The events are:"));
    let line = before.unwrap().line;
    let list = paragraphs.next().unwrap();
    let listed: BTreeSet<_> = spans(&list).into_iter().map(|span| span.text).collect();
    let at = page.at(line);
    let missing = events.difference(&listed);
    let missing = missing.map(|event| format!("{at}: the list lacks the event `{event}`"));
    let surplus = listed.difference(&events);
    let surplus = surplus.map(|event| format!("{at}: there is no event `{event}`"));
    assert_none(&missing.chain(surplus).collect::<Vec<_>>());
}
