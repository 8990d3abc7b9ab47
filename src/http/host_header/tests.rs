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
        "Director1",
        "director1.",
        "",
    ] {
        assert_eq!(kind(named, "director1"), Name::Own, "{named}");
        assert_eq!(kind(named, "director1.lan"), Name::Own, "{named}");
    }
    assert_eq!(kind("director1.LAN.:9477", "director1.lan"), Name::Own);
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
        assert_eq!(kind(named, "director1"), Name::Foreign, "{named}");
    }
}

/// The owner of a domain may point any name in it here.
#[test]
fn the_first_label_in_another_domain_is_the_hosts_only_where_the_host_says_so() {
    let resolver = "nameserver 192.0.2.53\nsearch Example.com. lan # evil.example\n";
    let hosts = "127.0.0.1 localhost\n\
                 192.0.2.1 director1.rack1.example.org director1 # director1.evil.example\n\
                 192.0.2.2 director1.other.example web\n";
    let names = OwnNames::of("director1", resolver, hosts);
    for (named, is_own) in [
        ("Director1.example.com:9477", true),
        ("director1.lan.", true),
        ("director1.rack1.example.org", true),
        ("director1.evil.example", false),
        ("director1.evil.example:9477", false),
        ("director1.other.example", false),
        ("director1.sub.example.com", false),
    ] {
        let Name::InDomain(name) = kind(named, "director1") else {
            panic!("{named}");
        };
        assert_eq!(names.include(&name), is_own, "{named}");
    }
}
