use super::*;
use crate::model::{AdminState, Condition, ConditionType, Severity, Timeout};
use crate::status::{TimeoutRecord, fixture};

fn page(snapshot: Snapshot) -> String {
    let now = fixture::start() + Duration::from_secs(65);
    render(Arc::new(snapshot), now).collect()
}

#[test]
fn the_page_tells_what_a_reader_needs() {
    let page = page(fixture::director());
    for text in [
        "<h2>web <small>tcp 192.168.11.200:80, wlc, direct</small></h2>",
        "<td class=\"up\">up 1m 3s</td><td class=\"n\">1<",
        "<td class=\"down\">down 35s</td><td class=\"n\">none<",
        "connection refused, port 80, 300us, 5s ago",
        "<p class=\"down\">rs2: application_down; fix: on 192.168.11.22, see \
         whether the service runs: `ss -ltnup 'sport = :80'` and its log; if it does, what a firewall there drops: `nft list ruleset`</p>",
        "fwmark 10 ipv6",
        "none yet",
        "The kernel was as configured 5s ago",
    ] {
        assert!(page.contains(text), "no `{text}` in\n{page}");
    }
    assert!(page.ends_with("</html>\n"));
    for outside in ["src=", "href=", "url(", "<script", "//"] {
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
    let page = page(snapshot);
    assert!(!page.contains("<script"));
    assert_eq!(
        page.matches("&lt;script&gt;alert('&amp;&quot;')&lt;/script&gt;")
            .count(),
        7
    );
}

#[test]
fn a_real_server_shows_its_host() {
    let page = page(fixture::real_server());
    assert!(page.contains("<td>192.168.11.200</td><td>lo</td><td class=\"up\">configured"));
    assert!(page.contains("<td>net.ipv4.conf.all.arp_ignore</td><td>1</td><td class=\"down\">0"));
}

#[test]
fn who_else_answers_for_a_vip_is_told() {
    let snapshot = fixture::with_arp_conflicts();
    fixture::examine(&snapshot);
    let page = page(snapshot);
    for text in [
        "192.168.11.200 is answered for by 02:00:00:00:00:21 as well, which is rs1 \
         (192.168.11.21)<span class=\"fix\">fix: there, keep the VIP on lo alone: `ip -o address show to \
         192.168.11.200`",
        "192.168.11.200 is answered for by 02:00:00:00:00:99 as well, which is no real server",
        "up 1m 3s<br>quiesced: arp_conflict</td><td class=\"n\">1<",
    ] {
        assert!(page.contains(text), "no `{text}` in\n{page}");
    }
}

#[test]
fn conditions_come_first_then_time_outs_and_drains() {
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
    }
    fixture::examine(&snapshot);
    let page = page(snapshot);
    let mut rest = page.as_str();
    for text in [
        "<p class=\"condition unknown\">warning drain_overdue web/rs1 for 15s: the drain should have \
         ended at 2026-01-02T03:04:55Z, and connections are left<span class=\"fix\">fix: wait",
        "Director ",
        "<td>tcp</td><td>15m</td><td class=\"down\">10m</td>",
        "up 1m 3s<br>draining (deadline passed 15s ago)</td>",
    ] {
        let Some(at) = rest.find(text) else {
            panic!("no `{text}` in\n{rest}");
        };
        rest = &rest[at..];
    }
    assert!(
        !page.contains("real_server_down"),
        "it stands with its service"
    );
}
