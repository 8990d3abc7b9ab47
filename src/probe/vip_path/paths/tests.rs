use super::*;

#[test]
fn source_is_an_address_of_the_same_family_that_is_not_the_vip() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let from = |own: Option<&str>, vip: &str| {
        let origin = Origin {
            source: own.map(address),
            ..Origin::default()
        };
        source(address("127.0.0.21"), &origin, address(vip))
    };
    assert_eq!(from(None, "127.0.0.200"), Ok(address("127.0.0.1")));
    let own = Some("127.0.0.9");
    assert_eq!(from(own, "127.0.0.200"), Ok(address("127.0.0.9")));
    let same = from(own, "127.0.0.9").unwrap_err();
    assert!(same.contains("speaks to 127.0.0.21 from the VIP"), "{same}");
    let across = from(own, "2001:db8::200").unwrap_err();
    assert_eq!(across, "127.0.0.9 is not of the VIP's family");
}
