//! Weights that change while the table is read.

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
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
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
