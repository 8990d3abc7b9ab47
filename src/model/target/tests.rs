use super::*;

/// Two services on one VIP, one by IPv6, one by firewall mark, and one with the name of an address.
fn known() -> Vec<Candidate<'static>> {
    let rows = [
        ("web", "tcp 192.168.11.200:80", "rs1", "192.168.11.21:80"),
        ("web", "tcp 192.168.11.200:80", "rs2", "192.168.11.22:80"),
        ("mail", "tcp 192.168.11.200:25", "rs1", "192.168.11.21:25"),
        ("six", "tcp [2001:db8::200]:80", "rs1", "[2001:db8::1]:80"),
        ("marked", "fwmark 7 ipv4", "other", "192.168.11.23:0"),
        (
            "10.0.0.9",
            "tcp 192.168.11.201:80",
            "10.0.0.8",
            "192.168.11.24:80",
        ),
    ];
    rows.map(|(service, key, real_server, address)| {
        Candidate::new(
            (service, key.parse().unwrap()),
            (real_server, address.parse().unwrap()),
        )
    })
    .into()
}

fn matched(text: &str) -> Vec<String> {
    let target: Target = text.parse().unwrap();
    let known = known();
    let matched = known.iter().filter(|one| target.matches(one));
    matched
        .map(|one| format!("{}/{}", one.service, one.real_server))
        .collect()
}

#[test]
fn target_is_a_service_a_real_server_or_an_address_of_either() {
    let web = ["web/rs1", "web/rs2"];
    for (text, expected) in [
        ("web", &web[..]),
        ("web/*", &web),
        ("web/rs2", &["web/rs2"]),
        ("*/rs1", &["web/rs1", "mail/rs1", "six/rs1"]),
        ("192.168.11.21", &["web/rs1", "mail/rs1"]),
        ("192.168.11.21:25", &["mail/rs1"]),
        ("192.168.11.200", &["web/rs1", "web/rs2", "mail/rs1"]),
        ("192.168.11.200:80", &web),
        ("[2001:db8::1]:80", &["six/rs1"]),
        ("[2001:db8:0::1]", &["six/rs1"]),
        ("2001:db8::200", &["six/rs1"]),
        ("192.168.11.23", &["marked/other"]),
        ("10.0.0.9/*", &["10.0.0.9/10.0.0.8"]),
        ("*/10.0.0.8", &["10.0.0.9/10.0.0.8"]),
        ("10.0.0.9/10.0.0.8", &["10.0.0.9/10.0.0.8"]),
        ("10.0.0.9", &[]),
        ("10.0.0.8", &[]),
        ("we", &[]),
        ("web/rs", &[]),
        ("mail/rs2", &[]),
        ("Web/rs1", &[]),
        ("192.168.11.21:81", &[]),
        ("192.168.11.2", &[]),
        ("[2001:db8::1]:25", &[]),
    ] {
        assert_eq!(matched(text), expected, "{text}");
    }
}

#[test]
fn target_is_written_as_it_was_given_and_nothing_else_is_one() {
    let longest = "x".repeat(LONGEST_NAME);
    for text in [
        "web",
        "web/*",
        "a.b_c-1/rs1",
        "*/rs1",
        "[2001:DB8::1]",
        &longest,
    ] {
        let target: Target = text.parse().unwrap();
        assert_eq!(target.to_string(), text);
        let json = serde_json::to_string(&target).unwrap();
        assert_eq!(serde_json::from_str::<Target>(&json).unwrap(), target);
    }
    let too_long = format!("{longest}x");
    for wrong in [
        "",
        "/",
        "*",
        "*/*",
        "*/",
        "/*",
        "web/",
        "/rs1",
        "we*/rs1",
        "web/rs*",
        "web/rs1/",
        "we b",
        "web/192.168.11.21:80",
        "[192.168.11.21]",
        "[2001:db8::1",
        "fe80::1%2",
        "[fe80::1%2]:80",
        "192.168.11.21:x",
        "web\n",
        "wéb",
        &too_long,
    ] {
        assert!(wrong.parse::<Target>().is_err(), "{wrong}");
    }
}

#[test]
fn target_that_matches_nothing_comes_with_the_one_that_was_meant() {
    let unknown = |text: &str| {
        let target: Target = text.parse().unwrap();
        target.unknown(known().into_iter()).to_string()
    };
    for (text, expected) in [
        (
            "wbe",
            "no virtual service is called `wbe`, did you mean `web`?",
        ),
        (
            "mial/*",
            "no virtual service is called `mial`, did you mean `mail`?",
        ),
        (
            "rs1",
            "no virtual service is called `rs1`, did you mean `*/rs1`?",
        ),
        ("nothing", "no virtual service is called `nothing`"),
        (
            "web/rs3",
            "no real server is called `web/rs3`, did you mean `web/rs1`?",
        ),
        (
            "wep/rs2",
            "no real server is called `wep/rs2`, did you mean `web/rs2`?",
        ),
        ("web/something", "no real server is called `web/something`"),
        ("nothing/rs1", "no real server is called `nothing/rs1`"),
        (
            "*/ohter",
            "no real server is called `*/ohter`, did you mean `*/other`?",
        ),
        (
            "10.0.0.9",
            "no virtual service and no real server has the address `10.0.0.9`, did you mean \
             `10.0.0.9/*`?",
        ),
        (
            "192.168.11.22:443",
            "no virtual service and no real server has the address `192.168.11.22:443`, did you \
             mean `192.168.11.22:80`?",
        ),
        (
            "192.168.11.32",
            "no virtual service and no real server has the address `192.168.11.32`, did you mean \
             `192.168.11.22`?",
        ),
        (
            "203.0.113.250",
            "no virtual service and no real server has the address `203.0.113.250`",
        ),
    ] {
        assert_eq!(unknown(text), expected);
    }
}

#[test]
fn every_port_is_written_as_in_the_configuration() {
    let service = ("every", "tcp 192.168.11.201:0".parse().unwrap());
    let candidate = Candidate::new(service, ("rs1", "192.168.11.29:0".parse().unwrap()));
    for text in ["192.168.11.201:*", "192.168.11.201:0", "192.168.11.201"] {
        assert!(
            text.parse::<Target>().unwrap().matches(&candidate),
            "{text}"
        );
    }
    let other: Target = "192.168.11.202:*".parse().unwrap();
    assert!(!other.matches(&candidate));
}
