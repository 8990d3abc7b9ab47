//! What to do about a diagnosis, in words and commands that need no filling in,
//! but for an interface that another command shows.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{Fix, arp_conflict_fix};
use crate::model::{Diagnosis, Forwarding, LocalAddress, Protocol, ServiceKey};
use crate::readiness::Lack;

/// Where the real server stands that a diagnosis is of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The service in which it serves.
    pub(crate) service: ServiceKey,
    pub(crate) forwarding: Forwarding,
    pub(crate) real_server: IpAddr,
    /// Where its check asks; 0 where that is no port.
    pub(crate) port: u16,
}

/// What mends something, written when it is shown: a sentence, whose commands
/// stand between backquotes.
#[derive(Debug, Clone)]
pub(crate) struct Mend {
    diagnosis: Diagnosis,
    place: Place,
    /// What the newest probe that counts has found to be done.
    found: Option<Arc<Fix>>,
}

impl Mend {
    /// The same, where the newest probe says more than the diagnosis.
    pub(crate) fn found(self, found: Option<Arc<Fix>>) -> Self {
        Self { found, ..self }
    }
}

impl Diagnosis {
    /// What to do about it, where and by which command; `None` where nothing
    /// is wrong.
    pub(crate) fn mend(self, place: Place) -> Option<Mend> {
        (self != Self::Ok).then_some(Mend {
            diagnosis: self,
            place,
            found: None,
        })
    }
}

impl Place {
    /// VIP and port, where there is a VIP: a firewall mark has none.
    fn asked(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.service.vip()?, self.port))
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let real_server = self.place.real_server;
        if let Some(found) = &self.found
            && self.diagnosis.is_as_found()
        {
            return write!(f, "{}", found.for_real_server(real_server));
        }
        match self.diagnosis {
            Diagnosis::Ok => f.write_str("nothing"),
            Diagnosis::ApplicationDown => self.application_down(f),
            Diagnosis::VipMissing => self.vip_missing(f),
            Diagnosis::NotListeningOnVip => {
                write!(f, "on {real_server}, ")?;
                let Some(address) = self.place.asked() else {
                    return f.write_str("let the server listen on all addresses: `ss -ltnp`");
                };
                let lack = Lack::Listener {
                    protocol: Protocol::Tcp,
                    address,
                    elsewhere: BTreeSet::new(),
                };
                f.write_str(&lack.mend())
            }
            Diagnosis::PathFiltered => {
                write!(f, "let packets to {real_server}")?;
                if let (Some(asked), Forwarding::Direct | Forwarding::Tunnel(_)) =
                    (self.place.asked(), self.place.forwarding)
                {
                    write!(f, ", and there to {asked},")?;
                }
                f.write_str(
                    " pass: `nft list ruleset` on it, on this director and on what is between them",
                )?;
                if matches!(self.place.forwarding, Forwarding::Tunnel(_)) {
                    f.write_str(
                        "; or nobody unpacks the tunnel there: `lvs-agent doctor --real-server`",
                    )?;
                }
                Ok(())
            }
            Diagnosis::ArpConflict => {
                write!(f, "on {real_server}, ")?;
                match self.place.service.vip() {
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

impl Mend {
    /// Refused, or silent though the host is there: what else may be wrong with
    /// an application, the probe says.
    fn application_down(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place {
            real_server, port, ..
        } = self.place;
        write!(
            f,
            "on {real_server}, see whether the service runs: `ss -ltnup"
        )?;
        if port != 0 {
            write!(f, " 'sport = :{port}'")?;
        }
        f.write_str("` and its log; if it does, what a firewall there drops: `nft list ruleset`")
    }

    /// Not on lo, dropped on the way in, or never unpacked: the VIP is as
    /// silent in each case.
    fn vip_missing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on {}, ", self.place.real_server)?;
        let Some(asked) = self.place.asked() else {
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
        if let Forwarding::Tunnel(_) = self.place.forwarding {
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
