mod during_passes;
mod leaving;
mod marks;
mod reload;
mod resets;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::advance;

use super::*;
use crate::health::Handling;
use crate::health::WeightChange;
use crate::kernel::{Cause, Kernel, KernelError, MemoryIpvs, ObservedDestination, ObservedService};
use crate::metrics::{Format, Metrics};
use crate::model::{
    Destination, Forwarding, RealServerId, RealServerKey, Role, Service, ServiceFlags, ServiceKey,
    SysctlKey, TableStatus, Timeout,
};
use crate::plan::Step;
use crate::reconcile::captured_log::CapturedLog;
use crate::reconcile::{StateFile, Writing};
use crate::runtime::error_chain::error_chain;
use crate::runtime::signals::Stop;
use crate::status::{Snapshot, fixture};

const WEB: &str = "tcp 192.168.11.200:80";
const FOREIGN: &str = "tcp 192.168.11.99:80";
const RESYNC: Duration = Duration::from_secs(10);
const RIP1: &str = "192.168.11.21:80";
const RIP2: &str = "192.168.11.22:80";
const RS1: RealServerId = RealServerId {
    service: 0,
    real_server: 0,
};
const RS2: RealServerId = RealServerId {
    service: 0,
    real_server: 1,
};

#[tokio::test(start_paused = true)]
async fn a_new_table_is_made_with_weight_0_until_there_is_a_verdict() {
    let lab = Lab::start(&[]).await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=0 192.168.11.22:80=0");
    lab.intend(RS1, 1).await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1 192.168.11.22:80=0");
}

#[tokio::test(start_paused = true)]
async fn adopts_configured_services_and_leaves_foreign_ones_alone() {
    let before = [
        service(WEB, "wlc"),
        destination(WEB, "192.168.11.21:80", 1),
        destination(WEB, "192.168.11.77:80", 1),
        service(FOREIGN, "rr"),
        destination(FOREIGN, "192.168.11.21:80", 9),
    ];
    let lab = Lab::start(&before).await;
    assert_eq!(lab.table(FOREIGN), "rr 192.168.11.21:80=9");
    let right = "wlc 192.168.11.21:80=1 192.168.11.22:80=0";
    let serves_on = format!("{right} 192.168.11.77:80=1");
    assert_eq!(lab.table(WEB), serves_on, "rs2 has no verdict");
    lab.weight_updates.set_replaced(WEB.parse().unwrap(), true);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(lab.table(WEB), right);
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_on_a_table_that_is_right_writes_nothing() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    let table = lab.stop().await;
    let again = Lab::start_on(table).await;
    assert_eq!(again.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_verdict_costs_one_message_and_no_dump() {
    let lab = Lab::start(&[]).await;
    lab.calls.lock().unwrap().clear();
    lab.intend(RS1, 1).await;
    assert_eq!(
        *lab.calls.lock().unwrap(),
        ["set real server 192.168.11.21:80 of tcp 192.168.11.200:80"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_kernel_gets_the_latest_weight_only() {
    let lab = Lab::start(&[]).await;
    lab.calls.lock().unwrap().clear();
    for weight in [1, 0, 1, 0, 1] {
        lab.weight_updates.set(vec![(RS1, change(weight))]);
    }
    settle().await;
    assert_eq!(lab.calls.lock().unwrap().len(), 1);
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1 192.168.11.22:80=0");
}

#[tokio::test(start_paused = true)]
async fn weights_that_rise_are_written_before_those_that_fall() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    lab.calls.lock().unwrap().clear();
    lab.weight_updates.set(vec![(RS1, change(0))]);
    lab.weight_updates.set(vec![(RS2, change(2))]);
    settle().await;
    assert_eq!(
        lab.writes(),
        [
            "set real server 192.168.11.22:80 of tcp 192.168.11.200:80",
            "set real server 192.168.11.21:80 of tcp 192.168.11.200:80",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn drift_is_repaired_at_the_next_resync_and_counted_by_kind() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    let right = lab.table(WEB);
    let rs1 = "192.168.11.21:80";
    let (key, real_server) = (WEB.parse().unwrap(), rs1.parse().unwrap());
    let foreign_writes = [
        (
            vec![Step::RemoveService { key }],
            vec![
                "service_missing",
                "real_server_missing",
                "real_server_missing",
            ],
        ),
        (vec![set_service(WEB, "rr")], vec!["service_changed"]),
        (
            vec![Step::RemoveDestination {
                service: key,
                key: real_server,
            }],
            vec!["real_server_missing"],
        ),
        (
            vec![set_destination(WEB, rs1, 7)],
            vec!["real_server_changed"],
        ),
        (
            vec![destination(WEB, "192.168.11.77:80", 1)],
            vec!["real_server_extra"],
        ),
    ];
    for (writes, kinds) in foreign_writes {
        let before = lab.drift();
        lab.write_as_another(&writes).await;
        assert_ne!(lab.table(WEB), right);
        advance(RESYNC).await;
        settle().await;
        assert_eq!(lab.table(WEB), right, "after {kinds:?}");
        let mut expected = before;
        for kind in kinds {
            *expected.entry(kind.to_owned()).or_default() += 1;
        }
        assert_eq!(lab.drift(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_cut_short_is_never_taken_for_an_empty_table() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    let right = lab.table(WEB);
    lab.calls.lock().unwrap().clear();
    *lab.broken_dumps.lock().unwrap() = 3;
    advance(RESYNC).await;
    settle().await;
    assert_eq!(lab.writes(), Vec::<String>::new());
    assert!(
        lab.snapshot
            .reconcile
            .lock()
            .error
            .as_ref()
            .unwrap()
            .contains("cut short")
    );
    lab.write_as_another(&[set_destination(WEB, "192.168.11.21:80", 7)])
        .await;
    for _ in 0..3 {
        advance(Duration::from_secs(2)).await;
        settle().await;
    }
    assert_eq!(
        lab.table(WEB),
        right,
        "tried again long before the next resync"
    );
    assert_eq!(lab.snapshot.reconcile.lock().error, None);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_on_a_table_that_was_flushed_repairs_the_whole_at_once() {
    let lab = Lab::start(&[]).await;
    lab.write_as_another(&[Step::RemoveService {
        key: WEB.parse().unwrap(),
    }])
    .await;
    lab.intend(RS1, 1).await;
    advance(Duration::from_millis(1)).await;
    settle().await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1 192.168.11.22:80=0");
}

#[tokio::test(start_paused = true)]
async fn one_service_that_cannot_be_made_does_not_stop_the_others() {
    let lab = Lab::new();
    *lab.refused.lock().unwrap() = Some((WEB, Cause::NoScheduler("wlc".to_owned())));
    let lab = lab.run().await;
    assert_eq!(
        lab.table("fwmark 10 ipv6"),
        "wlc [2001:db8::21]:0=0 [2001:db8::30]:0=0"
    );
    assert_eq!(lab.table(WEB), "missing");
    let error = lab.snapshot.reconcile.lock().error.clone().unwrap();
    assert!(error.contains("modprobe ip_vs_wlc"), "{error}");
    assert!(
        !error.contains("192.168.11.21"),
        "its real servers are not tried: {error}"
    );
    assert_eq!(lab.drift().values().sum::<u64>(), 0);

    *lab.refused.lock().unwrap() = None;
    advance(RESYNC).await;
    settle().await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=0 192.168.11.22:80=0");
    assert_eq!(
        lab.drift().values().sum::<u64>(),
        0,
        "what never was is no drift"
    );
}

#[tokio::test(start_paused = true)]
async fn the_log_says_what_was_done_and_once_what_was_not() {
    let log = CapturedLog::start();
    let lab = Lab::new();
    *lab.refused.lock().unwrap() = Some((WEB, Cause::NoScheduler("wlc".to_owned())));
    let lab = lab.run().await;
    for weight in [1, 0, 1] {
        lab.intend(RS1, weight).await;
        advance(RESYNC / 2).await;
        settle().await;
    }
    let log_text = log.take().join("\n");
    assert_eq!(
        log_text.lines().filter(|line| line.contains(WEB)).count(),
        1,
        "{log_text}"
    );
    assert_eq!(
        log_text.matches("reason=\"cannot add virtual").count(),
        1,
        "{log_text}"
    );
    assert_eq!(log_text.matches("WARN").count(), 0, "{log_text}");

    *lab.refused.lock().unwrap() = None;
    advance(RESYNC).await;
    settle().await;
    let log_text = log.take().join("\n");
    for line in [
        "INFO + virtual service tcp 192.168.11.200:80 scheduler wlc",
        "INFO + real server 192.168.11.21:80 of tcp 192.168.11.200:80 forwarding direct weight 1",
        "INFO cleared: the kernel could not be brought in line condition=\"step_failed\" \
         subject=\"tcp 192.168.11.200:80\"",
    ] {
        assert!(log_text.contains(line), "no {line:?} in\n{log_text}");
    }

    lab.write_as_another(&[set_destination(WEB, RIP1, 7)]).await;
    advance(RESYNC).await;
    settle().await;
    let log_text = log.take().join("\n");
    assert!(
        log_text.contains("WARN drift, repaired: ~ real server"),
        "{log_text}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_permission_nothing_is_started() {
    let lab = Lab::new();
    *lab.refused.lock().unwrap() = Some((WEB, Cause::NotPermitted));
    let error = lab.start_loop().await.err().expect("an error");
    assert!(error_chain(&error).contains("CAP_NET_ADMIN"));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_writes_nothing() {
    let mut lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    lab = Lab::on(lab.stop().await);
    lab.writing = Writing::DryRun;
    let lab = lab.run().await;
    lab.intend(RS1, 1).await;
    let reset = WeightChange {
        handling: Handling::Reset,
        ..change(0)
    };
    *lab.wanted_meanwhile.lock().unwrap() = Some((WEB, RS1, reset));
    advance(RESYNC).await;
    settle().await;
    lab.weight_updates.set(vec![(RS1, reset)]);
    lab.reload(lab.config.clone(), &[]).await.unwrap();
    advance(RESYNC).await;
    settle().await;
    assert_eq!(lab.writes(), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(lab.state_dir.path()).unwrap().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_remembered_what_follows_is_said() {
    let log = CapturedLog::start();
    let lab = Lab::start(&[]).await;
    log.take();
    let state_dir = lab.state_dir.path();
    std::fs::remove_dir_all(state_dir).unwrap();
    std::fs::write(state_dir, "no directory").unwrap();
    let mut config = lab.config.clone();
    config.virtual_services.remove(0);
    lab.reload(config, &[]).await.unwrap();
    let lines = log.take();
    let errors: Vec<_> = lines.iter().filter(|l| l.starts_with("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{lines:?}");
    assert!(
        errors[0].starts_with("ERROR state file not written condition=\"ownership_not_saved\""),
        "{errors:?}"
    );
    for part in [
        "reason=\"what the agent owns is not remembered: cannot ",
        "; if the agent crashes, what it has made since stays in the kernel\" fix=\"see by `namei -l ",
    ] {
        assert!(errors[0].contains(part), "{part} in {errors:?}");
    }
    std::fs::remove_file(state_dir).unwrap();
}

#[tokio::test(start_paused = true)]
async fn removes_owned_objects_that_are_no_longer_configured() {
    let lab = Lab::start(&[service(FOREIGN, "rr")]).await;
    let state_dir = std::sync::Arc::clone(&lab.state_dir);
    let mut next = Lab::on(lab.stop().await);
    next.state_dir = state_dir;
    next.config.virtual_services.remove(0);
    let next = next.run().await;
    assert_eq!(next.table(WEB), "missing");
    assert_eq!(
        next.table(FOREIGN),
        "rr",
        "it was there before us and never ours"
    );
}

#[tokio::test(start_paused = true)]
async fn on_exit_drain_and_remove() {
    let lab = Lab::start(&[service(FOREIGN, "rr")]).await;
    lab.intend(RS1, 1).await;
    lab.finish().await.quiesce_all().await.unwrap();
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=0 192.168.11.22:80=0");

    let lab = Lab::start(&[service(FOREIGN, "rr")]).await;
    lab.finish().await.remove_all().await.unwrap();
    assert_eq!(
        (lab.table(WEB), lab.table(FOREIGN)),
        ("missing".into(), "rr".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_reload_with_one_change_writes_one_message() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    lab.intend(RS2, 2).await;
    lab.calls.lock().unwrap().clear();
    let mut config = lab.config.clone();
    config.virtual_services[0].real_servers.reverse();
    config.virtual_services[0].real_servers[1].weight = Weight::new(5).unwrap();
    let steps = lab.reload(config, &[(RIP1, 5), (RIP2, 2)]).await;
    assert_eq!(steps.unwrap(), 1);
    assert_eq!(
        lab.writes(),
        ["set real server 192.168.11.21:80 of tcp 192.168.11.200:80"]
    );
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=5 192.168.11.22:80=2");
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_weight_wanted_of_the_old_configuration_does_not_reach_the_new_one() {
    let lab = Lab::start(&[]).await;
    let mut config = lab.config.clone();
    config.virtual_services[0].real_servers.remove(0);
    lab.weight_updates.set(vec![(RS1, change(7))]);
    lab.reload(config, &[]).await.unwrap();
    assert_eq!(lab.table(WEB), "wlc 192.168.11.22:80=0");
}

#[tokio::test(start_paused = true)]
async fn a_reload_while_the_table_cannot_be_read_is_made_good() {
    let lab = Lab::start(&[]).await;
    lab.intend(RS1, 1).await;
    *lab.broken_dumps.lock().unwrap() = 1;
    let mut config = lab.config.clone();
    config.virtual_services[0].real_servers[0].weight = Weight::new(5).unwrap();
    assert!(lab.reload(config, &[(RIP1, 5)]).await.is_err());
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=1 192.168.11.22:80=0");
    advance(RESYNC).await;
    settle().await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=5 192.168.11.22:80=0");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever another program and the verdicts do, after a quiet resync the
    /// table is what the last verdicts ask for, and what is foreign is untouched.
    #[test]
    fn the_table_converges(acts in prop::collection::vec(action(), 0..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async move {
            let lab = Lab::start(&[service(FOREIGN, "rr")]).await;
            let mut weights = [0, 0];
            for act in acts {
                match act {
                    Action::SetWeight(server, weight) => {
                        weights[server] = weight;
                        lab.weight_updates.set(vec![([RS1, RS2][server], change(weight))]);
                    }
                    Action::ForeignWrite(write) => lab.write_as_another(&[write]).await,
                    Action::Wait(milliseconds) => advance(Duration::from_millis(milliseconds)).await,
                    Action::BreakDumps(count) => *lab.broken_dumps.lock().unwrap() = count,
                }
                settle().await;
            }
            *lab.broken_dumps.lock().unwrap() = 0;
            for _ in 0..2 {
                advance(RESYNC).await;
                settle().await;
            }
            let [one, two] = weights;
            let expected = format!("wlc 192.168.11.21:80={one} 192.168.11.22:80={two}");
            assert_eq!(lab.table(WEB), expected);
            assert_eq!(lab.table(FOREIGN), "rr");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn time_outs_are_set_watched_and_given_back() {
    let mut lab = Lab::new();
    lab.config.director.timeouts = [(Timeout::Tcp, 600), (Timeout::Udp, 300)].into();
    let lab = lab.run().await;
    let timeouts = async |lab: &Lab| {
        let timeouts = lab.kernel.clone().timeouts().await.unwrap();
        timeouts.into_values().collect::<Vec<_>>()
    };
    assert_eq!(timeouts(&lab).await, [600, 120, 300]);
    let drift = lab.drift()["timeout_changed"];
    assert_eq!(drift, 0, "the agent's own wish is no drift");
    lab.write_as_another(&[Step::SetTimeout {
        timeout: Timeout::Tcp,
        from: None,
        to: 7,
    }])
    .await;
    advance(RESYNC).await;
    settle().await;
    assert_eq!(timeouts(&lab).await, [600, 120, 300]);
    assert_eq!(lab.drift()["timeout_changed"], 1);
    lab.finish().await.remove_all().await.unwrap();
    assert_eq!(timeouts(&lab).await, [900, 120, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_table_in_memory_has_addresses_and_sysctls_of_its_own() {
    let mut lab = Lab::new();
    let key: SysctlKey = "net.ipv4.vs.expire_nodest_conn".parse().unwrap();
    lab.config.director.sysctls = [(key.clone(), "1".to_owned())].into();
    // No host has an interface of this name.
    lab.config.director.interface = Some("no-such-if0".to_owned());
    let lab = lab.run().await;
    assert_eq!(lab.snapshot.reconcile.lock().error, None);
    let have = lab.snapshot.sysctls.lock().get(&key).unwrap().have.clone();
    assert_eq!(have.as_deref(), Some("1"));
    let present: Vec<_> = lab.snapshot.vips.lock().values().copied().collect();
    assert!(!present.is_empty() && present.iter().all(|present| *present));
    advance(RESYNC).await;
    settle().await;
    assert_eq!(lab.drift().values().sum::<u64>(), 0);
    lab.finish().await.remove_all().await.unwrap();
}

#[derive(Debug, Clone)]
enum Action {
    SetWeight(usize, u32),
    ForeignWrite(Step),
    Wait(u64),
    BreakDumps(u32),
}

fn action() -> impl Strategy<Value = Action> {
    let foreign_writes = vec![
        Step::RemoveService {
            key: WEB.parse().unwrap(),
        },
        service(WEB, "rr"),
        set_service(WEB, "sh"),
        destination(WEB, "192.168.11.21:80", 5),
        destination(WEB, "192.168.11.77:80", 5),
        set_destination(WEB, "192.168.11.22:80", 5),
        Step::RemoveDestination {
            service: WEB.parse().unwrap(),
            key: "192.168.11.21:80".parse().unwrap(),
        },
    ];
    prop_oneof![
        (0..2usize, 0..3u32).prop_map(|(server, weight)| Action::SetWeight(server, weight)),
        prop::sample::select(foreign_writes).prop_map(Action::ForeignWrite),
        (0..12_000u64).prop_map(Action::Wait),
        (0..4u32).prop_map(Action::BreakDumps),
    ]
}

/// A service whose real servers are read, or a write, and what health wants from then on.
type WantedMeanwhile = (&'static str, RealServerId, WeightChange);

/// A director's loop over a table that others can reach, too.
struct Lab {
    kernel: MemoryIpvs,
    calls: Arc<Mutex<Vec<String>>>,
    broken_dumps: Arc<Mutex<u32>>,
    refused: Arc<Mutex<Option<(&'static str, Cause)>>>,
    /// Active connections by real server.
    active: Arc<Mutex<BTreeMap<&'static str, u32>>>,
    /// What health wants while the table is read or written.
    wanted_meanwhile: Arc<Mutex<Option<WantedMeanwhile>>>,
    /// The same after that.
    wanted_next: Arc<Mutex<Option<WantedMeanwhile>>>,
    /// What another program writes at the same time.
    written_meanwhile: Arc<Mutex<Vec<Step>>>,
    state_dir: Arc<tempfile::TempDir>,
    config: Config,
    writing: Writing,
    snapshot: Arc<Snapshot>,
    metrics: Arc<Metrics>,
    weight_updates: Arc<WeightUpdates>,
    /// Of the last configuration that was taken over.
    reloaded: Mutex<Arc<WeightUpdates>>,
    /// What the next reload says is out of the table.
    removed: Mutex<Vec<(&'static str, &'static str)>>,
    stop: Mutex<Option<Stop>>,
    requests: Mutex<Option<mpsc::Sender<ReconcileRequest>>>,
    task: Mutex<Option<JoinHandle<DirectorLoop<Table>>>>,
}

impl Lab {
    fn new() -> Self {
        Self::on(MemoryIpvs::default())
    }

    fn on(kernel: MemoryIpvs) -> Self {
        let mut config = fixture::config();
        config.director.interface = None;
        config.director.resync_interval = RESYNC;
        let snapshot = Arc::new(Snapshot::director(&config, "test".into(), fixture::start()));
        Self {
            kernel,
            calls: Arc::default(),
            broken_dumps: Arc::default(),
            refused: Arc::default(),
            active: Arc::default(),
            wanted_meanwhile: Arc::default(),
            wanted_next: Arc::default(),
            written_meanwhile: Arc::default(),
            state_dir: Arc::new(tempfile::tempdir().unwrap()),
            writing: Writing::Real,
            metrics: Arc::new(Metrics::new(["web", "marked"]).unwrap()),
            snapshot,
            weight_updates: Arc::default(),
            reloaded: Mutex::default(),
            removed: Mutex::default(),
            stop: Mutex::default(),
            requests: Mutex::default(),
            task: Mutex::default(),
            config,
        }
    }

    async fn start(before: &[Step]) -> Self {
        let lab = Self::new();
        lab.write_as_another(before).await;
        lab.run().await
    }

    async fn start_on(kernel: MemoryIpvs) -> Self {
        Self::on(kernel).run().await
    }

    async fn start_loop(&self) -> Result<DirectorLoop<Table>, ReconcileError> {
        let kernel = Kernel::in_memory(Table {
            memory: self.kernel.clone(),
            calls: Arc::clone(&self.calls),
            broken_dumps: Arc::clone(&self.broken_dumps),
            refused: Arc::clone(&self.refused),
            active: Arc::clone(&self.active),
            wanted_meanwhile: Arc::clone(&self.wanted_meanwhile),
            wanted_next: Arc::clone(&self.wanted_next),
            written_meanwhile: Arc::clone(&self.written_meanwhile),
            weight_updates: Arc::clone(&self.weight_updates),
            remembered: self.state_dir.path().join("director.json"),
        });
        let state_file = StateFile::new(self.state_dir.path(), Role::Director);
        let (snapshot, metrics) = (Arc::clone(&self.snapshot), Arc::clone(&self.metrics));
        let reconciler =
            Reconciler::new(kernel, state_file, self.writing, snapshot, metrics).unwrap();
        DirectorLoop::start(reconciler, &self.config, Arc::clone(&self.weight_updates)).await
    }

    async fn run(mut self) -> Self {
        self.snapshot = Arc::new(Snapshot::director(
            &self.config,
            "test".into(),
            fixture::start(),
        ));
        let director = self.start_loop().await.unwrap();
        let liveness = Arc::new(Liveness::new(clock::monotonic(), RESYNC, [Loop::Reconcile]));
        let (stop, stopping) = Stop::new();
        let (to_loop, requests) = mpsc::channel(1);
        *self.requests.lock().unwrap() = Some(to_loop);
        let task = tokio::spawn(director.run(stopping, liveness, requests));
        *self.task.lock().unwrap() = Some(task);
        *self.stop.lock().unwrap() = Some(stop);
        settle().await;
        self
    }

    async fn finish(&self) -> DirectorLoop<Table> {
        self.stop.lock().unwrap().take().unwrap().stop();
        let task = self.task.lock().unwrap().take().unwrap();
        task.await.unwrap()
    }

    async fn stop(self) -> MemoryIpvs {
        self.finish().await;
        self.kernel
    }

    /// Takes another configuration over, with these weights by real server.
    async fn reload(
        &self,
        config: Config,
        weights: &[(&str, u32)],
    ) -> Result<usize, ReconcileError> {
        let weights: BTreeMap<_, _> = weights.iter().copied().collect();
        let weight = |key: RealServerKey| weights.get(&*key.to_string()).copied().unwrap_or(0);
        let services = config.virtual_services.iter();
        let weights = services.flat_map(|service| {
            let keys = service.members().map(|member| member.key);
            keys.map(|key| ((service.key, key), Weight::new(weight(key)).unwrap()))
        });
        let (done, result) = oneshot::channel();
        let found = Weights::new();
        let weight_updates = Arc::new(WeightUpdates::default());
        for service in &config.virtual_services {
            let mut real_servers = service.real_servers.iter();
            let pass = real_servers.all(|real_server| weight(real_server.key) > 0);
            weight_updates.set_replaced(service.key, pass);
        }
        self.reloaded.lock().unwrap().clone_from(&weight_updates);
        let change = ReconcileReload {
            weights: weights.collect(),
            removed: {
                let removed = self.removed.lock().unwrap();
                let key = |(service, key): &(&str, &str)| {
                    (service.parse().unwrap(), key.parse().unwrap())
                };
                removed.iter().map(key).collect()
            },
            snapshot: Arc::new(
                self.snapshot
                    .director_again(&config, fixture::start(), &found),
            ),
            metrics: Arc::clone(&self.metrics),
            weight_updates,
            config: Arc::new(config),
            done,
        };
        let to_loop = self.requests.lock().unwrap().clone().unwrap();
        to_loop
            .send(ReconcileRequest::Reload(change))
            .await
            .ok()
            .unwrap();
        result.await.unwrap()
    }

    async fn intend(&self, id: RealServerId, weight: u32) {
        self.weight_updates.set(vec![(id, change(weight))]);
        settle().await;
    }

    /// Another program's writes; those that the table refuses change nothing.
    async fn write_as_another(&self, writes: &[Step]) {
        self.kernel.clone().write(writes).await;
    }

    /// A service on one line: its scheduler, and each real server's weight.
    fn table(&self, service: &str) -> String {
        let key = service.parse().unwrap();
        let mut kernel = self.kernel.clone();
        futures_util::FutureExt::now_or_never(async {
            let services = kernel.services().await.unwrap();
            let Some(observed) = services.get(&key) else {
                return "missing".to_owned();
            };
            let mut words = vec![observed.service.scheduler.to_string()];
            for (key, observed) in kernel.destinations(&key).await.unwrap() {
                words.push(format!("{key}={}", observed.destination.weight));
            }
            words.join(" ")
        })
        .expect("the embedded table never waits")
    }

    fn writes(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls
            .iter()
            .filter(|call| !call.starts_with("list"))
            .cloned()
            .collect()
    }

    fn drift(&self) -> BTreeMap<String, u64> {
        let mut drift = BTreeMap::new();
        let text: String = self
            .metrics
            .exposition(
                Arc::clone(&self.snapshot),
                Format::Text,
                None,
                fixture::start(),
            )
            .collect();
        for line in text
            .lines()
            .filter(|line| line.starts_with("lvs_drift_total{"))
        {
            let (kind, count) = line.split_once('"').unwrap().1.split_once("\"} ").unwrap();
            drift.insert(kind.to_owned(), count.parse().unwrap());
        }
        assert!(!drift.is_empty());
        drift
    }
}

/// The embedded table, with a record of the calls and faults on demand.
struct Table {
    memory: MemoryIpvs,
    calls: Arc<Mutex<Vec<String>>>,
    broken_dumps: Arc<Mutex<u32>>,
    refused: Arc<Mutex<Option<(&'static str, Cause)>>>,
    active: Arc<Mutex<BTreeMap<&'static str, u32>>>,
    wanted_meanwhile: Arc<Mutex<Option<WantedMeanwhile>>>,
    wanted_next: Arc<Mutex<Option<WantedMeanwhile>>>,
    written_meanwhile: Arc<Mutex<Vec<Step>>>,
    weight_updates: Arc<WeightUpdates>,
    /// Whoever is killed here finds in this file what the table may have.
    remembered: PathBuf,
}

impl Table {
    /// Lets health want what it wants, and another program write what it writes, as soon as this
    /// is read or written.
    async fn want(&mut self, call: &str) {
        let written = {
            let mut wanted = self.wanted_meanwhile.lock().unwrap();
            let Some((_, id, change)) = wanted.take_if(|(of, ..)| *of == call) else {
                return;
            };
            self.weight_updates.set(vec![(id, change)]);
            *wanted = self.wanted_next.lock().unwrap().take();
            std::mem::take(&mut *self.written_meanwhile.lock().unwrap())
        };
        self.memory.write(&written).await;
    }
}

impl Ipvs for Table {
    async fn services(&mut self) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        self.calls.lock().unwrap().push("list services".to_owned());
        let broken = {
            let mut left = self.broken_dumps.lock().unwrap();
            let broken = *left > 0;
            *left = left.saturating_sub(1);
            broken
        };
        if broken {
            return Err(KernelError::new(
                "list",
                Cause::Truncated("by the test".to_owned()),
            ));
        }
        self.memory.services().await
    }

    async fn find(
        &mut self,
        services: &[ServiceKey],
    ) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        for service in services {
            self.calls
                .lock()
                .unwrap()
                .push(format!("list {service} alone"));
        }
        self.memory.find(services).await
    }

    async fn destinations(
        &mut self,
        service: &ServiceKey,
    ) -> Result<BTreeMap<RealServerKey, ObservedDestination>, KernelError> {
        self.calls.lock().unwrap().push(format!("list {service}"));
        self.want(&service.to_string()).await;
        let mut destinations = self.memory.destinations(service).await?;
        for (key, active) in &*self.active.lock().unwrap() {
            if let Some(observed) = destinations.get_mut(&key.parse().unwrap()) {
                observed.connections.active = *active;
            }
        }
        Ok(destinations)
    }

    async fn timeouts(&mut self) -> Result<BTreeMap<Timeout, u32>, KernelError> {
        self.calls.lock().unwrap().push("list time-outs".to_owned());
        self.memory.timeouts().await
    }

    async fn status(&mut self) -> Result<TableStatus, KernelError> {
        self.memory.status().await
    }

    async fn write(&mut self, writes: &[Step]) -> Vec<Result<(), KernelError>> {
        let refused = self.refused.lock().unwrap().clone();
        let mut results = Vec::new();
        for write in writes {
            self.calls.lock().unwrap().push(write.operation());
            self.want(&write.operation()).await;
            if let Step::AddService { key, .. } = write {
                let remembered = std::fs::read_to_string(&self.remembered).unwrap_or_default();
                let key = format!("\"{key}\"");
                assert!(remembered.contains(&key), "{key} not in {remembered:?}");
            }
            results.push(match (write, &refused) {
                (Step::AddService { key, .. }, Some((service, cause)))
                    if key.to_string() == *service =>
                {
                    Err(KernelError::new(write.operation(), cause.clone()))
                }
                _ => self
                    .memory
                    .write(std::slice::from_ref(write))
                    .await
                    .remove(0),
            });
        }
        results
    }
}

/// Lets every task run until it waits, without time passing.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

fn change(weight: u32) -> WeightChange {
    WeightChange {
        weight: Weight::new(weight).unwrap(),
        first_failure: None,
        handling: Handling::Weight,
    }
}

fn service(key: &str, scheduler: &str) -> Step {
    Step::AddService {
        key: key.parse().unwrap(),
        service: properties(scheduler),
    }
}

fn set_service(key: &str, scheduler: &str) -> Step {
    Step::SetService {
        key: key.parse().unwrap(),
        from: properties("wlc"),
        to: properties(scheduler),
    }
}

fn properties(scheduler: &str) -> Service {
    let flags = ServiceFlags::default();
    Service {
        scheduler: scheduler.parse().unwrap(),
        flags,
        persistence: None,
    }
}

fn destination(service: &str, key: &str, weight: u32) -> Step {
    let (service, key) = (service.parse().unwrap(), key.parse().unwrap());
    Step::AddDestination {
        service,
        key,
        destination: direct(weight),
    }
}

fn set_destination(service: &str, key: &str, weight: u32) -> Step {
    let (service, key) = (service.parse().unwrap(), key.parse().unwrap());
    Step::SetDestination {
        service,
        key,
        from: direct(0),
        to: direct(weight),
    }
}

fn direct(weight: u32) -> Destination {
    Destination {
        forwarding: Forwarding::Direct,
        weight: Weight::new(weight).unwrap(),
        upper_threshold: 0,
        lower_threshold: 0,
    }
}
