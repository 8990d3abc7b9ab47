use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::announcements::{Announcements, Send};
use super::attendance::Attendance;
use super::audit::{Audit, PERIOD, SPREAD};
use super::{Silence, Vips, vips};
use crate::config::Config;
use crate::diagnosis::arp_conflict_fix;
use crate::kernel::{ArpError, ArpLink, HostChanges, Neighbours, OwnAddresses, Sysctls};
use crate::model::{ArpConflicts, FreezeReason, MacAddress};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::shared::Shared;
use crate::status::{ArpRecord, ConflictRecord};

/// After an interface has failed or was not there.
const RETRY: Duration = Duration::from_secs(5);

/// Who answers has done so this long after the last question, and whose MAC
/// address it is has been found out.
const ANSWERED: Duration = Duration::from_secs(2);

/// From a change of this host's addresses to a look at them: what is set
/// together is seen together.
const SETTLED: Duration = Duration::from_millis(50);

/// While changes are not heard of.
const UNHEARD: &str = "VIPs that come to this host are announced later, at the next look";

/// Whether the VIPs that this host has are announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcing {
    /// Those of `director.interface` are.
    Vips,
    /// This process puts no VIPs on this host.
    Nothing,
}

/// Audits the VIPs of the newest configuration for as long as it is asked.
/// `link` tells what is wrong with the director's link.
///
/// Where that cannot be done, the record has the reason, and it is tried again.
pub(crate) async fn run(
    mut config: watch::Receiver<Arc<Config>>,
    announcing: Announcing,
    link: watch::Receiver<Option<FreezeReason>>,
    record: Arc<Shared<ArpRecord>>,
    thefts: watch::Sender<ArpConflicts>,
    silence: Silence,
) {
    let mut auditor = Auditor {
        audit: Audit::default(),
        announcements: Announcements::default(),
        announcing,
        config: Arc::clone(&config.borrow()),
        link,
        changes: HostChanges::new(UNHEARD),
        sysctls: Sysctls::default(),
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
        let Some(interface) = &newest.director.link else {
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
                auditor.pause().await;
            }
        }
    }
}

/// Asks once for each VIP, and gives who else has answered by some time after.
pub(crate) async fn ask(config: Arc<Config>) -> ArpRecord {
    let places = u32::try_from(vips(&config).len()).unwrap_or(u32::MAX);
    let asked = SPREAD.saturating_mul(places).min(PERIOD);
    let record = Arc::new(Shared::new(ArpRecord::default()));
    let (_never_changes, newest) = watch::channel(config);
    let (thefts, _) = watch::channel(ArpConflicts::new());
    let (_nobody, silent) = watch::channel(BTreeSet::new());
    let (present, _) = watch::channel(BTreeSet::new());
    let silence = Silence { silent, present };
    let (_not_watched, link) = watch::channel(None);
    let record_of = Arc::clone(&record);
    let audit = run(
        newest,
        Announcing::Nothing,
        link,
        record_of,
        thefts,
        silence,
    );
    // It does not end while its configuration may change.
    let _elapsed = timeout(asked + ANSWERED, audit).await;
    record.lock().clone()
}

struct Auditor {
    audit: Audit,
    announcements: Announcements,
    announcing: Announcing,
    config: Arc<Config>,
    link: watch::Receiver<Option<FreezeReason>>,
    changes: HostChanges,
    sysctls: Sysctls,
    attendance: Attendance,
    silence: Silence,
    neighbours: Neighbours,
    vips: Vips,
    /// The names of the real servers of each VIP.
    names: BTreeMap<(IpAddr, IpAddr), Arc<str>>,
    record: Arc<Shared<ArpRecord>>,
    thefts: watch::Sender<ArpConflicts>,
}

impl Auditor {
    fn watch(&mut self, config: &Arc<Config>, vips: Vips, now: Instant) {
        self.names = names(config);
        self.config = Arc::clone(config);
        self.audit.watch(&vips, now);
        self.announcements
            .refresh(config.director.garp_refresh, now);
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
        let mut own = self.own_addresses(link, clock::monotonic())?;
        let mut own_until = clock::monotonic() + PERIOD;
        self.succeeded();
        loop {
            let now = clock::monotonic();
            if now >= own_until {
                own = self.own_addresses(link, now)?;
                own_until = now + PERIOD;
            }
            let down = self.link.borrow_and_update().is_some();
            self.announcements.link(down, now);
            self.send(link, &own, now)?;
            self.look_up().await;
            self.publish();
            self.tell_present();
            let deadlines = [
                self.audit.next_deadline(),
                self.attendance.next_deadline(),
                self.announcements.next_deadline(),
            ];
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
                Ok(()) = self.link.changed() => {}
                () = self.changes.changed() => {
                    own_until = own_until.min(clock::monotonic() + SETTLED);
                }
                () = sleep(deadline.saturating_duration_since(clock::monotonic())) => {}
            }
        }
    }

    /// Sends what is to be sent now.
    fn send(&mut self, link: &ArpLink, own: &OwnAddresses, now: Instant) -> Result<(), ArpError> {
        self.attendance
            .watch(&self.silence.silent.borrow_and_update(), now);
        let mut questions = self.audit.questions(now);
        let silent = self.attendance.questions(now).into_iter();
        questions.extend(silent.filter(|address| own.is_on_link(*address)));
        for address in questions {
            link.ask(own, address)?;
        }
        for send in self.announcements.due(now) {
            match send {
                Send::Question(vip) => link.ask(own, vip)?,
                Send::Announcement(vip, times) => {
                    debug!(%vip, times, "the VIP is announced");
                    link.announce(own, vip, self.forwards_ipv6(), times)?;
                }
            }
        }
        Ok(())
    }

    /// What this host has now, which says as well what is announced and what
    /// is left to another host.
    fn own_addresses(&mut self, link: &ArpLink, now: Instant) -> Result<OwnAddresses, ArpError> {
        let own = link.own_addresses(|address| self.vips.contains_key(&address))?;
        let vips = self.vips.keys().copied();
        match &self.config.director.interface {
            None => {
                let left = vips.filter(|vip| own.interfaces_with(*vip).next().is_none());
                self.audit.leave(&left.collect(), now);
                self.announcements.hold(&BTreeSet::new(), now);
            }
            Some(interface) => {
                let held = vips.filter(|vip| self.is_announced(*vip, interface, &own));
                let held = held.collect();
                self.audit.leave(&BTreeSet::new(), now);
                self.announcements.hold(&held, now);
            }
        }
        Ok(own)
    }

    /// Whether this host has the VIP where the agent puts it, and answers for
    /// it on the link: for what is on another interface it does with IPv4,
    /// unless `arp_ignore` says otherwise, and does not with IPv6.
    fn is_announced(&self, vip: IpAddr, interface: &str, own: &OwnAddresses) -> bool {
        let held = own.interfaces_with(vip).any(|held| held == interface);
        let link = self.config.director.link.as_deref();
        let answered = link.is_some_and(|link| {
            link == interface || vip.is_ipv4() && !self.ignores_others_addresses(link)
        });
        self.announcing == Announcing::Vips && held && answered
    }

    /// Whether questions on this interface for addresses of others are ignored.
    fn ignores_others_addresses(&self, interface: &str) -> bool {
        let place = interface.replace('.', "/");
        let keys = ["all", &place].map(|place| format!("net.ipv4.conf.{place}.arp_ignore"));
        keys.iter().any(|key| self.number(key) > 0)
    }

    fn forwards_ipv6(&self) -> bool {
        let link = self.config.director.link.as_deref().unwrap_or("all");
        let place = link.replace('.', "/");
        self.number(&format!("net.ipv6.conf.{place}.forwarding")) > 0
    }

    /// A parameter's value; 0 where the kernel has no such parameter.
    fn number(&self, key: &str) -> u32 {
        let value = key
            .parse()
            .ok()
            .and_then(|key| self.sysctls.read(&key).ok());
        let value = value.flatten().and_then(|value| value.parse().ok());
        value.unwrap_or(0)
    }

    /// Before the link is tried again: not longer than until it is back.
    async fn pause(&mut self) {
        let down = self.link.borrow_and_update().is_some();
        self.announcements.link(down, clock::monotonic());
        tokio::select! {
            () = sleep(RETRY) => {}
            Ok(()) = self.link.changed() => {}
        }
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
        let Some((conflicts, peers)) = self.audit.take_changed() else {
            return;
        };
        let claimed = conflicts.keys().map(|(vip, _)| *vip).collect();
        self.announcements.conflicts(claimed, clock::monotonic());
        let mut record = self.record.lock();
        record.peers = peers;
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
        self.record.lock().error = None;
    }

    /// What was found holds until it can be asked for again.
    fn failed(&self, error: &ArpError) {
        self.record.lock().error = Some(error_chain(error));
    }
}

fn announce(vip: IpAddr, mac: MacAddress, conflict: &ConflictRecord) {
    let mend = arp_conflict_fix(vip);
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
