use super::*;
use crate::config::{DirectorRemoval, SorryServer};
use crate::model::ConditionType;

const DEADLINE: Duration = Duration::from_mins(1);
const BOTH: &str = "wlc 192.168.11.21:80=1 192.168.11.22:80=1";

/// Both real servers of `web` serve, and rs2 has a connection.
async fn serving() -> Lab {
    let mut lab = Lab::new();
    lab.config.director.on_removal = DirectorRemoval::Drain;
    lab.config.director.removal_deadline = DEADLINE;
    let lab = lab.run().await;
    lab.intend(RS1, 1).await;
    lab.intend(RS2, 1).await;
    assert_eq!(lab.table(WEB), BOTH);
    lab.active.lock().unwrap().insert(RIP2, 1);
    lab
}

/// The configuration without rs2, or without its virtual service.
fn without(lab: &Lab, whole_service: bool) -> Config {
    let mut config = lab.config.clone();
    if whole_service {
        config.virtual_services.remove(0);
    } else {
        config.virtual_services[0].real_servers.remove(1);
    }
    config
}

impl Lab {
    /// The real servers that serve on though they were to be removed by now.
    fn overdue(&self) -> Vec<String> {
        let conditions = self.snapshot.conditions.list().into_iter();
        let overdue = conditions.filter(|found| found.kind == ConditionType::RemovalOverdue);
        overdue.map(|found| found.subject).collect()
    }
}

/// Lets time pass, which stands still while the state file is written.
async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn removed_real_server_is_quiesced_until_its_last_connection_has_ended() {
    let lab = serving().await;
    let steps = lab.reload(without(&lab, false), &[(RIP1, 1)]).await;
    assert_eq!(steps.unwrap(), 1);
    let quiesced = "wlc 192.168.11.21:80=1 192.168.11.22:80=0";
    seconds(30).await;
    assert_eq!(lab.table(WEB), quiesced, "resyncs leave it alone");
    lab.active.lock().unwrap().clear();
    seconds(2).await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1");
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_it_is_removed_whatever_is_left() {
    let lab = serving().await;
    lab.reload(without(&lab, false), &[(RIP1, 1)])
        .await
        .unwrap();
    // Another reload moves no deadline.
    seconds(40).await;
    lab.reload(without(&lab, false), &[(RIP1, 1)])
        .await
        .unwrap();
    seconds(15).await;
    assert!(lab.table(WEB).contains(RIP2));
    seconds(7).await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1");
}

#[tokio::test(start_paused = true)]
async fn a_whole_service_goes_when_its_last_real_server_does() {
    let lab = serving().await;
    lab.reload(without(&lab, true), &[]).await.unwrap();
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=0 192.168.11.22:80=0");
    seconds(2).await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.22:80=0", "rs1 had none");
    lab.active.lock().unwrap().clear();
    seconds(2).await;
    assert_eq!(lab.table(WEB), "missing");
}

#[tokio::test(start_paused = true)]
async fn real_server_that_returns_to_the_configuration_has_to_pass() {
    let lab = serving().await;
    lab.reload(without(&lab, false), &[(RIP1, 1)])
        .await
        .unwrap();
    lab.reload(lab.config.clone(), &[(RIP1, 1)]).await.unwrap();
    lab.active.lock().unwrap().clear();
    seconds(70).await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1 192.168.11.22:80=0");
}

#[tokio::test(start_paused = true)]
async fn another_process_goes_on_and_without_the_key_it_ends() {
    for on_removal in [DirectorRemoval::Drain, DirectorRemoval::Remove] {
        let lab = serving().await;
        lab.reload(without(&lab, true), &[]).await.unwrap();
        let (mut config, state_dir) = (without(&lab, true), Arc::clone(&lab.state_dir));
        config.director.on_removal = on_removal;
        let active = Arc::clone(&lab.active);
        let mut next = Lab::on(lab.stop().await);
        (next.config, next.state_dir, next.active) = (config, state_dir, active);
        let next = next.run().await;
        if on_removal == DirectorRemoval::Remove {
            assert_eq!(next.table(WEB), "missing");
            continue;
        }
        seconds(40).await;
        assert_eq!(next.table(WEB), "wlc 192.168.11.22:80=0");
        let names: Vec<_> = {
            let leaving = next.snapshot.leaving.lock();
            let names = leaving
                .iter()
                .map(|l| format!("{}/{}", l.service, l.real_server));
            names.collect()
        };
        assert_eq!(names, ["web/rs2"]);
        seconds(22).await;
        assert_eq!(next.table(WEB), "missing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_read_at_the_reload_is_no_reason_to_cut_anything() {
    let lab = serving().await;
    *lab.broken_dumps.lock().unwrap() = 1;
    let reloaded = lab.reload(without(&lab, false), &[(RIP1, 1)]).await;
    assert!(reloaded.is_err());
    seconds(5).await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1 192.168.11.22:80=0");
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn udp_waits_for_the_deadline() {
    const DNS: &str = "udp 192.168.11.200:53";
    let mut lab = Lab::new();
    lab.config.director.on_removal = DirectorRemoval::Drain;
    lab.config.director.removal_deadline = DEADLINE;
    lab.config.virtual_services[0].key = DNS.parse().unwrap();
    let lab = lab.run().await;
    lab.reload(without(&lab, false), &[]).await.unwrap();
    seconds(55).await;
    assert!(lab.table(DNS).contains(RIP2), "{}", lab.table(DNS));
    seconds(7).await;
    assert!(!lab.table(DNS).contains(RIP2), "{}", lab.table(DNS));
}

/// Of `web`, rs3 and rs4 in place of rs1 and rs2.
fn replaced(lab: &Lab) -> Config {
    let mut config = lab.config.clone();
    let real_servers = &mut config.virtual_services[0].real_servers;
    for (real_server, name) in real_servers.iter_mut().zip(["rs3", "rs4"]) {
        real_server.name = name.into();
        real_server.key = format!("192.168.11.2{}:80", &name[2..]).parse().unwrap();
    }
    config
}

async fn intend_again(lab: &Lab, weights: &[(RealServerId, u32)], pass: bool) {
    let weight_updates = Arc::clone(&lab.reloaded.lock().unwrap());
    let weights = weights.iter().map(|(id, weight)| (*id, change(*weight)));
    weight_updates.set_replaced(WEB.parse().unwrap(), pass);
    weight_updates.set(weights.collect());
    super::settle().await;
}

#[tokio::test(start_paused = true)]
async fn removed_real_server_serves_until_its_replacement_has_passed() {
    for on_removal in [DirectorRemoval::Remove, DirectorRemoval::Drain] {
        let mut lab = serving().await;
        lab.config.director.on_removal = on_removal;
        lab.reload(replaced(&lab), &[]).await.unwrap();
        let waits = format!("{BOTH} 192.168.11.23:80=0 192.168.11.24:80=0");
        assert_eq!(lab.table(WEB), waits, "{on_removal:?}");
        seconds(25).await;
        assert_eq!(lab.table(WEB), waits, "resyncs leave it alone");
        intend_again(&lab, &[(RS1, 1)], false).await;
        seconds(2).await;
        let one = format!("{BOTH} 192.168.11.23:80=1 192.168.11.24:80=0");
        assert_eq!(lab.table(WEB), one, "of rs4 nothing is known yet");
        intend_again(&lab, &[(RS2, 1)], true).await;
        seconds(2).await;
        let quiesced = "wlc 192.168.11.22:80=0 192.168.11.23:80=1 192.168.11.24:80=1";
        assert_eq!(lab.table(WEB), quiesced, "rs2 has a connection");
        seconds(6).await;
        let left = match on_removal {
            DirectorRemoval::Remove => "",
            DirectorRemoval::Drain => " 192.168.11.22:80=0",
        };
        let end = format!("wlc{left} 192.168.11.23:80=1 192.168.11.24:80=1");
        assert_eq!(lab.table(WEB), end, "{on_removal:?}");
        assert_eq!(lab.drift().values().sum::<u64>(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_waiting_for_the_last_but_never_empties_what_serves() {
    for (on_removal, others) in [
        (DirectorRemoval::Remove, 1),
        (DirectorRemoval::Remove, 0),
        (DirectorRemoval::Drain, 1),
        (DirectorRemoval::Drain, 0),
    ] {
        let mut lab = serving().await;
        lab.config.director.on_removal = on_removal;
        lab.reload(replaced(&lab), &[]).await.unwrap();
        intend_again(&lab, &[(RS1, others)], false).await;
        seconds(55).await;
        assert!(lab.table(WEB).starts_with(BOTH), "{}", lab.table(WEB));
        seconds(30).await;
        let serve = lab.table(WEB).starts_with(BOTH);
        assert_eq!(serve, others == 0, "{on_removal:?}: {}", lab.table(WEB));
        let overdue: &[&str] = if serve { &["web/rs1", "web/rs2"] } else { &[] };
        assert_eq!(lab.overdue(), overdue, "{on_removal:?}");
        // Those who come later still replace them.
        intend_again(&lab, &[(RS1, 1), (RS2, 1)], true).await;
        seconds(2).await;
        seconds(2).await;
        let end = "wlc 192.168.11.23:80=1 192.168.11.24:80=1";
        assert_eq!(lab.table(WEB), end, "{on_removal:?}");
        assert_eq!(lab.overdue(), [""; 0], "{on_removal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_lets_serve_what_it_finds_serving() {
    for killed in [false, true] {
        let mut lab = serving().await;
        lab.config.director.on_removal = DirectorRemoval::Remove;
        let config = replaced(&lab);
        if killed {
            lab.reload(config.clone(), &[]).await.unwrap();
        }
        let state_dir = Arc::clone(&lab.state_dir);
        let mut next = Lab::on(lab.stop().await);
        (next.config, next.state_dir) = (config, state_dir);
        let next = next.run().await;
        let waits = format!("{BOTH} 192.168.11.23:80=0 192.168.11.24:80=0");
        assert_eq!(next.table(WEB), waits);
        seconds(25).await;
        assert_eq!(next.table(WEB), waits);
        next.weight_updates.set_replaced(WEB.parse().unwrap(), true);
        next.intend(RS1, 1).await;
        next.intend(RS2, 1).await;
        seconds(4).await;
        let end = "wlc 192.168.11.23:80=1 192.168.11.24:80=1";
        assert_eq!(next.table(WEB), end, "killed: {killed}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sorry_server_does_not_serve_beside_what_leaves() {
    const SORRY: RealServerId = RealServerId {
        service: 0,
        real_server: 2,
    };
    let mut lab = serving().await;
    lab.config.director.on_removal = DirectorRemoval::Remove;
    let mut config = replaced(&lab);
    config.virtual_services[0].pool.sorry_server = Some(SorryServer {
        key: "192.168.11.30:80".parse().unwrap(),
        forwarding: None,
        check: Arc::clone(&config.virtual_services[0].check),
    });
    lab.reload(config, &[]).await.unwrap();
    intend_again(&lab, &[(SORRY, 1)], false).await;
    let waits = format!("{BOTH} 192.168.11.23:80=0 192.168.11.24:80=0 192.168.11.30:80=0");
    seconds(25).await;
    assert_eq!(lab.table(WEB), waits);
    seconds(40).await;
    let end = "wlc 192.168.11.23:80=0 192.168.11.24:80=0 192.168.11.30:80=1";
    assert_eq!(lab.table(WEB), end, "at the deadline it replaces them");
}
