use super::*;

#[test]
fn names_fit_without_regard_to_case_and_by_a_whole_first_label() {
    for (presented, expected) in [
        ("www.example.com", "www.example.com"),
        ("WWW.example.com", "www.Example.COM"),
        ("*.example.com", "www.example.com"),
    ] {
        assert!(fits(presented, expected), "{presented} {expected}");
    }
    for (presented, expected) in [
        ("www.example.com", "mail.example.com"),
        ("*.example.com", "example.com"),
        ("*.example.com", "a.b.example.com"),
        ("*.com", "example.com"),
        ("w*.example.com", "www.example.com"),
        ("*", "localhost"),
        ("", "localhost"),
    ] {
        assert!(!fits(presented, expected), "{presented} {expected}");
    }
}
