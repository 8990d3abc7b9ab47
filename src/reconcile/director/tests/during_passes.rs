//! Weights that change while the table is read or written.

use super::*;

const MARKED: &str = "fwmark 10 ipv6";

/// What is asked of the table in a resync, while health wants something as soon as the real
/// servers of this service are read.
async fn calls_of_resync(lab: &Lab, service: &'static str, change: WeightChange) -> Vec<String> {
    lab.calls.lock().unwrap().clear();
    *lab.wanted_meanwhile.lock().unwrap() = Some((service, RS1, change));
    advance(RESYNC).await;
    settle().await;
    lab.calls.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_verdict_does_not_wait_for_the_end_of_a_resync() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    assert_eq!(
        calls_of_resync(&lab, WEB, change(0)).await,
        [
            "list services",
            "list tcp 192.168.11.200:80",
            "set real server 192.168.11.21:80 of tcp 192.168.11.200:80",
            "list fwmark 10 ipv6",
            "list time-outs",
        ],
        "it is written between two services, and not again"
    );
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=0 192.168.11.22:80=0");
    assert_eq!(lab.drift().values().sum::<u64>(), 0, "it is no drift");
    let (_, record) = lab.snapshot.records(RS1).unwrap();
    assert_eq!(record.live.lock().kernel, Some(Weight::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_verdict_during_the_last_service_of_a_resync_is_no_drift() {
    let lab = Lab::start(&[]).await;
    let calls = calls_of_resync(&lab, MARKED, change(1)).await;
    let write = "set real server 192.168.11.21:80 of tcp 192.168.11.200:80";
    assert_eq!(
        calls.iter().filter(|call| *call == write).count(),
        1,
        "{calls:?}"
    );
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1 192.168.11.22:80=0");
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_about_a_service_that_another_program_removed_meanwhile_is_repaired() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    let removed = Step::RemoveService {
        key: WEB.parse().unwrap(),
    };
    lab.write_as_another(&[removed]).await;
    calls_of_resync(&lab, MARKED, change(2)).await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=2 192.168.11.22:80=0");
}

#[tokio::test(start_paused = true)]
async fn connections_are_ended_after_a_resync_not_within() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    let reset = WeightChange {
        handling: Handling::Reset,
        ..change(0)
    };
    let calls = calls_of_resync(&lab, WEB, reset).await;
    let place = |wanted: &str| calls.iter().position(|call| call.starts_with(wanted));
    let (removal, last) = (place("remove real server"), place("list time-outs"));
    assert!(removal.is_some() && removal > last, "{calls:?}");
    let weight = place("set real server 192.168.11.21:80");
    assert!(weight.is_some() && weight < last, "{calls:?}");
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=0 192.168.11.22:80=0");
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_real_server_that_is_back_by_the_end_of_a_resync_are_not_ended() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    lab.calls.lock().unwrap().clear();
    let reset = WeightChange {
        handling: Handling::Reset,
        ..change(0)
    };
    *lab.wanted_meanwhile.lock().unwrap() = Some((WEB, RS1, reset));
    *lab.wanted_next.lock().unwrap() = Some((MARKED, RS1, change(1)));
    advance(RESYNC).await;
    settle().await;
    let write = "set real server 192.168.11.21:80 of tcp 192.168.11.200:80";
    assert_eq!(lab.writes(), [write, write]);
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1 192.168.11.22:80=0");
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_reads_the_table_sees_the_weight_that_is_written_meanwhile() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    *lab.wanted_meanwhile.lock().unwrap() = Some((MARKED, RS1, change(0)));
    let (found, weights) = oneshot::channel();
    let config = Arc::new(lab.config.clone());
    let request = ReconcileRequest::Observe { config, found };
    let to_loop = lab.requests.lock().unwrap().clone().unwrap();
    to_loop.send(request).await.ok().unwrap();
    let weights = weights.await.unwrap().unwrap();
    let key = (WEB.parse().unwrap(), RIP1.parse().unwrap());
    assert_eq!(weights.get(&key), Some(&Weight::ZERO));
}

/// A virtual service with 3,000 real servers, which take three batches.
const LARGE: &str = "
virtual_services:
  - name: web
    address: 192.168.11.200:80
    real_servers: [ { name: rs, address: 10.0.0.1-10.0.11.184 } ]
";

/// The real server with this number, from 0.
fn numbered(real_server: u32) -> RealServerId {
    RealServerId {
        service: 0,
        real_server,
    }
}

/// What is written when another program has removed the large service, while health wants something
/// as soon as the first real server is added again.
async fn writes_of_repair(lab: &Lab, id: RealServerId, change: WeightChange) -> Vec<String> {
    let key = WEB.parse().unwrap();
    lab.write_as_another(&[Step::RemoveService { key }]).await;
    let first = "add real server 10.0.0.1:80 of tcp 192.168.11.200:80";
    *lab.wanted_meanwhile.lock().unwrap() = Some((first, id, change));
    lab.calls.lock().unwrap().clear();
    advance(RESYNC).await;
    for _ in 0..8 {
        settle().await;
    }
    lab.writes()
}

async fn start_large() -> Lab {
    let mut lab = Lab::new();
    lab.config = Config::parse("test", LARGE).unwrap();
    lab.config.director.resync_interval = RESYNC;
    lab.run().await
}

/// The next resync finds everything right.
async fn assert_nothing_left(lab: &Lab) {
    lab.calls.lock().unwrap().clear();
    advance(RESYNC).await;
    settle().await;
    assert_eq!(lab.writes(), Vec::<String>::new());
}

fn shown(lab: &Lab, id: RealServerId) -> Option<Weight> {
    let (_, record) = lab.snapshot.records(id)?;
    record.live.lock().kernel
}

#[tokio::test(start_paused = true)]
async fn a_verdict_does_not_wait_for_the_end_of_a_large_repair() {
    let lab = start_large().await;
    lab.intend(numbered(4), 1).await;
    let drift = lab.drift().values().sum::<u64>();
    let writes = writes_of_repair(&lab, numbered(4), change(0)).await;
    let place = writes
        .iter()
        .position(|call| call == "set real server 10.0.0.5:80 of tcp 192.168.11.200:80");
    // The service, and then the first batch.
    assert_eq!(place, Some(1 + 1024), "of {}", writes.len());
    assert_eq!(writes.len(), 1 + 3000 + 1);
    assert_eq!(lab.drift().values().sum::<u64>(), drift + 3001);
    assert_eq!(shown(&lab, numbered(4)), Some(Weight::ZERO));
    assert_nothing_left(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn connections_are_ended_after_a_large_repair_not_within() {
    let lab = start_large().await;
    lab.intend(numbered(4), 1).await;
    let reset = WeightChange {
        handling: Handling::Reset,
        ..change(0)
    };
    let writes = writes_of_repair(&lab, numbered(4), reset).await;
    let rs = "real server 10.0.0.5:80 of tcp 192.168.11.200:80";
    let place = |wanted: &str| writes.iter().rposition(|call| *call == wanted);
    assert_eq!(place(&format!("set {rs}")), Some(1 + 1024));
    assert_eq!(place(&format!("remove {rs}")), Some(1 + 3000 + 1));
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(lab.table(WEB).contains(" 10.0.0.5:80=0 "));
    assert_nothing_left(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_verdict_on_a_real_server_that_is_still_to_be_added_is_in_its_addition() {
    let lab = start_large().await;
    let writes = writes_of_repair(&lab, numbered(2500), change(7)).await;
    assert_eq!(writes.len(), 1 + 3000, "no message of its own");
    assert!(lab.table(WEB).contains(" 10.0.9.197:80=7 "));
    assert_eq!(shown(&lab, numbered(2500)), Weight::new(7));
    assert_nothing_left(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_real_server_that_is_to_leave_the_table_is_not_added_by_the_repair_that_goes_on() {
    let lab = start_large().await;
    let removed = WeightChange {
        handling: Handling::Remove,
        ..change(0)
    };
    let writes = writes_of_repair(&lab, numbered(2500), removed).await;
    assert_eq!(writes.len(), 1 + 2999);
    assert!(!lab.table(WEB).contains("10.0.9.197:80"));
    assert_nothing_left(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn service_that_another_program_removes_during_a_large_repair_is_repaired_after_it() {
    const OTHER: &str = "tcp 192.168.11.202:80";
    let mut lab = Lab::new();
    let other = "  - { name: other, address: \"192.168.11.202:80\", real_servers: [ { name: rs1, \
                 address: 192.168.11.21 } ] }\n";
    lab.config = Config::parse("test", &format!("{LARGE}{other}")).unwrap();
    lab.config.director.resync_interval = RESYNC;
    let lab = lab.run().await;
    let key = OTHER.parse().unwrap();
    *lab.written_meanwhile.lock().unwrap() = vec![Step::RemoveService { key }];
    let id = RealServerId {
        service: 1,
        real_server: 0,
    };
    let writes = writes_of_repair(&lab, id, change(2)).await;
    assert_eq!(
        lab.table(OTHER),
        "wlc 192.168.11.21:80=2",
        "{}",
        writes.len()
    );
}
