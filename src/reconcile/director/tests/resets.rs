use super::*;
use crate::config::OnFailure;

const SERVES: &str = "wlc 192.168.11.22:80=1";
const BACK: &str = "wlc 192.168.11.21:80=0 192.168.11.22:80=1";

fn handle(handling: Handling) -> WeightChange {
    WeightChange {
        handling,
        ..change(0)
    }
}

/// Both serve; rs1, which has connections, is lost.
async fn lost(handling: Handling) -> Lab {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    lab.intend(RS2, 1).await;
    lab.calls.lock().unwrap().clear();
    lab.weight_updates.set(vec![(RS1, handle(handling))]);
    settle().await;
    assert_eq!(lab.table(WEB), SERVES);
    lab
}

async fn milliseconds(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

#[tokio::test(start_paused = true)]
async fn reset_real_server_returns_to_the_table_without_a_dump() {
    let lab = lost(Handling::Reset).await;
    milliseconds(50).await;
    assert_eq!(lab.table(WEB), SERVES);
    milliseconds(100).await;
    assert_eq!(lab.table(WEB), BACK);
    let rs1 = "real server 192.168.11.21:80 of tcp 192.168.11.200:80";
    assert_eq!(
        *lab.calls.lock().unwrap(),
        [
            format!("remove {rs1}"),
            format!("add {rs1}"),
            format!("list {WEB}")
        ]
    );
    milliseconds(30_000).await;
    assert_eq!(lab.table(WEB), BACK);
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn real_server_with_entries_left_stays_out_longer_but_not_for_ever() {
    let lab = lost(Handling::Reset).await;
    lab.active.lock().unwrap().insert(RIP1, 1);
    milliseconds(30_000).await;
    assert_eq!(lab.table(WEB), BACK);
    let removed = lab.writes();
    let removed = removed.iter().filter(|call| call.starts_with("remove"));
    assert_eq!(removed.count(), 3);
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_resync_waits_and_a_weight_does_not() {
    let lab = lost(Handling::Reset).await;
    lab.intend(RS1, 1).await;
    let both = "wlc 192.168.11.21:80=1 192.168.11.22:80=1";
    assert_eq!(lab.table(WEB), both);
    // As if every resync came while it is out.
    for _ in 0..40 {
        lab.weight_updates.set(vec![(RS1, handle(Handling::Reset))]);
        milliseconds(99).await;
        assert_eq!(lab.table(WEB), SERVES);
        milliseconds(401).await;
        assert_eq!(lab.table(WEB), BACK);
        lab.intend(RS1, 1).await;
    }
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_stops_or_is_killed_in_between_loses_nothing() {
    let lab = lost(Handling::Reset).await;
    let kernel = lab.kernel.clone();
    let table = lab.stop().await;
    assert_eq!(Lab::on(kernel).table(WEB), BACK);
    let again = Lab::start_on(table).await;
    assert_eq!(again.writes(), Vec::<String>::new());

    let lab = lost(Handling::Reset).await;
    lab.task.lock().unwrap().take().unwrap().abort();
    settle().await;
    assert_eq!(lab.table(WEB), SERVES);
    let next = Lab::start_on(lab.kernel.clone()).await;
    assert_eq!(next.table(WEB), BACK);
}

#[tokio::test(start_paused = true)]
async fn a_reload_puts_it_back_and_goes_on() {
    let lab = lost(Handling::Reset).await;
    let reloaded = lab.reload(lab.config.clone(), &[(RIP2, 1)]).await;
    assert_eq!(reloaded.unwrap(), 0);
    settle().await;
    assert_eq!(lab.table(WEB), SERVES, "it was out for too short a while");
    milliseconds(150).await;
    assert_eq!(lab.table(WEB), BACK);
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn removed_real_server_stays_out_of_the_table_until_it_has_a_weight() {
    let lab = lost(Handling::Remove).await;
    milliseconds(30_000).await;
    assert_eq!(lab.table(WEB), SERVES);
    // By another program.
    lab.write_as_another(&[destination(WEB, RIP1, 1)]).await;
    milliseconds(11_000).await;
    assert_eq!(lab.table(WEB), SERVES);
    assert_eq!(lab.drift()["real_server_extra"], 1);
    lab.intend(RS1, 3).await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=3 192.168.11.22:80=1");

    let mut lab = lost(Handling::Remove).await;
    lab.config.virtual_services[0].pool.on_failure = Some(OnFailure::Remove);
    *lab.removed.lock().unwrap() = vec![(WEB, RIP1)];
    let reloaded = lab.reload(lab.config.clone(), &[(RIP2, 1)]).await;
    assert_eq!(reloaded.unwrap(), 0);
    assert_eq!(lab.table(WEB), SERVES);
    let weight_updates = Arc::clone(&lab.reloaded.lock().unwrap());
    weight_updates.set(vec![(RS1, change(1))]);
    settle().await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1 192.168.11.22:80=1");
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}
