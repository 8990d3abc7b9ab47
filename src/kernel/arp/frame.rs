//! ARP and neighbour discovery as frames: what a question looks like, and
//! what a frame says. Pure.
//!
//! ARP is RFC 826; neighbour solicitation and advertisement are RFC 4861,
//! sections 4.3 and 4.4, with the tests of sections 7.1.1 and 7.1.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::icmpv6::{
    Icmpv6PayloadSlice, NdpOptionSlice, NdpOptionsIterator, NeighborAdvertisementHeader,
};
use etherparse::{
    ArpEthIpv4Packet, ArpHardwareId, ArpOperation, ArpPacket, EtherType, Icmpv6Slice, Icmpv6Type,
    NetSlice, PacketBuilder, SlicedPacket, TransportSlice,
};

use crate::model::MacAddress;

/// To all hosts of the link.
const BROADCAST: [u8; 6] = [0xff; 6];
/// RFC 4861, section 7.1: what has passed a router has less.
const HOP_LIMIT: u8 = 255;
/// All nodes of the link, as an address and as the frame's destination.
const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ALL_NODES_FRAME: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
/// `ND_OPT_TARGET_LL_ADDR` of RFC 4861, section 4.6.1; its length in 8 octets.
const TARGET_LINK_LAYER_ADDRESS: [u8; 2] = [2, 1];
/// `ND_OPT_SOURCE_LL_ADDR` of RFC 4861, section 4.6.1; its length in 8 octets.
const SOURCE_LINK_LAYER_ADDRESS: [u8; 2] = [1, 1];

/// What a frame says about who has which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Whose frame it is, by what it says of its sender.
    pub(crate) from: MacAddress,
    /// The address that the sender says it has.
    pub(crate) claim: Option<Claim>,
    /// The address that the sender asks for.
    pub(crate) question: Option<IpAddr>,
}

/// Somebody says that an address is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) address: IpAddr,
    /// Whether it answers a question, rather than being told unasked.
    pub(crate) answer: bool,
}

/// In whose name to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) mac: MacAddress,
    /// Unspecified where the interface has no address of its own: then it is
    /// a probe of RFC 5227, which enters no cache.
    pub(crate) ipv4: Ipv4Addr,
    /// `None` where the interface has no address to ask from: asked from the
    /// unspecified one, a host would tell its answer to all (RFC 4861, section 7.2.4).
    pub(crate) ipv6: Option<Ipv6Addr>,
}

/// The frame that asks all hosts of the link who has `address`; `None` if
/// there is no address to ask from.
///
/// It names the asker by its own address, never by `address`: no cache learns
/// from it what is not so.
pub(crate) fn question(asker: &Asker, address: IpAddr) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    let MacAddress(mac) = asker.mac;
    match address {
        IpAddr::V4(address) => {
            let (sender, target) = (asker.ipv4.octets(), address.octets());
            let arp = ArpPacket::new(
                ArpHardwareId::ETHERNET,
                EtherType::IPV4,
                ArpOperation::REQUEST,
                &mac,
                &sender,
                &[0; 6],
                &target,
            );
            let frame_of = PacketBuilder::ethernet2(mac, BROADCAST).arp(arp.ok()?);
            frame_of.write(&mut frame).ok()?;
        }
        IpAddr::V6(address) => {
            let [.., a, b, c] = address.octets();
            let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
            let mut body = address.octets().to_vec();
            body.extend(SOURCE_LINK_LAYER_ADDRESS);
            body.extend(mac);
            PacketBuilder::ethernet2(mac, [0x33, 0x33, 0xff, a, b, c])
                .ipv6(asker.ipv6?.octets(), group.octets(), HOP_LIMIT)
                .icmpv6(Icmpv6Type::NeighborSolicitation)
                .write(&mut frame, &body)
                .ok()?;
        }
    }
    Some(frame)
}

/// The frame that tells all hosts of the link that `mac` has `address`: an
/// announcement of RFC 5227, section 3, or an unsolicited neighbour
/// advertisement of RFC 4861, section 7.2.6, which overrides what is cached.
/// `router` says whether the host forwards packets of IPv6.
pub(crate) fn announcement(mac: MacAddress, address: IpAddr, router: bool) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    let MacAddress(mac) = mac;
    match address {
        IpAddr::V4(address) => {
            let address = address.octets();
            let arp = ArpPacket::new(
                ArpHardwareId::ETHERNET,
                EtherType::IPV4,
                ArpOperation::REQUEST,
                &mac,
                &address,
                &[0; 6],
                &address,
            );
            let frame_of = PacketBuilder::ethernet2(mac, BROADCAST).arp(arp.ok()?);
            frame_of.write(&mut frame).ok()?;
        }
        IpAddr::V6(address) => {
            let mut body = address.octets().to_vec();
            body.extend(TARGET_LINK_LAYER_ADDRESS);
            body.extend(mac);
            let header = NeighborAdvertisementHeader {
                router,
                solicited: false,
                r#override: true,
            };
            PacketBuilder::ethernet2(mac, ALL_NODES_FRAME)
                .ipv6(address.octets(), ALL_NODES, HOP_LIMIT)
                .icmpv6(Icmpv6Type::NeighborAdvertisement(header))
                .write(&mut frame, &body)
                .ok()?;
        }
    }
    Some(frame)
}

/// What a frame says; `None` if that is nothing about neighbours, or not whole.
pub(crate) fn heard(frame: &[u8]) -> Option<Heard> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    match packet.net? {
        NetSlice::Arp(arp) => heard_in_arp(&ArpPacket::from_slice(arp.slice()).ok()?),
        NetSlice::Ipv6(ipv6) => {
            let header = ipv6.header();
            let Some(TransportSlice::Icmpv6(message)) = packet.transport else {
                return None;
            };
            let valid = header.hop_limit() == HOP_LIMIT
                && message.code_u8() == 0
                && message.is_checksum_valid(header.source(), header.destination());
            if !valid {
                return None;
            }
            heard_in_icmpv6(&message, header.source_addr())
        }
        NetSlice::Ipv4(_) => None,
    }
}

fn heard_in_arp(packet: &ArpPacket) -> Option<Heard> {
    let arp: ArpEthIpv4Packet = packet.try_eth_ipv4().ok()?;
    let (sender, target) = (arp.sender_ipv4_addr(), arp.target_ipv4_addr());
    // Whoever asks for its own address tells of it: a gratuitous announcement.
    let announces = sender == target;
    let asks = arp.operation == ArpOperation::REQUEST && !announces;
    let answers = arp.operation == ArpOperation::REPLY && !announces;
    Some(Heard {
        from: MacAddress(arp.sender_mac),
        claim: (!sender.is_unspecified()).then_some(Claim {
            address: sender.into(),
            answer: answers,
        }),
        question: asks.then_some(target.into()),
    })
}

fn heard_in_icmpv6(message: &Icmpv6Slice<'_>, source: Ipv6Addr) -> Option<Heard> {
    match (message.icmp_type(), message.payload_slice().ok()?) {
        (
            Icmpv6Type::NeighborSolicitation,
            Icmpv6PayloadSlice::NeighborSolicitation(solicitation),
        ) => {
            let from = link_layer_address(solicitation.options_iterator());
            let claim = from.filter(|_| !source.is_unspecified()).map(|_| Claim {
                address: source.into(),
                answer: false,
            });
            Some(Heard {
                // Duplicate address detection does not say who asks.
                from: from.unwrap_or(MacAddress([0; 6])),
                claim,
                question: Some(solicitation.target_address().into()),
            })
        }
        (
            Icmpv6Type::NeighborAdvertisement(header),
            Icmpv6PayloadSlice::NeighborAdvertisement(advertisement),
        ) => Some(Heard {
            // Without the option, which an answer to a multicast question has
            // to have, it says nothing that would enter a cache.
            from: link_layer_address(advertisement.options_iterator())?,
            claim: Some(Claim {
                address: advertisement.target_address().into(),
                answer: header.solicited,
            }),
            question: None,
        }),
        _ => None,
    }
}

fn link_layer_address(options: NdpOptionsIterator<'_>) -> Option<MacAddress> {
    let mut options = options.map_while(Result::ok);
    let address = options.find_map(|option| match option {
        NdpOptionSlice::SourceLinkLayerAddress(option) => Some(option.link_layer_address()),
        NdpOptionSlice::TargetLinkLayerAddress(option) => Some(option.link_layer_address()),
        NdpOptionSlice::PrefixInformation(_)
        | NdpOptionSlice::RedirectedHeader(_)
        | NdpOptionSlice::Mtu(_)
        | NdpOptionSlice::Unknown(_)
        | _ => None,
    })?;
    Some(MacAddress(address.try_into().ok()?))
}

#[cfg(test)]
mod tests;
