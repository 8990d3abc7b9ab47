use super::*;

const DEADLINE: Duration = Duration::from_mins(1);
const BOTH: &str = "wlc 192.168.11.21:80=1 192.168.11.22:80=1";

/// Both real servers of `web` serve, and rs2 has a connection.
async fn serving() -> Lab {
    let mut lab = Lab::new();
    lab.config.director.on_removal = DirectorRemoval::Drain { deadline: DEADLINE };
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

/// Lets time pass, which stands still while the state file is written.
async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn it_is_quiesced_and_removed_when_its_last_connection_has_ended() {
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
async fn what_comes_back_is_configured_again_and_has_to_pass() {
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
    for on_removal in [
        DirectorRemoval::Drain { deadline: DEADLINE },
        DirectorRemoval::Remove,
    ] {
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
    lab.config.director.on_removal = DirectorRemoval::Drain { deadline: DEADLINE };
    lab.config.virtual_services[0].key = DNS.parse().unwrap();
    let lab = lab.run().await;
    lab.reload(without(&lab, false), &[]).await.unwrap();
    seconds(55).await;
    assert!(lab.table(DNS).contains(RIP2), "{}", lab.table(DNS));
    seconds(7).await;
    assert!(!lab.table(DNS).contains(RIP2), "{}", lab.table(DNS));
}
