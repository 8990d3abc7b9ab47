//! Scripts behind `socat`, as behind inetd, which answer without reading the
//! request.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use super::{AMPLE, Process, Site, until};

#[test]
fn a_script_that_answers_before_it_is_asked_never_fails() {
    let site = Site::new();
    let listener = TcpListener::bind((site.ip(1), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (ip, port) = (address.ip(), address.port());
    let script = site.path("clustercheck");
    let answer = r"printf 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsynced\n'";
    fs::write(&script, answer).unwrap();
    let mut command = Command::new("socat");
    // From the script to the connection alone: the request is never read.
    command
        .arg("-U")
        .arg(format!("TCP-LISTEN:{port},bind={ip},reuseaddr,fork"))
        .arg(format!("SYSTEM:sh {}", script.display()));
    let _server = Process::start(command, tempfile::tempdir().unwrap());
    site.configure(&format!(
        "  - name: galera\n    address: 192.0.2.1:3306\n    \
         check: {{ http: {{ port: {port} }}, interval: 100ms, timeout: 20s, rise: 1, fall: 1 }}\n    \
         real_servers: [{{ name: rs1, address: {ip} }}]\n"
    ));
    let _agent = site.agent();
    site.wait_for(&["up"]);
    let real_server = "service=\"galera\",real_server=\"rs1\"";
    // Until it listened, it refused.
    let failed = || {
        let causes = ["protocol", "reset", "timeout", "status", "body", "tls"];
        causes.map(|cause| {
            let series = format!("lvs_probe_failures_total{{{real_server},cause=\"{cause}\"}}");
            site.metric(&series).unwrap_or_default()
        })
    };
    let passed = format!("lvs_probes_total{{{real_server},result=\"ok\"}}");
    until(AMPLE * 4, "100 probes", || match site.metric(&passed) {
        Some(passed) if passed >= 100.0 => Ok(()),
        passed => Err(passed),
    });
    assert_eq!(failed().map(f64::to_bits), [0; 6], "{:?}", failed());
}
