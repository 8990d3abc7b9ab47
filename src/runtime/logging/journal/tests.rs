use super::*;

#[test]
fn each_line_has_the_priority() {
    assert_eq!(
        prioritized(Level::ERROR, "bad configuration:\n  line 1\n"),
        "<3>bad configuration:\n<3>  line 1\n"
    );
    let of = |level| prioritized(level, "x");
    assert_eq!(of(Level::WARN), "<4>x\n");
    assert_eq!(of(Level::INFO), "<6>x\n");
    assert_eq!(of(Level::DEBUG), "<7>x\n");
    assert_eq!(of(Level::TRACE), "<7>x\n");
}

#[test]
fn a_file_is_a_device_and_an_inode() {
    assert_eq!(file_of("8:131072"), Some((8, 131_072)));
    for text in ["", "8", "8:", ":8", "8:x", "8:9:10", "-1:2"] {
        assert_eq!(file_of(text), None, "{text}");
    }
}
