use proptest::prelude::*;

use super::*;

#[test]
fn attributes_are_read_as_they_were_written() {
    let mut message = vec![9; 12];
    message.extend(attribute(3, b"eth0\0"));
    message.extend(attribute(4, &1500_u32.to_ne_bytes()));
    // A nested one has a flag in its type.
    message.extend(attribute(0x8012, &attribute(1, b"ipip\0")));
    let found = attributes(&message, 12).unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(text(found[&3]), "eth0");
    assert_eq!(u32_at(found[&4], 0), Some(1500));
    assert_eq!(text(attributes(found[&18], 0).unwrap()[&1]), "ipip");
}

#[test]
fn what_is_cut_short_is_an_error() {
    let whole = attribute(3, b"eth0\0");
    assert!(attributes(&whole[..7], 0).is_err());
    assert!(attributes(&[], 12).is_err());
    assert!(
        attributes(&[3, 0, 1, 0], 0).is_err(),
        "shorter than its head"
    );
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic_or_without_end(bytes: Vec<u8>, offset in 0..20_usize) {
        let _ = attributes(&bytes, offset);
    }
}
