use std::path::Path;

use crate::config::{CheckKind, Config, RealServer};
use crate::import::tests::{has_note, imported, refused};
use crate::import::{Format, Imported, ReadIncluded, SourceText, import};
use crate::model::{Family, Forwarding, Protocol, ServiceFlags};

fn read(text: &str) -> (Config, Imported) {
    imported(Format::Keepalived, text)
}

/// A virtual server with these lines, the third and those after it, and one real
/// server with those.
fn one(lines: &str, real_server: &str) -> (Config, Imported) {
    read(&format!(
        "\nvirtual_server 192.168.11.200 80 {{\n{lines}\nreal_server 10.0.0.1 80 {{\n\
         {real_server}\n}}\n}}\n"
    ))
}

/// The check as it is written, on one line.
fn check(imported: &Imported) -> String {
    let document: serde_yaml::Value = serde_yaml::from_str(&imported.yaml).unwrap();
    serde_json::to_string(&document["virtual_services"][0]["check"]).unwrap()
}

/// That of a real server with these checkers; the defaults of keepalived are left out.
fn kind(checkers: &str) -> (String, Imported) {
    let (_, imported) = one("", checkers);
    let check = check(&imported);
    (
        check.split(",\"interval\"").next().unwrap().to_owned() + "}",
        imported,
    )
}

#[test]
fn keywords_of_ipvs_are_imported() {
    let (config, _) = one(
        "lb_algo sh\nlb_kind DR\nsh-port\nsh-fallback\npersistence_timeout\n\
         persistence_granularity 255.255.255.0\nprotocol UDP\nops\npersistence_engine sip",
        "weight 7\nuthreshold 100\nlthreshold 80\nPING_CHECK {\n}",
    );
    let service = &config.virtual_services[0];
    assert_eq!(service.scheduler.as_str(), "sh");
    assert_eq!(service.forwarding, Forwarding::Direct);
    let flags = ServiceFlags::PORT.union(ServiceFlags::FALLBACK);
    assert_eq!(service.flags, flags.union(ServiceFlags::ONE_PACKET));
    let persistence = service.persistence.as_ref().unwrap();
    assert_eq!(
        (persistence.timeout_seconds, persistence.netmask),
        (360, 0xffff_ff00)
    );
    assert_eq!(persistence.engine.as_deref(), Some("sip"));
    assert_eq!(&*service.name, "192.168.11.200-80-udp");
    let server = &service.real_servers[0];
    assert_eq!(server.weight.get(), 7);
    assert_eq!((server.upper_threshold, server.lower_threshold), (100, 80));
}

#[test]
fn method_of_forwarding_is_nat_by_default_and_may_be_a_tunnel() {
    for (line, wanted) in [
        ("", "masquerade"),
        ("lvs_method NAT", "masquerade"),
        ("lb_kind TUN", "ipip"),
        (
            "lvs_method TUN type gue port 6080 csum",
            "gue port 6080 checksum sum",
        ),
        ("lvs_method TUN type gre", "gre checksum none"),
    ] {
        let (config, _) = one(line, "TCP_CHECK {\n}");
        let found = match config.virtual_services[0].forwarding {
            Forwarding::Tunnel(tunnel) => tunnel.to_string(),
            other @ (Forwarding::Masquerade | Forwarding::Direct | Forwarding::Local) => {
                other.to_string()
            }
        };
        assert_eq!(found, wanted, "{line}");
    }
    let (_, imported) = one("lvs_method LOCAL", "TCP_CHECK {\n}");
    assert!(has_note(&imported, 3, "none of NAT, DR and TUN"));
}

#[test]
fn retries_and_delays_are_counted_as_keepalived_does() {
    let delays = "delay_loop 6\nconnect_timeout 3\nretry 3\ndelay_before_retry 2";
    let wanted =
        r#"{"tcp":{},"interval":"6s","fast_interval":"2s","timeout":"3s","rise":1,"fall":4}"#;
    let (_, imported) = one(delays, "TCP_CHECK {\n}");
    assert_eq!(check(&imported), wanted);
    // A real server's own setting is stronger, and a checker's the strongest.
    let (_, imported) = one(
        "delay_loop 60\nretry 9\nconnect_timeout 9",
        "delay_loop 6\nretry 8\nTCP_CHECK {\nconnect_timeout 3\nretry 3\ndelay_before_retry 2\n}",
    );
    assert_eq!(check(&imported), wanted);
    for (checker, wanted) in [
        (
            "TCP_CHECK {\n}",
            r#""interval":"1m","fast_interval":"1s","timeout":"5s","rise":1,"fall":2"#,
        ),
        (
            "HTTP_GET {\n}",
            r#""interval":"1m","fast_interval":"3s","timeout":"5s","rise":1,"fall":2"#,
        ),
        (
            "DNS_CHECK {\n}",
            r#""interval":"1m","timeout":"5s","rise":1,"fall":4"#,
        ),
        (
            "MISC_CHECK {\nmisc_path /bin/true\n}",
            r#""interval":"1m","timeout":"1m","rise":1,"fall":1"#,
        ),
    ] {
        let (_, imported) = one("", checker);
        assert!(
            check(&imported).contains(wanted),
            "{checker}: {}",
            check(&imported)
        );
    }
    let (_, imported) = one(
        "delay_loop 0.5\nretry many",
        "TCP_CHECK {\ndelay_before_retry 2\n}",
    );
    assert!(
        check(&imported).contains(r#""interval":"500ms","timeout""#),
        "{}",
        check(&imported)
    );
    assert!(has_note(&imported, 4, "it is no whole number"));
    assert!(
        has_note(&imported, 6, "500ms is written"),
        "{:#?}",
        imported.notes
    );
}

#[test]
fn http_checkers_are_imported() {
    for (checker, wanted) in [
        (
            "HTTP_GET {\nurl {\npath /up\nstatus_code 200-204 301\nvirtualhost a.example\n}\n}",
            r#"{"http":{"path":"/up","host":"a.example","expect":{"status":["200-204",301]}}}"#,
        ),
        (
            "virtualhost b.example\nHTTP_GET {\nconnect_port 8080\nurl {\npath /\n}\n}",
            r#"{"http":{"path":"/","host":"b.example","port":8080}}"#,
        ),
        (
            "HTTP_GET {\nurl {\npath /a\n}\nurl {\npath /b\n}\n}",
            r#"{"all":[{"http":{"path":"/a"}},{"http":{"path":"/b"}}]}"#,
        ),
        (
            "SSL_GET {\nenable_sni\nurl {\npath /\nregex \"^we+ll$\"\nregex_options caseless\n}\n}",
            r#"{"https":{"path":"/","verify":false,"expect":{"body":{"regex":"(?i)^we+ll$"}}}}"#,
        ),
    ] {
        let (found, imported) = kind(checker);
        assert_eq!(found, wanted, "{:#?}", imported.notes);
    }
    let (found, imported) = kind(
        "HTTP_GET {\nhttp_protocol 1.0\nurl {\npath /\ndigest 9b3a\nstatus_code 20 99-100\n\
         regex down\nregex_no_match\nregex_min_offset 5\n}\n}",
    );
    assert_eq!(
        found,
        r#"{"http":{"path":"/","expect":{"body":{"not":{"regex":"down"}}}}}"#
    );
    for (line, expected) in [
        (6, "`http_protocol` is left out"),
        (9, "`digest` is left out"),
        (10, "the status `20` is left out"),
        (10, "the status `99-100` is left out"),
        (13, "`regex_min_offset 5` is left out"),
    ] {
        assert!(
            has_note(&imported, line, expected),
            "{expected}: {:#?}",
            imported.notes
        );
    }
}

#[test]
fn certificate_of_the_client_is_that_of_the_ssl_block() {
    let server = "virtual_server 10.1.0.1 443 {\nreal_server 10.0.0.1 443 {\nSSL_GET {\n}\n}\n}\n";
    let block = "SSL {\ncertificate /c.pem\nkey /k.pem\nca /ca.pem\npassword pw\n}\n";
    let (_, imported) = read(&format!("{block}{server}"));
    let keys = r#""client_certificate":"/c.pem","client_key":"/k.pem""#;
    assert!(check(&imported).contains(keys), "{}", check(&imported));
    assert!(has_note(&imported, 4, "accepts any certificate"));
    assert!(has_note(&imported, 5, "`password` is left out"));
    assert!(!imported.yaml.contains("pw"), "{}", imported.yaml);
    let (_, imported) = read(&format!("SSL {{\nkey /k.pem\n}}\n{server}"));
    assert!(has_note(&imported, 1, "needs both"));
}

#[test]
fn other_checkers_are_imported() {
    for (checker, wanted) in [
        ("TCP_CHECK {\nconnect_port 81\n}", r#"{"tcp":{"port":81}}"#),
        ("PING_CHECK {\n}", r#"{"ping":{}}"#),
        (
            "DNS_CHECK {\n}",
            r#"{"dns":{"name":".","type":"SOA","port":80}}"#,
        ),
        (
            "DNS_CHECK {\nname example.com\ntype A\nconnect_port 53\n}",
            r#"{"dns":{"name":"example.com"}}"#,
        ),
        (
            "UDP_CHECK {\npayload Ab12f 3\nrequire_reply 4X x6 XX\n}",
            r#"{"udp":{"send":{"hex":"ab 12 0f 03"},"expect":{"regex":"(?s-u)^[\\x40-\\x4f][\\x06\\x16\\x26\\x36\\x46\\x56\\x66\\x76\\x86\\x96\\xa6\\xb6\\xc6\\xd6\\xe6\\xf6]."}}}"#,
        ),
        (
            "SMTP_CHECK {\nhelo_name me\nhost {\nconnect_ip 10.0.0.9\nconnect_port 587\n}\n}",
            r#"{"tcp":{"steps":[{"expect":{"regex":"^220"}},{"send":"HELO me\r\n"},{"expect":{"regex":"^250"}},{"send":"QUIT\r\n"},{"expect":{"regex":"^221"}}]}}"#,
        ),
        (
            "UDP_CHECK {\nrequire_reply\n}",
            r#"{"udp":{"expect":{"regex":"^"}}}"#,
        ),
        (
            "SMTP_CHECK {\nhelo_name me\nhost {\nconnect_ip 10.0.0.1\nconnect_port 25\n}\n}",
            r#"{"tcp":{"steps":[{"expect":{"regex":"^220"}},{"send":"HELO me\r\n"},{"expect":{"regex":"^250"}},{"send":"QUIT\r\n"},{"expect":{"regex":"^221"}}],"port":25}}"#,
        ),
        (
            "MISC_CHECK {\nmisc_path \"/bin/check 10.0.0.1 80 'a b' 10.0.0.1:80 10.0.0.11\"\nuser nobody\n}",
            r#"{"exec":{"command":["/bin/check","{address}","{port}","a b","{address}:{port}","10.0.0.11"],"user":"nobody"}}"#,
        ),
        (
            "TCP_CHECK {\n}\nPING_CHECK {\n}",
            r#"{"all":[{"tcp":{}},{"ping":{}}]}"#,
        ),
    ] {
        let (found, imported) = kind(checker);
        assert_eq!(found, wanted, "{:#?}", imported.notes);
    }
}

#[test]
fn exit_status_that_is_a_weight_is_printed_by_a_shell() {
    let (config, imported) = one("", "MISC_CHECK {\nmisc_path /bin/load\nmisc_dynamic\n}");
    let CheckKind::Exec(check) = &config.virtual_services[0].check.kind else {
        panic!("{}", imported.yaml);
    };
    assert!(check.advice);
    for (status, wanted) in [
        (0, (0, "")),
        (1, (1, "")),
        (2, (0, "0\n")),
        (12, (0, "10\n")),
    ] {
        let program = ["/bin/sh", "-c", &format!("echo noise; exit {status}")].map(str::to_owned);
        let words = check.command.iter().filter(|word| *word != "/bin/load");
        let words: Vec<_> = words.chain(&program).collect();
        let output = std::process::Command::new(words[0])
            .args(&words[1..])
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            (output.status.code().unwrap(), &*printed),
            wanted,
            "{status}"
        );
    }
}

#[test]
fn checkers_without_equivalent_are_noted() {
    for (checker, expected) in [
        ("BFD_CHECK {\nname b\n}", "`BFD_CHECK` is left out"),
        ("FILE_CHECK {\ntrack_file f\n}", "`FILE_CHECK` is left out"),
        (
            "MISC_CHECK {\nmisc_path check.sh\n}",
            "takes the absolute path",
        ),
    ] {
        let (found, imported) = kind(checker);
        assert!(found.starts_with(r#"{"tcp":{}"#), "{found}");
        assert!(has_note(&imported, 5, expected), "{:#?}", imported.notes);
        assert!(
            has_note(&imported, 2, "have no check there"),
            "{:#?}",
            imported.notes
        );
    }
    let (_, imported) = one(
        "",
        "TCP_CHECK {\nconnect_ip 10.0.0.9\nbind_port 1024\nfwmark 3\nbindto 10.0.0.99\nbind_if eth1\n}",
    );
    assert!(check(&imported).ends_with(r#""source":"10.0.0.99","interface":"eth1"}"#));
    for (line, expected) in [
        (6, "`connect_ip 10.0.0.9`"),
        (7, "`bind_port 1024`"),
        (8, "`fwmark 3`"),
    ] {
        assert!(has_note(&imported, line, expected), "{:#?}", imported.notes);
    }
}

#[test]
fn quorum_sorry_server_and_failure_are_imported() {
    let lines =
        "quorum 3\nhysteresis 1\nsorry_server 10.0.0.9 8080\ninhibit_on_failure\nlb_kind NAT";
    let (config, imported) = one(lines, "weight 4\nTCP_CHECK {\n}");
    let pool = &config.virtual_services[0].pool;
    assert_eq!((pool.quorum, pool.hysteresis), (3, 1), "{}", imported.yaml);
    let sorry_server = pool.sorry_server.as_ref().unwrap();
    assert_eq!(sorry_server.key.0.to_string(), "10.0.0.9:8080");
    assert!(imported.yaml.contains("on_failure: quiesce"));
    let (_, imported) = one("quorum 5\nsorry_server 10.0.0.1 80", "TCP_CHECK {\n}");
    assert!(has_note(&imported, 2, "a quorum of 5"));
    assert!(has_note(
        &imported,
        4,
        "it is a real server of the same service"
    ));
    assert!(imported.yaml.contains("on_failure: remove"));
}

#[test]
fn service_without_a_checker_has_no_on_failure() {
    for lines in ["", "inhibit_on_failure"] {
        let (config, imported) = one(lines, "weight 1");
        assert_eq!(check(&imported), r#""none""#);
        assert_eq!(config.virtual_services[0].pool.on_failure, None);
        assert_eq!(config.warnings, []);
    }
}

#[test]
fn keywords_without_equivalent_are_noted() {
    let lines = "quorum_up \"/bin/up a\"\nquorum_down /bin/down\nha_suspend\nomega\nalpha\nwarmup 5\n\
                 smtp_alert\nsnmp_name s\nsorry_server_inhibit\nodd 1 2\nprotocol ICMP";
    let (_, imported) = one(
        lines,
        "notify_up /bin/u\nnotify_down /bin/d\nTCP_CHECK {\nodd\n}",
    );
    for (line, expected) in [
        (
            3,
            "`quorum_up /bin/up a` is left out: here this is `notify`",
        ),
        (4, "`quorum_down /bin/down` is left out"),
        (5, "`ha_suspend` is left out: not needed"),
        (6, "`omega` is left out: here this is `on_exit`"),
        (8, "`warmup` is left out: not needed"),
        (9, "`smtp_alert` is left out"),
        (10, "`snmp_name` is left out"),
        (11, "`sorry_server_inhibit` is left out"),
        (12, "`odd 1 2` is left out: it has no equal here"),
        (13, "it is no protocol"),
        (15, "`notify_up /bin/u` is left out"),
        (16, "`notify_down /bin/d` is left out"),
        (18, "`odd` is left out"),
    ] {
        assert!(
            has_note(&imported, line, expected),
            "{expected}: {:#?}",
            imported.notes
        );
    }
    assert!(
        !imported.notes.iter().any(|note| note.contains("alpha")),
        "{:#?}",
        imported.notes
    );
    let (_, imported) = one("", "TCP_CHECK {\n}");
    assert!(has_note(&imported, 2, "without `alpha`"));
}

#[test]
fn conditional_lines_and_templates_are_noted_and_not_imported() {
    let lines = "@main lb_algo rr\n~SEQ(x, 1, 3) real_server 10.0.0.$x 80 {\nweight 1\n}";
    let (config, imported) = one(lines, "@main weight 3\nTCP_CHECK {\n}");
    assert_eq!(config.virtual_services[0].real_servers.len(), 1);
    assert!(has_note(&imported, 3, "`@main lb_algo rr` is left out"));
    assert!(has_note(&imported, 4, "it makes several lines of one"));
    assert!(
        has_note(&imported, 8, "`@main weight 3` is left out"),
        "{:#?}",
        imported.notes
    );
}

#[test]
fn group_makes_services_of_its_vips_and_marks() {
    let text = "virtual_server_group web {\n10.1.0.1 80\n10.1.0.3-5 443\n10.1.1.0/30 80\n\
                2001:db8::1-2 80\nfwmark 7\nfwmark 8 inet6\n10.1.0.9-1 80\nodd\n}\n\
                virtual_server group web {\nlb_kind TUN\nreal_server 10.0.0.1 80 {\nPING_CHECK {\n}\n}\n}\n";
    let (config, imported) = read(text);
    let keys: Vec<_> = config
        .virtual_services
        .iter()
        .map(|one| one.key.to_string())
        .collect();
    assert_eq!(keys.len(), 1 + 3 + 4 + 2 + 2, "{keys:#?}");
    assert!(keys.contains(&"tcp 10.1.0.4:443".to_owned()), "{keys:?}");
    assert!(
        keys.contains(&"tcp [2001:db8::2]:80".to_owned()),
        "{keys:?}"
    );
    assert!(keys.contains(&"fwmark 8 ipv6".to_owned()), "{keys:?}");
    let names: Vec<_> = config
        .virtual_services
        .iter()
        .map(|one| &*one.name)
        .collect();
    assert!(names.contains(&"web-10.1.0.1-80"), "{names:?}");
    assert!(has_note(&imported, 8, "runs backwards"));
    assert!(has_note(&imported, 9, "it is no address"));
    let text = "virtual_server group none {\n}\n";
    let message = refused(Format::Keepalived, text);
    assert!(
        message.contains("the file has no `virtual_server_group none`"),
        "{message}"
    );
}

#[test]
fn mark_takes_the_family_of_its_real_servers() {
    let text = |address: &str, lines: &str| {
        format!(
            "virtual_server fwmark 7 {{\n{lines}\nreal_server {address} {{\nTCP_CHECK {{\n\
             connect_port 80\n}}\n}}\n}}\n"
        )
    };
    let (config, _) = read(&text("10.0.0.1", ""));
    assert_eq!(config.virtual_services[0].key.family(), Family::Ipv4);
    let (config, _) = read(&text("2001:db8::1", ""));
    assert_eq!(config.virtual_services[0].key.family(), Family::Ipv6);
    let (config, _) = read(&text("10.0.0.1", "ip_family inet6\nlb_kind TUN"));
    assert_eq!(config.virtual_services[0].key.family(), Family::Ipv6);
    let without_port = text("10.0.0.1", "").replace("connect_port 80", "");
    let (_, imported) = read(&without_port);
    assert!(
        has_note(&imported, 4, "a ping is written"),
        "{:#?}",
        imported.notes
    );
}

#[test]
fn real_servers_that_a_service_cannot_have_are_told_and_the_others_keep_their_checks() {
    let text = "virtual_server 10.1.0.1 80 {\nlb_kind DR\n\
                real_server 10.0.0.1 80 {\nTCP_CHECK {\n}\n}\n\
                real_server 10.0.0.2 8080 {\nTCP_CHECK {\nconnect_port 80\n}\n}\n\
                real_server 2001:db8::1 80 {\nTCP_CHECK {\n}\n}\n\
                real_server 10.0.0.3 80 {\nTCP_CHECK {\nconnect_port 81\n}\n}\n\
                real_server 10.0.0.4 80 {\n}\n\
                real_server rs5 80 {\n}\n}\n";
    let (config, imported) = read(text);
    let service = &config.virtual_services[0];
    let ports = |server: &RealServer| {
        let check = server.check.as_ref()?;
        Some(check.kind.service_ports())
    };
    let ports: Vec<_> = service.real_servers.iter().map(ports).collect();
    let own = [None, None, Some(vec![Some(81)]), Some(vec![])];
    assert_eq!(ports, own, "{}", imported.yaml);
    assert!(!service.real_servers[3].check.as_ref().unwrap().kind.asks());
    for (line, expected) in [
        (7, "the port 8080 of the real server 10.0.0.2 is left out"),
        (12, "it is of ipv6"),
        (23, "it is no real server with an IP address"),
    ] {
        assert!(
            has_note(&imported, line, expected),
            "{expected}: {:#?}",
            imported.notes
        );
    }
}

#[test]
fn each_real_server_and_the_sorry_server_keep_their_way_of_forwarding() {
    let text = "virtual_server 10.1.0.1 80 {\nsorry_server 10.0.0.9 80\nlb_kind DR\n\
                real_server 10.0.0.1 80 {\nTCP_CHECK {\n}\n}\n\
                real_server 10.0.0.2 8080 {\nlvs_method NAT\nTCP_CHECK {\n}\n}\n\
                real_server 10.0.0.3 80 {\nlvs_method TUN\n}\n\
                real_server 10.0.0.4 8080 {\nlvs_method NAT\n}\n\
                real_server 10.0.0.5 8080 {\nlvs_method NAT\n}\n}\n";
    let (config, imported) = read(text);
    let service = &config.virtual_services[0];
    let members = service.members().map(|member| {
        let asks = member.check.kind.asks();
        format!("{} {} {asks}", member.key, member.forwarding)
    });
    assert_eq!(
        members.collect::<Vec<_>>(),
        [
            "10.0.0.1:80 direct true",
            "10.0.0.2:8080 masquerade true",
            "10.0.0.3:80 tunnel false",
            "10.0.0.4:8080 masquerade false",
            "10.0.0.5:8080 masquerade false",
            "10.0.0.9:80 direct false",
        ],
        "{}",
        imported.yaml
    );
}

#[test]
fn vrrp_stays_with_keepalived_and_timeouts_are_imported() {
    let text = "global_defs {\nrouter_id a\nlvs_timeouts tcp 900 udp 30\n}\n\
                vrrp_instance V {\ninterface eth0\nvirtual_ipaddress {\n10.1.0.1\n}\n}\nodd_thing\n\
                virtual_server 10.1.0.1 80 {\nprotocol TCP\nreal_server 10.0.0.1 80 {\nTCP_CHECK {\n}\n}\n}\n";
    let (config, imported) = read(text);
    let timeouts: Vec<_> = config.director.timeouts.values().copied().collect();
    assert_eq!(timeouts, [900, 30]);
    assert!(has_note(
        &imported,
        1,
        "goes on with `global_defs`, `vrrp_instance`: remove"
    ));
    assert!(has_note(&imported, 11, "`odd_thing` is left out"));
    let key = config.virtual_services[0].key;
    assert!(matches!(
        key,
        crate::model::ServiceKey::Address {
            protocol: Protocol::Tcp,
            ..
        }
    ));
}

fn with_files(
    main: &str,
    read: &mut ReadIncluded<'_>,
) -> Result<Imported, crate::import::ImportError> {
    let main = SourceText::new("/etc/k/main.conf".to_owned(), main.as_bytes())?;
    import(Format::Keepalived, main, read)
}

#[test]
fn included_files_are_read_beside_the_file_that_includes_them() {
    let mut asked = Vec::new();
    let imported = with_files(
        "include conf.d/*.conf\ninclude none\n",
        &mut |pattern, directory| {
            asked.push((pattern.to_owned(), directory.to_owned()));
            let text = match pattern {
                "conf.d/*.conf" => "virtual_server 10.1.0.1 80 {\ninclude servers\n}\n",
                "servers" => "real_server 10.0.0.1 80 {\nTCP_CHECK {\n}\nodd\n}\n",
                _ => return Ok(Vec::new()),
            };
            let name = directory
                .join(pattern.replace('*', "a"))
                .display()
                .to_string();
            Ok(vec![SourceText::new(name, text.as_bytes())?])
        },
    )
    .unwrap();
    let directories: Vec<_> = asked
        .iter()
        .map(|(_, directory)| directory.as_path())
        .collect();
    assert_eq!(
        directories,
        [
            Path::new("/etc/k"),
            Path::new("/etc/k/conf.d"),
            Path::new("/etc/k")
        ]
    );
    let notes = imported.notes.join("\n");
    assert!(
        notes.contains("/etc/k/conf.d/servers:4: `odd` is left out"),
        "{notes}"
    );
    assert!(
        notes.contains("/etc/k/main.conf:2: `include none` names no file"),
        "{notes}"
    );
}

#[test]
fn includes_without_an_end_are_refused() {
    let error = with_files("include a\n", &mut |_, _| {
        Ok(vec![SourceText::new("/etc/k/main.conf".to_owned(), b"\n")?])
    });
    assert!(error.unwrap_err().to_string().contains("includes itself"));
    let mut number = 0;
    let error = with_files("include a\n", &mut |_, _| {
        number += 1;
        Ok(vec![SourceText::new(
            format!("/etc/k/{number}"),
            b"include a\n",
        )?])
    });
    assert!(error.unwrap_err().to_string().contains("more than 16 deep"));
    let error = with_files("include a\n", &mut |_, _| {
        let many = (0..2000).map(|number| SourceText::new(format!("/{number}"), b"\n"));
        Ok(many.collect::<Result<_, _>>()?)
    });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("more than 1000 files")
    );
    let error = with_files("include a\n", &mut |_, _| {
        Err(std::io::Error::other("gone").into())
    });
    let error = error.unwrap_err();
    assert!(error.is_unreadable(), "{error}");
    assert_eq!(
        error.to_string(),
        "/etc/k/main.conf:1: the included file `a` cannot be read"
    );
}

#[test]
fn a_range_that_is_too_large_is_left_out_and_the_rest_is_imported() {
    let text = "virtual_server_group g {\n2001:db8::/32 80\n10.1.0.1 80\n}\n\
                virtual_server group g {\nreal_server 10.0.0.1 80 {\n}\n}\n";
    let (config, imported) = read(text);
    assert_eq!(config.virtual_services.len(), 1);
    assert!(
        has_note(&imported, 2, "this range is left out"),
        "{:#?}",
        imported.notes
    );
}

#[test]
fn settings_that_change_in_the_import_have_a_note() {
    let text = "virtual_server 10.1.0.1 80 {\ndelay_loop 6 lb_algo rr\nquorum 0\n\
                sorry_server 10.0.0.9 8080\nlb_kind DR\nreal_server 10.0.0.1 80 extra {\n\
                weight 99999999999\nSSL_GET {\nenable_sni\nfast_recovery\nhttp_protocol 1.1\n\
                url {\npath / b\n}\n}\n}\n}\n";
    let (config, imported) = read(text);
    for (line, note) in [
        (2, "`lb_algo rr` after `delay_loop`"),
        (3, "`quorum 0` is left out"),
        (6, "`extra` after `real_server`"),
        (
            7,
            "the number 99999999999 is above the highest one here: 2147483647 is taken",
        ),
        (9, "`enable_sni` is left out"),
        (10, "`fast_recovery` is left out"),
        (11, "`http_protocol` is left out"),
        (13, "`b` after `path`"),
    ] {
        assert!(
            has_note(&imported, line, note),
            "{note}: {:#?}",
            imported.notes
        );
    }
    // With direct routing packets to it arrive at the service's port; nothing checks it there.
    let sorry_server = config.virtual_services[0]
        .pool
        .sorry_server
        .as_ref()
        .unwrap();
    assert_eq!(sorry_server.key.0.port(), 80);
    assert!(!sorry_server.check.kind.asks());
}

/// Whoever takes the wrong format shows nobody its secrets.
#[test]
fn file_of_ldirectord_is_recognised_and_no_value_is_printed() {
    let text =
        "virtual=10.1.0.1:80\n    login=\"u\"\n    passwd=\"hunter2\"\n    secret = hunter2\n";
    let message = refused(Format::Keepalived, text);
    assert!(!message.contains("hunter2"), "{message}");
    assert!(
        message.contains("`passwd` is left out") && message.contains("import ldirectord"),
        "{message}"
    );
}
