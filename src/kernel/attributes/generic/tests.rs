use neli::consts::genl::Index;
use neli::genl::Nlattr;
use neli::types::{Buffer, GenlBuffer};
use proptest::prelude::*;

use super::*;
use crate::kernel::attributes::{decode, u32_of};

type Numbered<'a> = GenericAttributes<'a, u16>;

/// An attribute as netlink(7) defines it, with the padding after it.
fn encoded(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn attributes_of_a_message_are_read_as_they_were_written() {
    let mut message = vec![7, 1, 0, 0];
    message.extend(encoded(3, b"wlc\0x"));
    // A nested attribute has a flag in its type.
    message.extend(encoded(0x8012, &encoded(1, &80_u32.to_ne_bytes())));
    message.extend(encoded(3, b"other"));
    let (command, found) = Numbered::of(&message).unwrap();
    assert_eq!(command, 7);
    assert_eq!(found.get(3), Some(b"wlc\0x".as_slice()), "the first");
    assert_eq!(found.get(4), None);
    let inner: Numbered<'_> = found.nested(0x12, "inner").unwrap();
    assert_eq!(inner.value(1, "number", u32_of).unwrap(), 80);
}

#[test]
fn missing_and_wrong_values_are_named() {
    let bytes = encoded(4, &[1, 2]);
    let found = Numbered::within(&bytes).unwrap();
    let missing = found.value(3, "its name", u32_of).unwrap_err();
    assert_eq!(missing.to_string(), "its name is missing");
    let missing = found.nested::<u16>(3, "its name").err().unwrap();
    assert_eq!(missing.to_string(), "its name is missing");
    let wrong = found.value(4, "its MTU", u32_of).unwrap_err();
    assert_eq!(wrong.to_string(), "its MTU cannot be 01 02");
}

#[test]
fn attribute_that_is_not_whole_is_an_error() {
    let whole = encoded(3, b"eth0\0");
    for length in (1..whole.len()).filter(|length| *length < 9) {
        assert!(Numbered::within(&whole[..length]).is_err(), "{length}");
    }
    assert!(Numbered::within(&whole[..9]).is_ok(), "without padding");
    assert!(
        Numbered::within(&[3, 0, 1, 0]).is_err(),
        "shorter than its head"
    );
    assert!(
        Numbered::of(&[1, 1, 0]).is_err(),
        "shorter than the head of a message"
    );
}

proptest! {
    #[test]
    fn attributes_are_those_that_neli_reads(
        attributes in proptest::collection::vec(
            (0_u16..6, proptest::collection::vec(any::<u8>(), 0..9)),
            0..6,
        ),
        cut in 0..64_usize,
    ) {
        let mut bytes = attributes.iter().flat_map(|(kind, payload)| encoded(*kind, payload));
        let mut bytes: Vec<u8> = bytes.by_ref().collect();
        bytes.truncate(bytes.len().saturating_sub(cut) / 4 * 4);
        let by_neli = decode::<GenlBuffer<Index, Buffer>>(&bytes);
        let found = Numbered::within(&bytes);
        prop_assert_eq!(found.is_ok(), by_neli.is_ok());
        if let (Ok(found), Ok(by_neli)) = (found, by_neli) {
            for kind in 0..6 {
                let is_of_kind = |one: &&Nlattr<Index, Buffer>| {
                    u16::from(*one.nla_type().nla_type()) == kind
                };
                let expected = by_neli.iter().find(is_of_kind);
                let expected = expected.map(|one| one.nla_payload().as_ref());
                prop_assert_eq!(found.get(kind), expected);
            }
        }
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes: Vec<u8>) {
        if let Ok(found) = Numbered::within(&bytes) {
            for kind in 0..16 {
                let _ = found.get(kind);
            }
        }
        let _ = Numbered::of(&bytes);
    }
}
