//! The task of the ARP audit: sockets, timers, and what is published of the findings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::announcements::{Announcements, Send};
use super::audit::{Audit, PERIOD, SPREAD};
use super::conflict_log::ConflictLog;
use super::host_presence::HostPresence;
use super::{HostPresenceChannels, Vips, name_of, vips};
use crate::config::Config;
use crate::kernel::{
    ArpError, ArpLink, Host, HostChanges, NeighbourMessage, Neighbours, OwnAddresses, Sysctls,
};
use crate::model::{ArpConflicts, FreezeReason};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::shared::Shared;
use crate::status::{ArpRecord, ConflictRecord};

/// After an interface has failed or did not exist.
const RETRY: Duration = Duration::from_secs(5);

/// Within this time after the last question every answer arrives, and the
/// owner of its MAC address is looked up.
const ANSWERED: Duration = Duration::from_secs(2);

/// From a change of this host's addresses to a look at them: changes that are made
/// together are seen together.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Messages that are taken from the link before other work has its turn.
const AT_ONCE: usize = 256;

/// Without notifications of changes.
const UNHEARD: &str = "new VIPs of this host are announced only at the next regular look";

/// Whether the VIPs that this host has are announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcing {
    /// The VIPs of `director.interface` are announced.
    Vips,
    /// This process puts no VIPs on this host.
    Nothing,
}

/// Audits the VIPs of the newest configuration, as long as this task runs. `link`
/// has the fault of the director's link.
///
/// Where that cannot be done, the record has the reason, and it is tried again.
pub(crate) async fn run(
    mut config: watch::Receiver<Arc<Config>>,
    announcing: Announcing,
    link: watch::Receiver<Option<FreezeReason>>,
    record: Arc<Shared<ArpRecord>>,
    conflicting: watch::Sender<ArpConflicts>,
    presence_channels: HostPresenceChannels,
) {
    let mut auditor = Auditor {
        audit: Audit::default(),
        announcements: Announcements::default(),
        announcing,
        config: Arc::clone(&config.borrow()),
        link,
        changes: HostChanges::new(UNHEARD),
        sysctls: Sysctls::default(),
        host_presence: HostPresence::default(),
        presence_channels,
        host: Host::new(),
        neighbours: Neighbours::new(),
        vips: Vips::new(),
        record,
        conflicting,
        log: ConflictLog::default(),
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

/// Asks once for each VIP, and returns the hosts that answered within some time.
pub(crate) async fn ask(config: Arc<Config>) -> ArpRecord {
    let places = u32::try_from(vips(&config).len()).unwrap_or(u32::MAX);
    let asked = SPREAD.saturating_mul(places).min(PERIOD);
    let record = Arc::new(Shared::new(ArpRecord::default()));
    let (_never_changes, newest) = watch::channel(config);
    let (conflicting, _) = watch::channel(ArpConflicts::new());
    let (_nobody, unresponsive) = watch::channel(BTreeSet::new());
    let (present, _) = watch::channel(BTreeSet::new());
    let presence_channels = HostPresenceChannels {
        unresponsive,
        present,
    };
    let (_not_watched, link) = watch::channel(None);
    let record_of = Arc::clone(&record);
    let audit = run(
        newest,
        Announcing::Nothing,
        link,
        record_of,
        conflicting,
        presence_channels,
    );
    // The task does not end while its configuration may change.
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
    host_presence: HostPresence,
    presence_channels: HostPresenceChannels,
    host: Host,
    neighbours: Neighbours,
    vips: Vips,
    record: Arc<Shared<ArpRecord>>,
    conflicting: watch::Sender<ArpConflicts>,
    log: ConflictLog,
}

impl Auditor {
    fn watch(&mut self, config: &Arc<Config>, vips: Vips, now: Instant) {
        self.config = Arc::clone(config);
        self.audit.watch(&vips, now);
        self.announcements
            .refresh(config.director.garp_refresh, now);
        self.vips = vips;
        self.publish();
    }

    /// Asks and receives until the link fails.
    async fn listen(&mut self, interface: &str) -> ArpError {
        match ArpLink::open(&mut self.host, interface).await {
            Ok(link) => match self.listen_on(&link).await {
                Ok(never) => match never {},
                Err(error) => error,
            },
            Err(error) => error,
        }
    }

    async fn listen_on(&mut self, link: &ArpLink) -> Result<std::convert::Infallible, ArpError> {
        let mut own = self.own_addresses(link, clock::monotonic()).await?;
        let mut own_until = clock::monotonic() + PERIOD;
        self.succeeded();
        loop {
            let now = clock::monotonic();
            if now >= own_until {
                own = self.own_addresses(link, now).await?;
                own_until = now + PERIOD;
            }
            // An answer that has arrived counts before an announcement is sent.
            for _ in 0..AT_ONCE {
                match link.try_recv()? {
                    Some(message) => self.receive(&own, &message),
                    None => break,
                }
            }
            self.publish();
            let down = self.link.borrow_and_update().is_some();
            self.announcements.link(down, now);
            self.send(link, &own, now)?;
            self.look_up().await;
            self.publish();
            self.log.write_due(now);
            self.send_present();
            let deadlines = [
                self.audit.next_deadline(),
                self.host_presence.next_deadline(),
                self.announcements.next_deadline(),
                self.log.next_deadline(),
            ];
            let deadlines = deadlines.into_iter().flatten();
            let deadline = deadlines.fold(own_until, Instant::min);
            tokio::select! {
                message = link.recv() => {
                    self.receive(&own, &message?);
                }
                Ok(()) = self.presence_channels.unresponsive.changed() => {}
                Ok(()) = self.link.changed() => {}
                () = self.changes.changed() => {
                    own_until = own_until.min(clock::monotonic() + DEBOUNCE);
                }
                () = sleep(deadline.saturating_duration_since(clock::monotonic())) => {}
            }
        }
    }

    fn receive(&mut self, own: &OwnAddresses, message: &NeighbourMessage) {
        if !own.has(message.from) {
            let now = clock::monotonic();
            self.audit.receive(message, now);
            self.host_presence.receive(message, now);
        }
    }

    /// Sends what is to be sent now.
    fn send(&mut self, link: &ArpLink, own: &OwnAddresses, now: Instant) -> Result<(), ArpError> {
        self.host_presence.watch(
            &self.presence_channels.unresponsive.borrow_and_update(),
            now,
        );
        let mut questions = self.audit.questions(now);
        let presence = self.host_presence.questions(now).into_iter();
        questions.extend(presence.filter(|address| own.is_on_link(*address)));
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

    /// The addresses of this host, which decide as well which VIPs are announced
    /// and which are left to another host.
    async fn own_addresses(
        &mut self,
        link: &ArpLink,
        now: Instant,
    ) -> Result<OwnAddresses, ArpError> {
        let is_vip = |address| self.vips.contains_key(&address);
        let own = link.own_addresses(&mut self.host, is_vip).await?;
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

    /// Whether this host has the VIP where the agent puts it, and answers questions
    /// for it on the link. With IPv4, a host answers for addresses of its other
    /// interfaces unless `arp_ignore` forbids that; with IPv6, it does not.
    fn is_announced(&self, vip: IpAddr, interface: &str, own: &OwnAddresses) -> bool {
        let held = own.interfaces_with(vip).any(|held| held == interface);
        let link = self.config.director.link.as_deref();
        let answered = link.is_some_and(|link| {
            link == interface || vip.is_ipv4() && !self.ignores_others_addresses(link)
        });
        self.announcing == Announcing::Vips && held && answered
    }

    /// Whether the kernel ignores questions on this interface for addresses of other interfaces.
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

    /// Waits before the link is tried again, but no longer than until it is back.
    async fn pause(&mut self) {
        self.log.write_due(clock::monotonic());
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

    fn send_present(&self) {
        let present = self.host_presence.present();
        self.presence_channels.present.send_if_modified(|before| {
            let modified = *before != present;
            *before = present;
            modified
        });
    }

    /// Publishes what changed.
    fn publish(&mut self) {
        let Some((conflicts, peers)) = self.audit.take_changed() else {
            return;
        };
        let claimed = conflicts.keys().map(|(vip, _)| *vip).collect();
        let now = clock::monotonic();
        self.announcements.conflicts(claimed, now);
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
            let name = |rip: IpAddr| Some((rip, name_of(&self.config, vip, rip)?));
            let conflict = ConflictRecord {
                since: known.map_or_else(clock::wall, |known| known.since),
                real_servers: found.into_iter().filter_map(name).collect(),
            };
            if known.is_none_or(|known| known.real_servers != conflict.real_servers) {
                self.log.begun(vip, mac, &conflict, now);
            }
            record.vips.entry(vip).or_default().insert(mac, conflict);
        }
        for (vip, conflicts) in before {
            let left = record.vips.get(&vip);
            for (mac, conflict) in conflicts {
                if left.is_some_and(|left| !left.contains_key(&mac)) {
                    self.log.over(vip, mac, &conflict, now);
                }
            }
        }
        let conflicting = record.conflicting();
        self.conflicting.send_if_modified(|before| {
            let modified = *before != conflicting;
            *before = conflicting;
            modified
        });
    }

    fn succeeded(&self) {
        self.record.lock().error = None;
    }

    /// The last findings stay in effect until the link can be used again.
    fn failed(&self, error: &ArpError) {
        self.record.lock().error = Some(error_chain(error));
    }
}
