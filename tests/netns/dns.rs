//! Questions to dnsmasq.

use std::process::Command;

use crate::support::{Lan, Site, until};
use crate::witness::{DEADLINE, status};

const ZONE: [&str; 10] = [
    "--local=/example.com/",
    "--host-record=www.example.com,192.0.2.1",
    "--host-record=six.example.com,2001:db8::1",
    "--cname=alias.example.com,www.example.com",
    "--mx-host=example.com,Mail.Example.com,10",
    "--srv-host=_web._tcp.example.com,www.example.com,443,1,2",
    "--txt-record=example.com,v=spf1 ,-all",
    "--ptr-record=1.2.0.192.in-addr.arpa,WWW.Example.com",
    "--local=/none.test/",
    "--listen-address=192.168.11.21",
];

/// A name, the rest of the check, and what is shown.
const CHECKS: [(&str, &str, &str); 12] = [
    (
        "www.example.com",
        "answers: 192.0.2.1",
        "1 A record: 192.0.2.1",
    ),
    ("WWW.example.com.", "", "1 A record: 192.0.2.1"),
    (
        "www.example.com",
        "answers: 192.0.2.9",
        "expected 192.0.2.9, found 1 A record: 192.0.2.1",
    ),
    (
        "six.example.com",
        "type: AAAA, answers: \"2001:DB8:0:0::0001\"",
        "1 AAAA record: 2001:db8::1",
    ),
    ("alias.example.com", "", "1 A record: 192.0.2.1"),
    (
        "alias.example.com",
        "type: CNAME, answers: WWW.EXAMPLE.COM",
        "1 CNAME record: www.example.com.",
    ),
    (
        "example.com",
        "type: MX, answers: 10 mail.example.com",
        "1 MX record: 10 mail.example.com.",
    ),
    (
        "_web._tcp.example.com",
        "type: SRV, answers: 1 2 443 www.example.com",
        "1 SRV record: 1 2 443 www.example.com.",
    ),
    (
        "example.com",
        "type: TXT, answers: v=spf1 -all",
        "1 TXT record: v=spf1 -all",
    ),
    (
        "1.2.0.192.in-addr.arpa",
        "type: PTR, answers: www.example.com",
        "1 PTR record: www.example.com.",
    ),
    ("none.test", "", "NXDOMAIN, expected NOERROR"),
    ("none.test", "rcode: [NXDOMAIN, NOERROR]", "NXDOMAIN"),
];

#[test]
fn the_answers_of_dnsmasq_are_understood() {
    let lan = Lan::new();
    let mut dnsmasq = Command::new("dnsmasq");
    dnsmasq.args(
        "--keep-in-foreground --bind-interfaces --no-resolv --no-hosts --user=root".split(' '),
    );
    dnsmasq
        .args(["--conf-file=/dev/null", "--pid-file="])
        .args(ZONE);
    let _dnsmasq = lan.rs1.spawn(dnsmasq);
    let services = CHECKS.iter().zip(1..).map(|((name, rest, _), port)| {
        format!(
            "  - name: s{port}\n    address: 192.168.11.200:{port}\n    check: {{ dns: {{ name: {name}, \
             {rest} }}, interval: 200ms, timeout: 5s }}\n    \
             real_servers: [{{ name: rs1, address: 192.168.11.21 }}]\n"
        )
    });
    let configuration = format!("virtual_services:\n{}", services.collect::<String>());
    let site = Site::new(&configuration);
    let mut agent = site.run(&lan.director, &["--table", "memory"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    let expected = CHECKS.map(|(.., shown)| shown.to_owned());
    until(DEADLINE, "what dnsmasq answers", || {
        let status = status(&lan.director);
        let shown = (0..CHECKS.len()).map(|service| {
            let real_server = &status["virtual_services"][service]["real_servers"][0];
            real_server["last_probe"]["detail"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        });
        let shown: Vec<_> = shown.collect();
        if shown == expected {
            Ok(())
        } else {
            Err(shown)
        }
    });
}
