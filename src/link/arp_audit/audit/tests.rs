use super::*;
use crate::kernel::AddressClaim;
use crate::runtime::clock;

const CONFLICTING: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x21]);
const STRANGER: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x99]);
const CLIENT: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

fn ip(last: u8) -> IpAddr {
    [192, 168, 11, last].into()
}

/// One VIP, of two real servers, and the clock.
struct Fixture {
    audit: Audit,
    start: Instant,
    now: Instant,
    /// When the VIP was asked for, in milliseconds since the start.
    asked: Vec<u128>,
    /// Who is asked for beside it.
    looked_up: Vec<IpAddr>,
}

const VIP: u8 = 200;

fn vips() -> Vips {
    Vips::from([(ip(VIP), BTreeSet::from([ip(21), ip(22)]))])
}

impl Fixture {
    fn new() -> Self {
        let now = clock::monotonic();
        let mut audit = Audit::default();
        audit.watch(&vips(), now);
        Self {
            audit,
            start: now,
            now,
            asked: Vec::new(),
            looked_up: Vec::new(),
        }
    }

    /// Lets time pass; `answering` answer each question for the VIP after 5 ms.
    fn run(&mut self, time: Duration, answering: &[MacAddress]) {
        let end = self.now + time;
        while let Some(next) = self.audit.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            for address in self.audit.questions(self.now) {
                if address != ip(VIP) {
                    self.looked_up.push(address);
                    continue;
                }
                self.asked.push((self.now - self.start).as_millis());
                self.now += Duration::from_millis(5);
                for mac in answering {
                    self.claim(*mac, true);
                }
            }
        }
        self.now = end;
    }

    fn claim(&mut self, from: MacAddress, answer: bool) {
        let claim = Some(AddressClaim {
            address: ip(VIP),
            answer,
        });
        let heard = NeighbourMessage {
            from,
            claim,
            question: None,
        };
        self.audit.receive(&heard, self.now);
    }

    fn client_asks(&mut self) {
        let heard = NeighbourMessage {
            from: CLIENT,
            claim: Some(AddressClaim {
                address: ip(1),
                answer: false,
            }),
            question: Some(ip(VIP)),
        };
        self.audit.receive(&heard, self.now);
    }

    fn macs(&self) -> Vec<MacAddress> {
        let conflicts = self.audit.conflicts(&Peers::new());
        conflicts.into_keys().map(|(_, mac)| mac).collect()
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_quiet_link_is_asked_at_the_start_and_every_ten_seconds() {
    let mut fixture = Fixture::new();
    fixture.run(seconds(35), &[]);
    assert_eq!(fixture.asked, [0, 10_000, 20_000, 30_000]);
    assert!(fixture.macs().is_empty());
    assert!(fixture.looked_up.is_empty());
}

#[test]
fn many_vips_are_asked_for_one_after_the_other() {
    let mut audit = Audit::default();
    let now = clock::monotonic();
    let many: Vips = (0..=255).map(|n| (ip(n), BTreeSet::new())).collect();
    audit.watch(&many, now);
    let mut asked = 0;
    for tenth in 0..10 {
        let at = now + Duration::from_millis(100) * tenth;
        let questions = audit.questions(at).len();
        assert!(questions <= 3, "no burst: {questions}");
        asked += questions;
    }
    while let Some(next) = audit.next_deadline().filter(|next| *next < now + PERIOD) {
        asked += audit.questions(next).len();
    }
    assert_eq!(asked, 256);
}

#[test]
fn a_clients_question_is_followed_by_an_own_one_at_once() {
    let mut fixture = Fixture::new();
    fixture.run(seconds(5), &[]);
    fixture.client_asks();
    fixture.run(Duration::ZERO, &[CONFLICTING]);
    assert_eq!(fixture.asked, [0, 5_000]);
    assert_eq!(fixture.macs(), [CONFLICTING]);
}

#[test]
fn no_flood_of_questions_makes_more_than_one_a_second() {
    let mut fixture = Fixture::new();
    for _ in 0..1000 {
        fixture.client_asks();
        fixture.run(Duration::from_millis(10), &[]);
    }
    assert!(fixture.asked.len() <= 11, "{:?}", fixture.asked);
    let apart = fixture.asked.windows(2).all(|two| two[1] - two[0] >= 1000);
    assert!(apart, "{:?}", fixture.asked);
}

#[test]
fn a_conflict_lasts_while_it_is_answered_and_ends_after_three_silent_questions() {
    let mut fixture = Fixture::new();
    fixture.run(seconds(100), &[CONFLICTING]);
    assert_eq!(fixture.macs(), [CONFLICTING]);
    fixture.run(seconds(3), &[]);
    assert_eq!(
        fixture.macs(),
        [CONFLICTING],
        "three questions, the last just asked"
    );
    fixture.run(seconds(1), &[]);
    assert!(fixture.macs().is_empty());
    let asked = fixture.asked.len();
    fixture.run(seconds(60), &[]);
    assert_eq!(fixture.asked.len() - asked, 6, "sparingly again");
}

#[test]
fn an_answer_that_is_late_keeps_the_conflict() {
    let mut fixture = Fixture::new();
    fixture.run(seconds(1), &[CONFLICTING]);
    for _ in 0..20 {
        fixture.run(seconds(2), &[]);
        fixture.claim(CONFLICTING, true);
    }
    assert_eq!(fixture.macs(), [CONFLICTING]);
}

#[test]
fn two_hosts_that_claim_a_vip_are_two_conflicts_each_with_its_own_end() {
    let mut fixture = Fixture::new();
    fixture.run(seconds(5), &[CONFLICTING, STRANGER]);
    assert_eq!(fixture.macs(), [CONFLICTING, STRANGER]);
    fixture.run(seconds(5), &[STRANGER]);
    assert_eq!(fixture.macs(), [STRANGER]);
}

#[test]
fn who_only_announces_is_in_conflict_for_five_minutes_and_asked_for_sparingly() {
    let mut fixture = Fixture::new();
    fixture.run(seconds(10), &[]);
    fixture.claim(CONFLICTING, false);
    let asked = fixture.asked.len();
    fixture.run(seconds(299), &[]);
    assert_eq!(fixture.macs(), [CONFLICTING]);
    assert!(fixture.asked.len() - asked < 36, "{:?}", fixture.asked);
    fixture.run(PERIOD + seconds(1), &[]);
    assert!(fixture.macs().is_empty());
}

#[test]
fn host_in_conflict_is_named_from_the_neighbour_table_or_by_requests() {
    let mut fixture = Fixture::new();
    fixture.run(seconds(1), &[CONFLICTING]);
    assert!(fixture.audit.take_lookup());
    assert!(!fixture.audit.take_lookup(), "once for each conflict");
    let neighbours = BTreeMap::from([(ip(1), CLIENT), (ip(22), STRANGER)]);
    fixture.audit.learn(&neighbours);
    fixture.run(seconds(5), &[CONFLICTING]);
    assert_eq!(
        fixture.looked_up,
        [ip(21)],
        "the one that is not known, once"
    );
    let unnamed = Conflicts::from([((ip(VIP), CONFLICTING), BTreeSet::new())]);
    assert_eq!(fixture.audit.conflicts(&Peers::new()), unnamed);

    fixture.audit.take_changed();
    let heard = NeighbourMessage {
        from: CONFLICTING,
        claim: Some(AddressClaim {
            address: ip(21),
            answer: true,
        }),
        question: None,
    };
    fixture.audit.receive(&heard, fixture.now);
    let named = Conflicts::from([((ip(VIP), CONFLICTING), BTreeSet::from([ip(21)]))]);
    assert_eq!(fixture.audit.take_changed(), Some((named, Peers::new())));
    assert_eq!(fixture.audit.take_changed(), None);
}

#[test]
fn another_configuration_keeps_what_is_known_of_the_vips_that_stay() {
    let mut fixture = Fixture::new();
    fixture.run(seconds(5), &[CONFLICTING]);
    let mut vips = vips();
    vips.insert(ip(201), BTreeSet::new());
    fixture.audit.watch(&vips, fixture.now);
    assert_eq!(fixture.macs(), [CONFLICTING]);
    assert_eq!(
        fixture.audit.questions(fixture.now),
        [ip(201)],
        "the new one"
    );
    vips.remove(&ip(VIP));
    fixture.audit.watch(&vips, fixture.now);
    assert!(fixture.macs().is_empty());
    fixture.claim(CONFLICTING, true);
    assert!(fixture.macs().is_empty(), "it is no VIP any more");
}

#[test]
fn first_host_with_a_vip_on_a_standby_is_the_peer_and_a_second_one_is_not() {
    let mut fixture = Fixture::new();
    let left = BTreeSet::from([ip(VIP)]);
    fixture.audit.leave(&left, fixture.now);
    fixture.run(Duration::from_mins(1), &[STRANGER]);
    let peer = Peers::from([(ip(VIP), STRANGER)]);
    assert_eq!(fixture.audit.take_changed(), Some((Conflicts::new(), peer)));
    let asked = fixture.asked.len();
    assert!(asked <= 8, "asked {asked} times in a minute");

    fixture.claim(CONFLICTING, true);
    let (conflicts, peers) = fixture.audit.take_changed().unwrap();
    assert_eq!((conflicts.len(), peers.len()), (2, 0), "it may be either");
    let theirs = [(ip(21), CONFLICTING)].into();
    fixture.audit.learn(&theirs);
    let conflicting = Conflicts::from([((ip(VIP), CONFLICTING), BTreeSet::from([ip(21)]))]);
    let peer = Peers::from([(ip(VIP), STRANGER)]);
    assert_eq!(fixture.audit.take_changed(), Some((conflicting, peer)));
}

#[test]
fn the_peer_is_forgotten_when_this_host_gets_the_vip_and_found_if_it_keeps_it() {
    let mut fixture = Fixture::new();
    let left = BTreeSet::from([ip(VIP)]);
    fixture.audit.leave(&left, fixture.now);
    fixture.run(Duration::from_secs(5), &[STRANGER]);
    fixture.audit.leave(&BTreeSet::new(), fixture.now);
    let nobody = (Conflicts::new(), Peers::new());
    assert_eq!(fixture.audit.take_changed(), Some(nobody));
    fixture.run(Duration::from_secs(2), &[STRANGER]);
    let (conflicts, _) = fixture.audit.take_changed().unwrap();
    assert!(conflicts.contains_key(&(ip(VIP), STRANGER)));
}

#[test]
fn ever_new_addresses_fill_nothing_and_hide_no_real_server() {
    let mut fixture = Fixture::new();
    fixture
        .audit
        .learn(&BTreeMap::from([(ip(21), CONFLICTING)]));
    for number in 0..7_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        fixture.claim(MacAddress([2, 1, 0, 0, high, low]), true);
        fixture.now += Duration::from_millis(1);
    }
    let first = MacAddress([2, 1, 0, 0, 0, 0]);
    assert_eq!(fixture.macs().len(), MOST_FOREIGN_HOSTS);
    assert!(fixture.macs().contains(&first));
    fixture.claim(CONFLICTING, true);
    assert!(fixture.macs().contains(&CONFLICTING));
    // Whoever takes a real server's name in turn makes no room for more.
    for low in 0..100 {
        let mac = MacAddress([2, 2, 0, 0, 0, low]);
        fixture.audit.learn(&BTreeMap::from([(ip(22), mac)]));
        fixture.claim(mac, false);
    }
    assert!(fixture.macs().len() <= MOST_FOREIGN_HOSTS + 2);
    // Those that are gone make room again.
    fixture.run(seconds(30), &[CONFLICTING, STRANGER]);
    assert!(fixture.macs().contains(&STRANGER));
}
