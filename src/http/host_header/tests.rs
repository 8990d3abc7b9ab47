use super::*;

#[test]
fn accepts_addresses_localhost_and_names_of_the_host() {
    for named in [
        "192.0.2.1:9477",
        "192.0.2.1",
        "[2001:db8::1]:9477",
        "[::1]",
        "localhost:9477",
        "LOCALHOST",
        "director1:9477",
        "Director1.example.com",
        "director1.example.com.:9477",
        "",
    ] {
        assert!(is_own(named, "director1"), "{named}");
        assert!(is_own(named, "director1.lan"), "{named}");
    }
    for named in [
        "evil.example:9477",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:80:80",
        "[evil]",
        "[::1]evil.example",
        "[::1].evil.example:80",
        "director1@evil.example",
        "director1.evil.example@x",
        "director11",
    ] {
        assert!(!is_own(named, "director1"), "{named}");
    }
}
