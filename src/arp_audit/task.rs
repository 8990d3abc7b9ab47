use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::attendance::Attendance;
use super::audit::{Audit, PERIOD, SPREAD};
use super::{ArpRecord, ConflictRecord, Silence, Thefts, Vips, mend, vips};
use crate::clock;
use crate::config::Config;
use crate::error_chain::error_chain;
use crate::kernel::{ArpError, ArpLink, Neighbours, OwnAddresses};
use crate::model::MacAddress;
use crate::snapshot::Latest;

/// After an interface has failed or was not there.
const RETRY: Duration = Duration::from_secs(5);

/// Who answers has done so this long after the last question, and whose MAC
/// address it is has been found out.
const ANSWERED: Duration = Duration::from_secs(2);

/// Audits the VIPs of the newest configuration for as long as it is asked.
///
/// Where that cannot be done, it is said once, and tried again.
pub(crate) async fn run(
    mut config: watch::Receiver<Arc<Config>>,
    record: Arc<Latest<ArpRecord>>,
    thefts: watch::Sender<Thefts>,
    silence: Silence,
) {
    let mut auditor = Auditor {
        audit: Audit::default(),
        attendance: Attendance::default(),
        silence,
        neighbours: Neighbours::new(),
        vips: Vips::new(),
        names: BTreeMap::new(),
        record,
        thefts,
    };
    loop {
        let newest = Arc::clone(&config.borrow_and_update());
        let Some(interface) = &newest.director.interface else {
            auditor.watch(&newest, Vips::new(), clock::monotonic());
            auditor.record.lock().error = None;
            if config.changed().await.is_err() {
                return;
            }
            continue;
        };
        auditor.watch(&newest, vips(&newest), clock::monotonic());
        let ended = tokio::select! {
            changed = config.changed() => changed.map(|()| None),
            error = auditor.listen(interface) => Ok(Some(error)),
        };
        match ended {
            Err(_) => return,
            Ok(None) => {}
            Ok(Some(error)) => {
                auditor.failed(&error);
                sleep(RETRY).await;
            }
        }
    }
}

/// Asks once for each VIP, and gives who else has answered by some time after.
pub(crate) async fn ask(config: Arc<Config>) -> ArpRecord {
    let places = u32::try_from(vips(&config).len()).unwrap_or(u32::MAX);
    let asked = SPREAD.saturating_mul(places).min(PERIOD);
    let record = Arc::new(Latest::new(ArpRecord::default()));
    let (_never_changes, newest) = watch::channel(config);
    let (thefts, _) = watch::channel(Thefts::new());
    let (_nobody, silent) = watch::channel(BTreeSet::new());
    let (present, _) = watch::channel(BTreeSet::new());
    let silence = Silence { silent, present };
    let audit = run(newest, Arc::clone(&record), thefts, silence);
    // It does not end while its configuration may change.
    let _elapsed = timeout(asked + ANSWERED, audit).await;
    record.lock().clone()
}

struct Auditor {
    audit: Audit,
    attendance: Attendance,
    silence: Silence,
    neighbours: Neighbours,
    vips: Vips,
    /// The names of the real servers of each VIP.
    names: BTreeMap<(IpAddr, IpAddr), Arc<str>>,
    record: Arc<Latest<ArpRecord>>,
    thefts: watch::Sender<Thefts>,
}

impl Auditor {
    fn watch(&mut self, config: &Config, vips: Vips, now: Instant) {
        self.names = names(config);
        self.audit.watch(&vips, now);
        self.vips = vips;
        self.publish();
    }

    /// Asks and hears until the link fails.
    async fn listen(&mut self, interface: &str) -> ArpError {
        match ArpLink::open(interface) {
            Ok(link) => match self.listen_on(&link).await {
                Ok(never) => match never {},
                Err(error) => error,
            },
            Err(error) => error,
        }
    }

    async fn listen_on(&mut self, link: &ArpLink) -> Result<std::convert::Infallible, ArpError> {
        let mut own = self.own_addresses(link)?;
        let mut own_until = clock::monotonic() + PERIOD;
        self.succeeded();
        loop {
            let now = clock::monotonic();
            if now >= own_until {
                own = self.own_addresses(link)?;
                own_until = now + PERIOD;
            }
            self.attendance
                .watch(&self.silence.silent.borrow_and_update(), now);
            let mut questions = self.audit.questions(now);
            let silent = self.attendance.questions(now).into_iter();
            questions.extend(silent.filter(|address| own.is_on_link(*address)));
            for address in questions {
                link.ask(&own, address)?;
            }
            self.look_up().await;
            self.publish();
            self.tell_present();
            let deadlines = [self.audit.next_deadline(), self.attendance.next_deadline()];
            let deadlines = deadlines.into_iter().flatten();
            let deadline = deadlines.fold(own_until, Instant::min);
            tokio::select! {
                heard = link.hear() => {
                    let heard = heard?;
                    if !own.has(heard.from) {
                        let now = clock::monotonic();
                        self.audit.hear(&heard, now);
                        self.attendance.hear(&heard, now);
                    }
                }
                Ok(()) = self.silence.silent.changed() => {}
                () = sleep(deadline.saturating_duration_since(clock::monotonic())) => {}
            }
        }
    }

    fn own_addresses(&self, link: &ArpLink) -> Result<OwnAddresses, ArpError> {
        link.own_addresses(|address| self.vips.contains_key(&address))
    }

    async fn look_up(&mut self) {
        if !self.audit.take_lookup() {
            return;
        }
        match self.neighbours.list().await {
            Ok(neighbours) => self.audit.learn(&neighbours),
            Err(error) => {
                debug!(error = error_chain(&error), "the neighbours were not seen");
                self.audit.learn(&BTreeMap::new());
            }
        }
    }

    fn tell_present(&self) {
        let present = self.attendance.present();
        self.silence.present.send_if_modified(|before| {
            let modified = *before != present;
            *before = present;
            modified
        });
    }

    /// Shows and tells what changed.
    fn publish(&mut self) {
        let Some(conflicts) = self.audit.take_changed() else {
            return;
        };
        let mut record = self.record.lock();
        let before = std::mem::take(&mut record.vips);
        record.vips = self
            .vips
            .keys()
            .map(|vip| (*vip, BTreeMap::new()))
            .collect();
        for ((vip, mac), found) in conflicts {
            let known = before.get(&vip).and_then(|conflicts| conflicts.get(&mac));
            let name = |rip: IpAddr| Some((rip, Arc::clone(self.names.get(&(vip, rip))?)));
            let conflict = ConflictRecord {
                since: known.map_or_else(clock::wall, |known| known.since),
                real_servers: found.into_iter().filter_map(name).collect(),
            };
            if known.is_none_or(|known| known.real_servers != conflict.real_servers) {
                announce(vip, mac, &conflict);
            }
            record.vips.entry(vip).or_default().insert(mac, conflict);
        }
        for (vip, conflicts) in before {
            let now = record.vips.get(&vip);
            for (mac, conflict) in conflicts {
                if now.is_some_and(|now| !now.contains_key(&mac)) {
                    let owner = conflict.owner();
                    let real_server = owner.as_deref();
                    info!(%vip, %mac, real_server, "the conflict is over: the VIP is not answered for there any more");
                }
            }
        }
        let thefts = record.thefts();
        self.thefts.send_if_modified(|before| {
            let modified = *before != thefts;
            *before = thefts;
            modified
        });
    }

    fn succeeded(&self) {
        if self.record.lock().error.take().is_some() {
            info!("the ARP audit works now");
        }
    }

    /// What was found holds until it can be asked for again.
    fn failed(&self, error: &ArpError) {
        let error = error_chain(error);
        let mut record = self.record.lock();
        if record.error.as_ref() != Some(&error) {
            warn!("no ARP audit, so nobody else who answers for a VIP is found: {error}");
            record.error = Some(error);
        }
    }
}

fn announce(vip: IpAddr, mac: MacAddress, conflict: &ConflictRecord) {
    let mend = mend(vip);
    if let Some(real_server) = conflict.owner() {
        warn!(%vip, %mac, real_server, "a real server answers for the VIP on the link: there, {mend}");
    } else {
        warn!(
            %vip,
            %mac,
            "somebody else answers for the VIP on the link, no real server by its MAC address: \
             another director, or a host that has the VIP and should not"
        );
    }
}

fn names(config: &Config) -> BTreeMap<(IpAddr, IpAddr), Arc<str>> {
    let mut names = BTreeMap::new();
    for service in &config.virtual_services {
        let Some(vip) = service.key.vip() else {
            continue;
        };
        for real_server in &service.real_servers {
            let name = || Arc::clone(&real_server.name);
            names
                .entry((vip, real_server.key.0.ip()))
                .or_insert_with(name);
        }
        if let Some(sorry_server) = &service.pool.sorry_server {
            let name = || Arc::from("sorry_server");
            names
                .entry((vip, sorry_server.key.0.ip()))
                .or_insert_with(name);
        }
    }
    names
}
