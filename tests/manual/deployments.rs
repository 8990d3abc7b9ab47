//! The examples for Kubernetes, containers and Ansible, and the Debian package: what
//! they say of the program holds.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use lvs_agent::config::{Config, Control, Http};
use serde::Deserialize as _;
use serde_yaml::Value;

use super::assert_none;
use super::commands::refused;
use super::page::root;

const DAEMON_SET: &str = "deploy/kubernetes/real-server.yaml";

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// The documents of the example for Kubernetes, by kind.
fn kubernetes() -> BTreeMap<String, Value> {
    let text = read(DAEMON_SET);
    let documents = serde_yaml::Deserializer::from_str(&text);
    let documents = documents.map(|document| Value::deserialize(document).unwrap());
    documents
        .map(|value| (value["kind"].as_str().unwrap().to_owned(), value))
        .collect()
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_sequence().unwrap();
    list.iter().map(|one| one.as_str().unwrap()).collect()
}

fn configuration() -> Config {
    let config = &kubernetes()["ConfigMap"]["data"]["config.yaml"];
    Config::parse("config.yaml", config.as_str().unwrap()).unwrap()
}

#[test]
fn daemon_set_runs_the_agent_of_a_real_server() {
    let pod = &kubernetes()["DaemonSet"]["spec"]["template"]["spec"];
    let agent = &pod["containers"][0];
    let command = texts(&agent["args"]).join(" ");
    assert!(command.starts_with("run --real-server"), "{command}");
    assert_eq!(refused(&command), None);
    assert_eq!(pod["hostNetwork"].as_bool(), Some(true));

    let capabilities = &agent["securityContext"]["capabilities"];
    let unit = read("deploy/lvs-agent-real-server.service");
    let added = texts(&capabilities["add"]).join(" CAP_");
    let bounds = format!("\nCapabilityBoundingSet=CAP_{added}\n");
    assert!(unit.contains(&bounds), "the unit differs: {bounds}");

    let mounted: Vec<_> = agent["volumeMounts"]
        .as_sequence()
        .unwrap()
        .iter()
        .collect();
    let mounted: Vec<_> = mounted
        .iter()
        .map(|mount| mount["mountPath"].as_str().unwrap())
        .collect();
    let config = configuration();
    let needed = [
        Path::new(Config::DEFAULT_PATH).parent().unwrap(),
        Path::new(Control::DEFAULT_SOCKET).parent().unwrap(),
        &config.state_dir,
    ];
    for directory in needed {
        let directory = directory.to_str().unwrap();
        assert!(mounted.contains(&directory), "no mount at {directory}");
    }
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let get = &agent[probe]["httpGet"];
        let host = get["host"].as_str().unwrap();
        let port = get["port"].as_u64().unwrap();
        let address: SocketAddr = format!("{host}:{port}").parse().unwrap();
        assert_eq!(address, config.http.listen, "{probe}");
        assert_eq!(address.port(), Http::DEFAULT_PORT);
    }
}

#[test]
fn daemon_set_sets_the_kernel_parameters_that_the_agent_checks() {
    let pod = &kubernetes()["DaemonSet"]["spec"]["template"]["spec"];
    let command = texts(&pod["initContainers"][0]["command"]);
    let (program, set) = command.split_at(2);
    assert_eq!(program, ["sysctl", "-w"]);
    let set: BTreeMap<_, _> = set
        .iter()
        .map(|assignment| assignment.split_once('=').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let wanted = configuration().real_server.sysctls;
    let wanted: BTreeMap<_, _> = wanted
        .into_iter()
        .map(|(key, value)| (key.to_string(), value))
        .collect();
    assert_eq!(set, wanted);
}

#[test]
fn image_has_what_the_build_needs_and_runs_the_agent() {
    let file = read("deploy/container/Dockerfile");
    let rust = read("Cargo.toml");
    let rust = rust
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    let image = format!("FROM rust:{}-", rust.unwrap().trim_matches('"'));
    assert!(file.contains(&image), "not {image}");
    let ignored = read("deploy/container/Dockerfile.dockerignore");
    let mut wrong = Vec::new();
    for line in file.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        if line.starts_with("--from") {
            continue;
        }
        let words: Vec<_> = line.split(' ').collect();
        for source in &words[..words.len() - 1] {
            if !root().join(source).exists() || !ignored.contains(&format!("!{source}\n")) {
                wrong.push(format!("COPY {source}: the build's context lacks it"));
            }
        }
    }
    let command = file.lines().find_map(|line| line.strip_prefix("CMD "));
    let command = serde_json::from_str::<Vec<String>>(command.unwrap()).unwrap();
    wrong.extend(refused(&command.join(" ")));
    assert_none(&wrong);
}

/// Ansible puts the path of the new file in the place of `%s`.
#[test]
fn role_validates_the_configuration_with_the_program() {
    let tasks = read("deploy/ansible/roles/lvs_agent/tasks/main.yaml");
    let tasks: Value = serde_yaml::from_str(&tasks).unwrap();
    let tasks = tasks.as_sequence().unwrap();
    let validate = tasks
        .iter()
        .find_map(|task| task["ansible.builtin.copy"]["validate"].as_str())
        .unwrap();
    let command = validate
        .strip_prefix("{{ lvs_agent_program }} ")
        .unwrap()
        .replace("%s", "/tmp/config.yaml")
        .replace("{{ lvs_agent_config | dirname }}", "/etc/lvs-agent");
    assert!(command.starts_with("check-config "), "{command}");
    assert_eq!(refused(&command), None);
}

/// What `deploy/package/build.sh` makes is missing without a build.
#[test]
fn package_has_files_that_exist_and_commands_that_are_accepted() {
    let manifest = read("Cargo.toml");
    let assets = manifest
        .lines()
        .skip_while(|line| *line != "assets = [")
        .skip(1)
        .take_while(|line| *line != "]");
    let mut wrong = Vec::new();
    let mut found = 0;
    for asset in assets {
        let source = asset.split('"').nth(1).unwrap();
        let path = source.split('*').next().unwrap();
        found += 1;
        if !source.starts_with("target/") && !root().join(path).exists() {
            wrong.push(format!("the package lacks {source}"));
        }
    }
    assert!(found > 10, "{found} assets");
    for line in read("deploy/package/README.Debian").lines() {
        if let Some(command) = line.strip_prefix("  lvs-agent ") {
            let command = command.split('#').next().unwrap().trim();
            wrong.extend(refused(command));
        }
    }
    assert_none(&wrong);
}
