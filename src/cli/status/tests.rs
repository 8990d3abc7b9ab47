use expect_test::{Expect, expect};

use super::*;
use crate::model::{
    AdminState, Condition, ConditionType, Connections, FreezeReason, Severity, Timeout, Weight,
};
use crate::status::document::{Filter, json};
use crate::status::{LeavingRecord, Snapshot, TimeoutRecord, fixture};

fn check(snapshot: &Snapshot, expected: &Expect) {
    let status = serde_json::from_slice(&json(snapshot, &Filter::default()).unwrap()).unwrap();
    let now = fixture::start() + Duration::from_secs(65);
    let mut out = Vec::new();
    render(&status, now, &mut out).unwrap();
    expected.assert_eq(&String::from_utf8(out).unwrap());
}

#[test]
fn a_director_for_people() {
    check(
        &fixture::director(),
        &expect![[r"
            lvs-agent 0.1.0, director, /etc/lvs-agent/config.yaml loaded 1m 5s ago
            the kernel was as configured 5s ago

            VIP             INTERFACE  STATE
            192.168.11.200  eth0       configured

            web  tcp 192.168.11.200:80  wlc  direct
              REAL SERVER  ADDRESS           HEALTH  FOR    KERNEL  DESIRED  CONFIGURED  ACTIVE  INACTIVE  LAST PROBE
              rs1          192.168.11.21:80  up      1m 3s       1        1           1       0         3  HTTP 200, port 80, 1.2ms, 5s ago
              rs2          192.168.11.22:80  down    35s      none        0           2       0         0  connection refused, port 80, 300us, 5s ago
              rs2: application_down; fix: on 192.168.11.22, see whether the service runs: `ss -ltnup 'sport = :80'` and its log; if it does, what a firewall there drops: `nft list ruleset`

            marked  fwmark 10 ipv6  wlc  direct
              REAL SERVER   ADDRESS           HEALTH   FOR    KERNEL  DESIRED  CONFIGURED  ACTIVE  INACTIVE  LAST PROBE
              rs6           [2001:db8::21]:0  unknown  1m 5s    none        0           1       0         0  none yet
              sorry_server  [2001:db8::30]:0  unknown  1m 5s    none        0           1       0         0  none yet
        "]],
    );
}

#[test]
fn what_is_wrong_with_pools_for_people() {
    let snapshot = fixture::director();
    snapshot.frozen.lock().insert(FreezeReason::Link);
    snapshot.services[0].pool.lock().standing.fail_open = true;
    {
        let standing = &mut snapshot.services[1].pool.lock().standing;
        standing.quorum_met = false;
        standing.sorry_serves = true;
    }
    fixture::examine(&snapshot);
    let status = serde_json::from_slice(&json(&snapshot, &Filter::default()).unwrap()).unwrap();
    let mut out = Vec::new();
    render(&status, fixture::start(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for lines in [
        "\nproblem weights_frozen link for 0s: all weights are frozen: the director's own link is down\n  fix: ",
        "\nproblem quorum_lost marked for 0s: ",
        "direct\n  failing open: failing real servers serve, too\n  REAL SERVER",
        "direct\n  quorum lost\n  the sorry server serves\n  REAL SERVER",
    ] {
        assert!(text.contains(lines), "{lines:?} in:\n{text}");
    }
}

#[test]
fn what_is_drained_advised_leaving_and_not_remembered_for_people() {
    let snapshot = fixture::director();
    {
        let mut live = snapshot.services[0].real_servers[0].live.lock();
        live.admin = AdminState::Draining;
        live.drain_deadline = Some(fixture::start() + Duration::from_secs(40));
        live.advised = Some(Weight::new(7).unwrap());
    }
    snapshot.conditions.raise(Condition {
        kind: ConditionType::DrainsNotSaved,
        subject: "drains.json".to_owned(),
        severity: Severity::Problem,
        message: "the disk is full".to_owned(),
        fix: "df -h".to_owned(),
        since: fixture::start() - Duration::from_secs(3),
    });
    let record = TimeoutRecord {
        want: Some(900),
        have: 600,
    };
    snapshot.timeouts.lock().insert(Timeout::Tcp, record);
    let record = TimeoutRecord {
        want: None,
        have: 300,
    };
    snapshot.timeouts.lock().insert(Timeout::Udp, record);
    snapshot.leaving.lock().push(LeavingRecord {
        service: "web".to_owned(),
        real_server: "rs3".to_owned(),
        service_key: snapshot.services[0].key,
        key: "192.168.11.23:80".parse().unwrap(),
        connections: Connections {
            active: 2,
            ..Connections::default()
        },
        serves: true,
        deadline: fixture::start() + Duration::from_secs(61),
    });
    let status = serde_json::from_slice(&json(&snapshot, &Filter::default()).unwrap()).unwrap();
    let mut out = Vec::new();
    render(&status, fixture::start(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for line in [
        "\nproblem drains_not_saved drains.json for 3s: the disk is full\n  fix: df -h\n",
        "TIME-OUT  CONFIGURED  KERNEL\ntcp       15m         10m\nudp       as it is    5m\n",
        "LEAVING  SERVICE                ADDRESS           STATE   ACTIVE  INACTIVE  AT THE LATEST\n\
         web/rs3  tcp 192.168.11.200:80  192.168.11.23:80  serves       2         0  in 1m 1s\n",
        "up, draining (deadline in 40s)",
        "1, advised 7",
    ] {
        assert!(text.contains(line), "{line:?} in:\n{text}");
    }
    assert!(!text.contains("reconcile failed"), "{text}");

    let later = |seconds| {
        let mut out = Vec::new();
        render(
            &status,
            fixture::start() + Duration::from_secs(seconds),
            &mut out,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    };
    let (due, passed) = (later(40), later(66));
    assert!(due.contains("(deadline now)"), "{due}");
    assert!(passed.contains("(deadline passed 26s ago)"), "{passed}");
    assert!(
        passed.contains("  serves       2         0  passed 5s ago\n"),
        "{passed}"
    );
}

#[test]
fn fixes_of_many_are_a_few_lines_and_a_number_and_none_while_weights_are_held() {
    let snapshot = fixture::director();
    let status = serde_json::from_slice(&json(&snapshot, &Filter::default()).unwrap());
    let mut status: StatusResponse = status.unwrap();
    let real_servers = &mut status.virtual_services.as_mut().unwrap()[0].real_servers;
    let failing = real_servers[1].clone();
    real_servers.extend((3..=300).map(|n| RealServerStatus {
        name: format!("rs{n}"),
        ..failing.clone()
    }));
    let text = |status: &StatusResponse| {
        let mut out = Vec::new();
        render(status, fixture::start(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let shown = text(&status);
    assert_eq!(
        shown.matches("application_down; fix: ").count(),
        5,
        "{shown}"
    );
    assert!(
        shown.contains("\n  294 more: application_down\n"),
        "{shown}"
    );
    status.weights_frozen = vec!["link".to_owned()];
    let shown = text(&status);
    assert!(!shown.contains("fix: "), "{shown}");
}

#[test]
fn who_else_answers_for_a_vip_for_people() {
    let snapshot = fixture::with_arp_conflicts();
    snapshot.arp.lock().error = Some("it needs CAP_NET_RAW".to_owned());
    fixture::examine(&snapshot);
    let status = serde_json::from_slice(&json(&snapshot, &Filter::default()).unwrap()).unwrap();
    let mut out = Vec::new();
    render(&status, fixture::start(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for lines in [
        "\nwarning arp_audit_failed director.link for 0s: it needs CAP_NET_RAW\n  fix: see",
        "200 is answered for by 02:00:00:00:00:21 as well, which is rs1 (192.168.11.21)\n  fix: there,",
        "200 is answered for by 02:00:00:00:00:99 as well, which is no real server: another",
        "  up, quiesced: arp_conflict  ",
    ] {
        assert!(text.contains(lines), "{lines:?} in:\n{text}");
    }
}

#[test]
fn a_real_server_for_people() {
    let snapshot = fixture::real_server();
    check(
        &snapshot,
        &expect![[r"
            lvs-agent 0.1.0, real server, /etc/lvs-agent/config.yaml loaded 1m 5s ago
            the kernel has not been as configured yet

            VIP             INTERFACE  STATE
            192.168.11.200  lo         configured

            SYSCTL                        CONFIGURED  KERNEL
            net.ipv4.conf.all.arp_ignore  1           0

            SERVICE  ADDRESS                READY  WHY NOT
            web      tcp 192.168.11.200:80  no     arp_ignore is 0 on eth0: this host answers ARP for the VIP
        "]],
    );
}

#[test]
fn ages_are_short() {
    let now = fixture::start();
    for (seconds, text) in [
        (0, "0s"),
        (59, "59s"),
        (3600, "1h"),
        (3 * 86400 + 4 * 3600 + 5 * 60, "3d 4h"),
    ] {
        assert_eq!(age(now - Duration::from_secs(seconds), now), text);
    }
    assert_eq!(age(now + PERIOD, now), "0s");
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    for watch in [false, true] {
        let error = show(&path, false, watch).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "there is no control socket {}: is lvs-agent running?",
                path.display()
            )
        );
    }
}
