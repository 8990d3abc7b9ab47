use proptest::prelude::*;

use super::*;

/// An attribute as rtnetlink(7) defines it, with the padding after it.
fn encoded(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

type Numbered = RouteAttributes<'static, u16>;

#[test]
fn attributes_are_read_as_they_were_written() {
    let mut message = encoded(3, b"eth0\0");
    message.extend(encoded(4, &1500_u32.to_ne_bytes()));
    // A nested attribute has a flag in its type.
    message.extend(encoded(0x8012, &encoded(1, b"ipip\0")));
    message.extend(encoded(3, b"other\0"));
    let found = Numbered::within(&message).unwrap();
    assert_eq!(found.value(3, "name", name_of).unwrap(), "eth0");
    assert_eq!(found.every(3).count(), 2);
    assert_eq!(found.value(4, "MTU", u32_of).unwrap(), 1500);
    let inner: Numbered = found.nested_or_none(0x12).unwrap();
    assert_eq!(inner.value(1, "kind", text_of).unwrap(), "ipip");
    let none: Numbered = found.nested_or_none(0x13).unwrap();
    assert!(none.get(1).is_none());
}

#[test]
fn missing_and_wrong_values_are_named() {
    let found = Numbered::within(&encoded(4, &[1, 2])).unwrap();
    let missing = found.value(3, "its name", name_of).unwrap_err();
    assert_eq!(missing.to_string(), "its name is missing");
    let wrong = found.value(4, "its MTU", u32_of).unwrap_err();
    assert_eq!(wrong.to_string(), "its MTU cannot be 01 02");
}

#[test]
fn truncated_attributes_are_an_error() {
    let whole = encoded(3, b"eth0\0");
    assert!(Numbered::within(&whole[..7]).is_err());
    assert!(
        Numbered::within(&[3, 0, 1, 0]).is_err(),
        "shorter than its head"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes: Vec<u8>) {
        let _ = Numbered::within(&bytes);
    }
}
