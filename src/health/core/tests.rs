use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::diagnosis::PathResult;
use crate::health::effect::{RealServerChange, WeightChange};
use crate::health::input::{Configuration, DrainDeadline, Loads};
use crate::health::pool::Handling;
use crate::model::{
    AdminState, Decision, DestinationLoad, Health, MemberKey, PoolStatus, ProbeResult, ServiceKey,
    SetWeight, Weight, Weights, deadline_only,
};
use crate::notify::EventKind;
use crate::probe::{Outcome, ProbeReport, WeightAdvice, probe_targets};
use crate::runtime::clock;

/// Two services share rs1; `dns` is UDP; `web` has a sorry server, a quorum and a real server without
/// a check; `app` fails open.
const FIRST: &str = "
director: { link: eth1, on_arp_conflict: quiesce }
virtual_services:
  - name: web
    address: 192.0.2.1:80
    check: { http: { host: site }, rise: 2, fall: 2 }
    quorum: 2
    sorry_server: { address: 192.0.2.19, check: { tcp: {}, rise: 1, fall: 1 } }
    slow_start: 7s
    real_servers:
      - { name: rs1, address: 192.0.2.11, weight: 5 }
      - { name: rs2, address: 192.0.2.12, weight: 8 }
      - { name: rs3, address: 192.0.2.13 }
      - { name: rs6, address: 192.0.2.16, weight: 2, check: none }
  - name: app
    address: 192.0.2.2:80
    check: { http: { host: site }, rise: 1, fall: 1 }
    fail_open_below: 50%
    real_servers:
      - { name: rs1, address: 192.0.2.11, weight: 7 }
      - { name: rs4, address: 192.0.2.14, weight: 2 }
  - name: dns
    address: 192.0.2.3:53
    protocol: udp
    check: { tcp: {}, rise: 1, fall: 3 }
    on_failure: remove
    real_servers:
      - { name: rs1, address: 192.0.2.11 }
      - { name: rs2, address: 192.0.2.12, weight: 0 }
";

/// The same with another check of `web`, another order, a real server less and one more.
const SECOND: &str = "
virtual_services:
  - name: dns
    address: 192.0.2.3:53
    protocol: udp
    check: { tcp: {}, rise: 1, fall: 3 }
    real_servers:
      - { name: rs2, address: 192.0.2.12, weight: 3 }
      - { name: rs1, address: 192.0.2.11 }
  - name: web
    address: 192.0.2.1:80
    check: { http: { host: site }, rise: 3, fall: 1 }
    real_servers:
      - { name: rs2, address: 192.0.2.12, weight: 8 }
      - { name: rs1, address: 192.0.2.11, weight: 5 }
      - { name: rs5, address: 192.0.2.15 }
      - { name: rs6, address: 192.0.2.16, weight: 3, check: none }
  - name: new
    address: 192.0.2.4:80
    check: { http: { host: site }, rise: 1, fall: 1 }
    real_servers: [{ name: rs1, address: 192.0.2.11, weight: 9 }]
";

#[derive(Debug, Clone)]
enum Step {
    /// A probe by its number, that began so many milliseconds ago.
    ProbeReport(usize, ProbeResult, Option<WeightAdvice>, u64),
    Link(Option<FreezeReason>),
    Conflicts(Vec<(u8, u8)>),
    Present(Vec<u8>),
    /// Of a real server by its number: weight, active connections, and when reading began.
    Load(usize, Option<(u32, u32)>, u64),
    Drain(usize, u64),
    Undrain(usize),
    SetWeight(usize, Option<SetWeight>),
    Reload(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let result = prop_oneof![
        5 => Just(ProbeResult::Ok),
        4 => Just(ProbeResult::Refused),
        2 => Just(ProbeResult::Timeout),
        1 => Just(ProbeResult::Internal),
        1 => Just(ProbeResult::Unverified),
    ];
    let advice = prop_oneof![
        9 => Just(None),
        1 => (0..150_u16).prop_map(|percent| Some(WeightAdvice::Percent(percent))),
        1 => Just(Some(WeightAdvice::Drain)),
        1 => Just(Some(WeightAdvice::Ready)),
    ];
    let link = prop_oneof![
        2 => Just(None),
        1 => Just(Some(FreezeReason::Link)),
        1 => Just(Some(FreezeReason::NoInterface)),
    ];
    let set = prop_oneof![
        Just(None),
        (0..150_u16).prop_map(|percent| Some(SetWeight::Percent(percent))),
        (0..10_u32).prop_map(|weight| Weight::new(weight).map(SetWeight::Weight)),
    ];
    let load = proptest::option::of((0..2_u32, 0..2_u32));
    prop_oneof![
        20 => (0..9_usize, result, advice, 0..2500_u64)
            .prop_map(|(probe, result, advice, age)| Step::ProbeReport(probe, result, advice, age)),
        2 => link.prop_map(Step::Link),
        1 => proptest::collection::vec((1..4_u8, 11..16_u8), 0..3).prop_map(Step::Conflicts),
        1 => proptest::collection::vec(11..16_u8, 0..3).prop_map(Step::Present),
        4 => (0..9_usize, load, 0..2000_u64)
            .prop_map(|(id, load, age)| Step::Load(id, load, age)),
        2 => (0..9_usize, 0..9000_u64).prop_map(|(id, deadline)| Step::Drain(id, deadline)),
        1 => (0..9_usize).prop_map(Step::Undrain),
        2 => (0..9_usize, set).prop_map(|(id, set)| Step::SetWeight(id, set)),
        1 => any::<bool>().prop_map(Step::Reload),
        6 => (1..4000_u64).prop_map(Step::Wait),
    ]
}

/// Health, with what its effects have told so far.
struct World {
    core: Core,
    now: Instant,
    table: BTreeMap<MemberKey, Weight>,
    health: BTreeMap<MemberKey, Health>,
    admin: BTreeMap<MemberKey, AdminState>,
    drains: BTreeMap<MemberKey, (Instant, Instant)>,
    /// What operators have set.
    set: BTreeMap<MemberKey, SetWeight>,
    pools: BTreeMap<ServiceKey, PoolStatus>,
    frozen: bool,
    written: Vec<String>,
}

fn configuration(text: &str, found: &Weights) -> Configuration {
    let config = Config::parse("cluster.yaml", text).unwrap();
    let targets = probe_targets(&config);
    let id = |target: &crate::probe::ProbeTarget| {
        // The same probe has the same number in both configurations.
        let name = format!("{} {:?}", target.spec.target, target.spec.check.kind);
        let hash = name.bytes().fold(7_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        ProbeId(hash)
    };
    Configuration {
        config: Arc::new(config),
        probes: targets
            .into_iter()
            .map(|target| (id(&target), target))
            .collect(),
        found: found.clone(),
    }
}

impl World {
    fn new(start: Instant, found: &Weights) -> Self {
        let (core, effects) = Core::new(configuration(FIRST, found), start);
        let mut world = Self {
            table: core.weights(),
            core,
            now: start,
            health: BTreeMap::new(),
            admin: BTreeMap::new(),
            drains: BTreeMap::new(),
            set: BTreeMap::new(),
            pools: BTreeMap::new(),
            frozen: false,
            written: Vec::new(),
        };
        world.note(effects);
        world
    }

    fn ids(&self) -> Vec<(MemberKey, RealServerId)> {
        let ids = self.core.inventory.ids();
        ids.filter(|(_, id)| !self.core.inventory.is_sorry_server(*id))
            .collect()
    }

    fn input(&mut self, step: &Step) -> Input {
        let ids = self.ids();
        let (key, id) = match step {
            Step::Load(number, ..)
            | Step::Drain(number, _)
            | Step::Undrain(number)
            | Step::SetWeight(number, _) => ids[number % ids.len()],
            Step::ProbeReport(..)
            | Step::Link(_)
            | Step::Conflicts(_)
            | Step::Present(_)
            | Step::Reload(_)
            | Step::Wait(_) => ids[0],
        };
        let ago = |millis| self.now.checked_sub(Duration::from_millis(millis)).unwrap();
        let rip = |last: u8| IpAddr::from([192, 0, 2, last]);
        match step {
            Step::ProbeReport(probe, result, advice, age) => {
                let probes: Vec<_> = self.core.subscriptions.keys().copied().collect();
                Input::ProbeReport(Arc::new(ProbeReport {
                    probe: probes[probe % probes.len()],
                    outcome: Outcome {
                        result: *result,
                        detail: result.as_str().to_owned(),
                        duration: Duration::from_millis(3),
                        advice: *advice,
                        certificate_expiry: None,
                        plain: None,
                        vip: None,
                        fix: None,
                    },
                    started: ago(*age),
                    at: SystemTime::UNIX_EPOCH,
                }))
            }
            Step::Link(reason) => Input::Link(reason.clone()),
            Step::Conflicts(pairs) => {
                let pairs = pairs.iter().map(|(vip, host)| (rip(*vip), rip(*host)));
                Input::ArpConflicts(pairs.collect())
            }
            Step::Present(hosts) => {
                Input::HostsPresent(hosts.iter().map(|host| rip(*host)).collect())
            }
            Step::Load(_, load, age) => Input::Loads(Loads {
                read_at: ago(*age),
                loads: [(
                    key,
                    load.map(|(weight, active_connections)| DestinationLoad {
                        weight: Weight::new(weight).unwrap(),
                        active_connections,
                    }),
                )]
                .into(),
            }),
            Step::Drain(_, deadline) => Input::SetAdmin {
                real_servers: vec![id],
                admin: AdminState::Draining,
                deadline: DrainDeadline {
                    until: self.now + Duration::from_millis(*deadline),
                    at: SystemTime::UNIX_EPOCH,
                },
                decision: Decision::default(),
            },
            Step::Undrain(_) => Input::SetAdmin {
                real_servers: vec![id],
                admin: AdminState::Enabled,
                deadline: DrainDeadline {
                    until: self.now,
                    at: SystemTime::UNIX_EPOCH,
                },
                decision: Decision::default(),
            },
            Step::SetWeight(_, weight) => Input::SetWeight {
                real_servers: vec![id],
                weight: *weight,
                decision: Decision::default(),
                is_new: true,
            },
            Step::Reload(first) => {
                let text = if *first { FIRST } else { SECOND };
                Input::Reload(configuration(text, &self.table))
            }
            Step::Wait(_) => Input::Tick,
        }
    }

    /// Takes the effects in as the driver and reconcile do.
    fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.written.push(format!("{effect:?}"));
            let key = |id: RealServerId| self.core.inventory.key(id).unwrap();
            match effect {
                Effect::Weights(changes) => {
                    for (id, change) in changes {
                        self.table.insert(key(id), change.weight);
                    }
                }
                Effect::Reloaded { weights, .. } => self.table = weights,
                Effect::Pool(service, status) => {
                    let service = self.core.inventory.services()[service].key;
                    self.pools.insert(service, status);
                }
                Effect::Frozen(reasons) => {
                    self.frozen = reasons.iter().any(FreezeReason::freezes_all);
                }
                Effect::RealServer(
                    id,
                    RealServerChange::Health { health, .. }
                    | RealServerChange::Learned { health, .. },
                ) => {
                    self.health.insert(key(id), health);
                }
                Effect::RealServer(id, RealServerChange::Admin { admin, .. }) => {
                    self.admin.insert(key(id), admin);
                }
                Effect::RealServer(id, RealServerChange::OperatorWeight(weight)) => {
                    let key = key(id);
                    match weight {
                        Some(weight) => self.set.insert(key, weight.set),
                        None => self.set.remove(&key),
                    };
                }
                Effect::Replaced { .. }
                | Effect::CountConnections(_)
                | Effect::ProbeRate(..)
                | Effect::UnresponsiveHosts(_)
                | Effect::RealServer(..)
                | Effect::RealServerEvent(..)
                | Effect::ServiceEvent(..)
                | Effect::Log(_)
                | Effect::ProbesAlive => {}
            }
        }
    }

    fn forget_unconfigured(&mut self) {
        let known: BTreeSet<_> = self.core.inventory.ids().map(|(key, _)| key).collect();
        self.health.retain(|key, _| known.contains(key));
        self.admin.retain(|key, _| known.contains(key));
        self.drains.retain(|key, _| known.contains(key));
        self.set.retain(|key, _| known.contains(key));
    }

    /// One input, with all that must hold of what follows from it.
    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        if let Step::Wait(millis) = step {
            self.now += Duration::from_millis(*millis);
        }
        let input = self.input(step);
        let (before, health, admin) = (self.table.clone(), self.health.clone(), self.admin.clone());
        let was_frozen = self.frozen;
        let sets_admin = matches!(input, Input::SetAdmin { .. });
        let passed = matches!(step, Step::ProbeReport(_, ProbeResult::Ok, ..));
        let is_reload = matches!(step, Step::Reload(_));
        let load = if let Input::Loads(loads) = &input {
            Some(loads.clone())
        } else {
            None
        };
        if let Input::SetAdmin {
            real_servers,
            admin,
            deadline,
            ..
        } = &input
        {
            let key = self.core.inventory.key(real_servers[0]).unwrap();
            self.drains.remove(&key);
            if *admin == AdminState::Draining {
                self.drains.insert(key, (self.now, deadline.until));
            }
        }
        let effects = self.core.handle(input, self.now);
        if is_reload {
            self.forget_unconfigured();
        }
        self.note(effects);
        prop_assert_eq!(&self.table, &self.core.weights(), "every weight is told");

        for (key, id) in self.ids() {
            let (old, new) = (before.get(&key), self.table[&key]);
            let rises = old.is_some_and(|old| new > *old);
            let state = self.admin.get(&key).copied().unwrap_or(AdminState::Enabled);
            if state != AdminState::Enabled {
                prop_assert_eq!(new, Weight::ZERO, "{:?} is {:?}", id, state);
            }
            let now_health = self.health.get(&key).copied();
            let fails_open = self.pools[&key.0].fail_open;
            if now_health == Some(Health::Down) && !fails_open {
                prop_assert!(!rises, "{:?} is down, {:?} to {:?}", id, old, new);
            }
            if let (Some(set), false) = (self.set.get(&key), self.frozen) {
                let service = &self.core.inventory.services()[id.service_index()];
                let configured = service.real_servers[id.real_server_index()].weight;
                let set = set.in_place_of(configured);
                if now_health == Some(Health::Up) || set == Weight::ZERO && now_health.is_none() {
                    prop_assert!(new <= set, "{:?} has {:?}, set to {:?}", id, new, set);
                }
            }
            if was_frozen && self.frozen && old != Some(&new) && old.is_some() {
                prop_assert!(sets_admin && new == Weight::ZERO, "{:?} while frozen", id);
            }
            if health.get(&key) == Some(&Health::Down) && now_health != Some(Health::Down) {
                prop_assert!(passed, "{:?} is not down any more after {:?}", id, step);
            }
            let drained = self.admin.get(&key) == Some(&AdminState::Drained)
                && admin.get(&key) == Some(&AdminState::Draining);
            if drained {
                let (began, deadline) = self.drains[&key];
                if deadline_only(key.0) {
                    prop_assert!(self.now >= deadline, "{:?} before its deadline", id);
                } else {
                    let load = load.as_ref().unwrap();
                    prop_assert!(load.read_at >= began, "{:?} by an old value", id);
                    let load = load.loads[&key];
                    prop_assert!(load.is_none_or(
                        |load| load.active_connections == 0 && load.weight == Weight::ZERO
                    ));
                }
            }
        }
        let effects = self.core.handle(Input::Tick, self.now);
        self.note(effects);
        let deadline = self.core.next_deadline().unwrap();
        prop_assert!(deadline > self.now, "the next deadline has passed");
        Ok(())
    }
}

fn found(weights: &[u32]) -> Weights {
    let inventory = Inventory::new(configuration(FIRST, &Weights::new()).config);
    let keys = inventory.ids().zip(weights.iter().cycle());
    keys.map(|((key, _), weight)| (key, Weight::new(*weight).unwrap()))
        .collect()
}

#[test]
fn an_effect_is_small() {
    // A reload of 37,205 real servers has twice as many.
    let size = std::mem::size_of::<Effect>();
    assert!(size <= 64, "{size} bytes");
}

#[test]
fn end_of_a_sorry_server_is_logged_under_the_name_that_had_the_sorry_server() {
    let text = |name: &str, sorry_server: &str| {
        format!(
            "virtual_services:\n  - name: {name}\n    address: 192.0.2.1:80\n    {sorry_server}\n    \
             real_servers: [{{ name: rs1, address: 192.0.2.11 }}]\n"
        )
    };
    let service: ServiceKey = "tcp 192.0.2.1:80".parse().unwrap();
    let found = Weights::from([((service, "192.0.2.19:80".parse().unwrap()), Weight::ONE)]);
    let now = clock::monotonic();
    let first = text("old", "sorry_server: { address: 192.0.2.19 }");
    let (mut core, _) = Core::new(configuration(&first, &found), now);
    let reload = Input::Reload(configuration(&text("new", ""), &found));
    let effects = core.handle(reload, now);
    let lines = effects.into_iter().filter_map(|effect| {
        let Effect::Log(line) = effect else {
            return None;
        };
        let service = line.service?;
        Some(format!("{service}: {}", line.message))
    });
    let lines: Vec<_> = lines.filter(|line| line.contains("sorry server")).collect();
    assert_eq!(lines, ["old: the sorry server serves no longer"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_sequence_of_inputs_keeps_the_rules(
        weights in proptest::collection::vec(0..3_u32, 1..5),
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let start = clock::monotonic() + Duration::from_hours(1);
        let mut world = World::new(start, &found(&weights));
        for step in &steps {
            world.take(step)?;
        }
    }

    #[test]
    fn same_sequence_has_the_same_effects(
        steps in proptest::collection::vec(step(), 1..100),
    ) {
        let start = clock::monotonic() + Duration::from_hours(1);
        let run = || {
            let mut world = World::new(start, &found(&[1, 0, 2]));
            for step in &steps {
                let _ = world.take(step);
            }
            world.written
        };
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn down_real_server_stays_down_after_a_reload_until_a_probe_passes() {
    let start = clock::monotonic() + Duration::from_hours(1);
    let mut world = World::new(start, &found(&[1]));
    let web_rs3 = world.ids()[2];
    let probes = world.core.subscriptions.iter();
    let mut numbers =
        probes.map(|(_, probe)| probe.of(&world.core.subscribers).contains(&web_rs3.1));
    let number = numbers.position(|speaks| speaks).unwrap();
    for _ in 0..2 {
        let step = Step::ProbeReport(number, ProbeResult::Refused, None, 0);
        world.take(&step).unwrap();
    }
    assert_eq!(world.health[&web_rs3.0], Health::Down);
    world.take(&Step::Reload(true)).unwrap();
    world.take(&Step::Wait(3_600_000)).unwrap();
    assert_eq!(world.health[&web_rs3.0], Health::Down);
    assert_eq!(world.table[&web_rs3.0], Weight::ZERO);
}

/// A client of UDP never comes back by itself from a real server that is lost.
#[test]
fn reload_that_asks_for_it_ends_the_connections_of_a_lost_real_server() {
    let cluster = |on_failure: &str| {
        let text = format!(
            "virtual_services:
  - name: dns
    address: 192.0.2.3:53
    protocol: udp
    check: {{ tcp: {{}}, rise: 1, fall: 1 }}
    on_failure: {on_failure}
    real_servers: [{{ name: rs1, address: 192.0.2.11 }}, {{ name: rs2, address: 192.0.2.12 }}]
"
        );
        configuration(&text, &Weights::new())
    };
    let start = clock::monotonic();
    let (mut core, _) = Core::new(cluster("quiesce"), start);
    let ids: Vec<_> = core.inventory.ids().map(|(_, id)| id).collect();
    let lost = (ProbeResult::Timeout, PathResult::NoReply);
    for (id, (result, plain)) in ids
        .iter()
        .zip([lost, (ProbeResult::Ok, PathResult::Passed)])
    {
        let mut probes = core.subscriptions.iter();
        let probe = probes.find(|(_, probe)| probe.of(&core.subscribers).contains(id));
        let report = ProbeReport {
            probe: *probe.unwrap().0,
            outcome: Outcome {
                result,
                detail: result.as_str().to_owned(),
                duration: Duration::from_millis(3),
                advice: None,
                certificate_expiry: None,
                plain: Some(plain),
                vip: None,
                fix: None,
            },
            started: start,
            at: SystemTime::UNIX_EPOCH,
        };
        core.handle(Input::ProbeReport(Arc::new(report)), start);
    }
    let reload = |core: &mut Core, on_failure| {
        let effects = core.handle(Input::Reload(cluster(on_failure)), start);
        let written = effects.into_iter().skip_while(|effect| {
            assert!(!matches!(effect, Effect::Weights(_)), "before the others");
            !matches!(effect, Effect::Reloaded { .. })
        });
        let weights = written.filter_map(|effect| {
            if let Effect::Weights(changes) = effect {
                Some(changes)
            } else {
                None
            }
        });
        weights.flatten().collect::<Vec<_>>()
    };
    let reset = WeightChange {
        weight: Weight::ZERO,
        first_failure: None,
        handling: Handling::Reset,
    };
    assert_eq!(reload(&mut core, "reset"), [(ids[0], reset)]);
    assert_eq!(reload(&mut core, "reset"), [], "once");
}

#[test]
fn event_of_a_drain_and_of_a_weight_says_who_and_why() {
    let start = clock::monotonic() + Duration::from_hours(1);
    let (mut core, _) = Core::new(configuration(FIRST, &found(&[1])), start);
    let (key, id) = core.inventory.ids().next().unwrap();
    let decision = Decision {
        since: None,
        by: Some("root (uid 0)".into()),
        reason: Some("new kernel".into()),
    };
    let mut events = |input| {
        let effects = core.handle(input, start).into_iter();
        let events = effects.filter_map(|effect| {
            if let Effect::RealServerEvent(kind, _, detail) = effect {
                Some((kind, detail))
            } else {
                None
            }
        });
        events.collect::<Vec<_>>()
    };
    let drain = Input::SetAdmin {
        real_servers: vec![id],
        admin: AdminState::Draining,
        deadline: DrainDeadline {
            until: start,
            at: SystemTime::UNIX_EPOCH,
        },
        decision: decision.clone(),
    };
    assert_eq!(events(drain), []);
    let idle = DestinationLoad {
        weight: Weight::ZERO,
        active_connections: 0,
    };
    let loads = Input::Loads(Loads {
        read_at: start,
        loads: [(key, Some(idle))].into(),
    });
    let detail = "no active connection is left; drained by root (uid 0): new kernel";
    let drained = (EventKind::RealServerDrained, detail.to_owned());
    assert_eq!(events(loads), [drained]);
    let weight = |text: Option<&str>, is_new| Input::SetWeight {
        real_servers: vec![id],
        weight: text.map(|text| text.parse().unwrap()),
        decision: Decision {
            reason: None,
            ..decision.clone()
        },
        is_new,
    };
    let set = |detail: &str| vec![(EventKind::RealServerWeightSet, detail.to_owned())];
    let half = "weight set to 50% by root (uid 0)";
    assert_eq!(events(weight(Some("50%"), true)), set(half));
    assert_eq!(
        events(weight(Some("50%"), false)),
        [],
        "of before a restart"
    );
    let reset = "weight reset to the configured one by root (uid 0)";
    assert_eq!(events(weight(None, true)), set(reset));
}
