//! `run --table memory` against servers good and bad: what each is found to
//! be, and the weights that follow.

use std::net::SocketAddr;

use serde_json::Value;

use super::{AMPLE, Behaviour, Server, Site, end, until};

const CHECK: &str = "interval: 200ms, timeout: 150ms, rise: 2, fall: 3";

fn weights(real_server: &Value) -> [i64; 3] {
    ["configured", "desired", "kernel"].map(|kind| real_server["weight"][kind].as_i64().unwrap())
}

#[test]
fn real_server_goes_up_down_and_up_again() {
    let site = Site::new();
    let address = site.server(1);
    let server = Server::start(&[address], Behaviour::Hang);
    let steady = Server::start(&[site.server(2)], Behaviour::good());
    site.configure(&site.service("web", 1, "interval: 200ms, timeout: 60s", &[1, 2]));
    let mut agent = site.agent();

    // The first probe hangs, so nothing is known of rs1.
    site.wait_for(&["unknown", "up"]);
    assert_eq!(weights(&site.real_server(0, 0)), [1, 0, 0]);
    assert_eq!(
        site.metric("lvs_real_server_up{service=\"web\",real_server=\"rs1\"}"),
        None
    );

    server.set(Behaviour::good());
    site.wait_for(&["up", "up"]);
    let weight = "lvs_real_server_weight{service=\"web\",real_server=\"rs1\",kind=\"kernel\"}";
    let kernel_weight = |wanted: f64| {
        until(AMPLE, "such weight", || match site.metric(weight) {
            Some(weight) if weight.to_bits() == wanted.to_bits() => Ok(()),
            other => Err(other),
        });
    };
    kernel_weight(1.0);
    assert_eq!(weights(&site.real_server(0, 0)), [1, 1, 1]);
    let passed = server.connections(site.ip(1));
    assert!(passed >= 2, "up after {passed} probes, and rise is 2");

    drop(server);
    site.wait_for(&["down", "up"]);
    kernel_weight(0.0);
    assert_eq!(weights(&site.real_server(0, 0)), [1, 0, 0]);
    let count = |series: &str| site.metric(series).unwrap();
    let refused =
        count("lvs_probe_failures_total{service=\"web\",real_server=\"rs1\",cause=\"refused\"}");
    assert!(refused >= 3.0, "down after {refused} probes, and fall is 3");
    assert_eq!(site.real_server(0, 0)["last_probe"]["result"], "refused");
    for (series, wanted) in [
        ("lvs_real_server_up{service=\"web\",real_server=\"rs1\"}", 0),
        ("lvs_real_server_up{service=\"web\",real_server=\"rs2\"}", 1),
        (
            "lvs_transitions_total{service=\"web\",real_server=\"rs1\",to=\"down\"}",
            1,
        ),
        (
            "lvs_transitions_total{service=\"web\",real_server=\"rs1\",to=\"up\"}",
            1,
        ),
        (
            "lvs_transitions_total{service=\"web\",real_server=\"rs2\",to=\"down\"}",
            0,
        ),
        ("lvs_detection_seconds_count{service=\"web\"}", 1),
        (
            "lvs_virtual_service_real_servers{service=\"web\",health=\"down\"}",
            1,
        ),
    ] {
        let found = count(series);
        assert!((found - f64::from(wanted)).abs() < 0.1, "{series} {found}");
    }

    let _server = Server::start(&[address], Behaviour::good());
    site.wait_for(&["up", "up"]);
    kernel_weight(1.0);
    let json = end(site.command("status", &["--json"]));
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let rs1 = &json["virtual_services"][0]["real_servers"][0];
    assert_eq!((&rs1["health"], weights(rs1)), (&"up".into(), [1, 1, 1]));

    agent.wait_for_line(AMPLE, |line| {
        line.contains("real server down")
            && line.contains("3 probes in a row failed")
            && line.contains("connection refused")
            && line.contains("real_server=\"rs1\"")
    });
    assert!(steady.connections(site.ip(2)) > 0);
}

/// One for each way to be bad: what it does, and the result and the detail of
/// its probes.
fn bad(elsewhere: SocketAddr) -> Vec<(Behaviour, &'static [&'static str], &'static str)> {
    let redirect = format!("302 Found\r\nLocation: http://{elsewhere}/");
    let long_head = "X-Slow: and slower, and slower, and slower, and slower\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 58\r\n\r\n";
    vec![
        (
            Behaviour::status("503 Service Unavailable"),
            &["status"],
            "HTTP 503, expected 200-299",
        ),
        (
            Behaviour::status(&redirect),
            &["status"],
            "HTTP 302, expected 200-299",
        ),
        (
            Behaviour::Hang,
            &["timeout"],
            "timed out after 400ms while waiting for the head of the answer, of which nothing came",
        ),
        (
            Behaviour::Trickle("HTTP/1.1 200 OK\r\n", long_head),
            &["timeout"],
            "while waiting for the head of the answer, of which",
        ),
        (
            Behaviour::Answer("\x01\x02 no HTTP\r\n\r\n".into()),
            &["protocol"],
            "not an HTTP answer",
        ),
        (
            Behaviour::Answer(head.into()),
            &["protocol"],
            "the answer was cut short",
        ),
        (Behaviour::Close, &["protocol"], "closed without an answer"),
        // What comes first, the end of the stream or the reset, is up to the kernel.
        (Behaviour::CloseUnread, &["protocol", "reset"], ""),
    ]
}

#[test]
fn every_kind_of_bad_server_is_down_for_its_own_reason() {
    let site = Site::new();
    let elsewhere = Server::start(&[site.server(200)], Behaviour::good());
    let cases = bad(site.server(200));
    let hosts: Vec<u8> = (1..).take(cases.len()).collect();
    let good = Behaviour::good();
    let servers: Vec<_> = hosts
        .iter()
        .map(|host| Server::start(&[site.server(*host)], good.clone()))
        .collect();
    // A page so large that it ends with the process is a page being served.
    let endless = Server::start(&[site.server(100)], Behaviour::Endless);
    let all = [&hosts[..], &[100]].concat();
    let check = "interval: 500ms, timeout: 400ms, rise: 1, fall: 3";
    site.configure(&site.service("web", 1, check, &all));
    let _agent = site.agent();
    site.wait_for(&vec!["up"; all.len()]);

    for (server, (behaviour, ..)) in servers.iter().zip(&cases) {
        server.set(behaviour.clone());
    }
    let mut wanted = vec!["down"; cases.len()];
    wanted.push("up");
    site.wait_for(&wanted);
    let status = site.status();
    let real_servers = status["virtual_services"][0]["real_servers"]
        .as_array()
        .unwrap();
    for (real_server, (behaviour, results, detail)) in real_servers.iter().zip(&cases) {
        let probe = &real_server["last_probe"];
        let result = probe["result"].as_str().unwrap();
        assert!(results.contains(&result), "{behaviour:?}: {probe}");
        assert!(
            probe["detail"].as_str().unwrap().contains(detail),
            "{behaviour:?}: {probe}"
        );
        assert_eq!(weights(real_server), [1, 0, 0], "{behaviour:?}");
    }
    assert_eq!(real_servers.last().unwrap()["last_probe"]["result"], "ok");
    assert!(endless.connections(site.ip(100)) > 0);
    assert_eq!(
        elsewhere.connections(site.ip(200)),
        0,
        "the redirect was followed"
    );
}

#[test]
fn equal_checks_of_two_services_are_one_probe() {
    let site = Site::new();
    let shared = Server::start(&[site.server(1)], Behaviour::good());
    let single = Server::start(&[site.server(2)], Behaviour::good());
    let services = [("one", 1, 1), ("two", 2, 1), ("three", 3, 2)];
    let services = services.map(|(name, vip, host)| site.service(name, vip, CHECK, &[host]));
    site.configure(&services.concat());
    let mut agent = site.agent();
    agent.wait_for_line(AMPLE, |line| line.contains("3 real servers, 2 probes"));
    let count = || {
        (
            shared.connections(site.ip(1)),
            single.connections(site.ip(2)),
        )
    };
    let (shared_before, single_before) = count();
    let made = until(AMPLE, "twenty probes", || {
        let (shared, single) = count();
        let made = (shared - shared_before, single - single_before);
        if made.1 >= 20 { Ok(made) } else { Err(made) }
    });
    assert!(made.0.abs_diff(made.1) <= 5, "{made:?}");

    drop(shared);
    let healths = || {
        let status = site.status();
        [0, 1, 2].map(|service| {
            let real_server = &status["virtual_services"][service]["real_servers"][0];
            real_server["health"].as_str().unwrap().to_owned()
        })
    };
    until(AMPLE, "two verdicts from one probe", || match healths() {
        healths if healths == ["down", "down", "up"] => Ok(()),
        healths => Err(healths),
    });
    for service in ["one", "two"] {
        let series = format!(
            "lvs_transitions_total{{service=\"{service}\",real_server=\"rs1\",to=\"down\"}}"
        );
        assert!(site.metric(&series) == Some(1.0), "{series}");
    }
}

#[test]
fn proxy_of_the_environment_is_not_used() {
    let site = Site::new();
    let server = Server::start(&[site.server(1)], Behaviour::good());
    let proxy = Server::start(&[site.server(200)], Behaviour::status("502 Bad Gateway"));
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let mut command = site.run();
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, format!("http://{}", site.server(200)));
    }
    let _agent = Site::start(command);
    site.wait_for(&["up"]);
    let mut status = site.command("status", &[]);
    status.env("all_proxy", format!("http://{}", site.server(200)));
    assert_eq!(end(status).code, 0);
    assert!(server.connections(site.ip(1)) >= 2);
    assert_eq!(proxy.connections(site.ip(200)), 0);
}

#[test]
fn fewer_failures_than_fall_change_nothing() {
    let site = Site::new();
    let server = Server::start(&[site.server(1)], Behaviour::good());
    let check = "interval: 100ms, timeout: 90ms, rise: 1, fall: 400";
    site.configure(&site.service("web", 1, check, &[1]));
    let _agent = site.agent();
    site.wait_for(&["up"]);
    let failures = || {
        let status =
            "lvs_probe_failures_total{service=\"web\",real_server=\"rs1\",cause=\"status\"}";
        // The first one makes the series.
        site.metric(status).unwrap_or_default()
    };
    server.set(Behaviour::status("500 Internal Server Error"));
    until(AMPLE, "some failures", || match failures() {
        seen if seen >= 3.0 => Ok(()),
        seen => Err(seen),
    });
    assert_eq!(site.real_server(0, 0)["health"], "up", "400 are needed");
    server.set(Behaviour::good());
    until(AMPLE, "a pass", || {
        match &site.real_server(0, 0)["last_probe"]["result"] {
            result if result == "ok" => Ok(()),
            result => Err(result.clone()),
        }
    });
    assert!(failures() < 400.0);
    assert_eq!(
        site.sum("lvs_transitions_total", "to=\"down\"").to_bits(),
        0
    );
}
