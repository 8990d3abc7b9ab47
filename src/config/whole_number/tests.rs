use super::*;

#[test]
fn a_whole_number_has_its_value() {
    for (text, number) in [("0x1f", 31), ("-0o17", -15), ("0b11", 3), ("+10", 10)] {
        assert_eq!(integer(text), Some(number), "{text}");
    }
    for text in ["1.0", "1e3", "01", "0x+1", &"9".repeat(60)] {
        assert_eq!(integer(text), None, "{text}");
    }
}
