//! Messages and frames as the kernel hands them over, for `tests/fuzz`.

use std::collections::BTreeMap;

use neli::types::Buffer;

use super::{address, arp, attributes, host, ipvs, listeners, neighbours, tap};
use crate::model::Protocol;

pub(crate) use super::arp::heard;

/// One message of IPVS or rtnetlink, which the first byte chooses.
pub fn netlink(bytes: &[u8]) {
    let Some((kind, message)) = bytes.split_first() else {
        return;
    };
    let buffer = || Buffer::from(message.to_vec());
    match kind % 10 {
        0 => drop(address::Found::decode(&buffer())),
        1 => drop(neighbours::decode(&buffer())),
        2 => drop(host::interface(message)),
        3 => drop(host::host_address(message, &BTreeMap::from([(1, "lo")]))),
        4 => drop(host::mark_rule(message)),
        5 => {
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
                drop(listeners::decode(message, protocol));
            }
        }
        6 => {
            let _ends = tap::ends(message);
        }
        7 => {
            if let Ok(found) = attributes::attributes(message, 0) {
                let all: usize = found.values().map(|payload| payload.len()).sum();
                assert!(all <= message.len());
            }
        }
        _ => ipvs::fuzzing::message(message),
    }
}

/// One frame of the link.
pub fn frame(bytes: &[u8]) {
    let _heard = arp::heard(bytes);
}
