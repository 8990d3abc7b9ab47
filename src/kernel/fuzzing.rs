//! Messages and frames as the kernel hands them over, for `tests/fuzz`.

use super::attributes::{GenericAttributes, RouteAttributes};
use super::{arp, host, ipvs, listeners, neighbours, packet_capture};
use crate::model::Protocol;

pub(crate) use super::arp::decode;

/// One message of IPVS or rtnetlink, which the first byte chooses.
pub fn netlink(bytes: &[u8]) {
    let Some((kind, message)) = bytes.split_first() else {
        return;
    };
    match kind % 10 {
        0 => drop(host::held_address(message)),
        1 => drop(neighbours::neighbour(message)),
        2 => drop(host::link(message)),
        3 => drop(host::way(message)),
        4 => drop(host::mark_rule(message)),
        5 => {
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
                drop(listeners::listener(message, protocol));
            }
        }
        6 => {
            let _ends = packet_capture::ends(message);
        }
        7 => {
            drop(RouteAttributes::<u16>::within(message));
            drop(GenericAttributes::<u16>::within(message));
        }
        _ => ipvs::fuzzing::message(message),
    }
}

/// One frame of the link.
pub fn frame(bytes: &[u8]) {
    let _message = arp::decode(bytes);
}
