//! Events that reach programs and webhooks, as they really run. Nothing here
//! needs root.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking, and says why on standard error"
)]

mod alertmanager;
mod ending;
mod https;
mod kinds;
mod mail;
mod repeats;
#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests in network namespaces use the rest of it"
)]
mod support;
mod targets;

use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;
use support::{PATIENCE, Process, Recorder, Site, exchange, loopback, until};

/// What one test works with: an agent with a table of its own, whose real
/// servers are all one web server, and whom it tells.
struct Bench {
    site: Site,
    listen: SocketAddr,
    port: u16,
    real_servers: usize,
    /// Further keys of the service, each line with its newline and indentation.
    keys: &'static str,
}

impl Bench {
    fn new(web: &Recorder, real_servers: usize) -> Self {
        Self {
            site: Site::new(""),
            listen: loopback(),
            port: web.address.port(),
            real_servers,
            keys: "",
        }
    }

    /// Writes the configuration with this list of targets.
    fn configure(&self, notify: &str) {
        let Self {
            listen, port, keys, ..
        } = self;
        let real_servers: Vec<_> = (1..=self.real_servers)
            .map(|n| format!("  - {{ name: rs{n}, address: 127.0.0.{n} }}\n"))
            .collect();
        let real_servers = real_servers.concat();
        self.site.write_configuration(&format!(
            "http: {{ listen: '{listen}' }}\n\
             notify:\n{notify}\n\
             virtual_services:\n\
             - name: web\n  \
               address: 192.168.11.200:80\n  \
               flap_damping: false\n{keys}  \
               check: {{ http: {{ port: {port} }}, interval: 100ms, timeout: 1s, rise: 1, fall: 1 }}\n  \
               real_servers:\n{real_servers}"
        ));
    }

    /// Starts the agent that tells these.
    fn start(&self, notify: &str) -> Process {
        self.configure(notify);
        let mut command = self.site.command("run");
        command.args(["--table", "memory"]);
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(proxy);
            command.env_remove(proxy.to_lowercase());
        }
        Process::start(command, tempfile::tempdir().unwrap())
    }

    /// Runs a subcommand to its end.
    fn run(&self, subcommand: &str, arguments: &[&str]) -> Output {
        let mut command = self.site.command(subcommand);
        command.args(arguments).output().unwrap()
    }

    /// The value of one series.
    fn metric(&self, series: &str) -> u64 {
        until(PATIENCE, "metrics", || {
            let answer = exchange(self.listen, "GET", "/metrics", PATIENCE);
            let text = answer.map_err(|error| error.to_string())?.body;
            let value = text.lines().find_map(|line| line.strip_prefix(series));
            value
                .and_then(|value| value.trim().parse().ok())
                .ok_or(text)
        })
    }

    /// How many messages to a target ended so.
    fn notifications(&self, target: impl Display, result: &str) -> u64 {
        let series = format!("lvs_notifications_total{{result=\"{result}\",target=\"{target}\"}}");
        self.metric(&series)
    }

    fn wait_for_notifications(&self, target: impl Display, result: &str, wanted: u64) {
        until(PATIENCE, &format!("{wanted} {result}"), || {
            match self.notifications(&target, result) {
                now if now >= wanted => Ok(()),
                now => Err(now),
            }
        });
    }
}

/// A program that does this, in its own directory.
fn script(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("tell");
    fs::write(
        &path,
        format!("#!/bin/sh\ncd {}\n{text}\n", directory.display()),
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The values of one key of these events.
fn all<'a>(events: &'a [Value], key: &str) -> Vec<&'a str> {
    let value = |event: &'a Value| event[key].as_str().unwrap_or_default();
    events.iter().map(value).collect()
}

/// Holds up who comes until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let (open, changed) = &*self.0;
        let open = open.lock().unwrap();
        drop(changed.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}
