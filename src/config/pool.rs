//! The keys of a virtual service about recovery and pool safety.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Forwarding, RealServerKey, ServiceKey, Weight};

use super::check::{check, via_allowed_by};
use super::fields::Fields;
use super::node::{Content, Entry, Located, Location};
use super::problem::{Problems, Read};
use super::scalar::Value;
use super::{Check, OnFailure, Pool, SorryServer};

/// The keys that stand beside the others of a virtual service.
pub(super) const KEYS: [&str; 7] = [
    "slow_start",
    "flap_damping",
    "quorum",
    "hysteresis",
    "fail_open_below",
    "sorry_server",
    "on_failure",
];
const SLOW_START: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// The pool's keys as they were read.
pub(super) struct PoolDraft {
    slow_start: Read<Duration>,
    flap_damping: Read<bool>,
    /// `None` for the default.
    pub(super) quorum: Read<Option<Located<u32>>>,
    /// `None` for the default.
    pub(super) hysteresis: Read<Option<Located<u32>>>,
    fail_open_below: Read<Option<u8>>,
    pub(super) sorry_server: Read<Option<SorryServerDraft>>,
    on_failure: Read<Option<OnFailure>>,
}

/// A sorry server as it was read.
pub(super) struct SorryServerDraft {
    pub(super) location: Location,
    pub(super) address: Read<Located<IpAddr>>,
    /// `None` for the service's.
    pub(super) port: Read<Option<Located<u16>>>,
    /// `None` for the service's.
    pub(super) check: Read<Option<Check>>,
}

/// Of the virtual service with this VIP, where it has one.
pub(super) fn pool(
    fields: &Fields<'_>,
    vip: Option<IpAddr>,
    forwarding: Read<Forwarding>,
    problems: &mut Problems,
) -> PoolDraft {
    let slow_start = fields.or_default("slow_start", Duration::ZERO, |value| {
        value.duration(SLOW_START, problems)
    });
    let flap_damping = fields.or_default("flap_damping", true, |value| {
        let hint = "write `flap_damping: false` to switch it off";
        match value.node.content() {
            Content::Bool(on) => Ok(*on),
            Content::Null
            | Content::Number(_)
            | Content::Text(_)
            | Content::Sequence(_)
            | Content::Mapping(_) => Err(value.wrong("`true` or `false`", hint, problems)),
        }
    });
    let mut weight = |key, least, default| {
        fields.or_default(key, None, |value| {
            let location = value.node.location;
            let value = value.integer(least..=Weight::MAX.get(), default, problems)?;
            Ok(Some(Located { value, location }))
        })
    };
    let quorum = weight("quorum", 1, "1");
    let hysteresis = weight("hysteresis", 0, "0");
    let fail_open_below = fields.or_default("fail_open_below", None, |value| {
        let wanted = "a share from 1% to 100%";
        let hint = "write it like `30%`";
        let text = value.text(wanted, hint, problems)?;
        let percent = text.strip_suffix('%').and_then(|text| text.parse().ok());
        match percent.filter(|percent| (1..=100).contains(percent)) {
            Some(percent) => Ok(Some(percent)),
            None => Err(value.wrong(wanted, hint, problems)),
        }
    });
    let sorry_server = fields.or_default("sorry_server", None, |value| {
        sorry_server(value, vip, forwarding, problems).map(Some)
    });
    let on_failure = fields.or_default("on_failure", None, |value| {
        let words = [
            ("quiesce", Some(OnFailure::Quiesce)),
            ("remove", Some(OnFailure::Remove)),
            ("reset", Some(OnFailure::Reset)),
        ];
        let hint = "quiesce sets weight 0, remove takes the real server out of the table until \
                    it passes, reset ends its connections as well where nothing answers";
        value.choice(&words, hint, problems)
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
    vip: Option<IpAddr>,
    forwarding: Read<Forwarding>,
    problems: &mut Problems,
) -> Read<SorryServerDraft> {
    let what = "a sorry server";
    let fields = Fields::read(value.node, what, &["address", "port", "check"], problems)?;
    let hint = "add a line like `address: 192.168.11.30`";
    let address = fields
        .required("address", what, hint, problems)
        .and_then(|entry| {
            let value = Value::of(entry).host_address(problems)?;
            let location = entry.value.location;
            Ok(Located { value, location })
        });
    let port = fields.or_default("port", None, |value| {
        let location = value.node.location;
        let value = value.integer(1..=u16::MAX, "80", problems)?;
        Ok(Some(Located { value, location }))
    });
    let own = |entry: &Entry| {
        via_allowed_by(forwarding, Some(entry), problems)?;
        check(Some(entry), vip, problems)
    };
    let check = fields
        .optional("check")
        .and_then(|entry| entry.map(own).transpose());
    Ok(SorryServerDraft {
        location: fields.location,
        address,
        port,
        check,
    })
}

impl PoolDraft {
    /// The pool of a service with this port and check, if nothing of it is missing.
    pub(super) fn finish(
        self,
        service: ServiceKey,
        service_port: u16,
        check: &Arc<Check>,
    ) -> Read<Pool> {
        let value = |number: Option<Located<u32>>| number.map(|number| number.value);
        let default = Pool::default();
        let sorry_server = self
            .sorry_server?
            .map(|draft| draft.finish(service, service_port, check));
        Ok(Pool {
            slow_start: self.slow_start?,
            flap_damping: self.flap_damping?,
            quorum: value(self.quorum?).unwrap_or(default.quorum),
            hysteresis: value(self.hysteresis?).unwrap_or(default.hysteresis),
            fail_open_below: self.fail_open_below?,
            sorry_server: sorry_server.transpose()?,
            on_failure: self.on_failure?,
        })
    }
}

impl SorryServerDraft {
    fn finish(
        self,
        service: ServiceKey,
        service_port: u16,
        check: &Arc<Check>,
    ) -> Read<SorryServer> {
        let own = |own: Check| Arc::new(own.of_service(service));
        let port = self.port?.map_or(service_port, |port| port.value);
        Ok(SorryServer {
            key: RealServerKey(SocketAddr::new(self.address?.value, port)),
            check: self.check?.map_or_else(|| Arc::clone(check), own),
        })
    }
}
