//! Conditions as alerts: what a webhook of Alertmanager would get, and what
//! Alertmanager itself takes. Debian's Alertmanager is the witness of both.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;

use crate::Bench;
use crate::support::{PATIENCE, Process, Recorder, loopback, until};

/// Alertmanager, which sends what it gets to a webhook.
struct Alertmanager {
    address: SocketAddr,
    _process: Process,
}

impl Alertmanager {
    fn start(webhook: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let configuration = at.join("alertmanager.yml");
        fs::write(
            &configuration,
            format!(
                "route: {{ receiver: hook, group_by: [instance], group_wait: 1s, \
                 group_interval: 1s }}\n\
                 receivers:\n- name: hook\n  webhook_configs: [{{ url: 'http://{webhook}/' }}]\n"
            ),
        )
        .unwrap();
        let address = loopback();
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.path={}", at.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=");
        Self {
            address,
            _process: Process::start(command, directory),
        }
    }

    /// The alerts that are active, by `amtool`.
    fn active(&self) -> Result<Vec<Value>, String> {
        let url = format!("--alertmanager.url=http://{}", self.address);
        let output = Command::new("amtool")
            .args(["alert", "query", "--output=json", &url])
            .output()
            .map_err(|error| error.to_string())?;
        let output_text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(&output_text)
            .map_err(|_| format!("{output_text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Waits until the types of conditions that are active are these.
    fn wait_for(&self, wanted: &[&str]) -> Vec<Value> {
        until(PATIENCE, &format!("active: {wanted:?}"), || {
            let active = self.active()?;
            let mut names: Vec<_> = active.iter().map(name).collect();
            names.sort_unstable();
            if names == wanted {
                Ok(active)
            } else {
                Err(format!("{active:?}"))
            }
        })
    }
}

fn name(alert: &Value) -> &str {
    alert["labels"]["alertname"].as_str().unwrap()
}

/// The last state of each alert that a webhook was told, by name and status.
fn alerts(hook: &Recorder) -> BTreeMap<(String, String), Value> {
    let mut alerts = BTreeMap::new();
    for body in hook.bodies() {
        for alert in body["alerts"].as_array().unwrap() {
            let status = alert["status"].as_str().unwrap().to_owned();
            alerts.insert((name(alert).to_owned(), status), alert.clone());
        }
    }
    alerts
}

/// The type of each value, whatever the value is.
fn shape(value: &Value) -> BTreeMap<String, &'static str> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fields = value.as_object().unwrap().iter();
    fields
        .map(|(key, value)| (key.clone(), kind(value)))
        .collect()
}

const CONDITIONS: [&str; 2] = ["quorum_lost", "real_server_down"];

#[test]
fn alertmanager_forwards_the_same_alerts_that_the_agent_sends_itself() {
    let status = Arc::new(AtomicU16::new(503));
    let web = {
        let status = Arc::clone(&status);
        Recorder::start(move |_| Some(status.load(Ordering::SeqCst)))
    };
    let [theirs, ours] = [(); 2].map(|()| Recorder::start(|_| Some(200)));
    let alertmanager = Alertmanager::start(theirs.address);
    until(PATIENCE, "Alertmanager", || alertmanager.active());
    let bench = Bench::new(&web, 1);
    let notify = format!(
        "- {{ name: hook, group_wait: 1s, webhook: {{ url: 'http://{}/', format: \
         alertmanager_webhook }} }}\n\
         - {{ repeat_interval: 2s, webhook: {{ url: 'http://{}/api/v2/alerts', format: \
         alertmanager_api }} }}",
        ours.address, alertmanager.address
    );
    let agent = bench.start(&notify);
    alertmanager.wait_for(&CONDITIONS);

    // Both say the same of the same alerts, in the same form.
    let firing = |hook: &Recorder, name: &str| {
        let key = (name.to_owned(), "firing".to_owned());
        until(PATIENCE, name, || alerts(hook).remove(&key).ok_or(()))
    };
    for name in CONDITIONS {
        let (theirs, ours) = (firing(&theirs, name), firing(&ours, name));
        assert_eq!(shape(&ours), shape(&theirs));
        let began = |alert: &Value| {
            let at = alert["startsAt"].as_str().unwrap();
            humantime::parse_rfc3339(at).unwrap()
        };
        assert_eq!(began(&ours), began(&theirs), "{ours} {theirs}");
        for key in ["labels", "annotations", "fingerprint", "endsAt"] {
            assert_eq!(ours[key], theirs[key], "{key} of {name}: {ours} {theirs}");
        }
    }
    let (first, reference) = (&ours.bodies()[0], &theirs.bodies()[0]);
    assert_eq!(shape(first), shape(reference));
    for key in [
        "version",
        "receiver",
        "status",
        "groupLabels",
        "truncatedAlerts",
        "groupKey",
    ] {
        assert_eq!(first[key], reference[key], "{key}");
    }

    status.store(200, Ordering::SeqCst);
    alertmanager.wait_for(&[]);
    for hook in [&theirs, &ours] {
        for name in CONDITIONS {
            let key = (name.to_owned(), "resolved".to_owned());
            until(PATIENCE, name, || alerts(hook).remove(&key).ok_or(()));
        }
    }
    assert_eq!(
        bench.notifications("hook", "failed") + bench.notifications(1, "failed"),
        0
    );

    // An alert of an agent that is gone does not stay.
    status.store(503, Ordering::SeqCst);
    alertmanager.wait_for(&CONDITIONS);
    drop(agent);
    alertmanager.wait_for(&[]);
}
