//! The HTTP endpoints of a running director.

use serde_json::Value;

use super::{AMPLE, Behaviour, Server, Site, exchange, until};

const CHECK: &str = "interval: 200ms, timeout: 60s";

/// The keys of an object in the order of the alphabet.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(|key| &**key)
        .collect();
    keys.sort_unstable();
    keys
}

fn is_time(value: &Value) -> bool {
    humantime::parse_rfc3339(value.as_str().unwrap()).is_ok()
}

#[test]
fn readiness_waits_for_every_verdict_and_liveness_does_not() {
    let site = Site::new();
    let servers = [site.server(1), site.server(2)];
    let server = Server::start(&servers[..1], Behaviour::good());
    let slow = Server::start(&servers[1..], Behaviour::Hang);
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let _agent = site.agent();
    site.wait_for(&["up", "unknown"]);
    let answer = site.get("/readyz");
    assert_eq!(
        (answer.status, &*answer.body),
        (503, "no verdict yet on 1 real server: web/rs2\n")
    );
    let answer = site.get("/livez");
    assert_eq!((answer.status, &*answer.body), (200, "alive\n"));

    slow.set(Behaviour::good());
    let answer = until(AMPLE, "readiness", || match site.get("/readyz") {
        answer if answer.status == 200 => Ok(answer),
        answer => Err(answer),
    });
    assert!(answer.body.starts_with("ready\n"), "{}", answer.body);
    drop((server, slow));
    // A server that fails is a verdict, too.
    site.wait_for(&["down", "down"]);
    assert_eq!(site.get("/readyz").status, 200);
}

#[test]
fn the_status_has_the_shape_that_scripts_rely_on() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1)], Behaviour::good());
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let _agent = site.agent();
    site.wait_for(&["up", "down"]);
    let answer = site.get("/status");
    assert!(answer.head.contains("content-type: application/json"));
    let status = site.status();
    for key in ["mode", "version", "config", "virtual_services"] {
        assert!(keys(&status).contains(&key), "{status}");
    }
    assert_eq!(status["mode"], "director");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    let config = &status["config"];
    assert_eq!(keys(config), ["last_reload", "loaded_at", "path", "sha256"]);
    assert_eq!(config["path"], site.configuration().to_str().unwrap());
    assert!(is_time(&config["loaded_at"]));
    assert_eq!(
        config["last_reload"],
        serde_json::json!({"ok": true, "error": null})
    );

    let service = &status["virtual_services"][0];
    assert_eq!(
        keys(service),
        [
            "address",
            "fail_open",
            "forwarding",
            "name",
            "protocol",
            "quorum",
            "real_servers",
            "scheduler"
        ]
    );
    for (key, value) in [
        ("name", "web"),
        ("address", "192.0.2.1:80"),
        ("protocol", "tcp"),
        ("scheduler", "wlc"),
        ("forwarding", "direct"),
    ] {
        assert_eq!(service[key], value);
    }
    assert_eq!(service["fail_open"], false);
    assert_eq!(
        service["quorum"],
        serde_json::json!({"weight": 1, "hysteresis": 0, "met": true})
    );
    for (place, name, health, weight) in [(0, "rs1", "up", 1), (1, "rs2", "down", 0)] {
        let real_server = &service["real_servers"][place];
        assert_eq!(
            keys(real_server),
            [
                "address",
                "admin",
                "connections",
                "diagnosis",
                "fix",
                "health",
                "last_probe",
                "name",
                "quiesced",
                "since",
                "weight"
            ]
        );
        assert_eq!(real_server["name"], name);
        let ip = site.ip(u8::try_from(place + 1).unwrap());
        assert_eq!(real_server["address"], format!("{ip}:80"));
        assert_eq!(real_server["health"], health);
        assert_eq!(real_server["admin"]["state"], "enabled");
        assert_eq!(real_server["quiesced"], Value::Null);
        assert_eq!(
            real_server["connections"],
            serde_json::json!({"active": 0, "inactive": 0})
        );
        let wanted = serde_json::json!({"configured": 1, "desired": weight, "kernel": weight});
        until(AMPLE, "such weights", || {
            match &site.real_server(0, place)["weight"] {
                weight if *weight == wanted => Ok(()),
                weight => Err(weight.clone()),
            }
        });
        assert!(is_time(&real_server["since"]));
        let probe = &real_server["last_probe"];
        assert_eq!(
            keys(probe),
            ["at", "detail", "duration_ms", "port", "result"]
        );
        assert!(is_time(&probe["at"]));
        assert!(probe["duration_ms"].as_f64().unwrap() > 0.0);
        assert!(probe["detail"].is_string() && probe["result"].is_string());
    }
}

#[test]
fn the_page_the_errors_and_the_metrics_are_served() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let _agent = site.agent();
    let page = site.get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.head.contains("content-type: text/html"),
        "{}",
        page.head
    );
    assert!(page.body.contains("web") && page.body.ends_with("</html>\n"));
    for path in ["/", "/status", "/metrics", "/livez", "/readyz"] {
        for method in ["POST", "PUT", "DELETE"] {
            let answer = exchange(site.listen, method, path, AMPLE).unwrap();
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.body.contains("read-only"), "{}", answer.body);
        }
    }
    for path in ["/nothing", "/status/web", "/metrics/"] {
        let answer = site.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("/metrics"), "{}", answer.body);
    }
    let metrics = site.get("/metrics");
    assert!(metrics.head.contains("text/plain; version=0.0.4"));
    let series = "lvs_probes_total{service=\"web\",real_server=\"rs1\",result=\"failed\"}";
    assert!(site.metric(series).is_some(), "there from the start");
    assert!(metrics.body.contains("process_open_fds"));
}
