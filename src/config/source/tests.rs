use super::*;

#[test]
fn a_pattern_fits_as_in_a_shell() {
    for (pattern, name, wanted) in [
        ("*.yaml", "a.yaml", true),
        ("*.yaml", "a.yaml~", false),
        ("*.yaml", ".yaml", true),
        ("a*b*c", "aXbXbc", true),
        ("a*b*c", "aXbXb", false),
        ("?.yaml", "ab.yaml", false),
        ("??.yaml", "ab.yaml", true),
        ("*", "", true),
        ("", "a", false),
    ] {
        let found = fits(pattern.as_bytes(), name.as_bytes());
        assert_eq!(found, wanted, "{pattern} {name}");
    }
    let (pattern, name) = ("*a".repeat(200) + "b", "a".repeat(4000));
    assert!(!fits(pattern.as_bytes(), name.as_bytes()), "and in time");
}
