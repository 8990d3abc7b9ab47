//! Frames of ARP and neighbour discovery: encoding of questions and
//! announcements, decoding of all messages. Pure.
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

/// A message of a neighbour about addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NeighbourMessage {
    /// The sender, by the contents of the message.
    pub(crate) from: MacAddress,
    /// The address that the sender claims.
    pub(crate) claim: Option<AddressClaim>,
    /// The address that the sender asks for.
    pub(crate) question: Option<IpAddr>,
}

/// The claim of a sender to have an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressClaim {
    pub(crate) address: IpAddr,
    /// Whether the claim answers a question.
    pub(crate) answer: bool,
}

/// The sender of questions.
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
/// The question names the asker by its own address, never by `address`: no
/// cache learns a wrong entry from the question.
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

/// Decodes a frame; `None` if the frame is no message about neighbours, or not whole.
pub(crate) fn decode(frame: &[u8]) -> Option<NeighbourMessage> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    match packet.net? {
        NetSlice::Arp(arp) => decode_arp(&ArpPacket::from_slice(arp.slice()).ok()?),
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
            decode_icmpv6(&message, header.source_addr())
        }
        NetSlice::Ipv4(_) => None,
    }
}

fn decode_arp(packet: &ArpPacket) -> Option<NeighbourMessage> {
    let arp: ArpEthIpv4Packet = packet.try_eth_ipv4().ok()?;
    let (sender, target) = (arp.sender_ipv4_addr(), arp.target_ipv4_addr());
    // A question for the sender's own address is a gratuitous announcement.
    let announces = sender == target;
    let asks = arp.operation == ArpOperation::REQUEST && !announces;
    let answers = arp.operation == ArpOperation::REPLY && !announces;
    Some(NeighbourMessage {
        from: MacAddress(arp.sender_mac),
        claim: (!sender.is_unspecified()).then_some(AddressClaim {
            address: sender.into(),
            answer: answers,
        }),
        question: asks.then_some(target.into()),
    })
}

fn decode_icmpv6(message: &Icmpv6Slice<'_>, source: Ipv6Addr) -> Option<NeighbourMessage> {
    match (message.icmp_type(), message.payload_slice().ok()?) {
        (
            Icmpv6Type::NeighborSolicitation,
            Icmpv6PayloadSlice::NeighborSolicitation(solicitation),
        ) => {
            let from = link_layer_address(solicitation.options_iterator());
            let claim = from
                .filter(|_| !source.is_unspecified())
                .map(|_| AddressClaim {
                    address: source.into(),
                    answer: false,
                });
            Some(NeighbourMessage {
                // Duplicate address detection does not say who asks.
                from: from.unwrap_or(MacAddress([0; 6])),
                claim,
                question: Some(solicitation.target_address().into()),
            })
        }
        (
            Icmpv6Type::NeighborAdvertisement(header),
            Icmpv6PayloadSlice::NeighborAdvertisement(advertisement),
        ) => Some(NeighbourMessage {
            // Without the option, which an answer to a multicast question has
            // to have, it says nothing that would enter a cache.
            from: link_layer_address(advertisement.options_iterator())?,
            claim: Some(AddressClaim {
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
