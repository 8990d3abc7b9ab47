use std::time::Duration;

use super::*;
use crate::model::{AdminState, Condition, ConditionType, Severity, Timeout};
use crate::status::document::ServiceStatus;
use crate::status::{TimeoutRecord, fixture};

fn page(snapshot: Snapshot) -> String {
    page_of(snapshot, "")
}

fn page_of(snapshot: Snapshot, query: &str) -> String {
    let now = fixture::start() + Duration::from_secs(65);
    let query = Query::parse(query).unwrap();
    render(Arc::new(snapshot), query, now).collect()
}

/// Panics unless the page has these texts, in this order.
fn assert_in_order(page: &str, texts: &[&str]) {
    let mut rest = page;
    for text in texts {
        let Some(at) = rest.find(text) else {
            panic!("no `{text}` in\n{rest}");
        };
        rest = &rest[at..];
    }
}

#[test]
fn the_page_tells_what_a_reader_needs() {
    let page = page(fixture::director());
    assert_in_order(
        &page,
        &[
            "<title>1 of 3 down, 1 without a verdict - lvs1 - lvs-agent</title>",
            "<h1>lvs1 <small>director</small></h1>",
            "; table: kernel; dry run: no; configuration: /etc/lvs-agent/config.yaml of 2026-01-02 \
             03:04:05 UTC. The kernel was as configured 5s ago.",
            "<p id=\"summary\" role=\"status\">1 of 3 down, 1 without a verdict</p>",
            "35s ago <small>2026-01-02 03:04:35 UTC</small></td><th scope=\"row\">web/rs2</th>\
             <td class=\"down\">down</td><td>application_down: 1 probe failed",
            "web/rs1</th><td class=\"up\">up</td><td>1 probe passed</td>",
            "3 of 3 real servers shown",
            "web</span> <small>tcp 192.168.11.200:80, wlc, direct</small>",
            "<th scope=\"row\">rs2 <small>192.168.11.22:80</small></th><td class=\"down\">down\
             <details open><summary>application_down</summary>fix: on 192.168.11.22, see whether \
             the service runs: `ss -ltnup 'sport = :80'` and its log; if it does, what a firewall \
             there drops: `nft list ruleset`</details></td><td>35s</td><td>none</td>",
            "connection refused, port 80, 300us, 5s ago",
            "<td class=\"up\">up</td><td>1m 3s</td><td>1</td><td>1</td><td>1</td><td>0</td><td>3</td>",
            "fwmark 10 ipv6",
            "none yet",
            "<th scope=\"row\">192.168.11.200</th><td>eth0</td><td class=\"up\">configured",
        ],
    );
    assert!(page.ends_with("</main><footer><p>State as of 2026-01-02 03:05:10 UTC; the same as JSON: <a href=\"status\">status</a>.</p><noscript><p>Without JavaScript, this page is updated when it is loaded again.</p></noscript></footer></body></html>\n"));
    for outside in ["//", "url(", "<style", "style=", "onclick"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn everything_is_escaped() {
    let attack = "<script>alert('&\"')</script>";
    let mut config = fixture::config();
    config.virtual_services[0].name = attack.into();
    config.virtual_services[0].real_servers[0].name = attack.into();
    let path = attack.into();
    let snapshot = Snapshot::director(&config, path, fixture::start());
    snapshot.conditions.raise(Condition {
        kind: ConditionType::ReloadFailed,
        subject: attack.to_owned(),
        severity: Severity::Problem,
        message: attack.to_owned(),
        fix: attack.to_owned(),
        since: fixture::start(),
    });
    snapshot.services[0].real_servers[0].live.lock().last_probe = Some(crate::status::LastProbe {
        at: fixture::start(),
        result: crate::model::ProbeResult::Internal,
        detail: attack.to_owned(),
        duration: Duration::ZERO,
    });
    let page = page_of(snapshot, "q=%3Cscript%3E");
    assert_eq!(page.matches("<script").count(), 1, "its own");
    // The path; the condition's key and texts; the service and the real server with their keys;
    // the probe.
    assert_eq!(
        page.matches("&lt;script&gt;alert('&amp;&quot;')&lt;/script&gt;")
            .count(),
        10
    );
    assert!(page.contains("value=\"&lt;script&gt;\""), "{page}");
}

#[test]
fn text_that_hides_its_direction_is_shown_as_its_escape() {
    let snapshot = fixture::director();
    snapshot.conditions.raise(Condition {
        kind: ConditionType::ReloadFailed,
        subject: "config".to_owned(),
        severity: Severity::Problem,
        message: "a\u{202e}b".to_owned(),
        fix: "c\u{2066}d".to_owned(),
        since: fixture::start(),
    });
    let page = page(snapshot);
    assert!(
        page.contains("a\\u{202e}b") && page.contains("c\\u{2066}d"),
        "{page}"
    );
    assert!(!page.contains(['\u{202e}', '\u{2066}']), "{page}");
}

#[test]
fn services_and_real_servers_with_problems_come_first() {
    let snapshot = fixture::director();
    {
        let mut live = snapshot.services[0].real_servers[1].live.lock();
        live.health = crate::model::Health::Up;
        live.diagnosis = Some(crate::model::Diagnosis::Ok);
    }
    // Nothing is known of `marked`, which the configuration has after `web`.
    assert_in_order(
        &page(snapshot),
        &[
            "0 of 3 down, 1 without a verdict",
            "data-key=\"marked\"",
            "data-key=\"web\"",
        ],
    );
    assert_in_order(
        &page(fixture::director()),
        &["data-key=\"web\"", "data-key=\"rs2\"", "data-key=\"rs1\""],
    );
}

#[test]
fn page_of_a_part_says_how_much_is_shown() {
    let page = page_of(fixture::director(), "q=web&problems=");
    for text in [
        "1 of 3 real servers shown",
        "value=\"web\"",
        "name=\"problems\" value=\"\" checked>",
        "href=\"?q=web&amp;problems=&amp;sort=active\"",
        "1 of 3 down",
    ] {
        assert!(page.contains(text), "no `{text}` in\n{page}");
    }
    for absent in ["data-key=\"rs1\"", "data-key=\"marked\""] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn fixes_of_many_real_servers_wait_to_be_opened() {
    let mut config = fixture::config();
    let one = config.virtual_services[0].real_servers[1].clone();
    config.virtual_services[0].real_servers = vec![one; 1200];
    let snapshot = Snapshot::director(&config, "c".into(), fixture::start());
    for record in &snapshot.services[0].real_servers[..67] {
        let mut live = record.live.lock();
        live.health = crate::model::Health::Down;
        live.diagnosis = Some(crate::model::Diagnosis::ApplicationDown);
    }
    let page = page(snapshot);
    assert!(
        page.contains(">67 of 1,201 down, 1,134 without a verdict</p>"),
        "{page}"
    );
    assert_eq!(page.matches("<details><summary>").count(), 67);
    assert!(!page.contains("<details open"));
}

#[test]
fn a_real_server_shows_its_host() {
    let page = page(fixture::real_server());
    assert_in_order(
        &page,
        &[
            "<h1>web1 <small>real server</small></h1>",
            "role=\"status\">0 of 1 VIPs missing, 1 of 1 sysctls wrong, 1 of 1 services not ready<",
            "<h2>Readiness</h2>",
            "<td>tcp 192.168.11.200:80</td><td class=\"down\">no: ",
            "<th scope=\"row\">192.168.11.200</th><td>lo</td><td class=\"up\">configured",
            "<th scope=\"row\">net.ipv4.conf.all.arp_ignore</th><td>1</td><td class=\"down\">0",
        ],
    );
    assert!(!page.contains("<form"), "it has no real servers to filter");
}

#[test]
fn stricter_sysctl_is_well() {
    let snapshot = fixture::real_server();
    for record in snapshot.sysctls.lock().values_mut() {
        record.have = Some("2".to_owned());
    }
    let page = page(snapshot);
    assert!(page.contains("0 of 1 sysctls wrong"), "{page}");
    assert!(page.contains("<td>1</td><td class=\"up\">2</td>"), "{page}");
}

#[test]
fn other_host_that_answers_for_a_vip_is_reported() {
    let snapshot = fixture::with_arp_conflicts();
    fixture::examine(&snapshot);
    let page = page(snapshot);
    for text in [
        "192.168.11.200 is answered for by 02:00:00:00:00:21 as well, which is rs1 \
         (192.168.11.21)</p><p>fix: there, keep the VIP on lo alone: `ip -o address show to \
         192.168.11.200`",
        "192.168.11.200 is answered for by 02:00:00:00:00:99 as well, which is no real server",
        "<td class=\"up\">up<br>quiesced: arp_conflict</td><td>1m 3s</td><td>1<",
    ] {
        assert!(page.contains(text), "no `{text}` in\n{page}");
    }
}

#[test]
fn conditions_come_first_then_drains_and_time_outs() {
    let snapshot = fixture::director();
    let record = TimeoutRecord {
        want: Some(900),
        have: 600,
    };
    snapshot.timeouts.lock().insert(Timeout::Tcp, record);
    {
        let mut live = snapshot.services[0].real_servers[0].live.lock();
        live.admin = AdminState::Draining;
        live.drain_deadline = Some(fixture::start() + Duration::from_secs(50));
        live.connections.active = 1;
    }
    fixture::examine(&snapshot);
    let page = page(snapshot);
    assert_in_order(
        &page,
        &[
            "1 of 3 down, 1 without a verdict, 1 drained or draining</p>",
            "<p class=\"unknown\">warning drain_overdue web/rs1 for 15s: the drain should have \
             ended at 2026-01-02T03:04:55Z, and connections are left</p><p>fix: wait",
            "up<br>draining (deadline passed 15s ago)</td>",
            "<th scope=\"row\">tcp</th><td>15m</td><td class=\"down\">10m</td>",
        ],
    );
    assert!(
        !page.contains("real_server_down"),
        "it stands with its service"
    );
}

#[test]
fn status_shows_operator_and_reason_of_a_drain() {
    let snapshot = fixture::director();
    let mut service = ServiceStatus::of(&snapshot.services[0], |_| true);
    let admin = &mut service.real_servers[0].admin;
    admin.state = "draining".to_owned();
    admin.since = Some(Timestamp(fixture::start()));
    admin.by = Some("alice".to_owned());
    admin.reason = Some("a new disk\u{202e}".to_owned());
    let now = fixture::start() + Duration::from_secs(65);
    let group = services::group(&service, false, true, now).into_string();
    let expected = "up<br>draining for 1m 5s by alice: a new disk\\u{202e}</td>";
    assert!(group.contains(expected), "{group}");
}
