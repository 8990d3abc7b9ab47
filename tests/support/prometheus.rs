//! A real Prometheus, the witness of metrics, rules and dashboards.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use url::form_urlencoded;

use super::{Process, exchange, until};

pub(crate) fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}

/// A Prometheus that scrapes every second and evaluates the rules of `deploy/`.
///
/// It belongs to the network namespace of the thread that starts it, and only threads there
/// can ask it.
pub(crate) struct Prometheus {
    listen: SocketAddr,
    process: Process,
    /// For a start, and for an answer.
    deadline: Duration,
}

impl Prometheus {
    /// `listen` is free.
    pub(crate) fn start(listen: SocketAddr, targets: &[SocketAddr], deadline: Duration) -> Self {
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
        process.wait_for_line(deadline, |line| line.contains("Server is ready"));
        Self {
            listen,
            process,
            deadline,
        }
    }

    /// How long anything may take that is sure to come.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// All that it has written so far.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    /// `data` of an answer of the API, or the whole answer if it is an error.
    fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        let path = format!("/api/v1/{path}?{query}");
        let answer =
            exchange(self.listen, "GET", &path, self.deadline).map_err(|e| e.to_string())?;
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
    pub(crate) fn query_range(&self, query: &str) -> Result<Vec<Value>, String> {
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
    pub(crate) fn label_values(&self, query: &str) -> Result<Vec<Value>, String> {
        let arguments = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'));
        let arguments = arguments.and_then(|arguments| arguments.rsplit_once(", "));
        let (selector, label) = arguments.ok_or_else(|| format!("no label_values: {query}"))?;
        let path = format!("label/{label}/values");
        let data = self.api(&path, &[("match[]", selector)])?;
        Ok(data.as_array().unwrap().clone())
    }

    /// Waits until it has scraped each of so many targets so many times within a minute.
    pub(crate) fn wait_for_scrapes(&self, targets: usize, times: u32) {
        until(self.deadline, "scrapes of all agents", || {
            let query = format!("min(sum_over_time(up[1m])) and count(up) == {targets}");
            let seen = self.query(&query);
            let value = seen.clone().ok().and_then(|series| {
                let value = series.first()?["value"][1].as_str()?.parse::<f64>().ok()?;
                (value >= f64::from(times)).then_some(())
            });
            value.ok_or((seen, self.process.output()))
        });
    }

    /// Panics unless it has evaluated all rules without an error.
    pub(crate) fn assert_rules_are_evaluated(&self) {
        let groups = self.api("rules", &[]).unwrap();
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
}
