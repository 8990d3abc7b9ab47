use proptest::prelude::*;

use super::*;

const DIRECTOR: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x10]);
const CONFLICTING: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x21]);

fn asker() -> Asker {
    Asker {
        mac: DIRECTOR,
        ipv4: Ipv4Addr::new(192, 168, 11, 10),
        ipv6: Some("fe80::10".parse().unwrap()),
    }
}

fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let mut frame = [DIRECTOR.0, CONFLICTING.0].concat();
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(CONFLICTING.0);
    frame.extend(sender);
    frame.extend(DIRECTOR.0);
    frame.extend(target);
    frame
}

const VIP: [u8; 4] = [192, 168, 11, 200];
const DIP: [u8; 4] = [192, 168, 11, 10];

fn neighbour_message(
    claim: Option<([u8; 4], bool)>,
    question: Option<[u8; 4]>,
) -> NeighbourMessage {
    NeighbourMessage {
        from: CONFLICTING,
        claim: claim.map(|(address, answer)| AddressClaim {
            address: address.into(),
            answer,
        }),
        question: question.map(IpAddr::from),
    }
}

/// By RFC 826, byte for byte.
#[test]
fn the_question_of_arp_is_in_the_name_of_the_director() {
    let frame = question(&asker(), VIP.into()).unwrap();
    let mut expected = vec![0xff; 6];
    expected.extend(DIRECTOR.0);
    expected.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    expected.extend(DIRECTOR.0);
    expected.extend(DIP);
    expected.extend([0; 6]);
    expected.extend(VIP);
    assert_eq!(frame, expected);
}

/// By RFC 5227, section 3, and RFC 826, byte for byte.
#[test]
fn the_announcement_of_arp_names_the_vip_as_sender_and_as_target() {
    let frame = announcement(DIRECTOR, VIP.into(), false).unwrap();
    let mut expected = vec![0xff; 6];
    expected.extend(DIRECTOR.0);
    expected.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    expected.extend(DIRECTOR.0);
    expected.extend(VIP);
    expected.extend([0; 6]);
    expected.extend(VIP);
    assert_eq!(frame, expected);
    let message = decode(&frame).unwrap();
    let claim = AddressClaim {
        address: VIP.into(),
        answer: false,
    };
    assert_eq!((message.from, message.claim), (DIRECTOR, Some(claim)));
    assert_eq!(message.question, None);
}

/// By RFC 4861, sections 4.4 and 7.2.6, byte for byte but for the checksum,
/// which is among what `decode` tests.
#[test]
fn the_announcement_of_ipv6_overrides_what_all_nodes_have_cached() {
    let vip = "2001:db8::200".parse::<Ipv6Addr>().unwrap();
    for (router, flags) in [(false, 0x20), (true, 0xa0)] {
        let frame = announcement(DIRECTOR, vip.into(), router).unwrap();
        let mut expected = vec![0x33, 0x33, 0, 0, 0, 1];
        expected.extend(DIRECTOR.0);
        expected.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
        expected.extend(vip.octets());
        expected.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        expected.extend([136, 0]);
        assert_eq!(frame[..expected.len()], expected);
        let mut rest = vec![flags, 0, 0, 0];
        rest.extend(vip.octets());
        rest.extend([2, 1]);
        rest.extend(DIRECTOR.0);
        assert_eq!(frame[expected.len() + 2..], rest);
        let claim = AddressClaim {
            address: vip.into(),
            answer: false,
        };
        let message = decode(&frame).unwrap();
        assert_eq!((message.from, message.claim), (DIRECTOR, Some(claim)));
    }
}

/// By RFC 4861 and RFC 2464, byte for byte, but for the checksum: that is
/// tested by the kernel, which answers, in the netns tests.
#[test]
fn the_question_of_ipv6_goes_to_the_group_of_the_vip_alone() {
    let frame = question(&asker(), "2001:db8::200".parse().unwrap()).unwrap();
    let mut expected = vec![0x33, 0x33, 0xff, 0, 2, 0];
    expected.extend(DIRECTOR.0);
    expected.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
    expected.extend("fe80::10".parse::<Ipv6Addr>().unwrap().octets());
    expected.extend("ff02::1:ff00:200".parse::<Ipv6Addr>().unwrap().octets());
    expected.extend([135, 0]);
    let checksum = expected.len();
    expected.extend([frame[checksum], frame[checksum + 1], 0, 0, 0, 0]);
    expected.extend("2001:db8::200".parse::<Ipv6Addr>().unwrap().octets());
    expected.extend([1, 1]);
    expected.extend(DIRECTOR.0);
    assert_eq!(frame, expected);
}

#[test]
fn without_an_address_to_ask_from_ipv6_is_not_asked() {
    let nobody = Asker {
        ipv4: Ipv4Addr::UNSPECIFIED,
        ipv6: None,
        ..asker()
    };
    assert_eq!(question(&nobody, "2001:db8::200".parse().unwrap()), None);
    let probe = question(&nobody, VIP.into()).unwrap();
    let message = decode(&probe).unwrap();
    assert_eq!((message.claim, message.question), (None, Some(VIP.into())));
}

#[test]
fn an_answer_a_question_and_both_kinds_of_gratuitous_arp_are_told_apart() {
    let cases = [
        (arp(2, VIP, DIP), neighbour_message(Some((VIP, true)), None)),
        (
            arp(1, DIP, VIP),
            neighbour_message(Some((DIP, false)), Some(VIP)),
        ),
        // A real server without `arp_announce` asks for the client in the VIP's name.
        (
            arp(1, VIP, [192, 168, 11, 1]),
            neighbour_message(Some((VIP, false)), Some([192, 168, 11, 1])),
        ),
        // `arping -U`, `arping -A`.
        (
            arp(1, VIP, VIP),
            neighbour_message(Some((VIP, false)), None),
        ),
        (
            arp(2, VIP, VIP),
            neighbour_message(Some((VIP, false)), None),
        ),
        // A probe of RFC 5227, `arping -D`.
        (arp(1, [0; 4], VIP), neighbour_message(None, Some(VIP))),
    ];
    for (frame, expected) in cases {
        assert_eq!(decode(&frame), Some(expected), "{frame:?}");
    }
}

/// A frame as short as Ethernet's shortest has bytes after the packet.
#[test]
fn padding_does_no_harm() {
    let mut frame = arp(2, VIP, DIP);
    frame.resize(60, 0);
    assert_eq!(
        decode(&frame),
        Some(neighbour_message(Some((VIP, true)), None))
    );
}

fn advertisement(solicited: bool, hop_limit: u8, option: &[u8]) -> Vec<u8> {
    let header = etherparse::icmpv6::NeighborAdvertisementHeader {
        router: false,
        solicited,
        r#override: true,
    };
    let mut body = vip6().octets().to_vec();
    body.extend(option);
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(CONFLICTING.0, DIRECTOR.0)
        .ipv6(
            "fe80::21".parse::<Ipv6Addr>().unwrap().octets(),
            "fe80::10".parse::<Ipv6Addr>().unwrap().octets(),
            hop_limit,
        )
        .icmpv6(Icmpv6Type::NeighborAdvertisement(header))
        .write(&mut frame, &body)
        .unwrap();
    frame
}

fn vip6() -> Ipv6Addr {
    "2001:db8::200".parse().unwrap()
}

const TARGET_IS_THIEF: [u8; 8] = [2, 1, 2, 0, 0, 0, 0, 0x21];

#[test]
fn an_advertisement_is_a_claim_and_a_solicited_one_an_answer() {
    for solicited in [true, false] {
        let frame = advertisement(solicited, 255, &TARGET_IS_THIEF);
        let claim = Some(AddressClaim {
            address: vip6().into(),
            answer: solicited,
        });
        let expected = NeighbourMessage {
            from: CONFLICTING,
            claim,
            question: None,
        };
        assert_eq!(decode(&frame), Some(expected));
    }
}

#[test]
fn an_advertisement_that_no_host_would_believe_is_ignored() {
    let good = advertisement(true, 255, &TARGET_IS_THIEF);
    let mut wrong_checksum = good.clone();
    *wrong_checksum.last_mut().unwrap() ^= 1;
    let unbelievable = [
        wrong_checksum,
        advertisement(true, 254, &TARGET_IS_THIEF),
        advertisement(true, 255, &[]),
        good[..good.len() - 8].to_vec(),
    ];
    for frame in unbelievable {
        assert_eq!(decode(&frame), None, "{frame:?}");
    }
}

proptest! {
    #[test]
    fn question_is_decoded_as_it_was_encoded(
        mac in any::<[u8; 6]>(),
        ipv4 in any::<[u8; 4]>().prop_filter("an own address", |a| *a != [0; 4]),
        ipv6 in any::<[u8; 16]>().prop_filter("an own address", |a| *a != [0; 16]),
        address in prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from),
        ],
    ) {
        let asker = Asker { mac: MacAddress(mac), ipv4: ipv4.into(), ipv6: Some(ipv6.into()) };
        let own: IpAddr = if address.is_ipv4() { ipv4.into() } else { ipv6.into() };
        prop_assume!(own != address);
        let message = decode(&question(&asker, address).unwrap()).unwrap();
        let claim = Some(AddressClaim { address: own, answer: false });
        prop_assert_eq!(message, NeighbourMessage { from: asker.mac, claim, question: Some(address) });
    }

    #[test]
    fn no_bytes_make_decoding_panic(
        kind in prop::sample::select(vec![[8_u8, 6], [0x86, 0xdd], [8, 0]]),
        rest in proptest::collection::vec(any::<u8>(), 0..128),
    ) {
        let frame = [&[0; 12][..], &kind, &rest].concat();
        let _ = decode(&frame);
    }

    #[test]
    fn no_damage_to_an_advertisement_makes_hearing_panic(
        place in 0_usize..94,
        byte in any::<u8>(),
        length in 0_usize..94,
    ) {
        let mut frame = advertisement(true, 255, &TARGET_IS_THIEF);
        if let Some(damaged) = frame.get_mut(place) {
            *damaged = byte;
        }
        frame.truncate(length);
        let _ = decode(&frame);
    }
}
