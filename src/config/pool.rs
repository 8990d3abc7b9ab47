//! The keys of a virtual service about recovery and pool safety.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Forwarding, Protocol, RealServerKey, ServiceKey};

use super::check::WrittenCheck;
use super::declaration::{SHARE, SORRY_SERVER};
use super::fields::Fields;
use super::node::{Entry, Located, Location};
use super::problem::{Parsed, Problems};
use super::real_server_entry::{OwnCheck, read_own};
use super::scalar::Value;
use super::{Check, OnFailure, Pool, SorryServer, ipvs};

/// The pool's keys as they were read.
pub(super) struct PoolDraft {
    slow_start: Parsed<Option<Duration>>,
    flap_damping: Parsed<bool>,
    /// `None` for the default.
    pub(super) quorum: Parsed<Option<Located<u32>>>,
    /// `None` for the default.
    pub(super) hysteresis: Parsed<Option<Located<u32>>>,
    pub(super) fail_open_below: Parsed<Option<Located<u8>>>,
    pub(super) sorry_server: Parsed<Option<SorryServerDraft>>,
    pub(super) on_failure: Parsed<Option<Located<OnFailure>>>,
}

/// A sorry server as it was read.
pub(super) struct SorryServerDraft {
    pub(super) location: Location,
    pub(super) address: Parsed<Located<IpAddr>>,
    /// `None` for the service's.
    pub(super) port: Parsed<Option<Located<u16>>>,
    /// `None` for the service's.
    pub(super) forwarding: Parsed<Option<Located<Forwarding>>>,
    /// `None` for the service's.
    pub(super) check: Parsed<Option<OwnCheck>>,
}

/// Of the virtual service with this key.
pub(super) fn pool(
    fields: &Fields<'_>,
    service: Parsed<ServiceKey>,
    forwarding: Parsed<Forwarding>,
    problems: &mut Problems,
) -> PoolDraft {
    let slow_start = fields.maybe("slow_start", |value| value.duration(problems));
    let flap_damping = fields.truth("flap_damping", problems);
    let mut weight = |key| {
        fields.maybe(key, |value| {
            let location = value.node.location;
            let value = value.integer(problems)?;
            Ok(Located { value, location })
        })
    };
    let quorum = weight("quorum");
    let hysteresis = weight("hysteresis");
    let fail_open_below = fields.maybe("fail_open_below", |value| {
        let percent = |text: &str| text.strip_suffix('%')?.parse().ok();
        let share = |text: &str| percent(text).filter(|percent| (1..=100).contains(percent));
        Ok(Located {
            value: value.read(SHARE, share, problems)?,
            location: value.node.location,
        })
    });
    let sorry_server = fields.maybe("sorry_server", |value| {
        sorry_server(value, service, forwarding, problems)
    });
    let on_failure = fields.maybe("on_failure", |value| {
        let location = value.node.location;
        let value = value.choice(problems)?;
        Ok(Located { value, location })
    });
    PoolDraft {
        slow_start,
        flap_damping,
        quorum,
        hysteresis,
        fail_open_below,
        sorry_server,
        on_failure,
    }
}

fn sorry_server(
    value: Value<'_>,
    service: Parsed<ServiceKey>,
    forwarding: Parsed<Forwarding>,
    problems: &mut Problems,
) -> Parsed<SorryServerDraft> {
    let fields = Fields::read(value.node, &SORRY_SERVER, problems)?;
    let address = fields.value("address", problems).and_then(|value| {
        let location = value.node.location;
        let value = value.host_address(problems)?;
        Ok(Located { value, location })
    });
    let port = fields.maybe("port", |value| {
        let location = value.node.location;
        let value = value.integer(problems)?;
        Ok(Located { value, location })
    });
    let own_forwarding = ipvs::own_forwarding(&fields, forwarding, problems);
    let forwarding = own_forwarding.and_then(|own| own.map_or(forwarding, |own| Ok(own.value)));
    let own = |entry: &Entry| match service {
        Ok(ServiceKey::Address {
            protocol: protocol @ (Protocol::Udp | Protocol::Sctp),
            ..
        }) if !WrittenCheck::alone(Some(entry)).says_kind() => Err(problems.add(
            entry.key.location,
            format!(
                "the sorry server's own check says no kind, and the service is one of {protocol}"
            ),
            "write the whole check, such as `check: { dns: { name: www.example.com } }`, or \
             `check: none`",
        )),
        _ => read_own(entry, service, forwarding, problems),
    };
    let check = fields
        .optional("check")
        .and_then(|entry| entry.map(own).transpose());
    Ok(SorryServerDraft {
        location: fields.location,
        address,
        port,
        forwarding: own_forwarding,
        check,
    })
}

impl PoolDraft {
    /// The pool of a service with this port and check, if nothing of it is missing.
    pub(super) fn finish(self, service_port: u16, check: &Arc<Check>) -> Parsed<Pool> {
        let value = |number: Option<Located<u32>>| number.map(|number| number.value);
        let default = Pool::default();
        let sorry_server = self
            .sorry_server?
            .map(|draft| draft.finish(service_port, check));
        Ok(Pool {
            slow_start: self.slow_start?.unwrap_or(default.slow_start),
            flap_damping: self.flap_damping?,
            quorum: value(self.quorum?).unwrap_or(default.quorum),
            hysteresis: value(self.hysteresis?).unwrap_or(default.hysteresis),
            fail_open_below: self.fail_open_below?.map(|below| below.value),
            sorry_server: sorry_server.transpose()?,
            on_failure: self.on_failure?.map(|on_failure| on_failure.value),
        })
    }
}

impl SorryServerDraft {
    /// The sorry server's forwarding in a service with this one.
    pub(super) fn forwarding_or(&self, of_service: Parsed<Forwarding>) -> Parsed<Forwarding> {
        self.forwarding?.map_or(of_service, |own| Ok(own.value))
    }

    fn finish(self, service_port: u16, check: &Arc<Check>) -> Parsed<SorryServer> {
        let port = self.port?.map_or(service_port, |port| port.value);
        Ok(SorryServer {
            key: RealServerKey(SocketAddr::new(self.address?.value, port)),
            forwarding: self.forwarding?.map(|own| own.value),
            check: self
                .check?
                .map_or_else(|| Arc::clone(check), |own| own.check),
        })
    }
}
