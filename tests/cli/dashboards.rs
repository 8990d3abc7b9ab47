//! The dashboards and rules of `deploy/`, with a real Prometheus as the witness: it
//! scrapes running agents, and every query of every panel, annotation and variable must
//! be one that it understands and answers with data.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use url::form_urlencoded;

use super::{AMPLE, Behaviour, Process, Server, Site, end, exchange, until};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";

/// Panels of `fleet.json` whose queries have no data here, and why.
const EMPTY: &[(&str, &str)] = &[(
    "ARP conflicts",
    "the ARP audit needs a link with VIPs, which a table in memory does not have",
)];

/// What Grafana replaces before it sends a query.
const VARIABLES: &[(&str, &str)] = &[
    ("$__rate_interval", "10s"),
    ("$__range", "5m"),
    ("$job", "lvs-agent"),
    ("$instance", ".+"),
    ("$service", "web"),
];

fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}

/// A Prometheus that scrapes every second and evaluates the rules of `deploy/`.
pub(crate) struct Prometheus {
    listen: SocketAddr,
    pub(crate) process: Process,
}

impl Prometheus {
    pub(crate) fn start(site: &Site, targets: &[SocketAddr]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let targets: Vec<_> = targets
            .iter()
            .map(|target| format!("\"{target}\""))
            .collect();
        let [alerts, recording] = ["alerts", "recording"].map(|name| {
            deployed(&format!("prometheus/{name}.yaml"))
                .display()
                .to_string()
        });
        let configuration = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [\"{alerts}\", \"{recording}\"]\n\
             scrape_configs:\n  - job_name: lvs-agent\n    static_configs:\n      \
             - targets: [{}]\n",
            targets.join(", ")
        );
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, configuration).unwrap();
        // The port of the site's servers is free on its other addresses.
        let listen = site.server(253);
        let mut command = Command::new("prometheus");
        command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .arg("--config.file")
            .arg(file)
            .arg("--storage.tsdb.path")
            .arg(directory.path().join("data"))
            .arg(format!("--web.listen-address={listen}"));
        let mut process = Process::start(command, directory);
        process.wait_for_line(AMPLE, |line| line.contains("Server is ready"));
        Self { listen, process }
    }

    /// `data` of an answer of the API, or the whole answer if it is an error.
    fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        let path = format!("/api/v1/{path}?{query}");
        let answer = exchange(self.listen, "GET", &path, AMPLE).map_err(|e| e.to_string())?;
        let body: Value = serde_json::from_str(&answer.body).map_err(|e| e.to_string())?;
        if body["status"] == "success" {
            Ok(body["data"].clone())
        } else {
            Err(answer.body)
        }
    }

    /// The series of an instant query.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let data = self.api("query", &[("query", query)])?;
        Ok(data["result"].as_array().unwrap().clone())
    }

    /// The series of the last five minutes, with a point each second.
    fn query_range(&self, query: &str) -> Result<Vec<Value>, String> {
        let now = self.api("query", &[("query", "time()")])?;
        let now = now["result"][0].as_f64().unwrap();
        let (start, end) = ((now - 300.0).to_string(), now.to_string());
        let range = [
            ("query", query),
            ("start", &start),
            ("end", &end),
            ("step", "1"),
        ];
        let data = self.api("query_range", &range)?;
        Ok(data["result"].as_array().unwrap().clone())
    }

    /// The values that Grafana offers for `label_values(SELECTOR, LABEL)`.
    fn label_values(&self, query: &str) -> Result<Vec<Value>, String> {
        let arguments = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'));
        let arguments = arguments.and_then(|arguments| arguments.rsplit_once(", "));
        let (selector, label) = arguments.ok_or_else(|| format!("no label_values: {query}"))?;
        let path = format!("label/{label}/values");
        let data = self.api(&path, &[("match[]", selector)])?;
        Ok(data.as_array().unwrap().clone())
    }
}

/// How Grafana asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Instant,
    Range,
    LabelValues,
}

#[derive(Debug)]
struct Query {
    /// Dashboard and panel, annotation or variable.
    of: String,
    kind: Kind,
    text: String,
}

fn query(of: String, kind: Kind, text: &Value) -> Query {
    let mut text = text.as_str().expect("the text of a query").to_owned();
    for (name, value) in VARIABLES {
        text = text.replace(name, value);
    }
    assert!(!text.contains('$'), "{of}: an unknown variable in {text}");
    Query { of, kind, text }
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

/// A director with the table in memory and every kind of series that needs no kernel.
fn director(site: &Site) {
    let rest = format!(
        "    sorry_server: {{ address: {} }}\n\
         director: {{ interface: lo }}\nnotify: [{{ exec: [/bin/true] }}]\n",
        site.ip(9)
    );
    site.configure(&(site.service("web", 1, CHECK, &[1, 2]) + &rest));
}

/// The agent of a real server that looks at this host and writes nothing.
fn real_server(site: &Site) -> Process {
    let rest = "real_server: { vips: [192.0.2.1] }\n";
    site.configure(&(site.service("web", 1, CHECK, &[1]) + rest));
    let command = site.command("run", &["--real-server", "--dry-run"]);
    Process::start(command, tempfile::tempdir().unwrap())
}

#[test]
fn every_query_of_the_dashboards_has_data_in_a_real_prometheus() {
    let sites = [Site::new(), Site::new(), Site::new()];
    let [first, second, third] = &sites;
    director(first);
    director(second);
    let _stays = Server::start(&[first.server(1), second.server(1)], Behaviour::good());
    let dies = Server::start(&[first.server(2)], Behaviour::good());
    let _agents = [first.agent(), second.agent()];
    let _real_server = real_server(third);
    // The second director finds no rs2, so the directors disagree.
    first.wait_for(&["up", "up"]);
    second.wait_for(&["up", "down"]);

    let targets = [first.listen, second.listen, third.listen];
    let prometheus = Prometheus::start(first, &targets);
    let scraped = |times: u32| {
        until(AMPLE, "scrapes of all agents", || {
            let seen = prometheus.query("min(sum_over_time(up[1m])) and count(up) == 3");
            let value = seen.clone().ok().and_then(|series| {
                let value = series.first()?["value"][1].as_str()?.parse::<f64>().ok()?;
                (value >= f64::from(times)).then_some(())
            });
            value.ok_or((seen, prometheus.process.output()))
        });
    };
    scraped(2);
    drop(dies);
    first.wait_for(&["up", "down"]);
    scraped(5);
    let _back = Server::start(&[first.server(2)], Behaviour::good());
    first.wait_for(&["up", "up"]);
    let drained = end(first.command("drain", &["web/rs1"]));
    assert_eq!(drained.code, 0, "{drained:?}");
    scraped(8);

    let all: Vec<_> = ["overview", "service", "fleet"]
        .into_iter()
        .flat_map(queries)
        .collect();
    assert!(all.len() > 60, "only {} queries were found", all.len());
    let ask = |query: &Query| match query.kind {
        Kind::Instant => prometheus.query(&query.text),
        Kind::Range => prometheus.query_range(&query.text),
        Kind::LabelValues => prometheus.label_values(&query.text),
    };
    let empty = |query: &Query| {
        let fleet = query.of.strip_prefix("fleet: ");
        fleet.is_some_and(|title| EMPTY.iter().any(|(panel, _)| *panel == title))
    };
    // Some data come with a later scrape or evaluation.
    until(AMPLE, "data for every query", || {
        let wrong = all.iter().filter_map(|query| {
            let what = match ask(query) {
                Err(error) => error,
                Ok(data) if data.is_empty() && !empty(query) => "no data".to_owned(),
                Ok(data) if !data.is_empty() && empty(query) => format!("data: {data:?}"),
                Ok(_) => return None,
            };
            Some(format!("{}: {what}: {}", query.of, query.text))
        });
        let wrong: Vec<_> = wrong.collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    });
    for (panel, why) in EMPTY {
        let of = format!("fleet: {panel}");
        assert!(all.iter().any(|query| query.of == of), "{of}: {why}");
    }
    every_rule_is_evaluated(&prometheus);
}

fn every_rule_is_evaluated(prometheus: &Prometheus) {
    let groups = prometheus.api("rules", &[]).unwrap();
    let groups = groups["groups"].as_array().unwrap();
    let rules: Vec<_> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert!(rules.len() > 30, "only {} rules are loaded", rules.len());
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }
}
