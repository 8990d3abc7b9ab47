//! What to do about a diagnosis, in words and commands that need no filling in,
//! but for an interface that another command shows.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{Fix, arp_conflict_fix};
use crate::model::{Diagnosis, Forwarding, LocalAddress, Protocol, ServiceKey};
use crate::readiness::ReadinessIssue;

/// The real server that a diagnosis is about, in one virtual service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiagnosisSubject {
    /// The virtual service of the real server.
    pub(crate) service: ServiceKey,
    pub(crate) forwarding: Forwarding,
    pub(crate) real_server: IpAddr,
    /// The port of the check; 0 if the check has no port.
    pub(crate) port: u16,
}

/// The fix of a diagnosis, formatted on display: one sentence, with commands
/// between backquotes.
#[derive(Debug, Clone)]
pub(crate) struct DiagnosisFix {
    diagnosis: Diagnosis,
    subject: DiagnosisSubject,
    /// The fix that the newest reliable probe suggests.
    probe_fix: Option<Arc<Fix>>,
}

impl DiagnosisFix {
    /// The same fix, with the more precise one that the newest probe suggests.
    pub(crate) fn with_probe_fix(self, probe_fix: Option<Arc<Fix>>) -> Self {
        Self { probe_fix, ..self }
    }
}

impl Diagnosis {
    /// The host and the command that fix the diagnosis; `None` for
    /// [`Diagnosis::Ok`].
    pub(crate) fn fix(self, subject: DiagnosisSubject) -> Option<DiagnosisFix> {
        (self != Self::Ok).then_some(DiagnosisFix {
            diagnosis: self,
            subject,
            probe_fix: None,
        })
    }
}

impl DiagnosisSubject {
    /// VIP and port of the check; `None` for a service by firewall mark.
    fn vip_address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.service.vip()?, self.port))
    }
}

impl fmt::Display for DiagnosisFix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let real_server = self.subject.real_server;
        if let Some(probe_fix) = &self.probe_fix
            && self.diagnosis.is_as_found()
        {
            return write!(f, "{}", probe_fix.for_real_server(real_server));
        }
        match self.diagnosis {
            Diagnosis::Ok => f.write_str("nothing"),
            Diagnosis::ApplicationDown => self.application_down(f),
            Diagnosis::VipMissing => self.vip_missing(f),
            Diagnosis::NotListeningOnVip => {
                write!(f, "on {real_server}, ")?;
                let Some(address) = self.subject.vip_address() else {
                    return f.write_str("let the server listen on all addresses: `ss -ltnp`");
                };
                let lack = ReadinessIssue::Listener {
                    protocol: Protocol::Tcp,
                    address,
                    elsewhere: BTreeSet::new(),
                };
                f.write_str(&lack.fix())
            }
            Diagnosis::PathFiltered => {
                write!(f, "let packets to {real_server}")?;
                if let (Some(asked), Forwarding::Direct | Forwarding::Tunnel(_)) =
                    (self.subject.vip_address(), self.subject.forwarding)
                {
                    write!(f, ", and there to {asked},")?;
                }
                f.write_str(
                    " pass: `nft list ruleset` on it, on this director and on what is between them",
                )?;
                if matches!(self.subject.forwarding, Forwarding::Tunnel(_)) {
                    f.write_str(
                        "; or nobody unpacks the tunnel there: `lvs-agent doctor --real-server`",
                    )?;
                }
                Ok(())
            }
            Diagnosis::ArpConflict => {
                write!(f, "on {real_server}, ")?;
                match self.subject.service.vip() {
                    Some(vip) => f.write_str(&arp_conflict_fix(vip)),
                    None => f.write_str("`lvs-agent doctor --real-server`"),
                }
            }
            Diagnosis::Unreachable => write!(
                f,
                "see whether {real_server} runs and is on the network: `ping -c 3 {real_server}` \
                 and `ip neighbour show to {real_server}` on this director; beyond a router, \
                 a firewall that drops everything looks the same"
            ),
            Diagnosis::Unverified => f.write_str(
                "the last probe in `lvs-agent status` says what this director cannot do, and why",
            ),
        }
    }
}

impl DiagnosisFix {
    /// The port refuses, or does not reply although the host is present. The
    /// probe names any other fault of an application.
    fn application_down(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DiagnosisSubject {
            real_server, port, ..
        } = self.subject;
        write!(
            f,
            "on {real_server}, see whether the service runs: `ss -ltnup"
        )?;
        if port != 0 {
            write!(f, " 'sport = :{port}'")?;
        }
        f.write_str("` and its log; if it does, what a firewall there drops: `nft list ruleset`")
    }

    /// The VIP is not on lo, a firewall drops its packets, or no tunnel
    /// interface decapsulates them: a probe sees no reply in each case.
    fn vip_missing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on {}, ", self.subject.real_server)?;
        let Some(asked) = self.subject.vip_address() else {
            return f.write_str(
                "see with `lvs-agent doctor --real-server` whether its VIPs are on lo and let in",
            );
        };
        let vip = LocalAddress {
            interface: "lo".to_owned(),
            address: asked.ip(),
        };
        write!(
            f,
            "`{}` if it does not have the VIP; if it has, a firewall there drops packets to \
             {asked} (`nft list ruleset`)",
            vip.command()
        )?;
        if let Forwarding::Tunnel(_) = self.subject.forwarding {
            f.write_str(", or no tunnel interface unpacks them (`ip -d link`)")?;
        }
        f.write_str(
            "; `lvs-agent doctor --real-server` there tells which, as does a check of the kind \
             `agent`",
        )
    }
}

#[cfg(test)]
mod tests;
