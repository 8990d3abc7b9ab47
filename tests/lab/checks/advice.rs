//! What is said of a real server's weight reaches the kernel.

use std::fs;

use super::server::Server;
use super::{Director, service};
use crate::support::{Lan, Site};

/// What becomes of the weight of 100, and what is shown.
type Becomes = (u32, &'static str, &'static str);

/// A line, and what comes of it from an agent, which HAProxy's rules hold for,
/// and from a program or a file, whose line says all.
const SAID: [(&str, Becomes, Becomes); 8] = [
    ("up 75%", (75, "ok", "says 75%"), (75, "ok", "says 75%")),
    ("40 up", (75, "ok", "says up"), (40, "ok", "says weight 40")),
    ("drain", (0, "ok", "says drain"), (0, "ok", "says drain")),
    (
        "up",
        (0, "ok", "says up; it said drain before"),
        (0, "ok", "says up"),
    ),
    ("ready", (75, "ok", "says ready"), (100, "ok", "says ready")),
    (
        "down # disk full",
        (0, "status", "says down: disk full"),
        (0, "status", "says down: disk full"),
    ),
    ("UP 5% ready", (5, "ok", "says 5%"), (5, "ok", "says 5%")),
    ("150%", (150, "ok", "says 150%"), (150, "ok", "says 150%")),
];

#[test]
fn weight_reported_by_agent_program_or_file_reaches_the_kernel() {
    let lan = Lan::new();
    let site = Site::new("");
    let file = site.directory().join("says");
    let at = file.display();
    fs::write(&file, "ready\n").unwrap();
    let _agent = Server::start(
        &lan.rs1,
        &format!("socat -U TCP-LISTEN:9999,fork,reuseaddr FILE:{at}"),
    );
    let kinds = [
        ("agent", "haproxy_agent: { port: 9999 }".to_owned()),
        (
            "exec",
            format!("exec: {{ command: [/bin/cat, {at}], advice: true }}"),
        ),
        ("file", format!("file: {{ path: {at} }}")),
        (
            "beside-another",
            "all: [{ ping: {} }, { haproxy_agent: { port: 9999 } }]".to_owned(),
        ),
    ];
    let services: Vec<_> = kinds
        .iter()
        .zip(1..)
        .map(|((name, check), port)| {
            let check = format!("{check}, interval: 1s, timeout: 10s, rise: 1, fall: 1");
            service(name, "tcp", port, &check, ", weight: 100")
        })
        .collect();
    let director = Director::start(&lan.director, &site, &services);

    for (line, of_agent, of_others) in SAID {
        let part = site.directory().join("part");
        fs::write(&part, format!("{line}\n")).unwrap();
        fs::rename(part, &file).unwrap();
        let expected = kinds.each_ref().map(|(name, check)| {
            let (weight, result, detail) = if check.contains("haproxy_agent") {
                of_agent
            } else {
                of_others
            };
            (*name, weight, result, detail)
        });
        director.wait_for(line, &expected);
    }
}
