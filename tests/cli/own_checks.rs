//! Real servers with a check or a forwarding of their own, and with none.

use serde_json::Value;

use super::{AMPLE, Behaviour, Server, Site, end, until};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 1, fall: 2";

/// A service whose check is HTTP. rs1 has that check, rs2 asks for a connection, rs3 runs a
/// program, and rs4, on whose port nothing listens, has no check.
fn mixed(site: &Site) -> String {
    let (port, program) = (site.port, "/bin/true");
    let [one, two, three, four] = [1, 2, 3, 4].map(|host| site.ip(host));
    format!(
        "  - name: web
    address: 192.0.2.1:{port}
    check: {{ http: {{ path: /, host: site }}, {CHECK} }}
    real_servers:
      - {{ name: rs1, address: {one} }}
      - {{ name: rs2, address: {two}, check: {{ tcp: {{}}, {CHECK} }} }}
      - {{ name: rs3, address: {three}, check: {{ exec: {{ command: [{program}] }}, {CHECK} }} }}
      - {{ name: rs4, address: {four}, check: none }}
"
    )
}

fn detail(real_server: &Value) -> &str {
    real_server["last_probe"]["detail"].as_str().unwrap_or("")
}

#[test]
fn each_real_server_of_a_service_is_asked_in_its_own_way() {
    let site = Site::new();
    let server = Server::start(
        &[site.server(1), site.server(2)],
        Behaviour::status("503 No"),
    );
    site.configure(&mixed(&site));
    let _agent = site.agent();
    site.wait_for(&["down", "up", "up", "up"]);
    let [rs1, rs2, rs3, rs4] = [0, 1, 2, 3].map(|place| site.real_server(0, place));
    assert!(detail(&rs1).contains("503"), "{rs1}");
    assert!(!detail(&rs2).contains("503"), "{rs2}");
    assert_eq!(rs2["last_probe"]["port"], site.port);
    assert_eq!(rs3["last_probe"]["port"], Value::Null, "{rs3}");
    assert_eq!(
        (&rs4["check"], &rs4["last_probe"]),
        (&"none".into(), &Value::Null)
    );
    assert_eq!(rs1["check"], Value::Null);
    server.set(Behaviour::good());
    site.wait_for(&["up", "up", "up", "up"]);
}

#[test]
fn real_server_without_a_check_serves_at_once_and_sees_no_connection() {
    let site = Site::new();
    let server = Server::start(&[site.server(1), site.server(5)], Behaviour::good());
    let [one, five] = [1, 5].map(|host| site.ip(host));
    let port = site.port;
    let services = format!(
        "  - name: web
    address: 192.0.2.1:{port}
    check: none
    real_servers:
      - {{ name: rs5, address: {five} }}
      - {{ name: rs6, address: {}, weight: 3 }}
  - name: other
    address: 192.0.2.2:{port}
    check: {{ tcp: {{}}, {CHECK} }}
    real_servers: [{{ name: rs1, address: {one} }}]
",
        site.ip(6)
    );
    site.configure(&services);
    let _agent = site.agent();
    // Nobody listens at rs6.
    until(AMPLE, "weights", || {
        let kernel = |place| site.real_server(0, place)["weight"]["kernel"].clone();
        let weights = (kernel(0), kernel(1));
        let wanted: (Value, Value) = (1.into(), 3.into());
        if weights == wanted {
            Ok(())
        } else {
            Err(weights)
        }
    });
    until(AMPLE, "readiness", || {
        let answer = site.get("/readyz");
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.body)
        }
    });
    until(AMPLE, "ten probes of the other", || {
        let connections = server.connections(one);
        if connections >= 10 {
            Ok(())
        } else {
            Err(connections)
        }
    });
    assert_eq!(server.connections(five), 0);
    for (place, name) in ["rs5", "rs6"].into_iter().enumerate() {
        let shown = site.real_server(0, place);
        assert_eq!(
            (&shown["name"], &shown["health"]),
            (&name.into(), &"up".into())
        );
        let labels = format!("service=\"web\",real_server=\"{name}\"");
        let up = format!("lvs_real_server_up{{{labels}}}");
        assert_eq!(site.metric(&up), Some(1.0));
        let probes = format!("lvs_probes_total{{{labels},result=\"ok\"}}");
        assert_eq!(site.metric(&probes), None);
    }
    let interval = |service| {
        site.metric(&format!(
            "lvs_check_interval_seconds{{service=\"{service}\"}}"
        ))
    };
    assert_eq!((interval("web"), interval("other")), (None, Some(0.2)));
    let status = end(site.command("status", &[]));
    assert!(status.stdout.contains("not checked"), "{}", status.stdout);
    let drained = end(site.command("drain", &["web/rs6"]));
    assert_eq!(drained.code, 0, "{}", drained.stderr);
    until(AMPLE, "weight 0", || {
        let shown = site.real_server(0, 1);
        if shown["weight"]["kernel"] == 0 {
            Ok(())
        } else {
            Err(shown)
        }
    });
}

#[test]
fn reload_to_an_own_check_and_back_keeps_the_verdict() {
    let site = Site::new();
    let server = Server::start(&[site.server(1)], Behaviour::good());
    let own = |check: &str| {
        let services = site.service("web", 1, CHECK, &[1, 2]);
        services.replace("name: rs1,", &format!("name: rs1,{check}"))
    };
    site.configure(&own(""));
    let _agent = site.agent();
    site.wait_for(&["up", "down"]);
    let since = site.real_server(0, 0)["since"].clone();
    let probes = || server.connections(site.ip(1));

    // The new check would take an hour to decide.
    let slow = format!(
        " check: {{ tcp: {{ port: {} }}, interval: 1h, fall: 2 }},",
        site.port
    );
    let before = probes();
    site.configure(&own(&slow));
    let reloaded = end(site.command("reload", &[]));
    assert_eq!(reloaded.code, 0, "{}", reloaded.stderr);
    until(AMPLE, "a probe of the new check", || {
        if probes() > before {
            Ok(())
        } else {
            Err(probes())
        }
    });
    let shown = site.real_server(0, 0);
    assert_eq!((&shown["health"], &shown["since"]), (&"up".into(), &since));

    site.configure(&own(""));
    assert_eq!(end(site.command("reload", &[])).code, 0);
    let shown = site.real_server(0, 0);
    assert_eq!((&shown["health"], &shown["since"]), (&"up".into(), &since));
}

#[test]
fn reload_to_no_check_brings_a_real_server_up_and_a_check_takes_it_down_again() {
    let site = Site::new();
    let services = site.service("web", 1, CHECK, &[2]);
    site.configure(&services);
    let _agent = site.agent();
    site.wait_for(&["down"]);
    site.configure(&services.replace("name: rs2,", "name: rs2, check: none,"));
    let reloaded = end(site.command("reload", &[]));
    assert_eq!(reloaded.code, 0, "{}", reloaded.stderr);
    let shown = site.real_server(0, 0);
    assert_eq!(
        (&shown["health"], &shown["last_probe"]),
        (&"up".into(), &Value::Null)
    );
    assert_eq!(
        (&shown["diagnosis"], &shown["fix"]),
        (&Value::Null, &Value::Null)
    );
    until(AMPLE, "its weight", || {
        let shown = site.real_server(0, 0);
        if shown["weight"]["kernel"] == 1 {
            Ok(())
        } else {
            Err(shown)
        }
    });
    site.configure(&services);
    assert_eq!(end(site.command("reload", &[])).code, 0);
    site.wait_for(&["down"]);
}

#[test]
fn reload_changes_the_forwarding_of_one_real_server() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let services = site.service("web", 1, CHECK, &[1, 2]);
    site.configure(&services);
    let _agent = site.agent();
    site.wait_for(&["up", "up"]);
    assert_eq!(site.real_server(0, 1)["forwarding"], Value::Null);
    site.configure(&services.replace("name: rs2,", "name: rs2, forwarding: masquerade,"));
    let reloaded = end(site.command("reload", &[]));
    assert!(
        reloaded.stdout.contains("1 change in the table"),
        "{reloaded:?}"
    );
    let shown = site.real_server(0, 1);
    assert_eq!(
        (&shown["forwarding"], &shown["health"]),
        (&"masquerade".into(), &"up".into())
    );
    let status = end(site.command("status", &[]));
    assert!(
        status.stdout.contains(":80, masquerade"),
        "{}",
        status.stdout
    );
}
