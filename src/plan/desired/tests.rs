use super::*;
use crate::model::{Persistence, ServiceFlags, Tunnel};
use crate::status::fixture;

fn found(services: &str) -> Vec<String> {
    let text = format!("virtual_services:\n{services}");
    let config = Config::parse("test.yaml", &text).unwrap();
    let host = BTreeSet::from(["192.168.11.21", "2001:db8::21"].map(|ip| ip.parse().unwrap()));
    vips(&config, &host)
        .into_iter()
        .map(|vip| vip.to_string())
        .collect()
}

fn service(name: &str, address: &str, real_server: &str) -> String {
    format!(
        "  - name: {name}\n    address: \"{address}\"\n    \
         real_servers: [{{ name: rs1, address: \"{real_server}\" }}]\n"
    )
}

#[test]
fn a_loopback_address_is_no_vip_of_a_real_server() {
    let services = [
        service("four", "127.0.0.1:80", "192.168.11.21"),
        service("five", "127.8.9.10:80", "192.168.11.21"),
        service("six", "[::1]:80", "2001:db8::21"),
    ]
    .concat();
    assert_eq!(found(&services), [""; 0]);
    let services = services + &service("web", "192.168.11.200:80", "192.168.11.21");
    assert_eq!(found(&services), ["192.168.11.200"]);
}

#[test]
fn a_real_server_holds_the_vips_of_the_services_that_name_them_to_it() {
    let mut config = fixture::config();
    let host = ["192.168.11.21".parse().unwrap()].into();
    let vip: IpAddr = "192.168.11.200".parse().unwrap();
    for (forwarding, expected) in [
        (Forwarding::Direct, vec![vip]),
        (Forwarding::Tunnel(Tunnel::Ipip), vec![vip]),
        (Forwarding::Masquerade, vec![]),
    ] {
        config.virtual_services[0].forwarding = forwarding;
        let found: Vec<_> = vips(&config, &host).into_iter().collect();
        assert_eq!(found, expected, "{forwarding}");
    }
}

#[test]
fn real_servers_own_forwarding_decides_on_its_vip() {
    let text = "virtual_services:
  - name: web
    address: 192.168.11.200:80
    real_servers:
      - { name: rs1, address: 192.168.11.21, forwarding: masquerade }
      - { name: rs2, address: 192.168.11.22 }
  - name: mail
    address: 192.168.11.201:25
    forwarding: masquerade
    check: none
    sorry_server: { address: 192.168.11.30, forwarding: direct }
    real_servers:
      - { name: rs1, address: 192.168.11.21, forwarding: tunnel }
      - { name: rs2, address: 192.168.11.22 }
";
    let config = Config::parse("test.yaml", text).unwrap();
    let vips = |host: &str| -> Vec<_> {
        let vips = vips(&config, &[host.parse().unwrap()].into());
        vips.into_iter().map(|vip| vip.to_string()).collect()
    };
    assert_eq!(vips("192.168.11.21"), ["192.168.11.201"]);
    assert_eq!(vips("192.168.11.22"), ["192.168.11.200"]);
    assert_eq!(vips("192.168.11.30"), ["192.168.11.201"]);
    let state = director(&config, &Marks::default(), |_, _, weight| weight);
    let forwardings = state.services.values().map(|service| {
        let destinations = service.destinations.values();
        let forwardings = destinations.map(|one| one.forwarding.to_string());
        forwardings.collect::<Vec<_>>()
    });
    assert_eq!(
        forwardings.collect::<Vec<_>>(),
        [
            vec!["masquerade", "direct"],
            vec!["tunnel", "masquerade", "direct"]
        ]
    );
}

#[test]
fn desired_service_has_the_configured_properties() {
    let mut config = fixture::config();
    let persistence = Some(Persistence {
        timeout_seconds: 300,
        netmask: 0xffff_ff00,
        engine: None,
    });
    let service = &mut config.virtual_services[0];
    service.persistence.clone_from(&persistence);
    service.flags = ServiceFlags::FALLBACK;
    service.forwarding = Forwarding::Tunnel(Tunnel::Gre { checksum: true });
    service.real_servers[0].upper_threshold = 9;
    service.real_servers[0].lower_threshold = 7;
    let (key, real_server) = (service.key, service.real_servers[0].key);
    let state = director(&config, &Marks::default(), |_, _, configured| configured);
    let state = &state.services[&key];
    assert_eq!(state.service.persistence, persistence);
    assert_eq!(state.service.flags, ServiceFlags::FALLBACK);
    let expected = Destination {
        forwarding: Forwarding::Tunnel(Tunnel::Gre { checksum: true }),
        weight: Weight::ONE,
        upper_threshold: 9,
        lower_threshold: 7,
    };
    assert_eq!(state.destinations[&real_server], expected);
}

#[test]
fn answers_through_a_vip_need_accept_local_unless_that_is_configured() {
    let key: SysctlKey = "net.ipv4.conf.eth0.accept_local".parse().unwrap();
    let state = |config: &Config| director(config, &Marks::default(), |_, _, weight| weight);
    assert_eq!(state(&fixture::config()).sysctls.get(&key), None);
    let mut config = fixture::config_through_vip();
    assert_eq!(state(&config).sysctls[&key], "1");
    config.director.link = Some("eth0.100".to_owned());
    let tagged = "net.ipv4.conf.eth0/100.accept_local".parse().unwrap();
    assert_eq!(state(&config).sysctls[&tagged], "1");
    config.director.link = None;
    let all = "net.ipv4.conf.all.accept_local".parse().unwrap();
    assert_eq!(state(&config).sysctls[&all], "1");
    config.director.sysctls.insert(all, "0".to_owned());
    let all = "net.ipv4.conf.all.accept_local".parse().unwrap();
    assert_eq!(state(&config).sysctls[&all], "0");
}
