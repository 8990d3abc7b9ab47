//! Drift is told to a program and, over TLS, to a webhook of Debian's nginx.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cluster::{Cluster, QUICK};
use crate::support::{Authority, Namespace, PATIENCE, Process, Web, ipvsadm_save, until};

/// Takes every POST at port 443 of the client's address, and keeps its body.
fn hook(host: &Namespace, authority: &Authority) -> Process {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display();
    let (certificate, key) = authority.certificate("192.168.11.1");
    fs::write(directory.path().join("hook.pem"), certificate).unwrap();
    fs::write(directory.path().join("hook.key"), key).unwrap();
    // The body is known to nginx once it has passed it on to somebody.
    let configuration = format!(
        "daemon off;
        master_process off;
        pid {at}/pid;
        error_log stderr;
        events {{}}
        http {{
            log_format told escape=none '$request_body';
            client_body_temp_path {at}/body;
            proxy_temp_path {at}/proxy;
            fastcgi_temp_path {at}/fastcgi;
            uwsgi_temp_path {at}/uwsgi;
            scgi_temp_path {at}/scgi;
            server {{
                listen 443 ssl;
                ssl_certificate {at}/hook.pem;
                ssl_certificate_key {at}/hook.key;
                location / {{ access_log {at}/told told; proxy_pass http://127.0.0.1:8080; }}
            }}
            server {{
                listen 127.0.0.1:8080;
                access_log off;
                location / {{ return 200; }}
            }}
        }}
        "
    );
    let file = directory.path().join("nginx.conf");
    fs::write(&file, configuration).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-e").arg("stderr").arg("-c").arg(file);
    host.spawn_with(command, directory)
}

/// The events of one kind in a file of JSON lines.
fn events(path: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    events
        .filter(|event: &Value| event["event"] == kind)
        .collect()
}

#[test]
fn drift_reaches_a_program_and_a_webhook_over_tls() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(&directory.path().join("ca.pem"));
    let program = directory.path().join("tell");
    let executed = directory.path().join("executed");
    fs::write(
        &program,
        format!("#!/bin/sh\ncat >>{}\n", executed.display()),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let configuration = format!(
        "{QUICK}
notify:
  - {{ exec: [{}], timeout: 1m }}
  - {{ webhook: {{ url: 'https://192.168.11.1/lvs', ca: {}/ca.pem }}, timeout: 1m }}
",
        program.display(),
        directory.path().display()
    );
    let cluster = Cluster::new(&configuration);
    let director = &cluster.lan.director;
    let hook = hook(&cluster.lan.client, &authority);
    let posted = hook.directory().join("told");
    let _webs = [
        Web::start(&cluster.lan.rs1, "rs1"),
        Web::start(&cluster.lan.rs2, "rs2"),
    ];
    let agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);
    let right = ipvsadm_save(director);
    for path in [&executed, &posted] {
        until(PATIENCE, "news of both real servers", || {
            match events(path, "real_server_up") {
                both if both.len() == 2 => Ok(()),
                fewer => Err((fewer, hook.output(), agent.output())),
            }
        });
        assert_eq!(events(path, "drift"), [] as [Value; 0]);
    }

    director.run("ipvsadm -d -t 192.168.11.200:80 -r 192.168.11.21:80");
    for path in [&executed, &posted] {
        let events = until(PATIENCE, "news of the drift", || {
            match events(path, "drift") {
                none if none.is_empty() => Err((hook.output(), agent.output())),
                events => Ok(events),
            }
        });
        let detail = events[0]["detail"].as_str().unwrap();
        assert!(detail.contains("192.168.11.21:80"), "{events:?}");
    }
    until(PATIENCE, "repair", || match ipvsadm_save(director) {
        table if table == right => Ok(()),
        table => Err(table),
    });
}
