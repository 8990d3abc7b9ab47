use crate::config::{CheckKind, Config};
use crate::import::tests::{has_note, imported, refused};
use crate::import::{Format, Imported};
use crate::model::{Family, Forwarding, Protocol, ServiceFlags, ServiceKey, Tunnel};

fn read(text: &str) -> (Config, Imported) {
    imported(Format::Ldirectord, text)
}

/// Indented lines.
fn indented(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| ["\t", line, "\n"]).collect()
}

/// A virtual server with a real server and these lines, from the third line on.
fn one(head: &str, lines: &[&str]) -> (Config, Imported) {
    let lines = indented(lines);
    read(&format!("virtual={head}\n\treal=10.0.0.1:80 gate\n{lines}"))
}

/// The check of a virtual server with these lines, without its times.
fn kind(head: &str, lines: &[&str]) -> (String, Imported) {
    let (_, imported) = one(head, lines);
    let check = check(&imported);
    (
        check.split(",\"interval\"").next().unwrap().to_owned() + "}",
        imported,
    )
}

fn check(imported: &Imported) -> String {
    let document: serde_yaml::Value = serde_yaml::from_str(&imported.yaml).unwrap();
    serde_json::to_string(&document["virtual_services"][0]["check"]).unwrap()
}

const HTTP: &str = "10.1.0.1:80";

#[test]
fn keywords_of_ipvs_are_imported() {
    let (config, _) = read(
        "virtual=10.1.0.1:5060\n\treal=10.0.0.1->10.0.0.3:5061 masq 4 l:80 u:100\n\tprotocol=udp\n\
         \tscheduler=sh\n\tschedflags=sh-fallback,sh-port\n\tpersistent=600\n\
         \tnetmask=255.255.255.0\n\tops=yes\n\tquiescent=yes\n\tservicename=My SIP!\n\
         \tchecktype=ping\n",
    );
    let service = &config.virtual_services[0];
    assert_eq!(&*service.name, "My-SIP-udp");
    assert_eq!(service.scheduler.as_str(), "sh");
    let flags = ServiceFlags::PORT.union(ServiceFlags::FALLBACK);
    assert_eq!(service.flags, flags.union(ServiceFlags::ONE_PACKET));
    let persistence = service.persistence.as_ref().unwrap();
    assert_eq!(
        (persistence.timeout_seconds, persistence.netmask),
        (600, 0xffff_ff00)
    );
    assert_eq!(service.forwarding, Forwarding::Masquerade);
    let servers: Vec<_> = service
        .real_servers
        .iter()
        .map(|one| one.key.0.to_string())
        .collect();
    assert_eq!(servers, ["10.0.0.1:5061", "10.0.0.2:5061", "10.0.0.3:5061"]);
    let server = &service.real_servers[2];
    assert_eq!(
        (
            server.weight.get(),
            server.upper_threshold,
            server.lower_threshold
        ),
        (4, 100, 80)
    );
}

#[test]
fn ipv6_marks_and_tunnels_are_imported() {
    let (config, _) = read(
        "virtual6=[2001:db8::200]:80\n\treal6=[2001:db8::21]:80 ipip\n\tchecktype=connect\n\
         virtual=7\n\treal=10.0.0.1 gate\n\tservice=http\n\tcheckport=80\n\
         virtual6=7\n\treal6=[2001:db8::21] gate\n\tchecktype=ping\n",
    );
    let [six, mark, mark6] = &*config.virtual_services else {
        panic!("{config:#?}");
    };
    assert_eq!(six.key.to_string(), "tcp [2001:db8::200]:80");
    assert_eq!(six.forwarding, Forwarding::Tunnel(Tunnel::Ipip));
    assert_eq!(mark.key.to_string(), "fwmark 7 ipv4");
    assert_eq!(
        (&*mark6.name, mark6.key.family()),
        ("fwmark-7-ipv6", Family::Ipv6)
    );
}

#[test]
fn protocol_is_udp_only_at_port_53() {
    for (head, lines, wanted) in [
        (HTTP, &[][..], Protocol::Tcp),
        ("10.1.0.1:53", &["request=\"a.example\""], Protocol::Udp),
        ("10.1.0.1:domain", &["request=\"a.example\""], Protocol::Udp),
        (
            "10.1.0.1:53",
            &["protocol=tcp", "request=\"a.example\""],
            Protocol::Tcp,
        ),
        (
            HTTP,
            &["protocol = udp", "checktype=connect"],
            Protocol::Udp,
        ),
    ] {
        let (config, _) = one(head, lines);
        let ServiceKey::Address { protocol, .. } = config.virtual_services[0].key else {
            panic!("{config:?}");
        };
        assert_eq!(protocol, wanted, "{head} {lines:?}");
    }
}

#[test]
fn check_types_are_imported() {
    for (lines, wanted) in [
        (&["checktype=connect"][..], r#"{"tcp":{}}"#),
        (
            &["checktype=connect", "checkport=81"],
            r#"{"tcp":{"port":81}}"#,
        ),
        (&["checktype=connect", "protocol=udp"], r#"{"ping":{}}"#),
        (&["checktype=ping"], r#"{"ping":{}}"#),
        (
            &["checktype=external", "checkcommand=\"/bin/check -x\""],
            r#"{"exec":{"command":["/bin/check","-x","10.1.0.1","80","{address}","{port}"]}}"#,
        ),
        (
            &["request=\"up\"", "receive=\"^we.l\""],
            r#"{"http":{"path":"/up","expect":{"body":{"regex":"^we.l"}}}}"#,
        ),
        (
            &["virtualhost=a.example", "httpmethod=head"],
            r#"{"http":{"path":"/","host":"a.example","method":"HEAD"}}"#,
        ),
        (
            &["service=https"],
            r#"{"https":{"path":"/","verify":false}}"#,
        ),
        (
            &[
                "service=simpletcp",
                "request=\"PING\\n\"",
                "receive=\"^PONG\"",
            ],
            r#"{"tcp":{"steps":[{"send":"PING\n"},{"expect":{"regex":"(?m)^PONG"}}]}}"#,
        ),
        (
            &[
                "service=simpletcp",
                "protocol=udp",
                "request=\"a\"",
                "receive=\"b\"",
            ],
            r#"{"udp":{"send":"a","expect":{"regex":"b"}}}"#,
        ),
        (
            &["service=smtp"],
            r#"{"tcp":{"steps":[{"expect":{"regex":"^220"}},{"send":"EHLO localhost\r\n"},{"expect":{"regex":"^250"}}]}}"#,
        ),
        (
            &["service=submission", "checkport=587"],
            r#"{"tcp":{"steps":[{"expect":{"regex":"^220"}},{"send":"EHLO localhost\r\n"},{"expect":{"regex":"^250"}}],"port":587}}"#,
        ),
        (
            &["service=ftp"],
            r#"{"tcp":{"steps":[{"expect":{"regex":"^220"}}]}}"#,
        ),
        (
            &["service=pop"],
            r#"{"tcp":{"steps":[{"expect":{"regex":"^\\+OK"}}]}}"#,
        ),
        (
            &["service=imap"],
            r#"{"tcp":{"steps":[{"expect":{"regex":"^\\* OK"}}]}}"#,
        ),
        (
            &["service=nntp"],
            r#"{"tcp":{"steps":[{"expect":{"regex":"^20[01]"}}]}}"#,
        ),
        (
            &["service=pops"],
            r#"{"tls":{"steps":[{"expect":{"regex":"^\\+OK"}}],"verify":false}}"#,
        ),
        (
            &["service=imaps"],
            r#"{"tls":{"steps":[{"expect":{"regex":"^\\* OK"}}],"verify":false}}"#,
        ),
        (&["service=ldaps"], r#"{"tls":{"verify":false}}"#),
    ] {
        let (found, imported) = kind(HTTP, lines);
        assert_eq!(found, wanted, "{lines:?} {:#?}", imported.notes);
    }
}

#[test]
fn check_of_dns_has_the_answer_that_is_an_address() {
    for (lines, wanted) in [
        (
            [
                "service=dns",
                "request=\"a.example\"",
                "receive=\"192.0.2.1\"",
            ],
            r#"{"dns":{"name":"a.example","answers":["192.0.2.1"],"port":80}}"#,
        ),
        (
            [
                "service=dns",
                "request=\"a.example\"",
                "receive=\"2001:db8::1\"",
            ],
            r#"{"dns":{"name":"a.example","type":"AAAA","answers":["2001:db8::1"],"port":80}}"#,
        ),
        (
            [
                "service=dns",
                "request=\"192.0.2.1\"",
                "receive=\"a.example\"",
            ],
            r#"{"dns":{"name":"1.2.0.192.in-addr.arpa.","type":"PTR","answers":["a.example"],"port":80}}"#,
        ),
    ] {
        let (found, imported) = kind(HTTP, &lines);
        assert_eq!(found, wanted, "{lines:?} {:#?}", imported.notes);
    }
}

#[test]
fn checks_without_equivalent_are_noted() {
    for (lines, wanted, expected) in [
        (
            &["checktype=on"][..],
            r#""none""#,
            "have no check there and always serve",
        ),
        (&["service=none"], r#""none""#, "have no check there"),
        (
            &["checktype=5"],
            r#"{"http":{"path":"/"}}"#,
            "`checktype = 5` is left out",
        ),
        (
            &["checktype=external", "checkcommand=check"],
            r#"{"tcp":{}}"#,
            "takes the absolute path",
        ),
        (
            &["checktype=external-perl", "checkcommand=/c"],
            r#"{"exec""#,
            "must be executable",
        ),
        (
            &["service=ldap"],
            r#"{"tcp":{}}"#,
            "`service = ldap` has no equal",
        ),
        (
            &["service=mysql"],
            r#"{"tcp":{}}"#,
            "`service = mysql` has no equal",
        ),
        (
            &["service=pgsql"],
            r#"{"tcp":{}}"#,
            "`service = pgsql` has no equal",
        ),
        (
            &["service=oracle"],
            r#"{"tcp":{}}"#,
            "`service = oracle` has no equal",
        ),
        (
            &["service=sip", "protocol=udp"],
            r#"{"udp":{}}"#,
            "`service = sip` has no equal",
        ),
        (
            &["service=radius", "protocol=udp"],
            r#"{"udp":{}}"#,
            "`service = radius` has no equal",
        ),
        (
            &["service=http_proxy"],
            r#"{"tcp":{}}"#,
            "`service = http_proxy` has no equal",
        ),
        (
            &["request=\"http://other:81/a\""],
            r#"{"http":{"path":"/a","port":81}}"#,
            "asks another host",
        ),
        (
            &["receive=\"(?=a)\""],
            r#"{"http":{"path":"/"}}"#,
            "is left out, and any text passes",
        ),
        (
            &["httpmethod=HEAD", "receive=\"a\""],
            r#"{"http":{"path":"/","method":"HEAD"}}"#,
            "has no body",
        ),
        (
            &["service=dns", "request=\"a.b\"", "receive=\"1|2\""],
            r#"{"dns":{"name":"a.b","port":80}}"#,
            "any record passes",
        ),
    ] {
        let (found, imported) = kind(HTTP, lines);
        assert!(found.starts_with(wanted), "{lines:?} {found}");
        let reported = imported.notes.iter().any(|note| note.contains(expected));
        assert!(reported, "{expected}: {:#?}", imported.notes);
    }
    let (config, imported) = one(HTTP, &["checktype=off"]);
    assert_eq!(config.virtual_services[0].real_servers[0].weight.get(), 0);
    assert!(
        has_note(&imported, 3, "all have weight 0 here"),
        "{:#?}",
        imported.notes
    );
}

#[test]
fn times_are_those_of_the_section_and_then_global() {
    for (global, lines, wanted) in [
        (
            "",
            &[][..],
            r#""interval":"10s","timeout":"30s","rise":1,"fall":1}"#,
        ),
        (
            "",
            &["checktype=connect"],
            r#""interval":"10s","timeout":"5s","rise":1,"fall":1}"#,
        ),
        (
            "checktimeout=3\nfailurecount=4\n",
            &[],
            r#""interval":"10s","timeout":"3s","rise":1,"fall":4}"#,
        ),
        (
            "negotiatetimeout=7\n",
            &["checktype=connect"],
            r#""timeout":"7s""#,
        ),
        (
            "failurecount=4\n",
            &["failurecount=2", "negotiatetimeout=9"],
            r#""timeout":"9s","rise":1,"fall":2}"#,
        ),
        ("checkcount=3\n", &[], r#""fall":1}"#),
        (
            "checkcount=3\nfailurecount=2\n",
            &["checktype=ping"],
            r#""fall":6}"#,
        ),
        (
            "checkinterval=2\n",
            &["checkinterval=3"],
            r#""interval":"2s""#,
        ),
        (
            "fork=yes\ncheckinterval=2\n",
            &["checkinterval=3"],
            r#""interval":"3s""#,
        ),
    ] {
        let lines = indented(lines);
        let (_, imported) = read(&format!(
            "{global}virtual=10.1.0.1:80\n\treal=10.0.0.1:80 gate\n{lines}"
        ));
        assert!(
            check(&imported).contains(wanted),
            "{global} {lines} {}",
            check(&imported)
        );
    }
    let (_, imported) = one(HTTP, &["checkinterval=3", "failurecount=none"]);
    assert!(has_note(
        &imported,
        3,
        "`checkinterval` of a virtual server is left out"
    ));
    assert!(has_note(&imported, 4, "it is no number above 0"));
}

#[test]
fn fallback_becomes_sorry_server_and_quiescent_becomes_on_failure() {
    let text = "quiescent=yes\nfallback=127.0.0.1:80 gate\nfallback6=[::1]:80\n\
                virtual=10.1.0.1:80\n\treal=10.0.0.1:80 gate\n\
                virtual=10.1.0.2:80\n\treal=10.0.0.1:80 gate\n\tfallback=10.0.0.9\n\tquiescent=no\n\
                virtual=10.1.0.3:80\n\treal=10.0.0.1:80 gate\n\tfallback=sorry:80\n\
                virtual6=[2001:db8::200]:80\n\treal6=[2001:db8::21]:80 gate\n";
    let (config, imported) = read(text);
    let sorry = |index: usize| {
        let server = config.virtual_services[index].pool.sorry_server.as_ref();
        server.map(|server| server.key.0.to_string())
    };
    assert_eq!(sorry(0).as_deref(), Some("127.0.0.1:80"));
    assert_eq!(sorry(1).as_deref(), Some("10.0.0.9:80"));
    assert_eq!(sorry(2), None);
    assert_eq!(sorry(3).as_deref(), Some("[::1]:80"));
    assert!(
        has_note(&imported, 12, "names are not looked up"),
        "{:#?}",
        imported.notes
    );
    let failure = |word: &str| {
        imported
            .yaml
            .matches(&format!("on_failure: {word}"))
            .count()
    };
    assert_eq!((failure("quiesce"), failure("remove")), (3, 1));
    let (_, imported) = one(HTTP, &[]);
    assert!(imported.yaml.contains("on_failure: remove"));
    assert!(
        has_note(&imported, 1, "without `quiescent`"),
        "{:#?}",
        imported.notes
    );
}

#[test]
fn real_server_may_have_a_request_of_its_own() {
    let text = "virtual=10.1.0.1:80\n\treal=10.0.0.1:80 gate 2 \"a.html\", \"well\"\n\
                \treal=10.0.0.2:80 gate 3 \"a.html\" \"well\"\n\treal=10.0.0.3:80 gate\n\
                \treal=rs4:80 gate\n\treal=10.0.0.5:80 bridge\n\treal=10.0.0.9->10.0.0.8:80 gate\n";
    let (config, imported) = read(text);
    let wanted = r#"{"http":{"path":"/a.html","expect":{"body":{"regex":"well"}}}"#;
    assert!(check(&imported).starts_with(wanted), "{}", check(&imported));
    let weights: Vec<_> = config.virtual_services[0]
        .real_servers
        .iter()
        .map(|one| one.weight.get())
        .collect();
    assert_eq!(weights, [2, 3, 1]);
    let own = config.virtual_services[0].real_servers[2].check.as_ref();
    let CheckKind::Http(own) = &own.unwrap().kind else {
        panic!("{}", imported.yaml);
    };
    assert_eq!(own.path, "/");
    for (line, expected) in [
        (5, "names are not looked up"),
        (6, "`gate`, `masq` or `ipip`"),
        (7, "runs backwards"),
    ] {
        assert!(
            has_note(&imported, line, expected),
            "{expected}: {:#?}",
            imported.notes
        );
    }
}

#[test]
fn keywords_without_equivalent_are_noted_and_secrets_are_not_printed() {
    let text = "autoreload=yes\ncallback=\"/bin/c\"\nlogfile=\"local0\"\nemailalert=\"a@b\"\n\
                emailalertfrom=c\nemailalertfreq=5\nemailalertstatus=all\nsmtp=mx\nexecute=other\n\
                supervised=yes\nreaddquiescent=no\ncleanstop=yes\nmaintenancedir=/m\n\
                fallbackcommand=/f\nodd=1\n\
                virtual=10.1.0.1:80\n\treal=10.0.0.1:80 gate\n\tlogin=\"me\"\n\tpasswd=\"hush\"\n\
                \tdatabase=\"db\"\n\tsecret=\"hush\"\n\tmonitorfile=\"/m\"\n\tcomment=note\n\
                \temailalert=\"a@b\"\n\tload=\"x\"\n\tcleanstop=yes\n\tnetmask=255.255.255.0\n";
    let (_, imported) = read(text);
    let lines: std::collections::BTreeSet<_> = imported
        .notes
        .iter()
        .filter_map(|note| note.split(':').nth(1)?.parse::<usize>().ok())
        .collect();
    for line in (1..=27).filter(|line| *line != 17) {
        assert!(lines.contains(&line), "{line}: {:#?}", imported.notes);
    }
    assert!(!imported.yaml.contains("hush"), "{}", imported.yaml);
    assert!(
        has_note(&imported, 1, "`lvs-agent reload`"),
        "{:#?}",
        imported.notes
    );
}

#[test]
fn indentation_decides_what_belongs_to_a_virtual_server() {
    let (config, _) = read(
        "virtual=10.1.0.1:80 # here\n# a comment\n    # another\n    real = 10.0.0.1:80 gate # one\n\
         \treal=10.0.0.2:80 gate\nchecktimeout=3\n",
    );
    assert_eq!(config.virtual_services[0].real_servers.len(), 2);
    for (text, expected) in [
        (
            "virtual=10.1.0.1:80\n  real=10.0.0.1:80 gate\n",
            "test:2: `real` belongs to no virtual",
        ),
        (
            "virtual=10.1.0.1:80\n\n\treal=10.0.0.1:80 gate\n",
            "test:3: `real` belongs",
        ),
        (
            "what is this\n",
            "test:1: the line that begins with `what` is no line of ldirectord",
        ),
    ] {
        let text = refused(Format::Ldirectord, text);
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn a_line_of_a_virtual_server_that_is_not_indented_is_an_error() {
    let text = "virtual=10.1.0.1:80\nreal=10.0.0.1:80 gate\n";
    let message = refused(Format::Ldirectord, text);
    assert!(
        message.starts_with("test:2: `real` belongs to no virtual server"),
        "{message}"
    );
}

#[test]
fn no_port_above_65535_is_asked_and_a_note_says_so() {
    let text = "virtual=10.1.0.1:80\n    checkport=99999\n    real=10.0.0.1:80 gate 5000000000\n";
    let (config, imported) = imported(Format::Ldirectord, text);
    assert_eq!(
        config.virtual_services[0].check.kind.service_ports(),
        [None]
    );
    assert!(
        has_note(&imported, 2, "`checkport = 99999` is left out"),
        "{:#?}",
        imported.notes
    );
    assert!(
        has_note(&imported, 3, "the number 5000000000 is above"),
        "{:#?}",
        imported.notes
    );
}

#[test]
fn file_of_another_program_is_refused_and_no_value_is_printed() {
    let text = "vrrp_instance a {\nauth_pass hunter2\n";
    let message = refused(Format::Ldirectord, text);
    assert!(!message.contains("hunter2"), "{message}");
    let message = refused(Format::Ldirectord, "    passwd = hunter2\n");
    assert!(
        !message.contains("hunter2") && message.contains("`passwd`"),
        "{message}"
    );
    let message = refused(Format::Ldirectord, "a = b\nauth_pass hunter2\n");
    assert!(
        !message.contains("hunter2") && message.contains("begins with `auth_pass`"),
        "{message}"
    );
}
