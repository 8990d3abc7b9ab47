use super::*;
use crate::config::Config;

/// A director that sets one of each, with a service of these keys.
fn unneeded(service: &str) -> Vec<String> {
    let text = format!(
        "
director:
  interface: eth0
  sysctls:
    net.ipv4.ip_forward: 1
    net.ipv4.conf.eth0.forwarding: 1
    net.ipv4.conf.eth0.accept_local: 1
    net.ipv4.vs.conntrack: 1
virtual_services:
  - name: web
    address: 192.0.2.200:80
    {service}
    real_servers: [{{ name: rs1, address: 192.0.2.1 }}]
"
    );
    let config = Config::parse("test.yaml", &text).unwrap();
    let unneeded = unneeded_by_director(&config);
    let names = unneeded
        .iter()
        .map(|key| key.as_str().replace("net.ipv4.", ""));
    names.collect()
}

#[test]
fn what_traffic_depends_on_follows_from_the_services() {
    let accept = ["conf.eth0.accept_local"];
    let forwarding = ["conf.eth0.forwarding", "ip_forward"];
    let expire = ["vs.expire_nodest_conn", "vs.expire_quiescent_template"];
    assert_eq!(
        unneeded("scheduler: wlc"),
        [&accept[..], &forwarding, &expire].concat()
    );
    assert_eq!(
        unneeded("persistence: { timeout: 5m }"),
        [&accept[..], &forwarding, &expire[..1]].concat()
    );
    assert_eq!(
        unneeded("forwarding: masquerade"),
        [&accept[..], &expire].concat()
    );
    assert_eq!(
        unneeded("check: { http: {}, via: vip }"),
        [&forwarding[..], &expire].concat()
    );
}

#[test]
fn a_real_server_can_do_without_rp_filter_alone() {
    let text = "
virtual_services:
  - name: web
    address: 192.0.2.200:80
    real_servers: [{ name: rs1, address: 192.0.2.1 }]
";
    let unneeded = unneeded_by_real_server(&Config::parse("test.yaml", text).unwrap());
    let names: Vec<_> = unneeded.iter().map(SysctlKey::as_str).collect();
    assert_eq!(names, ["net.ipv4.conf.default.rp_filter"]);
}
