//! A virtual service with its real servers.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::address::shown_address;
use super::forwarding::{tunnel_of, with_tunnel};
use super::real_server::RealServerStatus;
use crate::model::{ServiceKey, Watching};
use crate::status::{RealServerRecord, ServiceRecord};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceStatus {
    pub(crate) name: String,
    /// VIP and port; `None` of a service by firewall mark.
    pub(crate) address: Option<String>,
    /// Only of a service by firewall mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fwmark: Option<u32>,
    /// Only of a service by firewall mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<String>,
    /// `None` of a service by firewall mark, which takes any.
    pub(crate) protocol: Option<String>,
    pub(crate) scheduler: String,
    pub(crate) forwarding: String,
    /// What a tunnel is made of, as `plan` shows it; left out of another forwarding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tunnel: Option<String>,
    pub(crate) quorum: QuorumStatus,
    /// Whether failing real servers serve, because too few others are up.
    pub(crate) fail_open: bool,
    pub(crate) real_servers: Vec<RealServerStatus>,
    /// The real servers of weight 0 whose clients the scheduler refuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) refused_clients_of: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sorry_server: Option<SorryServerStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct QuorumStatus {
    pub(crate) weight: u32,
    pub(crate) hysteresis: u32,
    pub(crate) met: bool,
}

impl Default for QuorumStatus {
    /// An agent that does not tell has no quorum to lose.
    fn default() -> Self {
        Self {
            weight: 0,
            hysteresis: 0,
            met: true,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SorryServerStatus {
    /// Whether it serves in place of the real servers.
    pub(crate) active: bool,
    #[serde(flatten)]
    pub(crate) server: RealServerStatus,
}

impl ServiceStatus {
    /// The service with the real servers that are included.
    pub(crate) fn of(
        record: &ServiceRecord,
        is_included: impl Fn(&RealServerRecord) -> bool,
    ) -> Self {
        let (address, fwmark, family, protocol) = match record.key {
            ServiceKey::Address { protocol, address } => (
                Some(address.to_string()),
                None,
                None,
                Some(protocol.to_string()),
            ),
            ServiceKey::Fwmark { mark, family } => {
                (None, Some(mark.get()), Some(family.to_string()), None)
            }
        };
        let pool = *record.pool.lock();
        let sorry_server = record.sorry_server.as_deref();
        let real_servers = record.real_servers.iter();
        let real_servers: Vec<_> = real_servers
            .filter(|real_server| is_included(real_server))
            .map(|real_server| RealServerStatus::of(record, real_server))
            .collect();
        let refused = real_servers.iter().filter(|server| {
            let weight = &server.weight;
            record.refuses_clients && weight.configured > 0 && weight.kernel == Some(0)
        });
        Self {
            refused_clients_of: refused.map(|server| server.name.clone()).collect(),
            name: record.name.to_string(),
            address,
            fwmark,
            family,
            protocol,
            scheduler: record.scheduler.to_string(),
            forwarding: record.forwarding.to_string(),
            tunnel: tunnel_of(record.forwarding),
            quorum: QuorumStatus {
                weight: pool.quorum,
                hysteresis: pool.hysteresis,
                met: pool.status.quorum_met,
            },
            fail_open: pool.status.fail_open,
            real_servers,
            sorry_server: sorry_server
                .filter(|one| is_included(one))
                .map(|sorry_server| SorryServerStatus {
                    active: pool.status.sorry_serves,
                    server: RealServerStatus::of(record, sorry_server),
                }),
        }
    }

    /// Leaves out the real servers with which nothing is wrong; see
    /// [`RealServerStatus::has_problem`]. Those for which `watch` is of no use stay, since a
    /// warning is about them. Returns whether something is wrong with the service.
    pub(crate) fn keep_problems(&mut self, patience: Duration, now: SystemTime) -> bool {
        let real_servers = &mut self.real_servers;
        let is_kept =
            |one: &RealServerStatus| one.has_problem(patience, now) || one.watch_is_useless();
        real_servers.retain(is_kept);
        let sorry_server = self.sorry_server.take();
        self.sorry_server = sorry_server.filter(|one| one.active || is_kept(&one.server));
        self.servers().next().is_some() || !self.warnings().is_empty()
    }

    /// What is not as it should be with the pool as a whole, for people.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let active = self.sorry_server.as_ref().is_some_and(|s| s.active);
        let warnings = [
            (!self.quorum.met, "quorum lost"),
            (active, "the sorry server serves"),
            (
                self.fail_open,
                "failing open: failing real servers serve, too",
            ),
        ];
        let true_ones = warnings.into_iter().filter(|(is_so, _)| *is_so);
        let warnings = true_ones.map(|(_, warning)| warning.to_owned());
        let refused = (!self.refused_clients_of.is_empty()).then(|| {
            format!(
                "the scheduler {} refuses the clients of {}, until {} weight again: \
                 `scheduler_flags: [fallback]` gives them to others",
                self.scheduler,
                self.refused_clients_of.join(", "),
                if self.refused_clients_of.len() == 1 {
                    "it has"
                } else {
                    "they have"
                },
            )
        });
        warnings.chain(refused).chain(self.unwatched()).collect()
    }

    /// The real servers for which `watch` is of no use, a sentence for each reason.
    fn unwatched(&self) -> impl Iterator<Item = String> {
        /// As many names as a person reads on a line.
        const NAMES: usize = 5;
        Watching::USELESS.into_iter().filter_map(|state| {
            let (shown, reason) = (state.as_str(), state.reason()?);
            let servers = self.servers();
            let servers = servers.filter(|server| server.watch.as_deref() == Some(shown));
            let names: Vec<_> = servers.map(|server| server.name.as_str()).collect();
            let (first, others) = names.split_at(names.len().min(NAMES));
            let more = match others.len() {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            let first = first.join(", ");
            (!names.is_empty()).then(|| format!("`watch` is of no use for {first}{more}: {reason}"))
        })
    }

    /// The real servers with which something is wrong: the name, the diagnosis
    /// and the fix, for people.
    pub(crate) fn fixes(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.servers().filter_map(|server| {
            let diagnosis = server.diagnosis.as_deref()?;
            Some((server.name.as_str(), diagnosis, server.fix.as_deref()?))
        })
    }

    /// The same as lines; beyond the first few of a diagnosis, a number. While
    /// all weights are frozen, the director is at fault, and no real server is blamed.
    pub(crate) fn fix_lines(&self, is_frozen: bool) -> Vec<String> {
        /// Of one diagnosis.
        const LINES: usize = 5;
        let mut lines = Vec::new();
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for (real_server, diagnosis, fix) in self.fixes().filter(|_| !is_frozen) {
            let number = numbers.entry(diagnosis).or_default();
            *number += 1;
            if *number <= LINES {
                lines.push(format!("{real_server}: {diagnosis}; fix: {fix}"));
            }
        }
        let more = numbers.into_iter().filter(|(_, number)| *number > LINES);
        let more = more.map(|(diagnosis, number)| format!("{} more: {diagnosis}", number - LINES));
        lines.extend(more);
        lines
    }

    /// The real servers, and after them the sorry server.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &RealServerStatus> {
        let sorry_server = self.sorry_server.iter();
        let sorry_server = sorry_server.map(|sorry_server| &sorry_server.server);
        self.real_servers.iter().chain(sorry_server)
    }

    /// How packets reach the real servers that have no forwarding of their own, for people.
    pub(crate) fn forwarding_and_tunnel(&self) -> String {
        with_tunnel(&self.forwarding, self.tunnel.as_ref())
    }

    /// What the kernel knows it by, for people.
    pub(crate) fn key(&self) -> String {
        let part = |part: &Option<String>| part.as_deref().unwrap_or("?").to_owned();
        match self.fwmark {
            Some(mark) => format!("fwmark {mark} {}", part(&self.family)),
            None => format!(
                "{} {}",
                part(&self.protocol),
                shown_address(&part(&self.address))
            ),
        }
    }
}
