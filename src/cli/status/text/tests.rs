use expect_test::{Expect, expect};

use super::*;
use crate::model::{
    AdminState, Condition, ConditionType, Connections, Diagnosis, FreezeReason, Health, Severity,
    Timeout, Weight,
};
use crate::status::document::{Filter, json};
use crate::status::{LeavingRecord, Snapshot, TimeoutRecord, fixture};

/// All of the status, as a pipe has it.
fn text(status: &StatusResponse, now: SystemTime) -> String {
    text_of(status, Part::Everything, now, Canvas::default())
}

fn text_of(status: &StatusResponse, part: Part, now: SystemTime, canvas: Canvas) -> String {
    let mut out = Vec::new();
    render(status, part, now, canvas, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn status(snapshot: &Snapshot, filter: &Filter) -> StatusResponse {
    serde_json::from_slice(&json(snapshot, filter).unwrap()).unwrap()
}

fn check(snapshot: &Snapshot, expected: &Expect) {
    let status = status(snapshot, &Filter::default());
    let now = fixture::start() + Duration::from_secs(65);
    expected.assert_eq(&text(&status, now));
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
              rs6           [2001:db8::21]:*  unknown  1m 5s    none        0           1       0         0  none yet
              sorry_server  [2001:db8::30]:*  unknown  1m 5s    none        0           1       0         0  none yet
        "]],
    );
}

#[test]
fn status_text_of_problems_of_pools() {
    let snapshot = fixture::director();
    snapshot.frozen.lock().insert(FreezeReason::Link);
    snapshot.services[0].pool.lock().status.fail_open = true;
    {
        let status = &mut snapshot.services[1].pool.lock().status;
        status.quorum_met = false;
        status.sorry_serves = true;
    }
    fixture::examine(&snapshot);
    let status = status(&snapshot, &Filter::default());
    let text = text(&status, fixture::start());
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
    let status = status(&snapshot, &Filter::default());
    let text = text(&status, fixture::start());
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

    let later = |seconds| self::text(&status, fixture::start() + Duration::from_secs(seconds));
    let (due, passed) = (later(40), later(66));
    assert!(due.contains("(deadline now)"), "{due}");
    assert!(passed.contains("(deadline passed 26s ago)"), "{passed}");
    assert!(
        passed.contains("  serves       2         0  passed 5s ago\n"),
        "{passed}"
    );
}

#[test]
fn fixes_of_many_are_a_few_lines_and_a_number_and_none_while_weights_are_frozen() {
    let snapshot = fixture::director();
    let mut status = status(&snapshot, &Filter::default());
    let real_servers = &mut status.virtual_services.as_mut().unwrap()[0].real_servers;
    let failing = real_servers[1].clone();
    real_servers.extend((3..=300).map(|n| RealServerStatus {
        name: format!("rs{n}"),
        ..failing.clone()
    }));
    let text = |status: &StatusResponse| text(status, fixture::start());
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
fn status_lists_other_hosts_that_answer_for_a_vip() {
    let snapshot = fixture::with_arp_conflicts();
    snapshot.arp.lock().error = Some("it needs CAP_NET_RAW".to_owned());
    fixture::examine(&snapshot);
    let status = status(&snapshot, &Filter::default());
    let text = text(&status, fixture::start());
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
    assert_eq!(age(now + Duration::from_secs(1), now), "0s");
}

/// The columns of the terminal are 80, and nothing that matters most is left out.
#[test]
fn tables_fit_80_columns() {
    let snapshot = fixture::director();
    fixture::examine(&snapshot);
    let status = status(&snapshot, &Filter::default());
    let now = fixture::start() + Duration::from_secs(65);
    let canvas = Canvas {
        width: Some(80),
        has_colours: false,
    };
    let shown = text_of(&status, Part::Everything, now, canvas);
    let web = shown.lines().skip_while(|line| !line.starts_with("web"));
    let table: Vec<_> = web.take(4).collect();
    expect![[r"
        web  tcp 192.168.11.200:80  wlc  direct
          REAL SERVER  ADDRESS           HEALTH  FOR    KERNEL  LAST PROBE
          rs1          192.168.11.21:80  up      1m 3s       1  HTTP 200, port 80, 1....
          rs2          192.168.11.22:80  down    35s      none  connection refused, p..."]]
    .assert_eq(&table.join("\n"));
    for line in table {
        assert!(line.len() <= 80, "{line}");
    }
}

#[test]
fn only_problems_and_their_services() {
    let snapshot = fixture::director();
    fixture::examine(&snapshot);
    let filter = Filter {
        problems: true,
        ..Filter::default()
    };
    let status = status(&snapshot, &filter);
    let now = fixture::start() + Duration::from_secs(65);
    let shown = text_of(&status, Part::Problems, now, Canvas::default());
    for present in ["rs2", "down", "application_down; fix: "] {
        assert!(shown.contains(present), "{present} in {shown}");
    }
    for absent in ["rs1 ", "VIP ", "nothing is wrong"] {
        assert!(!shown.contains(absent), "{absent} in {shown}");
    }
}

#[test]
fn nothing_is_wrong_is_said() {
    let snapshot = fixture::director();
    for record in snapshot
        .services
        .iter()
        .flat_map(|service| service.records())
    {
        let mut live = record.live.lock();
        live.health = Health::Up;
        live.diagnosis = Some(Diagnosis::Ok);
    }
    let filter = Filter {
        problems: true,
        ..Filter::default()
    };
    let status = status(&snapshot, &filter);
    let shown = text_of(&status, Part::Problems, fixture::start(), Canvas::default());
    let last = shown.lines().last();
    let expected = "nothing is wrong with 3 real servers of 2 virtual services";
    assert_eq!(last, Some(expected), "{shown}");
}

#[test]
fn real_server_that_is_down_is_red_and_one_that_drains_is_yellow() {
    let snapshot = fixture::director();
    snapshot.services[0].real_servers[0].live.lock().admin = AdminState::Draining;
    snapshot.frozen.lock().insert(FreezeReason::Link);
    snapshot.arp.lock().error = Some("it needs CAP_NET_RAW".to_owned());
    fixture::examine(&snapshot);
    let status = status(&snapshot, &Filter::default());
    let canvas = Canvas {
        width: None,
        has_colours: true,
    };
    let shown = text_of(&status, Part::Everything, fixture::start(), canvas);
    for coloured in [
        "\x1b[31mdown\x1b[0m",
        "\x1b[33mup, draining\x1b[0m",
        "\x1b[31mproblem weights_frozen link",
        "\x1b[33mwarning arp_audit_failed",
    ] {
        assert!(shown.contains(coloured), "{coloured:?} in {shown:?}");
    }
    let plain = text(&status, fixture::start());
    assert!(!plain.contains('\x1b'), "{plain:?}");
}
