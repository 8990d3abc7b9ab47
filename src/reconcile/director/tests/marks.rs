//! Services by marks for probes: what is remembered decides whose they are.

use super::*;
use crate::config::ProbeMark;

const CANARY: &str = "fwmark 8192 ipv4";
const FIRST: &str = "fwmark 8193 ipv4";
const SECOND: &str = "fwmark 8194 ipv4";
const THIRD: &str = "fwmark 8195 ipv4";
const FOURTH: &str = "fwmark 8196 ipv4";

fn through_vip() -> Lab {
    let mut lab = Lab::new();
    let config = fixture::config_through_vip();
    lab.config.virtual_services = config.virtual_services;
    lab
}

/// Three real servers, and no more marks than they and the canary need.
fn four_marks() -> Lab {
    let mut lab = through_vip();
    lab.config.director.probe_mark = ProbeMark::new(0x2000, 3).unwrap();
    let web = &mut lab.config.virtual_services[0].real_servers;
    let mut third = web[0].clone();
    third.key = "192.168.11.23:80".parse().unwrap();
    web.push(third);
    lab
}

/// What the agent itself would make of a mark.
fn like_ours(mark: &str, real_server: &str) -> [Step; 2] {
    [service(mark, "rr"), destination(mark, real_server, 1)]
}

fn only(last: u8) -> String {
    format!("rr 192.168.11.{last}:0=1")
}

/// Lets time pass, which stands still while the state file is written.
async fn resync() {
    tokio::time::sleep(RESYNC + Duration::from_secs(1)).await;
}

fn removal(mark: u32) -> String {
    format!("if nobody needs it: ipvsadm -D -f {mark}")
}

#[tokio::test(start_paused = true)]
async fn leaves_objects_alone_that_the_state_file_does_not_have() {
    let log = CapturedLog::start();
    let lab = through_vip();
    lab.write_as_another(&like_ours(SECOND, "192.168.11.22:0"))
        .await;
    let lab = lab.run().await;
    let lines = log.take();
    let warned: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warned.len(), 1, "{lines:?}");
    assert!(warned[0].contains(&removal(8194)), "{warned:?}");
    let ours = |lab: &Lab| [CANARY, FIRST, THIRD].map(|mark| lab.table(mark));
    let expected = ["rr".to_owned(), only(21), only(22)];
    assert_eq!(ours(&lab), expected);

    for _ in 0..2 {
        resync().await;
        let lines = log.take();
        assert!(!lines.iter().any(|line| line.contains("WARN")), "{lines:?}");
        assert_eq!(ours(&lab), expected);
        assert_eq!(lab.table(SECOND), only(22));
        lab.reload(lab.config.clone(), &[]).await.unwrap();
    }
    lab.finish().await.remove_all().await.unwrap();
    assert_eq!(ours(&lab), ["missing"; 3]);
    assert_eq!(lab.table(SECOND), only(22));
}

#[tokio::test(start_paused = true)]
async fn services_by_mark_in_the_state_file_are_repaired_and_others_stay() {
    let lab = through_vip().run().await;
    let (state_dir, config) = (Arc::clone(&lab.state_dir), lab.config.clone());
    let kernel = lab.stop().await;
    let again = async |kernel: MemoryIpvs, state_dir| {
        let mut lab = Lab::on(kernel);
        (lab.state_dir, lab.config) = (state_dir, config.clone());
        lab.run().await
    };
    let lab = again(kernel, Arc::clone(&state_dir)).await;
    assert_eq!(lab.writes(), [""; 0]);
    let kernel = lab.stop().await;
    kernel.clone().write(&[set_service(FIRST, "wlc")]).await;
    let lab = again(kernel, state_dir).await;
    assert_eq!(lab.table(FIRST), only(21));

    let log = CapturedLog::start();
    let lab = again(lab.stop().await, Arc::new(tempfile::tempdir().unwrap())).await;
    let log_text = log.take().join("\n");
    for mark in 8192..=8194 {
        assert!(log_text.contains(&removal(mark)), "{mark} in {log_text}");
    }
    let old = [CANARY, FIRST, SECOND].map(|mark| lab.table(mark));
    assert_eq!(old, ["rr".to_owned(), only(21), only(22)]);
    let new = [THIRD, FOURTH, "fwmark 8197 ipv4"].map(|mark| lab.table(mark));
    assert_eq!(new, old);
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_comes_free_is_taken_at_the_next_look() {
    let log = CapturedLog::start();
    let lab = four_marks();
    lab.write_as_another(&[service(SECOND, "wrr")]).await;
    let lab = lab.run().await;
    let log_text = log.take().join("\n");
    assert_eq!(
        log_text.matches("is left for 1 of 3 ways").count(),
        1,
        "{log_text}"
    );
    let kept = |lab: &Lab| [CANARY, FIRST, THIRD].map(|mark| lab.table(mark));
    let expected = ["rr".to_owned(), only(21), only(22)];
    assert_eq!(kept(&lab), expected);
    resync().await;
    assert_eq!(log.take(), [""; 0], "it is said once");

    let key = SECOND.parse().unwrap();
    lab.write_as_another(&[Step::RemoveService { key }]).await;
    lab.calls.lock().unwrap().clear();
    resync().await;
    assert_eq!(lab.table(SECOND), only(23));
    assert_eq!(kept(&lab), expected);
    assert_eq!(
        lab.writes(),
        [
            "add virtual service fwmark 8194 ipv4",
            "add real server 192.168.11.23:0 of fwmark 8194 ipv4"
        ]
    );
    let log_text = log.take().join("\n");
    assert!(
        log_text.contains("cleared: no mark is left for some probes through VIPs"),
        "{log_text}"
    );
    assert_eq!(lab.drift().values().sum::<u64>(), 0, "nobody was at it");
    let marks = Marks::found(&lab.config, &lab.finish().await.desired);
    assert_eq!(marks.shortage(), None);
}

#[tokio::test(start_paused = true)]
async fn a_reload_takes_no_mark_that_others_took_meanwhile() {
    let log = CapturedLog::start();
    let lab = through_vip().run().await;
    lab.write_as_another(&like_ours(THIRD, "192.168.11.23:0"))
        .await;
    resync().await;
    let log_text = log.take().join("\n");
    assert_eq!(log_text.matches(&removal(8195)).count(), 1, "{log_text}");
    lab.write_as_another(&like_ours(FOURTH, "192.168.11.23:0"))
        .await;
    let mut config = lab.config.clone();
    config.virtual_services[0].real_servers =
        four_marks().config.virtual_services[0].real_servers.clone();
    lab.reload(config, &[]).await.unwrap();
    let log_text = log.take().join("\n");
    assert_eq!(log_text.matches(&removal(8195)).count(), 0, "{log_text}");
    assert_eq!(log_text.matches(&removal(8196)).count(), 1, "{log_text}");
    assert_eq!(lab.table("fwmark 8197 ipv4"), only(23));
    for mark in [THIRD, FOURTH] {
        assert_eq!(lab.table(mark), only(23), "theirs");
    }
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_begins_to_ask_through_vips_takes_nobodys_mark() {
    let lab = Lab::new();
    lab.write_as_another(&like_ours(FIRST, "192.168.11.77:0"))
        .await;
    let lab = lab.run().await;
    let mut config = lab.config.clone();
    config.virtual_services = through_vip().config.virtual_services;
    lab.reload(config, &[]).await.unwrap();
    let marks = [CANARY, FIRST, SECOND, THIRD].map(|mark| lab.table(mark));
    assert_eq!(marks, ["rr".to_owned(), only(77), only(22), only(21)]);
}

/// The mark that a reload is about to take may be another's, and the table
/// such that nobody can tell.
#[tokio::test(start_paused = true)]
async fn what_was_not_seen_is_not_taken_away_at_the_end() {
    for remove in [true, false] {
        let lab = through_vip().run().await;
        lab.write_as_another(&like_ours(THIRD, "192.168.11.77:0"))
            .await;
        let mut config = lab.config.clone();
        config.virtual_services[0].real_servers =
            four_marks().config.virtual_services[0].real_servers.clone();
        *lab.broken_dumps.lock().unwrap() = 1;
        assert!(lab.reload(config, &[]).await.is_err());
        let director = lab.finish().await;
        if remove {
            director.remove_all().await.unwrap();
            assert_eq!(lab.table(FIRST), "missing");
        } else {
            director.quiesce_all().await.unwrap();
        }
        assert_eq!(lab.table(THIRD), only(77));
    }
}
